/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script - runs a script that measures, and takes the figures out of what it prints.
 *
 *	FIGURE NAME UNIT VALUE		one more run of the figure found this
 *	SKIP NAME REASON ...		it cannot be measured here, and why
 *
 * All other lines are passed on to standard output as they come. A name that the caller has no figure for,
 * another unit than the figure's, a value that is no number, such a line of 1,023 bytes or more, or a
 * figure of which a script that ended well has said nothing is a failure: what a script finds, or
 * does not find, is never lost without a word.
 *
 * The script runs in the source directory ("perf/idle.sh" is there), with FLX_BUILD in its environment
 * for the build directory, with nothing on its standard input, and in a process group of its own, which is
 * gone when the call returns: what is left of it is asked to end by TERM, and by KILL after two seconds. A
 * TERM, INT or HUP that comes meanwhile ends the group in the same way, and then the caller as it would
 * have.
 */
#pragma once

#include <stdint.h>

struct flx_figure;

struct flx_script {
	const char *const *argv;	 /* ends with NULL; [0] with a slash, or by PATH */
	const struct flx_figure *figure; /* all that it must speak of, and may */
	uint32_t count;			 /* FLX_FIGURES_MAX at most */
	double *value;	/* of each, its last one, NAN where there was none; NULL: not wanted */
	double limit_s; /* it is ended after that, and has failed; 0: none */
};

/*
 * flx_script_run - run @script to its end, and add its figures
 * What was found before a failure stays.
 * Context: setup; starts a process. 0; -ENOTSUP: it skipped figures, and found none; -EINTR: a signal
 * came, which the caller has survived; another -errno, after one flx_error: it said what it must not, or not
 * what it must (-ENODATA), took too long, or ended with another status than 0.
 */
int flx_script_run(const struct flx_script *script);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * compare - what changed between two runs of flxperf, and whether that is more than noise.
 *
 * Figure by figure: both medians, the change with an interval of 95 % (spread.h), and what it says. What
 * the runs of one file cannot show is that the machine itself was another one at the other time; so
 * everything in which the environments differ is warned of, and the rest is for the reader to know.
 */
#pragma once

#include <stdio.h>

/*
 * flx_perf_compare - compare file @b, the later one, with file @a, and print it to @out
 * 0; -EINVAL: one of them is not a file of flxperf, or has no results; -errno of reading it. One
 * flx_error names the file, the cause and the remedy.
 */
int flx_perf_compare(const char *a, const char *b, FILE *out);

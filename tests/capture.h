/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture - what the code under test says on standard error, as a string. One capture at a time.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct flx_capture {
	int file;
	int standard_error; /* the real one, meanwhile */
	char text[4096];
};

static inline void flx_capture_start(struct flx_capture *capture)
{
	fflush(stderr);
	capture->file = memfd_create("capture", MFD_CLOEXEC);
	capture->standard_error = dup(STDERR_FILENO);
	if (capture->file < 0 || capture->standard_error < 0 ||
	    dup2(capture->file, STDERR_FILENO) < 0)
		abort();
}

/* Returns the text, good until the next start; it is cut when it is too long. */
static inline const char *flx_capture_stop(struct flx_capture *capture)
{
	ssize_t size;

	fflush(stderr);
	if (dup2(capture->standard_error, STDERR_FILENO) < 0)
		abort();
	size = pread(capture->file, capture->text, sizeof(capture->text) - 1, 0);
	capture->text[size > 0 ? size : 0] = '\0';
	close(capture->standard_error);
	close(capture->file);
	return capture->text;
}

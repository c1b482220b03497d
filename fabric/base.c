/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void print_line(const char *level, const char *format, va_list arguments)
{
	char line[1024];

	vsnprintf(line, sizeof(line), format, arguments);
	/* One call, so that lines of two threads do not mix. */
	fprintf(stderr, "flx: %s%s\n", level, line);
}

void flx_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_line("error: ", format, arguments);
	va_end(arguments);
}

void flx_warn(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_line("warning: ", format, arguments);
	va_end(arguments);
}

void flx_note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_line("", format, arguments);
	va_end(arguments);
}

_Noreturn void flx_verify_failed(const char *condition, const char *file, int line)
{
	flx_error("%s:%d: '%s' does not hold: memory is corrupt or flx has a bug; stopping with a "
		  "core so that the cause can be found",
		  file, line, condition);
	abort();
}

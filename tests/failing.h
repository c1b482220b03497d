/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * failing - every call with which the store asks for memory, files or a thread can be made to fail;
 * what it says is counted.
 *
 * The linker puts the functions here in place of the library's (--wrap, tests/meson.build).
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

static uint32_t calls, fail_at; /* the call that fails; 0: none */
static bool fail_on;		/* and all that follow it */
static const char *failed_call; /* its name */
static uint32_t errors, warnings;
static char last_error[512];

static bool fails(const char *name)
{
	if (++calls != fail_at && !(fail_on && fail_at && calls > fail_at))
		return false;
	failed_call = name;
	return true;
}

#define WRAP(type, name, parameters, arguments, result, error)                                     \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		if (!fails(#name))                                                                 \
			return __real_##name arguments;                                            \
		errno = error;                                                                     \
		return result;                                                                     \
	}

WRAP(void *, malloc, (size_t size), (size), NULL, ENOMEM)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL, ENOMEM)
WRAP(void *, aligned_alloc, (size_t align, size_t size), (align, size), NULL, ENOMEM)
WRAP(void *, mmap64, (void *at, size_t size, int prot, int flags, int fd, off64_t offset),
     (at, size, prot, flags, fd, offset), MAP_FAILED, ENOMEM)
WRAP(void *, mremap, (void *old, size_t old_size, size_t size, int flags, void *at),
     (old, old_size, size, flags, at), MAP_FAILED, ENOMEM)
WRAP(int, posix_fallocate64, (int fd, off64_t offset, off64_t size), (fd, offset, size), ENOSPC, 0)
WRAP(int, ftruncate64, (int fd, off64_t size), (fd, size), -1, EFBIG)
WRAP(ssize_t, getrandom, (void *to, size_t size, unsigned int flags), (to, size, flags), -1, EIO)
WRAP(int, openat64, (int dir, const char *path, int flags, mode_t mode), (dir, path, flags, mode),
     -1, EMFILE)
WRAP(int, open64, (const char *path, int flags, mode_t mode), (path, flags, mode), -1, EMFILE)
WRAP(int, fsync, (int fd), (fd), -1, EIO)
WRAP(int, renameat, (int from_dir, const char *from, int to_dir, const char *to),
     (from_dir, from, to_dir, to), -1, EACCES)
WRAP(ssize_t, pread64, (int fd, void *to, size_t size, off64_t offset), (fd, to, size, offset), -1,
     EIO)
WRAP(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument),
     (thread, attributes, run, argument), EAGAIN, 0)

void __wrap_flx_error(const char *format, ...);
void __wrap_flx_warn(const char *format, ...);
void __wrap_flx_note(const char *format, ...);

void __wrap_flx_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(last_error, sizeof(last_error), format, arguments);
	va_end(arguments);
	errors++;
}

void __wrap_flx_warn(const char *format, ...)
{
	(void)format;
	warnings++;
}

void __wrap_flx_note(const char *format, ...)
{
	(void)format;
}

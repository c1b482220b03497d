/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/sample.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fabric/base.h"
#include "pmd-config/eal.h"

/* Writes what @run returned and found, and ends the child. */
static _Noreturn void be_child(int fd, int (*run)(const void *argument, void *found),
			       const void *argument, void *found, size_t size)
{
	int rc;
	bool told;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	rc = run(argument, found);
	told = write(fd, &rc, sizeof(rc)) == (ssize_t)sizeof(rc) &&
	       write(fd, found, size) == (ssize_t)size;

	flx_eal_remove_dir();
	/* _exit: what the parent had buffered is the parent's to print. */
	_exit(told ? 0 : 1);
}

int flx_child_run(int (*run)(const void *argument, void *found), const void *argument, void *found,
		  size_t size)
{
	int fd[2], status, rc = -EIO, said;
	pid_t child;

	FLX_VERIFY(size <= PIPE_BUF - sizeof(rc));
	fflush(NULL);
	memset(found, 0, size);
	if (pipe(fd))
		return -errno;
	child = fork();
	if (child == 0)
		be_child(fd[1], run, argument, found, size);
	close(fd[1]);
	/* What a pipe takes in one piece is read in one. */
	if (child > 0 && read(fd[0], &said, sizeof(said)) == (ssize_t)sizeof(said) &&
	    read(fd[0], found, size) == (ssize_t)size)
		rc = said;
	if (child > 0)
		waitpid(child, &status, 0);
	close(fd[0]);
	return rc;
}

struct sampled {
	struct flx_sample (*run)(const void *argument);
	const void *argument;
};

static int take_sample(const void *argument, void *found)
{
	const struct sampled *sampled = argument;

	*(struct flx_sample *)found = sampled->run(sampled->argument);
	return 0;
}

struct flx_sample flx_sample_run(struct flx_sample (*run)(const void *argument),
				 const void *argument)
{
	const struct sampled sampled = {run, argument};
	struct flx_sample sample;

	if (flx_child_run(take_sample, &sampled, &sample, sizeof(sample)))
		sample.status = EIO;
	return sample;
}

void flx_samples_add(struct flx_samples *samples, double value)
{
	if (samples->count < FLX_RUNS_MAX)
		samples->value[samples->count++] = value;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

double flx_samples_median(const struct flx_samples *samples)
{
	struct flx_samples sorted = *samples;
	uint32_t half = samples->count / 2;

	if (!samples->count)
		return 0;
	qsort(sorted.value, sorted.count, sizeof(sorted.value[0]), compare);
	return sorted.count % 2 ? sorted.value[half]
				: (sorted.value[half - 1] + sorted.value[half]) / 2;
}

double flx_samples_min(const struct flx_samples *samples)
{
	double least = samples->count ? samples->value[0] : 0;

	for (uint32_t i = 1; i < samples->count; i++)
		if (samples->value[i] < least)
			least = samples->value[i];
	return least;
}

double flx_samples_max(const struct flx_samples *samples)
{
	double most = samples->count ? samples->value[0] : 0;

	for (uint32_t i = 1; i < samples->count; i++)
		if (samples->value[i] > most)
			most = samples->value[i];
	return most;
}

int flx_samples_digits(double value)
{
	return fabs(value) < 10 ? 2 : fabs(value) < 10000 ? 1 : 0;
}

double flx_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double flx_tsc_mhz(void)
{
	static double mhz;
	struct timespec a, b;
	uint64_t start, end;

	if (mhz > 0)
		return mhz;
	clock_gettime(CLOCK_MONOTONIC, &a);
	start = __builtin_ia32_rdtsc();
	do {
		clock_gettime(CLOCK_MONOTONIC, &b);
		end = __builtin_ia32_rdtsc();
	} while ((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec < 50000000L);
	mhz = (double)(end - start) * 1e3 /
	      (double)((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec);
	return mhz;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "apps/answer.h"
#include "tests/test.h"

#define PART 30000u

static struct flx_answer answer;

/* All of the answer that can be had without waiting, taken @step bytes at a time. */
static const char *read_all(size_t step)
{
	static char text[4 * FLX_ANSWER_PART_MAX];
	size_t size = 0, left;
	const char *at;

	do {
		while ((left = flx_answer_left(&answer, &at)) > 0) {
			left = left < step ? left : step;
			CU_ASSERT_FATAL(size + left < sizeof(text));
			memcpy(text + size, at, left);
			size += left;
			flx_answer_took(&answer, left);
		}
	} while (flx_answer_next(&answer) == FLX_ANSWER_MORE);
	text[size] = '\0';
	return text;
}

static void test_answer_has_a_first_and_a_last_line(void)
{
	CU_ASSERT_EQUAL(flx_answer_init(&answer), 0);
	flx_answer_begin(&answer, 0);
	CU_ASSERT_STRING_EQUAL(read_all(1), "ok\nend\n");
	flx_answer_fini(&answer);

	CU_ASSERT_EQUAL(flx_answer_init(&answer), 0);
	fprintf(answer.out, "a line\nanother\n");
	flx_answer_begin(&answer, 0);
	CU_ASSERT_STRING_EQUAL(read_all(3), "ok\na line\nanother\nend\n");
	CU_ASSERT_EQUAL(flx_answer_next(&answer), FLX_ANSWER_DONE);
	flx_answer_fini(&answer);
}

static void test_answer_that_is_refused_says_nothing_else(void)
{
	CU_ASSERT_EQUAL(flx_answer_init(&answer), 0);
	fprintf(answer.out, "a line\n");
	flx_answer_begin(&answer, flx_answer_refuse(&answer, -EINVAL, "%s: no such %s", "a", "b"));
	CU_ASSERT_STRING_EQUAL(read_all(100), "error EINVAL a: no such b\n");
	flx_answer_fini(&answer);

	CU_ASSERT_EQUAL(flx_answer_init(&answer), 0);
	flx_answer_begin(&answer, -ENOENT);
	CU_ASSERT_STRING_EQUAL(read_all(100), "error ENOENT\n");
	flx_answer_fini(&answer);
}

static void print_bytes(size_t size)
{
	for (size_t i = 0; i < size; i++)
		fputc('x', answer.out);
}

static void test_answer_is_bounded(void)
{
	/* With the first line and the last one it just fits. */
	CU_ASSERT_EQUAL(flx_answer_init(&answer), 0);
	print_bytes(FLX_ANSWER_PART_MAX - 3 - 4);
	flx_answer_begin(&answer, 0);
	CU_ASSERT_EQUAL(strlen(read_all(100000)), FLX_ANSWER_PART_MAX);
	flx_answer_fini(&answer);

	CU_ASSERT_EQUAL(flx_answer_init(&answer), 0);
	print_bytes(2 * FLX_ANSWER_PART_MAX);
	CU_ASSERT(answer.capacity <= FLX_ANSWER_PART_MAX);
	flx_answer_begin(&answer, 0);
	CU_ASSERT_STRING_EQUAL(read_all(100), "error EFBIG more than 1048576 bytes at once, or no "
					      "memory for them; ask for less\n");
	flx_answer_fini(&answer);
}

/* A command that has more to say. */
struct teller {
	uint32_t parts; /* to be told */
	uint32_t waits; /* before each */
	int error;	/* at the end */
	uint32_t waited, told, ended;
};

static int tell(void *argument, struct flx_answer *to)
{
	struct teller *teller = argument;

	if (teller->waited++ < teller->waits)
		return FLX_ANSWER_WAIT;
	teller->waited = 0;
	if (teller->told < teller->parts) {
		teller->told++;
		print_bytes(PART);
		return FLX_ANSWER_MORE;
	}
	return teller->error ? flx_answer_refuse(to, teller->error, "it is over") : FLX_ANSWER_DONE;
}

static void end(void *argument)
{
	((struct teller *)argument)->ended++;
}

static void begin(struct teller *teller)
{
	CU_ASSERT_EQUAL_FATAL(flx_answer_init(&answer), 0);
	flx_answer_continue(&answer, tell, end, teller);
	flx_answer_begin(&answer, 0);
}

static void test_answer_in_parts_holds_one_at_a_time(void)
{
	struct teller teller = {.parts = 100};
	const char *text;

	begin(&teller);
	text = read_all(PART / 2);
	CU_ASSERT_EQUAL(strlen(text), 100 * PART + strlen("ok\nend\n"));
	CU_ASSERT_STRING_EQUAL(text + strlen(text) - 5, "xend\n");
	CU_ASSERT(answer.capacity < 3 * PART);
	CU_ASSERT_EQUAL(teller.ended, 1);
	flx_answer_fini(&answer);
	CU_ASSERT_EQUAL(teller.ended, 1);
}

static void test_answer_may_wait(void)
{
	struct teller teller = {.parts = 2, .waits = 3};
	size_t size = 0;

	begin(&teller);
	for (uint32_t i = 0; i < 10; i++) {
		CU_ASSERT_EQUAL(answer.ended, false);
		size += strlen(read_all(1000));
		if (i < 3)
			CU_ASSERT_EQUAL(size, 0);
	}
	CU_ASSERT_EQUAL(size, 2 * PART + strlen("ok\nend\n"));
	CU_ASSERT_TRUE(answer.ended);
	flx_answer_fini(&answer);
}

/* What fails before a byte was sent is an error from the first line on; else in the last one. */
static void test_answer_may_fail_late(void)
{
	struct teller teller = {.waits = 1, .error = -EIO};
	const char *text;

	begin(&teller);
	CU_ASSERT_STRING_EQUAL(read_all(100), "");
	CU_ASSERT_STRING_EQUAL(read_all(100), "error EIO it is over\n");
	CU_ASSERT_EQUAL(teller.ended, 1);
	flx_answer_fini(&answer);

	teller = (struct teller){.parts = 1, .error = -EIO};
	begin(&teller);
	text = read_all(100);
	CU_ASSERT_EQUAL(strncmp(text, "ok\nxxx", 6), 0);
	CU_ASSERT_STRING_EQUAL(text + 3 + PART, "error EIO it is over\n");
	flx_answer_fini(&answer);
}

static void test_answer_that_nobody_waits_for_gives_back_its_state(void)
{
	struct teller teller = {.parts = 5};
	const char *at;

	begin(&teller);
	flx_answer_next(&answer);
	CU_ASSERT(flx_answer_left(&answer, &at) > 0);
	flx_answer_fini(&answer);
	CU_ASSERT_EQUAL(teller.ended, 1);

	/* A command that was refused after all. */
	CU_ASSERT_EQUAL(flx_answer_init(&answer), 0);
	flx_answer_continue(&answer, tell, end, &teller);
	flx_answer_begin(&answer, -EBUSY);
	CU_ASSERT_STRING_EQUAL(read_all(100), "error EBUSY\n");
	CU_ASSERT_EQUAL(teller.ended, 2);
	flx_answer_fini(&answer);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_answer_has_a_first_and_a_last_line),
		FLX_TEST(test_answer_that_is_refused_says_nothing_else),
		FLX_TEST(test_answer_is_bounded),
		FLX_TEST(test_answer_in_parts_holds_one_at_a_time),
		FLX_TEST(test_answer_may_wait),
		FLX_TEST(test_answer_may_fail_late),
		FLX_TEST(test_answer_that_nobody_waits_for_gives_back_its_state),
		{0},
	};

	return flx_test_main("answer", tests);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/answer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4096u

static const char first_line[] = "ok\n";
#define FIRST_LINE_SIZE (sizeof(first_line) - 1)

/* Room for @size bytes more; false: beyond the bound, or no memory. */
static bool grow(struct flx_answer *answer, size_t size)
{
	size_t capacity = answer->capacity ? answer->capacity : FIRST_CAPACITY;
	char *text;

	if (answer->size + size > FLX_ANSWER_PART_MAX)
		return false;
	while (capacity < answer->size + size)
		capacity *= 2;
	if (capacity == answer->capacity)
		return true;
	text = realloc(answer->text, capacity);
	if (!text)
		return false;
	answer->text = text;
	answer->capacity = capacity;
	return true;
}

/* What is printed to the answer. */
static ssize_t take_text(void *argument, const char *text, size_t size)
{
	struct flx_answer *answer = argument;

	if (!answer->too_large && grow(answer, size)) {
		memcpy(answer->text + answer->size, text, size);
		answer->size += size;
	} else {
		answer->too_large = true;
	}
	/* Taken in any case: what stdio could not write it would keep for later. */
	return (ssize_t)size;
}

int flx_answer_init(struct flx_answer *answer)
{
	const cookie_io_functions_t functions = {.write = take_text};

	*answer = (struct flx_answer){.held = true};
	answer->out = fopencookie(answer, "w", functions);
	return answer->out ? 0 : -ENOMEM;
}

static void end_state(struct flx_answer *answer)
{
	void (*end)(void *state) = answer->end;

	answer->more = NULL;
	answer->end = NULL;
	if (end)
		end(answer->state);
}

void flx_answer_fini(struct flx_answer *answer)
{
	end_state(answer);
	if (answer->out)
		fclose(answer->out);
	free(answer->text);
	*answer = (struct flx_answer){0};
}

int flx_answer_refuse(struct flx_answer *answer, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(answer->why, sizeof(answer->why), format, arguments);
	va_end(arguments);
	return error;
}

void flx_answer_continue(struct flx_answer *answer,
			 int (*more)(void *state, struct flx_answer *answer),
			 void (*end)(void *state), void *state)
{
	answer->more = more;
	answer->end = end;
	answer->state = state;
}

/* The last line: of a whole answer, or the error that ends it. */
static void finish(struct flx_answer *answer, int error)
{
	const char *name = error ? strerrorname_np(-error) : NULL;

	end_state(answer);
	if (error) {
		answer->size = answer->sent = 0;
		answer->too_large = false;
		fprintf(answer->out, "error %s%s%s\n", name ? name : "EIO", *answer->why ? " " : "",
			answer->why);
	} else {
		fputs("end\n", answer->out);
	}
	fflush(answer->out);
	answer->ended = true;
}

/* A part was printed, with result @rc. */
static int take_part(struct flx_answer *answer, int rc)
{
	fflush(answer->out);
	if (answer->too_large && rc >= 0)
		rc = flx_answer_refuse(answer, -EFBIG,
				       "more than %u bytes at once, or no memory for them; ask "
				       "for less",
				       FLX_ANSWER_PART_MAX);
	if (rc < 0 || rc == FLX_ANSWER_DONE) {
		finish(answer, rc);
		return FLX_ANSWER_MORE;
	}
	return rc;
}

/* While the first line is all there is, it may still become an error. */
static void hold(struct flx_answer *answer)
{
	answer->held = answer->held && !answer->ended && answer->size == FIRST_LINE_SIZE;
}

void flx_answer_begin(struct flx_answer *answer, int rc)
{
	if (rc >= 0)
		rc = answer->more ? FLX_ANSWER_MORE : FLX_ANSWER_DONE;
	/* Ahead of what was printed, for only now it is known to be no error. */
	fflush(answer->out);
	if (rc >= 0 && !answer->too_large && grow(answer, FIRST_LINE_SIZE)) {
		memmove(answer->text + FIRST_LINE_SIZE, answer->text, answer->size);
		memcpy(answer->text, first_line, FIRST_LINE_SIZE);
		answer->size += FIRST_LINE_SIZE;
	}
	take_part(answer, rc);
	hold(answer);
}

int flx_answer_next(struct flx_answer *answer)
{
	int rc;

	if (answer->ended)
		return FLX_ANSWER_DONE;
	if (!answer->held)
		answer->size = answer->sent = 0;
	rc = take_part(answer, answer->more(answer->state, answer));
	hold(answer);
	return rc;
}

size_t flx_answer_left(const struct flx_answer *answer, const char **at)
{
	*at = answer->text + answer->sent;
	return answer->held ? 0 : answer->size - answer->sent;
}

void flx_answer_took(struct flx_answer *answer, size_t size)
{
	answer->sent += size;
}

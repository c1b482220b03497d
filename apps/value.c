/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/value.h"

#include <stddef.h>
#include <string.h>

/* Larger than any Linux is built for (CONFIG_NR_CPUS); whether a CPU is there, the plan says. */
#define CPU_MAX	      65535
#define SECONDS_MAX   1000000000u
#define US_PER_SECOND 1000000u

static bool is_digit(char character)
{
	return character >= '0' && character <= '9';
}

/* Reads the digits at *@text and moves it behind them; UINT64_MAX stands for all beyond. */
static const char *take_digits(const char **text, uint64_t *number)
{
	uint64_t sum = 0;

	if (!is_digit(**text))
		return "not a number";
	for (; is_digit(**text); ++*text)
		if (__builtin_mul_overflow(sum, 10u, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(**text - '0'), &sum))
			sum = UINT64_MAX;
	*number = sum;
	return NULL;
}

const char *flx_value_number(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
	const char *why = take_digits(&text, number);

	if (why)
		return why;
	if (*text)
		return "not a number";
	return *number < min || *number > max ? "out of range" : NULL;
}

const char *flx_value_switch(const char *text, bool *on)
{
	static const struct {
		const char *text;
		bool on;
	} words[] = {
		{"on", true},	{"yes", true}, {"true", true},	 {"1", true},
		{"off", false}, {"no", false}, {"false", false}, {"0", false},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].text, text) == 0) {
			*on = words[i].on;
			return NULL;
		}
	}
	return "neither on nor off";
}

/* One "4" or "4-7" of a list of numbers up to @most; @beyond says why not one above. */
static const char *take_range(const char **text, uint64_t most, const char *beyond, uint64_t *first,
			      uint64_t *last)
{
	const char *why = take_digits(text, first);

	if (why)
		return "not a list of numbers";
	*last = *first;
	if (**text == '-') {
		++*text;
		if (take_digits(text, last))
			return "not a list of numbers";
	}
	if (*first > most || *last > most)
		return beyond;
	if (*last < *first)
		return "a range runs backwards";
	return **text && **text != ',' ? "not a list of numbers" : NULL;
}

const char *flx_value_cpus(const char *text, uint32_t *cpus, uint32_t max, uint32_t *count)
{
	uint64_t first, last;
	const char *why;

	*count = 0;
	for (;; text++) {
		why = take_range(&text, CPU_MAX, "no machine has such a CPU", &first, &last);
		if (why)
			return why;
		if (last - first >= max - *count)
			return "too many CPUs";
		for (; first <= last; first++)
			cpus[(*count)++] = (uint32_t)first;
		if (!*text)
			return NULL;
	}
}

const char *flx_value_set(const char *text, uint32_t bound, bool *set)
{
	uint64_t first, last;
	const char *why;

	memset(set, false, bound * sizeof(*set));
	for (;; text++) {
		why = take_range(&text, bound - 1, "out of range", &first, &last);
		if (why)
			return why;
		for (; first <= last; first++)
			set[first] = true;
		if (!*text)
			return NULL;
	}
}

static int hex_digit(char character)
{
	static const char digits[] = "0123456789abcdef";
	const char *found;

	if (character >= 'A' && character <= 'F')
		character = (char)(character - 'A' + 'a');
	found = character ? strchr(digits, character) : NULL;
	return found ? (int)(found - digits) : -1;
}

const char *flx_value_hex(const char *text, uint8_t *bytes, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0)
			return *text ? "not hexadecimal" : "too short";
		bytes[i] = (uint8_t)(high << 4 | low);
		text += 2;
		if (*text == ':' && i + 1 < size)
			text++;
	}
	return *text ? "too long" : NULL;
}

const char *flx_value_capacity(const char *text, uint32_t max, uint32_t *capacity, uint32_t *limit)
{
	uint64_t first, last = 0;
	const char *why = take_digits(&text, &first);
	bool grows = !why && *text == ':';

	if (grows) {
		text++;
		why = take_digits(&text, &last);
	}
	if (why || *text)
		return "not a number of contexts";
	if (first < 1 || first > max || last > max)
		return "out of range";
	if (grows && last < first)
		return "limit below the capacity";
	*capacity = (uint32_t)first;
	*limit = (uint32_t)last;
	return NULL;
}

const char *flx_value_seconds(const char *text, uint64_t *duration_us)
{
	uint64_t seconds, fraction_us = 0;
	uint32_t unit_us = US_PER_SECOND;
	const char *why = take_digits(&text, &seconds);

	if (why)
		return why;
	if (*text == '.') {
		if (!is_digit(*++text))
			return "not a number";
		for (; is_digit(*text) && unit_us > 1; text++)
			fraction_us += (uint64_t)(*text - '0') * (unit_us /= 10);
	}
	if (*text)
		return is_digit(*text) ? "finer than a microsecond" : "not a number";
	if (seconds > SECONDS_MAX || (seconds == 0 && fraction_us == 0))
		return "out of range";
	*duration_us = seconds * US_PER_SECOND + fraction_us;
	return NULL;
}

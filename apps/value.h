/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * value - reads what an operator wrote as a value: all of the text or nothing.
 *
 * No sign, no blanks, no other base, nothing after the value. Every function returns NULL and fills
 * its result, or returns the reason why not (a static string that reads on from "--name text: ")
 * and leaves the result undefined. Context: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A decimal number, @min..@max. */
const char *flx_value_number(const char *text, uint64_t min, uint64_t max, uint64_t *number);

/* on, yes, true, 1; or off, no, false, 0. */
const char *flx_value_switch(const char *text, bool *on);

/* CPU numbers and ranges of them, "2,4-7", in the order written; @cpus has room for @max. */
const char *flx_value_cpus(const char *text, uint32_t *cpus, uint32_t max, uint32_t *count);

/* Numbers below @bound and ranges of them, "3,17-20": @set has room for @bound, all others false. */
const char *flx_value_set(const char *text, uint32_t bound, bool *set);

/* @size bytes as hexadecimal digits; colons may stand between bytes, as ethtool prints them. */
const char *flx_value_hex(const char *text, uint8_t *bytes, uint32_t size);

/* Contexts at first, and after a colon at most, "1000:4000"; 1..@max each. @limit 0: none given. */
const char *flx_value_capacity(const char *text, uint32_t max, uint32_t *capacity, uint32_t *limit);

/* Seconds with up to 6 digits of a fraction, "1.5"; more than 0, up to 10^9. */
const char *flx_value_seconds(const char *text, uint64_t *duration_us);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * claim - what is asserted of figures: "hop.cross_core <= 1.5 * ring.spsc".
 *
 *	CLAIM	:= SIDE OP SIDE
 *	OP	:= "<=" | ">=" | "<" | ">"
 *	SIDE	:= TERM [("*" | "/") TERM]
 *	TERM	:= NUMBER | NAME | NAME "." ("least" | "most")
 *
 * A name is a figure's, and stands for its median. Where a figure carries a bound, that is the claim
 * without its left side. Pure: it reads a table and nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct flx_figures;

enum flx_claim_result {
	FLX_CLAIM_HOLDS,
	FLX_CLAIM_FAILS,
	FLX_CLAIM_UNKNOWN, /* a figure in it was not measured */
	FLX_CLAIM_BAD,	   /* it is not a claim */
};

/*
 * flx_claim_test - does @text hold of @figures?
 * @fault: why not, in words, with the values on both sides; what is missing, or where it is wrong.
 * @size: bytes there.
 */
enum flx_claim_result flx_claim_test(const struct flx_figures *figures, const char *text,
				     char *fault, size_t size);

/*
 * flx_claim_limit - the right side of @bound, a claim without its left one: of "<= 1.5 * ring.spsc" 1.5
 * times what was found of ring.spsc. False: not known, or no bound.
 */
bool flx_claim_limit(const struct flx_figures *figures, const char *bound, double *value);

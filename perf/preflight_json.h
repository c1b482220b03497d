/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preflight_json - the environment of a run as flxperf's files have it.
 */
#pragma once

#include <jansson.h>

struct flx_preflight;

/* An object that is the caller's; NULL: no memory. */
json_t *flx_preflight_json(const struct flx_preflight *preflight);

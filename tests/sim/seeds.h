/* SPDX-License-Identifier: BSD-3-Clause */
/* seeds - seeds that once failed, and why; every run of the simulation replays them first. */
#pragma once

#include <stdint.h>

static const uint64_t sim_seeds[] = {
	2, /* a message made by a handler went to a slice of a flow that it does not have */
	33167, /* a slice came from a worker a tick ahead that had swept a context: the oracle's fault */
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/memory.h"

#include <rte_malloc.h>

#include "fabric/base.h"

void *flx_memory_alloc(const char *what, size_t size, int numa)
{
	return rte_zmalloc_socket(what, size, FLX_CACHE_LINE, numa < 0 ? SOCKET_ID_ANY : numa);
}

void flx_memory_free(void *memory)
{
	rte_free(memory);
}

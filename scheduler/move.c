/* SPDX-License-Identifier: BSD-3-Clause */
#include "scheduler/move.h"

#include <errno.h>

#include "fabric/memory.h"

static int make_buckets(struct flx_mover *mover, const struct flx_migrate_port *port,
			uint32_t port_count, int numa)
{
	for (uint32_t p = 0; p < port_count; p++) {
		if (port[p].reta_size == 0)
			continue;
		mover->buckets[p] = flx_memory_alloc("buckets", port[p].reta_size, numa);
		if (!mover->buckets[p])
			return -ENOMEM;
	}
	return 0;
}

int flx_mover_init(struct flx_mover *mover, const struct flx_flags_conf *conf,
		   const struct flx_migrate_port *port, uint32_t port_count,
		   struct flx_chunk_pool *chunks)
{
	int error = make_buckets(mover, port, port_count, conf->numa);

	mover->flags = flx_flags_alloc(conf);
	if (error || !mover->flags)
		return -ENOMEM;
	for (uint32_t m = 0; m < FLX_MOVES_MAX; m++) {
		mover->parking[m] = (struct flx_parking){0};
		flx_fifo_init(&mover->parking[m].queue, chunks);
	}
	mover->parked_count = 0;
	mover->queues_waited = 0;
	memset(mover->vectors_waited, 0, sizeof(mover->vectors_waited));
	atomic_init(&mover->outgoing, 0);
	atomic_init(&mover->incoming, 0);
	atomic_init(&mover->incoming_buckets, 0);
	return 0;
}

void flx_mover_fini(struct flx_mover *mover)
{
	flx_flags_free(mover->flags);
	mover->flags = NULL;
	for (uint32_t p = 0; p < FLX_PORTS_MAX; p++) {
		flx_memory_free((void *)mover->buckets[p]);
		mover->buckets[p] = NULL;
	}
}

const char *flx_move_state_name(enum flx_move_state state)
{
	static const char *const names[FLX_MOVE_STATES] = {
		[FLX_MOVE_FREE] = "free",
		[FLX_MOVE_REQUESTED] = "requested",
		[FLX_MOVE_ANNOUNCED] = "announced",
		[FLX_MOVE_PREPARING] = "preparing",
		[FLX_MOVE_ROUTED] = "routed",
		[FLX_MOVE_LANES_IN] = "lanes in",
		[FLX_MOVE_VECTORS] = "vectors",
		[FLX_MOVE_READY] = "ready to be written",
		[FLX_MOVE_SETTLING] = "settling",
		[FLX_MOVE_QUEUE] = "queue",
		[FLX_MOVE_LOCALS] = "locals",
		[FLX_MOVE_LANES_OUT] = "lanes out",
		[FLX_MOVE_HANDED] = "handed over",
		[FLX_MOVE_DONE] = "done",
		[FLX_MOVE_BACK_ROUTED] = "back, routed",
		[FLX_MOVE_BACK_LANES] = "back, lanes",
		[FLX_MOVE_BACK_VECTORS] = "back, vectors",
		[FLX_MOVE_BACK_PASSING] = "back, passing",
		[FLX_MOVE_BACK_GIVEN] = "back, given",
		[FLX_MOVE_BACK_TAKEN] = "back, taken",
		[FLX_MOVE_BACK_CLEARED] = "back, cleared",
		[FLX_MOVE_UNDONE] = "undone",
	};

	return names[state];
}

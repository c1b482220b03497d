/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * registry - a program, checked and resolved into numbers.
 *
 * Checks everything that can be known before a machine is touched: ids, destinations, listeners,
 * groups by union of tags, keys and contexts that agree within a group, sizes. Each fault is one
 * flx_error that names the fluxion and the remedy; all faults are reported, not only the first.
 *
 * Fluxions get numbers from FLX_FLUXION_FIRST in the order of declaration; groups from 0 in the order
 * of their first member.
 */
#pragma once

#include "fabric/base.h"
#include "fabric/flx.h"

/* Where the messages of a fluxion go. One for all fluxions of a group. */
enum flx_placement_mode {
	FLX_PLACE_LOCAL = 0, /* no key, no context: on every worker */
	FLX_PLACE_SINGLE,    /* a context without key: one slice */
	FLX_PLACE_KEYED,     /* slice of the key's hash */
	FLX_PLACE_FLOW,	     /* slice of the port's flow hash */
};

struct flx_group {
	char name[FLX_ID_MAX + 1]; /* its first tag, or the id of its only fluxion */
	enum flx_placement_mode mode;
	uint16_t slice; /* SINGLE: the one slice, spread by group number */
	/*
	 * The first of its mates, itself included: groups whose slices are picked alike and that a
	 * stream joins. Slices of one number talk to each other, and had better be on one worker.
	 */
	uint16_t mates;
	uint32_t member_count;
	flx_key_fn key;
	uint32_t key_size;
	uint32_t context_size;
	uint32_t context_version;
	uint32_t context_capacity; /* never 0 where there is a context */
	uint32_t context_limit;	   /* the same: it does not grow */
	bool context_evict;
	uint64_t context_ttl_ms; /* 0: none */
	void (*context_init)(void *context);
	int (*context_upgrade)(uint32_t version, const void *old, uint32_t old_size, void *context);
};

/* Hot: read for every batch. */
struct flx_fluxion_entry {
	flx_handler_fn handler; /* NULL: batch */
	flx_batch_fn batch;
	flx_key_fn key;
	uint32_t key_size;
	uint16_t group;
	uint8_t mode; /* enum flx_placement_mode */
	bool has_context;
	bool readonly;	     /* the context, if any */
	uint16_t slice_flag; /* enum flx_elem_flag of the key; 0: a key that a handler may change */
	struct flx_target targets[FLX_STREAMS_MAX];
	char id[FLX_ID_MAX + 1];
};

struct flx_registry {
	uint32_t fluxion_count; /* numbers in use: FLX_FLUXION_FIRST + the program's */
	uint32_t group_count;
	uint32_t listener_count;
	uint32_t locals_depth; /* fluxions without slices in the longest chain of such, and one */
	struct flx_fluxion_entry fluxion[FLX_FLUXION_FIRST + FLX_FLUXIONS_MAX];
	struct flx_group group[FLX_FLUXIONS_MAX];
	struct {
		uint16_t port; /* host byte order */
		uint16_t fluxion;
	} listener[FLX_FLUXIONS_MAX];
	uint32_t destination_count;
	uint16_t *destinations; /* fan-out lists, behind targets with count > 1 */
};

/*
 * flx_registry_init - check @program and fill @registry
 * 0; -EINVAL after one flx_error per fault; -ENOMEM. Context: setup.
 */
int flx_registry_init(struct flx_registry *registry, const struct flx_program *program);
void flx_registry_fini(struct flx_registry *registry);

/*
 * flx_registry_resize - let the operator say how many contexts the group @name has
 * @capacity: contexts at first, 1 or more
 * @limit: contexts at most, @capacity or more; 0: it does not grow
 * 0; -EINVAL after one flx_error: no such group, or one without contexts by key. Context: setup.
 */
int flx_registry_resize(struct flx_registry *registry, const char *name, uint32_t capacity,
			uint32_t limit);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bed - a store with one type for benches: contexts of 64 bytes under keys of 8, and their keys.
 *
 * Key n is a bijection of n, so keys differ and fall anywhere. Without hugepages all memory is made
 * present before anything is measured.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_cycles.h>

#include "context-store/store.h"

#define FLX_BED_CONTEXT_SIZE 64
#define FLX_BED_WORDS	     (FLX_BED_CONTEXT_SIZE / 8)

struct flx_bed_conf {
	uint32_t keys;
	uint32_t step;	  /* records at first, and by which it grows; 0: all */
	uint32_t workers; /* 0: 1 */
	bool huge;
	const char *path; /* NULL: memory of the process */
};

struct flx_bed {
	struct flx_store *store;
	struct flx_context_type *type;
};

/* A batch of keys, and what bind makes of them. */
struct flx_keys {
	uint64_t key[FLX_BATCH];
	uint16_t slices[FLX_BATCH];
	struct flx_record *records[FLX_BATCH];
};

/* The order of keys in a run: the same for all that are compared. */
struct flx_draw {
	uint64_t state;
	uint32_t keys;
};

/* Keys [@first, @first + FLX_BATCH). */
void flx_keys_list(struct flx_keys *keys, uint32_t first);

/* The same numbers, each once, in an order that memory is not in. @count: of all. */
void flx_keys_shuffle(struct flx_keys *keys, uint32_t first, uint32_t count);

/* The next FLX_BATCH of @draw, uniformly. */
void flx_keys_draw(struct flx_keys *keys, struct flx_draw *draw);

/* 0; -errno after one flx_error. The caller is registered with RCU where it is to write. */
int flx_bed_open(struct flx_bed *bed, const struct flx_bed_conf *conf);
void flx_bed_close(struct flx_bed *bed);

/*
 * flx_bed_path - a fresh directory for a store of @keys contexts: on hugetlbfs, else on tmpfs
 * flx_bed_unlink - remove it, with its files
 * 0; -errno after one flx_error.
 */
int flx_bed_path(char path[64], uint32_t keys);
void flx_bed_unlink(const char *path);

/* flx_bed_leave - remove what this process has made of these; for a handler of signals that ends it */
void flx_bed_leave(void);

/*
 * flx_bed_update - a turn with a batch: bind, open, increment the first word, commit, settle
 * flx_bed_delete - bind, open, delete, settle
 * How many keys were refused; of those that are deleted none may be missing.
 */
uint32_t flx_bed_update(struct flx_bed *bed, struct flx_keys *keys);
void flx_bed_delete(struct flx_bed *bed, struct flx_keys *keys);

/*
 * flx_bed_fill - make contexts of keys [0, @count), each batch by @write
 * Does the keeper's work as well. Context: registered with RCU.
 */
void flx_bed_fill(struct flx_bed *bed, uint32_t count,
		  uint32_t (*write)(struct flx_bed *bed, struct flx_keys *keys));

/* The CPU of the worker that is measured, and the other; the same where there is one. */
unsigned int flx_bed_worker_cpu(void);
unsigned int flx_bed_other_cpu(void);
void flx_bed_pin(unsigned int cpu);

/* Free hugepages of 2 MiB, in bytes. */
uint64_t flx_bed_huge_bytes(void);

/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/ctx_serve.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <urcu-qsbr.h>

#include "apps/context_text.h"
#include "apps/ctx_dump.h"
#include "apps/value.h"

/* Of a part of a list. Records: some 0.1 ms. Text: what the kernel takes at once, and no more. */
#define PART_RECORDS 1024u
#define PART_BYTES   32768u

static struct flx_contents_type describe(const struct flx_context_type *type)
{
	return (struct flx_contents_type){
		.name = type->name,
		.version = type->version,
		.key_size = type->layout.key_size,
		.context_size = type->layout.context_size,
		.limit = type->limit,
		.contexts = flx_context_count(type),
		.damaged = atomic_load_explicit(&type->damaged, memory_order_relaxed),
	};
}

/* Index of the type called @name; -1: none. */
static int find_type(const struct flx_store *store, const char *name)
{
	for (uint32_t t = 0; t < store->type_count; t++)
		if (strcmp(store->type[t]->name, name) == 0)
			return (int)t;
	return -1;
}

static int refuse_type(struct flx_answer *answer, const char *name)
{
	return flx_answer_refuse(answer, -EINVAL,
				 "%s: no such type; give one that flx ctx count lists", name);
}

static int count(struct flx_store *store, struct flx_answer *answer)
{
	flx_context_text_heading(answer->out);
	for (uint32_t t = 0; t < store->type_count; t++) {
		struct flx_contents_type type = describe(store->type[t]);

		flx_context_text_type(answer->out, &type);
	}
	return 0;
}

static int get(struct flx_store *store, const char *const *operands, struct flx_answer *answer)
{
	char why[FLX_CONTEXT_TEXT_WHY_MAX];
	uint8_t key[FLX_RECORD_KEY_MAX];
	struct flx_record_copy copy;
	struct flx_contents_type type;
	int found, index = find_type(store, operands[0]);

	if (index < 0)
		return refuse_type(answer, operands[0]);
	type = describe(store->type[index]);
	if (!flx_context_text_key(&type, operands[1], key, why))
		return flx_answer_refuse(answer, -EINVAL, "%s", why);
	/* Registered for the moment: no grace period waits for a thread that mostly sleeps. */
	urcu_qsbr_register_thread();
	found = flx_context_get(store->type[index], key, flx_store_tick(store, rte_rdtsc()), &copy);
	urcu_qsbr_unregister_thread();
	if (!found) {
		flx_context_text_missing(&type, operands[1], why);
		return flx_answer_refuse(answer, -ENOENT, "%s", why);
	}
	flx_context_text_value(answer->out, &type, copy.context);
	return 0;
}

/* ------------------------------------------------------------------------------------------ lists */

/* A list under way: the next record is number @number of node @node of type @type. */
struct list {
	struct flx_store *store;
	uint32_t type, type_end;
	uint32_t node, number;
	uint64_t left; /* contexts to be listed */
	struct flx_scan scan;
};

/* The next @count records of the type at most, as a source of their own; false: it has no more. */
static bool next_records(struct list *list, uint32_t count, struct flx_scan_source *source)
{
	/* Anew each time: types grow. */
	flx_store_source(list->store->type[list->type], source);
	for (; list->node < source->node_count; list->node++, list->number = 0) {
		uint32_t first = source->node[list->node].first;
		uint32_t end = source->node[list->node].end;

		first = list->number > first ? list->number : first;
		if (first >= end)
			continue;
		list->number = end - first > count ? first + count : end;
		source->node[0].first = first;
		source->node[0].end = list->number;
		source->node_count = 1;
		return true;
	}
	list->type++;
	list->node = list->number = 0;
	return false;
}

/* Lists the contexts among some records; how many there were. */
static uint32_t list_records(struct list *list, const struct flx_scan_source *source,
			     const struct flx_contents_type *type, FILE *out)
{
	uint32_t now = flx_store_tick(list->store, rte_rdtsc()), lines = 0;

	flx_scan_init(&list->scan, source, now);
	for (; list->left && flx_scan_next(&list->scan); list->left--, lines++) {
		const struct flx_record_copy *copy = &list->scan.copy;
		int32_t age = (int32_t)(now - copy->stamp);

		flx_context_text_line(out, type, copy->key, age > 0 ? (uint32_t)age : 0,
				      copy->context);
	}
	return lines;
}

static int list_more(void *argument, struct flx_answer *answer)
{
	struct list *list = argument;
	uint32_t bytes = 0, records = 0;

	while (list->left && list->type < list->type_end) {
		struct flx_contents_type type = describe(list->store->type[list->type]);
		uint32_t line = flx_context_text_line_max(&type);
		struct flx_scan_source source;

		if (bytes >= PART_BYTES || records >= PART_RECORDS)
			return FLX_ANSWER_MORE;
		/* As many as fit, should each be a context. */
		if (!next_records(list, PART_BYTES / line + 1, &source))
			continue;
		records += source.node[0].end - source.node[0].first;
		bytes += line * list_records(list, &source, &type, answer->out);
	}
	return FLX_ANSWER_DONE;
}

/* [TYPE] [--limit N] */
static int list(struct flx_store *store, const char *const *operands, struct flx_answer *answer)
{
	struct list *list = calloc(1, sizeof(*list));
	int index;

	if (!list)
		return flx_answer_refuse(answer, -ENOMEM, "no memory for a list");
	*list = (struct list){.store = store, .type_end = store->type_count, .left = UINT64_MAX};
	flx_answer_continue(answer, list_more, free, list);
	for (; *operands; operands++) {
		const char *why = NULL;

		if (strcmp(*operands, "--limit") == 0) {
			why = !*++operands
				      ? "no value"
				      : flx_value_number(*operands, 1, UINT64_MAX - 1, &list->left);
			if (why)
				return flx_answer_refuse(answer, -EINVAL,
							 "--limit: %s; give 1 or more", why);
			continue;
		}
		index = find_type(store, *operands);
		if (index < 0)
			return refuse_type(answer, *operands);
		list->type = (uint32_t)index;
		list->type_end = list->type + 1;
	}
	return 0;
}

/* ---------------------------------------------------------------------------------------- actions */

int flx_ctx_serve(struct flx_store *store, const char *snapshot, const struct flx_request *request,
		  struct flx_answer *answer)
{
	const char *action = request->count > 1 ? request->word[1] : "ctx";
	const char *const *operands = request->word + 2;
	uint32_t count_of = request->count > 1 ? request->count - 2 : 0;

	if (strcmp(action, "count") == 0 && count_of == 0)
		return count(store, answer);
	if (strcmp(action, "list") == 0 && count_of <= 3)
		return list(store, operands, answer);
	if (strcmp(action, "get") == 0 && (count_of == 1 || count_of == 2))
		return get(store, operands, answer);
	if (strcmp(action, "dump") == 0 && count_of == 1)
		return flx_ctx_dump(store, snapshot, operands[0], answer);
	return flx_answer_refuse(answer, -EINVAL,
				 "%s: not known, or with wrong operands; give count, list [TYPE] "
				 "[--limit N], get TYPE [KEY], or dump FILE",
				 action);
}

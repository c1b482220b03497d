/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/schema.h"

#include <stdio.h>
#include <string.h>

static const struct flx_schema_type *find(const struct flx_schema *schema, const char *name)
{
	for (uint32_t i = 0; i < schema->type_count; i++)
		if (strcmp(schema->type[i].name, name) == 0)
			return &schema->type[i];
	return NULL;
}

/* Of one type; the numbers of nodes are the same. */
static enum flx_schema_verdict compare_type(const struct flx_schema_type *wanted,
					    const struct flx_schema_type *found,
					    uint32_t node_count, char *why, size_t why_size)
{
	const char *name = wanted->name;

	if (found->version > wanted->version) {
		snprintf(why, why_size,
			 "contexts of '%s' are of version %u, this program has "
			 "version %u; run the newer program, or give another --store",
			 name, found->version, wanted->version);
		return FLX_SCHEMA_REFUSED;
	}
	if (found->key_size != wanted->key_size) {
		snprintf(why, why_size,
			 "contexts of '%s' have keys of %u bytes, this program keys "
			 "of %u; give another --store, or the type another name",
			 name, found->key_size, wanted->key_size);
		return FLX_SCHEMA_REFUSED;
	}
	if (found->version < wanted->version) {
		snprintf(why, why_size,
			 "contexts of '%s' are of version %u, this program has "
			 "version %u%s",
			 name, found->version, wanted->version,
			 wanted->upgrades ? ""
					  : " and no function to upgrade them; run the older "
					    "program, or give another --store");
		return wanted->upgrades ? FLX_SCHEMA_UPGRADE : FLX_SCHEMA_REFUSED;
	}
	if (found->context_size != wanted->context_size ||
	    found->stride_bytes != wanted->stride_bytes) {
		snprintf(why, why_size,
			 "contexts of '%s' have %u bytes in records of %u, in this "
			 "program %u in %u, both version %u; give the changed type "
			 "a new version",
			 name, found->context_size, found->stride_bytes, wanted->context_size,
			 wanted->stride_bytes, wanted->version);
		return FLX_SCHEMA_REFUSED;
	}
	if (memcmp(found->limit, wanted->limit, node_count * sizeof(found->limit[0])) != 0) {
		snprintf(why, why_size, "contexts of '%s' have another limit now", name);
		return FLX_SCHEMA_UPGRADE;
	}
	return FLX_SCHEMA_SAME;
}

/* A refusal anywhere outweighs an upgrade. */
static enum flx_schema_verdict compare_types(const struct flx_schema *wanted,
					     const struct flx_schema *found, uint32_t node_count,
					     char *why, size_t why_size)
{
	enum flx_schema_verdict verdict = FLX_SCHEMA_SAME, of_type;
	char of_type_why[256];

	for (uint32_t i = 0; i < found->type_count; i++) {
		const struct flx_schema_type *type = find(wanted, found->type[i].name);

		if (!type) {
			snprintf(why, why_size,
				 "contexts of '%s' are there, and this program has "
				 "no such type; run the program that made them, or "
				 "give another --store",
				 found->type[i].name);
			return FLX_SCHEMA_REFUSED;
		}
		of_type = compare_type(type, &found->type[i], node_count, of_type_why,
				       sizeof(of_type_why));
		if (of_type > verdict) {
			snprintf(why, why_size, "%s", of_type_why);
			verdict = of_type;
		}
		if (verdict == FLX_SCHEMA_REFUSED)
			return verdict;
	}
	return verdict;
}

enum flx_schema_verdict flx_schema_compare(const struct flx_schema *wanted,
					   const struct flx_schema *found, char *why,
					   size_t why_size)
{
	/* Limits of other numbers of nodes say nothing. */
	uint32_t node_count = wanted->node_count == found->node_count ? found->node_count : 0;
	enum flx_schema_verdict verdict = compare_types(wanted, found, node_count, why, why_size);

	if (verdict != FLX_SCHEMA_SAME)
		return verdict;
	if (wanted->node_count != found->node_count) {
		snprintf(why, why_size, "%u NUMA nodes before, %u now", found->node_count,
			 wanted->node_count);
		return FLX_SCHEMA_UPGRADE;
	}
	for (uint32_t i = 0; i < wanted->type_count; i++)
		if (!find(found, wanted->type[i].name)) {
			snprintf(why, why_size, "contexts of '%s' are new", wanted->type[i].name);
			return FLX_SCHEMA_UPGRADE;
		}
	if (why_size)
		why[0] = '\0';
	return FLX_SCHEMA_SAME;
}

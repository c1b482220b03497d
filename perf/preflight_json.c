/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/preflight_json.h"

#include "perf/preflight.h"

static json_t *pages_json(const struct flx_preflight *preflight)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < preflight->pages_count; i++) {
		const struct flx_preflight_pages *pages = &preflight->pages[i];

		json_array_append_new(all, json_pack("{s:I, s:I, s:I}", "kib",
						     (json_int_t)pages->size_kib, "total",
						     (json_int_t)pages->total, "free",
						     (json_int_t)pages->free));
	}
	return all;
}

static json_t *warnings_json(const struct flx_preflight *preflight)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < preflight->warning_count; i++)
		json_array_append_new(all, json_string(preflight->warning[i]));
	return all;
}

json_t *flx_preflight_json(const struct flx_preflight *preflight)
{
	json_t *steal = preflight->steal_per_mille < 0 ? json_null()
						       : json_real(preflight->steal_per_mille);

	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:b, s:i, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:f, s:i,"
		" s:o, s:s, s:b, s:f, s:s, s:s, s:s, s:s, s:o, s:o}",
		"cpu", preflight->cpu, "kernel", preflight->kernel, "hypervisor",
		preflight->hypervisor, "governor", preflight->governor, "clock", preflight->clock,
		"tsc_invariant", preflight->tsc_invariant, "online", (int)preflight->online,
		"allowed", preflight->allowed, "used", preflight->used, "siblings",
		preflight->siblings, "isolated", preflight->isolated, "nohz_full",
		preflight->nohz_full, "nodes", (int)preflight->nodes, "used_nodes",
		(int)preflight->used_nodes, "load", preflight->load, "running",
		(int)preflight->running, "hugepages", pages_json(preflight), "memory",
		preflight->ordinary ? "ordinary" : "hugepages", "checked", preflight->checked,
		"tsc_mhz", preflight->tsc_mhz, "flx", preflight->version, "commit",
		preflight->commit, "dpdk", preflight->dpdk, "compiler", preflight->compiler,
		"steal_per_mille", steal, "warnings", warnings_json(preflight));
}

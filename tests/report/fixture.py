# SPDX-License-Identifier: BSD-3-Clause
"""fixture - runs of flxperf as its files have them, for those that show them.

    fixture.py DIRECTORY        writes them there, to look at what is made of them
"""
import json
import math
import pathlib
import sys

ENVIRONMENT = {
    "cpu": "Intel(R) Xeon(R) Processor @ 2.10GHz", "kernel": "6.1.0-44-amd64", "hypervisor": "KVM",
    "governor": "", "clock": "tsc", "tsc_invariant": True, "online": 16, "allowed": "0-15",
    "used": "1-2", "siblings": "9-10", "isolated": "", "nohz_full": "", "nodes": 1, "used_nodes": 1,
    "load": 0.21, "running": 0, "memory": "hugepages",
    "hugepages": [{"kib": 2048, "total": 2688, "free": 2688}],
    "checked": False, "tsc_mhz": 2099.998, "flx": "0.1.0", "commit": "5757b69befc2",
    "dpdk": "DPDK 22.11.11", "compiler": "gcc 12.2.0", "steal_per_mille": 1.4,
    "warnings": ["virtual machine (KVM): its CPUs are shared with others; trust ratios of one run "
                 "alone, or measure on bare metal",
                 "CPUs 9-10 are SMT siblings of CPUs used: work there takes up to half of a core; "
                 "keep them idle, or boot with nosmt"]}


def bound(claim, limit, holds):
    return {"claim": claim, "limit": limit, "holds": holds}


def figure(name, unit, runs, what=None, floor=None, must=None, target=None):
    runs = list(runs)
    value = sorted(runs)[len(runs) // 2]
    made = {"name": name, "unit": unit, "value": value, "runs": runs, "least": min(runs),
            "most": max(runs)}
    if floor:
        made |= {"floor": {"name": floor[0], "value": floor[1]}, "ratio": value / floor[1]}
    return made | {key: given for key, given in (("what", what), ("must", must), ("target", target))
                   if given}


def run_of(scenario, results, **more):
    return {"flxperf": 1, "scenario": scenario,
            "command": ["build/perf/flxperf", scenario, "--repeat", "5", "--json", f"{scenario}.json"],
            "started": "2026-11-27T18:40:00Z", "seconds": 12.3, "environment": dict(ENVIRONMENT),
            "results": results, "skipped": [], "series": [],
            "ledger": {"fabrics": 10, "received": 0, "generated": 51200, "delivered": 0,
                       "consumed": 51200, "dropped": 0, "in_flight": 0, "unexplained": 0},
            "flags": ["DEV MODE"], "asserts": [], "interrupted": False, "exit": 0} | more


def hop():
    return run_of("hop", [
        figure("ring.spsc", "cycles/msg", [8.9, 8.8, 8.87, 8.02, 8.88],
               "rte_ring between two cores, bulks of 32"),
        figure("hop.same_core", "cycles/msg", [8.95, 8.77, 9.56, 8.9, 8.97],
               "from one fluxion to the next on one core, empty handler",
               ("ring.spsc", 8.87), bound("<= 25", 25, True), bound("<= 12", 12, True)),
        figure("hop.cross_core", "cycles/msg", [25.2, 20.9, 25.8, 25.1, 25.4],
               "from one core to the other, pointers only", ("ring.spsc", 8.87),
               bound("<= 1.5 * ring.spsc", 13.3, False), bound("<= 12", 12, False)),
    ], asserts=[{"claim": "hop.same_core <= 25", "result": "holds", "says": "8.95 <= 25"},
                {"claim": "hop.cross_core <= 1.5 * ring.spsc", "result": "fails",
                 "says": "25.2 is not <= 13.3"},
                {"claim": "echo.ring <= 98", "result": "unknown", "says": "echo.ring: not measured"}],
        exit=1)


def ctx():
    def three(what, ours, hash_cycles, lfht_cycles, must):
        return [figure(f"ctx.{what}", "cycles/msg", [ours - 9, ours, ours + 20, ours + 1, ours - 3],
                       "find and commit at random keys, 64-byte contexts",
                       (f"rte_hash.{what}", hash_cycles), bound(f"<= {must}", must, ours <= must)),
                figure(f"rte_hash.{what}", "cycles/msg", [hash_cycles - 20, hash_cycles,
                                                          hash_cycles + 30]),
                figure(f"cds_lfht.{what}", "cycles/msg", [lfht_cycles - 60, lfht_cycles,
                                                          lfht_cycles + 90])]
    return run_of("ctx", three("bind.1m", 142.9, 200.2, 522.4, 150) +
                  three("bind.10m", 222.0, 249.1, 804.0, 330) +
                  [figure("ctx.memory.1m", "bytes/context", [241.2] * 5, "taken",
                          must=bound("<= 256", 256, True))])


def latency():
    loads = {"idle": 9, "10": 11, "50": 19, "90": 64}
    points = {"p50": 1, "p90": 1.4, "p99": 2.4, "p99.9": 7, "p99.99": 22, "max": 61}
    results = []
    for load, base in loads.items():
        for point, factor in points.items():
            value = base * factor
            results.append(figure(f"latency.{load}.{point}", "us",
                                  [value * 0.9, value, value * 1.3, value * 1.02, value * 0.97],
                                  floor=(f"gen.floor.{point}", 4.2 * factor)))
    series = [{"name": f"latency.{load}", "run": run, "rows": [
        [0.5 * i, 4e5, 4e5 - (9e4 if load == "90" and 8 < i < 11 else 1e3 * math.sin(i)),
         9e4 if load == "90" and 8 < i < 11 else 0] for i in range(1, 21)]}
        for load in ("50", "90") for run in range(2)]
    return run_of("latency", results, series=series)


def scale():
    results = []
    for workers, one, rings, fabrics in ((2, 2.44, 1.48, 1.94), (4, 2.9, 2.6, 3.0), (8, 5.7, 5.2, 5.8)):
        beside = f"scale.{workers}.fabrics"
        results += [
            figure(f"scale.{workers}", "x of one", [one, one - 0.1, one + 0.3, one, one],
                   "workers against one", (beside, fabrics),
                   bound(">= 1.85", 1.85, True) if workers == 2 else None),
            figure(f"scale.{workers}.rings", "x of one", [rings] * 3),
            figure(beside, "x of one", [fabrics - 0.2, fabrics, fabrics + 0.1])]
    return run_of("scale", results)


def node():
    return run_of("node", [
        figure("node.udp", "x", [6.2, 6.4, 6.1, 6.3, 6.2], "answers per second per core, ours to "
               "Node's, through the kernel's veth", must=bound(">= 5", 5, True)),
        figure("node.udp.flx", "answers/s", [251e3, 249e3, 255e3, 250e3, 252e3],
               floor=("node.udp.node", 40.5e3)),
    ], skipped=[{"name": "node.http", "reason": "there is no HTTP app yet"},
                {"name": "node.inprocess", "reason": "no node in PATH; apt-get install nodejs",
                 "must": bound(">= 5", 5, False), "what": "the same handler, no network"}])


ALL = (hop, ctx, latency, scale, node)

NOTES = """# Same core

A hop takes **8.9 cycles**, of which `flx_dispatch` has 5.1:

```
 57.3 %  flx_dispatch
 20.1 %  push <local>
```

- what is left is the read of the route
- nothing can be saved at 2 IPC

| part | cycles |
|---|---|
| dispatch | 5.1 |
| send | 3.8 |
"""


def main(directory):
    for make in ALL:
        path = pathlib.Path(directory) / f"{make.__name__}.json"
        path.write_text(json.dumps(make(), indent=1), encoding="utf-8")
    (pathlib.Path(directory) / "notes.md").write_text(NOTES, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])

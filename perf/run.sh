#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# run.sh - builds flx as released and measures it beside its floors: the README's other command.
#
#	perf/run.sh [--check] [flxperf options]
#
# Installs what is missing of tests/packages.sh (as root, or with sudo). As root it also reserves
# hugepages for its own time, and compares with testpmd over af_xdp on a veth pair in namespaces of its
# own; everything is as before when it ends. Exit status: 0; 1 a run failed, or with --check a bound
# was missed; 2 wrong usage.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
source tests/packages.sh
exec </dev/null
use_debian_tools

check=
for argument; do
	[ "$argument" = --check ] && check=--check
done

install_packages "${build_packages[@]}" "${test_packages[@]}" "${perf_packages[@]}" || exit 1
echo "== build"
mkdir -p build
{
	if [ -f build/meson-private/coredata.dat ]; then
		meson setup --reconfigure build -Dbuildtype=release -Db_ndebug=if-release -Db_sanitize=none
	else
		meson setup build -Dbuildtype=release -Db_ndebug=if-release -Db_sanitize=none
	fi && ninja -C build
} >build/perf-run.log 2>&1 || {
	tail -n 30 build/perf-run.log
	exit 1
}

state=$(mktemp -d)
trap 'pmd-config/setup.sh --state "$state" undo >/dev/null 2>&1; rm -rf "$state"' EXIT
# The largest pool with 1 M contexts takes about 700 MiB, 10 M contexts beside those of two peers
# 5 GiB. Where there is less, ordinary pages serve.
memory=() mib=1024
available=$(awk '/^MemAvailable/{print int($2 / 1024)}' /proc/meminfo)
[ "$available" -lt 10240 ] || mib=5376
if [ "$(id -u)" -ne 0 ] || ! pmd-config/setup.sh --state "$state" hugepages "$mib" >/dev/null 2>&1; then
	memory=(--dev)
fi

# Share of the time since boot that the hypervisor took away, in thousandths, and the sum of ticks.
steal() { awk '/^cpu /{print $9, $2+$3+$4+$5+$6+$7+$8+$9}' /proc/stat; }

echo "== machine"
sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1
echo "$(nproc) CPUs, load $(cut -d' ' -f1-3 /proc/loadavg), governor" \
	"$(cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null || echo unknown)," \
	"memory: ${memory[*]:-hugepages}"
read -r stolen_before ticks_before < <(steal)

echo "== the fabric and its floors"
status=0
build/perf/flxperf "${memory[@]}" "$@" || status=$?
[ "$status" -eq 2 ] && exit 2

echo "== the context store, 64-byte contexts, 8-byte keys, beside cds_lfht and rte_hash"
[ "$mib" -gt 1024 ] || echo "10 M contexts: ordinary pages, for want of memory"
build/perf/bench_ctx $check || status=1

echo "== how slices move, and how load is spread (fewer and shorter runs than by hand)"
build/perf/bench_sched "${memory[@]}" $check --runs 2 move skew cost scale oversubscribed || status=1
build/perf/bench_sched "${memory[@]}" $check --runs 1 --duration 10 zipf calm || status=1
if [ "$(id -u)" -ne 0 ]; then
	echo "idle: skipped: needs root for a veth pair and af_packet"
elif ! unshare --net --mount true 2>/dev/null; then
	echo "idle: skipped: no namespaces of our own here (a chroot or container forbids them)"
else
	unshare --net --mount perf/idle.sh $check --runs 2 --count 50 || status=1
fi

echo "== testpmd on a looped ring port, one core: what moving frames costs there"
perf/testpmd_ring.sh

echo "== over af_xdp on a veth pair, the same client: testpmd 5tswap and flx run echo in turn"
if [ "$(id -u)" -ne 0 ]; then
	echo "skipped: needs root for a veth pair and af_xdp"
elif ! unshare --net --mount true 2>/dev/null; then
	echo "skipped: no namespaces of our own here (a chroot or container forbids them)"
else
	unshare --net --mount perf/wire.sh $check || status=1
fi

read -r stolen_after ticks_after < <(steal)
echo "== steal during the run: $(((stolen_after - stolen_before) * 1000 / (ticks_after - ticks_before + 1)))" \
	"per mille"
exit "$status"

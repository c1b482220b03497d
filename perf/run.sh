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

usage() {
	sed -n 's/^#\t/usage: /p' "$0"
	echo "flxperf options: [--runs N] [--duration SECONDS] [--dev] [SCENARIO]...; SCENARIO:"
	echo "${scenarios[*]}"
}
refuse() {
	echo "run.sh: $*" >&2
	usage >&2
	exit 2
}
# Whether number $1 is $2 at least and $3 at most.
within() {
	[[ $1 =~ ^([0-9]+\.?[0-9]*|\.[0-9]+)$ ]] && awk -v n="$1" -v least="$2" -v most="$3" \
		'BEGIN {exit !(n + 0 >= least && n + 0 <= most)}'
}

# Before anything is installed or built: a word that flxperf would refuse in some minutes.
mapfile -t scenarios < <(sed -n 's/^\t{\.name = "\(.*\)",$/\1/p' perf/flxperf.c)
check= words=("$@")
for ((at = 0; at < ${#words[@]}; at++)); do
	word=${words[at]}
	case $word in
	--runs=* | --duration=*) value=${word#*=} ;;
	--runs | --duration)
		((++at < ${#words[@]})) || refuse "$word: no value; give one behind it"
		value=${words[at]}
		;;
	esac
	case $word in
	--check) check=--check ;;
	--dev) ;;
	--help) usage && exit 0 ;;
	--runs | --runs=*) within "$value" 1 64 || refuse "--runs $value: give 1..64" ;;
	--duration | --duration=*)
		within "$value" 0.05 3600 || refuse "--duration $value: give 0.05..3600 seconds"
		;;
	*)
		[[ " ${scenarios[*]} " == *" $word "* ]] || refuse "$word: no such option or scenario"
		;;
	esac
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
step=
trap 'pmd-config/setup.sh --state "$state" undo >/dev/null 2>&1; rm -rf "$state"' EXIT
# Hugepages go back only when nobody holds them: whoever runs in the group of the step ends first.
end() {
	trap '' INT TERM HUP
	if [ -n "$step" ]; then
		kill -TERM -- "-$step" 2>/dev/null
		for ((tenth = 0; tenth < 50; tenth++)); do
			kill -0 -- "-$step" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL -- "-$step" 2>/dev/null
		wait "$step" 2>/dev/null
	fi
	exit "$1"
}
trap 'end 130' INT
trap 'end 143' TERM
trap 'end 129' HUP
# Runs a command in a group of its own; bash waits for one in the foreground before it minds a signal.
step() {
	local status
	set -m
	"$@" &
	step=$!
	set +m
	wait "$step"
	status=$?
	step=
	return "$status"
}
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
step build/perf/flxperf "${memory[@]}" "$@" || status=$?
[ "$status" -eq 2 ] && exit 2

echo "== the context store, 64-byte contexts, 8-byte keys, beside cds_lfht and rte_hash"
[ "$mib" -gt 1024 ] || echo "10 M contexts: ordinary pages, for want of memory"
step build/perf/bench_ctx $check || status=1

echo "== how slices move, and how load is spread (fewer and shorter runs than by hand)"
step build/perf/bench_sched "${memory[@]}" $check --runs 2 move skew cost scale oversubscribed || status=1
step build/perf/bench_sched "${memory[@]}" $check --runs 1 --duration 10 zipf calm || status=1
if [ "$(id -u)" -ne 0 ]; then
	echo "idle: skipped: needs root for a veth pair and af_packet"
elif ! unshare --net --mount true 2>/dev/null; then
	echo "idle: skipped: no namespaces of our own here (a chroot or container forbids them)"
else
	step unshare --net --mount perf/idle.sh $check --runs 2 --count 50 || status=1
fi

echo "== testpmd on a looped ring port, one core: what moving frames costs there"
step perf/peers.sh io macswap 5tswap csum

echo "== over af_xdp on a veth pair, the same client: testpmd 5tswap and flx run echo in turn"
if [ "$(id -u)" -ne 0 ]; then
	echo "skipped: needs root for a veth pair and af_xdp"
elif ! unshare --net --mount true 2>/dev/null; then
	echo "skipped: no namespaces of our own here (a chroot or container forbids them)"
else
	step unshare --net --mount perf/wire.sh $check || status=1
fi

read -r stolen_after ticks_after < <(steal)
echo "== steal during the run: $(((stolen_after - stolen_before) * 1000 / (ticks_after - ticks_before + 1)))" \
	"per mille"
exit "$status"

#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# run.sh - builds flx as released, measures it beside its floors and peers, and writes a report of it:
# the README's other command.
#
#	perf/run.sh [--check] [--repeat N] [--out FILE] [SCENARIO]...
#
# Installs what is missing of tests/packages.sh (as root, or with sudo). Runs what build/perf/flxperf can
# measure, or the scenarios given, each N times (1 to 5, as each takes), writes what they found to build/perf-results/ and
# the report to FILE (report.html). As root it also reserves hugepages for its own time, and makes veth
# pairs in namespaces of its own; everything is as before when it ends. Exit status: 0; 1 a run failed, or
# with --check a bound was missed; 2 wrong usage.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
source tests/packages.sh
exec </dev/null
use_debian_tools

# What is run, and how: each five times, what takes long less often, so that all of it takes less than five
# minutes on two CPUs. The report says how often, and --repeat 5 makes it five times throughout.
declare -A options=(
	[hop]="--duration 0.2" [counter]="--duration 0.3" [echo]="--duration 0.3" [ctx.bind]=
	[ctx.restart.1m]= [move]="--repeat 3" [sched.skew_ms]="--repeat 3" [scale]="--repeat 3" [idle]=
	[search]="--repeat 1 --duration 2" [latency]="--repeat 3 --duration 0.2"
	[peers]="--repeat 2 --duration 0.5" [node]="--repeat 2 --duration 0.4"
	[ctx]= [sched]="--duration 10" [gen]="--duration 0.5" [wire]="--duration 1"
)
scenarios=(hop counter echo ctx.bind ctx.restart.1m move sched.skew_ms scale idle search latency peers node)

usage() {
	sed -n 's/^#\t/usage: /p' "$0"
	echo "SCENARIO: ${!options[*]}"
}
refuse() {
	echo "run.sh: $*" >&2
	usage >&2
	exit 2
}

# Before anything is installed or built: a word that flxperf would refuse in some minutes.
check=() repeat=() out=report.html wanted=()
while [ $# -gt 0 ]; do
	case $1 in
	--repeat | --out) [ $# -gt 1 ] || refuse "$1: no value; give one behind it" ;;
	esac
	case $1 in
	--check) check=(--check) ;;
	--repeat) repeat=(--repeat "$2") && shift ;;
	--out) out=$2 && shift ;;
	--help) usage && exit 0 ;;
	*)
		[ -n "${options[${1:-none}]+is}" ] || refuse "$1: no such option or scenario"
		wanted+=("$1")
		;;
	esac
	shift
done
[[ ${repeat[1]-1} =~ ^[0-9]{1,2}$ ]] && ((10#${repeat[1]-1} >= 1 && 10#${repeat[1]-1} <= 64)) ||
	refuse "--repeat ${repeat[1]}: give 1..64"
[ -d "$(dirname -- "$out")" ] || refuse "--out $out: no such directory"
[ ${#wanted[@]} -gt 0 ] || wanted=("${scenarios[@]}")

install_packages "${build_packages[@]}" "${test_packages[@]}" "${perf_packages[@]}" || exit 1
echo "== build"
mkdir -p build
{
	if [ -f build/meson-private/coredata.dat ]; then
		meson setup --reconfigure build -Dbuildtype=release -Db_ndebug=if-release -Db_sanitize=none
	else
		meson setup build -Dbuildtype=release -Db_ndebug=if-release -Db_sanitize=none
	fi && ninja -C build perf/flxperf perf/wake apps/flx tests/e2e/client
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

# HdrHistogram's own library, for --hlog and its tests.
perf/node/install.sh >>build/perf-run.log 2>&1 || echo "no HdrHistogram: perf/node/install.sh says why"

results=build/perf-results
rm -rf "$results"
mkdir -p "$results"
status=0 limited= files=()
SECONDS=0
for scenario in "${wanted[@]}"; do
	echo
	echo "== $scenario"
	# shellcheck disable=SC2086
	step build/perf/flxperf "$scenario" ${options[$scenario]} "${repeat[@]}" "${memory[@]}" \
		"${check[@]}" --json "$results/$scenario.json"
	case $? in
	0) ;;
	3) limited+=" $scenario" ;;
	*) status=1 ;;
	esac
	echo "$scenario took $SECONDS s"
	SECONDS=0
	[ ! -f "$results/$scenario.json" ] || files+=("$results/$scenario.json")
done

echo
echo "== report"
perf/report/report.py "${files[@]}" --expect "${wanted[@]%%.*}" -o "$out" --notes perf/report/cycles.md || status=1
if [ "$status" -ne 0 ]; then
	echo "$out: something failed, or a bound was missed; VERDICT lines above say what"
elif [ -n "$limited" ]; then
	echo "$out: all ran; where the generator was the limit what it drove may be faster:$limited"
else
	echo "$out: all ran${check:+, and all bounds hold}"
fi
exit "$status"

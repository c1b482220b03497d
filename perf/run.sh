#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# run.sh - builds flx as released, measures it beside its floors and peers, and writes a report of it:
# the README's other command.
#
#	perf/run.sh [--check] [--repeat N] [--out FILE] [SCENARIO]...
#
# Installs what is missing of tests/packages.sh (as root, or with sudo). Runs all scenarios of
# build/perf/flxperf, or those given, each N times (5), writes what they found to build/perf-results/ and
# the report to FILE (report.html). As root it also reserves hugepages for its own time, and makes veth
# pairs in namespaces of its own; everything is as before when it ends. Exit status: 0; 1 a run failed, or
# with --check a bound was missed; 2 wrong usage.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
source tests/packages.sh
exec </dev/null
use_debian_tools

# Scenario, and what it is run with: short enough for all to take less than five minutes on two CPUs.
# shellcheck disable=SC2034
declare -A options=(
	[hop]="--duration 0.3" [counter]="--duration 0.4" [echo]="--duration 0.5" [ctx]="" [move]=""
	[sched]="--duration 10" [scale]="" [idle]="" [wire]="--duration 1" [search]="--duration 5"
	[latency]="--duration 1" [gen]="--duration 0.5" [peers]="" [node]=""
)
scenarios=(hop counter echo ctx move sched scale idle wire gen search latency peers node)

usage() { sed -n 's/^#\t/usage: /p' "$0"; echo "SCENARIO: ${scenarios[*]}"; }
refuse() {
	echo "run.sh: $*" >&2
	usage >&2
	exit 2
}

# Before anything is installed or built: a word that flxperf would refuse in some minutes.
check=() repeat=5 out=report.html wanted=()
while [ $# -gt 0 ]; do
	case $1 in
	--repeat | --out) [ $# -gt 1 ] || refuse "$1: no value; give one behind it" ;;
	esac
	case $1 in
	--check) check=(--check) ;;
	--repeat) repeat=$2 && shift ;;
	--out) out=$2 && shift ;;
	--help) usage && exit 0 ;;
	*)
		[ -n "${options[${1:-none}]+is}" ] || refuse "$1: no such option or scenario"
		wanted+=("$1")
		;;
	esac
	shift
done
[[ $repeat =~ ^[0-9]{1,2}$ ]] && ((10#$repeat >= 1 && 10#$repeat <= 64)) ||
	refuse "--repeat $repeat: give 1..64"
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

results=build/perf-results
rm -rf "$results"
mkdir -p "$results"
status=0 limited= files=()
for scenario in "${wanted[@]}"; do
	echo
	echo "== $scenario"
	# shellcheck disable=SC2086
	step build/perf/flxperf "$scenario" "${memory[@]}" "${check[@]}" --repeat "$repeat" \
		--json "$results/$scenario.json" ${options[$scenario]}
	case $? in
	0) ;;
	3) limited+=" $scenario" ;;
	*) status=1 ;;
	esac
	[ ! -f "$results/$scenario.json" ] || files+=("$results/$scenario.json")
done

echo
echo "== report"
perf/report/report.py "${files[@]}" -o "$out" --notes perf/report/cycles.md || status=1
[ -z "$limited" ] || echo "limited by the generator:$limited"
echo "$out: $([ "$status" -eq 0 ] && echo "all ran, and all that was asserted holds" ||
	echo "something failed, or a bound was missed; VERDICT lines above say what")"
exit "$status"

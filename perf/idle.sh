#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# idle.sh - what flx takes of a CPU while nothing comes, and how soon it answers what then comes.
#
#	unshare --net --mount perf/idle.sh [--port af_packet|af_xdp] [--runs N] [--count N]
#
# Runs `flx run counter` on a port of a veth pair, in namespaces of its own. idle.cpu is of the whole
# process, over 2 s, N times (5). idle.wake_us is from the first datagram after 100 ms of silence to
# its answer, at p99 of N such pauses (1,000), beside that of a process that sleeps in the kernel for
# its datagrams, on the same CPU: where CPUs are virtual, both wait for the hypervisor. The client is
# in the kernel, on another CPU where there is one. Prints lines for perf/script.c, that is `flxperf idle`.
# Exit status: 0; 1 it failed; 2 wrong usage.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

port_kind=af_packet runs=5 count=1000
usage() { sed -n 's/^#\t/usage: /p' "$0"; }
refuse() {
	echo "idle: $*" >&2
	usage >&2
	exit 2
}
while [ $# -gt 0 ]; do
	case $1 in
	--port | --runs | --count) [ $# -gt 1 ] || refuse "$1: no value; give one behind it" ;;
	esac
	case $1 in
	--port) port_kind=$2 && shift ;;
	--runs) runs=$2 && shift ;;
	--count) count=$2 && shift ;;
	--help) usage && exit 0 ;;
	*) refuse "$1: no such argument" ;;
	esac
	shift
done
[[ $port_kind =~ ^af_(packet|xdp)$ ]] || refuse "--port $port_kind: give af_packet or af_xdp"
[[ $runs =~ ^[1-9][0-9]*$ ]] || refuse "--runs $runs: give a number of 1 or more"
[[ $count =~ ^[1-9][0-9]*$ ]] || refuse "--count $count: give a number of 1 or more"
# It mounts over /run and /sys, and makes interfaces. Namespaces are its own where some process that
# led to it has others; those of process 1 may not be readable, and nobody's are from a namespace of
# users, where the network has its loopback and nothing else.
has_own() {
	local pid=$$ space
	while pid=$(awk '/^PPid:/{print $2}' "/proc/$pid/status" 2>/dev/null) && [ "${pid:-0}" -gt 0 ]; do
		space=$(readlink "/proc/$pid/ns/$1") || continue
		[ "$space" = "$(readlink "/proc/self/ns/$1")" ] || return 0
	done
	[ "$(awk '{print $1, $2, $3}' /proc/self/uid_map)" != "0 0 4294967295" ] &&
		[ "$(grep -c : /proc/net/dev)" -eq 1 ]
}
{ has_own mnt && has_own net; } || {
	echo "idle: not in namespaces of its own; start it with unshare --net --mount perf/idle.sh" >&2
	exit 2
}

build=${FLX_BUILD-build} ip=198.18.0.1 port=7000
cpu=$(($(nproc) > 1 ? 1 : 0))
dir=$(mktemp -d)
server=
fail() {
	echo "idle: failed: $*" >&2
	tail -n 20 "$dir/flx" >&2
	exit 1
}
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null; rm -rf "$dir"' EXIT
mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && ip link set lo up || exit 1
pmd-config/setup.sh veth --net 198.18.0.0/24 >"$dir/setup" 2>&1 || {
	for figure in cpu {kernel_us,wake_us}.{p50,p99}; do
		echo "SKIP idle.$figure no veth pair here: $(tail -n 1 "$dir/setup")"
	done
	exit 0
}

# Prints p50 and p99 of what `wake` finds at $ip:$port.
wake() {
	ip netns exec flx-demo taskset -c 0 "$build/perf/wake" --to "$ip:$port" --count "$count" |
		sed -n 's/p50=\(.*\) p99=\(.*\) most=.* lost=0$/\1 \2/p'
}

# Ticks that process $1 has run.
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }

# The floor: the kernel has the address, and answers who asks for it, as setup.sh has forbidden.
arp=/proc/sys/net/ipv4/conf/flx0/arp_ignore
ignores=$(<"$arp")
echo 0 >"$arp"
ip address add "$ip/24" dev flx0
taskset -c "$cpu" "$build/perf/wake" --serve "$ip:$port" &
server=$!
sleep 0.5
read -r floor_p50 floor_p99 < <(wake)
kill "$server"
wait "$server" 2>/dev/null
ip address del "$ip/24" dev flx0
echo "$ignores" >"$arp"

# Ours.
"$build/apps/flx" run counter --dev --workers 1 --port "$port_kind:flx0" --ip "$ip/24" >"$dir/flx" 2>&1 &
server=$!
sleep 2
for ((run = 0; run < runs; run++)); do
	before=$(ticks "$server") began=$EPOCHREALTIME
	sleep 2
	awk -v a="$before" -v b="$(ticks "$server")" -v from="$began" -v to="$EPOCHREALTIME" \
		-v hz="$(getconf CLK_TCK)" \
		'BEGIN {printf("FIGURE idle.cpu %% %.3f\n", (b - a) / hz / (to - from) * 100)}'
done >"$dir/cpu"
read -r p50 p99 < <(wake)
kill -INT "$server"
wait "$server"
server=

# No figure of a fabric that cannot account for its messages.
grep -q '^unexplained 0$' "$dir/flx" || fail "flx did not end with 'unexplained 0'"
[ -n "${floor_p99-}" ] || fail "the kernel's socket: answers were lost, or nobody answered"
[ -n "${p99-}" ] || fail "flx run counter: answers were lost, or nobody answered"
cat "$dir/cpu" - <<END
FIGURE idle.kernel_us.p50 us $floor_p50
FIGURE idle.kernel_us.p99 us $floor_p99
FIGURE idle.wake_us.p50 us $p50
FIGURE idle.wake_us.p99 us $p99
END

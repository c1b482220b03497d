#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# services.sh - answers per second that one core gives as a service in Node and as `flx run`, in turn.
#
#	perf/node/services.sh NAME APP PORT [SECONDS]
#	perf/node/services.sh node.udp counter 7000 2
#
# Both are asked through the same veth pair by the same client in the kernel, which has CPU 0; the service
# has the last CPU: Node's with the kernel's UDP, flx over af_xdp with one worker. Each is measured in
# closed loops of two sizes, then at offered rates, halving what is left between one that it sustains (lost
# are 0.5 % at most) and one that it does not. Its figure is the most that it answered in a run that it
# sustained. Every answer is verified, and one wrong answer is a failure. Whether the service was the
# limit, or the client, the other figures say: how busy the service was, of its CPU, or flx's worker, which
# polls, of its own account; and how busy the client's CPU.
#
# It runs in namespaces of its own. SECONDS are those of a run (2). Prints lines for perf/script.c, that is
# `flxperf node`, and a line for each run. Exit status: 0; 1 it failed; 2 wrong usage.
set -uo pipefail

[ $# -ge 3 ] && [ $# -le 4 ] || {
	sed -n 's/^#\t/usage: /p' "$0" | head -n 1
	exit 2
}
skip() {
	echo "SKIP $name.node $*"
	echo "SKIP $name.flx $*"
	exit 0
}
name=$1 app=$2 port=$3 seconds=${4-2}
[ "$(id -u)" -eq 0 ] || skip "needs root, for a veth pair and af_xdp"
[ "$(nproc)" -gt 1 ] || skip "needs two CPUs, one for the client"
command -v node >/dev/null || skip "Node is not installed; apt-get install nodejs"
if [ -z "${FLX_SERVICES_ISOLATED-}" ]; then
	unshare --net --mount true 2>/dev/null || skip "no namespaces of our own here"
	FLX_SERVICES_ISOLATED=1 exec unshare --net --mount "$0" "$@"
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

build=${FLX_BUILD-build} ip=198.18.0.1 loss_max_pct=0.5 halvings=4 clients=4
client_line='requests=([0-9]+) answers=([0-9]+) .*wrong=0 .*answers_per_s=([0-9]+)$'
service_cpu=$(($(nproc) - 1))
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null; rm -rf "$dir"' EXIT
fail() {
	echo "services: $*" >&2
	[ ! -s "$dir/log" ] || tail -n 20 "$dir/log" >&2
	exit 1
}

mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && ip link set lo up || exit 1
pmd-config/setup.sh veth --net 198.18.0.0/24 >"$dir/log" 2>&1 || skip "no veth pair: $(tail -n 1 "$dir/log")"
peer=$(ip -n flx-demo -o link | awk -F'[ :@]+' '$2 != "lo" {print $2}')
# Each run has client addresses of its own, so that all counts begin with 1.
for host in {10..249}; do echo "address add 198.18.0.$host/24 dev $peer"; done |
	ip -n flx-demo -batch - || fail "no addresses for the clients"

# -------------------------------------------------------------------------------------- services

# Waits for the service, $server, to say or do something: a command.
wait_for() {
	for ((tenth = 0; tenth < 150; tenth++)); do
		"$@" >/dev/null 2>&1 && return
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
	done
	fail "the service does not answer"
}

start_node() {
	echo 0 >/proc/sys/net/ipv4/conf/flx0/arp_ignore
	ip address add "$ip/24" dev flx0
	taskset -c "$service_cpu" node perf/node/server.mjs --mode "$app" --host "$ip" --port "$port" \
		>"$dir/log" 2>&1 &
	server=$!
	wait_for grep -q "^node: $app on" "$dir/log"
}

# Stops the service; $1 must then be in its log.
stop() {
	kill -INT "$server"
	wait "$server"
	server=
	grep -q "$1" "$dir/log" || fail "the service did not end as it must"
}

stop_node() {
	stop "^node: .* refused=0 "
	ip address del "$ip/24" dev flx0
	# As setup.sh has it: ARP is the fabric's.
	echo 8 >/proc/sys/net/ipv4/conf/flx0/arp_ignore
}

start_flx() {
	"$build/apps/flx" run "$app" --dev --workers 1 --cpus "$service_cpu" --port af_xdp:flx0 \
		--ip "$ip/24" --control "$dir/control" >"$dir/log" 2>&1 &
	server=$!
	wait_for ip netns exec flx-demo ping -c 1 -W 1 "$ip"
}

stop_flx() { stop '^unexplained 0$'; }

# ------------------------------------------------------------------------------------------ runs

# Ticks so far: the client's CPU busy, and idle; the service's busy, idle, and of these in interrupts; and
# the service itself.
ticks() {
	awk -v service="cpu$service_cpu" '
		$1 == "cpu0" || $1 == service {
			printf("%d %d ", $2 + $3 + $4 + $7 + $8 + $9, $5 + $6)
			if ($1 == service) printf("%d ", $7 + $8)
		}
		FILENAME != "/proc/stat" {print $14 + $15}' /proc/stat "/proc/$server/stat"
}

# What became of these, $1 before and $2 after, in percent: how busy the client's CPU was; how much of its
# own the service had, with the interrupts there, which are of its packets; and what others took of that.
shares() {
	awk -v a="$1" -v b="$2" 'BEGIN {
		split(a, x); split(b, y)
		for (i = 1; i <= 6; i++) d[i] = y[i] - x[i]
		client = d[1] + d[2] + 1e-9; service = d[3] + d[4] + 1e-9; had = d[5] + d[6]
		others = d[3] - had
		printf("%.0f %.0f %.0f\n", 100 * d[1] / client, 100 * had / service,
			others > 0 ? 100 * others / service : 0) }'
}

# In the middle of a run: how much of its time the worker of flx was busy, for it polls in the rest.
look_at_worker() {
	sleep "$(awk -v s="$seconds" 'BEGIN {print s / 2}')"
	"$build/apps/flx" show --control "$dir/control" | sed -n 's/.* busy *\([0-9]*\)%$/\1/p'
}

# One run of the client with its options. Sets rate, answers per second, and keeps the best of those that
# are sustained. Whether this one was.
drive() {
	local from=$((10 + runs++ * clients % 240)) before lost busy generator others look=
	before=$(ticks)
	if [ "$service" = flx ]; then
		look_at_worker >"$dir/busy" &
		look=$!
	fi
	ip netns exec flx-demo "$build/tests/e2e/client" --to "$ip:$port" --mode "$app" \
		--from "$(seq -s, -f '198.18.0.%g' "$from" $((from + clients - 1)))" --cpu 0 \
		--duration "$seconds" "$@" >"$dir/client" 2>&1
	read -r generator busy others < <(shares "$before" "$(ticks)")
	[ -z "$look" ] || { wait "$look" && busy=$(<"$dir/busy"); }
	[[ $(tail -n 1 "$dir/client") =~ $client_line ]] || {
		cat "$dir/client" >&2
		fail "the client is not content with $service ($*)"
	}
	rate=${BASH_REMATCH[3]}
	lost=$(awk -v sent="${BASH_REMATCH[1]}" -v got="${BASH_REMATCH[2]}" \
		'BEGIN {printf("%.2f\n", sent ? 100 * (sent - got) / sent : 100)}')
	echo "$name.$service $*: $rate answers/s, $lost % lost; busy: service $busy %," \
		"CPU of the client $generator %; others took $others % of the service's CPU"
	awk -v l="$lost" -v m="$loss_max_pct" 'BEGIN {exit !(l <= m)}' || return
	[ "$rate" -le "${best[0]}" ] || best=("$rate" "$busy" "$generator")
}

measure() {
	service=$1 runs=0 best=(0 0 0)
	local low high middle rate
	"start_$service"
	# Warm: caches of neighbours, and Node's compiler.
	seconds=0.5 drive --window 32 >/dev/null
	best=(0 0 0)
	drive --window 8
	drive --window 32
	low=$((rate / 2)) high=$((rate * 5 / 4))
	for ((halving = 0; halving < halvings; halving++)); do
		middle=$(((low + high) / 2))
		# Not sustained is also what the client could not send.
		if drive --window 0 --rate "$middle" && ((rate * 100 >= middle * 99)); then
			low=$middle
		else
			high=$middle
		fi
	done
	"stop_$service"
	[ "${best[0]}" -gt 0 ] || fail "$service sustained none of these"
	echo "FIGURE $name.$service answers/s ${best[0]}"
	echo "FIGURE $name.$service.busy % ${best[1]}"
	echo "FIGURE $name.$service.generator % ${best[2]}"
}

measure node
measure flx

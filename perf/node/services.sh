#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# services.sh - answers per second that one core gives as a service in Node and as `flx run`, in turn.
#
#	perf/node/services.sh NAME APP PORT [SECONDS]
#	perf/node/services.sh node.udp counter 7000 2
#
# Both are asked through the same veth pair by the same generator (flxperf gen, over af_xdp), which has
# CPU 0; the service has the last CPU: Node's with the kernel's UDP, flx over af_xdp with one worker. Each is
# asked in a closed loop, then at offered rates, halving what is left between one that it sustains
# (0.5 % at most stay without an answer) and one that it does not. Its figure is the most that it
# answered in a run that it sustained. Every answer is verified, and one wrong answer is a failure. Whether
# the service was the limit, or the generator, the other figures say: of Node, which share of its CPU it
# took, with the interrupts there; of those who poll, the worker and the generator, how much of their time
# they were busy, by their own account; all while they were asked. And of the runs that were not sustained,
# in how many percent the generator was the limit, as it says itself (status 3).
#
# It runs in namespaces of its own. SECONDS are those of a run (2). Prints lines for perf/script.c, that is
# `flxperf node`, and a line for each run. Exit status: 0; 1 it failed; 2 wrong usage.
set -uo pipefail

[ $# -ge 3 ] && [ $# -le 4 ] || {
	sed -n 's/^#\t/usage: /p' "$0" | head -n 1
	exit 2
}
skip() {
	local figure
	for figure in "$name".{node,flx}{,.busy,.generator,.limited}; do
		echo "SKIP $figure $*"
	done
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

build=${FLX_BUILD-build} ip=198.18.0.1 net=15 steps=5 loss_max_permille=5
# Of the generator's closed loop; of what it asks in the same way before each run, to warm up; and how long
# it waits behind it for answers that do not come.
closed_s=0.5 warm_s=0.1 grace_s=0.1
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
	ip address add "$ip/$net" dev flx0
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
	ip address del "$ip/$net" dev flx0
	# As setup.sh has it: ARP is the fabric's.
	echo 8 >/proc/sys/net/ipv4/conf/flx0/arp_ignore
}

start_flx() {
	"$build/apps/flx" run "$app" --dev --workers 1 --cpus "$service_cpu" --port af_xdp:flx0 \
		--ip "$ip/$net" --control "$dir/control" >"$dir/log" 2>&1 &
	server=$!
	wait_for ip netns exec flx-demo ping -c 1 -W 1 "$ip"
}

stop_flx() { stop '^unexplained 0$'; }

# ------------------------------------------------------------------------------------------ runs

# Ticks so far of the service's CPU: busy, idle, in interrupts; and of the service itself.
ticks() {
	awk -v service="cpu$service_cpu" '
		$1 == service {printf("%d %d %d ", $2 + $3 + $4 + $7 + $8 + $9, $5 + $6, $7 + $8)}
		FILENAME != "/proc/stat" {print $14 + $15}' /proc/stat "/proc/$server/stat"
}

# How busy the service is, window after window, while the file "watching" is there: a line each of when it began and
# ended, the percent of the CPU that it took, with interrupts, or that its worker was busy; and the percent
# that others took.
watch() {
	local before busy began
	while [ -e "$dir/watching" ]; do
		before=$(ticks) began=$EPOCHREALTIME
		if [ "$service" = flx ]; then
			busy=$("$build/apps/flx" show --control "$dir/control" |
				sed -n 's/.* busy *\([0-9]*\)%$/\1/p')
			[ -n "$busy" ] || { sleep 0.1 && continue; }
		else
			busy=- && sleep 0.25
		fi
		awk -v a="$before" -v b="$(ticks)" -v busy="$busy" -v began="$began" \
			-v ended="$EPOCHREALTIME" 'BEGIN {
			split(a, x); split(b, y)
			for (i = 1; i <= 4; i++) d[i] = y[i] - x[i]
			all = d[1] + d[2] + 1e-9; had = d[3] + d[4]
			# Some kernels count interrupts among what a process takes, too.
			if (had > d[1]) had = d[1]
			printf("%s %s %.1f %.1f\n", began, ended, busy == "-" ? 100 * had / all : busy,
				100 * (d[1] - had) / all) }'
	done
}

# mean_of FROM TO: of watch's lines, what the service and others took in that time: of windows that lie in
# it as a whole, or where there is none, of those that reach into it.
mean_of() {
	awk -v from="$1" -v to="$2" '{
			time = ($2 < to ? $2 : to) - ($1 > from ? $1 : from)
			if (time <= 0) next
			whole = $1 >= from && $2 <= to
			all[whole] += time; busy[whole] += time * $3; others[whole] += time * $4
		}
		END {
			whole = 1 in all
			if (!(whole in all)) exit 1
			printf("%.0f %.0f\n", busy[whole] / all[whole], others[whole] / all[whole])
		}' "$dir/busy"
}

# What comes, each line behind the time.
stamp() {
	local line
	while IFS= read -r line; do
		printf '%s %s\n' "$EPOCHREALTIME" "$line"
	done
}

# drive TRIAL SECONDS OPTION...: a run of the generator with its options, of which the trial is that the
# last line of TRIAL tells of, of so many seconds. Sets rate, answers per second, keeps the best that is
# sustained, and counts those that are not. Whether this one is sustained.
drive() {
	local trial=$1 length=$2 watching status busy others planned generator lost ended
	shift 2
	: >"$dir/watching"
	watch >"$dir/busy" 2>/dev/null &
	watching=$!
	ip netns exec flx-demo taskset -c 0 "$build/perf/flxperf" gen --dev --repeat 1 --keys 64 \
		--port "af_xdp:$peer" --to "$ip:$port" --ip "198.18.0.2/$net" "$@" 2>&1 | stamp >"$dir/gen"
	status=${PIPESTATUS[0]}
	# The window that it is in may be the only one.
	rm "$dir/watching"
	wait "$watching"
	[[ $status =~ ^[03]$ && $(grep "^[0-9.]*   gen\.$trial: " "$dir/gen") =~ \
		^([0-9.]+)\ .*\ ([0-9]+)/s\ answered\;\ lost\ ([0-9]+),\ wrong\ 0.*\ generator\ ([0-9]+)\ % ]] || {
		cat "$dir/gen" >&2
		fail "the generator is not content with $service ($trial $*): status $status"
	}
	ended=${BASH_REMATCH[1]} rate=${BASH_REMATCH[2]} lost=${BASH_REMATCH[3]} generator=${BASH_REMATCH[4]}
	# A closed loop plans nothing: what it asked was answered, or is lost.
	planned=$(awk -v rate="$rate" -v lost="$lost" -v s="$length" 'BEGIN {printf("%.0f", rate + lost / s)}')
	[[ $(<"$dir/gen") =~ gen\.$trial:\ ([0-9]+)/s\ planned ]] && planned=${BASH_REMATCH[1]}
	ended=$(awk -v e="$ended" -v g="$grace_s" -v lost="$lost" 'BEGIN {printf("%.6f", lost ? e - g : e)}')
	read -r busy others < <(mean_of "$(awk -v e="$ended" -v s="$length" -v w="$warm_s" \
		'BEGIN {printf("%.6f", e - s - w)}')" "$ended") ||
		fail "nobody saw how busy $service was ($trial $*)"
	echo "$name.$service $trial $*: $rate answers/s of $planned, $lost lost; busy: service $busy %," \
		"generator $generator %; others took $others % of the service's CPU"
	((rate * 1000 >= planned * (1000 - loss_max_permille))) || {
		# Of a closed loop the status is that of what followed it.
		[ "$trial" = rate ] || failed=$((failed + 1)) limited=$((limited + (status == 3)))
		return 1
	}
	[ "$rate" -le "${best[0]}" ] || best=("$rate" "$busy" "$generator")
}

measure() {
	service=$1 best=(0 0 0) failed=0 limited=0
	local low high=0 middle rate
	"start_$service"
	# Once to warm up: neighbours, and Node's compiler.
	drive rate "$closed_s" --duration 0.1 >/dev/null
	best=(0 0 0) failed=0 limited=0
	drive rate "$closed_s" --duration 0.1
	low=$((rate / 2)) middle=$((rate * 9 / 10))
	for ((step = 0; step < steps; step++)); do
		if drive given "$seconds" --duration "$seconds" --rate "$middle"; then low=$middle; else high=$middle; fi
		# Up, until one is too much.
		middle=$((high > low ? (low + high) / 2 : low * 3 / 2))
	done
	"stop_$service"
	[ "${best[0]}" -gt 0 ] || fail "$service sustained none of these"
	echo "FIGURE $name.$service answers/s ${best[0]}"
	echo "FIGURE $name.$service.busy % ${best[1]}"
	echo "FIGURE $name.$service.generator % ${best[2]}"
	echo "FIGURE $name.$service.limited % $((failed ? 100 * limited / failed : 0))"
}

measure node
measure flx

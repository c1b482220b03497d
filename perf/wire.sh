#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# wire.sh - answers per second over af_xdp on a veth pair: testpmd 5tswap and flx, the same client.
#
#	unshare --net --mount perf/wire.sh [--check]
#
# Runs in namespaces of its own, so that nothing outside is seen or changed. The fabric, or testpmd, has
# one CPU, the client another; they take turns, and medians are compared. With --check the exit status
# is 1 when flx makes less than 0.9 of testpmd's.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

rounds=5 seconds=3 net=198.18.0.0/24 ip=198.18.0.1
cpu=$(($(nproc) > 1 ? 1 : 0))
dir=$(mktemp -d)
mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && ip link set lo up || exit 1
pmd-config/setup.sh veth --net "$net" >"$dir/setup" 2>&1 || {
	cat "$dir/setup"
	exit 1
}
peer=$(ip -n flx-demo -o link | awk -F'[ :@]+' '$2 != "lo" {print $2}')
# testpmd answers no ARP.
ip -n flx-demo neigh replace "$ip" lladdr "$(cat /sys/class/net/flx0/address)" dev "$peer"

# Answers per second of the client to UDP port $1.
drive() {
	ip netns exec flx-demo build/tests/e2e/client --to "$ip:$1" --mode echo --duration "$seconds" \
		--cpu 0 | sed -n 's/.*answers_per_s=\([0-9]*\).*/\1/p'
}

# Ends process $1, and waits for it.
end() {
	kill -INT "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

run_testpmd() {
	local pipe=$dir/commands pid
	rm -f "$pipe"
	mkfifo "$pipe"
	dpdk-testpmd --no-huge -m 256 --no-pci --no-shconf --no-telemetry --file-prefix="flxwire$$" \
		--iova-mode=va --lcores="0@0,1@$cpu" --vdev net_af_xdp0,iface=flx0,force_copy=1 -- \
		-i --nb-cores=1 --total-num-mbufs=16384 <"$pipe" >"$dir/testpmd" 2>&1 &
	pid=$!
	exec 8>"$pipe"
	printf 'set fwd 5tswap\nstart\n' >&8
	sleep 2
	drive 7007
	printf 'stop\nquit\n' >&8
	exec 8>&-
	wait "$pid" 2>/dev/null
}

run_flx() {
	local pid
	build/apps/flx run echo --dev --workers 1 --port af_xdp:flx0 --ip "$ip/24" >"$dir/flx" 2>&1 &
	pid=$!
	sleep 2
	drive 7007
	end "$pid"
	grep -q '^unexplained 0$' "$dir/flx" || cat "$dir/flx" >&2
}

: >"$dir/peer"
: >"$dir/ours"
for ((round = 0; round < rounds; round++)); do
	run_testpmd >>"$dir/peer"
	run_flx >>"$dir/ours"
done

summary() { sort -n "$1" | awk '{v[NR]=$1} END {print NR ? v[int((NR+1)/2)] : 0, v[1]+0, v[NR]+0}'; }
read -r peer_median peer_least peer_most < <(summary "$dir/peer")
read -r our_median our_least our_most < <(summary "$dir/ours")
printf 'testpmd.5tswap.af_xdp  %8d answers/s [%d .. %d]\n' "$peer_median" "$peer_least" "$peer_most"
printf 'flx.echo.af_xdp        %8d answers/s [%d .. %d]\n' "$our_median" "$our_least" "$our_most"
good=$(awk -v a="$our_median" -v b="$peer_median" 'BEGIN {print (b > 0 && a >= 0.9 * b) ? 1 : 0}')
awk -v a="$our_median" -v b="$peer_median" -v good="$good" 'BEGIN {
	printf("ratio %.2f, must 0.90  %s\n", (b > 0 ? a / b : 0), (good ? "ok" : "MISSED")) }'
rm -rf "$dir"
[ "${1-}" != --check ] || [ "$good" -eq 1 ]

#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# wire.sh - answers per second over af_xdp on a veth pair: testpmd 5tswap and flx, the same client.
#
#	unshare --net --mount perf/wire.sh [ROUNDS [SECONDS]]
#
# Runs in namespaces of its own, so that nothing outside is seen or changed. The fabric, or testpmd, has
# one CPU, the client another; they take turns. Prints lines for perf/script.c, that is `flxperf wire`.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

rounds=${1-5} seconds=${2-3}
net=198.18.0.0/24 ip=198.18.0.1
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

for ((round = 0; round < rounds; round++)); do
	printf 'FIGURE wire.testpmd.5tswap answers/s %d\n' "$(run_testpmd)"
	printf 'FIGURE wire.echo answers/s %d\n' "$(run_flx)"
done
rm -rf "$dir"

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
build=${FLX_BUILD-build} net=198.18.0.0/24 ip=198.18.0.1
cpu=$(($(nproc) > 1 ? 1 : 0))
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null; rm -rf "$dir"' EXIT
skip() {
	echo "SKIP wire.testpmd.5tswap $*"
	echo "SKIP wire.echo $*"
	exit 0
}
command -v dpdk-testpmd >/dev/null || skip "no dpdk-testpmd here; install the package dpdk-dev"
mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && ip link set lo up || exit 1
pmd-config/setup.sh veth --net "$net" >"$dir/setup" 2>&1 ||
	skip "no veth pair here: $(tail -n 1 "$dir/setup")"
peer=$(ip -n flx-demo -o link | awk -F'[ :@]+' '$2 != "lo" {print $2}')
# testpmd answers no ARP.
ip -n flx-demo neigh replace "$ip" lladdr "$(cat /sys/class/net/flx0/address)" dev "$peer"

# fail WHAT LOG
fail() {
	echo "wire: failed: $1" >&2
	tail -n 20 "$2" >&2
	exit 1
}

# Sets rate: answers per second of the client. $1, whose log is $2, must have given some.
drive() {
	rate=$(ip netns exec flx-demo "$build/tests/e2e/client" --to "$ip:7007" --mode echo \
		--duration "$seconds" --cpu 0 | sed -n 's/.*answers_per_s=\([0-9]*\).*/\1/p')
	[ "${rate:-0}" -gt 0 ] || fail "$1 did not answer" "$2"
}

run_testpmd() {
	local pipe=$dir/commands
	rm -f "$pipe"
	mkfifo "$pipe"
	dpdk-testpmd --no-huge -m 256 --no-pci --no-shconf --no-telemetry --file-prefix="flxwire$$" \
		--iova-mode=va --lcores="0@0,1@$cpu" --vdev net_af_xdp0,iface=flx0,force_copy=1 -- \
		-i --nb-cores=1 --total-num-mbufs=16384 <"$pipe" >"$dir/testpmd" 2>&1 &
	server=$!
	exec 8>"$pipe"
	printf 'set fwd 5tswap\nstart\n' >&8
	sleep 2
	drive testpmd "$dir/testpmd"
	printf 'stop\nquit\n' >&8
	exec 8>&-
	wait "$server" 2>/dev/null
	server=
}

run_flx() {
	"$build/apps/flx" run echo --dev --workers 1 --port af_xdp:flx0 --ip "$ip/24" >"$dir/flx" 2>&1 &
	server=$!
	sleep 2
	drive "flx run echo" "$dir/flx"
	kill -INT "$server" 2>/dev/null
	wait "$server" 2>/dev/null
	server=
	# No figure of a fabric that cannot account for its messages.
	grep -q '^unexplained 0$' "$dir/flx" || fail "flx did not end with 'unexplained 0'" "$dir/flx"
}

for ((round = 0; round < rounds; round++)); do
	run_testpmd
	echo "FIGURE wire.testpmd.5tswap answers/s $rate"
	run_flx
	echo "FIGURE wire.echo answers/s $rate"
done

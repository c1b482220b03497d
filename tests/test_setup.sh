#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Tests of pmd-config/setup.sh, with names and a record of their own. As root all of them; otherwise
# those of wrong usage, and then 77 (skipped). Argument: path of setup.sh.

set -u
setup=$1
name=flxt$$ # up to 15 characters
netns=flx-test-$$
state=$(mktemp -d)
failed=0

# shellcheck disable=SC2317 # runs by trap
cleanup() {
	[ "$(id -u)" -ne 0 ] || "$setup" --state "$state/record" undo >/dev/null 2>&1
	rm -rf "$state"
}
trap cleanup EXIT

run() { "$setup" --state "$state/record" "$@" >"$state/out" 2>&1; }

# check TEXT COMMAND... - the command must succeed
check() {
	local text=$1

	shift
	if "$@"; then
		echo "ok: $text"
	else
		echo "FAILED: $text"
		cat "$state/out"
		failed=1
	fi
}

# expect STATUS PATTERN ARGUMENT... - setup.sh must exit so and say so
expect() {
	local status=$1 pattern=$2 got

	shift 2
	run "$@"
	got=$?
	check "setup.sh $* exits with $status (got $got)" test "$got" -eq "$status"
	check "setup.sh $* says '$pattern'" grep -qE -- "$pattern" "$state/out"
}

expect 2 '^usage'
expect 2 "no command 'hugepage'" hugepage
expect 2 'not a number of MiB' hugepages 0
expect 2 'not a number of MiB' hugepages 12x
expect 2 'one number' hugepages 1 2
expect 2 'wants a value' veth --name
expect 2 'no option' veth --nam x
expect 2 'no name for an interface' veth --name a234567890123456
expect 2 'no name for an interface' veth --name 'a b'
expect 2 'no name for an interface' veth --name ..
expect 2 'two names' veth --name a --peer a
expect 2 'no name for a namespace' veth --netns a/b
expect 2 'not a number of queues' veth --queues 0
for net in 198.18.0.0 198.18.0.0/31 198.18.256.0/24 198.18.0.0/24x ''; do
	expect 2 'not an IPv4 network' veth --net "$net"
done
expect 2 'wants a PCI address' bind
expect 2 'no PCI address' bind 0000:81:00
expect 2 'takes no argument' undo all
expect 0 '^usage' --help
expect 0 '0 change' status

if [ "$(id -u)" -ne 0 ]; then
	expect 1 'needs root' undo
	[ "$failed" -eq 0 ] || exit 1
	echo "skipped: the rest needs root"
	exit 77
fi

expect 1 'no PCI device ffff:ff:1f.7' bind ffff:ff:1f.7
expect 0 'nothing to undo' undo

expect 0 "$name up without an address" veth --name "$name" --netns "$netns" --net 198.18.77.9/24
check "the fabric's side has no address" test -z "$(ip -o addr show dev "$name")"
check "the far side has the second one" grep -q ' 198.18.77.2/24' \
	<(ip -n "$netns" -br addr show dev "${name}p")
check "IPv6 is off" test "$(<"/proc/sys/net/ipv6/conf/$name/disable_ipv6")" = 1
check "the far side makes its checksums" grep -q '^tx-checksumming: off' \
	<(ip netns exec "$netns" ethtool -k "${name}p")
expect 0 'there already' veth --name "$name" --netns "$netns" --net 198.18.77.0/24
expect 1 "'lo' is there, and not from this script" veth --name lo --peer lo2 --netns "$netns"
expect 0 "take back: link $name" status

# Relative, and undone relatively: somebody else may reserve at the same time.
pages() { awk '/HugePages_Total/ { print $2 }' /proc/meminfo; }
before=$(pages)
expect 0 'pages of 2 MiB' hugepages $((2 * (before + 4)))
check "four pages more" test "$(pages)" -ge $((before + 4))
expect 0 'there already' hugepages 2
check "hugetlbfs is mounted" grep -q ' hugetlbfs ' /proc/mounts

expect 0 "removed $name" undo
check "the pair is gone" test ! -e "/sys/class/net/$name"
check "the namespace is gone" test ! -e "/run/netns/$netns"
check "the record is gone" test ! -e "$state/record"
expect 0 'nothing to undo' undo

# What somebody removed by hand is no reason to stop.
expect 0 "made $name" veth --name "$name" --netns "$netns"
ip link del "$name"
expect 0 "removed namespace $netns" undo

exit "$failed"

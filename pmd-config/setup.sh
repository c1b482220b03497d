#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# setup.sh - prepares a machine for flx, one line per change, and can take every change back.
#
# Each change is written to a record before the next is made; `undo` reads the record backwards.
# What is as wanted already is left alone and not recorded, so that undo never takes it away.

set -uo pipefail
export LC_ALL=C

readonly PAGES=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
readonly ANY_NAME='^[A-Za-z0-9_+-][A-Za-z0-9._+-]*$'

usage() {
	cat <<'TEXT'
usage: setup.sh [--state DIR] COMMAND

  hugepages [MiB]   have that much memory in 2 MiB hugepages (512), and a hugetlbfs mount
  veth [--name IF] [--peer IF] [--netns NS] [--net CIDR] [--queues N]
                    make the demo pair: IF (flx0) here for the fabric, without an address, and its
                    peer (flx1) in namespace NS (flx-demo) with the second address of CIDR
                    (198.18.0.0/24, so 198.18.0.2)
  bind PCI...       give network cards to vfio-pci: bind 0000:81:00.0
  status            show what is there, and what undo would take back
  undo              take back what this script changed

--state DIR: where the record of changes is kept (/run/flx-setup)
Exit status: 0 done, 1 the machine refused, 2 wrong usage.
TEXT
}

say() { echo "setup: $*"; }
fail() {
	echo "setup: error: $*" >&2
	exit 1
}
misused() {
	echo "setup: error: $*; setup.sh --help shows how it is used" >&2
	exit 2
}

# --- the record of changes ---------------------------------------------------------------------

need_root() {
	[ "$(id -u)" -eq 0 ] || fail "$1 needs root; run it with sudo"
	mkdir -p "$state" || fail "cannot make $state for the record of changes; see --state"
	exec 9>"$state/lock" || fail "cannot write to $state; see --state"
	flock -w 10 9 || fail "another setup.sh is at work in $state; wait for it"
}

record() {
	echo "$*" >>"$state/changes" || fail "cannot write $state/changes; nothing more is changed"
}

recorded() { [ -f "$state/changes" ] && grep -qxF -- "$*" "$state/changes"; }

# --- hugepages ---------------------------------------------------------------------------------

set_pages() {
	{ echo "$1" >"$PAGES"; } 2>/dev/null ||
		fail "cannot write $PAGES: the kernel has no hugepages, or this container may not"
}

hugepages() {
	local mib=${1:-512} wanted before after

	[ $# -le 1 ] || misused "hugepages takes one number"
	[[ $mib =~ ^[1-9][0-9]{0,6}$ ]] || misused "'$mib' is not a number of MiB from 1 to 9999999"
	need_root hugepages
	[ -r "$PAGES" ] || fail "$PAGES is not there: this kernel has no 2 MiB hugepages"
	wanted=$(((mib + 1) / 2))
	before=$(<"$PAGES")
	if [ "$before" -lt "$wanted" ]; then
		set_pages "$wanted"
		after=$(<"$PAGES")
		if [ "$after" -gt "$before" ]; then
			record "pages $((after - before))"
			say "hugepages: $before -> $after pages of 2 MiB"
		fi
		[ "$after" -ge "$wanted" ] ||
			fail "the kernel found $((after * 2)) of $((wanted * 2)) MiB;" \
				"ask for less, free memory, or reserve at boot (hugepages=$wanted)"
	else
		say "hugepages: $before pages of 2 MiB are there already"
	fi
	mount_hugetlbfs
}

mount_hugetlbfs() {
	local where=/dev/hugepages

	if grep -q ' hugetlbfs ' /proc/mounts; then
		say "hugetlbfs: mounted already"
		return
	fi
	if [ ! -d "$where" ]; then
		mkdir "$where" || fail "cannot make $where"
		record "directory $where"
		say "made $where"
	fi
	mount -t hugetlbfs -o pagesize=2M none "$where" || fail "cannot mount hugetlbfs on $where"
	record "mount $where"
	say "mounted hugetlbfs on $where"
}

# --- the demo pair -----------------------------------------------------------------------------

# Second address of an IPv4 network, with its prefix length.
second_address() {
	local a b c d length number

	[[ $1 =~ ^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})/([0-9]{1,2})$ ]] ||
		return 1
	a=$((10#${BASH_REMATCH[1]})) b=$((10#${BASH_REMATCH[2]})) c=$((10#${BASH_REMATCH[3]}))
	d=$((10#${BASH_REMATCH[4]})) length=$((10#${BASH_REMATCH[5]}))
	((a <= 255 && b <= 255 && c <= 255 && d <= 255 && length >= 8 && length <= 30)) || return 1
	number=$((((a << 24 | b << 16 | c << 8 | d) & ~((1 << (32 - length)) - 1)) + 2))
	printf '%d.%d.%d.%d/%d\n' $((number >> 24 & 255)) $((number >> 16 & 255)) \
		$((number >> 8 & 255)) $((number & 255)) "$length"
}

# Nothing but frames of the program: no IPv6, no ARP replies by the kernel, no forwarding.
quiet() {
	local name=$1 key

	for key in ipv6/conf/$name/disable_ipv6=1 ipv4/conf/$name/arp_ignore=8 \
		ipv4/conf/$name/forwarding=0; do
		[ ! -w "/proc/sys/net/${key%=*}" ] || echo "${key#*=}" >"/proc/sys/net/${key%=*}"
	done
}

veth() {
	local name=flx0 peer='' netns=flx-demo net=198.18.0.0/24 queues=1 address interface

	while [ $# -gt 0 ]; do
		[ $# -ge 2 ] || misused "veth: $1 wants a value"
		case $1 in
		--name) name=$2 ;;
		--peer) peer=$2 ;;
		--netns) netns=$2 ;;
		--net) net=$2 ;;
		--queues) queues=$2 ;;
		*) misused "veth: no option '$1'" ;;
		esac
		shift 2
	done
	[ -n "$peer" ] || { [ "$name" = flx0 ] && peer=flx1 || peer=${name}p; }
	for interface in "$name" "$peer"; do
		[[ $interface =~ $ANY_NAME && ${#interface} -le 15 ]] ||
			misused "'$interface' is no name for an interface (15 letters or digits)"
	done
	[ "$name" != "$peer" ] || misused "the two ends of a pair need two names"
	[[ $netns =~ $ANY_NAME && ${#netns} -le 64 ]] ||
		misused "'$netns' is no name for a namespace"
	[[ $queues =~ ^[1-9][0-9]?$ ]] || misused "'$queues' is not a number of queues from 1 to 99"
	address=$(second_address "$net") ||
		misused "'$net' is not an IPv4 network such as 198.18.0.0/24 (/8 to /30)"
	need_root veth
	make_pair "$name" "$peer" "$netns" "$address" "$queues"
}

make_pair() {
	local name=$1 peer=$2 netns=$3 address=$4 queues=$5

	if ip link show "$name" >/dev/null 2>&1; then
		recorded "link $name" ||
			fail "'$name' is there, and not from this script; give another --name"
		say "$name: there already"
		return
	fi
	if [ ! -e "/run/netns/$netns" ]; then
		ip netns add "$netns" || fail "cannot make the namespace '$netns'"
		record "netns $netns"
		say "made namespace $netns"
	fi
	# As many queues on both ends: XDP refuses a veth whose peer sends on more than it receives.
	ip link add "$name" numrxqueues "$queues" numtxqueues "$queues" type veth \
		peer name "$peer" netns "$netns" numrxqueues "$queues" numtxqueues "$queues" ||
		fail "cannot make the pair $name - $peer; is '$peer' in $netns already?"
	record "link $name"
	say "made $name (here) - $peer (in $netns), $queues queue(s) each"
	configure_pair "$@"
}

configure_pair() {
	local name=$1 peer=$2 netns=$3 address=$4 feature

	quiet "$name"
	echo 1 | ip netns exec "$netns" tee "/proc/sys/net/ipv6/conf/$peer/disable_ipv6" \
		>/dev/null 2>&1
	# Frames go out whole and with their checksums: the far side is not a kernel.
	for feature in tx rx gso gro tso; do
		ethtool -K "$name" "$feature" off >/dev/null 2>&1
		ip netns exec "$netns" ethtool -K "$peer" "$feature" off >/dev/null 2>&1
	done
	ip netns exec "$netns" ethtool -k "$peer" 2>/dev/null | grep -q '^tx-checksumming: off' ||
		fail "$peer leaves checksums to its far side; install ethtool, undo, try again"
	say "$name, $peer: IPv6 and offloads off"
	if ! { ip -n "$netns" addr add "$address" dev "$peer" && ip -n "$netns" link set lo up &&
		ip -n "$netns" link set "$peer" up && ip link set "$name" up; }; then
		fail "cannot bring $name and $peer up; setup.sh undo takes back what was made"
	fi
	say "$name up without an address; $peer up with $address"
}

# --- network cards -----------------------------------------------------------------------------

driver_of() {
	local link

	link=$(readlink "/sys/bus/pci/devices/$1/driver") && basename "$link" || echo none
}

bind() {
	local device driver devices=()

	[ $# -gt 0 ] || misused "bind wants a PCI address"
	for device; do
		[[ $device =~ ^[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]$ ]] && device=0000:$device
		[[ $device =~ ^[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]$ ]] ||
			misused "'$device' is no PCI address such as 0000:81:00.0"
		devices+=("${device,,}")
	done
	need_root bind
	for device in "${devices[@]}"; do
		[ -e "/sys/bus/pci/devices/$device" ] ||
			fail "no PCI device $device here; ls /sys/bus/pci/devices lists them"
		command -v dpdk-devbind.py >/dev/null ||
			fail "dpdk-devbind.py is not installed; apt-get install dpdk"
		driver=$(driver_of "$device")
		if [ "$driver" = vfio-pci ]; then
			say "$device: bound to vfio-pci already"
			continue
		fi
		modprobe vfio-pci || fail "cannot load vfio-pci; this kernel may lack it"
		dpdk-devbind.py --bind=vfio-pci "$device" ||
			fail "$device stays with $driver; one that carries a route is not taken:" \
				"ip link set it down first, and see that the IOMMU is on"
		record "pci $device $driver"
		say "$device: $driver -> vfio-pci"
	done
}

# --- status and undo ---------------------------------------------------------------------------

status() {
	local count=0

	[ $# -eq 0 ] || misused "status takes no argument"
	[ ! -r "$PAGES" ] ||
		say "hugepages: $(<"$PAGES") of 2 MiB, $(<"${PAGES%nr_*}free_hugepages") free"
	say "hugetlbfs mounts: $(awk '$3 == "hugetlbfs" { print $2 }' /proc/mounts | xargs)"
	if [ -s "$state/changes" ]; then
		count=$(wc -l <"$state/changes")
		while read -r kind what rest; do
			say "undo would take back: $kind $what${rest:+ (was $rest)}"
		done <"$state/changes"
	fi
	say "$count change(s) on record in $state"
}

# Takes one recorded change back; what is gone already is no error.
undo_one() {
	local kind=$1 what=$2 rest=${3:-} before

	case $kind in
	pages)
		before=$(<"$PAGES")
		set_pages $((before > what ? before - what : 0))
		say "hugepages: $before -> $(<"$PAGES") pages of 2 MiB"
		;;
	mount)
		! grep -q " $what hugetlbfs " /proc/mounts || umount "$what" || return 1
		say "unmounted $what"
		;;
	directory)
		[ ! -d "$what" ] || rmdir "$what" || return 1
		say "removed $what"
		;;
	netns)
		[ ! -e "/run/netns/$what" ] || ip netns del "$what" || return 1
		say "removed namespace $what"
		;;
	link)
		! ip link show "$what" >/dev/null 2>&1 || ip link del "$what" || return 1
		say "removed $what and its peer"
		;;
	pci)
		if [ "$rest" = none ]; then
			dpdk-devbind.py --unbind "$what" || return 1
		else
			dpdk-devbind.py --bind="$rest" "$what" || return 1
		fi
		say "$what: vfio-pci -> $rest"
		;;
	*) fail "$state/changes has a line '$kind' that this script did not write; look at it" ;;
	esac
}

undo() {
	local kind what rest

	[ $# -eq 0 ] || misused "undo takes no argument"
	need_root undo
	[ -s "$state/changes" ] || say "nothing to undo"
	while [ -s "$state/changes" ]; do
		read -r kind what rest < <(tail -n 1 "$state/changes")
		undo_one "$kind" "$what" "$rest" ||
			fail "cannot take back: $kind $what; is it in use? then run undo again"
		sed -i '$d' "$state/changes" || fail "cannot write $state/changes"
	done
	rm -f "$state/changes" "$state/lock"
	rmdir "$state" 2>/dev/null || true
}

state=${FLX_SETUP_STATE:-/run/flx-setup}
if [ "${1:-}" = --state ]; then
	[ -n "${2:-}" ] || misused "--state wants a directory"
	state=$2
	shift 2
fi
command=${1:-}
[ $# -gt 0 ] && shift
case $command in
hugepages | veth | bind | status | undo) "$command" "$@" ;;
-h | --help | help) usage ;;
'') usage >&2; exit 2 ;;
*) misused "no command '$command'" ;;
esac

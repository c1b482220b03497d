#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# peers.sh - runs measurements that DPDK brings along, and says what they found in lines for perf/script.c.
#
#	perf/peers.sh [--cpus A,B] [--seconds N] [--tsc-mhz N] [--from FILE] PEER...
#
# PEER is one of
#	ring		ring_perf_autotest: an element's cycles, enqueue and dequeue together, two CPUs
#	graph		graph_perf_autotest: rte_graph's cycles per call of 256 objects, CPU B
#	dsw.1stage, dsw.2stage	test-eventdev's perf_queue on event_dsw: producer on CPU A, worker on B
#	io, macswap, 5tswap, csum	that mode of testpmd on a looped ring port, 512 frames, CPU B
# CPUs: the last two that the process may use. Seconds: of a measurement, after one to warm up (2). --from
# takes FILE for what the tool says, and starts none. Exit status: 0; 1 a tool failed, or what it says
# cannot be understood; 2 wrong usage.
set -uo pipefail

cpus= seconds=2 tsc_mhz= from=
usage() { sed -n 's/^#\tperf/usage: perf/p' "$0"; }
refuse() {
	echo "peers: $*" >&2
	usage >&2
	exit 2
}
while [ $# -gt 0 ]; do
	case $1 in
	--cpus | --seconds | --tsc-mhz | --from)
		[ $# -gt 1 ] || refuse "$1: no value; give one behind it"
		;;
	esac
	case $1 in
	--cpus) cpus=$2 && shift ;;
	--seconds) seconds=$2 && shift ;;
	--tsc-mhz) tsc_mhz=$2 && shift ;;
	--from) from=$2 && shift ;;
	--help) usage && exit 0 ;;
	-*) refuse "$1: no such option" ;;
	*) break ;;
	esac
	shift
done
[ $# -gt 0 ] || refuse "no peer; --help lists them"
[[ -z $cpus || $cpus =~ ^[0-9]+,[0-9]+$ ]] || refuse "--cpus $cpus: give two, as 0,1"
[[ $seconds =~ ^[1-9][0-9]*$ ]] || refuse "--seconds $seconds: give a number of 1 or more"
[[ -z $tsc_mhz || $tsc_mhz =~ ^[1-9][0-9]*(\.[0-9]+)?$ ]] || refuse "--tsc-mhz $tsc_mhz: give a number"
[ -z "$from" ] || [ -r "$from" ] || refuse "--from $from: cannot be read"

# The allowed CPUs, one a line.
allowed() {
	local row
	for row in $(taskset -cp $$ | sed 's/.*: //;s/,/ /g'); do
		seq "${row%-*}" "${row#*-}"
	done
}
if [ -z "$cpus" ]; then
	mapfile -t two < <(allowed | tail -n 2)
	cpus=${two[0]},${two[1]-${two[0]}}
fi
a=${cpus%,*} b=${cpus#*,}
# For what else a tool runs.
rest=$(allowed | grep -vxe "$a" -e "$b" | head -n 1)
: "${rest:=$a}"
if [ -z "$tsc_mhz" ]; then
	tsc_mhz=$(dmesg 2>/dev/null | sed -n 's/.*tsc: Refined TSC clocksource calibration: \([0-9.]*\).*/\1/p
		s/.*tsc: Detected \([0-9.]*\) MHz TSC.*/\1/p' | tail -n 1)
	: "${tsc_mhz:=$(awk -F': ' '/cpu MHz/{print $2; exit}' /proc/cpuinfo)}"
fi

dir=$(mktemp -d)
said=$dir/said
tool= input= polls=
prefix=flxpeer$$
eal=(--no-huge -m 512 --no-pci --no-shconf --no-telemetry --file-prefix="$prefix")
# The tool, and the directory that EAL leaves behind.
end() {
	[ -z "$tool" ] || kill -KILL "$tool" 2>/dev/null
	rm -rf "$dir" "/run/dpdk/$prefix" "${XDG_RUNTIME_DIR:-/tmp}/dpdk/$prefix"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What comes, with a line's end and the time in place of each carriage return: "@SECONDS what follows it".
stamp() {
	local part
	while IFS= read -r -d $'\r' part; do
		printf '%s\n@%s ' "$part" "$EPOCHREALTIME"
	done
	printf '%s\n' "$part"
	: >"$dir/stamped"
}

# run LIMIT TIMES PATTERN COMMAND...: starts COMMAND, writes what it says to $said, and ends it by INT when
# PATTERN has come in so many lines, or after LIMIT seconds. Of a COMMAND whose first thread polls $polls is
# something that it says when its others have started: from then on that one gives way, and what comes is
# stamped.
run() {
	local limit=$1 times=$2 pattern=$3 until
	shift 3
	: >"$said"
	if [ -n "$polls" ]; then
		rm -f "$dir/stamped"
		stdbuf -oL "$@" </dev/null > >(stamp >"$said") 2>&1 &
	else
		: >"$dir/stamped"
		stdbuf -oL "$@" <"${input:-/dev/null}" >"$said" 2>&1 &
	fi
	tool=$!
	until=$((SECONDS + limit))
	while kill -0 "$tool" 2>/dev/null && [ "$SECONDS" -lt "$until" ]; do
		if [ -n "$polls" ] && grep -q -- "$polls" "$said"; then
			renice -n 19 -p "$tool" >/dev/null
			polls=
		fi
		[ "$(grep -c -- "$pattern" "$said")" -lt "$times" ] || break
		sleep 0.2
	done
	kill -INT "$tool" 2>/dev/null
	for ((tenth = 0; tenth < 30; tenth++)); do
		kill -0 "$tool" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL "$tool" 2>/dev/null
	wait "$tool" 2>/dev/null
	tool=
	for ((tenth = 0; tenth < 10; tenth++)); do
		[ -e "$dir/stamped" ] && break
		sleep 0.1
	done
}

# Why tool $1 does not run here; fails when it does.
why_not() {
	if [ -n "$from" ]; then
		cp "$from" "$said"
		return 1
	fi
	command -v "$1" >/dev/null && return 1
	echo "no $1 here; install the package dpdk-dev"
}

# skip REASON NAME...
skip() {
	local reason=$1 name
	shift
	for name; do
		echo "SKIP peers.$name $reason"
	done
}

# figures PEER: passes on the lines of an awk program that found all that it looked for.
figures() {
	local lines
	if lines=$(cat) && [ -n "$lines" ]; then
		echo "$lines"
		return 0
	fi
	echo "peers: $1: cannot understand what the tool says; it ends with" >&2
	tail -n 5 "$said" | sed 's/^/peers:   /' >&2
	exit 1
}

# A DPDK without that driver is as good as none: EAL takes the name for no device's.
has_driver() { ! grep -q "failed to parse device \"$1\"" "$said"; }

peer_ring() {
	local reason
	reason=$(why_not dpdk-test) && {
		skip "$reason" ring.{spsc,mpmc}.8 ring.{spsc,mpmc}.32
		return
	}
	[ -n "$from" ] || DPDK_TEST=ring_perf_autotest run 60 1 '### Testing using all worker' \
		dpdk-test "${eal[@]}" --lcores="0@$a,1@$b"
	# The first two-CPU section: pointers, as figures of rings usually are.
	awk '/^### Testing using two physical cores/ {here = !seen; seen = 1; next}
		/^### / {here = 0}
		here && match($0, /(SP\/SC|MP\/MC): bulk \(size: [0-9]+\): [0-9.]+$/) {
			split(substr($0, RSTART), word, /[ ():]+/)
			name = (word[1] == "SP/SC" ? "spsc" : "mpmc") "." word[4]
			lines = lines "FIGURE peers.ring." name " cycles/elem " word[5] "\n"
			found += word[5] > 0
		}
		END {
			if (found != 4)
				exit 1
			printf("%s", lines)
		}' "$said" | figures ring
}

peer_graph() {
	local reason
	reason=$(why_not dpdk-test) && {
		skip "$reason" graph.call graph.object
		return
	}
	[ -n "$from" ] || DPDK_TEST=graph_perf_autotest run 60 1 'TestCase \[ 0\]' \
		dpdk-test "${eal[@]}" --lcores="0@$b,1@$a"
	# The first case: source, four nodes, sink. The median, for one node in six is often disturbed.
	awk -F'[| ]+' '/TestCase \[ 0\].*succeeded/ {good = 1; exit}
		/^\|test_graph_perf_/ {objects = $6; cycles[count++ + 0] = $8 + 0}
		END {
			if (!good || count < 3)
				exit 1
			for (i = 1; i < count; i++)
				for (j = i; j > 0 && cycles[j - 1] > cycles[j]; j--) {
					swap = cycles[j]; cycles[j] = cycles[j - 1]; cycles[j - 1] = swap
				}
			median = (cycles[int((count - 1) / 2)] + cycles[int(count / 2)]) / 2
			if (median <= 0 || objects <= 0)
				exit 1
			printf("FIGURE peers.graph.call cycles/call %.1f\n", median)
			printf("FIGURE peers.graph.object cycles/object %.3f\n", median / objects)
		}' "$said" | figures graph
}

# peer_dsw NAME STAGES
peer_dsw() {
	local reason
	reason=$(why_not dpdk-test-eventdev) && {
		skip "$reason" "$1"
		return
	}
	# Its main thread only waits for seconds to pass, but polls for that: beside the producer on one CPU it
	# would take half of it. So it gives way when the others have started. Then its seconds are too long,
	# so it is noted when they end.
	polls=prod_enq_burst_sz
	[ -n "$from" ] || run $((3 * seconds + 10)) $((seconds + 2)) '^@' \
		dpdk-test-eventdev "${eal[@]}" \
		--lcores="0@$rest,1@$a,2@$b" --vdev=event_dsw0 -- --test=perf_queue --plcores=1 \
		--wlcores=2 --stlist="$2" --prod_enq_burst_sz=32 --nb_pkts=0
	has_driver event_dsw0 || {
		skip "no event_dsw driver here; install the package librte-event-dsw23" "$1"
		return
	}
	# Events of such a second, in millions. The first is of a start.
	awk -v name="$1" '/^@/ && $3 == "mpps" {
			now = substr($1, 2)
			if (count++)
				sum += $2
			else
				begin = now
		}
		END {
			if (count < 2 || sum <= 0 || now <= begin)
				exit 1
			printf("FIGURE peers.%s M/s %.3f\n", name, sum / (now - begin))
		}' "$said" | figures "$1"
}

# peer_testpmd MODE
peer_testpmd() {
	local reason
	reason=$(why_not dpdk-testpmd) && {
		skip "$reason" "$1"
		return
	}
	if [ -z "$from" ]; then
		# It reads commands until it has come to its end: they come in time, through a pipe.
		input=$dir/commands
		rm -f "$input"
		mkfifo "$input"
		{
			printf 'set fwd %s\nstart tx_first 16\n' "$1"
			sleep 1
			echo "show port stats all"
			sleep "$seconds"
			printf 'show port stats all\nstop\nquit\n'
		} >"$input" &
		local feeder=$!
		run $((seconds + 10)) 1 '^Bye' dpdk-testpmd "${eal[@]}" --lcores="0@$a,1@$b" \
			--vdev net_ring0 -- -i --nb-cores=1 --total-num-mbufs=8192
		kill "$feeder" 2>/dev/null
		input=
	fi
	has_driver net_ring0 || {
		skip "no net_ring driver here; install the package librte-net-ring23" "$1"
		return
	}
	awk -v mode="$1" -v mhz="$tsc_mhz" '
		$0 ~ "^Set " mode " packet forwarding mode" {set = 1}
		/^ *Rx-pps:/ {rate = $2; shown++}
		END {
			if (!set || shown < 2 || rate <= 0)
				exit 1
			printf("FIGURE peers.%s cycles/frame %.2f\n", mode, mhz * 1e6 / rate)
		}' "$said" | figures "$1"
}

for peer; do
	case $peer in
	ring) peer_ring ;;
	graph) peer_graph ;;
	dsw.1stage) peer_dsw "$peer" a ;;
	dsw.2stage) peer_dsw "$peer" a,a ;;
	io | macswap | 5tswap | csum) peer_testpmd "$peer" ;;
	*) refuse "$peer: no such peer" ;;
	esac || exit 1
done

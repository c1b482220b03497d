#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# testpmd_ring.sh - cycles per frame of testpmd's forwarding modes on a looped ring port, one core.
#
# 512 frames are in flight, as in flxperf's counter.ring. Prints a line per mode.
set -uo pipefail

tsc_mhz=$(dmesg 2>/dev/null | sed -n 's/.*tsc: Refined TSC clocksource calibration: \([0-9]*\).*/\1/p;s/.*tsc: Detected \([0-9]*\).* MHz TSC.*/\1/p' | tail -n 1)
: "${tsc_mhz:=$(awk -F': ' '/cpu MHz/{printf "%d", $2; exit}' /proc/cpuinfo)}"
cpu=$(($(nproc) > 1 ? 1 : 0))

for mode in io macswap 5tswap csum; do
	rate=$({
		echo "set fwd $mode"
		echo "start tx_first 16"
		sleep 1
		echo "show port stats all"
		sleep 2
		echo "show port stats all"
		sleep 0.5
		echo "stop"
		echo "quit"
	} | timeout 30 dpdk-testpmd --no-huge -m 256 --no-pci --no-shconf --no-telemetry \
		--file-prefix="flxring$$" --lcores="0@0,1@$cpu" --vdev net_ring0 -- \
		-i --nb-cores=1 --total-num-mbufs=8192 2>/dev/null |
		sed -n 's/.*Rx-pps: *\([0-9]*\).*/\1/p' | tail -n 1)
	if [ "${rate:-0}" -gt 0 ]; then
		awk -v m="$mode" -v r="$rate" -v t="$tsc_mhz" \
			'BEGIN { printf "testpmd.%-10s %7.1f cycles/frame  %8.2f M/s\n", m, t * 1e6 / r, r / 1e6 }'
	else
		echo "testpmd.$mode: did not run"
	fi
done

#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# run.sh - builds flx and runs all tests, once as released and once with asserts, AddressSanitizer
# and UndefinedBehaviorSanitizer; and those whose threads share something with ThreadSanitizer.
#
# Installs what is missing of tests/packages.sh (as root, or with sudo). Builds in build/, build-asan/
# and build-tsan/, has npm's packages in perf/node/node_modules/, changes nothing else, and may be run
# again. What needs rights or a kernel feature that is not there is skipped, and listed with the reason.
# Ends with the line "N passed, N failed" (", N skipped" may follow); exit status 0 when none failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
source tests/packages.sh
exec </dev/null
use_debian_tools

if ! install_packages "${build_packages[@]}" "${test_packages[@]}"; then
	echo "0 passed, 1 failed"
	exit 1
fi

# Configures directory $1 with the options that follow, whatever it was before.
configure() {
	local dir=$1
	shift
	[ -f "$dir/meson-private/coredata.dat" ] || { meson setup "$dir" "$@"; return; }
	meson setup --reconfigure "$dir" "$@" || meson setup --wipe "$dir" "$@"
}

# Builds in directory $1, configured with the options that follow, and runs its tests.
build_and_test() {
	local dir=$1
	shift
	echo "== $dir"
	# A log of an earlier run must not count for this one.
	rm -f "$dir/meson-logs/testlog.json"
	configure "$dir" "$@" && ninja -C "$dir" &&
		meson test -C "$dir" --no-rebuild --print-errorlogs
}

build_and_test build -Dbuildtype=release -Db_ndebug=if-release -Db_sanitize=none
build_and_test build-asan -Dbuildtype=debugoptimized -Db_ndebug=false \
	-Db_sanitize=address,undefined -Db_lundef=false
# C11 atomics in DPDK's rings: it does not know of the fences of its other kind.
build_and_test build-tsan -Dbuildtype=debugoptimized -Db_ndebug=false -Db_sanitize=thread \
	-Db_lundef=false -Dc_args=-DRTE_USE_C11_MEM_MODEL
/usr/bin/python3 tests/summary.py build build-asan build-tsan

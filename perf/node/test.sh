#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# test.sh - runs the tests of perf/node; skipped (status 77) where there is no Node, or no package comes.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

command -v node >/dev/null || {
	echo "skipped: node is not installed; as root: apt-get install nodejs npm"
	exit 77
}
said=$(./install.sh) || {
	echo "$said"
	echo "skipped: no hdr-histogram-js from npm's registry: $(head -n 1 <<<"$said")"
	exit 77
}
exec node --test test/*.test.mjs

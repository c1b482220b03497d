#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# install.sh - the npm packages of perf/node, as package-lock.json has them, into node_modules there.
#
# Does nothing where they are there already. Exit status 0, or npm's; it tells npm's words only then.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

cmp -s package-lock.json node_modules/installed-lock.json && exit 0
command -v npm >/dev/null || {
	echo "npm is not installed; as root: apt-get install npm"
	exit 1
}
said=$(npm ci --no-audit --no-fund 2>&1) || {
	echo "$said"
	exit 1
}
cp package-lock.json node_modules/installed-lock.json

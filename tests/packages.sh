# SPDX-License-Identifier: BSD-3-Clause
# packages.sh - what flx needs of Debian 12: the one list, and its installation. To be sourced by bash.
#
#	source tests/packages.sh
#	use_debian_tools
#	install_packages "${build_packages[@]}" "${test_packages[@]}"

build_packages=(gcc libc6-dev meson ninja-build pkg-config
	libdpdk-dev liburcu-dev libhwloc-dev libjansson-dev)
test_packages=(libcunit1-dev python3 iproute2 iputils-ping arping ethtool netcat-openbsd
	spin gnuplot-nox nodejs npm)
# dpdk-testpmd and dpdk-test, the neighbours that we are measured beside.
perf_packages=(dpdk-dev)

# Only what Debian installs counts: no pyenv, conda or ccache before it, no flags of another project.
use_debian_tools() {
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
	unset CC CC_LD CPP CXX AR CFLAGS CPPFLAGS LDFLAGS CPATH C_INCLUDE_PATH LIBRARY_PATH \
		LD_LIBRARY_PATH LD_PRELOAD PKG_CONFIG_PATH PKG_CONFIG_LIBDIR PYTHONPATH PYTHONHOME \
		DESTDIR NINJA_STATUS MAKEFLAGS MESON_TESTTHREADS
}

# Runs its arguments as root; fails, and asks nothing, where there is no way or nobody to ask.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif ! command -v sudo >/dev/null; then
		return 1
	elif [ -t 2 ] && [ -z "${CI-}" ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

# Those of its arguments that are not installed, one a line. Another package may stand for one: the nodejs
# of Node's makers provides npm, and excludes Debian's.
missing_packages() {
	local package provided
	provided=$(dpkg-query -W -f='${db:Status-Status} ${Provides}\n' 2>/dev/null |
		sed -n 's/^installed //p' | tr -s ', ' '\n')
	for package; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			grep -qxF -- "$package" <<<"$provided" || echo "$package"
	done
}

# Installs those of its arguments that are missing; touches nothing when none is.
install_packages() {
	local missing
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -eq 0 ] && return 0
	echo "installing: ${missing[*]}"
	local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y
		-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
	# One broken source of many must not stop us: whether it mattered, the installation tells.
	as_root "${apt[@]}" update || echo "apt-get update failed; going on with the lists there are" >&2
	as_root "${apt[@]}" install --no-install-recommends "${missing[@]}" && return 0
	echo "cannot install; as root: apt-get update && apt-get install ${missing[*]}" >&2
	return 1
}

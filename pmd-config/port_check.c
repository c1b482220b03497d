/* SPDX-License-Identifier: BSD-3-Clause */
/* The half of port_spec.h that looks at the machine. */
#include "pmd-config/port_spec.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabric/base.h"

/* Drivers that leave a device to user space, or share it with DPDK (Mellanox, Hyper-V). */
static bool is_usable_driver(const char *driver)
{
	static const char *const usable[] = {"vfio-pci",  "uio_pci_generic", "igb_uio",
					     "mlx5_core", "mlx4_core",	     "uio_hv_generic"};

	for (size_t i = 0; i < sizeof(usable) / sizeof(usable[0]); i++)
		if (strcmp(driver, usable[i]) == 0)
			return true;
	return false;
}

static int check_pci(const struct flx_port_spec *spec)
{
	char path[128], target[PATH_MAX];
	const char *driver = "none";
	ssize_t length;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", spec->device);
	if (access(path, F_OK)) {
		flx_error(
			"%s: no PCI device %s on this machine; dpdk-devbind.py --status lists them",
			spec->text, spec->device);
		return -ENODEV;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", spec->device);
	length = readlink(path, target, sizeof(target) - 1);
	if (length > 0) {
		target[length] = '\0';
		driver = basename(target);
	}
	if (is_usable_driver(driver))
		return 0;
	flx_error("%s: its driver is %s, which keeps it for the kernel; "
		  "pmd-config/setup.sh bind %s gives it to flx",
		  spec->text, driver, spec->device);
	return -ENODEV;
}

/* @family: of the sockets that the driver will open. */
static int check_may_open(const struct flx_port_spec *spec, int family)
{
	int descriptor = socket(family, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (descriptor >= 0) {
		close(descriptor);
		return 0;
	}
	if (errno == EPERM || errno == EACCES) {
		flx_error(
			"%s: this user may not open the raw sockets that it takes; run as root, or "
			"give the program CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF",
			spec->text);
		return -EPERM;
	}
	flx_error("%s: this kernel has no such sockets (%s); try af_packet: or tap:", spec->text,
		  strerror(errno));
	return -ENODEV;
}

static int interface_flags(const char *name, short *flags)
{
	struct ifreq request = {0};
	int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error;

	if (descriptor < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	error = ioctl(descriptor, SIOCGIFFLAGS, &request) ? -errno : 0;
	*flags = request.ifr_flags;
	close(descriptor);
	return error;
}

static int check_interface(const struct flx_port_spec *spec)
{
	const char *name = spec->interface;
	short flags = 0;
	int error = interface_flags(name, &flags);

	if (error == -ENODEV)
		flx_error("%s: no interface '%s' on this machine; ip link lists them", spec->text,
			  name);
	else if (error)
		flx_error("%s: cannot look at interface '%s': %s", spec->text, name,
			  strerror(-error));
	else if (!(flags & IFF_UP))
		flx_error("%s: interface '%s' is down; ip link set %s up", spec->text, name, name);
	else
		return 0;
	return -ENODEV;
}

/* What the driver itself asks: the combined channels, and one for an interface that has none. */
static uint32_t interface_channels(const char *name)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq request = {.ifr_data = (char *)&channels};
	int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t count = 1;

	if (descriptor < 0)
		return count;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(descriptor, SIOCETHTOOL, &request) == 0 && channels.max_combined > 0)
		count = channels.combined_count;
	close(descriptor);
	return count > 0 ? count : 1;
}

static int check_af_xdp(struct flx_port_spec *spec)
{
	uint32_t channels, wanted = spec->queues;
	char text[sizeof(spec->text)];
	int error = check_interface(spec);

	if (!error)
		error = check_may_open(spec, AF_XDP);
	if (error)
		return error;
	channels = interface_channels(spec->interface);
	if (wanted <= channels)
		return 0;
	flx_warn("%s: %u queues wanted, '%s' has %u combined (ethtool -l); the other workers get "
		 "its "
		 "messages through lanes",
		 spec->text, wanted, spec->interface, channels);
	memcpy(text, spec->text, sizeof(text));
	return flx_port_spec_parse(spec, text, spec->index, channels);
}

static int check_af_packet(const struct flx_port_spec *spec)
{
	int error = check_interface(spec);

	return error ? error : check_may_open(spec, AF_PACKET);
}

static int check_tap(const struct flx_port_spec *spec)
{
	int descriptor = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	int error = errno;

	if (descriptor < 0) {
		flx_error("%s: cannot open /dev/net/tun: %s; modprobe tun, and run as root or with "
			  "CAP_NET_ADMIN",
			  spec->text, strerror(error));
		return error == EACCES || error == EPERM ? -EPERM : -ENODEV;
	}
	close(descriptor);
	return 0;
}

static int check_pcap(const struct flx_port_spec *spec)
{
	const char *in = strchr(spec->text, ':') + 1;
	char path[sizeof(spec->text)];

	snprintf(path, sizeof(path), "%.*s", (int)strcspn(in, ","), in);
	if (access(path, R_OK) == 0)
		return 0;
	flx_error("%s: cannot read '%s': %s", spec->text, path, strerror(errno));
	return errno == EACCES ? -EPERM : -ENODEV;
}

int flx_port_spec_check(struct flx_port_spec *spec)
{
	switch (spec->kind) {
	case FLX_PORT_PCI:
		return check_pci(spec);
	case FLX_PORT_AF_XDP:
		return check_af_xdp(spec);
	case FLX_PORT_AF_PACKET:
		return check_af_packet(spec);
	case FLX_PORT_TAP:
		return check_tap(spec);
	case FLX_PORT_PCAP:
		return check_pcap(spec);
	case FLX_PORT_RING:
	case FLX_PORT_PAIR:
	case FLX_PORT_NULL:
	case FLX_PORT_VDEV:
		break;
	}
	return 0;
}

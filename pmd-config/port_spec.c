/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd-config/port_spec.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "fabric/base.h"
#include "pmd-config/pair.h"
#include "pmd-config/profile.h"

#define FORMS                                                                                      \
	"a port is pci:0000:81:00.0, af_xdp:IFACE, af_packet:IFACE, tap:NAME, pcap:IN,OUT, ring, " \
	"pair, null or vdev:ARGUMENTS"

/* Reads @rest, what stands behind "kind:" in the text, into @spec; NULL, or what is wrong with it.
 */
typedef const char *parse_fn(struct flx_port_spec *spec, const char *rest);

/* One class of characters, with no meaning to EAL, to sysfs or to a shell. */
static bool is_plain(const char *text, const char *also)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr(also, *text))
			return false;
	return true;
}

static void name_device(struct flx_port_spec *spec, const char *driver)
{
	snprintf(spec->device, sizeof(spec->device), "%s%u", driver, spec->index);
}

static const char *read_interface(struct flx_port_spec *spec, const char *rest)
{
	size_t length = strlen(rest);

	if (length == 0 || length >= IFNAMSIZ)
		return "the name of an interface has 1 to 15 characters";
	if (!is_plain(rest, "._-+@") || strcmp(rest, ".") == 0 || strcmp(rest, "..") == 0)
		return "the name of an interface has letters, digits and . _ - + @ only";
	memcpy(spec->interface, rest, length + 1);
	return NULL;
}

/* The PCI address in full: sysfs and the ethdev know no other form. */
static const char *parse_pci(struct flx_port_spec *spec, const char *rest)
{
	unsigned int domain = 0, bus, device, function;
	int end = 0;
	bool whole;

	whole = sscanf(rest, "%4x:%2x:%2x.%1o%n", &domain, &bus, &device, &function, &end) == 4 &&
		end == 12;
	if (!whole) {
		domain = 0;
		end = 0;
		whole = sscanf(rest, "%2x:%2x.%1o%n", &bus, &device, &function, &end) == 3 &&
			end == 7;
	}
	if (!whole || rest[end] != '\0' || !is_plain(rest, ":.") || device > 31)
		return "a PCI address looks like 0000:81:00.0, as lspci -D prints it";
	snprintf(spec->device, sizeof(spec->device), "%04x:%02x:%02x.%o", domain, bus, device,
		 function);
	snprintf(spec->eal, sizeof(spec->eal), "--allow=%s", spec->device);
	return NULL;
}

static const char *parse_af_xdp(struct flx_port_spec *spec, const char *rest)
{
	const char *fault = read_interface(spec, rest);

	if (fault)
		return fault;
	name_device(spec, "net_af_xdp");
	/*
	 * Without a busy budget an empty poll costs 7 ns, with one a system call (780 ns, EPYC,
	 * veth). But then the driver poll(2)s for up to a second when a zero-copy NIC asks to be
	 * woken, and a worker must not wait: so frames are copied, as a veth does anyway. Zero copy
	 * would also reject, and lose, buffers that cross into another physical page. vdev: may
	 * choose otherwise.
	 */
	snprintf(spec->eal, sizeof(spec->eal),
		 "--vdev=%s,iface=%s,start_queue=0,queue_count=%u,force_copy=1,"
		 "busy_budget=0",
		 spec->device, spec->interface, spec->queues);
	return NULL;
}

static const char *parse_af_packet(struct flx_port_spec *spec, const char *rest)
{
	const char *fault = read_interface(spec, rest);

	if (fault)
		return fault;
	name_device(spec, "net_af_packet");
	/* Frames of 2,048 bytes, two to a page, so that no block needs contiguous pages. */
	snprintf(spec->eal, sizeof(spec->eal),
		 "--vdev=%s,iface=%s,qpairs=%u,blocksz=4096,framesz=2048,framecnt=1024,"
		 "qdisc_bypass=1",
		 spec->device, spec->interface, spec->queues);
	return NULL;
}

static const char *parse_tap(struct flx_port_spec *spec, const char *rest)
{
	const char *fault = read_interface(spec, rest);

	if (fault)
		return fault;
	name_device(spec, "net_tap");
	snprintf(spec->eal, sizeof(spec->eal), "--vdev=%s,iface=%s", spec->device, spec->interface);
	return NULL;
}

static const char *parse_pcap(struct flx_port_spec *spec, const char *rest)
{
	const char *comma = strchr(rest, ',');

	if (!comma || comma == rest || comma[1] == '\0')
		return "pcap: wants a file to read and one to write";
	if (strchr(comma + 1, ',') || strpbrk(rest, "[]\"'= "))
		return "a file name must not have a comma, space, =, quote or bracket";
	name_device(spec, "net_pcap");
	snprintf(spec->eal, sizeof(spec->eal), "--vdev=%s,rx_pcap=%.*s,tx_pcap=%s", spec->device,
		 (int)(comma - rest), rest, comma + 1);
	return NULL;
}

static const char *parse_ring(struct flx_port_spec *spec, const char *rest)
{
	if (rest != spec->text + strlen("ring"))
		return "nothing may follow ring";
	name_device(spec, "net_ring");
	snprintf(spec->eal, sizeof(spec->eal), "--vdev=%s", spec->device);
	return NULL;
}

/* Made when the port starts: EAL has no argument for it. */
static const char *parse_pair(struct flx_port_spec *spec, const char *rest)
{
	if (rest != spec->text + strlen("pair"))
		return "nothing may follow pair";
	name_device(spec, "net_ring_pair");
	return NULL;
}

static const char *parse_null(struct flx_port_spec *spec, const char *rest)
{
	if (rest != spec->text + strlen("null"))
		return "nothing may follow null";
	name_device(spec, "net_null");
	snprintf(spec->eal, sizeof(spec->eal), "--vdev=%s", spec->device);
	return NULL;
}

static const char *parse_vdev(struct flx_port_spec *spec, const char *rest)
{
	size_t name = strcspn(rest, ",");

	if (name == 0 || name >= sizeof(spec->device))
		return "the name of a vdev has 1 to 63 characters: net_ring0";
	memcpy(spec->device, rest, name);
	if (!is_plain(spec->device, "_-"))
		return "the name of a vdev has letters, digits and _ - only: net_ring0";
	snprintf(spec->eal, sizeof(spec->eal), "--vdev=%s", rest);
	return NULL;
}

static const struct {
	const char *name;
	parse_fn *parse;
	const char *driver; /* NULL: not known before EAL has started */
} kinds[] = {
	[FLX_PORT_PCI] = {"pci", parse_pci, NULL},
	[FLX_PORT_AF_XDP] = {"af_xdp", parse_af_xdp, "net_af_xdp"},
	[FLX_PORT_AF_PACKET] = {"af_packet", parse_af_packet, "net_af_packet"},
	[FLX_PORT_TAP] = {"tap", parse_tap, "net_tap"},
	[FLX_PORT_PCAP] = {"pcap", parse_pcap, "net_pcap"},
	[FLX_PORT_RING] = {"ring", parse_ring, "net_ring"},
	[FLX_PORT_PAIR] = {"pair", parse_pair, "net_ring"},
	[FLX_PORT_NULL] = {"null", parse_null, "net_null"},
	[FLX_PORT_VDEV] = {"vdev", parse_vdev, NULL},
};

static const char *parse(struct flx_port_spec *spec, const char *text)
{
	size_t word = strcspn(text, ":");

	if (strlen(text) >= sizeof(spec->text))
		return "it is too long";
	memcpy(spec->text, text, strlen(text) + 1);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strlen(kinds[i].name) == word && memcmp(kinds[i].name, text, word) == 0) {
			spec->kind = (enum flx_port_kind)i;
			return kinds[i].parse(spec, spec->text + word + (text[word] == ':'));
		}
	return "no such kind";
}

int flx_port_spec_parse(struct flx_port_spec *spec, const char *text, uint32_t index,
			uint32_t queues)
{
	const char *fault;

	memset(spec, 0, sizeof(*spec));
	spec->index = index;
	spec->queues = queues > 0 ? queues : 1;
	fault = parse(spec, text);
	if (!fault)
		return 0;
	flx_error("port '%.64s': %s; " FORMS, text, fault);
	return -EINVAL;
}

uint32_t flx_port_buffers(const struct flx_port_spec *spec)
{
	const char *driver = kinds[spec->kind].driver;
	char name[sizeof(spec->device)];

	/* Both directions are full, and who is at the far end has as many ready. */
	if (spec->kind == FLX_PORT_PAIR)
		return 3 * FLX_PAIR_FRAMES;
	if (driver)
		return flx_profile_find(driver)->buffers;
	/* A vdev is named after its driver; a PCI address finds the last row, as large as any
	 * NIC's. */
	snprintf(name, sizeof(name), "%s", spec->device);
	if (spec->kind == FLX_PORT_VDEV)
		name[strcspn(name, "0123456789")] = '\0';
	return flx_profile_find(name)->buffers;
}

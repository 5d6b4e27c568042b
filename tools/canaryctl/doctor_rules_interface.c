/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl doctor's word on an interface: XDP, offloads, sysctls. */
#include <stdio.h>
#include <string.h>

#include "doctor_rules.h"
#include "user/address.h"

#define NATIVE_MTU 3506 /* what most drivers take in one page, with room in front */

/* ---- what the services need -------------------------------------------------------------------------------- */

static void add_backend(struct doctor_needs *needs, const __be32 addr[4], bool (*is_local)(const __be32 addr[4]))
{
	if (!is_local(addr))
		*(address_is_ipv4(addr) ? &needs->routes4 : &needs->routes6) = true;
}

static void add_service(struct doctor_needs *needs, const struct config_service *service,
			bool (*is_local)(const __be32 addr[4]))
{
	if (service->mode != CANARY_MODE_DNAT) {
		*(address_is_ipv4(service->endpoint.addr) ? &needs->sends4 : &needs->sends6) = true;
		return;
	}
	for (uint32_t v = 0; v < service->versions_count; v++)
		for (uint32_t b = 0; b < service->versions[v].backends_count; b++)
			add_backend(needs, service->versions[v].backends[b].endpoint.addr, is_local);
}

struct doctor_needs doctor_needs(const struct config *config, bool (*is_local)(const __be32 addr[4]))
{
	struct doctor_needs needs = { .interfaces = config->interfaces_count };

	for (uint32_t s = 0; s < config->services_count; s++)
		add_service(&needs, &config->services[s], is_local);
	return needs;
}

/* ---- XDP --------------------------------------------------------------------------------------------------- */

static void check_other_program(struct doctor_report *report, const struct doctor_interface *interface)
{
	const struct datapath_hooks *hooks = &interface->hooks;
	char mend[192];

	snprintf(mend, sizeof(mend), "ip link set dev %s xdp off, or leave the interface to it; canaryctl detach, if it is "
		 "another canaryd's", interface->name);
	doctor_say(report, DOCTOR_PROBLEM, mend, "another XDP program is on it: id %u%s%s", hooks->xdp_id,
		   *hooks->xdp_name ? ", " : "", hooks->xdp_name);
}

static void check_mode(struct doctor_report *report, const struct doctor_interface *interface)
{
	const struct datapath_hooks *hooks = &interface->hooks;
	const char *driver = *interface->driver ? interface->driver : "its driver";
	static const char slower[] = "it works, slower: a card with native XDP (ice, i40e, ixgbe, mlx5, ena, virtio_net, veth, …) is better";

	if (hooks->xdp_is_ours && hooks->xdp == DATAPATH_XDP_NATIVE)
		doctor_ok(report, "canaryd is on it by native XDP (%s)", driver);
	else if (hooks->xdp_is_ours)
		doctor_say(report, DOCTOR_WARNING, interface->native == 1 ? "look at the MTU and the offloads, then canaryctl detach and a start" : slower,
			   "canaryd is on it by generic XDP (%s)", driver);
	else if (interface->native == 1)
		doctor_ok(report, "%s has native XDP", driver);
	else if (interface->native == 0)
		doctor_say(report, DOCTOR_WARNING, slower, "%s has no native XDP: generic XDP will be used", driver);
	else
		doctor_ok(report, "whether %s has native XDP is seen when it is attached (Linux 6.3 could tell)", driver);
}

static void check_mtu(struct doctor_report *report, const struct doctor_interface *interface)
{
	char mend[96];

	if (interface->native == 0 || interface->several_buffers == 1 || interface->mtu <= NATIVE_MTU ||
	    interface->hooks.xdp_is_ours)
		return;
	snprintf(mend, sizeof(mend), "ip link set dev %s mtu %d, or lower", interface->name, NATIVE_MTU);
	doctor_say(report, DOCTOR_WARNING, mend, "its MTU is %u: most drivers refuse native XDP above %d", interface->mtu,
		   NATIVE_MTU);
}

/* ---- offloads and programs --------------------------------------------------------------------------------- */

static void check_offloads(struct doctor_report *report, const struct doctor_interface *interface)
{
	char mend[96];

	if (interface->lro == 1) {
		snprintf(mend, sizeof(mend), "ethtool -K %s lro off", interface->name);
		doctor_say(report, DOCTOR_WARNING, mend, "LRO is on: it keeps drivers from native XDP, and joins packets that are then too large to send on");
	}
	if (interface->gro_hw == 1) {
		snprintf(mend, sizeof(mend), "ethtool -K %s rx-gro-hw off", interface->name);
		doctor_say(report, DOCTOR_WARNING, mend, "GRO in the card is on: it keeps drivers from native XDP");
	}
	if (interface->rx_vlan == 1 && interface->has_vlans) {
		snprintf(mend, sizeof(mend), "ethtool -K %s rxvlan off", interface->name);
		doctor_say(report, DOCTOR_WARNING, mend, "it has VLANs, and the card takes their tags off before XDP: what XDP sends back is in none");
	}
	if (interface->lro <= 0 && interface->gro_hw <= 0 && !(interface->rx_vlan == 1 && interface->has_vlans))
		doctor_ok(report, interface->lro < 0 ? "its offloads could not be read" : "no offload is in the way");
}

static void check_tc(struct doctor_report *report, const struct doctor_interface *interface)
{
	char mend[160];

	if (!interface->hooks.tc_others)
		return;
	snprintf(mend, sizeof(mend), "see that they let canaryd's packets pass: bpftool net show dev %s", interface->name);
	doctor_say(report, DOCTOR_WARNING, mend, "%u other tc programs are on it: they see replies before or after canaryd does",
		   interface->hooks.tc_others);
}

/* ---- sysctls ----------------------------------------------------------------------------------------------- */

static void check_forwarding(struct doctor_report *report, const struct doctor_interface *interface,
			     const struct doctor_needs *needs)
{
	const bool need4 = needs->sends4 || needs->routes4, need6 = needs->sends6 || needs->routes6;
	char mend[112];

	if (need4 && interface->forwarding4 == 0) {
		snprintf(mend, sizeof(mend), "sysctl -w net.ipv4.conf.%s.forwarding=1 (or net.ipv4.ip_forward=1)", interface->name);
		doctor_say(report, DOCTOR_PROBLEM, mend, "it forwards no IPv4, and %s", needs->sends4 ?
			   "modes fullnat and dsr send packets on" : "a backend is on another host");
	}
	if (need6 && interface->forwarding6 == 0) {
		snprintf(mend, sizeof(mend), "sysctl -w net.ipv6.conf.all.forwarding=1");
		doctor_say(report, DOCTOR_PROBLEM, mend, "it forwards no IPv6, and %s", needs->sends6 ?
			   "modes fullnat and dsr send packets on" : "a backend is on another host");
	}
	if ((need4 || need6) && !(need4 && interface->forwarding4 == 0) && !(need6 && interface->forwarding6 == 0))
		doctor_ok(report, "it forwards, which a service needs");
}

static void check_filter(struct doctor_report *report, const struct doctor_interface *interface,
			  const struct doctor_needs *needs)
{
	char mend[96];

	if (interface->rp_filter == 1 && needs->interfaces > 1) {
		snprintf(mend, sizeof(mend), "sysctl -w net.ipv4.conf.%s.rp_filter=2 net.ipv4.conf.all.rp_filter=2", interface->name);
		doctor_say(report, DOCTOR_WARNING, mend,
			   "rp_filter is strict: packets of clients whose way back is another interface are dropped");
	}
}

void doctor_check_interface(struct doctor_report *report, const struct doctor_interface *interface,
			    const struct doctor_needs *needs)
{
	char subject[64];

	snprintf(subject, sizeof(subject), "interface %s", interface->name);
	report->subject = subject;
	if (!interface->exists) {
		doctor_say(report, DOCTOR_PROBLEM, "ip link lists those there are; `interfaces:` names those to use",
			   "there is no such interface");
		report->subject = NULL;
		return;
	}
	if (interface->up)
		doctor_ok(report, "it is up, MTU %u", interface->mtu);
	else
		doctor_say(report, DOCTOR_PROBLEM, "ip link set it up, and look at the cable", "it is down");
	if (interface->hooks_error)
		doctor_say(report, DOCTOR_WARNING, "run it as root", "who is on its hooks cannot be seen: %s",
			   strerror(-interface->hooks_error));
	if (interface->hooks.xdp_id && !interface->hooks.xdp_is_ours)
		check_other_program(report, interface);
	else
		check_mode(report, interface);
	check_mtu(report, interface);
	check_offloads(report, interface);
	check_tc(report, interface);
	check_forwarding(report, interface, needs);
	check_filter(report, interface, needs);
	report->subject = NULL;
}

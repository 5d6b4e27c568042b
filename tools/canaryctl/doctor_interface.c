/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An interface: its driver, offloads (ETHTOOL ioctls), sysctls, and who is on its hooks. */
#include "doctor_gather.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/address.h"

#define FEATURES_MAX 256

/* ---- ethtool ----------------------------------------------------------------------------------------------- */

static int ask(int fd, const char *name, void *data)
{
	struct ifreq request = { .ifr_data = data };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(fd, SIOCETHTOOL, &request) ? -errno : 0;
}

static void read_driver(int fd, struct doctor_interface *interface)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	if (!ask(fd, interface->name, &info))
		snprintf(interface->driver, sizeof(interface->driver), "%s", info.driver);
}

/* The names of the features, ETH_GSTRING_LEN bytes each; the caller frees. NULL: not known. */
static struct ethtool_gstrings *feature_names(int fd, const char *name)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} set = { { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES }, 0 };
	struct ethtool_gstrings *names;

	if (ask(fd, name, &set) || !set.count || set.count > FEATURES_MAX)
		return NULL;
	names = calloc(1, sizeof(*names) + set.count * ETH_GSTRING_LEN);
	if (!names)
		return NULL;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = set.count;
	if (!ask(fd, name, names))
		return names;
	free(names);
	return NULL;
}

static int is_active(const struct ethtool_gstrings *names, const struct ethtool_gfeatures *features, const char *feature)
{
	for (uint32_t i = 0; i < names->len; i++)
		if (!strncmp((const char *)names->data + i * ETH_GSTRING_LEN, feature, ETH_GSTRING_LEN))
			return features->features[i / 32].active >> (i % 32) & 1;
	return -1;
}

static void read_offloads(int fd, struct doctor_interface *interface)
{
	struct ethtool_gstrings *names = feature_names(fd, interface->name);
	struct ethtool_gfeatures *features;

	interface->lro = interface->gro_hw = interface->rx_vlan = -1;
	features = names ? calloc(1, sizeof(*features) + FEATURES_MAX / 32 * sizeof(features->features[0])) : NULL;
	if (features) {
		features->cmd = ETHTOOL_GFEATURES;
		features->size = (names->len + 31) / 32;
		if (!ask(fd, interface->name, features)) {
			interface->lro = is_active(names, features, "rx-lro");
			interface->gro_hw = is_active(names, features, "rx-gro-hw");
			interface->rx_vlan = is_active(names, features, "rx-vlan-hw-parse");
		}
	}
	free(features);
	free(names);
}

/* ---- interface --------------------------------------------------------------------------------------------- */

static void read_link(int fd, struct doctor_interface *interface)
{
	struct ifreq request = {};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface->name);
	if (!ioctl(fd, SIOCGIFFLAGS, &request))
		interface->up = (request.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
	if (!ioctl(fd, SIOCGIFMTU, &request))
		interface->mtu = (unsigned)request.ifr_mtu;
}

static bool has_vlans(const char *name)
{
	FILE *file = fopen("/proc/net/vlan/config", "re");
	char line[256], parent[IFNAMSIZ];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%*s | %*d | %15s", parent) == 1 && !strcmp(parent, name);
	if (file)
		fclose(file);
	return found;
}

static void read_sysctls(struct doctor_interface *interface)
{
	const char *name = interface->name;
	int all = doctor_read_number("/proc/sys/net/ipv4/conf/all/rp_filter");

	interface->rp_filter = doctor_read_number("/proc/sys/net/ipv4/conf/%s/rp_filter", name);
	if (all > interface->rp_filter)
		interface->rp_filter = all;
	interface->forwarding4 = doctor_read_number("/proc/sys/net/ipv4/conf/%s/forwarding", name);
	interface->forwarding6 = doctor_read_number("/proc/sys/net/ipv6/conf/%s/forwarding", name);
}

void doctor_gather_interface(const char *pin_dir, const char *name, struct doctor_interface *ret)
{
	unsigned ifindex = if_nametoindex(name);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*ret = (struct doctor_interface){ .exists = ifindex, .native = -1, .several_buffers = -1, .lro = -1, .gro_hw = -1,
					  .rx_vlan = -1 };
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	if (ifindex && fd >= 0) {
		read_link(fd, ret);
		read_driver(fd, ret);
		read_offloads(fd, ret);
	}
	if (fd >= 0)
		close(fd);
	if (!ifindex)
		return;
	ret->has_vlans = has_vlans(name);
	ret->native = doctor_xdp_features(ifindex, &ret->several_buffers);
	ret->hooks_error = datapath_probe_hooks(pin_dir, ifindex, &ret->hooks);
	read_sysctls(ret);
}

/* ---- addresses --------------------------------------------------------------------------------------------- */

static bool is_address(const struct sockaddr *at, const __be32 addr[4])
{
	__be32 mapped[4] = { 0, 0, htonl(0xffff), 0 };

	if (at && at->sa_family == AF_INET)
		mapped[3] = ((const struct sockaddr_in *)(const void *)at)->sin_addr.s_addr;
	else if (at && at->sa_family == AF_INET6)
		memcpy(mapped, &((const struct sockaddr_in6 *)(const void *)at)->sin6_addr, sizeof(mapped));
	else
		return false;
	return !memcmp(mapped, addr, sizeof(mapped));
}

bool doctor_is_local(const __be32 addr[4])
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all))
		return true; /* nothing is said of what is not known */
	for (struct ifaddrs *one = all; one && !found; one = one->ifa_next)
		found = is_address(one->ifa_addr, addr);
	freeifaddrs(all);
	return found;
}

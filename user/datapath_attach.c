/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attaches the packet programs to an interface: XDP and TCX through links pinned below PIN_DIR/links, so that they
 * stay when the daemon goes; clsact, where the kernel has no TCX, stays by itself. A link that is pinned already gets
 * the new program in one atomic step.
 */
#include "user/datapath_internal.h"

#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/error.h"

#define CLSACT_PRIORITY 0xca
#define CLSACT_HANDLE 1

/* bpffs takes no dot in a name, an interface's name has no colon in it. */
static void change_each(char *text, char from, char to)
{
	for (; *text; text++)
		if (*text == from)
			*text = to;
}

void datapath_link_path(const char *pin_dir, const char *hook, const char *interface, char path[DATAPATH_PATH])
{
	char name[IF_NAMESIZE];

	snprintf(name, sizeof(name), "%s", interface);
	change_each(name, '.', ':');
	snprintf(path, DATAPATH_PATH, "%s/links/%s_%s", pin_dir, hook, name);
}

static void link_path(const struct datapath *datapath, const char *hook, const char *interface, char path[DATAPATH_PATH])
{
	datapath_link_path(datapath->pin_dir, hook, interface, path);
}

/* Is this link still on the interface? One whose interface went away stays, but is attached to nothing. */
static bool link_is_on(int fd, unsigned ifindex)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	/* TCX came after Debian 12's headers: its ifindex stands where XDP's does, first in the union. */
	return !bpf_obj_get_info_by_fd(fd, &info, &size) && info.xdp.ifindex == ifindex;
}

static bool xdp_is_native(unsigned ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	return !bpf_xdp_query(ifindex, 0, &query) && query.attach_mode == XDP_ATTACHED_DRV;
}

/* Gives a pinned link the new program. Returns 1 where there is none that can be used, else 0 or a negative errno. */
static int adopt_link(const char *path, int program_fd, unsigned ifindex)
{
	int fd = bpf_obj_get(path), r;

	if (fd < 0)
		return errno == ENOENT ? 1 : -errno;
	if (!link_is_on(fd, ifindex)) {
		close(fd);
		unlink(path);
		return 1;
	}
	r = bpf_link_update(fd, program_fd, NULL) ? -errno : 0;
	close(fd);
	return r;
}

static int pin_link(int fd, const char *path)
{
	int r = bpf_obj_pin(fd, path) ? -errno : 0;

	close(fd); /* the pin holds it */
	return r;
}

static int explain_xdp_failure(int r, const char *name, unsigned ifindex, char **ret_error)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (r == -EBUSY || r == -EEXIST) {
		bpf_xdp_query(ifindex, 0, &query);
		return error_set(ret_error, -EBUSY,
				 "%s has another XDP program already (id %u: `bpftool prog show id %u` names it; take it "
				 "off with `ip link set dev %s xdp off`, or `canaryctl detach` where it is another canaryd)",
				 name, query.prog_id, query.prog_id, name);
	}
	return error_set(ret_error, r, "cannot attach XDP to %s: %s (an MTU above 3506 or LRO keeps some drivers from it)",
			 name, strerror(-r));
}

static int attach_xdp(struct datapath *datapath, struct datapath_interface *interface, char **ret_error)
{
	int program_fd = datapath_split_fd(datapath), fd, r;
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	char path[DATAPATH_PATH];

	link_path(datapath, "xdp", interface->name, path);
	r = adopt_link(path, program_fd, interface->ifindex);
	if (r == 1) {
		fd = bpf_link_create(program_fd, interface->ifindex, BPF_XDP, &options);
		if (fd == -EOPNOTSUPP || fd == -EINVAL) {
			options.flags = XDP_FLAGS_SKB_MODE;
			fd = bpf_link_create(program_fd, interface->ifindex, BPF_XDP, &options);
		}
		r = fd < 0 ? fd : pin_link(fd, path);
		interface->new_xdp = !r;
	}
	if (r)
		return explain_xdp_failure(r, interface->name, interface->ifindex, ret_error);
	interface->xdp_native = xdp_is_native(interface->ifindex);
	return 0;
}

/* One of tc's two hooks. */
struct tc_hook {
	const char *link; /* of the pin's name */
	const char *name;
	enum bpf_attach_type tcx;
	enum bpf_tc_attach_point clsact;
};

static const struct tc_hook egress = { "tcx", "egress", DATAPATH_TCX_EGRESS, BPF_TC_EGRESS };
static const struct tc_hook ingress = { "ingress", "ingress", DATAPATH_TCX_INGRESS, BPF_TC_INGRESS };

static int attach_clsact(const struct tc_hook *at, int program_fd, unsigned ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = at->clsact);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY, .prog_fd = program_fd,
		    .flags = BPF_TC_F_REPLACE);
	int r = bpf_tc_hook_create(&hook);

	if (r && r != -EEXIST)
		return r;
	return bpf_tc_attach(&hook, &options);
}

static int attach_tc(struct datapath *datapath, const struct tc_hook *hook, int program_fd,
		     struct datapath_interface *interface, bool *ret_new, char **ret_error)
{
	char path[DATAPATH_PATH];
	bool new = false;
	int fd, r;

	link_path(datapath, hook->link, interface->name, path);
	r = adopt_link(path, program_fd, interface->ifindex);
	if (r == 1) {
		fd = bpf_link_create(program_fd, interface->ifindex, hook->tcx, NULL);
		r = fd < 0 ? fd : pin_link(fd, path);
		new = !r;
	}
	interface->tcx = !r;
	if (r == -EINVAL || r == -EOPNOTSUPP) {
		r = attach_clsact(hook, program_fd, interface->ifindex);
		new = !r && !datapath->adopted;
	}
	if (r)
		return error_set(ret_error, r, "cannot attach to tc %s of %s: %s", hook->name, interface->name, strerror(-r));
	*ret_new = new;
	return 0;
}

static void detach_clsact(const struct tc_hook *at, unsigned ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = at->clsact);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);

	bpf_tc_detach(&hook, &options);
}

/* Unlinking the last pin of a link takes its program off the hook. */
static void unlink_tc(const struct datapath *datapath, const struct tc_hook *hook,
		      const struct datapath_interface *interface)
{
	char path[DATAPATH_PATH];

	link_path(datapath, hook->link, interface->name, path);
	unlink(path);
	if (!interface->tcx && interface->ifindex)
		detach_clsact(hook, interface->ifindex);
}

/* Replies first: a request that is steered must find its way back. */
static int attach_hooks(struct datapath *datapath, struct datapath_interface *interface, char **ret_error)
{
	int r = attach_tc(datapath, &egress, datapath_reply_fd(datapath), interface, &interface->new_tc, ret_error);

	if (!r && datapath->forwards)
		r = attach_tc(datapath, &ingress, datapath_ingress_fd(datapath), interface, &interface->new_ingress,
			      ret_error);
	if (!r)
		r = attach_xdp(datapath, interface, ret_error);
	if (!r)
		r = datapath_set_output(datapath, interface);
	if (!r && !datapath->forwards)
		unlink_tc(datapath, &ingress, interface); /* of an earlier daemon */
	return r;
}

int datapath_attach(struct datapath *datapath, const char *name, struct datapath_interface *ret, char **ret_error)
{
	struct datapath_interface interface = { .ifindex = if_nametoindex(name) };
	char path[DATAPATH_PATH];
	int r;

	snprintf(interface.name, sizeof(interface.name), "%s", name);
	snprintf(path, sizeof(path), "%s/links", datapath->pin_dir);
	if (mkdir(path, 0700) && errno != EEXIST)
		return error_set(ret_error, -errno, "cannot make %s: %m", path);
	r = attach_hooks(datapath, &interface, ret_error);
	if (r)
		datapath_attach_undo(datapath, &interface);
	else
		*ret = interface;
	return r;
}

static void unlink_hooks(const struct datapath *datapath, const struct datapath_interface *interface, bool xdp, bool tc,
			 bool at_ingress)
{
	char path[DATAPATH_PATH];

	if (xdp) { /* requests first: see attach_hooks() */
		link_path(datapath, "xdp", interface->name, path);
		unlink(path);
	}
	if (at_ingress)
		unlink_tc(datapath, &ingress, interface);
	if (tc)
		unlink_tc(datapath, &egress, interface);
	snprintf(path, sizeof(path), "%s/links", datapath->pin_dir);
	rmdir(path); /* fails where links of others are in it */
}

void datapath_attach_undo(const struct datapath *datapath, const struct datapath_interface *interface)
{
	unlink_hooks(datapath, interface, interface->new_xdp, interface->new_tc, interface->new_ingress);
}

void datapath_unlink(const struct datapath *datapath, const struct datapath_interface *interface)
{
	unlink_hooks(datapath, interface, true, true, true);
}

static bool is_interface(const struct datapath *datapath, const char *name)
{
	for (size_t i = 0; i < datapath->n_interfaces; i++)
		if (!strcmp(datapath->interface[i].name, name))
			return true;
	return false;
}

void datapath_unlink_others(const struct datapath *datapath)
{
	char path[DATAPATH_PATH];
	struct dirent *entry;
	DIR *links;

	snprintf(path, sizeof(path), "%s/links", datapath->pin_dir);
	links = opendir(path);
	while (links && (entry = readdir(links))) {
		const char *name = strchr(entry->d_name, '_');
		struct datapath_interface interface = { .tcx = true };

		if (!name)
			continue;
		snprintf(interface.name, sizeof(interface.name), "%s", name + 1);
		change_each(interface.name, ':', '.');
		if (is_interface(datapath, interface.name))
			continue;
		datapath_unlink(datapath, &interface);
		rewinddir(links);
	}
	if (links)
		closedir(links);
}

/* ---- watching ---------------------------------------------------------------------------------------------- */

static int take_back(struct datapath *datapath, struct datapath_interface *interface, unsigned ifindex, char **ret_note)
{
	bool said = interface->failed_ifindex == ifindex;
	int r = datapath_attach(datapath, interface->name, interface, said ? NULL : ret_note);

	if (!r) {
		error_set(ret_note, 0, "interface %s is there again: attached to it", interface->name);
		return 1;
	}
	interface->failed_ifindex = ifindex;
	return said ? 0 : r;
}

int datapath_watch(struct datapath *datapath, char **ret_note)
{
	for (size_t i = 0; i < datapath->n_interfaces; i++) {
		struct datapath_interface *interface = &datapath->interface[i];
		unsigned ifindex = if_nametoindex(interface->name);

		if (ifindex == interface->ifindex)
			continue;
		if (ifindex)
			return take_back(datapath, interface, ifindex, ret_note);
		interface->ifindex = 0;
		error_set(ret_note, 0, "interface %s is gone: its packets are not steered until it is there again",
			  interface->name);
		return 1;
	}
	return 0;
}

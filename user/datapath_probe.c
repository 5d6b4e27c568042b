/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/datapath_probe.h"

#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user/datapath_internal.h"

#define TC_PROGRAMS_MAX 64
#define LOOPBACK 1

/* ---- the kernel -------------------------------------------------------------------------------------------- */

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

/* A probe says "no" also where it may not try. */
static int may_try(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);
	int fd = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "canary_probe", 4, 4, 1, &options);

	if (fd < 0)
		return fd == -EPERM ? -EPERM : 0;
	close(fd);
	return 0;
}

void datapath_probe_features(struct datapath_feature ret[DATAPATH_FEATURES])
{
	static const struct {
		const char *name, *since;
		enum { PROGRAM, ITERATOR, MAP, HELPER } what;
		int type;
		enum bpf_func_id helper;
	} all[DATAPATH_FEATURES] = {
		{ "XDP programs", "4.8", PROGRAM, BPF_PROG_TYPE_XDP, 0 },
		{ "tc programs", "4.1; CONFIG_NET_CLS_BPF", PROGRAM, BPF_PROG_TYPE_SCHED_CLS, 0 },
		{ "iterators over maps", "5.8; CONFIG_DEBUG_INFO_BTF", ITERATOR, 0, 0 },
		{ "LRU hash maps", "4.10", MAP, BPF_MAP_TYPE_LRU_HASH, 0 },
		{ "LPM tries", "4.11", MAP, BPF_MAP_TYPE_LPM_TRIE, 0 },
		{ "arrays of maps", "4.12", MAP, BPF_MAP_TYPE_ARRAY_OF_MAPS, 0 },
		{ "ring buffers", "5.8", MAP, BPF_MAP_TYPE_RINGBUF, 0 },
		{ "device maps by hash", "5.4", MAP, BPF_MAP_TYPE_DEVMAP_HASH, 0 },
		{ "routes asked by XDP", "4.18", HELPER, BPF_PROG_TYPE_XDP, BPF_FUNC_fib_lookup },
		{ "packets sent by way of a neighbour", "5.10", HELPER, BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_redirect_neigh },
	};
	int may;

	libbpf_set_print(quiet);
	may = may_try();
	for (size_t i = 0; i < DATAPATH_FEATURES; i++) {
		int there = may;

		if (!may && all[i].what == PROGRAM)
			there = libbpf_probe_bpf_prog_type((enum bpf_prog_type)all[i].type, NULL);
		else if (!may && all[i].what == ITERATOR)
			there = libbpf_find_vmlinux_btf_id("bpf_map_elem", BPF_TRACE_ITER) > 0;
		else if (!may && all[i].what == MAP)
			there = libbpf_probe_bpf_map_type((enum bpf_map_type)all[i].type, NULL);
		else if (!may)
			there = libbpf_probe_bpf_helper((enum bpf_prog_type)all[i].type, all[i].helper, NULL);
		ret[i] = (struct datapath_feature){ all[i].name, all[i].since, there };
	}
}

/* By what becomes of a program: its sysctl is not seen from within a network namespace. */
int datapath_probe_jit(void)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "canary_probe", "GPL", nothing, 2, NULL), r;

	if (fd < 0)
		return fd;
	r = bpf_obj_get_info_by_fd(fd, &info, &size) ? -errno : info.jited_prog_len > 0;
	close(fd);
	return r;
}

/* A kernel that has no such hook does not know its number. */
int datapath_probe_tcx(void)
{
	uint32_t ids[TC_PROGRAMS_MAX], count = TC_PROGRAMS_MAX;

	if (!bpf_prog_query(LOOPBACK, DATAPATH_TCX_EGRESS, 0, NULL, ids, &count) || errno == ENOENT || errno == ENOSPC)
		return 1;
	return errno == EINVAL ? 0 : -errno;
}

/* ---- hooks ------------------------------------------------------------------------------------------------- */

/* The id of the program that the link pinned there has attached; 0: there is none. */
static uint32_t pinned_program(const char *pin_dir, const char *hook, unsigned ifindex)
{
	char name[IF_NAMESIZE], path[DATAPATH_PATH];
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	int fd;

	if (!if_indextoname(ifindex, name))
		return 0;
	datapath_link_path(pin_dir, hook, name, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		info.prog_id = 0;
	close(fd);
	return info.prog_id;
}

static void name_program(uint32_t id, char name[DATAPATH_HOOK_NAME])
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	name[0] = 0;
	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size))
		snprintf(name, DATAPATH_HOOK_NAME, "%s", info.name);
	close(fd);
}

static unsigned tcx_others(const char *pin_dir, const char *hook, enum bpf_attach_type type, unsigned ifindex)
{
	uint32_t ids[TC_PROGRAMS_MAX], count = TC_PROGRAMS_MAX, ours = pinned_program(pin_dir, hook, ifindex);
	unsigned others = 0;

	if (bpf_prog_query((int)ifindex, type, 0, NULL, ids, &count))
		return 0;
	for (uint32_t i = 0; i < count; i++)
		others += ids[i] != ours;
	return others;
}

/* Where tc and Cilium put theirs, by default; canaryd's is at another priority. */
static unsigned clsact_others(enum bpf_tc_attach_point point, unsigned ifindex)
{
	static const uint32_t priorities[] = { 1, 49152 };
	unsigned others = 0;

	for (size_t i = 0; i < sizeof(priorities) / sizeof(*priorities); i++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = point);
		LIBBPF_OPTS(bpf_tc_opts, options, .handle = 1, .priority = priorities[i]);

		others += !bpf_tc_query(&hook, &options);
	}
	return others;
}

int datapath_probe_hooks(const char *pin_dir, unsigned ifindex, struct datapath_hooks *ret)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct datapath_hooks hooks = {};
	int r;

	libbpf_set_print(quiet);
	r = bpf_xdp_query((int)ifindex, 0, &query);
	if (r)
		return r;
	hooks.xdp = query.attach_mode == XDP_ATTACHED_NONE ? DATAPATH_XDP_NONE :
		    query.attach_mode == XDP_ATTACHED_DRV  ? DATAPATH_XDP_NATIVE :
		    query.attach_mode == XDP_ATTACHED_SKB  ? DATAPATH_XDP_GENERIC :
							     DATAPATH_XDP_OTHER;
	hooks.xdp_id = query.prog_id;
	hooks.xdp_is_ours = query.prog_id && query.prog_id == pinned_program(pin_dir, "xdp", ifindex);
	name_program(query.prog_id, hooks.xdp_name);
	hooks.tc_others = tcx_others(pin_dir, "tcx", DATAPATH_TCX_EGRESS, ifindex) +
			  tcx_others(pin_dir, "ingress", DATAPATH_TCX_INGRESS, ifindex) +
			  clsact_others(BPF_TC_EGRESS, ifindex) + clsact_others(BPF_TC_INGRESS, ifindex);
	*ret = hooks;
	return 0;
}

/* ---- pins -------------------------------------------------------------------------------------------------- */

static int open_pin(const char *pin_dir, const char *map)
{
	char path[DATAPATH_PATH];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", pin_dir, map);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static int read_control(int fd, struct datapath_pins *pins)
{
	struct bpf_map_info info = {};
	struct canary_control control;
	__u32 size = sizeof(info), zero = 0;

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	if (info.value_size != sizeof(control))
		return -EPROTO;
	if (bpf_map_lookup_elem(fd, &zero, &control))
		return -errno;
	pins->abi = control.abi;
	pins->lease_ns = control.lease_ns;
	return 0;
}

int datapath_probe_pins(const char *pin_dir, struct datapath_pins *ret)
{
	struct datapath_pins pins = {};
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int fd = open_pin(pin_dir, "control"), r;

	if (fd < 0)
		return fd;
	r = read_control(fd, &pins);
	close(fd);
	if (r)
		return r;
	fd = open_pin(pin_dir, "flows");
	if (fd < 0)
		return fd;
	r = bpf_obj_get_info_by_fd(fd, &info, &size) ? -errno : 0;
	close(fd);
	pins.flows = info.max_entries;
	if (!r)
		*ret = pins;
	return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads the objects over one set of pinned maps, attaches, and cleans up what a failure leaves. */
#include "user/datapath.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ingress.skel.h"
#include "reply.skel.h"
#include "split.skel.h"
#include "sweep.skel.h"
#include "user/datapath_internal.h"
#include "user/datapath_probe.h"
#include "user/error.h"
#include "user/lock.h"

#define BPFFS "/sys/fs/bpf"

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (level != LIBBPF_WARN || !getenv("CANARYD_LIBBPF_LOG"))
		return 0;
	return vfprintf(stderr, format, arguments);
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* Makes the pin directory. bpffs is mounted at its usual place where nothing has done so yet. */
static int make_pin_dir(struct datapath *datapath, char **ret_error)
{
	if (!strncmp(datapath->pin_dir, BPFFS "/", strlen(BPFFS "/")) && !is_bpffs(BPFFS) &&
	    mount("bpf", BPFFS, "bpf", 0, "mode=0700"))
		return error_set(ret_error, -errno, "cannot mount bpffs at " BPFFS ": %m (mount -t bpf bpf " BPFFS ")");
	if (!mkdir(datapath->pin_dir, 0700) || errno == EEXIST) {
		if (is_bpffs(datapath->pin_dir))
			return 0;
		rmdir(datapath->pin_dir);
		return error_set(ret_error, -EINVAL, "pin_dir %s is not on bpffs (choose one below " BPFFS ")",
				 datapath->pin_dir);
	}
	return error_set(ret_error, -errno, "cannot make pin_dir %s: %m%s", datapath->pin_dir,
			 errno == EPERM || errno == EACCES ? " (run as root)" : "");
}

static void map_pin_path(const struct datapath *datapath, const char *map, char path[DATAPATH_PATH])
{
	snprintf(path, DATAPATH_PATH, "%s/%s", datapath->pin_dir, map);
}

/* What is pinned under the map's name, if anything: its size is taken over, another layout is refused. */
static int adopt_pinned(struct bpf_map *map, const char *path, char **ret_error)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(path), r;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_set(ret_error, -errno, "cannot open the pinned map %s: %m", path);
	r = bpf_obj_get_info_by_fd(fd, &info, &size) ? -errno : 0;
	close(fd);
	if (r)
		return error_set(ret_error, r, "cannot read the pinned map %s: %s", path, strerror(-r));
	if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) || info.map_flags != bpf_map__map_flags(map))
		return error_set(ret_error, -EPROTO,
				 "%s has the layout of another version of canaryd (run that version's `canaryctl "
				 "detach` first; it ends the flows that are open)", path);
	return bpf_map__set_max_entries(map, info.max_entries);
}

/* What is in `traces` is soon gone anyway: where it is to have another size, it is made anew. */
static void drop_resized(const struct bpf_map *map, const char *path)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int fd;

	if (strcmp(bpf_map__name(map), "traces"))
		return;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size) && info.max_entries != bpf_map__max_entries(map))
		unlink(path);
	close(fd);
}

/* Filled anew by each daemon, or each packet: they go with the programs. */
static bool is_unpinned(const char *map)
{
	return !strcmp(map, "outputs") || !strcmp(map, "forward_jobs");
}

static int prepare_maps(struct datapath *datapath, struct bpf_object *object, char **ret_error)
{
	struct datapath_sizes sizes = { .flows = datapath->flows_max, .versions = datapath->versions_max,
					.backends = datapath->backends_max, .traces = datapath->traces };
	char path[DATAPATH_PATH];
	struct bpf_map *map;
	int r;

	bpf_object__for_each_map(map, object) {
		datapath_size_map(map, &sizes);
		if (bpf_map__is_internal(map) || is_unpinned(bpf_map__name(map)))
			continue;
		map_pin_path(datapath, bpf_map__name(map), path);
		drop_resized(map, path);
		r = adopt_pinned(map, path, ret_error);
		if (r)
			return r;
		bpf_map__set_pin_path(map, path);
	}
	return 0;
}

static int explain_load_failure(int r, const char *what, char **ret_error)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return error_set(ret_error, -EOPNOTSUPP, "this kernel has no BTF (/sys/kernel/btf/vmlinux); canaryd needs "
				 "CONFIG_DEBUG_INFO_BTF=y: any Debian kernel since 5.10 has it");
	if (r == -EPERM)
		return error_set(ret_error, -EPERM, "no privilege to load BPF programs (run as root, or with CAP_BPF, "
				 "CAP_NET_ADMIN and CAP_PERFMON)");
	if (r == -EINVAL || r == -EOPNOTSUPP || r == -EACCES)
		return error_set(ret_error, -EOPNOTSUPP, "the kernel refuses the %s program: %s (linux 5.10 or later is "
				 "needed; CANARYD_LIBBPF_LOG=1 shows why)", what, strerror(-r));
	return error_set(ret_error, r, "cannot load the %s program: %s (CANARYD_LIBBPF_LOG=1 shows why)", what,
			 strerror(-r));
}

static int load_object(struct datapath *datapath, struct bpf_object *object, const char *what, char **ret_error)
{
	int r = prepare_maps(datapath, object, ret_error);

	if (r)
		return r;
	r = bpf_object__load(object);
	return r ? explain_load_failure(r, what, ret_error) : 0;
}

static int open_objects(struct datapath *datapath)
{
	datapath->split = split_bpf__open();
	datapath->reply = reply_bpf__open();
	datapath->ingress = ingress_bpf__open();
	datapath->sweep = sweep_bpf__open();
	return datapath->split && datapath->reply && datapath->ingress && datapath->sweep ? 0 : -errno;
}

int datapath_open_objects(struct datapath **ret, struct bpf_object *ret_objects[DATAPATH_OBJECTS])
{
	struct datapath *datapath = calloc(1, sizeof(*datapath));
	int r;

	if (!datapath)
		return -ENOMEM;
	datapath->lock = -1;
	r = open_objects(datapath);
	if (r) {
		datapath_close(datapath);
		return r;
	}
	ret_objects[0] = datapath->split->obj;
	ret_objects[1] = datapath->reply->obj;
	ret_objects[DATAPATH_OBJECT_INGRESS] = datapath->ingress->obj;
	ret_objects[3] = datapath->sweep->obj;
	*ret = datapath;
	return 0;
}

static int load_objects(struct datapath *datapath, char **ret_error)
{
	int r = open_objects(datapath);

	if (r)
		return error_set(ret_error, r, "cannot open the BPF objects: %s", strerror(-r));
	r = load_object(datapath, datapath->split->obj, "split", ret_error);
	if (!r)
		r = load_object(datapath, datapath->reply->obj, "reply", ret_error);
	if (!r && datapath->forwards)
		r = load_object(datapath, datapath->ingress->obj, "ingress", ret_error);
	if (!r)
		r = load_object(datapath, datapath->sweep->obj, "sweep", ret_error);
	if (r)
		return r;
#define X(name)                                                                                                     \
	datapath->map.name = bpf_object__find_map_fd_by_name(datapath->split->obj, #name);                          \
	if (datapath->map.name < 0)                                                                                 \
		datapath->map.name = bpf_object__find_map_fd_by_name(datapath->reply->obj, #name);
	DATAPATH_MAPS(X)
#undef X
	datapath->flows_max = bpf_map__max_entries(datapath->split->maps.flows);
	datapath->versions_max = bpf_map__max_entries(datapath->split->maps.versions);
	datapath->backends_max = bpf_map__max_entries(datapath->split->maps.backends);
	return 0;
}

static int attach_iterator(struct bpf_program *program, int map_fd, struct bpf_link **ret)
{
	union bpf_iter_link_info info = { .map = { .map_fd = map_fd } };
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link = bpf_program__attach_iter(program, &options);

	if (!link)
		return -errno;
	*ret = link;
	return 0;
}

static int attach_sweep(struct datapath *datapath)
{
	int r = attach_iterator(datapath->sweep->progs.canary_sweep, datapath->map.flows, &datapath->sweep_link);

	if (r)
		return r;
	r = attach_iterator(datapath->sweep->progs.canary_sweep_replies, datapath->map.replies,
			    &datapath->sweep_replies_link);
	return r ? r : attach_iterator(datapath->sweep->progs.canary_sweep_shadows, datapath->map.shadows,
				       &datapath->sweep_shadows_link);
}

static int hand_event(void *context, void *data, size_t size)
{
	struct datapath *datapath = context;

	if (size >= sizeof(struct canary_event) && datapath->on_event)
		datapath->on_event(data, datapath->on_event_context);
	return 0;
}

static int open_loaded(struct datapath *datapath, char **ret_error)
{
	int r = datapath_map_memory(datapath);

	if (!r)
		r = attach_sweep(datapath);
	if (!r) {
		datapath->events = ring_buffer__new(datapath->map.events, hand_event, datapath, NULL);
		r = datapath->events ? 0 : -errno;
	}
	if (r)
		return error_set(ret_error, r, "cannot use the loaded maps: %s", strerror(-r));
	datapath->control->abi = CANARY_ABI;
	datapath->control->events_per_cpu = datapath->events_per_cpu;
	return 0;
}

static int attach_all(struct datapath *datapath, const struct datapath_options *options, char **ret_error)
{
	int r;

	for (size_t i = 0; i < options->n_interfaces; i++) {
		r = datapath_attach(datapath, options->interfaces[i], &datapath->interface[i], ret_error);
		if (r)
			return r;
		datapath->n_interfaces++;
	}
	datapath_unlink_others(datapath);
	return 0;
}

#define X(name) #name,
static const char *const pin_names[] = { DATAPATH_PINS(X) };
#undef X
#define PINS (sizeof(pin_names) / sizeof(*pin_names))
_Static_assert(PINS <= 64, "a bit for each");

static uint64_t find_pins(const struct datapath *datapath)
{
	char path[DATAPATH_PATH];
	uint64_t found = 0;

	for (size_t i = 0; i < PINS; i++) {
		map_pin_path(datapath, pin_names[i], path);
		if (!access(path, F_OK))
			found |= 1ULL << i;
	}
	return found;
}

static void remove_pins(const struct datapath *datapath, uint64_t keep)
{
	char path[DATAPATH_PATH];

	for (size_t i = 0; i < PINS; i++) {
		if (keep & 1ULL << i)
			continue;
		map_pin_path(datapath, pin_names[i], path);
		unlink(path);
	}
	rmdir(datapath->pin_dir); /* fails where something is left in it */
}

/* Back to what was there before datapath_open(). */
static void undo_open(const struct datapath *datapath)
{
	for (size_t i = 0; i < datapath->n_interfaces; i++)
		datapath_attach_undo(datapath, &datapath->interface[i]);
	remove_pins(datapath, datapath->pinned_before);
}

static int check_options(const struct datapath_options *options, char **ret_error)
{
	if (strlen(options->pin_dir) >= DATAPATH_PIN_DIR)
		return error_set(ret_error, -ENAMETOOLONG, "pin_dir: at most %d characters", DATAPATH_PIN_DIR - 1);
	if (options->n_interfaces > DATAPATH_INTERFACES_MAX)
		return error_set(ret_error, -E2BIG, "at most %d interfaces", DATAPATH_INTERFACES_MAX);
	for (size_t i = 0; i < options->n_interfaces; i++)
		if (!if_nametoindex(options->interfaces[i]))
			return error_set(ret_error, -ENODEV,
					 "there is no interface %s (`ip link` lists them; `interfaces:` in the "
					 "configuration names those to use)", options->interfaces[i]);
	return 0;
}

static struct datapath *make(const struct datapath_options *options)
{
	struct datapath *datapath = calloc(1, sizeof(*datapath));

	if (!datapath)
		return NULL;
	snprintf(datapath->pin_dir, sizeof(datapath->pin_dir), "%s", options->pin_dir);
	datapath->lock = -1;
	datapath->flows_max = options->flows;
	datapath->versions_max = options->versions;
	datapath->backends_max = options->backends;
	datapath->events_per_cpu = options->events_per_cpu;
	datapath->forwards = options->forwards;
	datapath->traces = options->traces;
	datapath->cpus = libbpf_num_possible_cpus();
	return datapath;
}

static int load_and_attach(struct datapath *datapath, const struct datapath_options *options, char **ret_error)
{
	char path[DATAPATH_PATH];
	int r;

	datapath->pinned_before = find_pins(datapath);
	map_pin_path(datapath, "flows", path);
	datapath->adopted = !access(path, F_OK);
	r = load_objects(datapath, ret_error);
	if (!r)
		r = open_loaded(datapath, ret_error);
	if (!r)
		r = attach_all(datapath, options, ret_error);
	if (r)
		undo_open(datapath);
	return r;
}

int datapath_open(const struct datapath_options *options, struct datapath **ret, char **ret_error)
{
	int r = check_options(options, ret_error);
	struct datapath *datapath;

	if (r)
		return r;
	libbpf_set_print(print_libbpf);
	datapath = make(options);
	if (!datapath)
		return error_set(ret_error, -ENOMEM, "out of memory");
	r = make_pin_dir(datapath, ret_error);
	if (!r)
		r = lock_directory(datapath->pin_dir, "pin_dir", &datapath->lock, ret_error);
	if (!r)
		r = load_and_attach(datapath, options, ret_error);
	if (r)
		datapath_close(datapath);
	else
		*ret = datapath;
	return r;
}

struct datapath *datapath_close(struct datapath *datapath)
{
	if (!datapath)
		return NULL;
	ring_buffer__free(datapath->events);
	bpf_link__destroy(datapath->sweep_shadows_link);
	bpf_link__destroy(datapath->sweep_replies_link);
	bpf_link__destroy(datapath->sweep_link);
	datapath_unmap_memory(datapath);
	sweep_bpf__destroy(datapath->sweep);
	ingress_bpf__destroy(datapath->ingress);
	reply_bpf__destroy(datapath->reply);
	split_bpf__destroy(datapath->split);
	if (datapath->lock >= 0)
		close(datapath->lock);
	free(datapath);
	return NULL;
}

int datapath_detach(struct datapath *datapath, char **ret_error)
{
	for (size_t i = 0; i < datapath->n_interfaces; i++)
		datapath_unlink(datapath, &datapath->interface[i]);
	datapath->n_interfaces = 0;
	remove_pins(datapath, 0);
	if (!access(datapath->pin_dir, F_OK))
		return error_set(ret_error, -ENOTEMPTY, "%s is not empty: canaryd removed what it made, look at the rest",
				 datapath->pin_dir);
	return 0;
}

bool datapath_adopted(const struct datapath *datapath)
{
	return datapath->adopted;
}

size_t datapath_interfaces(const struct datapath *datapath, const struct datapath_interface **ret)
{
	*ret = datapath->interface;
	return datapath->n_interfaces;
}

uint32_t datapath_flows_capacity(const struct datapath *datapath)
{
	return datapath->flows_max;
}

uint32_t datapath_versions_max(const struct datapath *datapath)
{
	return datapath->versions_max;
}

uint32_t datapath_backends_max(const struct datapath *datapath)
{
	return datapath->backends_max;
}

int datapath_split_fd(const struct datapath *datapath)
{
	return bpf_program__fd(datapath->split->progs.canary_split);
}

int datapath_reply_fd(const struct datapath *datapath)
{
	return bpf_program__fd(datapath->reply->progs.canary_reply);
}

int datapath_explain_fd(const struct datapath *datapath)
{
	return bpf_program__fd(datapath->split->progs.canary_explain);
}

int datapath_ingress_fd(const struct datapath *datapath)
{
	return bpf_program__fd(datapath->ingress->progs.canary_ingress);
}

int datapath_set_output(struct datapath *datapath, const struct datapath_interface *interface)
{
	uint32_t ifindex = interface->ifindex;

	if (!interface->xdp_native)
		return 0;
	return bpf_map__update_elem(datapath->split->maps.outputs, &ifindex, sizeof(ifindex), &ifindex, sizeof(ifindex),
				    BPF_ANY);
}

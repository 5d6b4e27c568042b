/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab-crash.so, for LD_PRELOAD: canaryd is killed, as by SIGKILL from outside, at the moment that $LAB_CRASH names:
 *   explain:N   as it asks the kernel for the N-th time where a flow would go
 *   put:N       as it puts the N-th flow into the kernel's table
 *   take:N      as it takes the N-th flow out of it
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

/* libbpf's, which does not stand below the lab. */
struct bpf_test_run_opts;
int bpf_prog_test_run_opts(int fd, struct bpf_test_run_opts *options);
int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags);
int bpf_map_delete_elem(int fd, const void *key);

static void reach(const char *what)
{
	const char *crash = getenv("LAB_CRASH");
	size_t length = strlen(what);
	static int times;

	if (!crash || strncmp(crash, what, length) || crash[length] != ':')
		return;
	if (++times == atoi(crash + length + 1))
		raise(SIGKILL);
}

static int is_flows(int fd)
{
	struct bpf_map_info info = {};
	union bpf_attr attr = { .info = { .bpf_fd = (__u32)fd, .info_len = sizeof(info), .info = (__u64)(unsigned long)&info } };

	return !syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) && !strcmp(info.name, "flows");
}

int bpf_prog_test_run_opts(int fd, struct bpf_test_run_opts *options)
{
	int (*next)(int, struct bpf_test_run_opts *) = dlsym(RTLD_NEXT, "bpf_prog_test_run_opts");

	reach("explain");
	return next(fd, options);
}

int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	int (*next)(int, const void *, const void *, __u64) = dlsym(RTLD_NEXT, "bpf_map_update_elem");

	if (is_flows(fd))
		reach("put");
	return next(fd, key, value, flags);
}

int bpf_map_delete_elem(int fd, const void *key)
{
	int (*next)(int, const void *) = dlsym(RTLD_NEXT, "bpf_map_delete_elem");

	if (is_flows(fd))
		reach("take");
	return next(fd, key);
}

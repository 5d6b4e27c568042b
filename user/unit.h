/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a version's cgroup (v2) says of it: a directory of small text files, read now and then. A file that is not there
 * means that its controller is not enabled for that cgroup; the value is NAN then, never 0.
 */
#ifndef CANARYD_UNIT_H
#define CANARYD_UNIT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define UNIT_PATH 256 /* bytes of a path, NUL included */
#define UNIT_PIDS 64  /* of a cgroup that are looked at */

struct unit_reading {
	double cpu_s;     /* used since the cgroup was made */
	double memory;    /* bytes now */
	double oom_kills; /* since the cgroup was made */
	double restarts;  /* systemd's count; NAN: nobody was asked */
	uint64_t inode;   /* another one: the cgroup was made anew */
	unsigned n_pids;
	pid_t pids[UNIT_PIDS];
};

/* Where cgroup v2 is mounted, from the text of /proc/self/mountinfo. 0 or -ENOENT. */
int unit_find_mount(const char *mountinfo, char *ret, size_t size);

/* The same of this process. */
int unit_mount(char *ret, size_t size);

/* Reads the cgroup at `path`. -ENOENT: it is not there; -ENODEV: that is no cgroup v2; or why it cannot be read. */
int unit_read(const char *path, struct unit_reading *ret);

#endif

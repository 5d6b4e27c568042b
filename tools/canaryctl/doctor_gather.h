/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl doctor: gathers the facts of doctor_rules.h from this host. Changes nothing on it. */
#ifndef CANARYCTL_DOCTOR_GATHER_H
#define CANARYCTL_DOCTOR_GATHER_H

#include "doctor_rules.h"

void doctor_gather_kernel(struct doctor_kernel *ret);
void doctor_gather_clock(struct doctor_clock *ret);
/* `is_taken`: the maps are made already. */
void doctor_gather_memory(const struct config *config, bool is_taken, struct doctor_memory *ret);
/* Looks at the nearest parent of `path` that is there. */
void doctor_gather_place(const char *key, const char *path, uint64_t needs, struct doctor_place *ret);
/* The effective capabilities of a process; pid 0: of this one; -1 where they cannot be read. */
int64_t doctor_capabilities(int pid);

void doctor_gather_interface(const char *pin_dir, const char *name, struct doctor_interface *ret);
/* Whether the driver has native XDP: 1, 0, or -1 where the kernel does not say (before Linux 6.3). */
int doctor_xdp_features(unsigned ifindex, int *ret_several_buffers);
bool doctor_is_local(const __be32 addr[4]);

/* A number out of a file of /proc or /sys; -1 where there is none. */
int doctor_read_number(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tries to connect to every endpoint that the configuration names, side by side, and says what came of it. */
void doctor_check_endpoints(struct doctor_report *report, const struct config *config);

#endif

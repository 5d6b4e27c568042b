/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * canaryctl doctor: facts about a host → lines of the report. Pure; doctor_host.c, doctor_interface.c and doctor_reach.c
 * gather the facts. In all of them -1 means that it is not known.
 */
#ifndef CANARYCTL_DOCTOR_RULES_H
#define CANARYCTL_DOCTOR_RULES_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "doctor_report.h"
#include "user/config.h"
#include "user/datapath_probe.h"

/* ---- the host ---------------------------------------------------------------------------------------------- */

struct doctor_kernel {
	char release[65]; /* "6.1.0-18-amd64" */
	struct datapath_feature features[DATAPATH_FEATURES];
	bool btf;
	int tcx;
	int jit;        /* 1, 0, or a negative errno */
	int jit_harden; /* net.core.bpf_jit_harden; -1: not known */
	bool bpffs;
	char clocksource[32]; /* "": not known */
};

struct doctor_clock {
	int synchronised;
	double suspended_s; /* in all, since the host was started */
};

struct doctor_memory {
	uint64_t needs;     /* bytes, of all maps */
	uint64_t available; /* MemAvailable; 0: not known */
	uint64_t memlock;   /* RLIMIT_MEMLOCK */
	bool is_charged_there; /* this kernel counts maps against it */
	bool is_taken;         /* the maps are there already */
};

/* A directory or a file that canaryd writes. */
struct doctor_place {
	const char *key; /* of the configuration: "state_dir" */
	const char *path;
	int writable;        /* 0, or why not: a negative errno; of the nearest parent that is there */
	uint64_t free_bytes; /* UINT64_MAX: not known */
	uint64_t needs;      /* bytes it may grow to */
};

void doctor_check_kernel(struct doctor_report *report, const struct doctor_kernel *kernel);
void doctor_check_clock(struct doctor_report *report, const struct doctor_clock *clock);
void doctor_check_memory(struct doctor_report *report, const struct doctor_memory *memory);
void doctor_check_place(struct doctor_report *report, const struct doctor_place *place);

/* ---- the daemon -------------------------------------------------------------------------------------------- */

struct doctor_daemon {
	const char *socket;
	int error;            /* 0: it answers; else why not, a negative errno */
	const char *version;  /* NULL: does not answer */
	const char *expected; /* canaryctl's own */
	int abi;
	int expected_abi;
	int64_t capabilities; /* effective: of the daemon, or without one of this process */
	int pins_error;       /* 0: something is pinned, else as datapath_probe_pins() has it */
	struct datapath_pins pins;
	uint64_t now_ns; /* CLOCK_MONOTONIC */
	uint32_t flow_table; /* as the configuration has it */
};

void doctor_check_daemon(struct doctor_report *report, const struct doctor_daemon *daemon);

/* ---- interfaces -------------------------------------------------------------------------------------------- */

struct doctor_interface {
	char name[IFNAMSIZ];
	bool exists;
	bool up;
	unsigned mtu;
	char driver[32];     /* "": not known */
	int native;          /* its driver has native XDP */
	int several_buffers; /* and takes frames that are larger than a page */
	int lro, gro_hw, rx_vlan; /* offloads */
	bool has_vlans;      /* there are VLAN interfaces on it */
	int hooks_error;     /* 0, or as datapath_probe_hooks() has it */
	struct datapath_hooks hooks;
	int rp_filter; /* the stricter of the interface's and of all's */
	int forwarding4, forwarding6;
};

/* What the services ask of the interfaces. */
struct doctor_needs {
	bool sends4, sends6;   /* XDP sends packets on itself: modes fullnat and dsr */
	bool routes4, routes6; /* the host routes to a backend that is not on it: mode dnat */
	unsigned interfaces;
};

/* `is_local` says whether an address is one of this host's. */
struct doctor_needs doctor_needs(const struct config *config, bool (*is_local)(const __be32 addr[4]));
void doctor_check_interface(struct doctor_report *report, const struct doctor_interface *interface,
			    const struct doctor_needs *needs);

/* ---- endpoints --------------------------------------------------------------------------------------------- */

struct doctor_endpoint {
	char subject[64];    /* "service checkout" */
	char what[96];       /* "backend 192.0.2.1:80 of v1" */
	char url[CONFIG_QUERY_MAX];
	enum doctor_level weight; /* of the line, should it not answer */
	const char *mend;
	const char *failed;  /* NULL: a connection was made */
	double seconds;      /* it took */
};

void doctor_check_endpoint(struct doctor_report *report, const struct doctor_endpoint *endpoint);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host, daemon and endpoints; interfaces are in doctor_rules_interface.c. */
#include "doctor_rules.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "ctl.h"
#include "format.h"

#define DISK_SPARE (64ULL << 20) /* bytes: the journal's own growth, and SQLite's log beside it */
#define DISK_LOW (512ULL << 20)

/* ---- kernel ------------------------------------------------------------------------------------------------ */

static void check_features(struct doctor_report *report, const struct doctor_kernel *kernel)
{
	size_t missing = 0;

	if (kernel->features[0].there < 0) {
		doctor_say(report, DOCTOR_WARNING, "run it as root", "Linux %s; what it can was not tried: %s",
			   kernel->release, strerror(-kernel->features[0].there));
		return;
	}
	for (size_t i = 0; i < DATAPATH_FEATURES; i++) {
		char mend[160];

		if (kernel->features[i].there == 1)
			continue;
		snprintf(mend, sizeof(mend), "boot a kernel that has it (since Linux %s); Debian's have since 5.10",
			 kernel->features[i].since);
		doctor_say(report, DOCTOR_PROBLEM, mend, "Linux %s has no %s", kernel->release, kernel->features[i].name);
		missing++;
	}
	if (!missing)
		doctor_ok(report, "Linux %s has all that the programs need", kernel->release);
}

static void check_tcx(struct doctor_report *report, const struct doctor_kernel *kernel)
{
	if (kernel->tcx == 1)
		doctor_ok(report, "tc programs are attached by links (TCX)");
	else if (kernel->tcx == 0)
		doctor_ok(report, "no TCX before Linux 6.6: tc programs are attached by clsact");
}

static void check_jit(struct doctor_report *report, const struct doctor_kernel *kernel)
{
	if (kernel->jit == 0)
		doctor_say(report, DOCTOR_WARNING, "sysctl -w net.core.bpf_jit_enable=1",
			   "BPF programs are interpreted: a packet costs several times as much");
	else if (kernel->jit > 0 && kernel->jit_harden > 1)
		doctor_say(report, DOCTOR_WARNING, "sysctl -w net.core.bpf_jit_harden=1 (only users without privilege are hardened against)",
			   "the JIT hardens root's programs, too: a packet costs more");
	else if (kernel->jit > 0)
		doctor_ok(report, "JIT is on%s", kernel->jit_harden == 1 ? ", hardened for users without privilege" : "");
}

void doctor_check_kernel(struct doctor_report *report, const struct doctor_kernel *kernel)
{
	const char *clock = kernel->clocksource;

	report->subject = "kernel";
	check_features(report, kernel);
	if (kernel->btf)
		doctor_ok(report, "BTF is there (/sys/kernel/btf/vmlinux)");
	else
		doctor_say(report, DOCTOR_PROBLEM, "boot a kernel with CONFIG_DEBUG_INFO_BTF=y: any of Debian's since 5.10",
			   "no BTF (/sys/kernel/btf/vmlinux)");
	check_tcx(report, kernel);
	check_jit(report, kernel);
	if (kernel->bpffs)
		doctor_ok(report, "bpffs is mounted at /sys/fs/bpf");
	else
		doctor_say(report, DOCTOR_WARNING, "mount -t bpf bpf /sys/fs/bpf",
			   "bpffs is not mounted at /sys/fs/bpf here: canaryd mounts it when it starts");
	if (!strcmp(clock, "hpet") || !strcmp(clock, "acpi_pm") || !strcmp(clock, "jiffies"))
		doctor_say(report, DOCTOR_WARNING, "look why the TSC is not used: dmesg | grep -i -e tsc -e clocksource",
			   "the clock is %s: each timed packet costs microseconds", clock);
	else if (*clock)
		doctor_ok(report, "the clock is %s", clock);
}

/* ---- host -------------------------------------------------------------------------------------------------- */

void doctor_check_clock(struct doctor_report *report, const struct doctor_clock *clock)
{
	report->subject = "host";
	if (clock->synchronised == 1)
		doctor_ok(report, "the time of day is synchronised");
	else if (clock->synchronised == 0)
		doctor_say(report, DOCTOR_WARNING, "timedatectl set-ntp true, or run chrony",
			   "the time of day is not synchronised: blackouts, mutes and the journal go by it");
	if (clock->suspended_s >= 1)
		doctor_say(report, DOCTOR_WARNING, "keep it awake: systemctl mask sleep.target suspend.target",
			   "this host has been suspended for %s: nothing is judged meanwhile",
			   format_duration(clock->suspended_s).text);
}

void doctor_check_memory(struct doctor_report *report, const struct doctor_memory *memory)
{
	struct format needs = format_bytes((double)memory->needs), there = format_bytes((double)memory->available);
	static const char smaller[] = "set a smaller flow_table, max_versions or max_backends";

	report->subject = "host";
	if (memory->is_taken)
		doctor_ok(report, "the maps are made; with this configuration they take about %s", needs.text);
	else if (memory->available && memory->needs > memory->available)
		doctor_say(report, DOCTOR_PROBLEM, smaller, "the maps take about %s, and %s of memory are available", needs.text,
			   there.text);
	else if (memory->is_charged_there && memory->needs > memory->memlock)
		doctor_say(report, DOCTOR_WARNING, "LimitMEMLOCK=infinity in the unit, or ulimit -l unlimited; root's canaryd raises it itself",
			   "the maps take about %s, and before Linux 5.11 they count against a limit of %s", needs.text,
			   format_bytes((double)memory->memlock).text);
	else if (memory->available && memory->needs > memory->available / 2)
		doctor_say(report, DOCTOR_WARNING, smaller, "the maps take about %s, more than half of the %s that are available",
			   needs.text, there.text);
	else
		doctor_ok(report, "the maps take about %s, of %s that are available", needs.text, there.text);
}

void doctor_check_place(struct doctor_report *report, const struct doctor_place *place)
{
	uint64_t needs = place->needs + DISK_SPARE;

	report->subject = "host";
	if (place->writable == -EACCES || place->writable == -EPERM)
		doctor_say(report, DOCTOR_WARNING, "run it as root, as canaryd is", "%s %s cannot be written by you", place->key,
			   place->path);
	else if (place->writable)
		doctor_say(report, DOCTOR_PROBLEM, "choose another, or make it writable", "%s %s cannot be written: %s",
			   place->key, place->path, strerror(-place->writable));
	else if (place->free_bytes < needs)
		doctor_say(report, DOCTOR_PROBLEM, "make room, or choose another place: a decision that cannot be written down is not made",
			   "%s %s: %s are free, and %s may be needed", place->key, place->path,
			   format_bytes((double)place->free_bytes).text, format_bytes((double)needs).text);
	else if (place->free_bytes < place->needs + DISK_LOW)
		doctor_say(report, DOCTOR_WARNING, "make room", "%s %s: only %s are free", place->key, place->path,
			   format_bytes((double)place->free_bytes).text);
	else
		doctor_ok(report, "%s %s can be written", place->key, place->path);
}

/* ---- daemon ------------------------------------------------------------------------------------------------ */

static void check_capabilities(struct doctor_report *report, const struct doctor_daemon *daemon)
{
	static const struct {
		const char *name;
		int bit;
	} needed[] = { { "CAP_NET_ADMIN", CAP_NET_ADMIN }, { "CAP_BPF", CAP_BPF }, { "CAP_PERFMON", CAP_PERFMON } };
	char missing[64] = "";
	size_t used = 0;

	if (daemon->capabilities < 0)
		return;
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (!(daemon->capabilities & (INT64_C(1) << needed[i].bit)))
			used += (size_t)snprintf(missing + used, sizeof(missing) - used, "%s%s", used ? ", " : "", needed[i].name);
	if (!used)
		doctor_ok(report, "%s has the capabilities that are needed", daemon->version ? "canaryd" : "this user");
	else if (daemon->version)
		doctor_say(report, DOCTOR_PROBLEM, "give its unit AmbientCapabilities= and CapabilityBoundingSet= with them",
			   "canaryd lacks %s", missing);
	else
		doctor_say(report, DOCTOR_WARNING, "run it as root: what follows is what you may see",
			   "this user lacks %s; canaryd needs them", missing);
}

static void check_answer(struct doctor_report *report, const struct doctor_daemon *daemon)
{
	if (!daemon->version)
		doctor_say(report, daemon->error == -ENOENT || daemon->error == -ECONNREFUSED ? DOCTOR_WARNING : DOCTOR_PROBLEM,
			   "systemctl start canaryd; or name its socket with --socket PATH / CANARYD_SOCKET",
			   "canaryd does not answer on %s: %s", daemon->socket, ctl_unreachable(daemon->error));
	else if (strcmp(daemon->version, daemon->expected))
		doctor_say(report, DOCTOR_WARNING, "install both from one package, then systemctl restart canaryd: no packet is lost",
			   "canaryd is %s, canaryctl is %s", daemon->version, daemon->expected);
	else
		doctor_ok(report, "canaryd %s answers on %s", daemon->version, daemon->socket);
	if (daemon->version && daemon->abi >= 0 && daemon->abi != daemon->expected_abi)
		doctor_say(report, DOCTOR_WARNING, "install both from one package",
			   "canaryd's maps have layout %d, canaryctl knows %d", daemon->abi, daemon->expected_abi);
}

static void check_lease(struct doctor_report *report, const struct doctor_daemon *daemon)
{
	bool over = daemon->pins.lease_ns && daemon->pins.lease_ns < daemon->now_ns;

	if (!daemon->version)
		doctor_say(report, DOCTOR_WARNING, "systemctl start canaryd; or take it away: start it, then canaryctl detach",
			   "a data plane without a daemon: packets are steered, %s",
			   over ? "new ones to the baselines alone, for the lease is over" :
			   daemon->pins.lease_ns ? "at their weights until the lease is over" : "at their weights, without a lease");
	else if (over)
		doctor_say(report, DOCTOR_PROBLEM, "journalctl -u canaryd; systemctl restart canaryd",
			   "canaryd answers, but its lease has been over for %s: it does not tick, and new flows go to the baselines",
			   format_duration((double)(daemon->now_ns - daemon->pins.lease_ns) / 1e9).text);
	else
		doctor_ok(report, "its lease is good: the kernel follows it");
}

static void check_pins(struct doctor_report *report, const struct doctor_daemon *daemon)
{
	static const char detach[] = "canaryctl detach, by the version that made them: it ends the flows that are open";

	if (daemon->pins_error == -ENOENT)
		return;
	if (daemon->pins_error == -EPROTO || (!daemon->pins_error && daemon->pins.abi != (uint32_t)daemon->expected_abi)) {
		doctor_say(report, DOCTOR_PROBLEM, detach, "what is pinned has the layout of another version of canaryd");
		return;
	}
	if (daemon->pins_error) {
		doctor_say(report, DOCTOR_WARNING, "run it as root", "what is pinned cannot be read: %s",
			   strerror(-daemon->pins_error));
		return;
	}
	check_lease(report, daemon);
	if (daemon->flow_table && daemon->pins.flows != daemon->flow_table)
		doctor_say(report, DOCTOR_WARNING, "canaryctl detach and a start give it that size: it ends the flows that are open",
			   "the flow table has %u entries, and flow_table is %u: what is pinned keeps its size",
			   daemon->pins.flows, daemon->flow_table);
}

void doctor_check_daemon(struct doctor_report *report, const struct doctor_daemon *daemon)
{
	report->subject = "daemon";
	check_answer(report, daemon);
	check_capabilities(report, daemon);
	check_pins(report, daemon);
}

/* ---- endpoints --------------------------------------------------------------------------------------------- */

void doctor_check_endpoint(struct doctor_report *report, const struct doctor_endpoint *endpoint)
{
	report->subject = endpoint->subject;
	if (endpoint->failed)
		doctor_say(report, endpoint->weight, endpoint->mend, "%s: %s", endpoint->what, endpoint->failed);
	else
		doctor_ok(report, "%s answers, in %s", endpoint->what, format_seconds(endpoint->seconds).text);
}

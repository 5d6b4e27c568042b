/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl doctor: what its rules make of a host's facts, and what the report looks like. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/capability.h>

#include "canaryd/api.h"
#include "tools/canaryctl/command.h"
#include "tools/canaryctl/ctl.h"
#include "tools/canaryctl/doctor_gather.h"
#include "tools/canaryctl/doctor_report.h"
#include "tools/canaryctl/doctor_rules.h"

/* The report has this line, and the level; every line that is not ok has a mend. Frees the report. */
static void expect(struct doctor_report *report, enum doctor_level level, const char *says)
{
	bool found = false;

	for (size_t i = 0; i < report->count; i++) {
		const struct doctor_line *line = &report->lines[i];

		if (line->level != DOCTOR_OK && !line->mend)
			fail_msg("no mend: %s", line->says);
		found |= line->level == level && strstr(line->says, says);
	}
	if (!found) {
		for (size_t i = 0; i < report->count; i++)
			print_error("%d %s: %s\n", report->lines[i].level, report->lines[i].subject, report->lines[i].says);
		fail_msg("no line of level %d has '%s'", level, says);
	}
	doctor_report_deinit(report);
}

/* Nothing but ok. */
static void expect_well(struct doctor_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->lines[i].level != DOCTOR_OK)
			fail_msg("%s: %s", report->lines[i].subject, report->lines[i].says);
	assert_true(report->count > 0);
	doctor_report_deinit(report);
}

/* ---- the host ---------------------------------------------------------------------------------------------- */

static struct doctor_kernel good_kernel(void)
{
	struct doctor_kernel kernel = { .release = "6.1.0", .btf = true, .tcx = 0, .jit = 1, .jit_harden = 0, .bpffs = true,
					.clocksource = "tsc" };

	for (size_t i = 0; i < DATAPATH_FEATURES; i++)
		kernel.features[i] = (struct datapath_feature){ "a feature", "5.8", 1 };
	return kernel;
}

static void kernels(void **state)
{
	struct doctor_report report = { 0 };
	struct doctor_kernel kernel = good_kernel();

	(void)state;
	doctor_check_kernel(&report, &kernel);
	expect_well(&report);
#define BAD(change, level, says)                          \
	do {                                              \
		kernel = good_kernel();                   \
		change;                                   \
		doctor_check_kernel(&report, &kernel);    \
		expect(&report, level, says);             \
	} while (0)
	BAD(kernel.features[3].there = 0, DOCTOR_PROBLEM, "Linux 6.1.0 has no a feature");
	BAD(kernel.features[0].there = -EPERM, DOCTOR_WARNING, "what it can was not tried: Operation not permitted");
	BAD(kernel.btf = false, DOCTOR_PROBLEM, "no BTF");
	BAD(kernel.jit = 0, DOCTOR_WARNING, "interpreted");
	BAD(kernel.jit_harden = 2, DOCTOR_WARNING, "hardens root's");
	BAD(kernel.bpffs = false, DOCTOR_WARNING, "not mounted");
	BAD(strcpy(kernel.clocksource, "hpet"), DOCTOR_WARNING, "the clock is hpet");
#undef BAD
}

static void clocks(void **state)
{
	struct doctor_report report = { 0 };

	(void)state;
	doctor_check_clock(&report, &(struct doctor_clock){ .synchronised = 1 });
	expect_well(&report);
	doctor_check_clock(&report, &(struct doctor_clock){ .synchronised = 0 });
	expect(&report, DOCTOR_WARNING, "not synchronised");
	doctor_check_clock(&report, &(struct doctor_clock){ .synchronised = 1, .suspended_s = 3600 });
	expect(&report, DOCTOR_WARNING, "suspended for 1 h");
}

static void memory_before_it_is_taken(void **state)
{
	struct doctor_report report = { 0 };
	const uint64_t mib = 1 << 20;

	(void)state;
	doctor_check_memory(&report, &(struct doctor_memory){ .needs = 100 * mib, .available = 1000 * mib });
	expect_well(&report);
	doctor_check_memory(&report, &(struct doctor_memory){ .needs = 100 * mib, .available = 150 * mib });
	expect(&report, DOCTOR_WARNING, "more than half");
	doctor_check_memory(&report, &(struct doctor_memory){ .needs = 200 * mib, .available = 150 * mib });
	expect(&report, DOCTOR_PROBLEM, "200 MiB, and 150 MiB");
	doctor_check_memory(&report, &(struct doctor_memory){ .needs = 200 * mib, .available = 150 * mib, .is_taken = true });
	expect_well(&report);
	doctor_check_memory(&report, &(struct doctor_memory){ .needs = mib, .available = 150 * mib, .memlock = 65536,
							      .is_charged_there = true });
	expect(&report, DOCTOR_WARNING, "limit of 64 KiB");
}

static void places(void **state)
{
	struct doctor_report report = { 0 };
	struct doctor_place place;

	(void)state;
	doctor_check_place(&report, &(struct doctor_place){ "state_dir", "/x", 0, 1ULL << 40, 0 });
	expect_well(&report);
	doctor_check_place(&report, &(struct doctor_place){ "state_dir", "/x", -EROFS, 1ULL << 40, 0 });
	expect(&report, DOCTOR_PROBLEM, "Read-only");
	doctor_check_place(&report, &(struct doctor_place){ "state_dir", "/x", -EACCES, 1ULL << 40, 0 });
	expect(&report, DOCTOR_WARNING, "by you");
	doctor_check_place(&report, &(struct doctor_place){ "state_dir", "/x", 0, 1 << 20, 0 });
	expect(&report, DOCTOR_PROBLEM, "1 MiB are free");
	doctor_check_place(&report, &(struct doctor_place){ "record", "/x", 0, 2ULL << 30, (2ULL << 30) - (100 << 20) });
	expect(&report, DOCTOR_WARNING, "only");
	doctor_gather_place("state_dir", "/proc/no/such/directory/at/all", 0, &place);
	assert_string_equal(place.path, "/proc/no/such/directory/at/all");
	assert_int_not_equal(place.free_bytes, UINT64_MAX);
}

/* ---- the daemon -------------------------------------------------------------------------------------------- */

static struct doctor_daemon good_daemon(void)
{
	return (struct doctor_daemon){
		.socket = "/s", .version = "1.0", .expected = "1.0", .abi = 2, .expected_abi = 2,
		.capabilities = 1LL << CAP_NET_ADMIN | 1LL << CAP_BPF | 1LL << CAP_PERFMON,
		.pins = { .abi = 2, .flows = 1000, .lease_ns = 2000 }, .now_ns = 1000, .flow_table = 1000,
	};
}

static void daemons(void **state)
{
	struct doctor_report report = { 0 };
	struct doctor_daemon daemon = good_daemon();

	(void)state;
	doctor_check_daemon(&report, &daemon);
	expect_well(&report);
#define BAD(change, level, says)                          \
	do {                                              \
		daemon = good_daemon();                   \
		change;                                   \
		doctor_check_daemon(&report, &daemon);    \
		expect(&report, level, says);             \
	} while (0)
	BAD(daemon.version = "0.9", DOCTOR_WARNING, "canaryd is 0.9, canaryctl is 1.0");
	BAD(daemon.abi = 3, DOCTOR_WARNING, "layout 3, canaryctl knows 2");
	BAD(daemon.capabilities = 1LL << CAP_NET_ADMIN, DOCTOR_PROBLEM, "canaryd lacks CAP_BPF, CAP_PERFMON");
	BAD(daemon.now_ns = 3000000000, DOCTOR_PROBLEM, "its lease has been over for 3.0 s");
	BAD(daemon.pins.flows = 500, DOCTOR_WARNING, "has 500 entries, and flow_table is 1000");
	BAD(daemon.pins_error = -EPROTO, DOCTOR_PROBLEM, "layout of another version");
	BAD(daemon.pins.abi = 1, DOCTOR_PROBLEM, "layout of another version");
	BAD(daemon.pins_error = -EACCES, DOCTOR_WARNING, "cannot be read");
	BAD((daemon.version = NULL, daemon.error = -ENOENT, daemon.pins_error = -ENOENT), DOCTOR_WARNING, "does not answer");
	BAD((daemon.version = NULL, daemon.error = -ETIMEDOUT), DOCTOR_PROBLEM, "does not answer");
	BAD((daemon.version = NULL, daemon.error = -ENOENT, daemon.now_ns = 3000), DOCTOR_WARNING,
	    "without a daemon: packets are steered, new ones to the baselines alone");
	BAD((daemon.version = NULL, daemon.error = -ENOENT, daemon.capabilities = 0), DOCTOR_WARNING, "this user lacks");
#undef BAD
}

/* ---- interfaces -------------------------------------------------------------------------------------------- */

static struct doctor_interface good_interface(void)
{
	return (struct doctor_interface){ .name = "eth0", .exists = true, .up = true, .mtu = 1500, .driver = "ice", .native = 1,
					  .several_buffers = 0, .forwarding4 = 1, .forwarding6 = 1 };
}

static void interfaces(void **state)
{
	struct doctor_report report = { 0 };
	struct doctor_interface interface = good_interface();
	struct doctor_needs needs = { .interfaces = 1, .sends4 = true, .routes6 = true };

	(void)state;
	doctor_check_interface(&report, &interface, &needs);
	expect_well(&report);
#define BAD(change, level, says)                                      \
	do {                                                          \
		interface = good_interface();                         \
		change;                                               \
		doctor_check_interface(&report, &interface, &needs);  \
		expect(&report, level, says);                         \
	} while (0)
	BAD(interface.exists = false, DOCTOR_PROBLEM, "no such interface");
	BAD(interface.up = false, DOCTOR_PROBLEM, "it is down");
	BAD(interface.native = 0, DOCTOR_WARNING, "ice has no native XDP");
	BAD((interface.hooks = (struct datapath_hooks){ DATAPATH_XDP_NATIVE, 7, false, "filter", 0 }), DOCTOR_PROBLEM,
	    "another XDP program is on it: id 7, filter");
	BAD((interface.hooks = (struct datapath_hooks){ DATAPATH_XDP_GENERIC, 7, true, "", 0 }), DOCTOR_WARNING, "by generic XDP");
	BAD((interface.hooks = (struct datapath_hooks){ DATAPATH_XDP_NATIVE, 7, true, "", 2 }), DOCTOR_WARNING, "2 other tc programs");
	BAD(interface.hooks_error = -EPERM, DOCTOR_WARNING, "cannot be seen");
	BAD(interface.mtu = 9000, DOCTOR_WARNING, "its MTU is 9000");
	BAD(interface.lro = 1, DOCTOR_WARNING, "LRO is on");
	BAD(interface.gro_hw = 1, DOCTOR_WARNING, "GRO in the card");
	BAD((interface.rx_vlan = 1, interface.has_vlans = true), DOCTOR_WARNING, "it has VLANs");
	BAD(interface.forwarding4 = 0, DOCTOR_PROBLEM, "it forwards no IPv4, and modes fullnat and dsr");
	BAD(interface.forwarding6 = 0, DOCTOR_PROBLEM, "it forwards no IPv6, and a backend is on another host");
	needs = (struct doctor_needs){ .interfaces = 2 };
	BAD(interface.rp_filter = 1, DOCTOR_WARNING, "rp_filter is strict");
#undef BAD
	needs = (struct doctor_needs){ .interfaces = 1 };
	interface = good_interface();
	interface.mtu = 9000;
	interface.several_buffers = 1; /* this one takes frames of several pages */
	interface.forwarding4 = interface.forwarding6 = 0; /* nobody needs it to */
	interface.rx_vlan = 1; /* without VLANs */
	interface.rp_filter = 1; /* there is no other interface */
	doctor_check_interface(&report, &interface, &needs);
	expect_well(&report);
}

static bool is_ten(const __be32 addr[4])
{
	return ntohl(addr[3]) >> 24 == 10;
}

static void what_services_need(void **state)
{
	static const char text[] = "interfaces: [eth0, eth1]\n"
				   "services:\n"
				   "  - name: a\n    vip: 192.0.2.1:80\n    baseline: v1\n"
				   "    versions: [{name: v1, backends: [\"10.0.0.1:80\"]}]\n"
				   "  - name: b\n    vip: 192.0.2.1:81\n    baseline: v1\n"
				   "    versions: [{name: v1, backends: [\"192.0.2.7:80\"]}]\n";
	struct config *config;
	struct doctor_needs needs;
	char *error = NULL;

	(void)state;
	if (config_load_text(text, strlen(text), "text", &config, &error))
		fail_msg("%s", error);
	needs = doctor_needs(config, is_ten);
	assert_true(needs.routes4 && !needs.sends4 && !needs.routes6 && needs.interfaces == 2);
	config_free(config);
}

/* ---- report ------------------------------------------------------------------------------------------------ */

static void a_report(void **state)
{
	struct doctor_report report = { .subject = "kernel" };
	struct page page = { .style = { .columns = 80 } };
	char *text = NULL;
	size_t size;
	json_t *json;

	(void)state;
	doctor_ok(&report, "all is %s", "well");
	report.subject = "interface eth0";
	doctor_say(&report, DOCTOR_PROBLEM, "plug it in", "it is down");
	page.out = open_memstream(&text, &size);
	doctor_print(&report, &page);
	fclose(page.out);
	assert_string_equal(text, "ok       kernel          all is well\n"
				  "problem  interface eth0  it is down\n"
				  "                         plug it in\n"
				  "1 problem, 0 warnings in 2 checks\n");
	json = doctor_json(&report);
	assert_int_equal(json_integer_value(json_object_get(json, "problems")), 1);
	assert_int_equal(json_array_size(json_object_get(json, "checks")), 2);
	json_decref(json);
	free(text);
	doctor_report_deinit(&report);
}

/* On this host, whatever it is: it comes to an end, and a configuration that is not there is a problem. */
static void without_a_configuration(void **state)
{
	char *arguments[] = { (char *)(uintptr_t) "canaryctl", (char *)(uintptr_t) "doctor", (char *)(uintptr_t) "-c",
			      (char *)(uintptr_t) "/nonexistent/canaryd.yaml", NULL };
	struct ctl ctl = { .socket = "/nonexistent/socket" };
	char *said = NULL, *complained = NULL;
	size_t out_size, err_size;

	(void)state;
	ctl.out.style.columns = 200;
	ctl.out.out = open_memstream(&said, &out_size);
	ctl.err = open_memstream(&complained, &err_size);
	assert_int_equal(command_main(&ctl, 4, arguments), API_EXIT_FAILED);
	fclose(ctl.out.out);
	fclose(ctl.err);
	assert_non_null(strstr(said, "/nonexistent/canaryd.yaml"));
	assert_non_null(strstr(said, "canaryd does not answer on /nonexistent/socket"));
	assert_string_equal(complained, "");
	free(said);
	free(complained);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernels),
		cmocka_unit_test(clocks),
		cmocka_unit_test(memory_before_it_is_taken),
		cmocka_unit_test(places),
		cmocka_unit_test(daemons),
		cmocka_unit_test(interfaces),
		cmocka_unit_test(what_services_need),
		cmocka_unit_test(a_report),
		cmocka_unit_test(without_a_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

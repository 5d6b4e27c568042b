/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: defaults, the round trip, files. test_config_refused.c has the rules,
 * test_config_make.c what programs write.
 */
#include "user/config.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The least there is. */
#define MINIMAL                                                                                                     \
	"interfaces: [eth0]\nservices:\n  - name: web\n    vip: 192.0.2.10:80\n    baseline: v1\n"                 \
	"    versions:\n      - name: v1\n        backends: [10.0.0.1:80]\n"

static const char full[] =
	"interfaces: [eth0, eth1.100]\n"
	"services:\n"
	"  - name: checkout\n"
	"    vip: \"[2001:DB8::10]:443\"\n"
	"    protocol: udp\n"
	"    mode: dnat\n"
	"    affinity: client\n"
	"    affinity_prefix_v4: 24\n"
	"    affinity_prefix_v6: 64\n"
	"    baseline: v1\n"
	"    response_timeout_s: 2.5\n"
	"    syn_timeout_s: 1\n"
	"    udp_idle_s: 20\n"
	"    flood_limit: 2000\n"
	"    versions:\n"
	"      - name: v1\n"
	"        backends: ['[2001:db8:0:1::1]:8081', \"[2001:db8:0:1::2]:8081\"]\n"
	"      - name: v2\n"
	"        backends:\n"
	"          - \"[2001:db8:0:1::1]:8082\"\n"
	"        max_flows: 500\n"
	"    rollout:\n"
	"      steps:\n"
	"        - {weight: 0.1, min_s: 10, max_s: 20}\n"
	"        - weight: 33.333333333333336\n"
	"          manual: true\n"
	"      bake_s: 0\n"
	"      on_fail: hold\n"
	"      promote: never\n"
	"      on_new_canary: replace\n"
	"      undo_window_s: 60\n"
	"      expire_s: 7200\n"
	"      adaptive: true\n"
	"      adaptive_ratio: 2.5\n"
	"    blackouts:\n"
	"      - {days: [fri, sat], from: '22:00', to: 06:00}\n"
	"    breaker: {window_s: 2.5, min_failures: 3, ratio_percent: 0.5, http_5xx: true}\n"
	"    rescue: false\n"
	"    samples: {ipv4_prefix: 32, ipv6_prefix: 128, slow_response_s: 0.25, traces: false,\n"
	"      trace_url: 'https://traces.example/trace/{{trace_id}}?from=now-1h'}\n"
	"    cohorts:\n"
	"      - {name: office, action: canary, prefixes: [192.0.2.0/24, '2001:db8::/32']}\n"
	"      - {name: beta, action: weight, weight: 12.5, file: /etc/canaryd/beta}\n"
	"    hooks:\n"
	"      - {on: gate, name: tickets, command: 'jq -e .canary | grep -q \"it''s\"', timeout_s: 2.5, retries: 3}\n"
	"      - {on: rolled_back, url: 'http://hooks.example:8080/canary?x=1&y=2'}\n"
	"      - {on: promoted, name: party, argv: [/usr/bin/wall, 'it''s $HOME; no shell', '']}\n"
	"  - name: web.2_x-y\n"
	"    vip: 192.0.2.10:80\n"
	"    baseline: blue\n"
	"    versions: [{name: blue, backends: [192.0.2.11:80]}]\n"
	"tick_ms: 100\n"
	"socket: \"/run/it's here.sock\"\n"
	"listen: [127.0.0.1:9464, '[2001:DB8:0::1]:80', 0.0.0.0:1]\n"
	"state_dir: /srv/état\n"
	"pin_dir: /sys/fs/bpf/c2\n"
	"record: /var/log/ticks.jsonl\n"
	"record_mb: 5\n"
	"flow_table: 65536\n"
	"max_backends: 8\n"
	"max_versions: 6\n"
	"seed: 18446744073709551615\n"
	"lease: {s: 2.5, on_expiry: hold}\n"
	"blackouts: [{from: 2026-12-24T18:00, to: 2027-01-02T00:00}]\n"
	"alerts: [{url: http://alertmanager:9093}, {url: https://chat.example/x, kind: webhook, timeout_s: 1}]\n"
	"alert_rules: {error_delta: ticket, held: off, held_s: 60, runbook_url: https://runbooks.example/canary/}\n"
	"judge: {budget_failures: 100, alpha: 0.001, alpha_promotion: 0.02, margin: 1.5, margin_promotion: 3, delta: 0.2, p0: 0.01,\n"
	"  warmup_s: 5, block_s: 15, no_data_s: 7.25}\n";

static struct config *load(const char *text)
{
	struct config *config = NULL;
	char *error = NULL;
	int r = config_load_text(text, strlen(text), "c.yaml", &config, &error);

	if (r < 0)
		fail_msg("%d: %s", r, error);
	assert_null(error);
	return config;
}

static char *show(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(config_show(config, out), 0);
	fclose(out);
	return text;
}

/* ---- what is accepted ------------------------------------------------------------------------------------ */

static void test_defaults(void **state)
{
	static const double weights_percent[] = { 1, 5, 25, 50, 100 };
	struct config *config = load(MINIMAL);
	const struct config_service *service = &config->services[0];

	(void)state;
	assert_int_equal(config->tick_ms, 250);
	assert_string_equal(config->socket, "/run/canaryd/canaryd.sock");
	assert_string_equal(config->state_dir, "/var/lib/canaryd");
	assert_string_equal(config->pin_dir, "/sys/fs/bpf/canaryd");
	assert_string_equal(config->record, "");
	assert_int_equal(config->flow_table, 262144);
	assert_int_equal(config->max_backends, 64);
	assert_int_equal(config->max_versions, 32);
	assert_true(config->seed == 0);
	assert_true(config->lease.s == 15 && config->lease.on_expiry == CONFIG_ON_EXPIRY_BASELINE);
	assert_int_equal(service->protocol, IPPROTO_TCP);
	assert_int_equal(service->mode, CANARY_MODE_DNAT);
	assert_int_equal(service->affinity, CANARY_AFFINITY_FLOW);
	assert_int_equal(service->affinity_prefix_v4, 32);
	assert_int_equal(service->affinity_prefix_v6, 128);
	assert_true(service->response_timeout_s == 30 && service->syn_timeout_s == 3 && service->udp_idle_s == 60);
	assert_true(service->flood_limit == 0 && service->versions[0].max_flows == 0);
	assert_int_equal(service->rollout.steps_count, COUNT(weights_percent));
	for (size_t i = 0; i < COUNT(weights_percent); i++) {
		const struct config_step *step = &service->rollout.steps[i];

		assert_true(step->weight_percent == weights_percent[i]);
		assert_int_equal(step->weight_ppm, weights_percent[i] * 10000);
		assert_true(step->min_s == 60 && step->max_s == 3600 && !step->manual);
	}
	assert_true(service->rollout.bake_s == 300);
	assert_int_equal(service->rollout.on_fail, CONFIG_ON_FAIL_ROLLBACK);
	assert_int_equal(service->rollout.promote, CONFIG_PROMOTE_AUTO);
	assert_int_equal(service->rollout.on_new_canary, CONFIG_ON_NEW_CANARY_REFUSE);
	assert_true(service->rollout.undo_window_s == 3600 && service->rollout.expire_s == 86400);
	assert_true(!service->rollout.adaptive && service->rollout.adaptive_ratio == 3);
	assert_true(service->breaker.enabled && service->breaker.window_s == 10 && service->breaker.min_failures == 10);
	assert_true(service->breaker.ratio_percent == 50 && !service->breaker.http_5xx && service->rescue);
	assert_true(service->blackouts_count == 0 && config->blackouts_count == 0);
	config_free(config);
}

static void test_judge_defaults(void **state)
{
	struct config *config = load(MINIMAL);
	const struct judge_config *judge = &config->judge;

	(void)state;
	assert_true(judge->alpha == 0.01 && judge->alpha_promotion == 0.05);
	assert_true(judge->margin == 1.25 && judge->margin_promotion == 2);
	assert_true(judge->delta == 0.1 && judge->delta_promotion == 0.25);
	assert_true(judge->block_s == 30 && judge->hold_evidence == 5 && judge->p0 == 0.005 && judge->p0_rollback == 0.001);
	assert_true(judge->warmup_s == 60 && judge->guard_margin == 10 && judge->guard_evidence == 1000);
	assert_true(judge->guard_failures == 5 && judge->no_data_s == 10);
	assert_true(judge->noise && judge->aa && judge->noise_history_s == 1200 && judge->history_s == 300);
	assert_true(judge->slo == 0.999 && judge->burn_ratio == 2 && judge->burn_failures == 3);
	assert_true(judge->budget_failures == 0 && judge->weight_errors == 0.6 && judge->weight_latency == 0.4);
	assert_true(judge->critical_errors && !judge->critical_latency);
	config_free(config);
}

static void test_full(void **state)
{
	struct config *config = load(full);
	const struct config_service *service = config_find_service(config, "checkout");
	const struct config_version *v2;
	struct canary_endpoint endpoint;

	(void)state;
	assert_non_null(service);
	assert_null(config_find_service(config, "nope"));
	assert_int_equal(config->interfaces_count, 2);
	assert_string_equal(config->interfaces[1].name, "eth1.100");
	assert_string_equal(service->vip, "[2001:db8::10]:443");
	assert_int_equal(address_parse("[2001:db8::10]:443", IPPROTO_UDP, &endpoint), 0);
	assert_true(address_equal(&endpoint, &service->endpoint));
	assert_int_equal(service->affinity, CANARY_AFFINITY_CLIENT);
	v2 = config_find_version(service, "v2");
	assert_non_null(v2);
	assert_null(config_find_version(service, "v3"));
	assert_string_equal(v2->backends[0].address, "[2001:db8:0:1::1]:8082");
	assert_int_equal(v2->backends[0].endpoint.port, htons(8082));
	assert_int_equal(v2->backends[0].endpoint.protocol, IPPROTO_UDP);
	assert_true(service->flood_limit == 2000 && v2->max_flows == 500);
	assert_int_equal(service->rollout.steps[0].weight_ppm, 1000);
	assert_int_equal(service->rollout.steps[1].weight_ppm, 333333);
	assert_true(service->rollout.steps[1].manual);
	assert_true(service->rollout.steps[1].max_s == 3600);
	assert_int_equal(service->rollout.on_fail, CONFIG_ON_FAIL_HOLD);
	assert_int_equal(service->rollout.promote, CONFIG_PROMOTE_NEVER);
	assert_int_equal(service->rollout.on_new_canary, CONFIG_ON_NEW_CANARY_REPLACE);
	assert_true(service->rollout.undo_window_s == 60 && service->rollout.expire_s == 7200);
	assert_true(service->rollout.adaptive && service->rollout.adaptive_ratio == 2.5);
	assert_string_equal(config->socket, "/run/it's here.sock");
	assert_int_equal(config->listen_count, 3);
	assert_string_equal(config->listen[1].address, "[2001:db8::1]:80");
	assert_int_equal(config->listen[0].endpoint.port, htons(9464));
	assert_true(config->seed == UINT64_MAX);
	assert_true(config->judge.no_data_s == 7.25);
	config_free(config);
}

static void test_cohorts(void **state)
{
	struct config *config = load(full);
	const struct config_cohort *cohorts = config->services[0].cohorts;

	(void)state;
	assert_int_equal(config->services[0].cohorts_count, 2);
	assert_int_equal(cohorts[0].action, CANARY_COHORT_CANARY);
	assert_true(isnan(cohorts[0].weight_percent));
	assert_int_equal(cohorts[0].prefixes_count, 2);
	assert_int_equal(cohorts[0].prefixes[0].prefix.length, 120);
	assert_string_equal(cohorts[0].prefixes[1].text, "2001:db8::/32");
	assert_true(cohorts[1].weight_percent == 12.5);
	assert_string_equal(cohorts[1].file, "/etc/canaryd/beta");
	config_free(config);
}

static void test_hooks(void **state)
{
	struct config *config = load(full);
	const struct config_hook *hooks = config->services[0].hooks;

	(void)state;
	assert_int_equal(config->services[0].hooks_count, 3);
	assert_int_equal(hooks[2].argv_count, 3);
	assert_string_equal(hooks[2].argv[1].text, "it's $HOME; no shell");
	assert_string_equal(hooks[2].argv[2].text, "");
	assert_int_equal(hooks[0].on, CONFIG_HOOK_GATE);
	assert_string_equal(hooks[0].command, "jq -e .canary | grep -q \"it's\"");
	assert_true(hooks[0].timeout_s == 2.5 && hooks[0].retries == 3 && hooks[1].timeout_s == 10);
	assert_string_equal(hooks[1].name, "rolled_back-2");
	assert_int_equal(config->services[1].hooks_count, 0);
	assert_int_equal(config->alerts[0].kind, CONFIG_ALERT_ALERTMANAGER);
	assert_int_equal(config->alert_rules.error_delta, CONFIG_SEVERITY_TICKET);
	assert_int_equal(config->alert_rules.held, CONFIG_SEVERITY_OFF);
	assert_int_equal(config->alert_rules.service_down, CONFIG_SEVERITY_PAGE);
	for (int on = 0; on < CONFIG_HOOK_EVENTS; on++)
		assert_true(*config_hook_on_name((enum config_hook_on)on));
	config_free(config);
}

static void test_blackouts(void **state)
{
	struct config *config = load(full);
	const struct config_service *checkout = &config->services[0], *web = &config->services[1];
	struct tm friday = { .tm_year = 126, .tm_mon = 10, .tm_mday = 27, .tm_hour = 23, .tm_wday = 5 };
	struct tm christmas = { .tm_year = 126, .tm_mon = 11, .tm_mday = 25, .tm_hour = 12, .tm_wday = 5 };

	(void)state;
	assert_string_equal(config_blackout_active(config, checkout, &friday)->to, "06:00");
	assert_null(config_blackout_active(config, web, &friday));
	assert_null(config_blackout_active(config, NULL, &friday));
	assert_string_equal(config_blackout_active(config, web, &christmas)->to, "2027-01-02T00:00");
	assert_non_null(config_blackout_active(config, NULL, &christmas));
	friday.tm_hour = 12;
	assert_null(config_blackout_active(config, checkout, &friday));
	config_free(config);
}

static void test_round_trip(void **state)
{
	static const char *const texts[] = { MINIMAL, full };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct config *config = load(texts[i]), *again;
		char *shown = show(config), *shown_again;

		again = load(shown);
		shown_again = show(again);
		assert_true(config_equal(config, again));
		assert_string_equal(shown, shown_again);
		free(shown);
		free(shown_again);
		config_free(config);
		config_free(again);
	}
}

/* Each key alone, with another value, makes the configuration another one. */
static void test_equal(void **state)
{
	static const char *const changes[] = {
		"tick_ms: 251\n",
		"socket: /s\n",
		"listen: [127.0.0.1:9464]\n",
		"state_dir: /s\n",
		"pin_dir: /s\n",
		"flow_table: 2048\n",
		"max_backends: 9\n",
		"max_versions: 9\n",
		"seed: 1\n",
		"lease: {s: 16}\n",
		"lease: {on_expiry: hold}\n",
		"judge: {alpha: 0.02}\n",
		"judge: {no_data_s: 11}\n", "judge: {aa: false}\n",
		"    protocol: udp\n",
		"    affinity: client\n",
		"    affinity_prefix_v4: 8\n",
		"    breaker: {enabled: false}\n",
		"    rescue: false\n",
		"    breaker: {http_5xx: true}\n",
		"    rollout: {bake_s: 1}\n",		"    rollout: {on_fail: hold}\n",
		"    rollout: {promote: never}\n",
		"    rollout: {on_new_canary: replace}\n",
		"    rollout: {undo_window_s: 1}\n",
		"    rollout: {expire_s: 1}\n",
		"    blackouts: [{from: '01:00', to: '02:00'}]\n",
		"blackouts: [{days: [mon], from: '01:00', to: '02:00'}]\n",
		"    rollout: {steps: [{weight: 1}]}\n",
		"    udp_idle_s: 9\n",
		"    hooks: [{on: gate, command: 'true'}]\n",
		"alerts: [{url: http://a}]\n",
		"alert_rules: {drift: off}\n",
		"alert_rules: {generator_url: http://here}\n",
	};
	struct config *base = load(MINIMAL), *other;
	char text[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(changes); i++) {
		snprintf(text, sizeof(text), "%s%s", MINIMAL, changes[i]);
		other = load(text);
		if (config_equal(base, other))
			fail_msg("equal in spite of %s", changes[i]);
		config_free(other);
	}
	assert_true(config_equal(base, base));
	config_free(base);
}

/* ---- files ----------------------------------------------------------------------------------------------- */

static void test_file(void **state)
{
	char path[] = "/tmp/canaryd-test-config-XXXXXX";
	struct config *config = NULL;
	char *error = NULL;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, MINIMAL, strlen(MINIMAL)), strlen(MINIMAL));
	assert_int_equal(config_load(path, &config, &error), 0);
	config_free(config);
	assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
	assert_int_equal(config_load(path, &config, &error), -EFBIG);
	assert_non_null(strstr(error, "at most 1 MiB"));
	free(error);
	close(fd);
	unlink(path);
	assert_int_equal(config_load(path, &config, &error), -ENOENT);
	assert_non_null(strstr(error, path));
	assert_non_null(strstr(error, "config init"));
	free(error);
	assert_int_equal(config_load("/tmp", &config, &error), -EISDIR);
	free(error);
	assert_null(config_free(NULL));
}

static void test_keys(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	config_print_keys(out);
	fclose(out);
	assert_non_null(strstr(text, "\nservices[].versions[].backends[]\n    where it listens"));
	assert_non_null(strstr(text, "\ntick_ms\n    time from one look at the counters to the next; default 250; 10 … "
				     "60000\n"));
	assert_non_null(strstr(text, "\nservices[].rollout.on_fail\n    what becomes of a canary that fails; default "
				     "rollback; "
				     "rollback, hold\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_judge_defaults),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_blackouts),
		cmocka_unit_test(test_cohorts),
		cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}

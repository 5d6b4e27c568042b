/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: defaults, the round trip, files, what programs write. test_config_refused.c has the rules. */
#include "user/config.h"

#include <errno.h>
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
	"    versions:\n"
	"      - name: v1\n"
	"        backends: ['[2001:db8:0:1::1]:8081', \"[2001:db8:0:1::2]:8081\"]\n"
	"      - name: v2\n"
	"        backends:\n"
	"          - \"[2001:db8:0:1::1]:8082\"\n"
	"    rollout:\n"
	"      steps:\n"
	"        - {weight: 0.1, min_s: 10, max_s: 20}\n"
	"        - weight: 33.333333333333336\n"
	"          manual: true\n"
	"      bake_s: 0\n"
	"      on_fail: hold\n"
	"  - name: web.2_x-y\n"
	"    vip: 192.0.2.10:80\n"
	"    baseline: blue\n"
	"    versions: [{name: blue, backends: [192.0.2.11:80]}]\n"
	"tick_ms: 100\n"
	"socket: \"/run/it's here.sock\"\n"
	"state_dir: /srv/état\n"
	"pin_dir: /sys/fs/bpf/c2\n"
	"flow_table: 65536\n"
	"max_backends: 8\n"
	"max_versions: 6\n"
	"seed: 18446744073709551615\n"
	"judge: {alpha: 0.001, alpha_promotion: 0.02, margin: 1.5, margin_promotion: 3, delta: 0.2, p0: 0.01,\n"
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
	assert_int_equal(config->flow_table, 262144);
	assert_int_equal(config->max_backends, 64);
	assert_int_equal(config->max_versions, 32);
	assert_true(config->seed == 0);
	assert_int_equal(service->protocol, IPPROTO_TCP);
	assert_int_equal(service->mode, CONFIG_MODE_DNAT);
	assert_int_equal(service->affinity, CANARY_AFFINITY_FLOW);
	assert_int_equal(service->affinity_prefix_v4, 32);
	assert_int_equal(service->affinity_prefix_v6, 128);
	assert_true(service->response_timeout_s == 30 && service->syn_timeout_s == 3 && service->udp_idle_s == 60);
	assert_int_equal(service->rollout.steps_count, COUNT(weights_percent));
	for (size_t i = 0; i < COUNT(weights_percent); i++) {
		const struct config_step *step = &service->rollout.steps[i];

		assert_true(step->weight_percent == weights_percent[i]);
		assert_int_equal(step->weight_ppm, weights_percent[i] * 10000);
		assert_true(step->min_s == 60 && step->max_s == 3600 && !step->manual);
	}
	assert_true(service->rollout.bake_s == 300);
	assert_int_equal(service->rollout.on_fail, CONFIG_ON_FAIL_ROLLBACK);
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
	assert_true(judge->block_s == 30 && judge->p0 == 0.005 && judge->hold_evidence == 5);
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
	assert_int_equal(service->rollout.steps[0].weight_ppm, 1000);
	assert_int_equal(service->rollout.steps[1].weight_ppm, 333333);
	assert_true(service->rollout.steps[1].manual);
	assert_true(service->rollout.steps[1].max_s == 3600);
	assert_int_equal(service->rollout.on_fail, CONFIG_ON_FAIL_HOLD);
	assert_string_equal(config->socket, "/run/it's here.sock");
	assert_true(config->seed == UINT64_MAX);
	assert_true(config->judge.no_data_s == 7.25);
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
		"state_dir: /s\n",
		"pin_dir: /s\n",
		"flow_table: 2048\n",
		"max_backends: 9\n",
		"max_versions: 9\n",
		"seed: 1\n",
		"judge: {alpha: 0.02}\n",
		"judge: {no_data_s: 11}\n", "judge: {aa: false}\n",
		"    protocol: udp\n",
		"    affinity: client\n",
		"    affinity_prefix_v4: 8\n",
		"    rollout: {bake_s: 1}\n",
		"    rollout: {on_fail: hold}\n",
		"    rollout: {steps: [{weight: 1}]}\n",
		"    udp_idle_s: 9\n",
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

/* ---- what programs write --------------------------------------------------------------------------------- */

static int init(const char *vip, const char *baseline, const char *canary, char **ret_text, char **ret_error)
{
	size_t size;
	FILE *out = open_memstream(ret_text, &size);
	int r = config_init(out, NULL, vip, baseline, canary, NULL, ret_error);

	fclose(out);
	return r;
}

static void test_init(void **state)
{
	struct config *config;
	char *text, *error;

	(void)state;
	assert_int_equal(init("192.0.2.10:80", "10.0.0.1:80", "10.0.0.2:80,10.0.0.3:80", &text, &error), 0);
	config = load(text);
	assert_string_equal(config->interfaces[0].name, "eth0");
	assert_string_equal(config->services[0].name, "service");
	assert_int_equal(config->services[0].versions_count, 2);
	assert_int_equal(config->services[0].versions[1].backends_count, 2);
	assert_int_equal(config->services[0].rollout.steps_count, 5);
	config_free(config);
	free(text);
	assert_int_equal(init("[2001:db8::1]:80", "[2001:db8::2]:80", NULL, &text, &error), 0);
	config = load(text);
	assert_int_equal(config->services[0].versions_count, 1);
	config_free(config);
	free(text);
}

/* The keys that the starter file comments out are right when the comment sign goes. */
static void test_init_comments(void **state)
{
	struct config *config, *plain;
	char *text, *error;

	(void)state;
	assert_int_equal(init("192.0.2.10:80", "10.0.0.1:80", NULL, &text, &error), 0);
	plain = load(text);
	for (char *c = text; (c = strstr(c, "\n#")) != NULL; c++)
		if (c[2] != ' ')
			c[1] = ' ';
	for (char *c = text; (c = strstr(c, "\n ")) != NULL; c++)
		if (c[2] != ' ')
			memmove(c + 1, c + 2, strlen(c + 1));
	config = load(text);
	assert_true(config_equal(config, plain));
	config_free(config);
	config_free(plain);
	free(text);
}

static void test_init_refused(void **state)
{
	char *text, *error;

	(void)state;
	assert_int_equal(init("192.0.2.10:80", "10.0.0.1:80,", NULL, &text, &error), -EINVAL);
	assert_string_equal(text, "");
	assert_string_equal(error, "services[0].versions[0].backends[1]: is empty (where it listens: ADDR:PORT, an "
				   "IPv6 ADDR "
				   "in brackets, quoted)");
	free(text);
	free(error);
	assert_int_equal(init("192.0.2.10:80", "10.0.0.1:80", "x\ny: '", &text, &error), -EINVAL);
	assert_string_equal(text, "");
	free(text);
	free(error);
}

static void test_with_version(void **state)
{
	static const char *const fresh[] = { "10.0.0.7:80", "10.0.0.8:80" };
	static const char *const taken[] = { "10.0.0.1:80" };
	struct config *base = load(MINIMAL), *config;
	const struct config_version *version;
	char *error;

	(void)state;
	assert_int_equal(config_with_version(base, "web", "v2", fresh, 2, &config, &error), 0);
	assert_int_equal(config->services[0].versions_count, 2);
	version = config_find_version(&config->services[0], "v2");
	assert_string_equal(version->backends[1].address, "10.0.0.8:80");
	config_free(base);
	base = config;
	assert_int_equal(config_with_version(base, "web", "v2", fresh, 1, &config, &error), 0);
	assert_int_equal(config->services[0].versions_count, 2);
	assert_int_equal(config_find_version(&config->services[0], "v2")->backends_count, 1);
	config_free(config);
	assert_int_equal(config_with_version(base, "web", "v2", taken, 1, &config, &error), -EINVAL);
	assert_non_null(strstr(error, "services[0].versions[1].backends[0]: 10.0.0.1:80 is already"));
	assert_true(strncmp(error, "services", 8) == 0);
	free(error);
	config_free(base);
}

static void test_with_version_refused(void **state)
{
	static const char *const good[] = { "10.0.0.7:80" };
	static const char *const cut[] = { "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:655350" };
	static const char *const odd[] = { "10.0.0.7:80]\nseed: 7" };
	struct config *base = load(MINIMAL), *config;
	char *error;

	(void)state;
	assert_int_equal(config_with_version(base, "nope", "v2", good, 1, &config, &error), -ENOENT);
	free(error);
	assert_int_equal(config_with_version(base, "web", "v2", good, 0, &config, &error), -EINVAL);
	free(error);
	assert_int_equal(config_with_version(base, "web", "v2", cut, 1, &config, &error), -EINVAL);
	free(error);
	assert_int_equal(config_with_version(base, "web", "v2", odd, 1, &config, &error), -EINVAL);
	free(error);
	assert_int_equal(config_with_version(base, "web", "V2", good, 1, &config, &error), -EINVAL);
	free(error);
	assert_int_equal(config_with_version(base, "web", "abcdefghijklmnopqrstuvwxyz012345", good, 1, &config, &error),
			 -EINVAL);
	free(error);
	config_free(base);
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
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_init_comments),
		cmocka_unit_test(test_init_refused),
		cmocka_unit_test(test_with_version),
		cmocka_unit_test(test_with_version_refused),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}

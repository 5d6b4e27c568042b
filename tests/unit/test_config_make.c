/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configurations that programs write: the starter file, its strategies, a version more. */
#include "user/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The least there is. */
#define MINIMAL                                                                                                     \
	"interfaces: [eth0]\nservices:\n  - name: web\n    vip: 192.0.2.10:80\n    baseline: v1\n"                 \
	"    versions:\n      - name: v1\n        backends: [10.0.0.1:80]\n"

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

static int init_strategy(const char *strategy, char **ret_text, char **ret_error)
{
	size_t size;
	FILE *out = open_memstream(ret_text, &size);
	int r = config_init(out, NULL, "192.0.2.10:80", "10.0.0.1:80", "10.0.0.2:80", NULL, strategy, ret_error);

	fclose(out);
	return r;
}

static int init(const char *vip, const char *baseline, const char *canary, char **ret_text, char **ret_error)
{
	size_t size;
	FILE *out = open_memstream(ret_text, &size);
	int r = config_init(out, NULL, vip, baseline, canary, NULL, NULL, ret_error);

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

/* Blue/green and A/B are lists of steps. */
static void test_init_strategies(void **state)
{
	const struct config_rollout *rollout;
	struct config *config;
	char *text, *error;

	(void)state;
	assert_int_equal(init_strategy("blue-green", &text, &error), 0);
	config = load(text);
	rollout = &config->services[0].rollout;
	assert_true(rollout->steps_count == 1 && rollout->steps[0].weight_ppm == 1000000 && rollout->bake_s == 600);
	assert_true(rollout->undo_window_s == 86400 && rollout->promote == CONFIG_PROMOTE_AUTO);
	config_free(config);
	free(text);
	assert_int_equal(init_strategy("ab", &text, &error), 0);
	config = load(text);
	rollout = &config->services[0].rollout;
	assert_true(rollout->steps_count == 1 && rollout->steps[0].weight_ppm == 500000);
	assert_int_equal(rollout->promote, CONFIG_PROMOTE_NEVER);
	config_free(config);
	free(text);
	assert_int_equal(init_strategy("big-bang", &text, &error), -EINVAL);
	assert_string_equal(text, "");
	assert_non_null(strstr(error, "choose canary, blue-green or ab"));
	free(text);
	free(error);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_init_strategies),
		cmocka_unit_test(test_init_comments),
		cmocka_unit_test(test_init_refused),
		cmocka_unit_test(test_with_version),
		cmocka_unit_test(test_with_version_refused),
	};

	return cmocka_run_group_tests_name("config_make", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a mode does not let see: what status says is unavailable, metrics leave out. */
#include "user/view_unavailable.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <canaryd/counters.h>

static const char *const names[] = {
#define X(name, help) #name,
	CANARY_COUNTERS(X)
#undef X
	"ttfb_seconds", "connect_seconds",
};

static bool is_listed(const json_t *list, const char *name)
{
	const json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
		if (!strcmp(json_string_value(value), name))
			return true;
	return false;
}

static void check(enum canary_mode mode, int protocol, size_t hidden)
{
	const struct config_service config = { .mode = mode, .protocol = protocol };
	json_t *service = json_object(), *list;

	view_unavailable(service, &config);
	list = json_object_get(service, "unavailable");
	assert_int_equal(json_array_size(list), hidden);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(view_is_available(&config, names[i]), !is_listed(list, names[i]));
		hidden -= is_listed(list, names[i]);
	}
	assert_int_equal(hidden, 0); /* no name that is none */
	json_decref(service);
}

static void test_modes(void **state)
{
	(void)state;
	check(CANARY_MODE_DNAT, IPPROTO_TCP, 0);
	check(CANARY_MODE_FULLNAT, IPPROTO_UDP, 0);
	check(CANARY_MODE_DSR, IPPROTO_TCP, 16);
	check(CANARY_MODE_DSR, IPPROTO_UDP, 29);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes),
	};

	return cmocka_run_group_tests_name("unavailable", tests, NULL, NULL);
}

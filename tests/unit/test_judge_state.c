/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The judge's saved state and its configuration.
 */
#include "judge_fixture.h"

#include <errno.h>
#include <string.h>

static void *saved(const struct judge *j)
{
	void *buf = malloc(judge_state_size());

	judge_save(j, buf);
	return buf;
}

static void a_restart_spends_no_alpha(void **state)
{
	struct fixture *x = *state, *y;
	void *other, *a, *b;

	set_up(&other);
	y = other;
	x->traffic.latency = y->traffic.latency = 1;
	ticks(x, 60);
	ticks(y, 60);
	for (unsigned i = 0; i < 40; i++) {
		a = saved(y->j);
		configure(y); /* a new daemon, every tick */
		assert_int_equal(judge_restore(y->j, a, judge_state_size()), 0);
		free(a);
		ticks(x, 1);
		ticks(y, 1);
		assert_memory_equal(x->f, y->f, sizeof(*x->f));
	}
	a = saved(x->j);
	b = saved(y->j);
	assert_memory_equal(a, b, judge_state_size());
	free(a);
	free(b);
	tear_down(&other);
}

static void a_damaged_state_is_refused(void **state)
{
	struct fixture *x = *state;
	unsigned char *buf, *after;

	ticks(x, 10);
	buf = saved(x->j);
	ticks(x, 10);
	for (size_t i = 0; i < judge_state_size(); i += 97) {
		buf[i] ^= 1;
		assert_int_equal(judge_restore(x->j, buf, judge_state_size()), -EINVAL);
		buf[i] ^= 1;
	}
	assert_int_equal(judge_restore(x->j, buf, judge_state_size() - 1), -EINVAL);
	assert_int_equal(judge_restore(x->j, buf, 0), -EINVAL);
	after = saved(x->j);
	assert_int_equal(judge_restore(x->j, buf, judge_state_size()), 0);
	assert_memory_not_equal(buf, after, judge_state_size()); /* none of the refused ones had changed it */
	free(buf);
	free(after);
}

/* ---- configuration --------------------------------------------------------------------------------------- */

static void a_bad_constant_is_named(void **state)
{
	struct judge_config c = judge_config_default();
	char reason[FINDING_REASON];

	(void)state;
	assert_int_equal(judge_config_check(&c, reason), 0);
	c.alpha = 0;
	assert_int_equal(judge_config_check(&c, reason), -EINVAL);
	assert_string_equal(reason, "alpha is 0: it must be above 0 and at most 0.5");
	c = judge_config_default();
	c.margin = NAN;
	assert_int_equal(judge_config_check(&c, reason), -EINVAL);
	assert_non_null(strstr(reason, "margin"));
	c = judge_config_default();
	c.weight_errors = 0.7;
	assert_int_equal(judge_config_check(&c, reason), -EINVAL);
	assert_non_null(strstr(reason, "add up to 1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_restart_spends_no_alpha),
		TEST(a_damaged_state_is_refused),
		TEST(a_bad_constant_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the journal keeps of alerts: incidents and reports by what they are about, posts in the order they were made in. */
#include "tests/unit/journal_fixture.h"

#include "user/journal_alerts.h"

static struct journal_alert an_alert(const char *version, const char *key)
{
	return (struct journal_alert){
		.service = "web", .name = "SecurityAlert", .version = version, .key = key, .severity = "page",
		.action = "hold", .summary = "it is open", .description = "", .began = 1700000000.25, .uid = 1000,
	};
}

static struct journal_alerts alerts(struct fixture *f)
{
	struct journal_alerts list = { 0 };

	assert_int_equal(journal_alerts_load(f->journal, &list), 0);
	return list;
}

static void an_alert_is_kept(void **state)
{
	struct fixture *f = *state;
	struct journal_alert alert = an_alert("v2", "CVE-1"), other = an_alert("v2", "");
	struct journal_alerts list;

	other.action = NULL;
	other.until = 1700000100.5;
	other.told = true;
	other.uid = -1;
	other.began++;
	assert_int_equal(journal_alert_save(f->journal, &alert, true), 0);
	assert_int_equal(journal_alert_save(f->journal, &other, false), 0);
	alert.severity = "ticket"; /* the same again is not another */
	assert_int_equal(journal_alert_save(f->journal, &alert, true), 0);
	reopen(f);
	list = alerts(f);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[0].service, "web");
	assert_string_equal(list.items[0].name, "SecurityAlert");
	assert_string_equal(list.items[0].version, "v2");
	assert_string_equal(list.items[0].key, "CVE-1");
	assert_string_equal(list.items[0].severity, "ticket");
	assert_string_equal(list.items[0].action, "hold");
	assert_string_equal(list.items[0].summary, "it is open");
	assert_true(list.items[0].began == 1700000000.25 && list.items[0].until == 0);
	assert_true(list.items[0].uid == 1000 && !list.items[0].told);
	assert_null(list.items[1].action);
	assert_true(list.items[1].until == 1700000100.5 && list.items[1].uid == -1 && list.items[1].told);
	journal_alerts_clear(&list);
}

static void one_that_is_over_is_deleted(void **state)
{
	struct fixture *f = *state;
	struct journal_alert alert = an_alert("v2", ""), other = an_alert("v3", "");
	struct journal_alerts list;

	assert_int_equal(journal_alert_save(f->journal, &alert, true), 0);
	assert_int_equal(journal_alert_save(f->journal, &other, true), 0);
	assert_int_equal(journal_alert_delete(f->journal, &alert, false), 0);
	assert_int_equal(journal_alert_delete(f->journal, &alert, true), 0);
	list = alerts(f);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.items[0].version, "v3");
	journal_alerts_clear(&list);
}

static size_t posts(struct fixture *f, const char *url, char bodies[64])
{
	struct journal_posts list = { 0 };
	size_t count;

	bodies[0] = 0;
	assert_int_equal(journal_posts_load(f->journal, url, &list), 0);
	for (size_t i = 0; i < list.count; i++)
		strcat(bodies, list.items[i].body);
	count = list.count;
	journal_posts_clear(&list);
	return count;
}

static void posts_are_kept_in_order(void **state)
{
	static const char *const urls[] = { "http://b/", "http://c/" };
	struct fixture *f = *state;
	int64_t first, id;
	char bodies[64];

	assert_int_equal(journal_post_add(f->journal, "http://a/", "1", &first), 0);
	assert_int_equal(journal_post_add(f->journal, "http://b/", "2", &id), 0);
	assert_int_equal(journal_post_add(f->journal, "http://a/", "3", &id), 0);
	reopen(f);
	assert_int_equal(posts(f, "http://a/", bodies), 2);
	assert_string_equal(bodies, "13");
	assert_int_equal(journal_post_delete(f->journal, first), 0);
	assert_int_equal(journal_post_delete(f->journal, first), 0);
	posts(f, "http://a/", bodies);
	assert_string_equal(bodies, "3");
	assert_int_equal(journal_posts_prune(f->journal, urls, 2), 0);
	assert_int_equal(posts(f, "http://a/", bodies), 0);
	assert_int_equal(posts(f, "http://b/", bodies), 1);
	assert_int_equal(journal_posts_prune(f->journal, urls, 0), 0);
	assert_int_equal(posts(f, "http://b/", bodies), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_alert_is_kept),
		TEST(one_that_is_over_is_deleted),
		TEST(posts_are_kept_in_order),
	};

	return cmocka_run_group_tests_name("journal_alerts", tests, NULL, NULL);
}

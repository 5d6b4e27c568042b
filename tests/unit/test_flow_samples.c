/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples of failed and slow flows: what is kept of them, in which order, and what of a client is not. */
#include "user/flow_samples.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static const struct flow_mask masked = { 24, 48 }, whole = { 32, 128 };

static struct canary_event event_of(uint16_t kind, const char *client)
{
	struct canary_event event = { .kind = kind, .waited_ns = 1500000000, .age_ns = 2250000000, .request_turn = 3 };
	struct canary_endpoint endpoint;

	assert_int_equal(address_parse(client, IPPROTO_TCP, &endpoint), 0);
	memcpy(event.key.client, endpoint.addr, sizeof(event.key.client));
	event.key.client_port = endpoint.port;
	event.key.protocol = IPPROTO_TCP;
	return event;
}

static void add(struct flow_samples *samples, uint16_t kind)
{
	struct canary_event event = event_of(kind, "198.51.100.7:4711");

	flow_samples_add(samples, &event, &masked, "v2", "10.0.0.2:80", 1000);
}

static void test_what_is_kept(void **state)
{
	struct flow_samples *samples = flow_samples_new(100);
	struct canary_event event = event_of(CANARY_COUNTER_http_5xx, "198.51.100.7:4711");
	const struct flow_sample *sample;

	(void)state;
	assert_int_equal(flow_samples_last(samples), 99);
	assert_null(flow_samples_after(samples, FLOW_CLASSES_ALL, 0));
	memcpy(event.traceparent, PARENT, sizeof(PARENT));
	flow_samples_add(samples, &event, &masked, "v2", "10.0.0.2:80", 1000.5);
	sample = flow_samples_after(samples, FLOW_CLASSES_ALL, 0);
	assert_int_equal(sample->seq, 100);
	assert_int_equal(flow_samples_last(samples), 100);
	assert_true(sample->unix_s == 1000.5 && sample->waited_s == 1.5 && sample->age_s == 2.25);
	assert_int_equal(sample->class, FLOW_FAILED);
	assert_int_equal(sample->request, 3);
	assert_string_equal(sample->client, "198.51.100.0/24");
	assert_string_equal(sample->version, "v2");
	assert_string_equal(sample->backend, "10.0.0.2:80");
	assert_string_equal(sample->traceparent, PARENT);
	assert_string_equal(flow_samples_kind_name(sample->kind), "http_5xx");
	flow_samples_add(samples, &event, &whole, NULL, NULL, 1001);
	sample = flow_samples_newest(samples, FLOW_FAILED, 0);
	assert_string_equal(sample->client, "198.51.100.7:4711");
	assert_string_equal(sample->version, "");
	assert_string_equal(sample->backend, "");
	flow_samples_free(samples);
}

static void test_masks(void **state)
{
	static const struct {
		const char *client;
		struct flow_mask mask;
		const char *shown;
	} cases[] = {
		{ "198.51.100.7:4711", { 24, 48 }, "198.51.100.0/24" },
		{ "198.51.100.7:4711", { 31, 48 }, "198.51.100.6/31" },
		{ "198.51.100.7:4711", { 32, 48 }, "198.51.100.7:4711" },
		{ "198.51.100.7:4711", { 0, 48 }, "0.0.0.0/0" },
		{ "198.51.100.7:4711", { 24, 128 }, "198.51.100.0/24" },
		{ "[2001:db8:1:2::7]:4711", { 24, 48 }, "2001:db8:1::/48" },
		{ "[2001:db8:1:2::7]:4711", { 32, 48 }, "2001:db8:1::/48" },
		{ "[2001:db8:1:2::7]:4711", { 24, 127 }, "2001:db8:1:2::6/127" },
		{ "[2001:db8:1:2::7]:4711", { 24, 128 }, "[2001:db8:1:2::7]:4711" },
		{ "[2001:db8:1:2::7]:4711", { 24, 0 }, "::/0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct canary_event event = event_of(0, cases[i].client);
		char shown[FLOW_SAMPLES_CLIENT];

		flow_samples_client(&event.key, &cases[i].mask, shown);
		assert_string_equal(shown, cases[i].shown);
	}
}

static void test_traceparents(void **state)
{
	static const char *const good[] = {
		PARENT,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
		"00-00000000000000000000000000000001-0000000000000001-ff",
		"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", /* a version to come begins the same */
		"fe-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01",
	};
	static const char *const bad[] = {
		"",
		"00",
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"FF-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A",
		"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bz-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0 ",
		"00 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
		"00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
		"-00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
		" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-\r\n",
		"00-4bf92f3577b34da6\x1b[2Jce929d0e0e4736-00f067aa0ba902b7-01",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(flow_samples_is_traceparent(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct flow_samples *samples = flow_samples_new(1);
		struct canary_event event = event_of(CANARY_COUNTER_http_5xx, "198.51.100.7:4711");

		assert_false(flow_samples_is_traceparent(bad[i]));
		memcpy(event.traceparent, bad[i], strnlen(bad[i], sizeof(event.traceparent)));
		flow_samples_add(samples, &event, &masked, "v2", "10.0.0.2:80", 1);
		if (strlen(bad[i]) <= CANARY_TRACEPARENT)
			assert_string_equal(flow_samples_newest(samples, FLOW_FAILED, 0)->traceparent, "");
		flow_samples_free(samples);
	}
}

/* The kernel copies bytes as they come: neither an end nor text is sure. */
static void test_a_traceparent_without_an_end(void **state)
{
	struct flow_samples *samples = flow_samples_new(1);
	struct canary_event event = event_of(CANARY_COUNTER_http_5xx, "198.51.100.7:4711");

	(void)state;
	memset(event.traceparent, 'a', sizeof(event.traceparent));
	flow_samples_add(samples, &event, &masked, "v2", "10.0.0.2:80", 1);
	assert_string_equal(flow_samples_newest(samples, FLOW_FAILED, 0)->traceparent, "");
	flow_samples_free(samples);
}

static void test_the_classes(void **state)
{
	struct flow_samples *samples = flow_samples_new(1);

	(void)state;
	add(samples, CANARY_COUNTER_refused);
	add(samples, CANARY_EVENT_SLOW_RESPONSE);
	add(samples, CANARY_EVENT_SLOW_CONNECT);
	add(samples, CANARY_COUNTER_syn_timeout);
	assert_int_equal(flow_samples_kept(samples, FLOW_FAILED), 2);
	assert_int_equal(flow_samples_kept(samples, FLOW_SLOW), 2);
	assert_int_equal(flow_samples_after(samples, FLOW_CLASS_BIT(FLOW_SLOW), 0)->seq, 2);
	assert_int_equal(flow_samples_after(samples, FLOW_CLASS_BIT(FLOW_FAILED), 1)->seq, 4);
	for (uint64_t seq = 0; seq < 4; seq++)
		assert_int_equal(flow_samples_after(samples, FLOW_CLASSES_ALL, seq)->seq, seq + 1);
	assert_null(flow_samples_after(samples, FLOW_CLASSES_ALL, 4));
	assert_string_equal(flow_samples_kind_name(flow_samples_newest(samples, FLOW_SLOW, 0)->kind), "slow_connect");
	assert_string_equal(flow_samples_kind_name(flow_samples_newest(samples, FLOW_SLOW, 1)->kind), "slow_response");
	assert_null(flow_samples_newest(samples, FLOW_SLOW, 2));
	assert_string_equal(flow_samples_kind_name(0x7fff), "unknown");
	flow_samples_free(samples);
}

/* A burst of one class takes the room of none of the other. */
static void test_the_oldest_of_a_class_go(void **state)
{
	struct flow_samples *samples = flow_samples_new(1);
	uint64_t seq = 0;
	unsigned count = 0;

	(void)state;
	add(samples, CANARY_EVENT_SLOW_RESPONSE);
	for (unsigned i = 0; i < 3 * FLOW_SAMPLES_KEPT; i++)
		add(samples, CANARY_COUNTER_refused);
	add(samples, CANARY_EVENT_SLOW_CONNECT);
	for (const struct flow_sample *s; (s = flow_samples_after(samples, FLOW_CLASSES_ALL, seq)); seq = s->seq) {
		assert_true(s->seq > seq);
		count++;
	}
	assert_int_equal(count, FLOW_SAMPLES_KEPT + 2);
	assert_int_equal(seq, flow_samples_last(samples));
	assert_int_equal(flow_samples_after(samples, FLOW_CLASSES_ALL, 0)->seq, 1);
	assert_int_equal(flow_samples_after(samples, FLOW_CLASSES_ALL, 1)->seq, 2 * FLOW_SAMPLES_KEPT + 2);
	assert_int_equal(flow_samples_kept(samples, FLOW_FAILED), 3 * FLOW_SAMPLES_KEPT);
	assert_non_null(flow_samples_newest(samples, FLOW_FAILED, FLOW_SAMPLES_KEPT - 1));
	assert_null(flow_samples_newest(samples, FLOW_FAILED, FLOW_SAMPLES_KEPT));
	flow_samples_free(samples);
}

static void add_after(struct flow_samples *samples, uint16_t kind, uint32_t suppressed)
{
	struct canary_event event = event_of(kind, "198.51.100.7:4711");

	event.suppressed = suppressed;
	flow_samples_add(samples, &event, &masked, "v2", "10.0.0.2:80", 1000);
}

/* Until an event tells of them they are in the kernel's budget, and between the two for a moment in neither. */
static void test_left_out(void **state)
{
	struct flow_samples *samples = flow_samples_new(1);

	(void)state;
	flow_samples_set_untold(samples, FLOW_FAILED, 5); /* left out before the daemon began */
	assert_int_equal(flow_samples_left_out(samples, FLOW_FAILED), 0);
	flow_samples_set_untold(samples, FLOW_FAILED, 45);
	assert_int_equal(flow_samples_left_out(samples, FLOW_FAILED), 40);
	flow_samples_set_untold(samples, FLOW_FAILED, 0);
	assert_int_equal(flow_samples_left_out(samples, FLOW_FAILED), 40);
	add_after(samples, CANARY_COUNTER_refused, 45);
	flow_samples_set_untold(samples, FLOW_FAILED, 2);
	assert_int_equal(flow_samples_left_out(samples, FLOW_FAILED), 42);
	assert_int_equal(flow_samples_left_out(samples, FLOW_SLOW), 0);
	flow_samples_set_untold(samples, FLOW_SLOW, 0);
	add_after(samples, CANARY_EVENT_SLOW_RESPONSE, 3);
	flow_samples_set_untold(samples, FLOW_SLOW, 0);
	assert_int_equal(flow_samples_left_out(samples, FLOW_SLOW), 3);
	assert_int_equal(flow_samples_left_out(samples, FLOW_FAILED), 42);
	flow_samples_free(samples);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_kept),
		cmocka_unit_test(test_masks),
		cmocka_unit_test(test_traceparents),
		cmocka_unit_test(test_a_traceparent_without_an_end),
		cmocka_unit_test(test_the_classes),
		cmocka_unit_test(test_the_oldest_of_a_class_go),
		cmocka_unit_test(test_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

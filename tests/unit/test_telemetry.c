/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf/telemetry.h: conversations between a client and a server, and what is to be counted.
 *
 * A script is a list of packets and pauses:
 *   >SA+100   a packet from the client (< from the server) with these flags (S A F R) and 100 bytes of payload
 *   @-100     its sequence number is that far from where the sender is
 *   ^-100     it acknowledges that much less than all the other side has sent
 *   =200      its payload begins with the status line of this status
 *   #7        a SYN with an initial sequence number moved by 7
 *   w0 x3 tls h2   a window of zero; three segments in one; a TLS handshake; the preface of HTTP/2
 *   unreachable   an ICMP error about the client's first packet; unreachable+7: about one that far behind it
 *   ~500      half a second passes           sweep   the sweep comes by           gone   the table loses the flow
 * Expected are counters, each 1 where nothing else is said, and nothing else; packets are always checked. `connect`,
 * `ttfb` and `events` are the durations measured and the failures reported; `state`, `closed` and `flows` the end.
 */
#include "bpf/sweep.h"
#include "bpf/telemetry_dsr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/conversations.h"
#include "tests/unit/conversations_dsr.h"

#define FIN TCP_FIN
#define SYN TCP_SYN
#define RST TCP_RST
#define ACK TCP_ACK
#define MS 1000000ULL
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define COUNTERS (sizeof(struct canary_counters) / sizeof(__u64))

static const char *const counter_names[] = {
#define X(name, help) #name,
	CANARY_COUNTERS(X)
#undef X
};

static const struct sweep_limits limits = {
	.syn_timeout_ns = 3000 * MS,
	.response_timeout_ns = 5000 * MS,
	.udp_idle_ns = 10000 * MS,
};

struct side {
	uint32_t isn;
	uint32_t next; /* where its next byte goes */
};

/* What the pseudo counters say, beside those of abi.h. */
struct seen {
	uint64_t connect, ttfb, events;
	uint64_t last_connect_ns, last_ttfb_ns, last_waited_ns;
};

struct world {
	uint64_t now_ns;
	bool udp, dsr, in_table;
	struct canary_flow flow;
	struct side client, server;
	struct canary_counters version, backend;
	struct seen seen;
	uint64_t request_packets, response_packets;
};

struct token {
	bool from_client;
	uint8_t flags;
	int32_t payload_len, seq_offset, ack_offset, isn_offset;
	uint32_t status, segments;
	uint32_t payload_start;
	uint16_t window;
};

static const char *read_flags(const char *text, uint8_t *ret_flags)
{
	static const char letters[] = "FSR.A";
	const char *letter;

	for (; *text && *text != '.' && (letter = strchr(letters, *text)); text++)
		*ret_flags |= 1 << (letter - letters);
	return text;
}

static struct token read_token(const char *text)
{
	struct token token = { .from_client = *text == '>', .window = 500, .segments = 1 };
	const char *start = text;
	char *end;

	text = read_flags(text + 1, &token.flags);
	while (*text) {
		char kind = *text;
		long value;

		if (!strncmp(text, "tls", 3) || !strncmp(text, "h2", 2)) {
			token.payload_start = bpf_htonl(kind == 't' ? 0x16030100 : 0x50524920);
			text += kind == 't' ? 3 : 2;
			continue;
		}
		value = strtol(text + 1, &end, 10);
		switch (kind) {
		case '+': token.payload_len = value; break;
		case '@': token.seq_offset = value; break;
		case '^': token.ack_offset = value; break;
		case '=': token.status = value; break;
		case '#': token.isn_offset = value; break;
		case 'x': token.segments = value; break;
		case 'w': token.window = value; break;
		default: fail_msg("token \"%s\"", start);
		}
		text = end;
	}
	return token;
}

static struct packet packet_of(struct world *w, const struct token *token)
{
	struct side *sender = token->from_client ? &w->client : &w->server;
	struct side *other = token->from_client ? &w->server : &w->client;
	struct packet p = {
		.protocol = w->udp ? IPPROTO_UDP : IPPROTO_TCP,
		.tcp_flags = token->flags,
		.window = token->window,
		.payload_len = token->payload_len,
		.payload_start = token->payload_start,
		.segments = token->segments,
	};
	uint32_t end;

	if (w->udp)
		return p;
	if (token->isn_offset)
		sender->next = sender->isn + token->isn_offset;
	p.seq = sender->next + token->seq_offset;
	p.ack = token->flags & ACK ? other->next + token->ack_offset : 0;
	end = p.seq + p.payload_len + !!(token->flags & SYN) + !!(token->flags & FIN);
	if ((int32_t)(end - sender->next) > 0 && !(token->flags & RST))
		sender->next = end;
	return p;
}

/* As split_account_dsr() of bpf/split_dsr.h has it. */
static void dsr_packet(struct world *w, const struct packet *p, struct tally *tally)
{
	struct observation seen = { .outcome = TELEMETRY_NO_OUTCOME };

	telemetry_dsr(&w->flow, p, telemetry_dsr_is_timed(&w->flow, p) ? w->now_ns : 0, tally, &seen);
	w->seen.events += seen.outcome != TELEMETRY_NO_OUTCOME;
	w->seen.last_waited_ns = seen.waited_ns ?: w->seen.last_waited_ns;
}

/* As split_find() and split_account() of bpf/split.bpf.c has it. */
static void client_packet(struct world *w, struct packet *p)
{
	struct tally tally = { &w->version, &w->backend };
	bool opens = !w->in_table || flow_reopens(&w->flow, p);

	if (!opens) {
		if (w->flow.request_turn)
			p->payload_start = 0;
		w->request_packets++;
		if (w->dsr)
			dsr_packet(w, p, &tally);
		else
			telemetry_request(&w->flow, p, telemetry_request_is_timed(&w->flow, p) ? w->now_ns : 0, &tally);
		return;
	}
	p->payload_start = 0;
	if (telemetry_is_stray(p))
		return;
	if (w->in_table && telemetry_gave_up_connecting(&w->flow))
		TALLY(&tally, abort_connect);
	memset(&w->flow, 0, sizeof(w->flow));
	w->flow.mode = w->dsr ? CANARY_MODE_DSR : CANARY_MODE_DNAT;
	w->in_table = true;
	w->request_packets++;
	telemetry_open(&w->flow, p, w->now_ns);
	telemetry_opened(&w->flow, &tally);
	if (w->flow.origin == CANARY_ORIGIN_SYN)
		TALLY(&tally, request_packets);
	else
		telemetry_request(&w->flow, p, w->now_ns, &tally);
}

/* As reply_packet() of bpf/reply.bpf.c has it. */
static void server_packet(struct world *w, struct packet *p, uint32_t status)
{
	struct tally tally = { &w->version, &w->backend };
	struct observation seen = { .outcome = TELEMETRY_NO_OUTCOME };

	if (!w->in_table)
		return;
	if (!telemetry_begins_response(&w->flow, p))
		status = 0;
	w->response_packets += p->segments;
	telemetry_reply(&w->flow, p, status, telemetry_reply_is_timed(&w->flow, p) ? w->now_ns : 0, &tally, &seen);
	w->seen.connect += !!seen.connect_ns;
	w->seen.ttfb += !!seen.ttfb_ns;
	w->seen.events += seen.outcome != TELEMETRY_NO_OUTCOME;
	w->seen.last_connect_ns = seen.connect_ns ?: w->seen.last_connect_ns;
	w->seen.last_ttfb_ns = seen.ttfb_ns ?: w->seen.last_ttfb_ns;
	w->seen.last_waited_ns = seen.waited_ns ?: w->seen.last_waited_ns;
}

static void unreachable(struct world *w, int32_t seq_offset)
{
	struct tally tally = { &w->version, &w->backend };
	struct observation seen = { .outcome = TELEMETRY_NO_OUTCOME };

	if (!w->in_table)
		return;
	telemetry_unreachable(&w->flow, w->client.isn + seq_offset, w->now_ns, &tally, &seen);
	w->seen.events += seen.outcome != TELEMETRY_NO_OUTCOME;
	w->seen.last_waited_ns = seen.waited_ns ?: w->seen.last_waited_ns;
}

static void sweep(struct world *w)
{
	struct tally tally = { &w->version, &w->backend };

	if (!w->in_table)
		return;
	switch (sweep_flow(&w->flow, &limits, w->now_ns)) {
	case SWEEP_KEEP: break;
	case SWEEP_SYN_TIMEOUT: TALLY(&tally, syn_timeout); break;
	case SWEEP_RESPONSE_TIMEOUT: TALLY(&tally, response_timeout); break;
	case SWEEP_REMOVE: w->in_table = false; break;
	}
}

static void step(struct world *w, const char *text)
{
	struct token token;
	struct packet p;

	w->now_ns += 1000;
	if (!strcmp(text, "sweep")) {
		sweep(w);
	} else if (!strcmp(text, "gone")) {
		w->in_table = false;
	} else if (!strncmp(text, "unreachable", strlen("unreachable"))) {
		unreachable(w, strtol(text + strlen("unreachable"), NULL, 10));
	} else if (*text == '~') {
		w->now_ns += strtoull(text + 1, NULL, 10) * MS - 1000;
	} else {
		token = read_token(text);
		p = packet_of(w, &token);
		if (token.from_client)
			client_packet(w, &p);
		else if (!w->dsr)
			server_packet(w, &p, token.status);
	}
}

static void play(struct world *w, const char *script, bool udp, bool dsr, uint32_t client_isn, uint32_t server_isn)
{
	char text[1024], *rest = text, *word;

	assert_true(strlen(script) < sizeof(text));
	strcpy(text, script);
	memset(w, 0, sizeof(*w));
	w->now_ns = 1000000 * MS;
	w->udp = udp;
	w->dsr = dsr;
	w->client.isn = w->client.next = client_isn;
	w->server.isn = w->server.next = server_isn;
	while ((word = strsep(&rest, " ")))
		if (*word)
			step(w, word);
}

static uint64_t pseudo_counter(const struct world *w, const char *name, size_t len, bool *ret_known)
{
	static const char *const names[] = { "connect", "ttfb", "events", "state", "closed", "flows",
					     "connect_us", "ttfb_us", "waited_us" };
	const uint64_t values[] = {
		w->seen.connect, w->seen.ttfb, w->seen.events, flow_state(&w->flow), flow_closed(&w->flow), w->in_table,
		w->seen.last_connect_ns / 1000, w->seen.last_ttfb_ns / 1000, w->seen.last_waited_ns / 1000,
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (strlen(names[i]) == len && !strncmp(names[i], name, len)) {
			*ret_known = true;
			return values[i];
		}
	*ret_known = false;
	return 0;
}

static int counter_index(const char *name, size_t len)
{
	for (size_t i = 0; i < COUNTERS; i++)
		if (strlen(counter_names[i]) == len && !strncmp(counter_names[i], name, len))
			return i;
	return -1;
}

/* Reads "name" or "name=3"; fills expected[] or compares what is not a counter of abi.h. */
static void expect_word(const struct world *w, const char *title, const char *word, uint64_t *expected)
{
	size_t len = strcspn(word, "=");
	uint64_t value = word[len] ? strtoull(word + len + 1, NULL, 10) : 1;
	int counter = counter_index(word, len);
	uint64_t have;
	bool known;

	if (counter >= 0) {
		expected[counter] = value;
		return;
	}
	have = pseudo_counter(w, word, len, &known);
	if (!known)
		fail_msg("%s: \"%s\" is no counter", title, word);
	if (have != value)
		fail_msg("%s: %s is %llu", title, word, (unsigned long long)have);
}

/* Bytes are compared where the row names them, and durations and events have to be named where there are any. */
static void expect(const struct world *w, const char *title, const char *wanted)
{
	uint64_t expected[COUNTERS] = { 0 };
	const uint64_t *have = (const uint64_t *)&w->version;
	char text[1024], *rest = text, *word;

	assert_memory_equal(&w->version, &w->backend, sizeof(w->version));
	assert_true(strlen(wanted) < sizeof(text));
	strcpy(text, wanted);
	expected[CANARY_COUNTER_request_packets] = w->request_packets;
	expected[CANARY_COUNTER_response_packets] = w->response_packets;
	expected[CANARY_COUNTER_request_bytes] = w->version.request_bytes;
	expected[CANARY_COUNTER_response_bytes] = w->version.response_bytes;
	while ((word = strsep(&rest, " ")))
		if (*word)
			expect_word(w, title, word, expected);
	for (size_t i = 0; i < COUNTERS; i++)
		if (have[i] != expected[i])
			fail_msg("%s: %s is %llu, not %llu", title, counter_names[i], (unsigned long long)have[i],
				 (unsigned long long)expected[i]);
	if ((w->seen.ttfb && !strstr(wanted, "ttfb")) || (w->seen.connect && !strstr(wanted, "connect")) ||
	    (w->seen.events && !strstr(wanted, "events")))
		fail_msg("%s: %llu durations to connect, %llu to first byte, %llu events", title,
			 (unsigned long long)w->seen.connect, (unsigned long long)w->seen.ttfb,
			 (unsigned long long)w->seen.events);
}

/* Sequence numbers that stay, that wrap at 2^32 soon and that cross 2^31 soon: the outcome is the same. */
static void play_all(const struct conversation *rows, size_t count, bool udp, bool dsr)
{
	static const uint32_t isns[] = { 1000, 0xffffffff, 0xffffff00, 0x7fffff80, 0x80000000 };
	struct world w;

	for (size_t row = 0; row < count; row++)
		for (size_t i = 0; i < COUNT(isns); i++)
			for (size_t j = 0; j < COUNT(isns); j++) {
				play(&w, rows[row].script, udp, dsr, isns[i], isns[j]);
				expect(&w, rows[row].title, rows[row].expected);
			}
}

static void play_rows(const struct conversation *rows, size_t count, bool udp)
{
	play_all(rows, count, udp, false);
}

static void test_tcp(void **state)
{
	(void)state;
	play_rows(tcp_conversations, COUNT(tcp_conversations), false);
}

static void test_failures(void **state)
{
	(void)state;
	play_rows(failing_conversations, COUNT(failing_conversations), false);
}

static void test_reopening(void **state)
{
	(void)state;
	play_rows(reopened_conversations, COUNT(reopened_conversations), false);
}

static void test_sweep(void **state)
{
	(void)state;
	play_rows(swept_conversations, COUNT(swept_conversations), false);
}

static void test_udp(void **state)
{
	(void)state;
	play_rows(udp_conversations, COUNT(udp_conversations), true);
}

static void test_dsr(void **state)
{
	(void)state;
	play_all(dsr_conversations, COUNT(dsr_conversations), false, true);
	play_all(dsr_udp_conversations, COUNT(dsr_udp_conversations), true, true);
}

/* The clocks of two CPUs may differ by a little: a duration is never negative, and never nothing. */
static void test_duration_is_never_negative(void **state)
{
	(void)state;
	assert_int_equal(telemetry_since(10, 20), 10);
	assert_int_equal(telemetry_since(20, 20), 1);
	assert_int_equal(telemetry_since(21, 20), 1);
}

static uint16_t outcome(uint64_t limit_connect_ns, uint64_t limit_response_ns, struct observation seen)
{
	struct canary_split split = { .slow_connect_ns = limit_connect_ns, .slow_response_ns = limit_response_ns };

	seen.outcome = TELEMETRY_NO_OUTCOME;
	telemetry_slow(&split, &seen);
	if (seen.outcome != TELEMETRY_NO_OUTCOME)
		assert_int_equal(seen.waited_ns, seen.ttfb_ns ?: seen.connect_ns);
	return seen.outcome;
}

static void test_slow(void **state)
{
	(void)state;
	assert_int_equal(outcome(0, 100, (struct observation){ .ttfb_ns = 99 }), TELEMETRY_NO_OUTCOME);
	assert_int_equal(outcome(0, 100, (struct observation){ .ttfb_ns = 100 }), CANARY_EVENT_SLOW_RESPONSE);
	assert_int_equal(outcome(0, 100, (struct observation){ .connect_ns = 1000 }), TELEMETRY_NO_OUTCOME);
	assert_int_equal(outcome(100, 0, (struct observation){ .connect_ns = 99 }), TELEMETRY_NO_OUTCOME);
	assert_int_equal(outcome(100, 0, (struct observation){ .connect_ns = 100 }), CANARY_EVENT_SLOW_CONNECT);
	assert_int_equal(outcome(100, 0, (struct observation){ .ttfb_ns = 1000 }), TELEMETRY_NO_OUTCOME);
	assert_int_equal(outcome(1, 1, (struct observation){}), TELEMETRY_NO_OUTCOME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),       cmocka_unit_test(test_failures),
		cmocka_unit_test(test_reopening), cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_udp),       cmocka_unit_test(test_duration_is_never_negative),
		cmocka_unit_test(test_dsr),       cmocka_unit_test(test_slow),
	};

	return cmocka_run_group_tests_name("telemetry", tests, NULL, NULL);
}

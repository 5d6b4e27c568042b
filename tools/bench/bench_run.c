/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/bench/bench_run.h"

#include "bench.skel.h"
#include "bench_reply.skel.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/udp.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>

#define NEW_FLOWS 8192
#define NEW_ROUNDS 11 /* few enough for all that they open to find room */
#define SHORT 10000 /* packets a run: of one flow, in less than a turn on the CPU */
#define SHORT_ROUNDS 55
#define LONG 50000  /* of 65,536 flows: most of them */
#define REQUEST_ROUNDS 25
#define NEVER 1e9 /* ns */

/* ---- packets -------------------------------------------------------------------------------------------------- */

#define PAYLOAD "HTTP/1.1 200"
#define PAYLOAD_LEN (sizeof(PAYLOAD) - 1)
#define PAYLOAD_MAX 1024
#define FRAME_MAX (sizeof(struct bench_frame6) + PAYLOAD_MAX)

static size_t payload_len(const struct shot *shot)
{
	return !shot->payload ? 0 : shot->text ? strlen(shot->text) : PAYLOAD_LEN;
}

static void fill_transport(void *to, const struct shot *shot, size_t len)
{
	struct udphdr udp = { .len = htons(len), .check = 0x1234 };
	struct tcphdr tcp = {
		.doff = 5, .window = htons(500),
		.ack_seq = htonl(shot->flags & SYN ? 1001 : 1U << 30), /* beyond all that was sent: all is acknowledged */
	};

	((uint8_t *)&tcp)[13] = shot->flags;
	if (shot->service == UDP)
		memcpy(to, &udp, sizeof(udp));
	else
		memcpy(to, &tcp, sizeof(tcp));
}

/* Returns the length of the frame. What a turn writes is left out. */
static size_t frame_of(const struct bench *b, const struct shot *shot, char frame[static FRAME_MAX])
{
	size_t len = (shot->service == TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr)) + payload_len(shot);
	uint8_t protocol = shot->service == TCP ? IPPROTO_TCP : IPPROTO_UDP;
	struct bench_frame four = { .payload = PAYLOAD };
	struct bench_frame6 six = { .payload = PAYLOAD };
	size_t whole = b->ipv6 ? sizeof(six) : sizeof(four);

	four.ip.version = 4;
	four.ip.ihl = 5;
	four.ip.protocol = protocol;
	four.ip.tot_len = htons(sizeof(four.ip) + len);
	six.ip.version = 6;
	six.ip.nexthdr = protocol;
	six.ip.payload_len = htons(len);
	fill_transport(&four.tcp, shot, len);
	fill_transport(&six.tcp, shot, len);
	memcpy(frame, &six, sizeof(six));
	if (!b->ipv6)
		memcpy(frame, &four, sizeof(four));
	if (!shot->text)
		return whole;
	whole -= sizeof(four.payload);
	memcpy(frame + whole, shot->text, payload_len(shot));
	return whole + payload_len(shot);
}

static const char *near_end(const struct bench *b, const struct shot *shot)
{
	if (shot->address)
		return shot->address;
	if (shot->reply)
		return b->ipv6 ? BENCH_BACKEND6 : BENCH_BACKEND;
	return b->ipv6 ? BENCH_VIP6 : BENCH_VIP;
}

static uint16_t near_port(const struct shot *shot)
{
	if (shot->port)
		return shot->port;
	if (shot->reply)
		return shot->service == TCP ? 8080 : 5353;
	return shot->service == TCP ? 80 : 53;
}

static struct bench_turn turn_of(const struct bench *b, const struct shot *shot, uint64_t number)
{
	bool nat = shot->reply && b->mode == CANARY_MODE_FULLNAT;
	struct canary_endpoint near = bench_endpoint(near_end(b, shot), near_port(shot), shot->service);
	struct canary_endpoint far = bench_endpoint(!b->ipv6 ? "0.0.0.0" : nat ? BENCH_SOURCES6 : BENCH_CLIENTS6, 0, TCP);
	struct bench_turn turn = {
		.number = number, .flow_bits = shot->flow_bits, .seq = shot->seq,
		.seq_step = payload_len(shot), .port = near.port, .udp = shot->service == UDP,
		.ipv6 = b->ipv6, .reply = shot->reply, .nat = nat,
		.tunnel = b->mode != CANARY_MODE_DSR ? 0 : b->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr),
	};

	memcpy(turn.near, near.addr, sizeof(turn.near));
	memcpy(turn.far, far.addr, sizeof(turn.far));
	return turn;
}

/* ---- runs ----------------------------------------------------------------------------------------------------- */

/* Runs a program `repeat` times, on packets from the interface (NULL: from anywhere). Returns ns per run. */
static double run(const struct bpf_program *program, const char *from, const void *frame, size_t len, uint32_t repeat,
		  uint32_t expected)
{
	struct xdp_md ctx = { .data_end = len, .ingress_ifindex = from ? if_nametoindex(from) : 0 };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = len, .repeat = repeat,
		    .ctx_in = from ? &ctx : NULL, .ctx_size_in = from ? sizeof(ctx) : 0);

	bench_must(bpf_prog_test_run_opts(bpf_program__fd(program), &options), "BPF_PROG_TEST_RUN");
	if (options.retval != expected)
		bench_must(-EINVAL, "a program says the packet was not what it should be");
	return options.duration;
}

/* A packet that leaves by the stack passes tc; all else is XDP's. */
static bool is_tc(const struct bench *b, const struct shot *shot)
{
	return shot->reply && b->mode == CANARY_MODE_DNAT;
}

static uint32_t verdict_of(const struct bench *b, const struct shot *shot, bool twin)
{
	if (is_tc(b, shot))
		return (uint32_t)-1;
	return b->mode == CANARY_MODE_DNAT || twin ? XDP_PASS : XDP_REDIRECT;
}

/* Takes the turn from `number` on. Returns ns per packet of the program or of its twin. */
static double shoot(const struct bench *b, const struct shot *shot, uint64_t number, uint32_t repeat, bool twin)
{
	struct bench_turn *turn = is_tc(b, shot) ? &b->reply->bss->turn : &b->split->bss->turn;
	const char *from = b->mode == CANARY_MODE_DNAT ? NULL : shot->reply ? "b0" : "c0";
	const struct bpf_program *program;
	char frame[FRAME_MAX];
	size_t len = frame_of(b, shot, frame);

	if (is_tc(b, shot))
		program = twin ? b->reply->progs.bench_reply_twin : b->reply->progs.bench_reply;
	else
		program = twin ? b->split->progs.bench_split_twin : b->split->progs.bench_split;
	*turn = turn_of(b, shot, number);
	return run(program, from, frame, len, repeat, verdict_of(b, shot, twin));
}

void bench_establish(const struct bench *b, unsigned bits)
{
	const struct shot shots[] = {
		{ TCP, false, NULL, 0, SYN, false, 1000, bits, NULL },
		{ TCP, true, NULL, 0, SYN | ACK, false, 5000, bits, NULL },
		{ TCP, false, NULL, 0, ACK, true, 1001, bits, NULL },
		{ TCP, true, NULL, 0, ACK, true, 5001, bits, NULL },
		{ UDP, false, NULL, 0, 0, true, 0, bits, NULL },
		{ UDP, true, NULL, 0, 0, true, 0, bits, NULL },
	};

	for (size_t i = 0; i < sizeof(shots) / sizeof(shots[0]); i++) {
		if (shots[i].reply && b->mode == CANARY_MODE_DSR)
			continue;
		shoot(b, &shots[i], 0, 1 << bits, false);
		if (b->mode == CANARY_MODE_FULLNAT && !shots[i].reply)
			bench_note_sources(b, shots[i].service, bits);
	}
}

/* ---- rounds --------------------------------------------------------------------------------------------------- */

static int rounds_of(const struct bench *b, unsigned bits)
{
	return bits == ONE ? SHORT_ROUNDS : b->rounds;
}

static uint32_t packets(unsigned bits)
{
	return bits == ONE ? SHORT : LONG;
}

/* ns of one lookup, on 2^bits keys in turn. */
static double hit(const struct bench *b, unsigned bits, bool twin)
{
	const struct bpf_program *lookup = b->ipv6 ? b->split->progs.bench_lru6 : b->split->progs.bench_lru;
	const struct shot shot = { .service = TCP, .flow_bits = bits };
	struct bench_frame frame = { 0 };

	b->split->bss->turn = turn_of(b, &shot, 0);
	return run(twin ? b->split->progs.bench_lru_twin : lookup, NULL, &frame, sizeof(frame), packets(bits), XDP_PASS);
}

/* The least of each so far. */
struct rounds {
	double with;
	double twin;
	double unit_with;
	double unit_twin;
};

static const struct rounds no_rounds = { NEVER, NEVER, NEVER, NEVER };

static void keep_least(double *least, double ns)
{
	if (ns < *least)
		*least = ns;
}

/* `b` holds the flows that the unit looks up. */
static void add_round(struct rounds *rounds, const struct bench *b, unsigned bits, double with, double twin)
{
	keep_least(&rounds->with, with);
	keep_least(&rounds->twin, twin);
	keep_least(&rounds->unit_with, hit(b, bits, false));
	keep_least(&rounds->unit_twin, hit(b, bits, true));
}

static struct result result_of(const struct rounds *rounds)
{
	double ns = rounds->with - rounds->twin;

	return (struct result){ .ns = ns, .units = ns / (rounds->unit_with - rounds->unit_twin) };
}

struct result bench_measure_unit(const struct bench *b, unsigned bits)
{
	struct rounds rounds = no_rounds;

	for (int i = 0; i < rounds_of(b, bits); i++)
		add_round(&rounds, b, bits, hit(b, bits, false), hit(b, bits, true));
	return result_of(&rounds);
}

struct result bench_measure_empty(const struct bench *b)
{
	struct rounds rounds = no_rounds;
	struct bench_frame frame = { 0 };

	for (int i = 0; i < rounds_of(b, ONE); i++)
		add_round(&rounds, b, ONE, run(b->split->progs.bench_empty, NULL, &frame, sizeof(frame), SHORT, XDP_PASS), 0);
	return result_of(&rounds);
}

struct result bench_measure_steady(const struct bench *b, const struct shot *shot)
{
	static uint64_t number = 1 << MANY; /* bench_establish() has sent what is before */
	uint32_t n = packets(shot->flow_bits);
	struct rounds rounds = no_rounds;

	for (int i = 0; i < rounds_of(b, shot->flow_bits); i++, number += n)
		add_round(&rounds, b, shot->flow_bits, shoot(b, shot, number, n, false), shoot(b, shot, number, n, true));
	return result_of(&rounds);
}

void bench_measure_turns(const struct bench *b, struct result *ret_request, struct result *ret_reply)
{
	struct shot ask = { TCP, false, NULL, 0, ACK, true, 1001, MANY, NULL };
	struct shot answer = { TCP, true, NULL, 0, ACK, true, 5001, MANY, NULL };
	struct rounds asked = no_rounds, answered = no_rounds;
	static uint64_t number = 1000 << MANY; /* beyond what bench_measure_steady() has sent */

	for (int i = 0; i < b->rounds; i++, number += 1 << MANY) {
		double with = shoot(b, &ask, number, 1 << MANY, false);

		keep_least(&answered.with, shoot(b, &answer, number, 1 << MANY, false));
		add_round(&asked, b, MANY, with, shoot(b, &ask, number, 1 << MANY, true));
		add_round(&answered, b, MANY, NEVER, shoot(b, &answer, number, 1 << MANY, true));
	}
	*ret_request = result_of(&asked);
	*ret_reply = result_of(&answered);
}

struct result bench_measure_requests(const struct bench *b, const char *text, unsigned bits)
{
	struct shot ask = { TCP, false, NULL, 0, ACK, true, 1001, bits, text };
	struct shot answer = { TCP, true, NULL, 0, ACK, true, 5001, bits, NULL };
	struct rounds asked = no_rounds;

	bench_must(strlen(text) < PAYLOAD_LEN || strlen(text) > PAYLOAD_MAX ? -EINVAL : 0, "the length of a request");
	for (uint64_t i = 1; i <= REQUEST_ROUNDS; i++) { /* bench_establish() was the first */
		double with = shoot(b, &ask, i << bits, 1 << bits, false);

		shoot(b, &answer, i << bits, 1 << bits, false);
		add_round(&asked, b, bits, with, shoot(b, &ask, i << bits, 1 << bits, true));
	}
	return result_of(&asked);
}

/* ---- new flows ------------------------------------------------------------------------------------------------ */

static struct shot opening(enum bench_service service)
{
	return (struct shot){ service, false, NULL, 0, service == TCP ? SYN : 0, service == UDP, 1000, EVERY, NULL };
}

void bench_open_clients(const struct bench *b, __u64 count)
{
	struct shot shot = opening(TCP);

	if (count)
		shoot(b, &shot, 0, count, false);
}

struct result bench_measure_new(struct bench *own, const struct bench *b, enum bench_service service)
{
	struct shot shot = opening(service);
	struct rounds rounds = no_rounds;

	for (int i = 0; i < NEW_ROUNDS; i++, own->next_client += NEW_FLOWS)
		add_round(&rounds, b, ONE, shoot(own, &shot, own->next_client, NEW_FLOWS, false),
			  shoot(own, &shot, own->next_client, NEW_FLOWS, true));
	return result_of(&rounds);
}

/* The turn is where the last shot left it. */
static double insert(const struct bench *own)
{
	struct bench_frame frame = { 0 };

	return run(own->split->progs.bench_insert, NULL, &frame, sizeof(frame), NEW_FLOWS, XDP_PASS);
}

struct result bench_measure_new_and_bare(struct bench *own, const struct bench *b, struct result *ret_bare)
{
	struct rounds rounds = no_rounds, bare = no_rounds;
	struct shot shot = opening(TCP);

	for (int i = 0; i < NEW_ROUNDS; i++, own->next_client += 2 * NEW_FLOWS) {
		double with = shoot(own, &shot, own->next_client, NEW_FLOWS, false);
		double inserted = insert(own);
		double twin = shoot(own, &shot, own->next_client, NEW_FLOWS, true);

		add_round(&rounds, b, ONE, with, twin);
		add_round(&bare, b, ONE, inserted, twin);
	}
	*ret_bare = result_of(&bare);
	return result_of(&rounds);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a packet costs: the median ns of BPF_PROG_TEST_RUN less those of a twin that does all but what is measured, for
 * one hot flow and for 65,536 flows in turn, in units of one lookup of a 40-byte key in the LRU table, measured in the
 * same run on as many keys. Exit 1 where a bound is exceeded, 2 where the bench itself failed. Pins nothing.
 *
 * A new flow has its bound where the table has room, which the sweep sees to. In a full one the kernel's eviction by
 * itself costs more; both are printed with what the bare insertion takes.
 */
#include "tools/bench/bench.h"

#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/udp.h>

#include "bench.skel.h"
#include "bench_reply.skel.h"

#define VIP BENCH_VIP
#define BACKEND BENCH_BACKEND
#define ONE 0   /* log2 of the number of flows */
#define MANY 16
#define EVERY 32
#define ROUNDS 11
#define REPEAT 50000
#define NEW_FLOWS 8192
#define TABLE (1 << 18)
#define ROOM (1 << 18) /* entries: as many as all rounds insert at the most */
#define FULL (1 << 16)

/* ---- runs ---------------------------------------------------------------------------------------------------- */

/* What is sent. */
struct shot {
	enum bench_service service;
	bool reply;
	const char *address; /* of the VIP or the backend */
	uint16_t port;
	uint8_t flags;
	bool payload;
	uint32_t seq;
	unsigned flow_bits;
};

static struct bench_frame frame_of(const struct shot *shot)
{
	size_t transport = shot->service == TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
	size_t len = transport + (shot->payload ? sizeof(((struct bench_frame *)0)->payload) : 0);
	struct bench_frame frame = { .eth.h_proto = htons(ETH_P_IP), .payload = "HTTP/1.1 200" };
	struct udphdr udp = { .len = htons(len), .check = 0x1234 };

	frame.ip.version = 4;
	frame.ip.ihl = 5;
	frame.ip.protocol = shot->service == TCP ? IPPROTO_TCP : IPPROTO_UDP;
	frame.ip.tot_len = htons(sizeof(frame.ip) + len);
	if (shot->service == UDP) {
		memcpy(&frame.tcp, &udp, sizeof(udp));
		return frame;
	}
	frame.tcp.doff = 5;
	frame.tcp.window = htons(500);
	frame.tcp.ack_seq = htonl(shot->flags & 2 ? 1001 : 1U << 30); /* beyond all that was sent: all is acknowledged */
	((uint8_t *)&frame.tcp)[13] = shot->flags;
	return frame;
}

/* Runs a program `repeat` times. Returns ns per run. */
static double run(int program, struct bench_frame frame, uint32_t repeat, uint32_t expected)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame, .data_size_in = sizeof(frame), .repeat = repeat);

	bench_must(bpf_prog_test_run_opts(program, &options), "BPF_PROG_TEST_RUN");
	if (options.retval != expected)
		bench_must(-EINVAL, "a program says the packet was not what it should be");
	return options.duration;
}

/* Takes the turn from `number` on. Returns ns per packet of the program or of its twin. */
static double shoot(const struct bench *b, const struct shot *shot, uint64_t number, uint32_t repeat, bool twin)
{
	struct bench_turn *turn = shot->reply ? &b->reply->bss->turn : &b->split->bss->turn;
	const struct bpf_program *program;

	if (shot->reply)
		program = twin ? b->reply->progs.bench_reply_twin : b->reply->progs.bench_reply;
	else
		program = twin ? b->split->progs.bench_split_twin : b->split->progs.bench_split;
	*turn = (struct bench_turn){
		.number = number, .flow_bits = shot->flow_bits, .seq = shot->seq,
		.seq_step = shot->payload ? sizeof(((struct bench_frame *)0)->payload) : 0,
		.address = inet_addr(shot->address), .port = htons(shot->port), .udp = shot->service == UDP,
	};
	return run(bpf_program__fd(program), frame_of(shot), repeat, shot->reply ? (uint32_t)-1 : XDP_PASS);
}

static int compare(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return difference > 0 ? 1 : difference < 0 ? -1 : 0;
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

/* ---- what is measured ---------------------------------------------------------------------------------------- */

#define SYN 0x02
#define ACK 0x10
#define REQUEST TCP, false, VIP, 80
#define REPLY TCP, true, BACKEND, 8080

/* Opens 2^bits flows of both services and lets both sides speak once. */
static void establish(const struct bench *b, unsigned bits)
{
	const struct shot shots[] = {
		{ REQUEST, SYN, false, 1000, bits },
		{ REPLY, SYN | ACK, false, 5000, bits },
		{ REQUEST, ACK, true, 1001, bits },
		{ REPLY, ACK, true, 5001, bits },
		{ UDP, false, VIP, 53, 0, true, 0, bits },
		{ UDP, true, BACKEND, 5353, 0, true, 0, bits },
	};

	for (size_t i = 0; i < sizeof(shots) / sizeof(shots[0]); i++)
		shoot(b, &shots[i], 0, 1 << bits, false);
}

/* ns of one lookup, on 2^bits keys in turn. */
static double hit(const struct bench *b, unsigned bits, bool twin)
{
	const struct bpf_program *program = twin ? b->split->progs.bench_lru_twin : b->split->progs.bench_lru;
	struct bench_frame frame = { 0 };

	b->split->bss->turn = (struct bench_turn){
		.flow_bits = bits, .address = inet_addr(VIP), .port = htons(80),
	};
	return run(bpf_program__fd(program), frame, REPEAT, XDP_PASS);
}

static double empty(const struct bench *b)
{
	struct bench_frame frame = { 0 };

	return run(bpf_program__fd(b->split->progs.bench_empty), frame, REPEAT, XDP_PASS);
}

/* The medians over the rounds. */
struct result {
	double ns;
	double units; /* each round's ns by the unit measured in that very round */
};

struct rounds {
	double ns[ROUNDS];
	double units[ROUNDS];
};

/* Round -1 only warms up. `b` holds the flows that the unit looks up. */
static void add_round(struct rounds *rounds, int round, const struct bench *b, unsigned bits, double ns)
{
	if (round < 0)
		return;
	rounds->ns[round] = ns;
	rounds->units[round] = ns / (hit(b, bits, false) - hit(b, bits, true));
}

static struct result result_of(struct rounds *rounds)
{
	return (struct result){ .ns = median(rounds->ns, ROUNDS), .units = median(rounds->units, ROUNDS) };
}

static struct result measure_unit(const struct bench *b, unsigned bits)
{
	struct rounds rounds;

	for (int i = -1; i < ROUNDS; i++)
		add_round(&rounds, i, b, bits, hit(b, bits, false) - hit(b, bits, true));
	return result_of(&rounds);
}

static struct result measure_empty(const struct bench *b)
{
	struct rounds rounds;

	for (int i = -1; i < ROUNDS; i++)
		add_round(&rounds, i, b, ONE, empty(b));
	return result_of(&rounds);
}

/* Packets of the same flows again and again. Their payload goes on from round to round, so that all of it is new. */
static struct result measure_steady(const struct bench *b, const struct shot *shot)
{
	static uint64_t number = 1 << MANY; /* establish() has sent what is before */
	struct rounds rounds;

	for (int i = -1; i < ROUNDS; i++, number += REPEAT) {
		double with = shoot(b, shot, number, REPEAT, false);

		add_round(&rounds, i, b, shot->flow_bits, with - shoot(b, shot, number, REPEAT, true));
	}
	return result_of(&rounds);
}

/* Each round every flow asks and is answered once: what begins a turn, in one direction or the other. */
static struct result measure_turns(const struct bench *b, bool reply)
{
	struct shot ask = { REQUEST, ACK, true, 1001, MANY }, answer = { REPLY, ACK, true, 5001, MANY };
	static uint64_t number = 1000 << MANY; /* beyond what measure_steady() has sent */
	struct rounds rounds;

	for (int i = -1; i < ROUNDS; i++, number += 1 << MANY) {
		double asked = shoot(b, &ask, number, 1 << MANY, false);
		double answered = shoot(b, &answer, number, 1 << MANY, false);
		double twin = shoot(b, reply ? &answer : &ask, number, 1 << MANY, true);

		add_round(&rounds, i, b, MANY, (reply ? answered : asked) - twin);
	}
	return result_of(&rounds);
}

/*
 * Every packet is a SYN of a client never seen, into a table of its own; units are those of `b`. `bare`: of every other
 * batch the flows are inserted and nothing else is done, and those are measured.
 */
static struct result measure_new_flows(const struct bench *b, bool full, bool bare)
{
	struct bench own = bench_open(full ? FULL : ROOM);
	struct shot shot = { REQUEST, SYN, false, 1000, EVERY };
	struct rounds rounds;
	uint64_t number = 0;

	if (full)
		shoot(&own, &shot, number, 2 * FULL, false);
	number += 2 * FULL;
	for (int i = -1; i < ROUNDS; i++, number += NEW_FLOWS) {
		double twin, with = shoot(&own, &shot, number, NEW_FLOWS, false);

		if (bare) {
			own.split->bss->turn.number = number += NEW_FLOWS;
			with = run(bpf_program__fd(own.split->progs.bench_insert), frame_of(&shot), NEW_FLOWS, XDP_PASS);
		}
		twin = shoot(&own, &shot, number, NEW_FLOWS, true);
		add_round(&rounds, i, b, ONE, with - twin);
	}
	bench_close(&own);
	return result_of(&rounds);
}

/* ---- the table ----------------------------------------------------------------------------------------------- */

static const struct row {
	const char *name;
	double bound; /* in units; 0: none */
	struct shot shot;
} rows[] = {
	{ "request of an established flow, with telemetry", 3, { REQUEST, ACK, true, 1001, 0 } },
	{ "acknowledgement of an established flow", 3, { REQUEST, ACK, false, 1001, 0 } },
	{ "datagram of an established flow (UDP)", 3, { UDP, false, VIP, 53, 0, true, 0, 0 } },
	{ "packet not for a service", 1.5, { TCP, false, VIP, 81, ACK, true, 1001, 0 } },
	{ "packet for a service's port, other address", 0, { TCP, false, "192.0.2.2", 80, ACK, true, 1001, 0 } },
	{ "reply of an established flow", 0, { REPLY, ACK, true, 5001, 0 } },
	{ "reply of an established flow (UDP)", 0, { UDP, true, BACKEND, 5353, 0, true, 0, 0 } },
	{ "packet leaving that is no reply of ours", 0, { TCP, true, BACKEND, 22, ACK, true, 5001, 0 } },
};

static const struct result none = { 0 };

static void print_cell(struct result result)
{
	if (result.ns > 0)
		printf("%7.0f %6.2f ", result.ns, result.units);
	else
		printf("%7s %6s ", "-", "-");
}

/* Returns whether the bound holds in every column that was measured. */
static bool print_row(const char *name, double bound, struct result one, struct result many)
{
	bool ok = !bound || (one.units <= bound && many.units <= bound);

	printf("%-48s", name);
	print_cell(one);
	print_cell(many);
	if (bound)
		printf("%6.1f  %s", bound, ok ? "ok" : "OVER");
	printf("\n");
	return ok;
}

static bool print_steady(const struct bench *b)
{
	bool ok = true;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct shot one = rows[i].shot, many = rows[i].shot;

		one.flow_bits = ONE;
		many.flow_bits = MANY;
		ok &= print_row(rows[i].name, rows[i].bound, measure_steady(b, &one), measure_steady(b, &many));
	}
	return ok;
}

static bool print_table(const struct bench *b)
{
	bool ok;

	printf("%-48s%15s%15s\n", "", "one flow ", "65,536 flows ");
	printf("%-48s%7s %6s %7s %6s %6s\n", "", "ns", "units", "ns", "units", "bound");
	print_row("empty program", 0, measure_empty(b), none);
	print_row("the unit: a hit in the LRU table, 40-byte key", 0, measure_unit(b, ONE), measure_unit(b, MANY));
	ok = print_steady(b);
	ok &= print_row("first packet of a request", 3, none, measure_turns(b, false));
	print_row("first packet of a response, timed", 0, none, measure_turns(b, true));
	ok &= print_row("new flow, room in the table", 15, measure_new_flows(b, false, false), none);
	print_row("    of which the kernel's insertion", 0, measure_new_flows(b, false, true), none);
	print_row("new flow, table full: one is evicted", 0, measure_new_flows(b, true, false), none);
	print_row("    of which the kernel's eviction and insertion", 0, measure_new_flows(b, true, true), none);
	return ok;
}

static int is_ours(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	return !strncmp(path + place->base, "bench", 5);
}

static bool nothing_is_pinned(void)
{
	if (nftw("/sys/fs/bpf", is_ours, 16, FTW_PHYS) <= 0)
		return true;
	fprintf(stderr, "bench: something of the bench is pinned below /sys/fs/bpf (remove it)\n");
	return false;
}

static void pin_to_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	bench_must(sched_setaffinity(0, sizeof(set), &set) ? errno : 0, "staying on one CPU");
}

int main(void)
{
	struct bench b;
	bool ok;

	setvbuf(stdout, NULL, _IOLBF, 0);
	pin_to_one_cpu();
	b = bench_open(TABLE);
	establish(&b, MANY);
	ok = print_table(&b);
	bench_close(&b);
	if (!nothing_is_pinned())
		return 2;
	return ok ? 0 : 1;
}

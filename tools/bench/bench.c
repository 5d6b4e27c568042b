/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a packet costs, in ns (see bench_run.h) and in units of one lookup of a 40-byte key in the LRU table, measured in
 * the same rounds on as many keys: for one hot flow and for 65,536 flows in turn. Exit 1 where a bound is exceeded, 2
 * where the bench itself failed. Pins nothing, and sends nothing.
 *
 * A new flow has its bound where the table has room, which the sweep sees to. In a full one the kernel's eviction by
 * itself costs more; both are printed with what the bare insertion takes.
 */
#include "tools/bench/bench.h"

#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "tools/bench/bench_print.h"

#define TABLE (1 << 18)
#define ROOM (1 << 18) /* entries: as many as all rounds insert at the most */
#define FULL (1 << 16)
#define ROUNDS 11
#define ROUNDS_COMPARED 5 /* of 65,536 flows, where a mode is compared with another */

static const struct row {
	const char *name;
	double bound; /* in units; 0: none */
	struct shot shot;
} rows[] = {
	{ "request of an established flow, with telemetry", BOUND_PACKET, { TCP, false, NULL, 0, ACK, true, 1001, 0, NULL } },
	{ "acknowledgement of an established flow", BOUND_PACKET, { TCP, false, NULL, 0, ACK, false, 1001, 0, NULL } },
	{ "datagram of an established flow (UDP)", BOUND_PACKET, { UDP, false, NULL, 0, 0, true, 0, 0, NULL } },
	{ "packet not for a service", 1.5, { TCP, false, NULL, 81, ACK, true, 1001, 0, NULL } },
	{ "packet for a service's port, other address", 0, { TCP, false, "192.0.2.2", 80, ACK, true, 1001, 0, NULL } },
	{ "reply of an established flow", 0, { TCP, true, NULL, 0, ACK, true, 5001, 0, NULL } },
	{ "reply of an established flow (UDP)", 0, { UDP, true, NULL, 0, 0, true, 0, 0, NULL } },
	{ "packet leaving that is no reply of ours", 0, { TCP, true, NULL, 22, ACK, true, 5001, 0, NULL } },
};

static const struct result none = { 0 };

static void print_cell(struct result result)
{
	if (result.ns > 0)
		printf("%7.0f %6.2f ", result.ns, result.units);
	else
		printf("%7s %6s ", "-", "-");
}

bool bench_print_bound(double value, double bound)
{
	if (bound > 0)
		printf("%6.1f  %s", bound, value <= bound ? "ok" : "OVER");
	printf("\n");
	return !(bound > 0) || value <= bound;
}

/* Returns whether the bound holds in every column that was measured. */
static bool print_row(const char *name, double bound, struct result one, struct result many)
{
	printf("%-48s", name);
	print_cell(one);
	print_cell(many);
	return bench_print_bound(one.units > many.units ? one.units : many.units, bound);
}

static bool print_steady(const struct bench *b)
{
	bool ok = true;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct shot one = rows[i].shot, many = rows[i].shot;

		one.flow_bits = ONE;
		many.flow_bits = MANY;
		ok &= print_row(rows[i].name, rows[i].bound, bench_measure_steady(b, &one), bench_measure_steady(b, &many));
	}
	return ok;
}

static bool print_turns(const struct bench *b)
{
	struct result request, reply;
	bool ok;

	bench_measure_turns(b, &request, &reply);
	ok = print_row("first packet of a request", BOUND_PACKET, none, request);
	print_row("first packet of a response, timed", 0, none, reply);
	return ok;
}

/* In a table of its own, where `fill` flows have been opened before. */
static bool print_new(const struct bench *b, __u32 entries, __u64 fill, const char *name, double bound, const char *bare_name)
{
	struct bench own = bench_open(entries);
	struct result new, bare;
	bool ok;

	own.next_client = fill;
	bench_open_clients(&own, fill);
	new = bench_measure_new_and_bare(&own, b, &bare);
	ok = print_row(name, bound, new, none);
	print_row(bare_name, 0, bare, none);
	bench_close(&own);
	return ok;
}

static bool print_table(const struct bench *b)
{
	bool ok;

	printf("%-48s%15s%15s\n", "Mode dnat, IPv4", "one flow ", "65,536 flows ");
	printf("%-48s%7s %6s %7s %6s %6s\n", "", "ns", "units", "ns", "units", "bound");
	print_row("empty program", 0, bench_measure_empty(b), none);
	print_row("the unit: a hit in the LRU table, 40-byte key", 0, bench_measure_unit(b, ONE), bench_measure_unit(b, MANY));
	ok = print_steady(b);
	ok &= print_turns(b);
	ok &= print_new(b, ROOM, 0, "new flow, room in the table", BOUND_NEW_FLOW, "    of which the kernel's insertion");
	print_new(b, FULL, 2 * FULL, "new flow, table full: one is evicted", 0,
		  "    of which the kernel's eviction and insertion");
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
	bench_enter_network();
	b = bench_open(TABLE);
	b.rounds = ROUNDS;
	bench_establish(&b, MANY);
	ok = print_table(&b);
	b.rounds = ROUNDS_COMPARED;
	ok &= bench_print_modes(&b);
	ok &= bench_print_defence(&b);
	bench_print_traces(&b);
	ok &= bench_print_cohorts(&b);
	bench_close(&b);
	printf("\nAll costs are the least of several rounds. %s\n",
	       ok ? "Every bound is kept." : "A bound is exceeded: see OVER.");
	if (!nothing_is_pinned())
		return 2;
	return ok ? 0 : 1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/bench/bench_print.h"

#include <errno.h>
#include <stdio.h>

#define MODES 3
#define COLUMNS 2 /* one flow, 65,536 flows */

enum what {
	STEADY,
	NEW_FLOW,
};

/*
 * In mode dsr no reply passes here. A bound is that of mode dnat. New flows open in a table that was in use before, whose
 * free entries lie anywhere in memory: they cost more than in the new table that has the bound.
 */
static const struct kind {
	const char *name;
	double bound; /* in units; 0: none */
	enum what what;
	struct shot shot;
} kinds[] = {
	{ "request (TCP)", BOUND_PACKET, STEADY, { TCP, false, NULL, 0, ACK, true, 1001, 0, NULL } },
	{ "acknowledgement (TCP)", BOUND_PACKET, STEADY, { TCP, false, NULL, 0, ACK, false, 1001, 0, NULL } },
	{ "datagram (UDP)", BOUND_PACKET, STEADY, { UDP, false, NULL, 0, 0, true, 0, 0, NULL } },
	{ "reply (TCP)", 0, STEADY, { TCP, true, NULL, 0, ACK, true, 5001, 0, NULL } },
	{ "reply (UDP)", 0, STEADY, { UDP, true, NULL, 0, 0, true, 0, 0, NULL } },
	{ "new flow (TCP)", 0, NEW_FLOW, { .service = TCP } },
	{ "new flow (UDP)", 0, NEW_FLOW, { .service = UDP } },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct table {
	struct result cell[KINDS][COLUMNS][MODES];
};

static bool has(const struct kind *kind, enum canary_mode mode, int column)
{
	return !(kind->shot.reply && mode == CANARY_MODE_DSR) && !(kind->what == NEW_FLOW && column);
}

/* One after the other opens the flows that the column needs, and measures all kinds on them. */
static void measure(struct bench *b, enum canary_mode mode, bool ipv6, int column, struct table *table)
{
	unsigned bits = column ? MANY : ONE;
	__u64 passed;

	bench_set_mode(b, mode, ipv6);
	bench_establish(b, bits);
	b->next_client = 1 << MANY;
	passed = bench_passed(b);
	for (size_t i = 0; i < KINDS; i++) {
		struct shot shot = kinds[i].shot;

		shot.flow_bits = bits;
		if (!has(&kinds[i], mode, column))
			continue;
		table->cell[i][column][mode] = kinds[i].what == STEADY ? bench_measure_steady(b, &shot) :
									 bench_measure_new(b, b, shot.service);
	}
	bench_must(bench_passed(b) == passed ? 0 : -EINVAL, "packets passed instead of being sent on");
}

static void print_cell(struct result result)
{
	if (result.ns > 0)
		printf("%8.2f", result.units);
	else
		printf("%8s", "-");
}

static bool print(const struct table *table, bool ipv6)
{
	bool ok = true;

	printf("\n%-24s%24s %24s\n", ipv6 ? "IPv6, in units" : "IPv4, in units", "one flow", "65,536 flows");
	printf("%-24s%8s%8s%8s %8s%8s%8s %6s\n", "", "dnat", "fullnat", "dsr", "dnat", "fullnat", "dsr", "dnat's");
	for (size_t i = 0; i < KINDS; i++) {
		double one = table->cell[i][0][CANARY_MODE_DNAT].units, many = table->cell[i][1][CANARY_MODE_DNAT].units;

		printf("%-24s", kinds[i].name);
		for (int mode = 0; mode < MODES; mode++)
			print_cell(table->cell[i][0][mode]);
		printf(" ");
		for (int mode = 0; mode < MODES; mode++)
			print_cell(table->cell[i][1][mode]);
		ok &= bench_print_bound(one > many ? one : many, kinds[i].bound);
	}
	return ok;
}

bool bench_print_modes(struct bench *b)
{
	bool ok = true;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct table table = { 0 };

		for (int column = 0; column < COLUMNS; column++)
			for (int mode = 0; mode < MODES; mode++)
				measure(b, mode, ipv6, column, &table);
		ok &= print(&table, ipv6);
	}
	return ok;
}

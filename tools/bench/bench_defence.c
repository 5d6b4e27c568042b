/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/bench/bench_print.h"

#include <stdio.h>

static const struct column {
	const char *name;
	struct bench_defence defence;
} columns[] = {
	{ "off", { .canary = true } },
	{ "breaker", { .canary = true, .breaker = true } },
	{ "rescue", { .canary = true, .rescue = true } },
	{ "both", { .canary = true, .breaker = true, .rescue = true } },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct row {
	const char *name;
	double bound; /* in units, of everything switched on; 0: none */
	struct result cell[COLUMNS];
};

static bool print(const struct row *row)
{
	double most = 0;

	printf("%-48s", row->name);
	for (size_t i = 0; i < COLUMNS; i++) {
		printf("%8.2f", row->cell[i].units);
		most = row->cell[i].units > most ? row->cell[i].units : most;
	}
	return bench_print_bound(most, row->bound);
}

static struct result measure_new(struct bench *b, struct bench_defence defence)
{
	bench_set_mode(b, CANARY_MODE_DNAT, false);
	bench_set_defence(b, defence);
	bench_establish(b, ONE);
	b->next_client = 1 << MANY;
	return bench_measure_new(b, b, TCP);
}

bool bench_print_defence(struct bench *b)
{
	struct row new = { .name = "new flow" };
	struct row request = { .name = "first packet of a request, 65,536 flows", .bound = BOUND_PACKET };
	struct row reply = { .name = "first packet of a response, 65,536 flows" };
	bool ok;

	for (size_t i = 0; i < COLUMNS; i++) {
		new.cell[i] = measure_new(b, columns[i].defence);
		bench_establish(b, MANY);
		bench_measure_turns(b, &request.cell[i], &reply.cell[i]);
	}
	printf("\n%-48s", "The canary's flows, mode dnat, IPv4, in units");
	for (size_t i = 0; i < COLUMNS; i++)
		printf("%8s", columns[i].name);
	printf("%6s\n", "bound");
	ok = print(&new);
	ok &= print(&request);
	return ok & print(&reply);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * make referee: is the judge to be trusted with the rollback button? Every cell is simulated many times through the
 * same compiled judge that the daemon runs; the table says how often it is wrong and how late, beside others' rules on
 * the same traffic. Exit code 1 where a bound is missed.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/referee/table.h"

#define WORKERS_MAX 64

struct options {
	unsigned rollouts; /* a cell */
	unsigned workers;
	uint64_t seed;
	const char *cell; /* NULL: all */
	bool tap;
};

static unsigned count_cells(void)
{
	unsigned n = 0;

	while (cells[n].name)
		n++;
	return n;
}

static bool is_wanted(const struct options *o, const struct cell *cell)
{
	return !o->cell || strstr(cell->name, o->cell);
}

/* A worker's share: every workers-th rollout. Its exit code. */
static int work(const struct options *o, unsigned worker, struct trial *trials)
{
	for (unsigned c = 0; cells[c].name; c++)
		for (unsigned i = worker; is_wanted(o, &cells[c]) && i < o->rollouts; i += o->workers)
			if (trial_run(&cells[c], (o->seed << 40) + ((uint64_t)c << 24) + i, &trials[c * o->rollouts + i]))
				return 1;
	return 0;
}

/* Runs all trials in forked workers. 0, or -EIO when one of them failed. */
static int run(const struct options *o, struct trial *trials)
{
	int status, r = 0;

	for (unsigned w = 0; w < o->workers; w++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(work(o, w, trials));
		if (pid < 0)
			r = -EIO;
	}
	while (wait(&status) > 0)
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			r = -EIO;
	return r;
}

static int report(const struct options *o, const struct trial *trials)
{
	unsigned missed = 0, number = 0;

	if (!o->tap)
		table_head(stdout, o->rollouts);
	for (unsigned c = 0; cells[c].name; c++) {
		struct table_row row;

		if (!is_wanted(o, &cells[c]))
			continue;
		table_sum_up(&cells[c], &trials[c * o->rollouts], o->rollouts, &row);
		missed += row.missed;
		number++;
		if (o->tap)
			printf("%s %u - %s, ticks of %g s: %s\n", row.missed ? "not ok" : "ok", number, cells[c].name,
			       cells[c].tick_s, row.verdict);
		else
			table_print(stdout, &row);
	}
	if (!o->tap)
		printf("\n%s\n", missed ? "some bounds are missed" : "every bound is kept");
	return missed ? 1 : 0;
}

static int usage(void)
{
	fputs("usage: referee [-n ROLLOUTS a cell] [-j WORKERS] [-s SEED] [-c PART-OF-A-CELL'S-NAME] [--tap]\n", stderr);
	return 2;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "tap", no_argument, NULL, 't' }, { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "n:j:s:c:", longs, NULL)) != -1) {
		switch (c) {
		case 'n': o->rollouts = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'j': o->workers = (unsigned)strtoul(optarg, NULL, 10); break;
		case 's': o->seed = strtoull(optarg, NULL, 10); break;
		case 'c': o->cell = optarg; break;
		case 't': o->tap = true; break;
		default: return usage();
		}
	}
	return optind < argc || !o->rollouts || !o->workers || o->workers > WORKERS_MAX ? usage() : 0;
}

int main(int argc, char **argv)
{
	struct options o = { .rollouts = 500, .workers = 2, .seed = 1 };
	struct trial *trials;
	size_t size;
	int code = parse(argc, argv, &o);

	if (code)
		return code;
	size = sizeof(*trials) * o.rollouts * count_cells();
	trials = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (trials == MAP_FAILED || run(&o, trials)) {
		fputs("referee: out of memory, or a worker was ended\n", stderr);
		return 1;
	}
	code = report(&o, trials);
	munmap(trials, size);
	return code;
}

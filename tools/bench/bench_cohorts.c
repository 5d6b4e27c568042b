/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads cohorts as canaryd does, by user/cohorts.c: from its file into a list, checked, a trie made and swapped in. */
#include "tools/bench/bench_print.h"

#include "bench.skel.h"
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "user/cohorts.h"
#include "user/datapath_internal.h"

#define NETWORKS 100000
#define LOADS 8
#define BOUND_S 1.0

/* Distinct networks /24 all over IPv4, as text in memory. Returns a descriptor. */
static int networks_file(void)
{
	int fd = memfd_create("networks", MFD_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(dup(fd), "w");

	bench_must(file ? 0 : errno, "a file in memory");
	for (unsigned i = 0; i < NETWORKS; i++) {
		unsigned network = i * 40503u & 0xffffff;

		fprintf(file, "%u.%u.%u.0/24\n", network >> 16, network >> 8 & 0xff, network & 0xff);
	}
	bench_must(fclose(file) ? errno : 0, "a file in memory");
	return fd;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void must(int r, char *error)
{
	bench_must(r, error ?: "cohorts");
	free(error);
}

/* Returns the seconds from nothing to the kernel using them. The kernel keeps them. */
static double load(const struct cohorts_environment *environment, const struct config_service *service)
{
	double began_s = now_s(), took_s;
	struct cohorts *cohorts;
	char *error = NULL;

	must(cohorts_new(environment, service, &cohorts, &error), error);
	took_s = now_s() - began_s;
	cohorts_free(cohorts);
	return took_s;
}

static double least_load(const struct bench *b, const struct config_service *service)
{
	struct datapath datapath = { .map.cohorts = bpf_map__fd(b->split->maps.cohorts) };
	struct cohorts_environment environment = { .datapath = &datapath, .service = TCP };
	double least_s = 1e9;
	char *error = NULL;

	must(journal_open(":memory:", &environment.journal, &error), error);
	for (int i = 0; i < LOADS; i++) {
		double took_s = load(&environment, service);

		least_s = took_s < least_s ? took_s : least_s;
	}
	journal_close(environment.journal);
	return least_s;
}

static double load_networks(const struct bench *b)
{
	struct config_cohort cohort = { .name = "many", .action = CANARY_COHORT_CANARY };
	struct config_service service = {
		.name = "bench", .endpoint = bench_endpoint(BENCH_VIP, 80, TCP), .cohorts = &cohort, .cohorts_count = 1,
	};
	int fd = networks_file();
	double took_s;

	snprintf(cohort.file, sizeof(cohort.file), "/proc/self/fd/%d", fd);
	took_s = least_load(b, &service);
	close(fd);
	return took_s;
}

bool bench_print_cohorts(struct bench *b)
{
	struct result without, with;
	double took_s;
	bool ok;

	bench_set_mode(b, CANARY_MODE_DNAT, false);
	bench_establish(b, ONE);
	b->next_client = 1 << MANY;
	without = bench_measure_new(b, b, TCP);
	took_s = load_networks(b);
	with = bench_measure_new(b, b, TCP);
	printf("\n%-48s%8s%8s%6s\n", "Cohorts of 100,000 networks, mode dnat, IPv4", "without", "with", "bound");
	printf("%-48s%8.2f%8.2f", "new flow, in units", without.units, with.units);
	bench_print_bound(0, 0);
	printf("%-48s%8s%8.2f", "canaryd loads them from a file, in s", "-", took_s);
	ok = bench_print_bound(took_s, BOUND_S);
	return ok;
}

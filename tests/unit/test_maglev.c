/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Maglev: balanced, the same on every node whatever the order, and little moves when a backend comes or goes. */
#include "user/maglev.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define BACKENDS 100

static canary_maglev one, other;

static void make_backends(struct maglev_backend *backends, size_t n)
{
	memset(backends, 0, n * sizeof(*backends));
	for (size_t i = 0; i < n; i++) {
		backends[i].endpoint.addr[2] = htonl(0xffff);
		backends[i].endpoint.addr[3] = htonl(0x0a4d0001 + i);
		backends[i].endpoint.port = htons(8080);
		backends[i].endpoint.protocol = 6;
		backends[i].index = i;
	}
}

static void count(const canary_maglev *table, size_t *counts, size_t n)
{
	memset(counts, 0, n * sizeof(*counts));
	for (size_t i = 0; i < CANARY_MAGLEV_SIZE; i++) {
		assert_true((*table)[i] < n);
		counts[(*table)[i]]++;
	}
}

static void without_backends_it_is_empty(void **state)
{
	(void)state;
	maglev_build(&one, NULL, 0);
	for (size_t i = 0; i < CANARY_MAGLEV_SIZE; i++)
		assert_int_equal(one[i], CANARY_NONE);
}

/* Everyone takes one entry in turn, so that shares differ by one entry at most (Maglev §3.4). */
static void shares_are_equal(void **state)
{
	struct maglev_backend backends[BACKENDS];
	size_t counts[BACKENDS];

	(void)state;
	make_backends(backends, BACKENDS);
	for (size_t n = 1; n <= BACKENDS; n++) {
		maglev_build(&one, backends, n);
		count(&one, counts, n);
		for (size_t i = 0; i < n; i++)
			assert_in_range(counts[i], CANARY_MAGLEV_SIZE / n, CANARY_MAGLEV_SIZE / n + 1);
	}
}

static void order_does_not_matter(void **state)
{
	struct maglev_backend backends[BACKENDS], reversed[BACKENDS];

	(void)state;
	make_backends(backends, BACKENDS);
	for (size_t i = 0; i < BACKENDS; i++)
		reversed[i] = backends[BACKENDS - 1 - i];
	maglev_build(&one, backends, BACKENDS);
	maglev_build(&other, reversed, BACKENDS);
	assert_memory_equal(one, other, sizeof(one));
}

/* The same places on another node, where the backends have other indices. */
static void the_index_does_not_matter(void **state)
{
	struct maglev_backend backends[10];

	(void)state;
	make_backends(backends, 10);
	maglev_build(&one, backends, 10);
	for (size_t i = 0; i < 10; i++)
		backends[i].index = 40 + i;
	maglev_build(&other, backends, 10);
	for (size_t i = 0; i < CANARY_MAGLEV_SIZE; i++)
		assert_int_equal(other[i], one[i] + 40);
}

/* Beyond the share of the one that goes, few entries of the others move: 2 % here, where 0 would be perfect. */
static void little_moves_when_one_goes(void **state)
{
	struct maglev_backend backends[10];
	size_t moved = 0, gone = 0;

	(void)state;
	make_backends(backends, 10);
	maglev_build(&one, backends, 10);
	backends[4] = backends[9];
	maglev_build(&other, backends, 9);
	for (size_t i = 0; i < CANARY_MAGLEV_SIZE; i++) {
		gone += one[i] == 4;
		moved += one[i] != 4 && other[i] != one[i];
		assert_int_not_equal(other[i], 4);
	}
	assert_in_range(gone, CANARY_MAGLEV_SIZE / 10, CANARY_MAGLEV_SIZE / 10 + 1);
	print_message("# of %d entries of others %zu moved\n", CANARY_MAGLEV_SIZE, moved);
	assert_true(moved < CANARY_MAGLEV_SIZE / 20);
}

static void too_many_are_left_out(void **state)
{
	static struct maglev_backend backends[MAGLEV_BACKENDS_MAX + 5];
	static size_t counts[MAGLEV_BACKENDS_MAX];

	(void)state;
	make_backends(backends, MAGLEV_BACKENDS_MAX + 5);
	maglev_build(&one, backends, MAGLEV_BACKENDS_MAX + 5);
	count(&one, counts, MAGLEV_BACKENDS_MAX);
	for (size_t i = 0; i < MAGLEV_BACKENDS_MAX; i++)
		assert_int_equal(counts[i], CANARY_MAGLEV_SIZE / MAGLEV_BACKENDS_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_backends_it_is_empty), cmocka_unit_test(shares_are_equal),
		cmocka_unit_test(order_does_not_matter),        cmocka_unit_test(the_index_does_not_matter),
		cmocka_unit_test(little_moves_when_one_goes),   cmocka_unit_test(too_many_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

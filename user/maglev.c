/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/maglev.h"

#include <stdlib.h>
#include <string.h>

struct permutation {
	const struct maglev_backend *backend;
	uint32_t next; /* where it wants to go next */
	uint32_t skip; /* odd, hence coprime with the table's size */
};

/* FNV-1a with a finaliser; two seeds give the two independent hashes that Maglev needs. */
static uint64_t hash_endpoint(const struct canary_endpoint *endpoint, uint64_t seed)
{
	const uint8_t *bytes = (const uint8_t *)endpoint;
	uint64_t hash = 0xcbf29ce484222325ULL ^ seed;

	for (size_t i = 0; i < sizeof(*endpoint); i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccdULL;
	return hash ^ hash >> 33;
}

static int compare_permutations(const void *a, const void *b)
{
	const struct permutation *left = a, *right = b;

	return memcmp(&left->backend->endpoint, &right->backend->endpoint, sizeof(left->backend->endpoint));
}

static uint32_t take_next_free(canary_maglev *table, struct permutation *permutation)
{
	uint32_t entry = permutation->next;

	while ((*table)[entry] != CANARY_NONE)
		entry = (entry + permutation->skip) % CANARY_MAGLEV_SIZE;
	permutation->next = (entry + permutation->skip) % CANARY_MAGLEV_SIZE;
	return entry;
}

void maglev_build(canary_maglev *table, const struct maglev_backend *backends, size_t n)
{
	struct permutation permutations[MAGLEV_BACKENDS_MAX];

	if (n > MAGLEV_BACKENDS_MAX)
		n = MAGLEV_BACKENDS_MAX;
	memset(table, 0xff, sizeof(*table));
	for (size_t i = 0; i < n; i++) {
		permutations[i].backend = &backends[i];
		permutations[i].next = hash_endpoint(&backends[i].endpoint, 0) % CANARY_MAGLEV_SIZE;
		permutations[i].skip = hash_endpoint(&backends[i].endpoint, 0x9e3779b97f4a7c15ULL) % CANARY_MAGLEV_SIZE | 1;
	}
	qsort(permutations, n, sizeof(*permutations), compare_permutations);
	for (size_t filled = 0; n && filled < CANARY_MAGLEV_SIZE; filled++) {
		struct permutation *permutation = &permutations[filled % n];

		(*table)[take_next_free(table, permutation)] = permutation->backend->index;
	}
}

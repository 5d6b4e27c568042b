/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/decide.h: the hash is uniform and its halves independent, weights move flows one way only, affinity holds. */
#include "bpf/decide.h"

#include "tests/packet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 200000
#define BINS 256
/*
 * The chi-square distribution with 255 degrees of freedom: 0.9999 of it lies below 347.7 (its mean is 255, its
 * standard deviation 22.6) and 0.0001 below 178.9. Seeds and keys are fixed: the outcome is always the same.
 */
#define CHI_SQUARE_HIGH 347.7
#define CHI_SQUARE_LOW 178.9

static const uint64_t seeds[] = { 0, 1, 0x9e3779b97f4a7c15ULL, UINT64_MAX };

static struct canary_service service_of(uint64_t seed, enum canary_affinity affinity)
{
	struct canary_service service = { .seed = seed, .affinity = affinity };

	memset(service.affinity_mask, 0xff, sizeof(service.affinity_mask));
	return service;
}

/* Clients as they come: neighbouring addresses, neighbouring ports. */
static struct canary_flow_key key_of(uint32_t number, bool ipv6)
{
	struct canary_endpoint base = packet_endpoint(ipv6 ? "[2001:db8::]:1" : "10.0.0.1:1", IPPROTO_TCP);
	struct canary_endpoint vip = packet_endpoint(ipv6 ? "[2001:db8::1]:80" : "192.0.2.1:80", IPPROTO_TCP);
	struct canary_endpoint client = packet_client(base, number);
	struct canary_flow_key key = { .protocol = IPPROTO_TCP };

	memcpy(key.client, client.addr, sizeof(key.client));
	memcpy(key.vip, vip.addr, sizeof(key.vip));
	key.client_port = client.port;
	key.vip_port = vip.port;
	return key;
}

static double chi_square(const uint32_t *observed, unsigned bins, uint32_t total)
{
	double expected = (double)total / bins, sum = 0;

	for (unsigned i = 0; i < bins; i++)
		sum += (observed[i] - expected) * (observed[i] - expected) / expected;
	return sum;
}

static void expect_uniform(const uint32_t *observed, uint32_t total, const char *what)
{
	double x = chi_square(observed, BINS, total);

	if (x < CHI_SQUARE_LOW || x > CHI_SQUARE_HIGH)
		fail_msg("%s: chi-square %.1f with 255 degrees of freedom", what, x);
}

/* Position by its high and by its low bits, Maglev by its high and low bits, and 16 × 16 bins of both. */
static void expect_uniform_hash(uint64_t seed, bool ipv6)
{
	uint32_t position_high[BINS] = { 0 }, position_low[BINS] = { 0 };
	uint32_t maglev_high[BINS] = { 0 }, maglev_low[BINS] = { 0 }, both[BINS] = { 0 };
	struct canary_service service = service_of(seed, CANARY_AFFINITY_FLOW);

	for (uint32_t i = 0; i < KEYS; i++) {
		struct canary_flow_key key = key_of(i, ipv6);
		uint64_t hash = decide_hash(&key, &service);
		uint32_t position = decide_position(hash), entry = decide_maglev_entry(hash);

		assert_true(entry < CANARY_MAGLEV_SIZE);
		position_high[position >> 24]++;
		position_low[position & 255]++;
		maglev_high[entry / (CANARY_MAGLEV_SIZE / 256)]++;
		maglev_low[entry & 255]++;
		both[(position >> 28) * 16 + entry / (CANARY_MAGLEV_SIZE / 16)]++;
	}
	expect_uniform(position_high, KEYS, "position, high bits");
	expect_uniform(position_low, KEYS, "position, low bits");
	expect_uniform(maglev_high, KEYS, "Maglev entry, high bits");
	expect_uniform(maglev_low, KEYS, "Maglev entry, low bits");
	expect_uniform(both, KEYS, "position and Maglev entry together");
}

static void test_uniform(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		expect_uniform_hash(seeds[i], false);
		expect_uniform_hash(seeds[i], true);
	}
}

/* Among the flows of a canary at one per cent the Maglev entries are uniform too. */
static void test_uniform_within_the_canary(void **state)
{
	struct canary_service service = service_of(seeds[2], CANARY_AFFINITY_FLOW);
	uint32_t entries[BINS] = { 0 }, total = 0;

	(void)state;
	for (uint32_t i = 0; i < 20 * KEYS; i++) {
		struct canary_flow_key key = key_of(i, false);
		uint64_t hash = decide_hash(&key, &service);

		if (decide_position(hash) >= 42949673)
			continue;
		entries[decide_maglev_entry(hash) / (CANARY_MAGLEV_SIZE / BINS)]++;
		total++;
	}
	expect_uniform(entries, total, "Maglev entry of the canary's flows");
}

static void test_seeds_are_independent(void **state)
{
	struct canary_service a = service_of(1, CANARY_AFFINITY_FLOW), b = service_of(2, CANARY_AFFINITY_FLOW);
	uint32_t both[BINS] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < KEYS; i++) {
		struct canary_flow_key key = key_of(i, false);

		both[(decide_position(decide_hash(&key, &a)) >> 28) * 16 +
		     (decide_position(decide_hash(&key, &b)) >> 28)]++;
	}
	expect_uniform(both, KEYS, "positions under two seeds");
}

/* The same on every node: these do not change, or two nodes of different versions would disagree. */
static void test_fixed_values(void **state)
{
	struct canary_service service = service_of(42, CANARY_AFFINITY_FLOW);
	struct canary_flow_key v4 = key_of(0, false), v6 = key_of(0, true);

	(void)state;
	assert_true(decide_mix(1) == 0x5692161d100b05e5ULL);
	assert_true(decide_hash(&v4, &service) == 0x0462d664378b6fdeULL);
	assert_true(decide_hash(&v6, &service) == 0x854b69ccfe08522cULL);
	service.affinity = CANARY_AFFINITY_CLIENT;
	assert_true(decide_hash(&v4, &service) == 0xb4bb41d1af0d51f5ULL);
}

static void test_monotone(void **state)
{
	struct canary_service service = service_of(7, CANARY_AFFINITY_FLOW);
	struct canary_split_view view = { .baseline = 3, .canary = 5 };

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		struct canary_flow_key key = key_of(i, false);
		uint32_t position = decide_position(decide_hash(&key, &service));
		bool was_canary = false;

		for (uint64_t threshold = 0; threshold <= 1ULL << 32; threshold += 1ULL << 26) {
			uint16_t version;

			version = decide_version(&view, threshold, position);
			assert_true(version == 3 || version == 5);
			assert_false(was_canary && version != 5);
			was_canary = version == 5;
		}
		assert_true(was_canary);
	}
}

static void test_version_edges(void **state)
{
	struct canary_split_view view = { .baseline = 3, .canary = 5 };

	(void)state;
	assert_int_equal(decide_version(&view, 0, 0), 3);
	assert_int_equal(decide_version(&view, 1, 0), 5);
	assert_int_equal(decide_version(&view, 1, 1), 3);
	assert_int_equal(decide_version(&view, UINT32_MAX, UINT32_MAX), 3);
	assert_int_equal(decide_version(&view, 1ULL << 32, UINT32_MAX), 5);
	view.canary = CANARY_NONE;
	assert_int_equal(decide_version(&view, 1ULL << 32, 0), 3);
}

static void test_flow_affinity(void **state)
{
	struct canary_service service = service_of(7, CANARY_AFFINITY_FLOW);
	struct canary_flow_key key = key_of(1, true), other;
	uint64_t hash = decide_hash(&key, &service);

	(void)state;
	for (unsigned bit = 0; bit < offsetof(struct canary_flow_key, zero) * 8; bit++) {
		other = key;
		((uint8_t *)&other)[bit / 8] ^= 1 << bit % 8;
		assert_true(decide_hash(&other, &service) != hash);
	}
}

static void test_client_affinity(void **state)
{
	struct canary_service service = service_of(7, CANARY_AFFINITY_CLIENT);
	struct canary_flow_key key = key_of(1, true), other;
	uint64_t hash = decide_hash(&key, &service);

	(void)state;
	for (unsigned bit = 0; bit < offsetof(struct canary_flow_key, zero) * 8; bit++) {
		bool of_client = bit / 8 < sizeof(key.client);

		other = key;
		((uint8_t *)&other)[bit / 8] ^= 1 << bit % 8;
		assert_true((decide_hash(&other, &service) != hash) == of_client);
	}
}

/* Under a /24 (IPv4) and a /56 (IPv6) the clients of one prefix stay together. */
static void test_affinity_mask(void **state)
{
	struct canary_service service = service_of(7, CANARY_AFFINITY_CLIENT);
	struct canary_flow_key key = key_of(1, false), other = key;

	(void)state;
	service.affinity_mask[3] = bpf_htonl(0xffffff00);
	other.client[3] ^= bpf_htonl(0x000000fe);
	assert_true(decide_hash(&key, &service) == decide_hash(&other, &service));
	other.client[3] ^= bpf_htonl(0x00000100);
	assert_true(decide_hash(&key, &service) != decide_hash(&other, &service));
	key = key_of(1, true);
	other = key;
	service.affinity_mask[1] = bpf_htonl(0xffffff00);
	service.affinity_mask[2] = 0;
	service.affinity_mask[3] = 0;
	other.client[1] ^= bpf_htonl(0x000000ff);
	other.client[2] = 0x12345678;
	other.client[3] = 0x9abcdef0;
	assert_true(decide_hash(&key, &service) == decide_hash(&other, &service));
	other.client[1] ^= bpf_htonl(0x00000100);
	assert_true(decide_hash(&key, &service) != decide_hash(&other, &service));
}

/* A lease is good until its very nanosecond; 0 is no lease at all. */
static void test_lease(void **state)
{
	(void)state;
	assert_false(decide_lease_is_over(0, 0));
	assert_false(decide_lease_is_over(0, UINT64_MAX));
	assert_false(decide_lease_is_over(1000, 999));
	assert_false(decide_lease_is_over(1000, 1000));
	assert_true(decide_lease_is_over(1000, 1001));
	assert_true(decide_lease_is_over(1, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uniform),       cmocka_unit_test(test_uniform_within_the_canary),
		cmocka_unit_test(test_seeds_are_independent), cmocka_unit_test(test_fixed_values),
		cmocka_unit_test(test_monotone),      cmocka_unit_test(test_version_edges),
		cmocka_unit_test(test_flow_affinity), cmocka_unit_test(test_client_affinity),
		cmocka_unit_test(test_affinity_mask), cmocka_unit_test(test_lease),
	};

	return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}

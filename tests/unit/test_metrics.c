/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics: the text format byte by byte, and the protobuf format as a reader of its own understands it. */
#include "user/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LAST (CANARY_HISTOGRAM_BUCKETS - 1)

/* ---- text --------------------------------------------------------------------------------------------------- */

static void check_text(struct metrics *metrics, const char *wanted)
{
	size_t size = 0;
	char *text = metrics_text(metrics, &size);

	assert_non_null(text);
	assert_string_equal(text, wanted);
	assert_int_equal(size, strlen(wanted));
	free(text);
	metrics_deinit(metrics);
}

static void test_values(void **state)
{
	struct metrics metrics = {};

	(void)state;
	metrics_family(&metrics, METRICS_COUNTER, "a_total", "of a");
	metrics_add(&metrics, 0, NULL);
	metrics_add(&metrics, 9007199254740993, "version", "v1", NULL);
	metrics_add(&metrics, 1e300, "version", "v2", "class", "2xx", NULL);
	metrics_family(&metrics, METRICS_GAUGE, "empty", "nothing is known: not even its name is said");
	metrics_add(&metrics, NAN, NULL);
	metrics_family(&metrics, METRICS_GAUGE, "b_ratio", "of b");
	metrics_add(&metrics, 0.1, NULL);
	metrics_add(&metrics, INFINITY, NULL);
	metrics_add(&metrics, -INFINITY, NULL);
	metrics_add(&metrics, 1 / 3.0, NULL);
	check_text(&metrics, "# HELP a_total of a\n# TYPE a_total counter\na_total 0\na_total{version=\"v1\"} 9007199254740992\n"
			     "a_total{version=\"v2\",class=\"2xx\"} 1e+300\n"
			     "# HELP b_ratio of b\n# TYPE b_ratio gauge\nb_ratio 0.1\nb_ratio +Inf\nb_ratio -Inf\n"
			     "b_ratio 0.33333333333333331\n");
}

static void test_escaping(void **state)
{
	struct metrics metrics = {};

	(void)state;
	metrics_family(&metrics, METRICS_GAUGE, "a", "a \"word\",\na back\\slash");
	metrics_add(&metrics, 1, "x", metrics_keep(&metrics, "a \"word\",\na back\\slash = é"), NULL);
	check_text(&metrics, "# HELP a a \"word\",\\na back\\\\slash\n# TYPE a gauge\n"
			     "a{x=\"a \\\"word\\\",\\na back\\\\slash = é\"} 1\n");
}

/* Each edge is in the bucket that it ends, to the last sample. */
static void test_text_histogram(void **state)
{
	struct histogram h = {};
	struct metrics metrics = {};
	size_t size;
	char *text;

	(void)state;
	h.bucket[0] = 1;
	h.bucket[histogram_bucket(0.001)] = 2;
	h.bucket[histogram_bucket(0.0009765625)] = 3; /* 2^-10 itself */
	h.bucket[histogram_bucket(1)] = 4;
	h.bucket[LAST] = 5;
	metrics_family(&metrics, METRICS_HISTOGRAM, "a_seconds", "of a");
	metrics_add_histogram(&metrics, &h, "x", "y", NULL);
	text = metrics_text(&metrics, &size);
	assert_non_null(strstr(text, "# TYPE a_seconds histogram\na_seconds_bucket{x=\"y\",le=\"7.62939453125e-06\"} 1\n"));
	assert_non_null(strstr(text, "a_seconds_bucket{x=\"y\",le=\"0.00048828125\"} 1\n"
				     "a_seconds_bucket{x=\"y\",le=\"0.0009765625\"} 4\n"
				     "a_seconds_bucket{x=\"y\",le=\"0.001953125\"} 6\n"));
	assert_non_null(strstr(text, "a_seconds_bucket{x=\"y\",le=\"0.5\"} 6\na_seconds_bucket{x=\"y\",le=\"1\"} 10\n"));
	assert_non_null(strstr(text, "a_seconds_bucket{x=\"y\",le=\"64\"} 10\na_seconds_bucket{x=\"y\",le=\"+Inf\"} 15\n"));
	assert_non_null(strstr(text, "a_seconds_count{x=\"y\"} 15\n"));
	free(text);
	metrics_deinit(&metrics);
}

static void test_sum(void **state)
{
	struct histogram h = {};
	double sum = 0;

	(void)state;
	for (unsigned i = 1; i < 2000; i++) {
		double seconds = i * i * 1e-5;

		sum += seconds;
		h.bucket[histogram_bucket(seconds)]++;
	}
	assert_true(fabs(metrics_histogram_sum(&h) / sum - 1) < 0.0109);
	h = (struct histogram){ 0 };
	h.bucket[LAST] = 2;
	assert_true(metrics_histogram_sum(&h) == 128);
}

/* ---- what the scraper wants --------------------------------------------------------------------------------- */

#define FAMILY "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

static void test_accept(void **state)
{
	static const struct {
		const char *accept;
		bool protobuf;
	} cases[] = {
		{ NULL, false },
		{ "", false },
		{ "*/*", false },
		{ "text/plain", false },
		{ FAMILY, true },
		/* Prometheus 2.42 and 2.53, with native histograms; 3.0 without; curl's */
		{ FAMILY ",application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
			 "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true },
		{ FAMILY ";q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", true },
		{ "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5," FAMILY ";q=0.2", false },
		{ "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited", true },
		{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", false },
		{ "application/vnd.google.protobuf;proto=other;encoding=delimited", false },
		{ FAMILY ";q=0", false },
		{ ",,," FAMILY, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (metrics_wants_protobuf(cases[i].accept) != cases[i].protobuf)
			fail_msg("%s", cases[i].accept);
}

/* ---- protobuf ----------------------------------------------------------------------------------------------- */

struct field {
	unsigned number, type;
	uint64_t varint;
	double real;
	const uint8_t *data; /* of a string, a message or a packed field */
	size_t size;
};

static uint64_t read_varint(const uint8_t **at, const uint8_t *end)
{
	uint64_t value = 0;

	for (unsigned shift = 0;; shift += 7) {
		uint8_t byte;

		assert_true(*at < end && shift < 64);
		byte = *(*at)++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
}

static int64_t unzigzag(uint64_t value)
{
	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static bool read_field(const uint8_t **at, const uint8_t *end, struct field *ret)
{
	uint64_t tag, bits = 0;

	if (*at == end)
		return false;
	tag = read_varint(at, end);
	*ret = (struct field){ .number = (unsigned)(tag >> 3), .type = tag & 7 };
	if (ret->type == 0) {
		ret->varint = read_varint(at, end);
	} else if (ret->type == 1) {
		assert_true(end - *at >= 8);
		for (unsigned i = 0; i < 8; i++)
			bits |= (uint64_t)(*at)[i] << (8 * i);
		memcpy(&ret->real, &bits, sizeof(bits));
		*at += 8;
	} else {
		assert_int_equal(ret->type, 2);
		ret->size = read_varint(at, end);
		assert_true(ret->size <= (size_t)(end - *at));
		ret->data = *at;
		*at += ret->size;
	}
	return true;
}

/* The n-th field of that number. */
static struct field find(const uint8_t *data, size_t size, unsigned number, unsigned n)
{
	const uint8_t *at = data;
	struct field field;

	while (read_field(&at, data + size, &field))
		if (field.number == number && n-- == 0)
			return field;
	return (struct field){ 0 };
}

static void check_string(struct field field, const char *wanted)
{
	assert_int_equal(field.size, strlen(wanted));
	assert_memory_equal(field.data, wanted, field.size);
}

static double upper_of(int64_t index)
{
	return index > 1024 * 32 ? INFINITY : exp2((double)index / 32);
}

/* Spans and deltas, put back to where they were, by the upper edges that schema 5 gives them. */
static void read_native(struct field histogram, struct histogram *ret)
{
	struct field deltas = find(histogram.data, histogram.size, 13, 0), span;
	const uint8_t *delta = deltas.data;
	int64_t index = 0, count = 0;

	*ret = (struct histogram){ 0 };
	ret->bucket[0] = find(histogram.data, histogram.size, 7, 0).varint;
	for (unsigned n = 0; (span = find(histogram.data, histogram.size, 12, n)).number; n++) {
		index += unzigzag(find(span.data, span.size, 1, 0).varint);
		for (uint64_t i = find(span.data, span.size, 2, 0).varint; i > 0; i--, index++) {
			double upper = upper_of(index);
			unsigned bucket = isinf(upper) ? LAST : histogram_bucket(upper);

			count += unzigzag(read_varint(&delta, deltas.data + deltas.size));
			assert_true(histogram_upper_s(bucket) == upper);
			ret->bucket[bucket] = (uint64_t)count;
		}
	}
	assert_ptr_equal(delta, deltas.data + deltas.size);
}

static void check_native(const struct histogram *wanted)
{
	struct metrics metrics = {};
	struct field family, metric, histogram, bucket;
	struct histogram got;
	const uint8_t *at;
	size_t size;
	char *data;

	metrics_family(&metrics, METRICS_HISTOGRAM, "a_seconds", "of a");
	metrics_add_histogram(&metrics, wanted, "x", "y", NULL);
	data = metrics_protobuf(&metrics, &size);
	at = (const uint8_t *)data;
	family.size = read_varint(&at, at + size);
	assert_int_equal(family.size, (const uint8_t *)data + size - at);
	assert_int_equal(find(at, family.size, 3, 0).varint, 4);
	metric = find(at, family.size, 4, 0);
	histogram = find(metric.data, metric.size, 7, 0);
	assert_int_equal(find(histogram.data, histogram.size, 1, 0).varint, histogram_count(wanted));
	assert_int_equal(unzigzag(find(histogram.data, histogram.size, 5, 0).varint), 5);
	assert_true(find(histogram.data, histogram.size, 6, 0).real == exp2(-17));
	bucket = find(histogram.data, histogram.size, 3, METRICS_CLASSIC_BUCKETS - 1);
	assert_true(find(bucket.data, bucket.size, 2, 0).real == 64);
	assert_int_equal(find(bucket.data, bucket.size, 1, 0).varint, histogram_count(wanted) - wanted->bucket[LAST]);
	read_native(histogram, &got);
	assert_memory_equal(&got, wanted, sizeof(got));
	free(data);
	metrics_deinit(&metrics);
}

static void test_native(void **state)
{
	struct histogram h = {};
	uint64_t seed = 7;

	(void)state;
	check_native(&h);
	h.bucket[0] = 3;
	check_native(&h);
	h.bucket[LAST] = 1ULL << 40;
	check_native(&h);
	h.bucket[LAST - 1] = 1;
	check_native(&h);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i <= LAST; i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			h.bucket[i] = (seed >> 60) < round / 4 ? seed >> (20 + round % 40) : 0;
		}
		check_native(&h);
	}
}

static void test_messages(void **state)
{
	struct metrics metrics = {};
	struct field metric, label;
	const uint8_t *at, *end;
	char longer[300];
	size_t size, n;
	char *data;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	metrics_family(&metrics, METRICS_COUNTER, "a_total", longer);
	metrics_add(&metrics, 2.5, "class", "2xx", "x", longer, NULL);
	metrics_add(&metrics, 0, NULL);
	metrics_family(&metrics, METRICS_GAUGE, "empty", "");
	metrics_family(&metrics, METRICS_GAUGE, "b", "of b");
	metrics_add(&metrics, -1, NULL);
	data = metrics_protobuf(&metrics, &size);
	at = (const uint8_t *)data;
	end = at + size;
	n = read_varint(&at, end);
	check_string(find(at, n, 1, 0), "a_total");
	check_string(find(at, n, 2, 0), longer);
	assert_int_equal(find(at, n, 3, 0).type, 0);
	assert_int_equal(find(at, n, 3, 0).varint, 0);
	metric = find(at, n, 4, 0);
	label = find(metric.data, metric.size, 1, 1);
	check_string(find(label.data, label.size, 1, 0), "x");
	check_string(find(label.data, label.size, 2, 0), longer);
	assert_true(find(find(metric.data, metric.size, 3, 0).data, 9, 1, 0).real == 2.5);
	metric = find(at, n, 4, 1);
	assert_int_equal(find(metric.data, metric.size, 1, 0).number, 0);
	at += n;
	n = read_varint(&at, end);
	check_string(find(at, n, 1, 0), "b");
	assert_int_equal(find(at, n, 3, 0).varint, 1);
	metric = find(at, n, 4, 0);
	assert_true(find(find(metric.data, metric.size, 2, 0).data, 9, 1, 0).real == -1);
	assert_ptr_equal(at + n, end);
	free(data);
	metrics_deinit(&metrics);
}

static void test_no_memory(void **state)
{
	struct metrics metrics = { .no_memory = true };
	size_t size;

	(void)state;
	metrics_family(&metrics, METRICS_GAUGE, "a", "of a");
	metrics_add(&metrics, 1, NULL);
	assert_null(metrics_text(&metrics, &size));
	assert_null(metrics_protobuf(&metrics, &size));
	metrics_deinit(&metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_escaping),
		cmocka_unit_test(test_text_histogram),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_native),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}

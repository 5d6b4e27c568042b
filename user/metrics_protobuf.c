/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prometheus' delimited messages io.prometheus.client.MetricFamily. The numbers of fields are those of its metrics.proto
 * (github.com/prometheus/client_model).
 */
#include "user/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "user/protobuf.h"

/* Bucket i of schema 5 ends at 2^(i/32): the kernel's bucket 0 ends at 2^MIN_EXP, its next one is the first that has an i. */
#define PER_OCTAVE (1 << CANARY_HISTOGRAM_SCHEMA)
#define FIRST_INDEX (CANARY_HISTOGRAM_MIN_EXP * PER_OCTAVE + 1)
#define INFINITY_INDEX (1024 * PER_OCTAVE + 1) /* of the bucket beyond the largest double */
#define LAST (CANARY_HISTOGRAM_BUCKETS - 1)

enum family_field { FAMILY_NAME = 1, FAMILY_HELP = 2, FAMILY_TYPE = 3, FAMILY_METRIC = 4 };
enum metric_field { METRIC_LABEL = 1, METRIC_GAUGE = 2, METRIC_COUNTER = 3, METRIC_HISTOGRAM = 7 };
enum label_field { LABEL_NAME = 1, LABEL_VALUE = 2 };
enum value_field { VALUE = 1 };
enum bucket_field { BUCKET_COUNT = 1, BUCKET_UPPER = 2 };
enum span_field { SPAN_OFFSET = 1, SPAN_LENGTH = 2 };
enum histogram_field {
	HISTOGRAM_COUNT = 1,
	HISTOGRAM_SUM = 2,
	HISTOGRAM_BUCKET = 3,
	HISTOGRAM_SCHEMA = 5,
	HISTOGRAM_ZERO_THRESHOLD = 6,
	HISTOGRAM_ZERO_COUNT = 7,
	HISTOGRAM_SPAN = 12,
	HISTOGRAM_DELTA = 13,
};

static void write_classic(struct protobuf *out, const struct histogram *histogram)
{
	uint64_t count = 0;

	for (unsigned i = 0, bucket = 0; i < METRICS_CLASSIC_BUCKETS; i++) {
		size_t begin = protobuf_begin(out, HISTOGRAM_BUCKET);

		for (; bucket <= metrics_classic_bucket(i); bucket++)
			count += histogram->bucket[bucket];
		protobuf_uint(out, BUCKET_COUNT, count);
		protobuf_double(out, BUCKET_UPPER, histogram_upper_s(metrics_classic_bucket(i)));
		protobuf_end(out, begin);
	}
}

static int index_of(unsigned bucket)
{
	return bucket == LAST ? INFINITY_INDEX : FIRST_INDEX + (int)bucket - 1;
}

static void write_span(struct protobuf *out, int offset, unsigned length)
{
	size_t begin = protobuf_begin(out, HISTOGRAM_SPAN);

	protobuf_sint(out, SPAN_OFFSET, offset);
	protobuf_uint(out, SPAN_LENGTH, length);
	protobuf_end(out, begin);
}

/* Runs of buckets that are not empty; each begins so many indices behind the end of the one before. */
static void write_spans(struct protobuf *out, const struct histogram *histogram)
{
	int next = 0; /* the index behind the last run */

	for (unsigned bucket = 1, end; bucket <= LAST; bucket = end) {
		end = bucket + 1;
		if (!histogram->bucket[bucket])
			continue;
		while (end < LAST && histogram->bucket[end])
			end++;
		write_span(out, index_of(bucket) - next, end - bucket);
		next = index_of(bucket) + (int)(end - bucket);
	}
}

/* Of the buckets in those runs, each as a difference to the one before. */
static void write_deltas(struct protobuf *out, const struct histogram *histogram)
{
	size_t begin = protobuf_begin(out, HISTOGRAM_DELTA);
	int64_t before = 0;

	for (unsigned bucket = 1; bucket <= LAST; bucket++) {
		int64_t count = (int64_t)histogram->bucket[bucket];

		if (!count)
			continue;
		protobuf_packed_sint(out, count - before);
		before = count;
	}
	protobuf_end(out, begin);
}

static void write_histogram(struct protobuf *out, const struct histogram *histogram)
{
	size_t begin = protobuf_begin(out, METRIC_HISTOGRAM);

	protobuf_uint(out, HISTOGRAM_COUNT, histogram_count(histogram));
	protobuf_double(out, HISTOGRAM_SUM, metrics_histogram_sum(histogram));
	write_classic(out, histogram);
	protobuf_sint(out, HISTOGRAM_SCHEMA, CANARY_HISTOGRAM_SCHEMA);
	protobuf_double(out, HISTOGRAM_ZERO_THRESHOLD, histogram_upper_s(0));
	protobuf_uint(out, HISTOGRAM_ZERO_COUNT, histogram->bucket[0]);
	write_spans(out, histogram);
	write_deltas(out, histogram);
	protobuf_end(out, begin);
}

static void write_sample(struct protobuf *out, const struct metrics_sample *sample, enum metrics_type type)
{
	size_t metric = protobuf_begin(out, FAMILY_METRIC), begin;

	for (size_t i = 0; i < sample->n_labels; i++) {
		begin = protobuf_begin(out, METRIC_LABEL);
		protobuf_string(out, LABEL_NAME, sample->labels[i].name);
		protobuf_string(out, LABEL_VALUE, sample->labels[i].value);
		protobuf_end(out, begin);
	}
	if (sample->histogram) {
		write_histogram(out, sample->histogram);
	} else {
		begin = protobuf_begin(out, type == METRICS_COUNTER ? METRIC_COUNTER : METRIC_GAUGE);
		protobuf_double(out, VALUE, sample->value);
		protobuf_end(out, begin);
	}
	protobuf_end(out, metric);
}

static void write_family(struct protobuf *out, const struct metrics_family *family)
{
	static const unsigned types[] = { 0, 1, 4 }; /* COUNTER, GAUGE, HISTOGRAM */
	size_t begin = protobuf_begin(out, 0);

	protobuf_string(out, FAMILY_NAME, family->name);
	protobuf_string(out, FAMILY_HELP, family->help);
	protobuf_uint(out, FAMILY_TYPE, types[family->type]);
	for (size_t i = 0; i < family->n_samples; i++)
		write_sample(out, &family->samples[i], family->type);
	protobuf_end(out, begin);
}

char *metrics_protobuf(const struct metrics *metrics, size_t *ret_size)
{
	struct protobuf out = { .no_memory = metrics->no_memory };

	for (size_t f = 0; f < metrics->n_families; f++)
		if (metrics->families[f].n_samples)
			write_family(&out, &metrics->families[f]);
	if (out.no_memory) {
		free(out.data);
		return NULL;
	}
	*ret_size = out.size;
	return (char *)out.data;
}

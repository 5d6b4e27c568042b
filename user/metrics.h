/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics for Prometheus: families of samples, built in memory and written in one of its two formats. Pure: what is put
 * in comes from metrics_daemon.h.
 *
 * Names, help, labels' names and values, and histograms are borrowed: they live until the metrics are written.
 */
#ifndef CANARYD_METRICS_H
#define CANARYD_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "user/histogram.h"

#define METRICS_LABELS_MAX 6 /* of a sample */
#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_PROTOBUF_TYPE "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

enum metrics_type {
	METRICS_COUNTER = 0,
	METRICS_GAUGE,
	METRICS_HISTOGRAM,
};

struct metrics_label {
	const char *name;
	const char *value;
};

struct metrics_sample {
	size_t n_labels;
	struct metrics_label labels[METRICS_LABELS_MAX];
	double value;
	const struct histogram *histogram; /* of a histogram, in place of the value */
};

struct metrics_family {
	enum metrics_type type;
	const char *name;
	const char *help;
	size_t n_samples;
	struct metrics_sample *samples;
};

struct metrics {
	size_t n_families;
	struct metrics_family *families;
	size_t n_kept;
	char **kept;
	bool no_memory; /* something is missing, and nothing is written */
};

void metrics_deinit(struct metrics *metrics);

/* What is added from now on belongs to it. */
void metrics_family(struct metrics *metrics, enum metrics_type type, const char *name, const char *help);

/* Labels are pairs of name and value, and NULL. A value of NAN adds nothing: missing is not zero. */
void metrics_add(struct metrics *metrics, double value, ...) __attribute__((sentinel));
void metrics_add_histogram(struct metrics *metrics, const struct histogram *histogram, ...) __attribute__((sentinel));

/* A copy that lives as long as the metrics; "" when memory is short, and then nothing is written. */
const char *metrics_keep(struct metrics *metrics, const char *text);

/* Whether the value of an Accept header, or NULL, likes the protobuf format better than text. */
bool metrics_wants_protobuf(const char *accept);

/*
 * The text format 0.0.4, histograms in classic buckets at powers of two; and delimited messages, histograms in classic
 * buckets and as native ones without any loss: schema 5, what is up to 2^-17 s in the zero bucket, what is beyond 2^6 s in
 * the one of infinity. Families without samples are left out. The caller frees it; NULL: no memory.
 */
char *metrics_text(const struct metrics *metrics, size_t *ret_size);
char *metrics_protobuf(const struct metrics *metrics, size_t *ret_size);

/* Both formats want a sum, which nobody counts: of the middles of the buckets, at most 1.1 % off. */
double metrics_histogram_sum(const struct histogram *histogram);

/* The classic buckets end at 2^(CANARY_HISTOGRAM_MIN_EXP + i) s: where in the histogram the i-th does. */
#define METRICS_CLASSIC_BUCKETS (CANARY_HISTOGRAM_OCTAVES + 1)
static inline unsigned metrics_classic_bucket(unsigned i)
{
	return i << CANARY_HISTOGRAM_SCHEMA;
}

#endif

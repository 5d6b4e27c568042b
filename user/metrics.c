/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/metrics.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- building ----------------------------------------------------------------------------------------------- */

/* Makes room for one more of `n`, which grow in powers of two. NULL: no memory. */
static void *grow(void *items, size_t n, size_t size)
{
	bool full = (n & (n - 1)) == 0;

	return full ? reallocarray(items, n ? 2 * n : 1, size) : items;
}

void metrics_deinit(struct metrics *metrics)
{
	for (size_t f = 0; f < metrics->n_families; f++)
		free(metrics->families[f].samples);
	free(metrics->families);
	for (size_t i = 0; i < metrics->n_kept; i++)
		free(metrics->kept[i]);
	free(metrics->kept);
	*metrics = (struct metrics){ 0 };
}

void metrics_family(struct metrics *metrics, enum metrics_type type, const char *name, const char *help)
{
	struct metrics_family *families = grow(metrics->families, metrics->n_families, sizeof(*families));

	if (!families) {
		metrics->no_memory = true;
		return;
	}
	metrics->families = families;
	families[metrics->n_families++] = (struct metrics_family){ .type = type, .name = name, .help = help };
}

static void add(struct metrics *metrics, struct metrics_sample sample, va_list labels)
{
	struct metrics_family *family;
	struct metrics_sample *samples;
	const char *name;

	if (metrics->no_memory || !metrics->n_families)
		return;
	while (sample.n_labels < METRICS_LABELS_MAX && (name = va_arg(labels, const char *)))
		sample.labels[sample.n_labels++] = (struct metrics_label){ name, va_arg(labels, const char *) };
	family = &metrics->families[metrics->n_families - 1];
	samples = grow(family->samples, family->n_samples, sizeof(*samples));
	if (!samples) {
		metrics->no_memory = true;
		return;
	}
	family->samples = samples;
	samples[family->n_samples++] = sample;
}

void metrics_add(struct metrics *metrics, double value, ...)
{
	va_list labels;

	if (isnan(value))
		return;
	va_start(labels, value);
	add(metrics, (struct metrics_sample){ .value = value }, labels);
	va_end(labels);
}

void metrics_add_histogram(struct metrics *metrics, const struct histogram *histogram, ...)
{
	va_list labels;

	va_start(labels, histogram);
	add(metrics, (struct metrics_sample){ .histogram = histogram }, labels);
	va_end(labels);
}

const char *metrics_keep(struct metrics *metrics, const char *text)
{
	char **kept = grow(metrics->kept, metrics->n_kept, sizeof(*kept));
	char *copy = strdup(text);

	if (kept)
		metrics->kept = kept;
	if (!kept || !copy) {
		free(copy);
		metrics->no_memory = true;
		return "";
	}
	return kept[metrics->n_kept++] = copy;
}

/* ---- histograms --------------------------------------------------------------------------------------------- */

double metrics_histogram_sum(const struct histogram *histogram)
{
	const unsigned last = CANARY_HISTOGRAM_BUCKETS - 1;
	double sum = histogram->bucket[last] * histogram_upper_s(last - 1);

	for (unsigned i = 0; i < last; i++)
		if (histogram->bucket[i])
			sum += histogram->bucket[i] * histogram_mid_s(i);
	return sum;
}

/* ---- formats ------------------------------------------------------------------------------------------------ */

/* Whether `item`, a media type with parameters, has the parameter `text`; blanks may stand around it. */
static bool has_parameter(const char *item, size_t length, const char *text)
{
	const char *end = item + length, *c = item;

	while (c < end) {
		size_t n = strcspn(c, ";,"), blank = strspn(c, " \t");
		size_t used = n - blank;

		while (used && strchr(" \t", c[blank + used - 1]))
			used--;
		if (used == strlen(text) && !strncasecmp(c + blank, text, used))
			return true;
		c += n + 1;
	}
	return false;
}

static double quality(const char *item, size_t length)
{
	const char *q = memmem(item, length, ";q=", 3);

	return q ? strtod(q + 3, NULL) : 1;
}

bool metrics_wants_protobuf(const char *accept)
{
	double text = 0, protobuf = 0;

	for (const char *item = accept ?: ""; *item; item += strspn(item, ",")) {
		size_t length = strcspn(item, ",");

		if (has_parameter(item, length, "text/plain"))
			text = fmax(text, quality(item, length));
		if (has_parameter(item, length, "application/vnd.google.protobuf") &&
		    has_parameter(item, length, "proto=io.prometheus.client.MetricFamily") &&
		    has_parameter(item, length, "encoding=delimited"))
			protobuf = fmax(protobuf, quality(item, length));
		item += length;
	}
	return protobuf > 0 && protobuf >= text;
}

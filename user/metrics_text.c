/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus' text format, version 0.0.4. */
#include "user/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void print_escaped(FILE *out, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*text == '\\' || (quotes && *text == '"'))
			fputc('\\', out);
		fputc(*text, out);
	}
}

/* As short as it reads back equal. */
static void print_number(FILE *out, double value)
{
	char text[32];

	if (isinf(value)) {
		fputs(value > 0 ? "+Inf" : "-Inf", out);
		return;
	}
	snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) != value)
		snprintf(text, sizeof(text), "%.17g", value);
	fputs(text, out);
}

/* `le`: the upper edge of a bucket; NAN: it is none. */
static void print_labels(FILE *out, const struct metrics_sample *sample, double le)
{
	bool any = sample->n_labels || !isnan(le);

	if (any)
		fputc('{', out);
	for (size_t i = 0; i < sample->n_labels; i++) {
		fprintf(out, "%s%s=\"", i ? "," : "", sample->labels[i].name);
		print_escaped(out, sample->labels[i].value, true);
		fputc('"', out);
	}
	if (!isnan(le)) {
		fprintf(out, "%sle=\"", sample->n_labels ? "," : "");
		print_number(out, le);
		fputc('"', out);
	}
	fputs(any ? "} " : " ", out);
}

static void print_bucket(FILE *out, const char *name, const struct metrics_sample *sample, double le, uint64_t count)
{
	fprintf(out, "%s_bucket", name);
	print_labels(out, sample, le);
	fprintf(out, "%" PRIu64 "\n", count);
}

static void print_histogram(FILE *out, const char *name, const struct metrics_sample *sample)
{
	uint64_t count = 0;

	for (unsigned i = 0, bucket = 0; i < METRICS_CLASSIC_BUCKETS; i++) {
		for (; bucket <= metrics_classic_bucket(i); bucket++)
			count += sample->histogram->bucket[bucket];
		print_bucket(out, name, sample, histogram_upper_s(metrics_classic_bucket(i)), count);
	}
	count = histogram_count(sample->histogram);
	print_bucket(out, name, sample, INFINITY, count);
	fprintf(out, "%s_sum", name);
	print_labels(out, sample, NAN);
	print_number(out, metrics_histogram_sum(sample->histogram));
	fprintf(out, "\n%s_count", name);
	print_labels(out, sample, NAN);
	fprintf(out, "%" PRIu64 "\n", count);
}

static void print_family(FILE *out, const struct metrics_family *family)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };

	fprintf(out, "# HELP %s ", family->name);
	print_escaped(out, family->help, false);
	fprintf(out, "\n# TYPE %s %s\n", family->name, types[family->type]);
	for (size_t i = 0; i < family->n_samples; i++) {
		const struct metrics_sample *sample = &family->samples[i];

		if (sample->histogram) {
			print_histogram(out, family->name, sample);
			continue;
		}
		fputs(family->name, out);
		print_labels(out, sample, NAN);
		print_number(out, sample->value);
		fputc('\n', out);
	}
}

char *metrics_text(const struct metrics *metrics, size_t *ret_size)
{
	char *text = NULL;
	size_t size;
	FILE *out = metrics->no_memory ? NULL : open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t f = 0; f < metrics->n_families; f++)
		if (metrics->families[f].n_samples)
			print_family(out, &metrics->families[f]);
	if (fclose(out) || !text) {
		free(text);
		return NULL;
	}
	*ret_size = size;
	return text;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/lab/samples.h"

#include <math.h>
#include <stdlib.h>

static int make_room(struct samples *samples)
{
	size_t room = samples->room ? samples->room * 2 : 4096;
	uint64_t *ns;

	if (samples->count < samples->room)
		return 0;
	if (room > SAMPLES_MAX)
		return -1;
	ns = realloc(samples->ns, room * sizeof(*ns));
	if (!ns)
		return -1;
	samples->ns = ns;
	samples->room = room;
	return 0;
}

void samples_add(struct samples *samples, uint64_t ns)
{
	if (make_room(samples) < 0)
		samples->lost++;
	else
		samples->ns[samples->count++] = ns;
}

void samples_deinit(struct samples *samples)
{
	free(samples->ns);
	*samples = (struct samples){0};
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The smallest sample with at least `share` of all samples at or below it. */
static json_t *quantile(const struct samples *samples, double share)
{
	size_t rank = (size_t)ceil(share * (double)samples->count);

	if (!samples->count)
		return json_null();
	return json_real((double)samples->ns[rank ? rank - 1 : 0] / 1e9);
}

json_t *samples_report(struct samples *samples)
{
	if (samples->count)
		qsort(samples->ns, samples->count, sizeof(*samples->ns), compare);
	return json_pack("{sI sI so so so so}", "count", (json_int_t)samples->count, "lost", (json_int_t)samples->lost,
			 "p50", quantile(samples, 0.5), "p95", quantile(samples, 0.95),
			 "p99", quantile(samples, 0.99), "max", quantile(samples, 1));
}

void samples_print(const struct samples *samples, const char *name, FILE *file)
{
	for (size_t i = 0; i < samples->count; i++)
		fprintf(file, "%s %.9f\n", name, (double)samples->ns[i] / 1e9);
}

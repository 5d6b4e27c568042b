/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ticks → lines. An edge is written a little short, to six digits, so that it falls into its own bucket wherever it is
 * read.
 */
#include "user/record.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>

#define SHORT_OF_EDGE (1 - 1e-5)

static void print_edge(unsigned bucket, FILE *out)
{
	double edge = histogram_upper_s(bucket);

	if (isinf(edge))
		fputs("null", out);
	else
		fprintf(out, "%.6g", edge * SHORT_OF_EDGE);
}

static void print_ttfb(const struct histogram *h, FILE *out)
{
	const char *comma = "";

	fputs(",\"ttfb\":[", out);
	for (unsigned i = 0; i < CANARY_HISTOGRAM_BUCKETS; i++) {
		if (h->bucket[i] == 0)
			continue;
		fprintf(out, "%s[", comma);
		print_edge(i, out);
		fprintf(out, ",%" PRIu64 "]", h->bucket[i]);
		comma = ",";
	}
	fputc(']', out);
}

static void print_version(const char *name, const char *role, const struct sample_version *v, FILE *out)
{
	fprintf(out, "\"%s\":{\"role\":\"%s\",\"attempts\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"backends\":{", name, role,
		v->attempts, v->failed);
	for (unsigned i = 0; i < v->n_backends; i++)
		fprintf(out, "%s\"%s\":[%" PRIu64 ",%" PRIu64 "]", i ? "," : "", v->backend[i].address,
			v->backend[i].attempts, v->backend[i].failed);
	fputc('}', out);
	print_ttfb(&v->ttfb, out);
	fputc('}', out);
}

static void print_text(const char *text, FILE *out)
{
	json_t *string = json_string(text);

	if (!string || json_dumpf(string, out, JSON_ENCODE_ANY))
		fputs("\"\"", out); /* not UTF-8 */
	json_decref(string);
}

static void print_value(double value, FILE *out)
{
	if (isfinite(value))
		fprintf(out, "%.17g", value);
	else
		fputs("null", out);
}

static void print_external(const struct sample_external *e, FILE *out)
{
	fprintf(out, "{\"state\":\"%s\",\"fresh\":%s,\"baseline\":[%" PRIu64 ",%" PRIu64 "],\"canary\":[%" PRIu64 ",%" PRIu64
		"],\"value\":[", finding_state_name(e->state), e->fresh ? "true" : "false", e->baseline_n, e->baseline_y,
		e->canary_n, e->canary_y);
	print_value(e->baseline, out);
	fputc(',', out);
	print_value(e->canary, out);
	fputs("],\"said\":", out);
	print_text(e->said, out);
	fputc('}', out);
}

static void print_externals(const struct sample *s, FILE *out)
{
	const char *comma = ",\"muted\":[";
	unsigned n = FINDING_EXTERNALS;

	for (unsigned i = 0; i < FINDING_SLIS; i++) {
		if (!s->muted[i])
			continue;
		fprintf(out, "%s%u", comma, i);
		comma = ",";
	}
	fputs(*comma && !comma[1] ? "]" : "", out);
	while (n > 0 && s->external[n - 1].state == FINDING_STATE_WAITING && !s->external[n - 1].fresh)
		n--;
	for (unsigned i = 0; i < n; i++) {
		fputs(i ? "," : ",\"slis\":[", out);
		print_external(&s->external[i], out);
	}
	fputs(n ? "]" : "", out);
}

static void print_says(const char *name, enum finding_say says, const char *why, FILE *out)
{
	if (!says)
		return;
	fprintf(out, ",\"%s\":{\"says\":\"%s\",\"why\":", name, says == FINDING_SAYS_FAIL ? "rollback" : "hold");
	print_text(why, out);
	fputc('}', out);
}

static void print_breaker(const struct record_outside *o, FILE *out)
{
	if (!o->tripped)
		return;
	fputs(",\"breaker\":{\"why\":", out);
	print_text(o->tripped_why, out);
	fprintf(out, ",\"canary\":[%" PRIu64 ",%" PRIu64 "]}", o->tripped_attempts, o->tripped_failed);
}

static void print_outside(const struct record_outside *o, FILE *out)
{
	if (o->clock_step_s != 0)
		fprintf(out, ",\"clock_step\":%.17g", o->clock_step_s);
	if (o->asleep_s != 0)
		fprintf(out, ",\"asleep\":%.17g", o->asleep_s);
	if (o->blackout) {
		fputs(",\"blackout\":", out);
		print_text(o->blackout_until, out);
	}
	print_says("alert", o->alert, o->alert_why, out);
	print_says("no_backend", o->backends, o->backends_why, out);
	print_breaker(o, out);
	if (!o->gates_closed)
		return;
	fputs(",\"gate\":{\"name\":", out);
	print_text(o->gate, out);
	fputs(",\"why\":", out);
	print_text(o->gate_why, out);
	fprintf(out, ",\"verdict\":\"%s\"}", o->gate_failed ? "failed" : o->gate_refused ? "refused" : "asking");
}

static void print_decided(const struct record *r, FILE *out)
{
	for (unsigned i = 0; i < r->n_decided; i++) {
		const struct record_decided *d = &r->decided[i];

		fprintf(out, "%s{\"rollout\":%" PRIi64 ",\"decision\":\"%s\",\"reason\":", i ? "," : ",\"decided\":[", d->rollout,
			policy_kind_name(d->kind));
		print_text(d->reason, out);
		fputc('}', out);
	}
	fputs(r->n_decided ? "]" : "", out);
}

static void print_journal(const struct record *r, FILE *out)
{
	const struct record_restart *restart = &r->restart;

	if (restart->under_way)
		fprintf(out, ",\"restart\":{\"ticks\":%" PRIu64 ",\"evidence\":%s}", restart->ticks,
			restart->evidence ? "true" : "false");
	else if (restart->restarted)
		fputs(",\"restart\":{}", out);
	fputs(r->kept ? ",\"kept\":true" : "", out);
	fputs(r->refused ? ",\"refused\":true" : "", out);
}

void record_print(const struct record *record, FILE *out)
{
	fprintf(out, "{\"t\":%.3f,\"weight\":%.9g", record->t, record->sample.weight);
	if (*record->service)
		fprintf(out, ",\"service\":\"%s\"", record->service);
	if (!isnan(record->elapsed_s))
		fprintf(out, ",\"elapsed\":%.9f", record->elapsed_s);
	if (record->rollout > 0)
		fprintf(out, ",\"rollout\":%" PRIi64, record->rollout);
	else if (record->rollout == RECORD_NO_ROLLOUT)
		fputs(",\"rollout\":null", out);
	if (record->sample.suspect) {
		fputs(",\"suspect\":", out);
		if (*record->sample.suspect_why)
			print_text(record->sample.suspect_why, out);
		else
			fputs("true", out);
	}
	print_outside(&record->outside, out);
	print_decided(record, out);
	print_journal(record, out);
	print_externals(&record->sample, out);
	fputs(",\"versions\":{", out);
	if (*record->baseline)
		print_version(record->baseline, "baseline", &record->sample.baseline, out);
	if (*record->canary) {
		fputs(*record->baseline ? "," : "", out);
		print_version(record->canary, "canary", &record->sample.canary, out);
	}
	fputs("}}\n", out);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl replay: reads a record line by line and prints what the judge and the policy make of it. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "command.h"
#include "ctl.h"
#include "plan_options.h"
#include "run.h"
#include "story.h"
#include "user/record.h"
#include "user/replay.h"

struct job {
	struct ctl *ctl;
	const char *path;
	FILE *file;
	unsigned long line;
	char service[RECORD_NAME]; /* "": the file's only one */
	bool chosen;               /* … by --service */
	struct replay *replay;
	struct record *record;
	unsigned long ticks;
	double t;  /* of the last tick; NAN before the first */
	bool stop; /* nothing that follows matters */
	bool bad;  /* a line was not understood: what came before it is judged all the same */
};

/* ---- printing -------------------------------------------------------------------------------------------- */

/* A number of JSON: there is no NaN and no infinity. */
static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static json_t *attempts(uint64_t n, uint64_t y)
{
	return json_pack("{s:I, s:I}", "attempts", (json_int_t)n, "failed", (json_int_t)y);
}

static json_t *decision_json(double t, const struct replay_decision *named)
{
	const struct policy_decision *d = &named->decision;

	return json_pack("{s:f, s:s, s:s, s:i, s:f, s:f, s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:s}", "t", t, "decision",
			 named->name, "state", named->state, "step", (int)d->step, "weight_from", d->weight_from,
			 "weight_to", d->weight_to, "sli", text_or_null(d->sli), "value", number(d->value), "bound",
			 number(d->bound), "unit", text_or_null(policy_unit_name(d->unit)), "counts", "baseline",
			 attempts(d->counts.baseline_attempts, d->counts.baseline_failed), "canary",
			 attempts(d->counts.canary_attempts, d->counts.canary_failed), "reason", d->reason);
}

static void print_line(struct ctl *ctl, const json_t *json)
{
	json_dumpf(json, ctl->out.out, JSON_COMPACT | JSON_REAL_PRECISION(12));
	fputc('\n', ctl->out.out);
}

static void print_decision(const struct job *job, const struct replay_decision *decision)
{
	json_t *json = decision_json(job->t, decision);
	char when[32];

	if (job->ctl->json) {
		print_line(job->ctl, json);
	} else {
		snprintf(when, sizeof(when), "%.10g s", job->t);
		story_print_decision(&job->ctl->out, when, json);
	}
	json_decref(json);
}

static int print_outcome(const struct job *job)
{
	static const int codes[] = {
		[REPLAY_UNDECIDED] = API_EXIT_UNDECIDED,
		[REPLAY_ROLLED_BACK] = API_EXIT_ROLLED_BACK,
		[REPLAY_PROMOTABLE] = API_EXIT_OK,
	};
	static const enum tone tones[] = { TONE_WARN, TONE_BAD, TONE_GOOD };
	static const char *const words[] = { "undecided", "rolled back", "promotable" };
	char reason[FINDING_REASON];
	double t;
	enum replay_outcome outcome = replay_outcome(job->replay, &t, reason);
	const struct page *page = &job->ctl->out;

	if (job->ctl->json) {
		json_t *json = json_pack("{s:s, s:f, s:s, s:I}", "outcome", replay_outcome_name(outcome), "t", t, "reason",
					 reason, "ticks", (json_int_t)job->ticks);

		print_line(job->ctl, json);
		json_decref(json);
	} else {
		page_print(page, tones[outcome], "%s", words[outcome]);
		page_print(page, TONE_PLAIN, " at %.10g s, after %lu ticks\n", t, job->ticks);
		page_wrap(page, TONE_PLAIN, 2, reason);
	}
	return codes[outcome];
}

/* ---- reading --------------------------------------------------------------------------------------------- */

static int refuse(struct job *job, const char *what)
{
	job->bad = true;
	return ctl_error(job->ctl, API_EXIT_FAILED, NULL, "%s:%lu: %s", job->path, job->line, what);
}

/* True when the tick is of the service that is replayed. *ret_code is an exit code after a complaint. */
static bool is_ours(struct job *job, int *ret_code)
{
	const char *service = job->record->service;

	*ret_code = API_EXIT_OK;
	if (!*service || strcmp(service, job->service) == 0)
		return true;
	if (!*job->service) {
		memcpy(job->service, service, sizeof(job->service));
		return true;
	}
	if (!job->chosen)
		*ret_code = ctl_error(job->ctl, API_EXIT_FAILED, "choose one with --service NAME",
				      "%s:%lu: the record has several services: %s and %s", job->path, job->line,
				      job->service, service);
	return false;
}

/* A tick to the judge, its decisions to the page. */
static int take(struct job *job)
{
	struct replay_decision decisions[REPLAY_DECISIONS];
	unsigned n;
	int code;

	if (!is_ours(job, &code))
		return code;
	if (job->record->t < job->t) {
		char what[128];

		snprintf(what, sizeof(what), "t goes back from %.10g to %.10g", job->t, job->record->t);
		return refuse(job, what);
	}
	job->t = job->record->t;
	job->ticks++;
	n = replay_tick(job->replay, job->record, decisions);
	for (unsigned i = 0; i < n; i++) {
		print_decision(job, &decisions[i]);
		job->stop = job->stop || decisions[i].decision.kind == POLICY_ROLL_BACK;
	}
	return API_EXIT_OK;
}

static bool at_end(FILE *file)
{
	int c = getc(file);

	if (c != EOF)
		ungetc(c, file);
	return c == EOF;
}

static int take_line(struct job *job, const char *line, size_t length)
{
	char error[RECORD_ERROR];
	int r = record_parse(line, length, job->record, error);

	if (r == 0)
		return take(job);
	if (r != -ENODATA || !at_end(job->file))
		return refuse(job, error);
	job->stop = true;
	return ctl_error(job->ctl, API_EXIT_OK, "what came before it is judged all the same",
			 "%s:%lu: the last line was cut off", job->path, job->line);
}

static int take_file(struct job *job)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	int code = API_EXIT_OK;

	while (!job->stop && !code && (errno = 0, length = getline(&line, &size, job->file)) >= 0) {
		job->line++;
		while (length > 0 && strchr("\r\n \t", line[length - 1]))
			length--;
		if (length > 0)
			code = take_line(job, line, (size_t)length);
	}
	free(line);
	if (!job->stop && !code && ferror(job->file))
		return ctl_error(job->ctl, API_EXIT_FAILED, NULL, "cannot read %s: %s", job->path, strerror(errno));
	if (!code && job->ticks == 0)
		return ctl_error(job->ctl, API_EXIT_FAILED, "is it the right file, and service?", "%s has no ticks%s%s",
				 job->path, *job->service ? " of service " : "", job->service);
	return code;
}

static int open_file(struct job *job)
{
	job->file = strcmp(job->path, "-") == 0 ? stdin : fopen(job->path, "re");
	if (job->file)
		return API_EXIT_OK;
	return ctl_error(job->ctl, API_EXIT_FAILED, NULL, "cannot open %s: %s", job->path, strerror(errno));
}

int run_replay(struct ctl *ctl, const struct call *call)
{
	struct job job = { .ctl = ctl, .path = call_argument(call, 0), .t = NAN };
	struct replay_options options;
	int code = plan_options_read(ctl, call, NULL, call_value(call, "service", NULL), &options);

	if (code)
		return code;
	job.chosen = call_has(call, "service");
	snprintf(job.service, sizeof(job.service), "%s", call_value(call, "service", ""));
	code = open_file(&job);
	if (code)
		return code;
	job.replay = replay_new(&options);
	job.record = calloc(1, sizeof(*job.record));
	code = job.replay && job.record ? take_file(&job) : ctl_no_memory(ctl);
	if (!code)
		code = print_outcome(&job);
	else if (job.bad && job.ticks > 0)
		print_outcome(&job);
	replay_free(job.replay);
	free(job.record);
	if (job.file != stdin)
		fclose(job.file);
	return code;
}

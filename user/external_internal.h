/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What external*.c share: an indicator, and one look at it. */
#ifndef CANARYD_EXTERNAL_INTERNAL_H
#define CANARYD_EXTERNAL_INTERNAL_H

#include <stdbool.h>

#include "user/external.h"
#include "user/unit_trend.h"

enum role {
	BASELINE = 0,
	CANARY,
	ROLES,
};

/* What is asked about a version: a gauge's value or a count's total, and its bad ones. */
enum what {
	VALUE = 0,
	BAD,
	WHATS,
};

struct answer {
	enum finding_state state;
	double value;
	char said[FINDING_DETAIL];
};

struct indicator;

/* A question and its answer. */
struct question {
	struct indicator *indicator;
	enum role role;
	struct fetch_job *job;   /* while it is asked */
	struct command *command;
	struct answer answer;
};

struct indicator {
	struct external *external;
	unsigned index; /* in the service's slis */
	uint64_t due_ns;
	unsigned open; /* questions */
	struct question question[ROLES][WHATS];
	bool counted[ROLES]; /* the counters of the look before are known */
	double before[ROLES][WHATS];
	double rest[ROLES][WHATS]; /* of events that came in fractions */
	unsigned turn;             /* whose backend a check takes next */
	struct unit_trend trend[ROLES];
	struct sample_external result;
};

struct external {
	struct external_tools tools;
	const struct config_service *service;
	struct external_now now;
	char baseline[CANARY_NAME_MAX]; /* of the looks so far */
	char canary[CANARY_NAME_MAX];
	int64_t rollout;
	unsigned n_indicators;
	struct indicator indicators[FINDING_EXTERNALS];
};

const struct config_sli *indicator_sli(const struct indicator *x);
const struct config_version *indicator_version(const struct indicator *x, enum role role);

/* Answers a question; the last one of a look ends it. printf-like: what is wrong and the mend. */
void question_answer(struct question *q, enum finding_state state, double value, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Ask; each leads to question_answer(), now or later. */
void ask_promql(struct question *q, const char *query);
void ask_http(struct question *q);
void ask_command(struct question *q);
void ask_unit(struct question *q);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the judge finds in a tick, and the words for it. Plain data plus the few functions that put it into words:
 * every sentence an operator reads about evidence is built here, so that it reads the same everywhere.
 *
 * Evidence E is kept as ln E. E is an e-process: were the canary no worse, it would exceed x at any time in the whole
 * rollout with a probability of at most 1/x.
 */
#ifndef CANARYD_FINDING_H
#define CANARYD_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINDING_REASON 256 /* bytes of a sentence, the final NUL included */
#define FINDING_NAME 32    /* bytes of an indicator's name, the final NUL included */
#define FINDING_DETAIL 200 /* bytes of a sentence about one look at an indicator, the final NUL included */
#define FINDING_SLIS 16
#define FINDING_EXTERNALS (FINDING_SLIS - 2) /* those measured outside the packets come after the two that are there always */

enum {
	FINDING_ERRORS = 0,  /* index of the SLI of failures, always there */
	FINDING_LATENCY = 1, /* index of the SLI of latency, always there */
};

enum finding_verdict {
	FINDING_NO_DATA = 0,
	FINDING_PASS,
	FINDING_FAIL,
	FINDING_INCONCLUSIVE,
	FINDING_ERROR,
	FINDING_VERDICTS,
};

enum finding_unit {
	FINDING_RATIO = 0,
	FINDING_SECONDS,
	FINDING_NUMBER,
	FINDING_BYTES,
};

enum finding_kind {
	FINDING_COUNT = 0, /* bad events of all: evidence */
	FINDING_GAUGE,     /* a value against a bound: no evidence, no share of α */
};

/* What the last look at an indicator outside the packets was good for. */
enum finding_state {
	FINDING_STATE_WAITING = 0,    /* not looked at yet */
	FINDING_STATE_OK,
	FINDING_STATE_NO_DATA,        /* an answer without a value */
	FINDING_STATE_NOT_A_NUMBER,   /* NaN or infinite */
	FINDING_STATE_NOT_UNDERSTOOD, /* the answer is not what such a source says */
	FINDING_STATE_SEVERAL,        /* several values where there has to be one */
	FINDING_STATE_BACKWARDS,      /* a counter fell: its source was started again */
	FINDING_STATE_QUERY_ERROR,    /* the source refuses the query */
	FINDING_STATE_HTTP_ERROR,
	FINDING_STATE_UNREACHABLE,
	FINDING_STATE_TIMEOUT,
	FINDING_STATE_UNAVAILABLE, /* it cannot be measured here */
	FINDING_STATES,
};

/* What an indicator has to say beside its evidence, the least first. */
enum finding_say {
	FINDING_SAYS_NOTHING = 0,
	FINDING_SAYS_WAIT, /* no step forward now */
	FINDING_SAYS_HOLD,
	FINDING_SAYS_FAIL, /* roll back */
};

/* What the sample as a whole is good for. */
enum finding_data {
	FINDING_DATA_OK = 0,
	FINDING_DATA_WARMUP,      /* every canary backend that has traffic is younger than the warm-up */
	FINDING_DATA_NO_DATA,     /* the canary has had no traffic for a while */
	FINDING_DATA_NO_BASELINE, /* the baseline has none, or gets none at a weight of 1: the absolute test only */
	FINDING_DATA_ERROR,       /* the sample is suspect: nothing was learnt from it */
};

struct finding_evidence {
	double ln_e;
	double ln_bound; /* ln_e at or above it decides, for this SLI alone */
};

/*
 * Completed events that were judged. For latency: the samples, and those that were too slow, that is, above τ for the
 * baseline and above (1 + δ)·τ for the canary, where τ is the baseline's `quantile`.
 */
struct finding_counts {
	uint64_t baseline_attempts;
	uint64_t baseline_failed;
	uint64_t canary_attempts;
	uint64_t canary_failed;
};

struct finding_sli {
	char name[FINDING_NAME];
	bool critical;
	double weight; /* its share of α; they add up to 1 */
	enum finding_verdict verdict;
	struct finding_evidence rollback;
	struct finding_evidence promotion; /* since the step began */
	enum finding_unit unit;
	double baseline; /* measured: share of failures, or seconds; NAN without data */
	double canary;
	double quantile; /* of latency: the one `baseline`, `canary` and `counts` speak of; NAN for a ratio */
	struct finding_counts counts;  /* since the judging began */
	struct finding_counts telling; /* the stretch of time that speaks loudest: all of it, or */
	double telling_s;              /* the last so many seconds; 0: all of it */
	bool interval_valid;
	double interval_low; /* 95 % confidence sequence of canary ÷ baseline (latency: of the shares above τ) */
	double interval_high;
	double time_to_verdict_s; /* NAN when never or not known */
	enum finding_kind kind;
	enum finding_state state;
	unsigned bad_looks; /* in a row, until the last one */
	bool dry_run; /* measured and judged, without a say */
	bool muted;   /* nothing is learnt from it meanwhile, and it has no say */
	bool unasked; /* promotion does not wait for its evidence */
	enum finding_say says;
	double bound;              /* of a gauge: what `canary` is held against; NAN: nothing now */
	char said[FINDING_DETAIL]; /* the sentence for `says`, `state` or a gauge's bound; "" where there is none */
};

struct finding {
	unsigned n_slis;
	struct finding_sli sli[FINDING_SLIS];
	unsigned loudest;       /* the SLI with the most evidence against the canary */
	double ln_e_rollback;   /* all SLIs together */
	double ln_bound;        /* ln 1/α: at or above it the canary is worse */
	double ln_hold;         /* ln 5 */
	bool holds;             /* E ≥ 5: not worse yet, but nothing moves up */
	bool p99_holds;         /* the p99's own E ≥ 5 */
	double ln_e_p99;        /* the p99's own evidence against the canary */
	enum finding_data data;
	unsigned data_ticks;    /* ticks in a row with this `data` */
	bool guard_fired;       /* the warm-up's guard: roll back */
	double ln_e_guard;
	double ln_bound_guard;
	struct finding_counts guard_counts; /* of the backends in warm-up */
	bool aa_unhealthy;      /* baseline against baseline differs: no verdict here can be trusted, hold */
	bool burn_blocks;       /* the burn gate is closed: no advance */
	bool burn_pages;        /* the canary burns its error budget at a pace worth a page */
	double burn_baseline;   /* of the last 5 min; NAN without data */
	double burn_canary;
	bool budget_spent;      /* excess failures above the rollout's budget: roll back */
	double excess_failures; /* failures of the canary beyond what the baseline would have had */
	double budget_failures; /* 0: no budget */
	double noise;           /* φ: the variance of the baseline's own backends in units of pure chance */
	enum finding_say says;  /* the most that an indicator with a say says beside its evidence, */
	unsigned saying;        /* and which one */
	bool gates_closed;      /* for the caller: some gate or hook does not agree */
	char gate[64];          /* for the caller: its name */
	char gate_why[160];     /* for the caller: what of it: "is being asked", "does not agree: …" */
	bool gate_refused;      /* for the caller: it has said no, or nothing for long: the rollout is held by it */
	enum finding_say alert; /* for the caller: what others report of the canary: hold, or roll back */
	char alert_why[FINDING_REASON]; /* for the caller: and their words */
	enum finding_say backends; /* for the caller: the canary has none for new flows: hold, or it has failed */
	char backends_why[FINDING_REASON]; /* for the caller: and why */
	bool tripped;           /* for the caller: the kernel's breaker has taken the canary's new flows away: */
	char tripped_why[FINDING_REASON]; /* for the caller: why, */
	uint64_t tripped_attempts; /* for the caller: … and by how many failures of how many */
	uint64_t tripped_failed;
	bool gate_failed;       /* for the caller: it has said no, and is not asked again */
	bool blackout;          /* for the caller: a blackout window is open: nothing moves up */
	char blackout_until[20]; /* for the caller: when it ends, local time */
	double clock_step_s;    /* for the caller: the time of day went so much further than time passed; 0: it did not */
	double asleep_s;        /* for the caller: the host was suspended for so long; 0: it was not */
	double attempts_per_s;  /* of both versions, in the last minute; 0 without */
	double score;           /* 0 … 100: shown, never decided on */
	char reason[FINDING_REASON]; /* one sentence: the SLI, value, bound and counts that speak loudest */
};

/* The words of api.h: "pass", "fail", "inconclusive", "no_data", "error"; "ratio", "seconds", "number", "bytes". */
const char *finding_verdict_name(enum finding_verdict verdict);
const char *finding_unit_name(enum finding_unit unit);

/* "count", "gauge" */
const char *finding_kind_name(enum finding_kind kind);

/* "ok", "waiting", "no_data", "not_a_number", "not_understood", "several", "backwards", "query_error", … */
const char *finding_state_name(enum finding_state state);

/* "ok", "warmup", "no_data", "no_baseline", "error" */
const char *finding_data_name(enum finding_data data);

/* Writes evidence for people: "0.21", "8.4", "312", "6.1e9". Returns buf. */
const char *finding_print_evidence(char *buf, size_t size, double ln_e);

/* Writes a share for people, in percent with two significant digits: "4.8 %". Returns buf. */
const char *finding_print_share(char *buf, size_t size, double share);

/* Writes a duration for people: "0.25 ms", "140 ms", "45 s", "12 min", "3.1 h". Returns buf. */
const char *finding_print_duration(char *buf, size_t size, double seconds);

/* Writes a value of any unit for people: "4.8 %", "140 ms", "0.93", "312 MiB". Returns buf. */
const char *finding_print_value(char *buf, size_t size, enum finding_unit unit, double value);

/* Writes what the SLI `saying` says, its name before it: "orders: canary 3, below 0.8 times the baseline's 12 …". */
const char *finding_print_said(char *buf, size_t size, const struct finding *finding);

/*
 * Writes what an SLI measured, without evidence: "errors: canary 4.8 % (12 of 250) against baseline 0.1 % (5 of 4750)"
 * or "latency: canary p95 142 ms (31 of 250 too slow) against baseline 110 ms (240 of 4750)". Returns buf.
 */
const char *finding_print_measured(char *buf, size_t size, const struct finding_sli *sli);

#endif

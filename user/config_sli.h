/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The indicators of a service, as its configuration has them. Plain data, part of config.h. */
#ifndef CANARYD_CONFIG_SLI_H
#define CANARYD_CONFIG_SLI_H

#include <stdbool.h>

#include "user/finding.h"

#define CONFIG_SLIS_MAX FINDING_SLIS
#define CONFIG_QUERY_MAX 1024 /* bytes of a query, NUL included */
#define CONFIG_UNTIL_MAX 17   /* bytes of "2026-12-24T08:00", NUL included */

enum config_sli_kind {
	CONFIG_SLI_PACKET = 0, /* "errors" and "latency": counted in the kernel, always there */
	CONFIG_SLI_PROMQL,
	CONFIG_SLI_UNIT,
	CONFIG_SLI_SKEW,
	CONFIG_SLI_EXEC,
	CONFIG_SLI_HTTP,
};

/* What of a systemd unit, or of a cgroup. */
enum config_measure {
	CONFIG_MEASURE_NONE = 0,
	CONFIG_MEASURE_CPU,             /* cores in use */
	CONFIG_MEASURE_CPU_PER_REQUEST, /* seconds of CPU */
	CONFIG_MEASURE_MEMORY,          /* bytes */
	CONFIG_MEASURE_MEMORY_DRIFT,    /* bytes an hour */
	CONFIG_MEASURE_OOM_KILLS,       /* since the rollout began */
	CONFIG_MEASURE_RESTARTS,        /* since the rollout began */
	CONFIG_MEASURE_CRASH_LOOP,      /* restarts in the last ten minutes */
};

enum config_critical {
	CONFIG_CRITICAL_AUTO = 0, /* as the section `judge` has it of errors and latency; else no */
	CONFIG_CRITICAL_YES,
	CONFIG_CRITICAL_NO,
};

/* What a key of another kind leaves: "" and NAN. */
struct config_sli {
	char name[FINDING_NAME];
	enum config_sli_kind kind;
	double weight; /* NAN: the default */
	enum config_critical critical;
	bool dry_run;
	char muted[CONFIG_UNTIL_MAX]; /* "true", "false", or a local time */
	double muted_until;           /* the same: Unix seconds, 0 or INFINITY */
	double interval_s;
	double timeout_s;
	char url[CONFIG_QUERY_MAX];
	char query[CONFIG_QUERY_MAX]; /* a gauge's; or */
	char total[CONFIG_QUERY_MAX]; /* a count's */
	char bad[CONFIG_QUERY_MAX];
	bool cumulative; /* total and bad are counters; else they say what happened since the look before */
	enum finding_unit shown_as;
	enum config_measure measure;
	char command[CONFIG_QUERY_MAX];
	bool gate;
	double margin; /* NAN: the judge's */
	double p0;     /* NAN: the default */
	bool proof;
	double max; /* NAN: no such bound */
	double min;
	double max_ratio;
	double min_ratio;
	double for_s; /* filled in after loading, like the bounds of what has some by default */
};

/* Whether bad events of all are counted, rather than a value held against bounds. */
bool config_sli_is_count(const struct config_sli *sli);

#endif

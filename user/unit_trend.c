/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/unit_trend.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CRASH_LOOP_S 600.0
#define DRIFT_S 600.0     /* time constant of the slope */
#define DRIFT_LOOKS 6     /* and these many, over so long, before it means anything */
#define DRIFT_LEAST_S 60.0
#define HOUR_S 3600.0

/* ---- restarts -------------------------------------------------------------------------------------------- */

static bool has_pid(const struct unit_reading *r, pid_t pid)
{
	for (unsigned i = 0; i < r->n_pids; i++)
		if (r->pids[i] == pid)
			return true;
	return false;
}

/* None of the processes that were there is there any more, and others are. */
static bool all_replaced(const struct unit_reading *before, const struct unit_reading *now)
{
	if (!before->n_pids || !now->n_pids)
		return false;
	for (unsigned i = 0; i < before->n_pids; i++)
		if (has_pid(now, before->pids[i]))
			return false;
	return true;
}

/* systemd's count where there is one: it leaves out what an operator restarted, and falls when one does. */
static double restarts_between(const struct unit_reading *before, const struct unit_reading *now)
{
	if (!isnan(before->restarts) && !isnan(now->restarts))
		return fmax(0, now->restarts - before->restarts);
	return before->inode != now->inode || all_replaced(before, now);
}

static void count_restarts(struct unit_trend *t, double restarts, double now_s)
{
	for (; restarts >= 1; restarts--) {
		t->restart_s[(unsigned)t->restarts % UNIT_RESTARTS] = now_s;
		t->restarts++;
		t->looks = 0;
	}
}

static double recent_restarts(const struct unit_trend *t, double now_s)
{
	unsigned remembered = (unsigned)fmin(t->restarts, UNIT_RESTARTS);
	double recent = 0;

	for (unsigned i = 0; i < remembered; i++)
		recent += now_s - t->restart_s[i] <= CRASH_LOOP_S;
	return recent;
}

/* ---- memory ---------------------------------------------------------------------------------------------- */

static void add_memory(struct unit_trend *t, double bytes, double now_s)
{
	double keep = exp(-(now_s - t->last_s) / DRIFT_S), away_s;

	if (t->looks++ == 0) {
		t->first_s = t->mean_s = now_s;
		t->mean_bytes = bytes;
		t->weight = 1;
		t->var_s = t->cov = 0;
		return;
	}
	t->weight = t->weight * keep + 1;
	away_s = now_s - t->mean_s;
	t->mean_s += away_s / t->weight;
	t->mean_bytes += (bytes - t->mean_bytes) / t->weight;
	t->var_s = t->var_s * keep + away_s * (now_s - t->mean_s);
	t->cov = t->cov * keep + away_s * (bytes - t->mean_bytes);
}

/* ---- values ---------------------------------------------------------------------------------------------- */

static enum finding_state lacks(const char *file, const char *controller, char *said, size_t size)
{
	snprintf(said, size, "its cgroup has no %s (enable the %s controller: %sAccounting=yes in the unit, or "
		 "cgroup.subtree_control above it)", file, controller, *controller == 'm' ? "Memory" : "CPU");
	return FINDING_STATE_UNAVAILABLE;
}

static enum finding_state read_cpu(const struct unit_trend *t, enum config_measure measure,
				   const struct unit_reading *now, double now_s, uint64_t requests, double *ret_value,
				   char *said, size_t size)
{
	double used_s = now->cpu_s - t->last.cpu_s, per;

	if (isnan(now->cpu_s))
		return lacks("cpu.stat", "cpu", said, size);
	per = measure == CONFIG_MEASURE_CPU ? now_s - t->last_s : (double)(requests - t->last_requests);
	if (!t->begun || now->inode != t->last.inode || !(used_s >= 0) || requests < t->last_requests || !(per > 0)) {
		snprintf(said, size, measure == CONFIG_MEASURE_CPU ? "the next look tells" : "it has had no requests yet");
		return FINDING_STATE_WAITING;
	}
	*ret_value = used_s / per;
	return FINDING_STATE_OK;
}

static enum finding_state read_memory(const struct unit_trend *t, enum config_measure measure,
				      const struct unit_reading *now, double now_s, double *ret_value, char *said,
				      size_t size)
{
	if (isnan(now->memory))
		return lacks("memory.current", "memory", said, size);
	*ret_value = now->memory;
	if (measure == CONFIG_MEASURE_MEMORY)
		return FINDING_STATE_OK;
	if (t->looks < DRIFT_LOOKS || now_s - t->first_s < DRIFT_LEAST_S) {
		snprintf(said, size, "a drift shows after %.0f s", DRIFT_LEAST_S);
		return FINDING_STATE_WAITING;
	}
	*ret_value = t->cov / t->var_s * HOUR_S;
	return FINDING_STATE_OK;
}

static enum finding_state value_of(const struct unit_trend *t, enum config_measure measure,
				   const struct unit_reading *now, double now_s, uint64_t requests, double *ret_value,
				   char *said, size_t size)
{
	switch (measure) {
	case CONFIG_MEASURE_CPU:
	case CONFIG_MEASURE_CPU_PER_REQUEST:
		return read_cpu(t, measure, now, now_s, requests, ret_value, said, size);
	case CONFIG_MEASURE_MEMORY:
	case CONFIG_MEASURE_MEMORY_DRIFT:
		return read_memory(t, measure, now, now_s, ret_value, said, size);
	case CONFIG_MEASURE_OOM_KILLS:
		*ret_value = t->oom_kills;
		return isnan(now->oom_kills) ? lacks("memory.events", "memory", said, size) : FINDING_STATE_OK;
	case CONFIG_MEASURE_RESTARTS:
		*ret_value = t->restarts;
		return FINDING_STATE_OK;
	default:
		*ret_value = recent_restarts(t, now_s);
		return FINDING_STATE_OK;
	}
}

/* A cgroup that was made anew counts from 0. */
static void count_events(struct unit_trend *t, const struct unit_reading *now, double now_s)
{
	double before = now->inode == t->last.inode && !isnan(t->last.oom_kills) ? t->last.oom_kills : 0;

	if (!t->begun)
		return;
	if (!isnan(now->oom_kills))
		t->oom_kills += fmax(0, now->oom_kills - before);
	count_restarts(t, restarts_between(&t->last, now), now_s);
}

/* Between two lives of a service nothing runs: the processes of the first are still those to compare with. */
static void remember(struct unit_trend *t, const struct unit_reading *now)
{
	struct unit_reading before = t->last;

	t->last = *now;
	if (now->n_pids || now->inode != before.inode)
		return;
	memcpy(t->last.pids, before.pids, sizeof(before.pids));
	t->last.n_pids = before.n_pids;
}

enum finding_state unit_trend_add(struct unit_trend *t, enum config_measure measure, const struct unit_reading *reading,
				  double now_s, uint64_t requests, double *ret_value, char *said, size_t size)
{
	enum finding_state state;

	*said = 0;
	count_events(t, reading, now_s);
	if (!isnan(reading->memory))
		add_memory(t, reading->memory, now_s);
	state = value_of(t, measure, reading, now_s, requests, ret_value, said, size);
	/* Requests that have not come yet: their CPU is spread over those that will. */
	if (measure == CONFIG_MEASURE_CPU_PER_REQUEST && t->begun && requests == t->last_requests &&
	    reading->inode == t->last.inode)
		return state;
	remember(t, reading);
	t->last_s = now_s;
	t->last_requests = requests;
	t->begun = true;
	return state;
}

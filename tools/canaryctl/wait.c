/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wait.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "canaryd/api.h"
#include "ctl.h"
#include "field.h"
#include "format.h"
#include "rollout_view.h"

#define POLL_MS 500
#define REPEAT_S 10
#define RESTART_S 30

static volatile sig_atomic_t interrupted;

struct wait {
	struct ctl *ctl;
	char *path;
	double deadline;   /* of the whole wait; INFINITY: none */
	double lost_since; /* when the daemon stopped answering; NAN while it answers */
	double printed;    /* when the last line was */
	char shown[160];   /* what a change is measured against */
	char *reason;      /* the last one printed; owned */
	json_t *rollout;   /* the last answer */
};

static void on_signal(int signal)
{
	(void)signal;
	interrupted = 1;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void say(const struct wait *wait, enum tone tone, const char *text)
{
	struct page page = { .out = wait->ctl->err, .style = wait->ctl->out.style };

	page_print(&page, TONE_DIM, "%s  ", format_clock(ctl_now()).text);
	page_print(&page, tone, "%s\n", text);
	fflush(wait->ctl->err);
}

/* What is worth a line of its own when it changes. */
static void signature(const json_t *rollout, char *text, size_t size)
{
	snprintf(text, size, "%s %s %s %.0f %g", field_text(rollout, "state", ""), field_text(rollout, "phase", ""),
		 field_text(rollout, "held", ""), field_number(rollout, "step"), field_number(rollout, "weight"));
}

/* The reason where it is another than the one before. */
static void print_reason(struct wait *wait)
{
	struct page page = { .out = wait->ctl->err, .style = wait->ctl->out.style };
	const char *reason = field_text(wait->rollout, "reason", "");

	if (wait->reason && strcmp(wait->reason, reason) == 0)
		return;
	page_wrap(&page, TONE_PLAIN, 10, reason);
	free(wait->reason);
	wait->reason = strdup(reason);
}

static void progress(struct wait *wait)
{
	char line[512], current[sizeof(wait->shown)];
	bool changed;
	enum tone tone;

	signature(wait->rollout, current, sizeof(current));
	changed = strcmp(current, wait->shown) != 0;
	if (!changed && now_s() - wait->printed < REPEAT_S)
		return;
	rollout_view_progress(wait->rollout, line, sizeof(line));
	rollout_view_state(wait->rollout, &tone);
	say(wait, changed ? tone : TONE_PLAIN, line);
	if (changed && !rollout_view_ended(wait->rollout))
		print_reason(wait);
	memcpy(wait->shown, current, sizeof(current));
	wait->printed = now_s();
}

/* Whether a hold waits for more than the next ticks: for an operator, or for evidence its step gave no time for. */
static bool stuck(const json_t *rollout)
{
	static const char *const causes[] = { API_HELD_DEADLINE, API_HELD_MANUAL, API_HELD_FAILED, API_HELD_OTHER,
					    API_HELD_ALERT };
	const char *held = field_text(rollout, "held", "");

	if (strcmp(field_text(rollout, "state", ""), API_STATE_HELD) != 0)
		return false;
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		if (strcmp(held, causes[i]) == 0)
			return true;
	}
	return false;
}

static int exit_code_of(const json_t *rollout)
{
	const char *state = field_text(rollout, "state", "");

	if (strcmp(state, API_STATE_PROMOTED) == 0 || strcmp(state, API_STATE_COMPLETED) == 0)
		return API_EXIT_OK;
	if (strcmp(state, API_STATE_ROLLED_BACK) == 0)
		return API_EXIT_ROLLED_BACK;
	return rollout_view_ended(rollout) ? API_EXIT_FAILED : API_EXIT_UNDECIDED;
}

static int finish(struct wait *wait)
{
	struct ctl *ctl = wait->ctl;
	enum tone tone;
	char line[256];

	if (ctl->json) {
		ctl_print_json(ctl, wait->rollout);
		return exit_code_of(wait->rollout);
	}
	rollout_view_state(wait->rollout, &tone);
	rollout_view_outcome(wait->rollout, ctl_now(), line, sizeof(line));
	page_print(&ctl->out, tone, "%s\n", line);
	page_wrap(&ctl->out, TONE_PLAIN, 2, field_text(wait->rollout, "reason", ""));
	return exit_code_of(wait->rollout);
}

static int undecided(struct wait *wait, const char *why)
{
	const char *service = field_text(wait->rollout, "service", "SERVICE");
	struct page page = { .out = wait->ctl->err, .style = wait->ctl->out.style };

	page_print(&page, TONE_PLAIN,
		   "canaryctl: %s; the rollout goes on without this command\n"
		   "  canaryctl rollout wait %s (again), resume, promote or abort\n",
		   why, service);
	return wait->rollout ? finish(wait) : API_EXIT_UNDECIDED;
}

/* 0: an answer is in wait->rollout; -EAGAIN: the daemon may be restarting; else the exit code. */
static int poll_once(struct wait *wait)
{
	json_t *rollout;
	int error = 0, code;
	char line[256];

	code = ctl_try(wait->ctl, wait->path, &rollout, &error);
	if (code == API_EXIT_OK) {
		if (!isnan(wait->lost_since))
			say(wait, TONE_PLAIN, "canaryd answers again");
		wait->lost_since = NAN;
		json_decref(wait->rollout);
		wait->rollout = rollout;
		return 0;
	}
	if (code != API_EXIT_UNREACHABLE)
		return code;
	if (isnan(wait->lost_since)) {
		wait->lost_since = now_s();
		snprintf(line, sizeof(line), "canaryd does not answer (%s): trying for %d s", ctl_unreachable(error),
			 RESTART_S);
		say(wait, TONE_WARN, line);
	}
	if (now_s() - wait->lost_since < RESTART_S)
		return -EAGAIN;
	return ctl_error(wait->ctl, API_EXIT_UNREACHABLE, "is canaryd running? systemctl status canaryd",
			 "canaryd has not answered on %s for %d s: %s", wait->ctl->socket, RESTART_S,
			 ctl_unreachable(error));
}

static int loop(struct wait *wait)
{
	for (;;) {
		int r = poll_once(wait);

		if (r > 0)
			return r;
		if (r == 0) {
			progress(wait);
			if (rollout_view_ended(wait->rollout))
				return finish(wait);
			if (stuck(wait->rollout))
				return undecided(wait, "held without a verdict");
		}
		if (now_s() >= wait->deadline)
			return undecided(wait, "no outcome within --timeout");
		nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000L }, NULL);
		if (interrupted)
			return undecided(wait, "interrupted");
	}
}

int wait_for_outcome(struct ctl *ctl, int64_t id, double timeout_s)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct wait wait = { .ctl = ctl, .lost_since = NAN, .printed = -INFINITY };
	int code;

	wait.path = ctl_path(API_ROLLOUTS "/%lld", (long long)id);
	if (!wait.path)
		return ctl_no_memory(ctl);
	wait.deadline = isnan(timeout_s) ? INFINITY : now_s() + timeout_s;
	interrupted = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	code = loop(&wait);
	json_decref(wait.rollout);
	free(wait.reason);
	free(wait.path);
	return code;
}

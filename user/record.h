/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tick as a line of JSON, for `record` in the configuration and `canaryctl replay`:
 *   {"t": seconds, "weight": share, "versions": {"NAME": {"role": "baseline"|"canary", "attempts": n, "failed": n,
 *    "backends": {"ADDR:PORT": [attempts, failed], …}, "ttfb": [[upper_seconds, count], …]}, …}}
 * All counts are of this tick alone. "backends" and "ttfb" may be missing, so may a version without traffic. The upper
 * edges may be any; a count goes to the bucket that holds its edge, null is the edge of the last one. Further names
 * that canaryd writes and a reader need not have:
 *   "service": NAME              a file may hold several services
 *   "elapsed": seconds           since the service's tick before; missing: from one t to the next
 *   "rollout": ID | null         the rollout under way; missing: there is one from the first canary traffic on
 *   "suspect": true | TEXT       the counters went backwards or could not be read: of which version, and what
 *   "muted": [index, …]          SLIs of which nothing is learnt, by their place in the finding
 *   "slis": [{"state": WORD, "fresh": bool, "baseline": [n, y], "canary": [n, y], "value": [baseline, canary],
 *             "said": TEXT}, …]  those measured outside the packets, in the order of the configuration
 *   "clock_step": seconds        the time of day was set, "asleep": seconds: the host was suspended, since the tick before
 *   "blackout": UNTIL            a blackout window is open
 *   "gate": {"name": NAME, "why": TEXT, "verdict": "asking"|"refused"|"failed"}
 *                                who did not agree that the rollout moves on in this tick; missing: all did, or were not
 *                                asked
 *   "alert": {"says": "hold"|"rollback", "why": TEXT}   what others report of the canary
 *   "no_backend": {"says": "hold"|"rollback", "why": TEXT}   no backend of the canary gets new flows
 *   "breaker": {"why": TEXT, "canary": [attempts, failed]}   the kernel's breaker has taken its new flows away
 *   "decided": [{"rollout": ID, "decision": WORD, "reason": TEXT}, …]   by operators and the daemon, not by judge and policy,
 *                                since the tick before, in this order; "note" is told and changes nothing
 *   "restart": {"ticks": N, "evidence": bool}   canaryd began with this tick, and knew of N ticks of the rollout that was
 *                                under way; "evidence": false: of their evidence nothing; {} where there was no rollout
 *   "kept": true                 the journal has everything up to this tick: a restart may go back to it
 *   "refused": true              the journal could not take what this tick decided: nothing came of it
 * A name nobody knows is passed over. Pure.
 */
#ifndef CANARYD_RECORD_H
#define CANARYD_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "user/finding.h"
#include "user/policy.h"
#include "user/sample.h"

#define RECORD_NAME 64 /* bytes of a service's or version's name, the final NUL included */

enum {
	RECORD_NO_ROLLOUT = 0,
	RECORD_ROLLOUT_UNKNOWN = -1, /* the line does not say */
};

/* What else a finding has that is not the judge's. */
struct record_outside {
	double clock_step_s;
	double asleep_s;
	bool blackout;
	char blackout_until[20];
	enum finding_say alert;
	char alert_why[FINDING_REASON];
	bool gates_closed;
	bool gate_refused;
	bool gate_failed;
	char gate[64];
	char gate_why[160];
	enum finding_say backends;
	char backends_why[FINDING_REASON];
	bool tripped;
	char tripped_why[FINDING_REASON];
	uint64_t tripped_attempts;
	uint64_t tripped_failed;
};

#define RECORD_DECIDED 32 /* between two ticks */

/* What neither judge nor policy decided. */
struct record_decided {
	int64_t rollout;
	enum policy_kind kind; /* POLICY_NOTE: nothing was */
	char reason[FINDING_REASON];
};

struct record_restart {
	bool restarted;
	bool under_way; /* a rollout was */
	bool evidence;  /* … and what was known of it could be read */
	uint64_t ticks; /* … so many of them */
};

struct record {
	double t; /* seconds of a clock that does not go back */
	double elapsed_s; /* NAN: not said */
	int64_t rollout;
	char service[RECORD_NAME]; /* "": not said */
	char baseline[RECORD_NAME]; /* "": not there */
	char canary[RECORD_NAME];
	struct record_outside outside;
	unsigned n_decided;
	struct record_decided decided[RECORD_DECIDED];
	struct record_restart restart;
	bool kept;
	bool refused;
	struct sample sample; /* its now_ns and elapsed_ns are the caller's to fill */
};

/* Keeps what the finding has of that; and gives it to one, the gates aside: they are whoever asks's. */
struct record_outside record_outside(const struct finding *finding);
void record_give_outside(const struct record_outside *outside, struct finding *finding);

#define RECORD_ERROR 256 /* bytes of a sentence, the final NUL included */

/*
 * Reads a line (without its newline). -EINVAL: `error` says what is wrong and the mend, -ENODATA: the line ends too
 * early, as that of a file that was cut; *ret is then not to be used.
 */
int record_parse(const char *line, size_t length, struct record *ret, char error[RECORD_ERROR]);

/* Writes the line with its newline. Names must be free of quotes, backslashes and control characters. */
void record_print(const struct record *record, FILE *out);

#endif

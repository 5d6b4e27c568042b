/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether all who are to be asked agree that a rollout moves up: whose turn it is, what a no means, and when it is asked
 * again. Pure: no I/O; the time is an argument, in seconds of a clock that does not step.
 *
 * They are asked one after the other. Nobody's silence, failure or garbage is a yes. A no of one who may be asked again
 * closes the gate, and ten seconds later all are asked anew; a no of one who is asked once is final.
 */
#ifndef CANARYD_CONSENT_H
#define CANARYD_CONSENT_H

#include <stdbool.h>
#include <stddef.h>

#define CONSENT_MAX 32    /* who can be asked */
#define CONSENT_WHY 160   /* bytes, the final NUL included */
#define CONSENT_AGAIN_S 10.0
#define CONSENT_RETRY_S 1.0

enum consent_verdict {
	CONSENT_AGREED = 0,
	CONSENT_ASKING,
	CONSENT_REFUSED, /* someone disagrees, or hangs; is asked again */
	CONSENT_FAILED,  /* one who is asked once has said no: not asked again, before consent_begin() */
};

struct consent_who {
	bool once;        /* does something, and is asked once for each question */
	unsigned retries; /* so many noes more before one counts */
};

/* Plain data. */
struct consent {
	struct consent_who who[CONSENT_MAX];
	bool done[CONSENT_MAX]; /* has agreed, and is not asked again for this question */
	unsigned count;
	unsigned at; /* whose turn it is; count: all have agreed */
	bool asked;  /* and has been asked */
	unsigned noes; /* of `at`, in a row */
	double since_s; /* `at` was asked first */
	double next_s;  /* nobody is asked before */
	double agreed_s;
	bool refused; /* until all agree */
	bool failed;
	unsigned blamed; /* who, where refused or failed */
	char why[CONSENT_WHY];
};

/* A new question for these; count is at most CONSENT_MAX. Nobody to be asked: all agree. */
void consent_begin(struct consent *consent, const struct consent_who *who, unsigned count);

/* Whether someone is to be asked now; *ret_who is the index. The caller then asks, and says so by consent_asked(). */
bool consent_next(struct consent *consent, double now_s, unsigned *ret_who);
void consent_asked(struct consent *consent, double now_s);

/* The answer of the one who was asked; `why` is the reason of a no. */
void consent_answer(struct consent *consent, bool agrees, const char *why, double now_s);

/*
 * What all of it means now. *ret_who is who is being asked, or blamed, and `why` what to say of them: "is being asked",
 * "does not agree: …", "has not answered for 12 s". Neither is written where all agree.
 */
enum consent_verdict consent_verdict(const struct consent *consent, double now_s, unsigned *ret_who,
				     char why[CONSENT_WHY]);

/*
 * The question does not stand any more, but may come again: what has been agreed to is forgotten, but for what was done.
 * Returns whether the one who is being asked shall be given up; who is asked once may finish.
 */
bool consent_drop(struct consent *consent);

#endif

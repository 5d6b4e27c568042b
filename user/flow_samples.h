/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samples of a service's flows that failed or were slow, for people: the kernel's events as they are shown, the last of
 * each class, and how many there were. What must not be seen of a client is taken away on the way in, and kept nowhere.
 * Pure.
 */
#ifndef CANARYD_FLOW_SAMPLES_H
#define CANARYD_FLOW_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "canaryd/abi.h"
#include "user/address.h"
#include "user/cohort.h"

#define FLOW_SAMPLES_KEPT 256 /* of each class */
#define FLOW_SAMPLES_CLIENT (ADDRESS_MAX > COHORT_PREFIX_TEXT ? ADDRESS_MAX : COHORT_PREFIX_TEXT)
#define FLOW_SAMPLES_TRACE_ID 32 /* characters */

enum flow_class {
	FLOW_FAILED = 0,
	FLOW_SLOW,
	FLOW_CLASSES,
};

#define FLOW_CLASS_BIT(class) (1U << (class))
#define FLOW_CLASSES_ALL (FLOW_CLASS_BIT(FLOW_CLASSES) - 1)

/* How much of a client's address is kept: bits; all of them: its port, too. */
struct flow_mask {
	uint32_t ipv4_prefix; /* 0 … 32 */
	uint32_t ipv6_prefix; /* 0 … 128 */
};

struct flow_sample {
	uint64_t seq;   /* grows over both classes */
	double unix_s;
	enum flow_class class;
	uint16_t kind;    /* of struct canary_event */
	uint32_t request; /* which one of the connection, from 1; 0: while connecting */
	double waited_s;  /* by the client, for an answer */
	double age_s;     /* since the flow was opened */
	char client[FLOW_SAMPLES_CLIENT];          /* "198.51.100.0/24", or "198.51.100.7:4711" */
	char version[CANARY_NAME_MAX];             /* "": not known any more */
	char backend[ADDRESS_MAX];                 /* the same */
	char traceparent[CANARY_TRACEPARENT + 1];  /* "": none, or none that is valid */
};

struct flow_samples;

/* The first one's number is `seq`. NULL: no memory. */
struct flow_samples *flow_samples_new(uint64_t seq);
struct flow_samples *flow_samples_free(struct flow_samples *samples);

/* Keeps an event, which is no trip of a breaker, in the place of the oldest of its class. NULL names are not known. */
void flow_samples_add(struct flow_samples *samples, const struct canary_event *event, const struct flow_mask *mask,
		      const char *version, const char *backend, double unix_s);

/*
 * Says how many the kernel has left out and not told of in an event yet; the next event will tell. The first call says what
 * was before the samples began.
 */
void flow_samples_set_untold(struct flow_samples *samples, enum flow_class class, uint64_t untold);

/* Ever kept; left out by the kernel's rate limit. */
uint64_t flow_samples_kept(const struct flow_samples *samples, enum flow_class class);
uint64_t flow_samples_left_out(const struct flow_samples *samples, enum flow_class class);

/* The number of the last one; of the one before the first, where there is none. */
uint64_t flow_samples_last(const struct flow_samples *samples);

/* The oldest of these classes (FLOW_CLASS_BIT) that came after `seq`; NULL: none. Valid until the next is added. */
const struct flow_sample *flow_samples_after(const struct flow_samples *samples, unsigned classes, uint64_t seq);

/* The i-th of a class, 0 being the newest; NULL beyond what is kept. */
const struct flow_sample *flow_samples_newest(const struct flow_samples *samples, enum flow_class class, uint64_t i);

/* Writes as much of the client's address as may be seen. */
void flow_samples_client(const struct canary_flow_key *key, const struct flow_mask *mask,
			 char ret[static FLOW_SAMPLES_CLIENT]);

/* Whether it is a W3C traceparent, whose trace id is behind its first hyphen. */
bool flow_samples_is_traceparent(const char *text);

/* The word for a class ("failed", "slow"), and for a sample's kind: a counter's name, or "slow_response", "slow_connect". */
const char *flow_samples_class_name(enum flow_class class);
const char *flow_samples_kind_name(uint16_t kind);

#endif

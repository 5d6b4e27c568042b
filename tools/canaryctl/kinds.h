/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens to connections and requests, in words: the counters of abi.h, and what samples of flows are called. */
#ifndef CANARYCTL_KINDS_H
#define CANARYCTL_KINDS_H

#include "canaryd/abi.h"

struct kind {
	enum canary_counter counter;
	const char *name, *words; /* name: NULL ends a table */
	const char *code;         /* HAProxy's termination code, or NULL */
};

extern const struct kind kinds_failures[]; /* the version failed */
extern const struct kind kinds_aborts[];   /* the client went */
extern const struct kind kinds_moves[];    /* it went to another version, or backend */
extern const struct kind kinds_signs[];    /* the rest of what is worth a look */

/* The words for what a sampled flow is called: a counter, or slow_…. An unknown name stands for itself. */
const char *kinds_words(const char *name);

#endif

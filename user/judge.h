/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Judges a canary: sample → finding. Pure: no clock, no I/O, no allocation after judge_new(). Every test is an
 * e-process, valid at any number of looks; sequential.h has the arithmetic and README's sources the theory.
 *
 * A judge lives as long as the service: before a rollout it is fed judge_history(), from which it learns the
 * baseline's latency and noise; judge_rollout_begin() starts the evidence, judge_tick() gathers it, and
 * judge_step_begin() starts the evidence for promotion again.
 */
#ifndef CANARYD_JUDGE_H
#define CANARYD_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/finding.h"
#include "user/judge_config.h"
#include "user/latency_sli.h"
#include "user/past.h"
#include "user/sample.h"

struct judge;

/* A judge without evidence or history. NULL when memory is short. `config` is copied and should have been checked. */
struct judge *judge_new(const struct judge_config *config);
struct judge *judge_free(struct judge *j);

/* A sample outside a rollout: the judge learns from its baseline and looks at nothing else. */
void judge_history(struct judge *j, const struct sample *sample);

/* Forgets all evidence and keeps what was learnt of the baseline. Call once for a rollout, never to undo a verdict. */
void judge_rollout_begin(struct judge *j);

/* A step begins: the evidence for promotion starts again; the evidence for rollback goes on. */
void judge_step_begin(struct judge *j, uint64_t now_ns);

/*
 * Judges a tick. Writes all of *ret, also for a sample that carries nothing. Only elapsed_ns of the sample is trusted
 * for time. The sentence in ret->reason says what speaks loudest.
 */
void judge_tick(struct judge *j, const struct sample *sample, struct finding *ret);

/* What is known of the baseline, for as long as the judge is not told of another tick. φ is 1 where it is not known. */
struct judge_baseline {
	const struct past *past;
	double phi; /* of its failures */
	double phi_latency[LATENCY_MARKS];
};

struct judge_baseline judge_baseline(const struct judge *j);

/*
 * The whole state, evidence included, as one opaque block: a daemon that starts again must not spend α twice. It is
 * made for the same build on the same machine; judge_restore() refuses any other.
 */
size_t judge_state_size(void);
void judge_save(const struct judge *j, void *buf); /* writes judge_state_size() bytes */

/* 0, or -EINVAL: the block is not whole or of another version; the judge is then as it was. */
int judge_restore(struct judge *j, const void *buf, size_t size);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The faults of the lab's server: how they are written, and what they do to a request. Pure: no socket, no clock.
 *
 *   errors=0.05 reset=0.1 reset_mid=0.1 empty=0.1   shares of requests, together at most 1
 *   delay_ms=20                                     added to the service time of every request
 *   refuse=1                                        the port is closed: the kernel answers RST
 *   blackhole=1                                     connection requests are dropped without an answer
 */
#ifndef CANARYD_LAB_FAULTS_H
#define CANARYD_LAB_FAULTS_H

#include <stddef.h>
#include <stdint.h>

struct faults {
	double errors;
	double reset;
	double reset_mid;
	double empty;
	double delay_ms;
	double refuse;
	double blackhole;
};

/* What becomes of a request. */
enum fault_outcome {
	FAULT_NONE,
	FAULT_ERROR,     /* a response of status 503 */
	FAULT_RESET,     /* a reset before the first byte of the response */
	FAULT_RESET_MID, /* a reset after half of the response */
	FAULT_EMPTY,     /* closed without a response */
};

/*
 * Applies a line such as "errors=0.05 delay_ms=20" to what *faults says; what the line does not name stays, "clear"
 * heals everything. -EINVAL leaves *faults as it was and writes into `message` what is wrong.
 */
int faults_parse(struct faults *faults, const char *line, char *message, size_t size);

/* One draw decides: `chance` in [0, 1). */
enum fault_outcome faults_choose(const struct faults *faults, double chance);

/*
 * A number in [0, 1) from a xorshift64* generator, whose state must not be 0: the same seed, the same faults.
 * Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled" (2016).
 */
double faults_random(uint64_t *state);

#endif

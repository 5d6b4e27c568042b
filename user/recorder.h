/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Appends ticks to a file, for `canaryctl replay`. At its limit the file becomes PATH.1, in place of the one before,
 * and a new one begins. Recording is never in the way: what cannot be written is lost, said once, and tried again.
 *
 * The time in the file does not go back, whatever is done to the clock: it begins with the time of day, or the file's
 * last line where that is later, and goes on with the monotonic clock.
 */
#ifndef CANARYD_RECORDER_H
#define CANARYD_RECORDER_H

#include <stdint.h>

#include "user/record.h"

struct recorder;

/* The file is opened with the first tick. NULL when memory is short. */
struct recorder *recorder_new(const char *path, uint64_t limit_bytes);
struct recorder *recorder_free(struct recorder *r);

/*
 * Appends the tick with its t filled in: now_ns of the monotonic clock, unix_s the time of day. 0, or a negative errno
 * after a log line unless it is as before.
 */
int recorder_add(struct recorder *r, struct record *record, uint64_t now_ns, double unix_s);

#endif

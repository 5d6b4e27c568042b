/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that read a line share. Private to record*.c. */
#ifndef CANARYD_RECORD_READING_H
#define CANARYD_RECORD_READING_H

#include <errno.h>
#include <jansson.h>

#include "user/record.h"

#define RECORD_SAY(error, ...) (snprintf(error, RECORD_ERROR, __VA_ARGS__), -EINVAL)

/* What a message names: "versions.v2.attempts". */
struct record_place {
	const char *version; /* NULL: none */
	const char *field;
};

/* -EINVAL, with a sentence, where it is none, or beyond all reason. */
int record_read_number(const json_t *value, const struct record_place *place, double *ret, char *error);

/* Two counts, the second of them a part of the first. -EINVAL as above. */
int record_read_pair(const json_t *attempts, const json_t *failed, const struct record_place *place, uint64_t *ret_attempts,
		     uint64_t *ret_failed, char *error);

/* False, and nothing written, where the object has no such text. */
bool record_read_text(const json_t *object, const char *name, char *ret, size_t size);

/* What the daemon knew besides: the line's `outside`, `decided`, `restart`, `kept` and `refused`. */
int record_read_outside(const json_t *line, struct record *ret, char *error);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes messages in the wire format of protocol buffers, field by field. Pure. */
#ifndef CANARYD_PROTOBUF_H
#define CANARYD_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct protobuf {
	uint8_t *data; /* the writer's, who frees it */
	size_t size;
	size_t capacity;
	bool no_memory; /* something is missing */
};

/* A field of the message that is being written. What is 0 is written, too. */
void protobuf_uint(struct protobuf *out, unsigned field, uint64_t value);  /* also uint32, enum, bool */
void protobuf_sint(struct protobuf *out, unsigned field, int64_t value);   /* also sint32 */
void protobuf_double(struct protobuf *out, unsigned field, double value);
void protobuf_string(struct protobuf *out, unsigned field, const char *value);

/* An element of a packed field of sint64, between protobuf_begin() and protobuf_end(). */
void protobuf_packed_sint(struct protobuf *out, int64_t value);

/*
 * What is written until protobuf_end() is a message, or a packed field, within `field` of the present one; with field 0 it is a
 * message of its own with its length before it. Returns what protobuf_end() is to be given.
 */
size_t protobuf_begin(struct protobuf *out, unsigned field);
void protobuf_end(struct protobuf *out, size_t begin);

#endif

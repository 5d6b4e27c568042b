/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/protobuf.h"

#include <stdlib.h>
#include <string.h>

#define VARINT_MAX 10 /* bytes */

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_LENGTH = 2,
};

static void append(struct protobuf *out, const void *data, size_t size)
{
	if (out->no_memory)
		return;
	if (out->size + size > out->capacity) {
		size_t capacity = 2 * (out->size + size);
		uint8_t *grown = realloc(out->data, capacity);

		if (!grown) {
			out->no_memory = true;
			return;
		}
		out->data = grown;
		out->capacity = capacity;
	}
	memcpy(out->data + out->size, data, size);
	out->size += size;
}

/* Seven bits a byte, the low ones first. */
static size_t encode_varint(uint8_t bytes[static VARINT_MAX], uint64_t value)
{
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[n++] = (uint8_t)(value | 0x80);
	bytes[n++] = (uint8_t)value;
	return n;
}

static void append_varint(struct protobuf *out, uint64_t value)
{
	uint8_t bytes[VARINT_MAX];

	append(out, bytes, encode_varint(bytes, value));
}

static void append_tag(struct protobuf *out, unsigned field, enum wire_type type)
{
	append_varint(out, field << 3 | type);
}

void protobuf_uint(struct protobuf *out, unsigned field, uint64_t value)
{
	append_tag(out, field, WIRE_VARINT);
	append_varint(out, value);
}

/* Zigzag: 0, -1, 1, -2, … become 0, 1, 2, 3, … */
void protobuf_packed_sint(struct protobuf *out, int64_t value)
{
	append_varint(out, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

void protobuf_sint(struct protobuf *out, unsigned field, int64_t value)
{
	append_tag(out, field, WIRE_VARINT);
	protobuf_packed_sint(out, value);
}

void protobuf_double(struct protobuf *out, unsigned field, double value)
{
	uint64_t bits;
	uint8_t bytes[8];

	memcpy(&bits, &value, sizeof(bits));
	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(bits >> (8 * i));
	append_tag(out, field, WIRE_FIXED64);
	append(out, bytes, sizeof(bytes));
}

void protobuf_string(struct protobuf *out, unsigned field, const char *value)
{
	size_t length = strlen(value);

	append_tag(out, field, WIRE_LENGTH);
	append_varint(out, length);
	append(out, value, length);
}

size_t protobuf_begin(struct protobuf *out, unsigned field)
{
	if (field)
		append_tag(out, field, WIRE_LENGTH);
	return out->size;
}

/* The length is known only now: what was written makes room for it. */
void protobuf_end(struct protobuf *out, size_t begin)
{
	uint8_t bytes[VARINT_MAX];
	size_t length = out->size - begin, n = encode_varint(bytes, length);

	append(out, bytes, n);
	if (out->no_memory)
		return;
	memmove(out->data + begin + n, out->data + begin, length);
	memcpy(out->data + begin, bytes, n);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/judge_saved.h"

#include <string.h>

#define MAGIC 0x6a79726e61634a31ULL

struct header {
	uint64_t magic;
	uint64_t version;
	uint64_t size;
	uint64_t checksum;
};

/* FNV-1a */
static uint64_t checksum(const void *data, size_t size)
{
	const unsigned char *byte = data;
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3ULL;
	return hash;
}

size_t judge_saved_size(size_t size)
{
	return sizeof(struct header) + size;
}

void judge_saved_seal(void *buf, uint64_t version, const void *state, size_t size)
{
	struct header header = { MAGIC, version, size, checksum(state, size) };

	memcpy(buf, &header, sizeof(header));
	memcpy((char *)buf + sizeof(header), state, size);
}

const void *judge_saved_open(const void *buf, size_t buf_size, uint64_t version, size_t size)
{
	const void *state = (const char *)buf + sizeof(struct header);
	struct header header;

	if (buf_size != judge_saved_size(size))
		return NULL;
	memcpy(&header, buf, sizeof(header));
	if (header.magic != MAGIC || header.version != version || header.size != size ||
	    header.checksum != checksum(state, size))
		return NULL;
	return state;
}

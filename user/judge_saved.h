/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The envelope of a saved state: what it is, of which version and size, and whether it is whole. Private to judge*.c. */
#ifndef CANARYD_JUDGE_SAVED_H
#define CANARYD_JUDGE_SAVED_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a sealed state of `size` bytes. */
size_t judge_saved_size(size_t size);

/* Writes judge_saved_size(size) bytes. */
void judge_saved_seal(void *buf, uint64_t version, const void *state, size_t size);

/* The state in `buf` of `buf_size` bytes; NULL where it is not whole, or of another version or size. */
const void *judge_saved_open(const void *buf, size_t buf_size, uint64_t version, size_t size);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line is one write(); what a full disk cuts off is taken back, so that a file is whole lines unless the host itself
 * went down, and then the next start takes the rest of its last line away.
 */
#include "user/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/log.h"

#define RETRY_NS 10000000000ULL
#define LAST_LINE_BYTES (1 << 20) /* no line is longer */

struct recorder {
	char *path;
	char *old_path;
	uint64_t limit_bytes;
	uint64_t size_bytes;
	int fd; /* -1: not open */
	bool anchored;
	double t0; /* the file's time at t0_ns */
	uint64_t t0_ns;
	uint64_t retry_ns; /* not before */
	int error;         /* the last one, 0 while it works */
};

struct recorder *recorder_new(const char *path, uint64_t limit_bytes)
{
	struct recorder *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct recorder){ .path = strdup(path), .limit_bytes = limit_bytes, .fd = -1 };
	if (!r->path || asprintf(&r->old_path, "%s.1", path) < 0)
		return recorder_free(r);
	return r;
}

struct recorder *recorder_free(struct recorder *r)
{
	if (!r)
		return NULL;
	if (r->fd >= 0)
		close(r->fd);
	free(r->path);
	free(r->old_path);
	free(r);
	return NULL;
}

/* ---- opening --------------------------------------------------------------------------------------------- */

/* The time of the last whole line; a rest behind it is cut off. -INFINITY without one. */
static double take_tail(struct recorder *r)
{
	uint64_t from = r->size_bytes > LAST_LINE_BYTES ? r->size_bytes - LAST_LINE_BYTES : 0;
	char *tail = malloc(LAST_LINE_BYTES), *end, *begin, error[RECORD_ERROR];
	struct record *last = calloc(1, sizeof(*last));
	ssize_t length = tail ? pread(r->fd, tail, LAST_LINE_BYTES, (off_t)from) : -1;
	double t = -INFINITY;

	end = length > 0 ? memrchr(tail, '\n', (size_t)length) : NULL;
	if (end && last) {
		begin = memrchr(tail, '\n', (size_t)(end - tail));
		begin = begin ? begin + 1 : tail;
		if (record_parse(begin, (size_t)(end - begin), last, error) == 0)
			t = last->t;
	}
	if (length > 0 && (!end || end + 1 < tail + length)) {
		uint64_t whole = end ? from + (uint64_t)(end + 1 - tail) : 0;

		if (ftruncate(r->fd, (off_t)whole) == 0)
			r->size_bytes = whole;
	}
	free(last);
	free(tail);
	return t;
}

static int open_file(struct recorder *r)
{
	struct stat st;
	int e;

	r->fd = open(r->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
	if (r->fd < 0)
		return -errno;
	e = fstat(r->fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (e) {
		close(r->fd);
		r->fd = -1;
		return e;
	}
	r->size_bytes = (uint64_t)st.st_size;
	return 0;
}

static int ensure_open(struct recorder *r, uint64_t now_ns, double unix_s)
{
	int e;

	if (r->fd >= 0)
		return 0;
	e = open_file(r);
	if (e || r->anchored)
		return e;
	r->t0 = fmax(unix_s, take_tail(r));
	r->t0_ns = now_ns;
	r->anchored = true;
	return 0;
}

/* The file is full: it steps aside. */
static int turn(struct recorder *r)
{
	if (rename(r->path, r->old_path) < 0)
		return -errno;
	close(r->fd);
	r->fd = -1;
	return open_file(r);
}

/* ---- writing --------------------------------------------------------------------------------------------- */

static int write_line(struct recorder *r, const char *line, size_t length)
{
	ssize_t written;
	int e = 0;

	if (r->size_bytes > 0 && r->size_bytes + length > r->limit_bytes)
		e = turn(r);
	if (e)
		return e;
	written = write(r->fd, line, length);
	if (written == (ssize_t)length) {
		r->size_bytes += length;
		return 0;
	}
	e = written < 0 ? -errno : -ENOSPC;
	if (written > 0 && ftruncate(r->fd, (off_t)r->size_bytes) < 0)
		r->size_bytes += (uint64_t)written;
	return e;
}

static int add(struct recorder *r, struct record *record, uint64_t now_ns, double unix_s)
{
	char *line = NULL;
	size_t length = 0;
	int e = ensure_open(r, now_ns, unix_s);
	FILE *out;

	if (e)
		return e;
	record->t = r->t0 + (double)(now_ns - r->t0_ns) / 1e9;
	out = open_memstream(&line, &length);
	if (!out)
		return -ENOMEM;
	record_print(record, out);
	e = fclose(out) == 0 ? write_line(r, line, length) : -ENOMEM;
	free(line);
	return e;
}

int recorder_add(struct recorder *r, struct record *record, uint64_t now_ns, double unix_s)
{
	int e;

	if (r->error && now_ns < r->retry_ns)
		return r->error;
	e = add(r, record, now_ns, unix_s);
	if (e && e != r->error)
		log_warning("cannot record to %s: %s (ticks are lost until it works again; nothing else depends on it)",
			    r->path, e == -EINVAL ? "not a regular file" : strerror(-e));
	if (!e && r->error)
		log_notice("records to %s again", r->path);
	if (e) {
		r->retry_ns = now_ns + RETRY_NS;
		if (r->fd >= 0)
			close(r->fd);
		r->fd = -1;
	}
	r->error = e;
	return e;
}

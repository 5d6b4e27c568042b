/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 8192

/* ---- the mount point ------------------------------------------------------------------------------------- */

/* "ID PARENT DEVICE ROOT MOUNTPOINT OPTIONS … - TYPE SOURCE OPTIONS", see proc(5); blanks are \040. */
static int read_line(char *line, char *ret, size_t size)
{
	char *dash = strstr(line, " - "), *field = line, *rest = line;

	if (!dash || strncmp(dash + 3, "cgroup2 ", 8) != 0)
		return -ENOENT;
	for (int i = 0; i < 5; i++)
		field = strsep(&rest, " ");
	if (!field || *field != '/' || strchr(field, '\\') || strlen(field) >= size)
		return -ENOENT;
	strcpy(ret, field);
	return 0;
}

int unit_find_mount(const char *mountinfo, char *ret, size_t size)
{
	char *copy = strdup(mountinfo), *rest = copy, *line;
	int r = copy ? -ENOENT : -ENOMEM;

	while (r == -ENOENT && (line = strsep(&rest, "\n")) != NULL)
		r = read_line(line, ret, size);
	free(copy);
	return r;
}

int unit_mount(char *ret, size_t size)
{
	char *text = NULL;
	size_t allocated = 0;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	int r;

	if (!file)
		return -errno;
	r = getdelim(&text, &allocated, '\0', file) > 0 ? unit_find_mount(text, ret, size) : -ENOENT;
	free(text);
	fclose(file);
	return r;
}

/* ---- a cgroup -------------------------------------------------------------------------------------------- */

/* The file's text in `buf`; "" where there is none. */
static bool read_file(int dir, const char *name, char buf[static FILE_MAX])
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = 0;

	buf[0] = 0;
	if (fd < 0)
		return false;
	while (used < FILE_MAX - 1 && (n = read(fd, buf + used, FILE_MAX - 1 - used)) > 0)
		used += (size_t)n;
	close(fd);
	buf[n < 0 ? 0 : used] = 0;
	return n >= 0;
}

/* The number behind `key` at the beginning of a line; the whole file's where key is "". NAN: not there. */
static double number_of(const char *text, const char *key)
{
	size_t length = strlen(key);
	const char *line = text;
	char *end;

	while (line && *line) {
		if (strncmp(line, key, length) == 0 && (length == 0 || line[length] == ' ')) {
			const char *digits = line + length + (length > 0);
			double value = (double)strtoumax(digits, &end, 10);

			return end > digits && (*end == '\n' || *end == 0) ? value : NAN;
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return NAN;
}

static double read_number(int dir, const char *name, const char *key)
{
	char text[FILE_MAX];

	return read_file(dir, name, text) ? number_of(text, key) : NAN;
}

static int read_pids(int dir, struct unit_reading *ret)
{
	char text[FILE_MAX], *at = text, *end;

	if (!read_file(dir, "cgroup.procs", text))
		return -ENODEV;
	while (ret->n_pids < UNIT_PIDS) {
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		ret->pids[ret->n_pids++] = (pid_t)pid;
		at = end;
	}
	return 0;
}

int unit_read(const char *path, struct unit_reading *ret)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	struct unit_reading reading = { .restarts = NAN };
	struct stat status;

	if (dir < 0)
		return errno == ENOTDIR ? -ENODEV : -errno;
	r = fstat(dir, &status) ? -errno : read_pids(dir, &reading);
	if (!r) {
		reading.inode = status.st_ino;
		reading.cpu_s = read_number(dir, "cpu.stat", "usage_usec") / 1e6;
		reading.memory = read_number(dir, "memory.current", "");
		reading.oom_kills = read_number(dir, "memory.events", "oom_kill");
		*ret = reading;
	}
	close(dir);
	return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel, clock, memory, disk and capabilities of this host. */
#include "doctor_gather.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

int doctor_read_number(const char *format, ...)
{
	char path[192];
	va_list arguments;
	FILE *file;
	int number;

	va_start(arguments, format);
	vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

/* ---- kernel ------------------------------------------------------------------------------------------------ */

static bool is_bpffs(void)
{
	struct statfs fs;

	return !statfs("/sys/fs/bpf", &fs) && fs.f_type == BPF_FS_MAGIC;
}

static void read_clocksource(char text[32])
{
	FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");

	text[0] = 0;
	if (!file)
		return;
	if (fscanf(file, "%31s", text) != 1)
		text[0] = 0;
	fclose(file);
}

void doctor_gather_kernel(struct doctor_kernel *ret)
{
	struct utsname names;

	memset(ret, 0, sizeof(*ret));
	uname(&names);
	snprintf(ret->release, sizeof(ret->release), "%s", names.release);
	datapath_probe_features(ret->features);
	ret->tcx = datapath_probe_tcx();
	ret->btf = !access("/sys/kernel/btf/vmlinux", R_OK);
	ret->jit = datapath_probe_jit();
	ret->jit_harden = doctor_read_number("/proc/sys/net/core/bpf_jit_harden");
	ret->bpffs = is_bpffs();
	read_clocksource(ret->clocksource);
}

/* ---- clock and memory -------------------------------------------------------------------------------------- */

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void doctor_gather_clock(struct doctor_clock *ret)
{
	struct timex clock = {};
	int state = adjtimex(&clock);

	ret->synchronised = state < 0 ? -1 : state != TIME_ERROR && !(clock.status & STA_UNSYNC);
	ret->suspended_s = seconds(CLOCK_BOOTTIME) - seconds(CLOCK_MONOTONIC);
}

static uint64_t available_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib * 1024;
}

static bool is_charged_to_memlock(void)
{
	struct utsname names;
	unsigned major = 0, minor = 0;

	uname(&names);
	return sscanf(names.release, "%u.%u", &major, &minor) == 2 && (major < 5 || (major == 5 && minor < 11));
}

void doctor_gather_memory(const struct config *config, bool is_taken, struct doctor_memory *ret)
{
	struct datapath_sizes sizes = { config->flow_table, config->max_versions, config->max_backends, 0, false, false };
	struct rlimit limit = {};

	for (uint32_t s = 0; s < config->services_count; s++) {
		sizes.versions_used += config->services[s].versions_count;
		sizes.forwards |= config->services[s].mode != CANARY_MODE_DNAT || *config->services[s].shadow.version;
		sizes.traces |= config->services[s].samples.traces;
	}
	getrlimit(RLIMIT_MEMLOCK, &limit);
	*ret = (struct doctor_memory){ .available = available_bytes(), .memlock = limit.rlim_cur, .is_taken = is_taken,
				       .is_charged_there = is_charged_to_memlock() };
	datapath_plan(&sizes, &(struct datapath_plan_visitor){ 0 }, &ret->needs);
}

/* ---- disk -------------------------------------------------------------------------------------------------- */

void doctor_gather_place(const char *key, const char *path, uint64_t needs, struct doctor_place *ret)
{
	char *there = strdup(path);
	struct statvfs fs;

	*ret = (struct doctor_place){ .key = key, .path = path, .needs = needs, .free_bytes = UINT64_MAX };
	if (!there) {
		ret->writable = -ENOMEM;
		return;
	}
	while (access(there, F_OK) && errno == ENOENT && strcmp(there, "/") && strcmp(there, "."))
		memmove(there, dirname(there), strlen(dirname(there)) + 1);
	if (faccessat(AT_FDCWD, there, W_OK, AT_EACCESS))
		ret->writable = -errno;
	if (!statvfs(there, &fs))
		ret->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	free(there);
}

/* ---- capabilities ------------------------------------------------------------------------------------------ */

int64_t doctor_capabilities(int pid)
{
	char path[64], line[256];
	int64_t capabilities = -1;
	FILE *file;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/status", pid);
	else
		snprintf(path, sizeof(path), "/proc/self/status");
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "CapEff: %" SCNx64, (uint64_t *)&capabilities) == 1)
			break;
	if (file)
		fclose(file);
	return capabilities;
}

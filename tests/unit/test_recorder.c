/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of recorded ticks: whole lines, a time that does not go back, a limit, and no harm when it cannot be. */
#include "user/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND 1000000000ULL
#define MONTHS 9000000.0

struct fixture {
	char dir[64], path[96], old_path[112];
	struct record *record;
	struct recorder *recorder;
	uint64_t now_ns;
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	strcpy(x->dir, "/tmp/canaryd-recorder-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	snprintf(x->path, sizeof(x->path), "%s/ticks", x->dir);
	snprintf(x->old_path, sizeof(x->old_path), "%s.1", x->path);
	x->record = calloc(1, sizeof(*x->record));
	strcpy(x->record->baseline, "v1");
	x->recorder = recorder_new(x->path, 1000000);
	x->now_ns = 50 * SECOND;
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	assert_null(recorder_free(x->recorder));
	assert_null(recorder_free(NULL));
	unlink(x->path);
	unlink(x->old_path);
	rmdir(x->path);
	rmdir(x->dir);
	free(x->record);
	free(x);
	return 0;
}

static int tick(struct fixture *x, double unix_s)
{
	x->now_ns += SECOND;
	x->record->elapsed_s = 1;
	return recorder_add(x->recorder, x->record, x->now_ns, unix_s);
}

/* The number of lines; *ret_t is the last one's time. Each must be whole, and none may go back. */
static unsigned lines(const char *path, double *ret_t)
{
	struct record *record = calloc(1, sizeof(*record));
	char *line = NULL, error[RECORD_ERROR];
	FILE *file = fopen(path, "r");
	size_t size = 0;
	ssize_t length;
	unsigned n = 0;

	*ret_t = -INFINITY;
	while (file && (length = getline(&line, &size, file)) > 0) {
		assert_int_equal(line[length - 1], '\n');
		assert_int_equal(record_parse(line, (size_t)length - 1, record, error), 0);
		assert_true(record->t >= *ret_t);
		*ret_t = record->t;
		n++;
	}
	if (file)
		fclose(file);
	free(line);
	free(record);
	return n;
}

static void append(const struct fixture *x, const char *text)
{
	FILE *file = fopen(x->path, "a");

	fputs(text, file);
	fclose(file);
}

static void again(struct fixture *x)
{
	recorder_free(x->recorder);
	x->recorder = recorder_new(x->path, 1000000);
}

static void time_goes_on_whatever_the_clock_says(void **state)
{
	struct fixture *x = *state;
	double t;

	assert_int_equal(tick(x, MONTHS), 0);
	assert_int_equal(tick(x, MONTHS - 3600), 0);
	assert_int_equal(tick(x, MONTHS + 3600), 0);
	assert_int_equal(lines(x->path, &t), 3);
	assert_true(t == MONTHS + 2);
	again(x); /* a clock set back while it was down */
	assert_int_equal(tick(x, MONTHS - 3600), 0);
	assert_int_equal(tick(x, MONTHS - 3600), 0);
	assert_int_equal(lines(x->path, &t), 5);
	assert_true(t == MONTHS + 3);
	again(x);
	assert_int_equal(tick(x, MONTHS + 7200), 0);
	assert_int_equal(lines(x->path, &t), 6);
	assert_true(t == MONTHS + 7200);
}

static void a_rest_of_a_line_is_taken_away(void **state)
{
	struct fixture *x = *state;
	double t;

	assert_int_equal(tick(x, MONTHS), 0);
	append(x, "{\"t\": 1, \"wei");
	again(x);
	assert_int_equal(tick(x, MONTHS + 5), 0);
	assert_int_equal(lines(x->path, &t), 2);
	assert_int_equal(truncate(x->path, 0), 0);
	append(x, "no line at all");
	again(x);
	assert_int_equal(tick(x, MONTHS + 6), 0);
	assert_int_equal(lines(x->path, &t), 1);
}

static void at_its_limit_another_file_begins(void **state)
{
	struct fixture *x = *state;
	struct stat st;
	double t, old_t;

	recorder_free(x->recorder);
	x->recorder = recorder_new(x->path, 1000);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(tick(x, MONTHS), 0);
	assert_true(lines(x->path, &t) > 0 && lines(x->old_path, &old_t) > 1);
	assert_true(t == MONTHS + 99 && old_t < t);
	assert_true(stat(x->path, &st) == 0 && st.st_size <= 1000);
	assert_true(stat(x->old_path, &st) == 0 && st.st_size <= 1000);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void what_cannot_be_written_is_lost_and_tried_again(void **state)
{
	struct fixture *x = *state;
	double t;

	assert_int_equal(mkdir(x->path, 0700), 0);
	assert_int_equal(tick(x, MONTHS), -EISDIR);
	assert_int_equal(rmdir(x->path), 0);
	assert_int_equal(tick(x, MONTHS), -EISDIR); /* not every tick */
	x->now_ns += 10 * SECOND;
	assert_int_equal(tick(x, MONTHS), 0);
	assert_int_equal(unlink(x->path), 0);
	assert_int_equal(mkfifo(x->path, 0600), 0);
	again(x);
	assert_int_equal(tick(x, MONTHS), -EINVAL);
	assert_int_equal(unlink(x->path), 0);
	x->now_ns += 10 * SECOND;
	assert_int_equal(tick(x, MONTHS), 0);
	assert_int_equal(lines(x->path, &t), 1);
}

static void a_full_disk_leaves_whole_lines(void **state)
{
	struct fixture *x = *state;
	struct rlimit whole, small;
	unsigned n;
	double t;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
	small = (struct rlimit){ .rlim_cur = 500, .rlim_max = whole.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (n = 0; tick(x, MONTHS) == 0; n++)
		assert_true(n < 100);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
	assert_int_equal(lines(x->path, &t), n);
	x->now_ns += 10 * SECOND;
	assert_int_equal(tick(x, MONTHS), 0);
	assert_int_equal(lines(x->path, &t), n + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(time_goes_on_whatever_the_clock_says),
		TEST(a_rest_of_a_line_is_taken_away),
		TEST(at_its_limit_another_file_begins),
		TEST(what_cannot_be_written_is_lost_and_tried_again),
		TEST(a_full_disk_leaves_whole_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

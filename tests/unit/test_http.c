/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/http.h: what is an HTTP/1 status line, by its first twelve bytes, and what is not. */
#include "bpf/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint32_t status_of(const char *text)
{
	uint8_t *line = malloc(HTTP_STATUS_LINE); /* of just that size: a read beyond it is found */
	uint32_t status;

	assert_non_null(line);
	memcpy(line, text, HTTP_STATUS_LINE);
	status = http_status(line);
	free(line);
	return status;
}

static void test_every_status(void **state)
{
	char line[64];

	(void)state;
	for (unsigned status = 0; status <= 999; status++) {
		bool valid = status >= 100 && status <= 599;

		snprintf(line, sizeof(line), "HTTP/1.1 %03u", status);
		assert_int_equal(status_of(line), valid ? status : 0);
		snprintf(line, sizeof(line), "HTTP/1.0 %03u", status);
		assert_int_equal(status_of(line), valid ? status : 0);
	}
}

static void test_refused(void **state)
{
	static const char *const lines[] = {
		"HTTP/2.0 200", "HTTP/2 200 O", "http/1.1 200", "HTTP/1.1\t200", "HTTP/1.1  20", "HTTP/1.x 200",
		"HTTP/1 200 O", "HTTP/11 200 ", "HTTP/1.1 2x0", "HTTP/1.1 20x", "HTTP/1.1 -20", "XTTP/1.1 200",
		"HXTP/1.1 200", "HTXP/1.1 200", "HTTX/1.1 200", "HTTPX1.1 200", "HTTP/X.1 200", "HTTP/1X1 200",
		"\x16\x03\x03\0\0\0\0\0\0\0\0\0", "SSH-2.0-Open", "            ", "HTTP/1.1 :00", "HTTP/1.1 2/0",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++)
		if (status_of(lines[i]))
			fail_msg("\"%s\" was read as a status line", lines[i]);
}

/* The distance to the response behind a "100 Continue" that has no header fields. */
static void test_continue(void **state)
{
	(void)state;
	assert_int_equal(HTTP_CONTINUE_LEN, strlen("HTTP/1.1 100 Continue\r\n\r\n"));
	assert_int_equal(HTTP_STATUS_LINE, strlen("HTTP/1.1 200"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_status),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_continue),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What TAB offers: every command and option of the tables, and what the daemon, fake_daemon.h's, has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "canaryd/api.h"
#include "tests/unit/fake_daemon.h"
#include "tools/canaryctl/command.h"
#include "tools/canaryctl/complete.h"
#include "tools/canaryctl/ctl.h"

static struct fake_daemon *fake; /* or NULL */

/* The candidates for `line`, which is split at single spaces: one at its end begins an empty word. The caller frees. */
static char *offered(const char *line)
{
	char *copy = strdup(line), *rest = copy, *arguments[16] = { (char *)(uintptr_t) "canaryctl",
								    (char *)(uintptr_t)COMPLETE_VERB };
	struct ctl ctl = { .socket = fake ? fake->socket : "/nonexistent/canaryd.sock", .err = stderr };
	size_t size;
	char *text;
	int count = 2;

	while (rest)
		arguments[count++] = strsep(&rest, " ");
	ctl.out.out = open_memstream(&text, &size);
	assert_int_equal(command_main(&ctl, count, arguments), API_EXIT_OK);
	fclose(ctl.out.out);
	free(copy);
	return text;
}

static void check(const char *line, const char *expected)
{
	char *text = offered(line);

	for (char *c = text; *c; c++)
		*c = *c == '\n' ? ' ' : *c;
	if (strcmp(text, expected) != 0)
		fail_msg("canaryctl %s: '%s' instead of '%s'", line, text, expected);
	free(text);
}

static bool is_offered(const char *line, const char *word)
{
	char *text = offered(line), *rest = text, *candidate;
	bool found = false;

	while ((candidate = strsep(&rest, "\n")))
		found |= strcmp(candidate, word) == 0;
	free(text);
	return found;
}

/* ---- from the tables ---------------------------------------------------------------------------------------- */

static void check_options(const struct command *command, const struct command_option *options)
{
	char line[128], name[64];

	for (; options && options->name; options++) {
		snprintf(name, sizeof(name), "--%s%s", options->name, options->argument ? "=" : "");
		snprintf(line, sizeof(line), "%s --%.2s", command->name, options->name);
		if (!is_offered(line, name))
			fail_msg("canaryctl %s: no %s", line, name);
	}
}

static void every_command_and_option(void **state)
{
	char line[64];

	(void)state;
	fake = NULL;
	for (const struct command *c = commands; c->name; c++) {
		const char *space = strchr(c->name, ' ');

		snprintf(line, sizeof(line), "%.*s", (int)(space ? space - c->name : 2), c->name);
		assert_true(is_offered(line, space ? line : c->name));
		snprintf(line, sizeof(line), "%.*s ", (int)(space ? space - c->name : 0), c->name);
		if (space)
			assert_true(is_offered(line, space + 1));
		check_options(c, c->options);
		check_options(c, common_options);
	}
}

static void words(void **state)
{
	(void)state;
	fake = NULL;
	check("ro", "rollout ");
	check("rollout st", "start status ");
	check("help rollout st", "start status ");
	check("--json rollout pa", "pause ");
	check("--socket /x rollout pa", "pause ");
	check("nonsense ", "");
	check("nonsense more and ", "");
	check("rollout start --rep", "--replace ");
	check("config init --strategy ", "canary blue-green ab ");
	check("config init --strategy=b", "blue-green ");
	check("alert raise a --severity p", "page ");
	check("config check ", ":file ");
	check("replay -c ", ":file ");
	check("plan --config=x", ":file ");
	check("cohort set a b ", "canary baseline exclude ");
	check("config init --interface l", "lo ");
	check("rollout start --timeout ", "");
}

/* ---- from the daemon ---------------------------------------------------------------------------------------- */

static void names(void **state)
{
	struct fake_route routes[] = { { "GET /v1/status", 200, { "status_slis" }, 0 }, { 0 } };

	(void)state;
	fake = fake_start(routes);
	check("status ", "checkout ");
	check("rollout why c", "checkout ");
	check("rollout why x", "");
	check("rollout start checkout --canary ", "v1 v2 ");
	check("rollout start checkout --canary=v2", "v2 ");
	check("alert raise checkout ", "v1 v2 ");
	check("backend drain checkout 10.0.1.2", "10.0.1.2:8080 ");
	check("sli mute checkout o", "orders ");
	check("status checkout ", "");
	fake_stop(fake);
	fake = NULL;
	check("status ", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_and_option),
		cmocka_unit_test(words),
		cmocka_unit_test(names),
	};

	unsetenv("CANARYD_SOCKET");
	return cmocka_run_group_tests(tests, NULL, NULL);
}

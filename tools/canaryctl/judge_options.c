/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "judge_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "ctl.h"
#include "user/config.h"

#define NAME_MAX_BYTES 48
#define HELP_MAX_BYTES 160

/* What the options of the table point to. */
static struct {
	char name[NAME_MAX_BYTES];
	char help[HELP_MAX_BYTES];
} texts[JUDGE_OPTIONS_MAX];

static bool is_time(const char *key)
{
	size_t length = strlen(key);

	return length > 2 && strcmp(key + length - 2, "_s") == 0;
}

static size_t fill_texts(void)
{
	struct config_judge_key key;
	size_t i;

	for (i = 0; i < JUDGE_OPTIONS_MAX && config_judge_key(i, &key); i++) {
		size_t length = strlen(key.name) - (is_time(key.name) ? 2 : 0);

		snprintf(texts[i].name, sizeof(texts[i].name), "%.*s", (int)length, key.name);
		for (char *c = texts[i].name; *c; c++)
			*c = *c == '_' ? '-' : *c;
		snprintf(texts[i].help, sizeof(texts[i].help), "%s (%s)", key.help, key.fallback);
	}
	return i;
}

void judge_options_add(struct command_option *options)
{
	struct config_judge_key key;
	size_t own = 0, n = fill_texts();

	while (options[own].name && options[own].name != texts[0].name)
		own++;
	for (size_t i = 0; i < n && config_judge_key(i, &key); i++)
		options[own + i] = (struct command_option){
			texts[i].name, 0, is_time(key.name) ? "TIME" : "VALUE", texts[i].help,
		};
	options[own + n] = (struct command_option){ 0 };
}

bool judge_options_has(const struct command_option *option)
{
	for (size_t i = 0; i < JUDGE_OPTIONS_MAX; i++) {
		if (option->name == texts[i].name)
			return true;
	}
	return false;
}

/* "2m" as "120" where the key is a time; else the text itself. */
static const char *in_seconds(const char *key, const char *text, char buf[64])
{
	char *end;
	double value = strtod(text, &end);
	const char *units = "smh", *unit = end != text && *end && !end[1] ? strchr(units, *end) : NULL;
	static const double seconds[] = { 1, 60, 3600 };

	if (!is_time(key) || !unit)
		return text;
	snprintf(buf, 64, "%.17g", value * seconds[unit - units]);
	return buf;
}

static int set(struct ctl *ctl, const struct call *call, size_t i, const char *key, struct judge_config *judge)
{
	const char *text = call_value(call, texts[i].name, NULL);
	char *error = NULL, buf[64];
	int code = API_EXIT_OK;

	if (text && config_judge_set(judge, key, in_seconds(key, text, buf), &error))
		code = ctl_error(ctl, API_EXIT_USAGE, NULL, "--%s: %s", texts[i].name, error ? error : "out of memory");
	free(error);
	return code;
}

int judge_options_read(struct ctl *ctl, const struct call *call, struct judge_config *judge)
{
	struct config_judge_key key;
	char reason[FINDING_REASON];

	for (size_t i = 0; i < JUDGE_OPTIONS_MAX && config_judge_key(i, &key); i++) {
		int code = set(ctl, call, i, key.name, judge);

		if (code)
			return code;
	}
	if (judge_config_check(judge, reason) < 0)
		return ctl_error(ctl, API_EXIT_USAGE, NULL, "%s", reason);
	return API_EXIT_OK;
}

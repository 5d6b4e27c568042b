/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/options.h"

#include "canaryd/api.h"
#include "user/config.h"

const struct options_entry options_table[] = {
	{ "config", 'c', "FILE", "the configuration (default: " CONFIG_PATH_DEFAULT ")" },
	{ "test", 't', NULL, "check the configuration, change nothing" },
	{ "dry-run", 'n', NULL, "print what would be attached and made, touch nothing" },
	{ "shadow", 's', NULL, "measure and decide, but steer nothing: every new flow goes to the baseline" },
	{ "keys", 'k', NULL, "list the configuration's keys, defaults and ranges" },
	{ "version", 'V', NULL, "print the version" },
	{ "help", 'h', NULL, "print this" },
	{ 0 },
};

void options_parser_init(struct options_parser *parser)
{
	char *shorts = parser->shorts;
	size_t i;

	*parser = (struct options_parser){ 0 };
	for (i = 0; options_table[i].name && i < OPTIONS_MAX; i++) {
		const struct options_entry *entry = &options_table[i];

		parser->longs[i] = (struct option){ entry->name, entry->argument ? required_argument : no_argument, NULL,
						    entry->letter };
		*shorts++ = entry->letter;
		if (entry->argument)
			*shorts++ = ':';
	}
}

void options_print_help(FILE *out)
{
	fprintf(out,
		"canaryd %s: releases new versions of network services, from inside the kernel\n"
		"\n"
		"usage: canaryd [OPTION...]\n",
		CANARYD_VERSION);
	for (const struct options_entry *entry = options_table; entry->name; entry++) {
		int used = fprintf(out, "  -%c, --%s%s%s", entry->letter, entry->name, entry->argument ? " " : "",
				   entry->argument ? entry->argument : "");

		fprintf(out, "%*s%s\n", used < 21 ? 21 - used : 2, "", entry->help);
	}
	fputs("\nExit status: 0 ended as told, 1 failed, 2 wrong usage, 3 configuration invalid, 5 kernel feature missing.\n"
	      "Stopping canaryd stops no packet: `canaryctl detach` alone takes the data plane away.\n"
	      "With --shadow addresses are rewritten as without a rollout; weights are what would be, each decision is journalled\n"
	      "as \"would: …\" in state_dir/shadow, no hook runs, and nothing of it is taken up by a canaryd that steers.\n"
	      "A starter configuration: canaryctl config init --vip 192.0.2.10:80 --baseline ADDR:PORT --canary ADDR:PORT\n",
	      out);
}

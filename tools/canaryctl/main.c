/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canaryctl: the operator's hand on canaryd. The subcommands are in commands.c. */
#include <curl/curl.h>
#include <locale.h>
#include <signal.h>

#include "canaryd/api.h"
#include "command.h"
#include "ctl.h"

int main(int argc, char **argv)
{
	struct ctl ctl = { .err = stderr };
	int code;

	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C");
	signal(SIGPIPE, SIG_IGN);
	ctl.out = (struct page){ .out = stdout, .style = style_for(stdout) };
	curl_global_init(CURL_GLOBAL_DEFAULT);
	code = command_main(&ctl, argc, argv);
	curl_global_cleanup();
	if (fflush(stdout) != 0 && code == API_EXIT_OK)
		code = API_EXIT_FAILED;
	return code;
}

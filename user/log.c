/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

static void print(const char *priority, const char *format, va_list arguments)
{
	char line[1024];

	vsnprintf(line, sizeof(line), format, arguments);
	fprintf(stderr, "%scanaryd: %s\n", getenv("JOURNAL_STREAM") ? priority : "", line);
}

#define LOG_FUNCTION(name, priority)                                                                                \
	void log_##name(const char *format, ...)                                                                    \
	{                                                                                                           \
		va_list arguments;                                                                                  \
                                                                                                                    \
		va_start(arguments, format);                                                                        \
		print(priority, format, arguments);                                                                 \
		va_end(arguments);                                                                                  \
	}

LOG_FUNCTION(error, SD_ERR)
LOG_FUNCTION(warning, SD_WARNING)
LOG_FUNCTION(notice, SD_NOTICE)
LOG_FUNCTION(info, SD_INFO)

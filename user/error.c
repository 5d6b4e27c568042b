/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/error.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(char **ret_error, int code, const char *format, ...)
{
	va_list arguments;

	if (!ret_error)
		return code;
	va_start(arguments, format);
	if (vasprintf(ret_error, format, arguments) < 0)
		*ret_error = NULL;
	va_end(arguments);
	return code;
}

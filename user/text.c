/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

/* The bytes of the character that begins at `at`; 0: that is none (RFC 3629). */
static size_t character(const unsigned char *at)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least; /* what is less has a shorter form */
	} forms[] = { { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };
	size_t form = 0;
	uint32_t code;

	while (form < 4 && (*at & forms[form].mask) != forms[form].lead)
		form++;
	if (form == 4)
		return 0;
	code = *at & (unsigned char)~forms[form].mask;
	for (size_t i = 1; i <= form; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	return code < forms[form].least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? 0 : form + 1;
}

char *text_repair(char *text)
{
	for (unsigned char *at = (unsigned char *)text; *at;) {
		size_t bytes = character(at);

		if (!bytes)
			*at = '?';
		at += bytes ?: 1;
	}
	return text;
}

int text_print(char *buf, size_t size, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(buf, size, format, arguments);
	va_end(arguments);
	if (size)
		text_repair(buf);
	return length;
}

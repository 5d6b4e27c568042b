/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sentences that have in them what others wrote: hooks, checks, peers. JSON takes UTF-8 alone, and the journal's rows and the
 * API's answers are JSON: one foreign byte would keep a decision from being written.
 */
#ifndef CANARYD_TEXT_H
#define CANARYD_TEXT_H

#include <stddef.h>

/* Makes `text` UTF-8 in place, and returns it: a byte that is none becomes '?'. Its length stays. */
char *text_repair(char *text);

/* snprintf(), repaired: the buffer's end or a precision cuts characters through, too. */
int text_print(char *buf, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif

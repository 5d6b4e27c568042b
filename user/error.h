/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors for people: one sentence that names the place and the mend, beside the negative errno for the program. */
#ifndef CANARYD_ERROR_H
#define CANARYD_ERROR_H

/*
 * Writes the sentence to *ret_error (the caller frees it; NULL when memory is short) and returns `code`, a negative
 * errno, so that a failing function can end in `return error_set(…)`. Nothing is written where ret_error is NULL.
 */
int error_set(char **ret_error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif

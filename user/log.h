/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line an event on stderr, with the priority prefix that systemd's journal understands (sd-daemon(3)). */
#ifndef CANARYD_LOG_H
#define CANARYD_LOG_H

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

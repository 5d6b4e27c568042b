/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers as people read them. Pure. A missing value (NAN) is "-". */
#ifndef CANARYCTL_FORMAT_H
#define CANARYCTL_FORMAT_H

struct format {
	char text[32];
};

struct format format_count(double count);       /* 9999, 12.3 k, 1.20 M */
struct format format_rate(double per_second);   /* 0.5/s, 950/s, 1.2 k/s */
struct format format_share(double ratio);       /* 0.12 %, 4.8 %, 100 % */
struct format format_weight(double ratio);      /* a share someone wrote down: 5 %, 33.3 % */
struct format format_seconds(double seconds);   /* a latency: 870 µs as 0.870 ms, 12.3 ms, 1.20 s */
struct format format_duration(double seconds);  /* 45 s, 3 min 12 s, 2 h 5 min, 3 d 4 h */
struct format format_factor(double factor);     /* 0.98, 1.25, 12.4, 230, 6.7e10 */
struct format format_number(double value);     /* 0.93, 12.4, 1234 */
struct format format_bytes(double bytes);      /* 512 B, 3.2 MiB */
struct format format_clock(double unix_time);   /* 14:02:11, local time */
struct format format_date(double unix_time);    /* 2024-05-01 14:02:11 */

#endif

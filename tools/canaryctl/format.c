/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "format.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct format format_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

static struct format format_print(const char *format, ...)
{
	struct format result;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result.text, sizeof(result.text), format, arguments);
	va_end(arguments);
	return result;
}

/* Decimals that leave three significant digits, once `value` is rounded to them. */
static int three_digits(double value)
{
	if (value < 9.995)
		return 2;
	return value < 99.95 ? 1 : 0;
}

static double thousands(double value, const char **ret_prefix)
{
	static const char *const prefixes[] = { "", "k", "M", "G", "T", "P" };
	size_t i = 0;

	while (value >= 999.5 && i + 1 < sizeof(prefixes) / sizeof(*prefixes)) {
		value /= 1000;
		i++;
	}
	*ret_prefix = prefixes[i];
	return value;
}

struct format format_count(double count)
{
	const char *prefix;

	if (isnan(count))
		return format_print("-");
	if (count < 9999.5)
		return format_print("%.0f", count);
	count = thousands(count, &prefix);
	return format_print("%.*f %s", three_digits(count), count, prefix);
}

struct format format_rate(double per_second)
{
	const char *prefix;

	if (isnan(per_second))
		return format_print("-");
	if (per_second == 0)
		return format_print("0/s");
	per_second = thousands(per_second, &prefix);
	return format_print("%.*f%s%s/s", per_second < 9.95 ? 1 : 0, per_second, *prefix ? " " : "", prefix);
}

struct format format_share(double ratio)
{
	double percent = ratio * 100;

	if (isnan(ratio))
		return format_print("-");
	if (percent == 0 || percent >= 99.95)
		return format_print("%.0f %%", percent);
	if (percent < 0.005)
		return format_print("<0.01 %%");
	return format_print("%.*f %%", percent < 0.995 ? 2 : 1, percent);
}

struct format format_weight(double ratio)
{
	return isnan(ratio) ? format_print("-") : format_print("%.3g %%", ratio * 100);
}

struct format format_seconds(double seconds)
{
	double ms = seconds * 1e3;

	if (isnan(seconds))
		return format_print("-");
	if (ms < 0.9995)
		return format_print("%.3f ms", ms);
	if (ms < 999.5)
		return format_print("%.*f ms", three_digits(ms), ms);
	return format_print("%.*f s", three_digits(seconds), seconds);
}

struct format format_duration(double seconds)
{
	unsigned long long s;

	if (seconds > -0.05 && seconds < 0)
		seconds = 0;
	if (isnan(seconds) || seconds < 0 || seconds > 1e15)
		return format_print("-");
	if (seconds > 0 && seconds < 9.95 && seconds != floor(seconds))
		return format_print("%.1f s", seconds);
	s = (unsigned long long)(seconds + 0.5);
	if (s < 60)
		return format_print("%llu s", s);
	if (s < 3600)
		return s % 60 ? format_print("%llu min %llu s", s / 60, s % 60) : format_print("%llu min", s / 60);
	if (s < 86400)
		return s % 3600 >= 60 ? format_print("%llu h %llu min", s / 3600, s % 3600 / 60) :
					format_print("%llu h", s / 3600);
	return s % 86400 >= 3600 ? format_print("%llu d %llu h", s / 86400, s % 86400 / 3600) :
				   format_print("%llu d", s / 86400);
}

/* 6.7e10, as "%e" has it without the plus sign and the zeros of its exponent. */
static struct format scientific(double value)
{
	struct format e = format_print("%.1e", value);
	char *exponent = strchr(e.text, 'e');

	if (!exponent)
		return e;
	return format_print("%.*se%ld", (int)(exponent - e.text), e.text, strtol(exponent + 1, NULL, 10));
}

struct format format_factor(double factor)
{
	if (isnan(factor))
		return format_print("-");
	if (fabs(factor) >= 1e5)
		return scientific(factor);
	return format_print("%.*f", factor == floor(factor) ? 0 : three_digits(fabs(factor)), factor);
}

struct format format_number(double value)
{
	return isnan(value) ? format_print("-") : format_print("%.4g", value);
}

struct format format_bytes(double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;

	if (isnan(bytes))
		return format_print("-");
	for (; fabs(bytes) >= 1000 && u + 1 < sizeof(units) / sizeof(*units); u++)
		bytes /= 1024;
	return format_print("%.3g %s", bytes, units[u]);
}

static struct format format_time(double unix_time, const char *pattern)
{
	struct format result = format_print("-");
	time_t t;
	struct tm local;

	if (isnan(unix_time) || fabs(unix_time) > 1e11)
		return result;
	t = (time_t)floor(unix_time);
	if (localtime_r(&t, &local) && strftime(result.text, sizeof(result.text), pattern, &local) > 0)
		return result;
	return format_print("-");
}

struct format format_clock(double unix_time)
{
	return format_time(unix_time, "%H:%M:%S");
}

struct format format_date(double unix_time)
{
	return format_time(unix_time, "%Y-%m-%d %H:%M:%S");
}

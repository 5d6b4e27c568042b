/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A number with at most 15 digits and a power of ten up to 22 is exact in two doubles, so that one division gives what
 * strtod() would.
 */
#include "user/record_ttfb.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "\"ttfb\""
#define DIGITS 15
#define LARGEST_POWER 22
#define LARGEST_COUNT 1e15

struct cursor {
	const char *at, *end;
};

/* ---- numbers --------------------------------------------------------------------------------------------- */

static void skip_space(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
		c->at++;
}

static bool take(struct cursor *c, const char *text)
{
	size_t length = strlen(text);

	skip_space(c);
	if ((size_t)(c->end - c->at) < length || memcmp(c->at, text, length) != 0)
		return false;
	c->at += length;
	return true;
}

static bool is_digit(const struct cursor *c)
{
	return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

/* Appends digits to *ret; returns how many. */
static unsigned take_digits(struct cursor *c, uint64_t *ret)
{
	unsigned count = 0;

	for (; is_digit(c) && count <= DIGITS; count++)
		*ret = *ret * 10 + (uint64_t)(*c->at++ - '0');
	return count;
}

static bool take_exponent(struct cursor *c, int *ret)
{
	uint64_t power = 0;
	bool minus;

	*ret = 0;
	if (c->at == c->end || (*c->at != 'e' && *c->at != 'E'))
		return true;
	c->at++;
	minus = c->at < c->end && *c->at == '-';
	if (c->at < c->end && (*c->at == '-' || *c->at == '+'))
		c->at++;
	if (take_digits(c, &power) == 0 || power > 99)
		return false;
	*ret = minus ? -(int)power : (int)power;
	return true;
}

/* What is not negative, and short. */
static bool take_number(struct cursor *c, double *ret)
{
	static const double power[LARGEST_POWER + 1] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
							 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	unsigned whole, fraction = 0;
	uint64_t digits = 0;
	bool zero;
	int ten;

	skip_space(c);
	zero = c->at < c->end && *c->at == '0';
	whole = take_digits(c, &digits);
	if (whole == 0 || (zero && whole > 1))
		return false;
	if (c->at < c->end && *c->at == '.') {
		c->at++;
		fraction = take_digits(c, &digits);
		if (fraction == 0)
			return false;
	}
	if (!take_exponent(c, &ten) || whole + fraction > DIGITS)
		return false;
	ten -= (int)fraction;
	if (abs(ten) > LARGEST_POWER)
		return false;
	*ret = ten < 0 ? (double)digits / power[-ten] : (double)digits * power[ten];
	return true;
}

/* ---- lists ----------------------------------------------------------------------------------------------- */

static bool take_edge(struct cursor *c, unsigned *ret)
{
	double seconds;

	if (take(c, "null") || take(c, "\"+Inf\"")) {
		*ret = CANARY_HISTOGRAM_BUCKETS - 1;
		return true;
	}
	if (!take_number(c, &seconds) || seconds > LARGEST_COUNT)
		return false;
	*ret = histogram_bucket(seconds);
	return true;
}

static bool take_pair(struct cursor *c, struct histogram *h)
{
	unsigned bucket;
	double count;

	if (!take(c, "[") || !take_edge(c, &bucket) || !take(c, ",") || !take_number(c, &count) || !take(c, "]"))
		return false;
	if (count != floor(count) || count > LARGEST_COUNT)
		return false;
	h->bucket[bucket] += (uint64_t)count;
	return true;
}

static bool take_list(struct cursor *c, struct histogram *h)
{
	memset(h, 0, sizeof(*h));
	if (!take(c, "["))
		return false;
	if (take(c, "]"))
		return true;
	do {
		if (!take_pair(c, h))
			return false;
	} while (take(c, ","));
	return take(c, "]");
}

/* ---- a line ---------------------------------------------------------------------------------------------- */

static void append(struct record_ttfbs *to, const char *from, const char *until)
{
	memcpy(to->line + to->length, from, (size_t)(until - from));
	to->length += (size_t)(until - from);
}

/* The key's list into ret->list and its number into the line; `c` is behind the key. False: not plain. */
static bool replace(struct cursor *c, struct record_ttfbs *ret)
{
	struct cursor list;

	if (!take(c, ":"))
		return false;
	skip_space(c);
	if (c->at == c->end || *c->at != '[')
		return false;
	list = *c;
	if (ret->count == RECORD_TTFBS || !take_list(&list, &ret->list[ret->count]))
		return true;
	ret->length += (size_t)sprintf(ret->line + ret->length, ":%d", -1 - (int)ret->count++);
	c->at = list.at;
	return true;
}

/* The end of the string that begins at `at`. */
static const char *string_end(const char *at, const char *end)
{
	const char *quote = memchr(at + 1, '"', (size_t)(end - at - 1));

	return quote ? quote + 1 : end;
}

static bool copy(const char *line, size_t length, struct record_ttfbs *ret)
{
	struct cursor c = { line, line + length };
	const char *copied = line;

	while ((c.at = memchr(c.at, '"', (size_t)(c.end - c.at)))) {
		const char *behind = string_end(c.at, c.end);
		bool key = (size_t)(behind - c.at) == strlen(KEY) && memcmp(c.at, KEY, strlen(KEY)) == 0;
		unsigned before = ret->count;

		c.at = behind;
		if (!key)
			continue;
		append(ret, copied, behind);
		copied = behind;
		if (!replace(&c, ret))
			return false;
		if (ret->count > before)
			copied = c.at;
		else
			c.at = behind;
	}
	append(ret, copied, line + length);
	return ret->count > 0;
}

bool record_ttfbs_take(const char *line, size_t length, struct record_ttfbs *ret)
{
	ret->count = 0;
	ret->length = 0;
	if (memchr(line, '\\', length) || !memmem(line, length, KEY, strlen(KEY)))
		return false;
	ret->line = malloc(length + 1); /* a number is shorter than the list it stands for */
	if (!ret->line)
		return false;
	if (copy(line, length, ret))
		return true;
	free(ret->line);
	return false;
}

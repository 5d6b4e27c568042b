/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/cohort.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/address.h"
#include "user/error.h"

#define MAPPED 96 /* bits before an IPv4 address */
#define LENGTH_DIGITS 3

/* ---- networks --------------------------------------------------------------------------------------------- */

static int parse_length(const char *text, unsigned most, uint32_t *ret)
{
	unsigned length = 0;
	size_t digits = strspn(text, "0123456789");

	if (!digits || digits > LENGTH_DIGITS || text[digits] || (digits > 1 && text[0] == '0'))
		return -EINVAL;
	for (const char *c = text; *c; c++)
		length = length * 10 + (unsigned)(*c - '0');
	if (length > most)
		return -EINVAL;
	*ret = length;
	return 0;
}

void cohort_prefix_of(const __be32 addr[4], uint32_t length, struct canary_prefix *ret)
{
	ret->length = length;
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t bits = length > i * 32 ? length - i * 32 : 0;
		uint32_t mask = bits >= 32 ? UINT32_MAX : bits ? ~0U << (32 - bits) : 0;

		ret->addr[i] = addr[i] & htonl(mask);
	}
}

static bool has_host_bits(const struct canary_prefix *prefix)
{
	struct canary_prefix without;

	cohort_prefix_of(prefix->addr, prefix->length, &without);
	return memcmp(&without, prefix, sizeof(without)) != 0;
}

int cohort_prefix_parse(const char *text, struct canary_prefix *ret, const char **ret_problem)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	struct canary_prefix prefix = { .length = 128 };
	char host[INET6_ADDRSTRLEN];
	bool ipv4;

	*ret_problem = "is not a network (write 192.0.2.0/24 or 2001:db8::/32)";
	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = 0;
	if (address_parse_host(host, prefix.addr))
		return -EINVAL;
	ipv4 = address_is_ipv4(prefix.addr);
	if (slash) {
		if (parse_length(slash + 1, ipv4 ? 32 : 128, &prefix.length))
			return -EINVAL;
		prefix.length += ipv4 ? MAPPED : 0;
	}
	*ret_problem = "has bits set beyond its length (set them to 0, or make it longer)";
	if (has_host_bits(&prefix))
		return -EINVAL;
	*ret = prefix;
	return 0;
}

void cohort_prefix_format(const struct canary_prefix *prefix, char buf[static COHORT_PREFIX_TEXT])
{
	char host[ADDRESS_MAX];

	address_format_host(prefix->addr, host);
	snprintf(buf, COHORT_PREFIX_TEXT, "%.45s/%u", host,
		 prefix->length - (cohort_prefix_is_ipv4(prefix) ? MAPPED : 0));
}

bool cohort_prefix_is_ipv4(const struct canary_prefix *prefix)
{
	return prefix->length >= MAPPED && address_is_ipv4(prefix->addr);
}

/* ---- cohorts ---------------------------------------------------------------------------------------------- */

int cohort_add(struct cohort *cohort, const struct canary_prefix *prefix)
{
	if (cohort->count >= COHORT_PREFIXES_MAX)
		return -E2BIG;
	if (cohort->count == cohort->room) {
		size_t room = cohort->room ? 2 * cohort->room : 8;
		void *more = reallocarray(cohort->prefixes, room, sizeof(*prefix));

		if (!more)
			return -ENOMEM;
		cohort->prefixes = more;
		cohort->room = room;
	}
	cohort->prefixes[cohort->count++] = *prefix;
	return 0;
}

/* A line without its comment and the blanks around it; false where nothing is left, or it is longer than a network. */
static bool trim(const char *line, size_t length, char buf[static COHORT_PREFIX_TEXT])
{
	const char *comment = memchr(line, '#', length);

	if (comment)
		length = (size_t)(comment - line);
	while (length && strchr(" \t\r", line[length - 1]))
		length--;
	while (length && strchr(" \t", line[0])) {
		line++;
		length--;
	}
	snprintf(buf, COHORT_PREFIX_TEXT, "%.*s", (int)(length < COHORT_PREFIX_TEXT ? length : COHORT_PREFIX_TEXT), line);
	return length;
}

int cohort_add_text(struct cohort *cohort, const char *text, size_t length, const char *name, char **ret_error)
{
	const char *end = text + length;

	for (unsigned number = 1; text < end; number++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text)), *problem = "";
		size_t line = (size_t)((newline ? newline : end) - text);
		char network[COHORT_PREFIX_TEXT];
		struct canary_prefix prefix;
		int r = 0;

		if (trim(text, line, network)) {
			r = cohort_prefix_parse(network, &prefix, &problem);
			if (r)
				return error_set(ret_error, r, "%s:%u: \"%s\" %s", name, number, network, problem);
			r = cohort_add(cohort, &prefix);
		}
		if (r)
			return error_set(ret_error, r, r == -E2BIG ? "%s:%u: at most %d networks make a cohort" : "out of memory",
					 name, number, COHORT_PREFIXES_MAX);
		text += line + 1;
	}
	return 0;
}

void cohort_deinit(struct cohort *cohort)
{
	free(cohort->prefixes);
	*cohort = (struct cohort){ 0 };
}

struct cohort *cohort_find(const struct cohort_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i].name, name))
			return &list->items[i];
	return NULL;
}

/* ---- one network, one cohort ------------------------------------------------------------------------------ */

struct owned {
	const struct canary_prefix *prefix;
	const struct cohort *cohort;
};

static int compare(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;

	return memcmp(x->prefix, y->prefix, sizeof(*x->prefix));
}

static int check_sorted(const struct owned *all, size_t count, char **ret_error)
{
	for (size_t i = 1; i < count; i++) {
		char network[COHORT_PREFIX_TEXT];

		if (compare(&all[i - 1], &all[i]) || all[i - 1].cohort == all[i].cohort)
			continue;
		cohort_prefix_format(all[i].prefix, network);
		return error_set(ret_error, -EINVAL, "the network %s is in cohort %s and in cohort %s (take it out of one)",
				 network, all[i - 1].cohort->name, all[i].cohort->name);
	}
	return 0;
}

int cohort_check(const struct cohort_list *list, char **ret_error)
{
	struct owned *all;
	size_t count = 0;
	int r;

	for (size_t i = 0; i < list->count; i++)
		count += list->items[i].count;
	all = calloc(count + 1, sizeof(*all));
	if (!all)
		return error_set(ret_error, -ENOMEM, "out of memory");
	count = 0;
	for (size_t i = 0; i < list->count; i++)
		for (size_t p = 0; p < list->items[i].count; p++)
			all[count++] = (struct owned){ &list->items[i].prefixes[p], &list->items[i] };
	qsort(all, count, sizeof(*all), compare);
	r = check_sorted(all, count, ret_error);
	free(all);
	return r;
}

/* ---- words ------------------------------------------------------------------------------------------------ */

static const char *const actions[] = {
	[CANARY_COHORT_BASELINE] = "baseline",
	[CANARY_COHORT_CANARY] = "canary",
	[CANARY_COHORT_WEIGHT] = "weight",
	[CANARY_COHORT_EXCLUDE] = "exclude",
};

const char *cohort_action_name(enum canary_cohort_action action)
{
	return (size_t)action < sizeof(actions) / sizeof(*actions) ? actions[action] : "";
}

int cohort_action_parse(const char *word, enum canary_cohort_action *ret)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (!strcmp(word, actions[i])) {
			*ret = (enum canary_cohort_action)i;
			return 0;
		}
	return -EINVAL;
}

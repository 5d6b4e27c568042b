/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cohorts: clients of certain networks, which have a rule of their own where a version is chosen. Networks as people
 * write them ("192.0.2.0/24", "2001:db8::/32", or one address) and lists of cohorts. Pure.
 */
#ifndef CANARYD_COHORT_H
#define CANARYD_COHORT_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>

#include "canaryd/abi.h"

#define COHORT_PREFIX_TEXT (INET6_ADDRSTRLEN + 4) /* bytes of the longest network, the final NUL included */
#define COHORT_PREFIXES_MAX 1000000               /* of a cohort */
#define COHORTS_MAX 256                           /* of a service */

struct cohort {
	char name[CANARY_NAME_MAX];
	enum canary_cohort_action action;
	double weight_percent; /* of CANARY_COHORT_WEIGHT */
	bool live;             /* set by an operator while canaryd ran, not by the file */
	bool removed;          /* by an operator: the file's does not hold either */
	struct canary_prefix *prefixes;
	size_t count;
	size_t room; /* of prefixes */
};

struct cohort_list {
	struct cohort *items;
	size_t count;
};

/* Reads a network or an address, strictly. Returns 0, or -EINVAL with what is wrong in a few words, with the mend. */
int cohort_prefix_parse(const char *text, struct canary_prefix *ret, const char **ret_problem);

/* The network of so many bits that an address is in; IPv4's is mapped, and 96 bits longer. */
void cohort_prefix_of(const __be32 addr[4], uint32_t length, struct canary_prefix *ret);

/* Writes a network in its canonical spelling. */
void cohort_prefix_format(const struct canary_prefix *prefix, char buf[static COHORT_PREFIX_TEXT]);

/* Whether it is one of IPv4 addresses. */
bool cohort_prefix_is_ipv4(const struct canary_prefix *prefix);

/* Appends a network. -E2BIG: there are COHORT_PREFIXES_MAX; -ENOMEM. */
int cohort_add(struct cohort *cohort, const struct canary_prefix *prefix);

/*
 * Appends the networks of a text, one a line, # begins a comment. `name` stands for the text in *ret_error, a sentence,
 * the caller's to free. -EINVAL: a line is none; -E2BIG, -ENOMEM.
 */
int cohort_add_text(struct cohort *cohort, const char *text, size_t length, const char *name, char **ret_error);

/* Frees what it holds. */
void cohort_deinit(struct cohort *cohort);

/* NULL: none of that name. */
struct cohort *cohort_find(const struct cohort_list *list, const char *name);

/* -EINVAL, with a sentence: one network is in two cohorts of the list. -ENOMEM. */
int cohort_check(const struct cohort_list *list, char **ret_error);

/* The word of the configuration for an action, and the action of a word; -EINVAL: there is none. */
const char *cohort_action_name(enum canary_cohort_action action);
int cohort_action_parse(const char *word, enum canary_cohort_action *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/cohorts.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "user/cohorts_journal.h"
#include "user/error.h"
#include "user/log.h"
#include "user/weights.h"

#define FILE_MAX (64 << 20) /* bytes */

struct cohorts {
	struct cohorts_environment environment;
	char name[CANARY_NAME_MAX]; /* of the service */
	bool ipv4;
	struct cohort_list file; /* own their networks */
	struct cohort_list live;
	struct cohort_list holding; /* borrows them */
};

static int no_memory(char **ret_error)
{
	return error_set(ret_error, -ENOMEM, "out of memory");
}

static void clear(struct cohort_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		cohort_deinit(&list->items[i]);
	free(list->items);
	*list = (struct cohort_list){ 0 };
}

/* ---- the file ---------------------------------------------------------------------------------------------- */

static int read_file(struct cohort *cohort, const char *path, char **ret_error)
{
	FILE *file = fopen(path, "re");
	struct stat info;
	char *text = NULL;
	size_t length = 0;
	int r = 0;

	if (!file || fstat(fileno(file), &info))
		r = error_set(ret_error, -errno, "cohort %s: cannot read %s: %m", cohort->name, path);
	else if (!S_ISREG(info.st_mode) || info.st_size > FILE_MAX)
		r = error_set(ret_error, -EINVAL, "cohort %s: %s is not a file of at most %d MiB", cohort->name, path,
			      FILE_MAX >> 20);
	if (!r) {
		text = malloc(info.st_size + 1);
		length = text ? fread(text, 1, info.st_size, file) : 0;
		if (!text)
			r = no_memory(ret_error);
		else if (length != (size_t)info.st_size)
			r = error_set(ret_error, -EIO, "cohort %s: %s ended at byte %zu of %lld while it was read (write it beside, "
				      "and rename)", cohort->name, path, length, (long long)info.st_size);
		else
			r = cohort_add_text(cohort, text, length, path, ret_error);
	}
	free(text);
	if (file)
		fclose(file);
	return r;
}

static int read_cohort(struct cohort *to, const struct config_cohort *from, char **ret_error)
{
	int r = 0;

	memcpy(to->name, from->name, sizeof(to->name));
	to->action = from->action;
	to->weight_percent = from->weight_percent;
	for (uint32_t i = 0; !r && i < from->prefixes_count; i++)
		r = cohort_add(to, &from->prefixes[i].prefix);
	if (r)
		return no_memory(ret_error);
	return *from->file ? read_file(to, from->file, ret_error) : 0;
}

static int read_config(const struct config_service *service, struct cohort_list *ret, char **ret_error)
{
	struct cohort_list list = { .items = calloc(service->cohorts_count + 1, sizeof(struct cohort)) };
	int r = list.items ? 0 : no_memory(ret_error);

	for (; !r && list.count < service->cohorts_count; list.count++)
		r = read_cohort(&list.items[list.count], &service->cohorts[list.count], ret_error);
	if (r)
		clear(&list);
	else
		*ret = list;
	return r;
}

int cohorts_check_config(const struct config *config, char **ret_error)
{
	int r = 0;

	for (uint32_t s = 0; !r && s < config->services_count; s++) {
		struct cohort_list list = { 0 };
		char *error = NULL;

		r = read_config(&config->services[s], &list, &error);
		if (!r)
			r = cohort_check(&list, &error);
		if (r)
			error_set(ret_error, r, "services[%u].cohorts: %s", s, error ?: strerror(-r));
		free(error);
		clear(&list);
	}
	return r;
}

/* ---- what holds ------------------------------------------------------------------------------------------- */

static bool is_overlaid(const struct cohort *cohort, const struct cohort_list *live)
{
	return cohort_find(live, cohort->name);
}

/* The file's, and in their place or after them the operators'. Networks are borrowed from both. */
static int overlay(const struct cohort_list *file, const struct cohort_list *live, struct cohort_list *ret,
		   char **ret_error)
{
	struct cohort_list list = { .items = calloc(file->count + live->count + 1, sizeof(struct cohort)) };

	if (!list.items)
		return no_memory(ret_error);
	for (size_t i = 0; i < file->count; i++)
		if (!is_overlaid(&file->items[i], live))
			list.items[list.count++] = file->items[i];
	for (size_t i = 0; i < live->count; i++)
		if (!live->items[i].removed)
			list.items[list.count++] = live->items[i];
	if (list.count > COHORTS_MAX) {
		free(list.items);
		return error_set(ret_error, -E2BIG, "at most %d cohorts (remove one)", COHORTS_MAX);
	}
	*ret = list;
	return 0;
}

static uint64_t threshold_of(const struct cohort *cohort)
{
	switch (cohort->action) {
	case CANARY_COHORT_CANARY: return weights_threshold(1);
	case CANARY_COHORT_WEIGHT: return weights_threshold(cohort->weight_percent / 100);
	default: return 0;
	}
}

static size_t flatten(const struct cohort_list *list, bool ipv4, struct canary_prefix *prefixes,
		      struct canary_cohort *values)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct cohort *cohort = &list->items[i];
		struct canary_cohort value = { .canary_threshold = threshold_of(cohort), .id = i, .action = cohort->action };

		for (size_t p = 0; p < cohort->count; p++) {
			if (cohort_prefix_is_ipv4(&cohort->prefixes[p]) != ipv4)
				continue;
			prefixes[count] = cohort->prefixes[p];
			values[count] = value;
			values[count++].prefix_length = cohort->prefixes[p].length;
		}
	}
	return count;
}

/* The trie of a list, not yet seen by a program; clients are of the service's family, so networks of the other are left out. */
static int make_trie(const struct cohorts *cohorts, const struct cohort_list *list, int *ret_trie, char **ret_error)
{
	struct canary_prefix *prefixes;
	struct canary_cohort *values;
	size_t count = 0;
	int r;

	for (size_t i = 0; i < list->count; i++)
		count += list->items[i].count;
	prefixes = calloc(count + 1, sizeof(*prefixes));
	values = calloc(count + 1, sizeof(*values));
	if (!prefixes || !values) {
		r = no_memory(ret_error);
	} else {
		count = flatten(list, cohorts->ipv4, prefixes, values);
		r = datapath_cohorts_new(prefixes, values, count, ret_trie);
		if (r)
			error_set(ret_error, r, "the kernel does not take %zu networks: %s", count, strerror(-r));
	}
	free(prefixes);
	free(values);
	return r;
}

/* Makes `live` what operators want: checked, written down where `keep` says so, swapped in. Does not take it over. */
static int make_so(struct cohorts *cohorts, const struct cohort_list *live, bool keep, char **ret_error)
{
	struct cohort_list holding = { 0 };
	int trie = -1, r = overlay(&cohorts->file, live, &holding, ret_error);

	if (!r)
		r = cohort_check(&holding, ret_error);
	if (!r)
		r = make_trie(cohorts, &holding, &trie, ret_error);
	if (!r && keep)
		r = cohorts_journal_save(cohorts->environment.journal, cohorts->name, live, ret_error);
	if (!r) {
		r = datapath_set_cohorts(cohorts->environment.datapath, cohorts->environment.service, trie);
		if (r)
			error_set(ret_error, r, "the kernel does not take the cohorts: %s", strerror(-r));
	}
	datapath_cohorts_free(trie);
	if (r) {
		free(holding.items);
		return r;
	}
	free(cohorts->holding.items);
	cohorts->holding = holding;
	return 0;
}

/* ---- opening ----------------------------------------------------------------------------------------------- */

static int open_live(struct cohorts *cohorts, char **ret_error)
{
	char *error = NULL;
	int r = cohorts_journal_load(cohorts->environment.journal, cohorts->name, &cohorts->live, ret_error);

	if (r)
		return r;
	if (!cohorts->live.count)
		return make_so(cohorts, &cohorts->live, false, ret_error);
	r = make_so(cohorts, &cohorts->live, false, &error);
	if (r == -EINVAL || r == -E2BIG) {
		log_warning("service %s: the cohorts set at run time are left out: %s", cohorts->name, error ?: strerror(-r));
		clear(&cohorts->live);
		free(error);
		return make_so(cohorts, &cohorts->live, false, ret_error);
	}
	if (r)
		*ret_error = error;
	return r;
}

int cohorts_new(const struct cohorts_environment *environment, const struct config_service *service,
		struct cohorts **ret, char **ret_error)
{
	struct cohorts *cohorts = calloc(1, sizeof(*cohorts));
	int r;

	if (!cohorts)
		return no_memory(ret_error);
	cohorts->environment = *environment;
	cohorts->ipv4 = address_is_ipv4(service->endpoint.addr);
	memcpy(cohorts->name, service->name, sizeof(cohorts->name));
	r = read_config(service, &cohorts->file, ret_error);
	if (!r)
		r = open_live(cohorts, ret_error);
	if (r)
		cohorts_free(cohorts);
	else
		*ret = cohorts;
	return r;
}

struct cohorts *cohorts_free(struct cohorts *cohorts)
{
	if (!cohorts)
		return NULL;
	free(cohorts->holding.items);
	clear(&cohorts->file);
	clear(&cohorts->live);
	free(cohorts);
	return NULL;
}

const struct cohort_list *cohorts_list(const struct cohorts *cohorts)
{
	return &cohorts->holding;
}

/* ---- changing ---------------------------------------------------------------------------------------------- */

/* The operators' list with `cohort` in its place; networks are borrowed. */
static int with(const struct cohorts *cohorts, const struct cohort *cohort, struct cohort_list *ret, char **ret_error)
{
	struct cohort_list list = { .items = calloc(cohorts->live.count + 1, sizeof(struct cohort)) };
	struct cohort *there;

	if (!list.items)
		return no_memory(ret_error);
	list.count = cohorts->live.count;
	if (list.count)
		memcpy(list.items, cohorts->live.items, list.count * sizeof(*list.items));
	there = cohort_find(&list, cohort->name);
	*(there ? there : &list.items[list.count++]) = *cohort;
	*ret = list;
	return 0;
}

int cohorts_set(struct cohorts *cohorts, struct cohort *cohort, char **ret_error)
{
	struct cohort *before = cohort_find(&cohorts->live, cohort->name), replaced = before ? *before : (struct cohort){ 0 };
	struct cohort_list live;
	int r;

	cohort->live = true;
	r = with(cohorts, cohort, &live, ret_error);
	if (!r) {
		r = make_so(cohorts, &live, true, ret_error);
		if (r)
			free(live.items);
	}
	if (r) {
		cohort_deinit(cohort);
		return r;
	}
	free(cohorts->live.items);
	cohorts->live = live;
	cohort_deinit(&replaced);
	return 0;
}

int cohorts_remove(struct cohorts *cohorts, const char *name, char **ret_error)
{
	struct cohort removed = { .removed = true, .weight_percent = NAN };

	if (!cohort_find(&cohorts->holding, name))
		return error_set(ret_error, -ENOENT, "service %s has no cohort %.60s (`canaryctl cohort list %s` lists them)",
				 cohorts->name, name, cohorts->name);
	snprintf(removed.name, sizeof(removed.name), "%s", name);
	return cohorts_set(cohorts, &removed, ret_error);
}

int cohorts_reset(struct cohorts *cohorts, char **ret_error)
{
	struct cohort_list none = { 0 };
	int r = make_so(cohorts, &none, true, ret_error);

	if (!r)
		clear(&cohorts->live);
	return r;
}

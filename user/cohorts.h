/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cohorts of a service: those of the file, and over them what operators have changed since, which the journal
 * keeps. A change is written down, then the kernel's trie is swapped in whole: no packet sees half of one, and flows
 * that are open stay where they are.
 */
#ifndef CANARYD_COHORTS_H
#define CANARYD_COHORTS_H

#include <stdint.h>

#include "user/cohort.h"
#include "user/config.h"
#include "user/datapath.h"
#include "user/journal.h"

struct cohorts;

/* What they work with; all of it must outlive them. */
struct cohorts_environment {
	struct datapath *datapath;
	struct journal *journal;
	uint16_t service; /* its id in the kernel */
};

/*
 * Reads the files, the journal, and fills the kernel. -EINVAL, and why a file cannot be read: *ret_error is a sentence.
 * What operators changed is left out, with a warning in the log, where it does not go with the file any more.
 */
int cohorts_new(const struct cohorts_environment *environment, const struct config_service *service,
		struct cohorts **ret, char **ret_error);

/* The kernel keeps its own. */
struct cohorts *cohorts_free(struct cohorts *cohorts);

/* Those that hold now, in the order of their ids; valid until the next change. */
const struct cohort_list *cohorts_list(const struct cohorts *cohorts);

/*
 * Sets a cohort, new or not, and takes over its networks. -EINVAL: one of them is another cohort's; -E2BIG: there are
 * COHORTS_MAX; or the journal's errors, the kernel's. Nothing has changed then.
 */
int cohorts_set(struct cohorts *cohorts, struct cohort *cohort, char **ret_error);

/* -ENOENT: none of that name. */
int cohorts_remove(struct cohorts *cohorts, const char *name, char **ret_error);

/* Back to what the file says. */
int cohorts_reset(struct cohorts *cohorts, char **ret_error);

/* Whether the cohorts of a whole configuration can be read and go together, files included. Nothing is changed. */
int cohorts_check_config(const struct config *config, char **ret_error);

#endif

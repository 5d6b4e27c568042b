/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What operators changed of a service's cohorts, as the journal keeps it: JSON. Private to cohorts*.c. */
#ifndef CANARYD_COHORTS_JOURNAL_H
#define CANARYD_COHORTS_JOURNAL_H

#include "user/cohort.h"
#include "user/journal.h"

/* Written down when this returns 0. *ret_error is a sentence, the caller's to free. */
int cohorts_journal_save(struct journal *journal, const char *service, const struct cohort_list *list,
			 char **ret_error);

/* An empty list where nothing is kept. The caller frees what *ret holds. */
int cohorts_journal_load(struct journal *journal, const char *service, struct cohort_list *ret, char **ret_error);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus' HTTP API, as far as an instant query needs it: the URL that asks, and what the answer says. Pure. */
#ifndef CANARYD_PROMQL_H
#define CANARYD_PROMQL_H

#include <stddef.h>

#include "user/finding.h"

#define PROMQL_SAID 150 /* bytes of a sentence, NUL included */

struct promql_answer {
	enum finding_state state;
	double value;           /* where the state is FINDING_STATE_OK */
	char said[PROMQL_SAID]; /* what is wrong and the mend, else "" */
};

/* BASE/api/v1/query?query=…, the caller's to free; NULL without memory. */
char *promql_url(const char *base, const char *query);

/* Reads the answer to an instant query that has to give one finite number. */
void promql_parse(unsigned http_status, const char *body, size_t size, struct promql_answer *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trials → a row, and whether it keeps its bounds. */
#ifndef CANARYD_REFEREE_TABLE_H
#define CANARYD_REFEREE_TABLE_H

#include <stdio.h>

#include "tools/referee/trial.h"

struct table_method {
	double rolled_back; /* share of the rollouts: before the onset, or at all in a null cell */
	double caught;      /* share of those not rolled back early */
	double median_s;    /* of the delays, those not caught counted as for ever; NAN: for ever */
	double p90_s;
	double failed;      /* median of the failed requests until then */
};

struct table_row {
	const struct cell *cell;
	unsigned rollouts;
	struct table_method method[TRIAL_METHODS];
	double promotable; /* share of the rollouts */
	bool missed;
	char verdict[160]; /* one line for people */
};

void table_sum_up(const struct cell *cell, const struct trial *trials, unsigned n, struct table_row *ret);

void table_head(FILE *out, unsigned rollouts);
void table_print(FILE *out, const struct table_row *row);

#endif

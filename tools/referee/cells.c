/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/referee/cells.h"

#define ALIKE(p) .p_baseline = (p), .p_canary = (p), .slower = 1, .sigma = 0.5
#define BY_SECONDS .tick_s = 1, .warmup_s = 60, .history_s = 1200, .rollout_s = 1060
#define BY_TENTHS .tick_s = 0.1, .warmup_s = 60, .history_s = 1200, .rollout_s = 160
/* A regression from the canary's first request on, judged at once. */
#define AT_ONCE .tick_s = 1, .history_s = 120, .rollout_s = 660
#define AT_ONCE_BY_TENTHS .tick_s = 0.1, .history_s = 120, .rollout_s = 300
#define FAILS(p) .p_baseline = 0.001, .p_canary = (p), .slower = 1, .sigma = 0.5
#define SLOW(factor, width) .p_baseline = 0.001, .p_canary = 0.001, .slower = (factor), .sigma = (width)

const struct cell cells[] = {
	{ "chance, 1 %", CELL_IID, ALIKE(0.01), BY_SECONDS },
	{ "chance, 0.1 %", CELL_IID, ALIKE(0.001), BY_SECONDS },
	{ "bursts on both", CELL_BURST_BOTH, ALIKE(0.01), BY_SECONDS },
	{ "bursts on one backend", CELL_BURST_ONE, ALIKE(0.01), BY_SECONDS },
	{ "clustered failures", CELL_CLUSTERED, ALIKE(0.01), BY_SECONDS },
	{ "unequal backends", CELL_UNEQUAL, ALIKE(0.01), BY_SECONDS },
	{ "daily ramp", CELL_RAMP, ALIKE(0.01), BY_SECONDS },
	{ "cold start", CELL_COLD, ALIKE(0.01), BY_SECONDS },
	{ "chance, 1 %", CELL_IID, ALIKE(0.01), BY_TENTHS },
	{ "chance, 0.1 %", CELL_IID, ALIKE(0.001), BY_TENTHS },
	{ "bursts on both", CELL_BURST_BOTH, ALIKE(0.01), BY_TENTHS },
	{ "bursts on one backend", CELL_BURST_ONE, ALIKE(0.01), BY_TENTHS },
	{ "clustered failures", CELL_CLUSTERED, ALIKE(0.01), BY_TENTHS },
	{ "unequal backends", CELL_UNEQUAL, ALIKE(0.01), BY_TENTHS },
	{ "daily ramp", CELL_RAMP, ALIKE(0.01), BY_TENTHS },
	{ "cold start", CELL_COLD, ALIKE(0.01), BY_TENTHS },

	{ "errors 0.1 → 1 %", CELL_IID, FAILS(0.01), AT_ONCE, .median_s = 20 },
	{ "errors 0.1 → 5 %", CELL_IID, FAILS(0.05), AT_ONCE, .median_s = 3 },
	{ "dead canary", CELL_IID, FAILS(1), AT_ONCE, .median_s = 2 },
	{ "p95 + 20 %", CELL_IID, SLOW(1.2, 0.5), AT_ONCE, .median_s = 90 },
	{ "tail + 50 %", CELL_IID, SLOW(1.5, 0.5), .tail_only = true, AT_ONCE },
	{ "late, 0.1 → 1 %", CELL_IID, FAILS(0.01), .onset_s = 600, .tick_s = 1, .warmup_s = 60, .history_s = 120,
	  .rollout_s = 1500 },
	{ "errors 0.1 → 1 %", CELL_IID, FAILS(0.01), AT_ONCE_BY_TENTHS, .median_s = 20 },
	{ "errors 0.1 → 5 %", CELL_IID, FAILS(0.05), AT_ONCE_BY_TENTHS, .median_s = 3 },
	{ "dead canary", CELL_IID, FAILS(1), AT_ONCE_BY_TENTHS, .median_s = 0.2 },
	{ "p95 + 20 %", CELL_IID, SLOW(1.2, 0.5), AT_ONCE_BY_TENTHS, .median_s = 90 },
	{ 0 },
};

bool cell_is_null(const struct cell *cell)
{
	return cell->p_canary == cell->p_baseline && cell->slower == 1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/referee/cells.h"

#define ALIKE(p) .p_baseline = (p), .p_canary = (p), .slower = 1, .sigma = 0.5
#define SECONDS(warmup, history) .tick_s = 1, .warmup_s = (warmup), .history_s = (history), .rollout_s = 1060
#define TENTHS(warmup, history) .tick_s = 0.1, .warmup_s = (warmup), .history_s = (history), .rollout_s = 160
#define BY_SECONDS SECONDS(60, 300)
#define BY_TENTHS TENTHS(60, 300)
/* A regression from the canary's first request on, judged at once. */
#define AT_ONCE .tick_s = 1, .history_s = 120, .rollout_s = 660
#define AT_ONCE_BY_TENTHS .tick_s = 0.1, .history_s = 120, .rollout_s = 300
#define UNKNOWN .tick_s = 1, .rollout_s = 660
#define FAILS(from, p) .p_baseline = (from), .p_canary = (p), .slower = 1, .sigma = 0.5
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

	/* Noise of other shapes, and less known of it before. */
	{ "… on one, 20 min", CELL_BURST_ONE, ALIKE(0.01), SECONDS(60, 1200) },
	{ "… on one, unseen", CELL_BURST_ONE, ALIKE(0.01), SECONDS(60, 0) },
	{ "… on one, unseen", CELL_BURST_ONE, ALIKE(0.01), TENTHS(60, 0) },
	{ "… on one, at once", CELL_BURST_ONE, ALIKE(0.01), SECONDS(0, 0) },
	{ "… lone, 20 min", CELL_BURST_ONE, .lone = true, ALIKE(0.01), SECONDS(60, 1200) },
	{ "… lone, 5 min", CELL_BURST_ONE, .lone = true, ALIKE(0.01), SECONDS(60, 300) },
	{ "… lone, unseen", CELL_BURST_ONE, .lone = true, ALIKE(0.01), SECONDS(60, 0) },
	{ "… on and off", CELL_BURST_ONE, { 60, 5, 0.03, CELL_EXPONENTIAL }, ALIKE(0.005), SECONDS(60, 0) },
	{ "… heavy-tailed", CELL_BURST_ONE, { 600, 30, 0.03, CELL_PARETO }, ALIKE(0.01), SECONDS(60, 1200) },
	{ "… seldom", CELL_BURST_ONE, { 3000, 20, 0.05, CELL_FIXED }, ALIKE(0.01), SECONDS(60, 1200) },
	{ "clusters, at once", CELL_CLUSTERED, ALIKE(0.01), SECONDS(0, 0) },
	{ "clusters, at once", CELL_CLUSTERED, ALIKE(0.01), TENTHS(0, 0) },
	{ "clusters, lone", CELL_CLUSTERED, .lone = true, ALIKE(0.01), SECONDS(0, 0) },

	{ "errors 0.1 → 1 %", CELL_IID, FAILS(0.001, 0.01), AT_ONCE, .median_s = 20 },
	{ "errors 0.1 → 5 %", CELL_IID, FAILS(0.001, 0.05), AT_ONCE, .median_s = 3 },
	{ "dead canary", CELL_IID, FAILS(0.001, 1), AT_ONCE, .median_s = 2 },
	{ "p95 + 20 %", CELL_IID, SLOW(1.2, 0.5), AT_ONCE, .median_s = 90 },
	{ "tail + 50 %", CELL_IID, SLOW(1.5, 0.5), .tail_only = true, AT_ONCE },
	{ "p95 + 20 %, wide", CELL_IID, SLOW(1.2, 1), AT_ONCE },
	{ "all twice as slow", CELL_IID, SLOW(2, 0.5), AT_ONCE },
	{ "errors 1 → 2 %", CELL_IID, FAILS(0.01, 0.02), AT_ONCE },
	{ "late, 0.1 → 1 %", CELL_IID, FAILS(0.001, 0.01), .onset_s = 600, .tick_s = 1, .warmup_s = 60, .history_s = 120,
	  .rollout_s = 1500 },
	{ "errors 0.1 → 1 %", CELL_IID, FAILS(0.001, 0.01), AT_ONCE_BY_TENTHS, .median_s = 20 },
	{ "errors 0.1 → 5 %", CELL_IID, FAILS(0.001, 0.05), AT_ONCE_BY_TENTHS, .median_s = 3 },
	{ "dead canary", CELL_IID, FAILS(0.001, 1), AT_ONCE_BY_TENTHS, .median_s = 0.2 },
	{ "p95 + 20 %", CELL_IID, SLOW(1.2, 0.5), AT_ONCE_BY_TENTHS, .median_s = 90 },
	{ "0.1 → 1 %, no history", CELL_IID, FAILS(0.001, 0.01), UNKNOWN, .median_s = 20 },
	{ "0.1 → 5 %, no history", CELL_IID, FAILS(0.001, 0.05), UNKNOWN, .median_s = 3 },
	{ "p95 + 20 %, no history", CELL_IID, SLOW(1.2, 0.5), UNKNOWN, .median_s = 90 },
	{ 0 },
};

bool cell_is_null(const struct cell *cell)
{
	return cell->p_canary == cell->p_baseline && cell->slower == 1;
}

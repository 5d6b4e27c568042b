/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of `judge`. */
#include "user/config_keys.h"

#include "user/config_table.h"
#include "user/judge_config.h"

#define JUDGE_KEYS(X)                                                                                               \
	X(CYAML_FIELD_FLOAT("alpha", MAY, struct judge_config, alpha),                                              \
	  "0.01", 1e-9, 0.5, NULL, "chance that a rollout is taken back though its canary is no worse")             \
	X(CYAML_FIELD_FLOAT("alpha_promotion", MAY, struct judge_config, alpha_promotion),                          \
	  "0.05", 1e-9, 0.5, NULL, "chance that a step passes though the canary is too bad")                        \
	X(CYAML_FIELD_FLOAT("margin", MAY, struct judge_config, margin),                                            \
	  "1.25", 1, 100, NULL, "times as many failures as the baseline that are no reason to roll back")           \
	X(CYAML_FIELD_FLOAT("margin_promotion", MAY, struct judge_config, margin_promotion),                        \
	  "2", 1.01, 100, NULL, "times as many failures as the baseline that promotion has to exclude")             \
	X(CYAML_FIELD_FLOAT("delta", MAY, struct judge_config, delta),                                              \
	  "0.1", 0, 10, NULL, "fraction by which the canary may be slower, before it is rolled back")               \
	X(CYAML_FIELD_FLOAT("delta_promotion", MAY, struct judge_config, delta_promotion),                          \
	  "0.25", 0, 10, NULL, "fraction that promotion has to exclude the canary is slower by")                    \
	X(CYAML_FIELD_FLOAT("block_s", MAY, struct judge_config, block_s),                                          \
	  "30", 0, DAY_S, NULL, "the evidence is also gathered anew this often, for a late regression; 0: never")   \
	X(CYAML_FIELD_FLOAT("p0", MAY, struct judge_config, p0),                                                    \
	  "0.005", 1e-9, 0.5, NULL, "ratio of failures below which a canary may always pass")                       \
	X(CYAML_FIELD_FLOAT("p0_rollback", MAY, struct judge_config, p0_rollback),                                  \
	  "0.001", 1e-9, 0.5, NULL, "ratio of failures that is never a reason to roll back")                        \
	X(CYAML_FIELD_FLOAT("hold_evidence", MAY, struct judge_config, hold_evidence),                              \
	  "5", 1.01, 1e9, NULL, "evidence against the canary at which nothing moves up any more")                   \
	X(CYAML_FIELD_FLOAT("warmup_s", MAY, struct judge_config, warmup_s),                                        \
	  "60", 0, DAY_S, NULL, "a canary backend's first seconds are measured, not judged, but for the guard")     \
	X(CYAML_FIELD_FLOAT("guard_margin", MAY, struct judge_config, guard_margin),                                \
	  "10", 1, 1000, NULL, "the guard rolls back at so many times the baseline's failures")                     \
	X(CYAML_FIELD_FLOAT("guard_evidence", MAY, struct judge_config, guard_evidence),                            \
	  "1000", 2, 1e12, NULL, "the guard rolls back at this evidence")                                           \
	X(CYAML_FIELD_FLOAT("guard_failures", MAY, struct judge_config, guard_failures),                            \
	  "5", 1, 1e9, NULL, "the guard rolls back after at least so many failures")                                \
	X(CYAML_FIELD_FLOAT("no_data_s", MAY, struct judge_config, no_data_s),                                      \
	  "10", 1, DAY_S, NULL, "without canary traffic for so long, the rollout is held")                          \
	X(CYAML_FIELD_BOOL("noise", MAY, struct judge_config, noise),                                               \
	  "true", 0, 0, NULL, "discount evidence by how much the baseline's own backends differ")                   \
	X(CYAML_FIELD_BOOL("aa", MAY, struct judge_config, aa),                                                     \
	  "true", 0, 0, NULL, "hold while the baseline's own backends differ too much for any verdict")             \
	X(CYAML_FIELD_FLOAT("noise_history_s", MAY, struct judge_config, noise_history_s),                          \
	  "1200", 1, 7 * DAY_S, NULL, "before a rollout, noise older than about this is forgotten")                 \
	X(CYAML_FIELD_FLOAT("history_s", MAY, struct judge_config, history_s),                                      \
	  "300", 1, 7 * DAY_S, NULL, "how long the baseline's latency and failures are remembered, about")          \
	X(CYAML_FIELD_FLOAT("slo", MAY, struct judge_config, slo),                                                  \
	  "0.999", 0.01, 0.9999999, NULL, "share of the requests that shall succeed")                               \
	X(CYAML_FIELD_FLOAT("burn_ratio", MAY, struct judge_config, burn_ratio),                                    \
	  "2", 1, 1000, NULL, "no step forward while the canary burns so many times the baseline's error budget")   \
	X(CYAML_FIELD_FLOAT("burn_failures", MAY, struct judge_config, burn_failures),                              \
	  "3", 1, 1e9, NULL, "and has failed at least so often")                                                    \
	X(CYAML_FIELD_FLOAT("budget_failures", MAY, struct judge_config, budget_failures),                          \
	  "0", 0, 1e12, NULL, "failures beyond the baseline's at which to roll back; 0: no budget")                 \
	X(CYAML_FIELD_FLOAT("weight_errors", MAY, struct judge_config, weight_errors),                              \
	  "0.6", 0.001, 0.999, NULL, "share of alpha for failures; the shares add up to 1")                         \
	X(CYAML_FIELD_FLOAT("weight_latency", MAY, struct judge_config, weight_latency),                            \
	  "0.4", 0.001, 0.999, NULL, "share of alpha for latency")                                                  \
	X(CYAML_FIELD_BOOL("critical_errors", MAY, struct judge_config, critical_errors),                           \
	  "true", 0, 0, NULL, "failures alone bring the score to 0")                                                \
	X(CYAML_FIELD_BOOL("critical_latency", MAY, struct judge_config, critical_latency),                         \
	  "false", 0, 0, NULL, "latency alone brings the score to 0")

const cyaml_schema_field_t config_judge_keys_fields[] = { JUDGE_KEYS(FIELD) CYAML_FIELD_END };
static const struct config_key config_judge_keys_rows[] = { JUDGE_KEYS(KEY) };
const struct config_table config_judge_keys = TABLE(config_judge_keys);

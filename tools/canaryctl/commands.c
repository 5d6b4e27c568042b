/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of subcommands. Help, usage errors and suggestions come from here, so an entry is all a command needs. */
#include "command.h"

#include <stddef.h>

#include "judge_options.h"
#include "run.h"
#include "user/config.h"

static const struct command_option status_options[] = {
	{ "watch", 'w', NULL, "redraw every second until interrupted" },
	{ "verbose", 'v', NULL, "also backends, failed flows and lesser signs" },
	{ 0 },
};

static const struct command_option start_options[] = {
	{ "canary", 0, "VERSION", "the version to release (default: the other one)" },
	{ "backend", 0, "ADDR:PORT", "one of its backends, instead of those configured; repeatable" },
	{ "replace", 0, NULL, "end the rollout that is under way: this one starts in its place" },
	{ "force", 0, NULL, "also where a step cannot decide at the traffic of now (see canaryctl plan)" },
	{ "wait", 'w', NULL, "show progress until the outcome, and exit with it" },
	{ "timeout", 0, "TIME", "with --wait: undecided after so long (90, 15m, 2h)" },
	{ 0 },
};

static const struct command_option wait_options[] = {
	{ "timeout", 0, "TIME", "undecided after so long (90, 15m, 2h)" },
	{ 0 },
};

static const struct command_option raise_options[] = {
	{ "summary", 0, "TEXT", "what is wrong, in one line (needed)" },
	{ "description", 0, "TEXT", "more of it, in one line" },
	{ "severity", 0, "page|ticket", "how grave it is (alert_rules.security; page)" },
	{ "key", 0, "NAME", "tells several of a version apart: CVE-2026-1234" },
	{ "for", 0, "TIME", "it is over after so long (90, 15m, 2h), unless it is raised again" },
	{ "hold", 0, NULL, "hold a rollout of that version (what a page does: alert_rules.on_security)" },
	{ "rollback", 0, NULL, "roll it back" },
	{ "tell", 0, NULL, "tell the receivers of alerts only (what a ticket does)" },
	{ 0 },
};

static const struct command_option resolve_options[] = {
	{ "key", 0, "NAME", "only the one of that key" },
	{ 0 },
};

static const struct command_option mute_options[] = {
	{ "for", 0, "TIME", "it has its say again after so long (90, 15m, 2h; default: when it is unmuted)" },
	{ 0 },
};

static const struct command_option init_options[] = {
	{ "vip", 0, "ADDR:PORT", "the address clients connect to (needed)" },
	{ "baseline", 0, "ADDR:PORT,...", "backends of the version that runs (needed)" },
	{ "canary", 0, "ADDR:PORT,...", "backends of the version to release" },
	{ "name", 0, "NAME", "the service's name (service)" },
	{ "interface", 0, "INTERFACE", "where clients' packets arrive (eth0)" },
	{ "strategy", 0, "canary|blue-green|ab", "what the steps shall be (canary)" },
	{ 0 },
};

static const struct command_option cohort_options[] = {
	{ "file", 'f', "FILE", "more networks, one a line, # begins a comment; - is standard input" },
	{ 0 },
};

static const struct command_option drain_options[] = {
	{ "deadline", 0, "TIME", "flows that are open after so long (90, 15m, 2h) are taken away (default: none ever)" },
	{ "wait", 'w', NULL, "until it has no flows left; an interrupted wait leaves the drain going on" },
	{ "force", 0, NULL, "also the last backend of the baseline" },
	{ 0 },
};

static const struct command_option flows_options[] = {
	{ "failed", 0, NULL, "only those that failed" },
	{ "slow", 0, NULL, "only those that were slow" },
	{ "follow", 'f', NULL, "go on with what comes, until interrupted; a restart of canaryd is waited for" },
	{ 0 },
};

static const struct command_option drill_options[] = {
	{ "canary", 0, "VERSION", "the version that is left (default: the one under way, or the other one)" },
	{ 0 },
};

static const struct command_option doctor_options[] = {
	{ "config", 'c', "FILE", "a configuration, instead of canaryd's own (without canaryd: " CONFIG_PATH_DEFAULT ")" },
	{ 0 },
};

static const struct command_option detach_options[] = {
	{ "yes", 'y', NULL, "do not ask" },
	{ 0 },
};

/* The judge's constants follow. */
#define WITH_JUDGE(name) static struct command_option name[16 + JUDGE_OPTIONS_MAX]

WITH_JUDGE(plan_options) = {
	{ "config", 'c', "FILE", "a configuration with SERVICE, instead of canaryd's own" },
	{ "rate", 0, "PER-SECOND", "requests of all versions, instead of those canaryd sees" },
	{ "error-ratio", 0, "SHARE", "of the baseline's requests that fail: 0.1% or 0.001" },
	{ "p50", 0, "SECONDS", "the baseline's median latency; with --p95" },
	{ "p95", 0, "SECONDS", "the baseline's p95" },
	{ "phi", 0, "FACTOR", "the baseline's noise in units of pure chance (1)" },
	{ "step", 0, "WEIGHT[:MIN[:MAX]]", "a step, instead of the plan's: 5% or 0.05, its least and longest time; repeatable" },
	{ 0 },
};

WITH_JUDGE(replay_options) = {
	{ "config", 'c', "FILE", "a configuration: its constants, and with --service that service's plan" },
	{ "service", 0, "NAME", "of a record that has several" },
	{ "step", 0, "WEIGHT[:MIN[:MAX]]", "a step of a plan: 5% or 0.05, its least and longest time; repeatable" },
	{ "bake", 0, "TIME", "after the last step the canary is watched for so long" },
	{ 0 },
};

void commands_complete(void)
{
	judge_options_add(plan_options);
	judge_options_add(replay_options);
}

const struct command commands[] = {
	{ "status", "[SERVICE]", 0, 1, "what runs, how well, and how far a rollout is",
	  "Rates are of the last 10 s, latencies of the last 60 s. A percentage in brackets is of the attempts.",
	  status_options, run_status },
	{ "top", "[SERVICE]", 0, 1, "watch a service move: split, latencies, evidence",
	  "A look a second. Keys: q ends, left and right go to another service, space freezes. Not on a terminal, it prints one look.",
	  NULL, run_top },
	{ "rollout start", "SERVICE", 1, 1, "release a version",
	  "Sends a growing share of new flows to the canary while it is no worse than the baseline. Refused, with exit code "
	  "1 and nothing changed, where a step cannot reach a verdict at the traffic that is measured. With --wait the "
	  "exit code is 0 promoted or completed, 7 rolled back, 8 undecided, 1 aborted; an interrupted wait leaves the rollout "
	  "going on.",
	  start_options, run_rollout_start },
	{ "rollout status", "SERVICE", 1, 1, "where the last rollout is, and the evidence", NULL, NULL,
	  run_rollout_status },
	{ "rollout wait", "SERVICE", 1, 1, "wait for the outcome of the last rollout",
	  "As rollout start --wait, for a rollout that is under way.", wait_options, run_rollout_wait },
	{ "rollout pause", "SERVICE", 1, 1, "keep the weight; still judged", NULL, NULL, run_rollout_verb },
	{ "rollout resume", "SERVICE", 1, 1, "go on after a pause or a hold", NULL, NULL, run_rollout_verb },
	{ "rollout promote", "SERVICE", 1, 1, "make the canary the baseline now", NULL, NULL, run_rollout_verb },
	{ "rollout abort", "SERVICE", 1, 1, "send every new flow to the baseline", NULL, NULL, run_rollout_verb },
	{ "rollout undo", "SERVICE", 1, 1, "take the last promotion back, at once",
	  "The version from before the promotion is the baseline again, for every new flow. Possible for undo_window_s "
	  "after the promotion, while that version is still in the configuration.", NULL, run_rollout_verb },
	{ "rollout history", "[SERVICE]", 0, 1, "the rollouts so far, newest first", NULL, NULL, run_rollout_history },
	{ "rollout why", "SERVICE|ID", 1, 1, "what was decided, when and why",
	  "Each decision with its evidence against the bound and the counts behind it. A number is the id of a "
	  "rollout, as rollout history prints it.",
	  NULL, run_rollout_why },
	{ "alert raise", "SERVICE [VERSION]", 1, 2, "report that a version is a security problem",
	  "For scanners, intrusion detection and people. Without VERSION it is the canary, or where there is none the baseline. "
	  "A rollout of that version is held (or rolled back), and none is started, until the alert is resolved; the "
	  "receivers of alerts are told. The same VERSION and key again change the alert that stands.",
	  raise_options, run_alert_raise },
	{ "alert resolve", "SERVICE [VERSION]", 1, 2, "say that it is one no longer",
	  "Ends the alerts that were raised by hand or by others: all of SERVICE, of VERSION, or of one key. A rollout that "
	  "was held by them goes on.",
	  resolve_options, run_alert_resolve },
	{ "breaker reset", "SERVICE", 1, 1, "let new flows go to a canary whose breaker tripped",
	  "The kernel has taken its new flows away, and with on_fail: hold the rollout waits. Reset the breaker, then resume "
	  "the rollout. A new rollout begins with a breaker that has not tripped.", NULL, run_breaker_reset },
	{ "sli mute", "SERVICE SLI", 2, 2, "take an indicator's say away",
	  "Nothing is learnt from it meanwhile, and it neither rolls back nor holds; a rollout whose SLIs are all muted stays "
	  "where it is. Written down with your name, in rollout why too; a restart of canaryd changes nothing.",
	  mute_options, run_sli_verb },
	{ "sli unmute", "SERVICE SLI", 2, 2, "give an indicator its say back", NULL, NULL, run_sli_verb },
	{ "config init", "", 0, 0, "print a first configuration",
	  "For example: canaryctl config init --vip 10.0.0.10:80 --baseline 10.0.1.1:8080 --canary 10.0.1.2:8080 "
	  "> /etc/canaryd/canaryd.yaml",
	  init_options, run_config_init },
	{ "config check", "FILE", 1, 1, "ask canaryd whether a file is a valid configuration", NULL, NULL,
	  run_config_check },
	{ "config show", "", 0, 0, "print the running configuration", NULL, NULL, run_config_show },
	{ "cohort list", "SERVICE [COHORT]", 1, 2, "clients with a rule of their own, or one's networks", NULL,
	  NULL, run_cohort_list },
	{ "cohort set", "SERVICE COHORT RULE [NETWORK...]", 3, CALL_OPTIONS_MAX, "give clients a rule of their own",
	  "RULE is canary, baseline, exclude (to the baseline, and not judged) or the canary's share of their flows: 20%. "
	  "The networks given take the place of those the cohort has; without any it keeps them. In effect for the next "
	  "new flow; a restart keeps it, over what the file says.",
	  cohort_options, run_cohort_set },
	{ "cohort remove", "SERVICE COHORT", 2, 2, "these clients follow the split again", NULL, NULL, run_cohort_remove },
	{ "cohort reset", "SERVICE", 1, 1, "back to the cohorts of the configuration file", NULL, NULL, run_cohort_reset },
	{ "backend list", "SERVICE", 1, 1, "which backends get new flows, and why the others don't", NULL, NULL,
	  run_backend_list },
	{ "backend drain", "SERVICE ADDR:PORT", 2, 2, "no new flows for a backend; those it has go on",
	  "Until undrain, also when canaryd is restarted. At the deadline flows that are left lose their backend: the next "
	  "packet of each is decided anew, so that datagrams move and connections are reset by a backend that does not know "
	  "them. The same again sets another deadline.",
	  drain_options, run_backend_verb },
	{ "backend undrain", "SERVICE ADDR:PORT", 2, 2, "new flows for it again, as its health allows", NULL, NULL,
	  run_backend_verb },
	{ "flow", "CLIENT:PORT SERVICE", 2, 2, "which version and backend a client's flow goes to", NULL, NULL,
	  run_flow },
	{ "flows", "[SERVICE] [VERSION]", 0, 2, "samples of flows that failed or were slow, newest last",
	  "What went wrong, how long the client waited for it, at which version and backend, and the client's network; below it the "
	  "trace of the request, where samples.traces is set and it had a traceparent. The last 256 that failed and the last 256 "
	  "slow ones of each service, as many as the kernel's rate limit lets through: the last lines say how many it left out, and "
	  "what slow is now. With --follow -j a flow is a line.",
	  flows_options, run_flows },
	{ "plan", "[SERVICE]", 0, 1, "what regressions each step would catch, and how soon",
	  "From the service's traffic as canaryd sees it, or as the options have it; without SERVICE nothing is asked of "
	  "canaryd. A plan with a step that cannot reach a verdict within its limit is refused with exit code 1, and with "
	  "the share or the time that could. Times are means: half of the verdicts come sooner.",
	  plan_options, run_plan },
	{ "replay", "FILE", 1, 1, "what judge and policy decide on recorded ticks",
	  "Runs the judge over the ticks of FILE (- is standard input; one JSON object a line, as the key `record` of the "
	  "configuration makes them) and prints every decision, up to the first rollback. Needs no canaryd. Without steps "
	  "the weights of the record are judged as they are: promotable is a canary that would pass. With steps, or the "
	  "plan of a configuration, the policy takes its own. Exit code: 0 promotable, 7 rolled back, 8 undecided; 1 where a "
	  "line is not understood, after what came before it; a last line that was cut off is named, and no error.",
	  replay_options, run_replay },
	{ "doctor", "", 0, 0, "what keeps canaryd from its work, and the mend",
	  "Looks at the kernel, the interfaces, the configuration, the daemon if there is one, memory, disk and clocks, and "
	  "connects to every backend, hook, SLI and receiver of alerts that the configuration names. Changes nothing; a part "
	  "of it needs root. Exit code: 1 where there is a problem, 0 also with warnings.",
	  doctor_options, run_doctor },
	{ "drill breaker", "SERVICE", 1, 1, "rehearse the kernel's breaker, without clients",
	  "On a copy of SERVICE that no packet reaches, in the live maps: as many connections as min_failures that were never "
	  "answered, the real sweep, the real breaker; then the kernel is asked where the next flow goes. Also while a rollout is "
	  "under way. Exit code: 0 passed, 1 failed or refused.", drill_options, run_drill },
	{ "drill lease", "SERVICE", 1, 1, "rehearse that canaryd does not tick any more",
	  "The kernel's real lease is over for a moment, and the copy of SERVICE, all canary, is asked where the next flow goes; then "
	  "it is renewed. Refused while any service has a rollout under way: its canary would lose new flows.",
	  drill_options, run_drill },
	{ "drill rollback", "SERVICE", 1, 1, "rehearse a rollback, and time it",
	  "From the policy's decision by way of the journal and the kernel's map to the kernel's next decision, each with its time; "
	  "on a copy of SERVICE that no packet reaches.", drill_options, run_drill },
	{ "detach", "", 0, 0, "take canaryd off the interfaces and end it",
	  "Nothing is steered any more: packets to a service's address go wherever the host sends them.",
	  detach_options, run_detach },
	{ "version", "", 0, 0, "the versions of canaryctl and canaryd", NULL, NULL, run_version },
	{ 0 },
};

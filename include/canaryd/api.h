/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract between the daemon and its clients: HTTP/1.1 with JSON bodies on a Unix socket, and on TCP addresses
 * for everybody to read: GETs but those of config and flow, without what is secret in receivers' URLs. Routes, the names of
 * the fields both sides spell, and the words a field may hold. Ratios are 0 … 1 (a weight of 5 % is 0.05); times of
 * day are Unix seconds, durations are seconds, both may have a fraction; a missing measurement is null, never 0.
 *
 * GET  /v1/status                    the whole view:
 *   { version, pid, abi, shadow, uptime_s, tick_s, pin_dir,   abi: of the maps; shadow: nothing is steered
 *     interfaces: [{name, xdp: "native"|"generic", tc: "tcx"|"clsact"}],
 *     flow_table: {entries, capacity, inserted, evicted, probation, promoted},   of all flows: put on probation by a flood
 *                                                    guard, and of these promoted to the table
 *     lease: {s, on_expiry: "baseline"|"hold"},      without a tick for s seconds, new flows go to the baseline
 *     reasons: {<reason>: packets, …},
 *     services: [<service>],
 *     alerts: {firing: [<alert>], receivers: [{url, sent, failed, dropped, waiting}]} }
 *   alert: { alertname, service, version, severity: "page"|"ticket", began, told, summary, description,
 *            key, action: "hold"|"rollback"|"tell", uid, until|null }    told: the receivers know; the last four only of
 *                                                   what was reported by POST; uid: by whom; until: null: it is resolved
 *   service: { name, vip, protocol, mode, affinity, baseline, canary|null, epoch, generation,
 *     weight: {wanted, applied, measured|null},      share of new flows that go (wanted: should go; applied: the
 *                                                    kernel's threshold; measured: of the last 10 s) to the canary
 *     versions: [{ name, role: "baseline"|"canary"|"shadow"|"standby", rate, attempts, failed, active_flows,
 *                  counters: {<counter of abi.h>: n|null, …}, http_coverage|null,
 *                  ttfb_seconds: {p50,p95,p99}|null, connect_seconds: {…}|null,
 *                  rotation: {backends, well, usable, panic},    well: nothing speaks against them; usable: get new
 *                                                 flows; panic: though none is well
 *                  backends: [<backend>] }],
 *     unavailable: [name, …],                        counters and latencies that the mode does not let see: null above
 *     rescue,                                        whether a connection the canary does not answer goes to the baseline
 *     breaker: {enabled, window_s, min_failures, ratio,
 *               tripped: {seconds_ago, attempts, failures, window_s, kind}|null},   on the last rollout's canary
 *     shadow: {version, share}|null,                 which version gets copies of that share of the datagrams
 *     cohorts,                                       as /v1/services/NAME/cohorts has them
 *     mutes: [{sli, muted, until|null, since, by}],  by operators, who have the last word: before the configuration
 *     rollout: <rollout>|null,                       the last one, running or not
 *     starting: {canary, hook, why}|null,            a start that waits for hooks: for which one, and what of it
 *     failed_flows: [<flow>] }                       the last 10 that failed, newest first, sampled
 *     rate: attempts per second over the last 10 s; the quantiles are of the last 60 s
 *
 * flow: { seq, t, class: "failed"|"slow",
 *         kind,                                      a counter's name (refused, http_5xx, …), slow_response or slow_connect
 *         client,                                    "198.51.100.0/24", as much as samples.ipv4_prefix lets be seen; all of
 *                                                    it: "198.51.100.7:4711"
 *         version|null, backend|null,
 *         waited_seconds,                            by the client, for a connection or an answer
 *         age_seconds,                               since its flow was opened
 *         request,                                   which one of the flow, from 1; 0: while connecting
 *         traceparent|null, trace_id|null,           of the request, where samples.traces is set and it had a valid one
 *         trace_url|null }                           samples.trace_url with it
 *
 * backend: { address, version, state: "unchecked"|"healthy"|"unhealthy"|"ejected"|"draining"|"drained", usable, why|null,
 *            ends_s|null,                            until it is no longer ejected, or its flows are taken away
 *            active_flows, counters, ttfb_seconds, connect_seconds }
 *
 * rollout: { id, service, canary, baseline, state, phase, step, steps: [{weight, min_s, max_s}], bake_s,
 *                                                    step: index into steps, from 0
 *     held|null,                                     why a held rollout is held: a word of API_HELD_ below
 *     started, ended|null, weight, reason,           reason: one sentence, why it is where it is
 *     waiting|null,                                  one sentence: what its next step, or its end, waits for
 *     expires_s|null,                                a held or paused one: until it goes back to 0
 *     burn: {baseline, canary, blocks, pages},       times as fast as the error budget allows; pages: worth a page
 *     budget: {failures|null, excess},               the rollout's, and the canary's failures beyond the baseline's
 *     data,                                          of the last tick: "ok", "warmup", "no_data", "no_baseline", "error"
 *     evidence,                                      one sentence: what speaks loudest now
 *     rollback: {evidence, bound, hold}|null,        of all SLIs together, what is decided from: at its bound the canary is
 *                                                    worse, from `hold` on nothing moves up; null: nothing is judged
 *     slis: [{name, verdict: "pass"|"fail"|"inconclusive"|"no_data"|"error",
 *             rollback: {evidence, bound}, promotion: {evidence, bound},
 *                                                    evidence: at most e^700, null: not judged
 *             baseline, canary,                      the measured value: ratio of failures, or seconds
 *             kind: "count"|"gauge", critical, weight, dry_run, muted,
 *             muted_until|null, muted_by|null,       of a mute by an operator, else null; until null: until it is unmuted
 *             state,                                 of the last look outside the packets: "ok", "waiting", "no_data",
 *                                                    "not_a_number", "not_understood", "several", "backwards",
 *                                                    "query_error", "http_error", "unreachable", "timeout", "unavailable"
 *             said|null,                             one sentence: what is wrong with the last look, or which bound of a
 *                                                    gauge is crossed
 *             bound|null,                            of a gauge: what the canary's value is held against
 *             unit: "ratio"|"seconds"|"number"|"bytes", quantile|null, quantile: the one that a latency's values are
 *             counts: {baseline: {attempts, failed}, canary: {attempts, failed}},
 *             interval: [low, high]|null,            95 % confidence sequence of canary ÷ baseline
 *             time_to_verdict_s|null}] }
 *
 * GET  /v1/rollouts[?service=NAME]   {rollouts: [<rollout without slis>]} newest first
 * GET  /v1/rollouts/ID               <rollout> with decisions: [{t, decision, state, step, weight_from, weight_to,
 *                                    sli, value, bound, unit, counts, reason}] oldest first; unit: what value and bound
 *                                    are, "evidence" or as of an SLI: "ratio", "seconds", "number", "bytes"; null
 *                                    where there is none; once a service has had a
 *                                    later one, without held, data, evidence and slis
 * POST /v1/rollouts                  {service, canary?, backends?: ["ADDR:PORT", …], replace?: bool, force?: bool}
 *                                    → <rollout> with warning?, 201
 *                                    replace: a rollout that is under way ends as aborted
 *                                    409 undecidable: a step of the plan cannot decide at the traffic of now; force:
 *                                    it starts all the same, with a note; warning: one sentence, what was forced, or
 *                                    that the traffic is not known
 *                                    answered once the hooks that are asked before have agreed; 409: one does not
 * POST /v1/services/NAME/pause | resume | promote | abort | undo | reset-breaker   → <rollout>
 *                                    abort also gives up a start that waits for hooks, whose POST is then answered with
 *                                    409; where no rollout is under way its answer has an id of null and no more than
 *                                    service, canary, baseline, state, phase, weight and reason
 * POST /v1/services/NAME/drain | undrain   {backend: "ADDR:PORT", deadline_s?, force?} → {service, backend: <backend>}
 *                                    drained: no new flows; those it has go on until they end, or for deadline_s; what is
 *                                    open then is taken away, and its next packet decided anew. 409: the baseline's last
 *                                    one, without force; or not drained
 * POST /v1/services/NAME/drill       {drill: "breaker"|"lease"|"rollback", canary?} → {service, drill, baseline, canary, passed,
 *                                    took_s, steps: [{at_s, says}]}: the way back, rehearsed in the kernel without clients;
 *                                    took_s: until it is in effect, at most. 409: not now, or nothing to rehearse
 * POST /v1/services/NAME/mute | unmute   {sli, for_s?} → {service, sli, mutes}; mute without for_s: until it is unmuted
 * POST /v1/alerts                    {service, summary, version?, severity?, action?, key?, description?, ttl_s?}
 *                                    → <alert>, 201: someone else, a scanner, an IDS, reports a version as a security
 *                                    problem. version: the canary, or where there is none the baseline; severity, action:
 *                                    those of alert_rules.security and on_security, a ticket tells only; key: what tells
 *                                    several of a version apart, the same again is no other alert; ttl_s: it is over
 *                                    then; one line of text each. action is what becomes of a rollout of that version
 * POST /v1/alerts/resolve            {service, version?, key?} → {resolved: [<alert>]}; 404: none that matches stands
 * GET  /v1/services/NAME/traffic     {watched_s, rate, error_ratio, p50_s, p95_s, phi, phi_latency: [p50, p95, p99],
 *                                    samples, ttfb: [[upper_seconds|null, share], …]}: what a plan is held against. All but
 *                                    watched_s are null while no traffic has been seen for a few seconds
 * GET  /v1/services/NAME/latency     {service, versions: [{name, ttfb: [[upper_seconds|null, count], …], connect: …}]}: the
 *                                    distributions of the last 60 s, 32 buckets an octave, empty ones left out
 * GET  /v1/services/NAME/history     {service, rollout: id|null, ended, t: [Unix seconds, …], weight: {wanted, applied, measured},
 *                                    rollback: {bound, hold, evidence}, slis: [{name, rollback: {bound, evidence},
 *                                    promotion: {bound, evidence}}], versions: [{name, role, p50_s, p99_s, attempts,
 *                                    failed, counters}]}: what became of the last rollout, from its beginning to its end.
 *                                    wanted, applied, measured, evidence, p50_s, p99_s, attempts and failed are lists as
 *                                    long as t, null where it is not known; 512 at most: old points become one, with the
 *                                    most evidence of any and all of their attempts. counters: {attempts, failed,
 *                                    <counter>: n, …} since the first point, but for the time in which no daemon ran: then
 *                                    t has a gap. rollout null: nothing is known, nor given
 * GET  /v1/services/NAME/flows[?kind=failed|slow][&version=NAME][&after=SEQ]
 *                                    {service, last, traces, slow_response_s|null, slow_connect_s|null, left_out: {failed,
 *                                    slow}, flows: [<flow>]}: the last 256 that failed and the last 256 slow ones, oldest
 *                                    first; last: the number of the last one, which `after` goes on from, also after a
 *                                    restart; slow_…: what is slow now; left_out: by the kernel's rate limit, since canaryd
 *                                    began
 * GET  /v1/flow?service=NAME&client=ADDR:PORT
 *                                    {service, client, position, share, source: "flow"|"hash"|"no_backend"|"lease"|"breaker"|"capacity",
 *                                    version|null, backend|null, epoch, canary_threshold,
 *                                    cohort: {name, action, weight, networks, source, network}|null}
 * GET  /v1/services/NAME/cohorts     {service, cohorts: [{name, action: "canary"|"baseline"|"weight"|"exclude",
 *                                    weight|null, networks, source: "file"|"api"}]}
 * GET  /v1/services/NAME/cohorts/COHORT   one of them, with prefixes: ["ADDR/BITS", …]
 * PUT  /v1/services/NAME/cohorts/COHORT   {action, weight?, prefixes?} → all, with took_s; without prefixes: as they are
 * DELETE the same, or without COHORT what was set at run time: back to the file → all
 * GET  /v1/config                    the running configuration, as YAML that canaryd -c accepts
 * POST /v1/detach                    takes the programs off the interfaces and the pins away; the daemon ends
 * GET  /healthz                      "ok"
 * GET  /metrics                      for Prometheus: its text format, or delimited protobuf where Accept prefers that
 * GET  /                             by TCP: the live page, and the files beside it that it asks for
 *
 * Errors: status 400 (the request is wrong), 403, 404, 405, 409 (not in this state), 413, 500, 503 with
 *   {error: {code, message, mend}}
 */
#ifndef CANARYD_API_H
#define CANARYD_API_H

#define API_SOCKET_DEFAULT "/run/canaryd/canaryd.sock"

#define API_STATUS "/v1/status"
#define API_ROLLOUTS "/v1/rollouts"
#define API_SERVICES "/v1/services"
#define API_ALERTS "/v1/alerts"
#define API_ALERTS_RESOLVE "/v1/alerts/resolve"
#define API_FLOW "/v1/flow"
#define API_CONFIG "/v1/config"
#define API_DETACH "/v1/detach"
#define API_HEALTH "/healthz"
#define API_METRICS "/metrics"

/* rollout.state */
#define API_STATE_RUNNING "running"         /* judged, moving */
#define API_STATE_HELD "held"               /* judged, not moving: reason says what would settle it */
#define API_STATE_PAUSED "paused"           /* by an operator */
#define API_STATE_PROMOTED "promoted"       /* ended: the canary is the baseline now */
#define API_STATE_ROLLED_BACK "rolled_back" /* ended: by the judge or the breaker */
#define API_STATE_ABORTED "aborted"         /* ended: by an operator, a newer canary, or because it expired */
#define API_STATE_UNDONE "undone"           /* ended: promoted, then taken back by an operator */
#define API_STATE_COMPLETED "completed"     /* ended: its time is over, and it is never promoted (A/B) */

/* rollout.phase: what a running rollout is doing */
#define API_PHASE_WARMUP "warmup" /* the canary's backends are measured, not yet judged */
#define API_PHASE_STEP "step"
#define API_PHASE_BAKE "bake" /* after the last step: watched, the old version ready */
#define API_PHASE_ENDED "ended"

/* rollout.held. The first six lift themselves when they are over; with the others `rollout start --wait` ends. */
#define API_HELD_EVIDENCE "evidence" /* there is evidence against the canary, not yet enough */
#define API_HELD_NO_DATA "no_data"   /* no canary traffic */
#define API_HELD_ERROR "error"       /* samples that cannot be used */
#define API_HELD_AA "aa"             /* the baseline differs from itself */
#define API_HELD_SLI "sli"           /* an SLI is beyond its bound, or cannot be measured */
#define API_HELD_GATE "gate"         /* a gate does not agree: reason has its name */
#define API_HELD_DEADLINE "deadline" /* no verdict in the step's time: inconclusive */
#define API_HELD_MANUAL "manual"     /* the step's gate waits for an operator */
#define API_HELD_FAILED "failed"     /* the canary is worse and on_fail is hold: waits for an operator */
#define API_HELD_OTHER "other"       /* e.g. after a reboot: waits for an operator */
#define API_HELD_BLACKOUT "blackout" /* a blackout window is open; lifts itself too */
#define API_HELD_ALERT "alert"       /* others report a security problem: lifts when that is resolved */
#define API_HELD_BACKENDS "backends" /* no backend of the canary gets new flows: lifts when one does */

/* decision.decision */
#define API_DECISION_START "start"
#define API_DECISION_ADVANCE "advance"
#define API_DECISION_HOLD "hold"
#define API_DECISION_RESUME "resume"
#define API_DECISION_PAUSE "pause"
#define API_DECISION_ROLL_BACK "roll_back"
#define API_DECISION_PROMOTE "promote"
#define API_DECISION_ABORT "abort"
#define API_DECISION_NOTE "note" /* nothing was decided: e.g. a hook that failed to be told */
#define API_DECISION_UNDO "undo"
#define API_DECISION_COMPLETE "complete"

/* decision.unit, beside those of an SLI */
#define API_UNIT_EVIDENCE "evidence"

/* The exit codes of canaryctl and of canaryd: name, number, what it means. */
#define API_EXITS(X)                                                                                                \
	X(OK, 0, "done, ended as told, or promoted")                                                                \
	X(FAILED, 1, "failed or aborted")                                                                           \
	X(USAGE, 2, "wrong usage")                                                                                  \
	X(CONFIG, 3, "configuration invalid")                                                                       \
	X(KERNEL, 5, "a kernel feature is missing")                                                                 \
	X(UNREACHABLE, 6, "canaryd does not answer")                                                                \
	X(ROLLED_BACK, 7, "rolled back")                                                                            \
	X(UNDECIDED, 8, "undecided")

enum api_exit {
#define API_EXIT_NUMBER(name, number, help) API_EXIT_##name = number,
	API_EXITS(API_EXIT_NUMBER)
#undef API_EXIT_NUMBER
};

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
// Sentences and numbers out of what the daemon answers. Knows neither the document nor the clock.

/** Counters that are failures of a version, in the words of canaryctl. */
export const FAILURES = {
	refused: "connection refused",
	syn_timeout: "connection unanswered",
	reset_before_response: "reset before a response",
	reset_mid_response: "reset in a response",
	empty_close: "closed without a response",
	abort_waiting: "client gave up waiting",
	response_timeout: "response timed out",
	http_5xx: "HTTP 5xx",
};

const KINDS = { ...FAILURES, abort_connect: "client gave up connecting", abort_data: "client broke off a response",
	slow_response: "slow response", slow_connect: "slow to connect" };

/** What a sampled flow, or the breaker's last failure, is called. */
export function kindWords(kind) {
	return KINDS[kind] ?? kind;
}

const STATES = {
	running: ["running", "moving"],
	held: ["held", "wait"],
	paused: ["paused", "wait"],
	promoted: ["promoted", "good"],
	rolled_back: ["rolled back", "bad"],
	aborted: ["aborted", "bad"],
	undone: ["undone", "bad"],
	completed: ["completed", "good"],
};

const DECISIONS = { roll_back: "rolled back", start: "started", advance: "advanced", hold: "held", resume: "resumed", pause: "paused",
	promote: "promoted", abort: "aborted", note: "note", undo: "undone", complete: "completed" };

/** The state of a rollout: [word, "good"|"bad"|"wait"|"moving"]. */
export function stateWords(state) {
	return STATES[state] ?? [state, "wait"];
}

/** The same of a decision. */
export function decisionWords(decision) {
	const tone = { promote: "good", roll_back: "bad", abort: "bad", undo: "bad" }[decision] ?? "";

	return [DECISIONS[decision] ?? decision, tone];
}

export function versionOf(service, name) {
	return service.versions.find((v) => v.name === name);
}

// ---- numbers ----

export function percent(share) {
	if (share === null || share === undefined)
		return "—";
	const value = share * 100;
	const digits = value === 0 || value >= 99.95 ? 0 : value < 0.1 ? 3 : value < 10 ? 1 : 0;

	return `${Number(value.toFixed(digits))}\u00a0%`;
}

export function count(n) {
	if (n === null || n === undefined)
		return "—";
	return n >= 1e6 ? n.toExponential(1).replace("e+", "e") : n >= 10 ? Math.floor(n).toLocaleString("en") : String(Number(n.toPrecision(2)));
}

export function seconds(s) {
	if (s === null || s === undefined)
		return "—";
	if (s < 1e-3)
		return `${Number((s * 1e6).toPrecision(3))}\u00a0µs`;
	return s < 1 ? `${Number((s * 1e3).toPrecision(3))}\u00a0ms` : `${Number(s.toPrecision(3))}\u00a0s`;
}

export function duration(s) {
	const whole = Math.max(0, Math.round(s));

	if (whole < 60)
		return `${whole} s`;
	if (whole < 3600)
		return `${Math.floor(whole / 60)} min ${whole % 60} s`;
	return whole < 86400 ? `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min` : `${Math.floor(whole / 86400)} d`;
}

/** How long a rollout took, and until when; or takes. */
export function lasted({ started, ended }, now) {
	return ended ? `took ${duration(ended - started)}, until ${when(ended, now)}` : `for ${duration(now - started)}`;
}

export function clock(t) {
	return new Date(t * 1000).toLocaleTimeString("en-GB");
}

/** A time on an axis that spans `span` seconds. */
export function moment(t, span) {
	return span < 86400 ? clock(t) : `${day(t).slice(5)} ${clock(t).slice(0, 5)}`;
}

/** A time as seen from `now`: what is older than half a day has its date. */
export function when(t, now) {
	return moment(t, now - t < 43200 ? 0 : Infinity);
}

export function day(t) {
	return new Date(t * 1000).toLocaleDateString("en-CA");
}

// ---- evidence ----

/** How far along to its bound evidence is, 0 … 1: it multiplies, so the way is that of its logarithm. */
export function way({ evidence, bound }) {
	if (evidence === null || !(bound > 1))
		return null;
	return Math.min(1, Math.max(0, Math.log(Math.max(evidence, 1)) / Math.log(bound)));
}

/** The indicators that have a say. */
export function heard(rollout) {
	return (rollout.slis ?? []).filter((sli) => !sli.dry_run && !sli.muted && sli.state !== "unavailable");
}

/** The indicator that speaks most faintly for the canary: all are needed. */
export function faintest(rollout) {
	let found = null;

	for (const sli of heard(rollout)) {
		const value = way(sli.promotion);
		if (value !== null && (found === null || value < found.way))
			found = { way: value, name: sli.name, ...sli.promotion };
	}
	return found;
}

export const wayAgainst = (rollout) => (rollout.rollback ? way(rollout.rollback) : null);
export const wayFor = (rollout) => faintest(rollout)?.way ?? null;

/** "12 of 100"; what is below its bound is never said to be at it. */
export function ofBound(found) {
	if (!found || found.evidence === null)
		return "none yet";
	return `${count(found.evidence >= found.bound ? Math.round(found.evidence) : found.evidence)} of ${count(found.bound)}`;
}

export function evidenceWords(rollout, gaps) {
	const its = faintest(rollout), { rollback } = rollout;
	const unseen = gaps.map(([from, to]) => ` Not watched from ${clock(from)} to ${clock(to)}: canaryd was not running.`).join("");

	return `${rollout.ended ? "At its end. " : ""}Against it, all indicators together: ${ofBound(rollback)}; ` +
		`from ${count(rollback.hold)} on nothing moves up, at ${count(rollback.bound)} it is taken back. ` +
		`For it, the faintest indicator: ${ofBound(its)}${its ? ` (${its.name})` : ""}; all have to be there to go on.${unseen}`;
}

// ---- the headline ----

function runningHeadline(service, rollout) {
	const share = `${rollout.canary} gets ${percent(service.weight.applied)} of new flows`;
	const step = `step ${rollout.step + 1} of ${rollout.steps.length}`;

	if (rollout.phase === "warmup")
		return `${share} and warms up: measured, not yet judged.`;
	const against = wayAgainst(rollout);
	const evidence = against === null ? "" : against < 1 ? `; ${ofBound(rollout.rollback)} evidence against it` :
		"; the evidence against it is at its bound";

	if (rollout.phase === "bake")
		return `${share}; last watch before it is the baseline${evidence}.`;
	if (rollout.state === "paused")
		return `${share}; paused by an operator in ${step}${evidence}.`;
	return `${share}; ${rollout.state === "held" ? "held in " : ""}${step}${evidence}.`;
}

/** What the state means, in one sentence. */
export function headline(service) {
	const rollout = service.rollout;
	const everybody = `every new flow goes to ${service.baseline}`;

	if (service.starting)
		return `${service.starting.canary} is about to start: hook ${service.starting.hook} is being asked.`;
	if (!rollout)
		return `No rollout so far: ${everybody}.`;
	if (!rollout.ended)
		return runningHeadline(service, rollout);
	switch (rollout.state) {
	case "promoted":
		return `${rollout.canary} is the baseline now: ${everybody}.`;
	case "rolled_back":
		return `${rollout.canary} was taken back: ${everybody}.`;
	case "undone":
		return `The promotion of ${rollout.canary} was undone: ${everybody}.`;
	case "completed":
		return `The comparison with ${rollout.canary} is over: ${everybody}.`;
	default:
		return `The rollout of ${rollout.canary} was aborted: ${everybody}.`;
	}
}

/** What an operator should know beside it. */
export function warnings(service, status) {
	const list = [];
	const trip = service.breaker.tripped;

	if (trip && service.rollout)
		list.push(`The breaker tripped ${duration(trip.seconds_ago)} ago: ${trip.failures} of ${trip.attempts} failed, the last: ${kindWords(trip.kind)}.`);
	for (const alert of status.alerts.firing)
		if (alert.service === service.name)
			list.push(`${alert.alertname}: ${alert.summary}`);
	return list;
}

// ---- words beside the charts ----

export function splitWords(service) {
	const { wanted, applied, measured } = service.weight;

	if (!service.canary)
		return `All new flows go to ${service.baseline}: ${rate(versionOf(service, service.baseline))}.`;
	return `${service.canary}: wanted ${percent(wanted)}, applied in the kernel ${percent(applied)}, measured in the last 10 s ` +
		`${percent(measured)}. ${service.versions.filter((v) => v.role === "baseline" || v.role === "canary")
			.map((v) => `${v.name}: ${rate(v)}`).join(", ")}.`;
}

function rate(version) {
	return (version?.rate ?? null) === null ? "not measured yet" : `${count(version.rate)} requests/s`;
}

export function latencyWords(versions) {
	const words = versions.filter((v) => v?.ttfb_seconds).map((v) =>
		`${v.name}: half within ${seconds(v.ttfb_seconds.p50)}, 95\u00a0% within ${seconds(v.ttfb_seconds.p95)}, 99\u00a0% within ${seconds(v.ttfb_seconds.p99)}`);

	return words.length ? `${words.join(". ")}.` : "No response was timed in the last minute.";
}

export function errorsWords(counted, since) {
	const words = counted.filter(Boolean).map(({ name, attempts, failed }) =>
		`${name}: ${failed.toLocaleString("en")} of ${attempts.toLocaleString("en")} requests failed` +
		(attempts ? ` (${percent(failed / attempts)})` : ""));

	return `Since ${clock(since)}. ${words.join("; ")}.`;
}

/** What share of the requests failed lately: `ratios` are of the baseline and of the canary, over time. */
export function failedWords(names, ratios) {
	const words = names.map((name, i) => `${name} ${percent(ratios[i].at(-1)?.y)}`);

	return `In the last 10 s: ${words.join(", ")} of the requests.`;
}

/** The kinds of failure that were counted. */
export function kindsOf(counted) {
	return Object.keys(FAILURES).filter((kind) => counted.some((version) => version?.kinds[kind]));
}

/** What is to be known beside samples of flows; `answer` is the route's. */
export function flowsWords({ left_out: leftOut, traces, slow_response_s: response, slow_connect_s: connect }) {
	const slow = [response && `a response after ${seconds(response)}`, connect && `a connection after ${seconds(connect)}`].filter(Boolean);
	const missing = leftOut.failed + leftOut.slow ?
		` The kernel's rate limit left out ${count(leftOut.failed)} failed, ${count(leftOut.slow)} slow.` : "";

	return `Slow is ${slow.join(" and ") || "nothing yet"}.${missing}${traces ? "" : " Traces are off (samples.traces)."}`;
}

/** The value of an SLI in its unit. */
export function value(sli, x) {
	if (x === null || x === undefined)
		return "—";
	return { ratio: percent, seconds }[sli.unit]?.(x) ?? `${count(x)}${sli.unit === "bytes" ? " bytes" : ""}`;
}

export function sliWords(sli, canary, baseline) {
	const what = sli.quantile ? ` (${percent(sli.quantile)} are quicker)` : "";
	const silent = sli.muted ? " Muted: it has no say." : sli.dry_run ? " Dry run: it has no say." : "";

	return `${canary} ${value(sli, sli.canary)}, ${baseline} ${value(sli, sli.baseline)}${what}.${silent}` +
		(sli.said ? ` ${sli.said}` : "");
}

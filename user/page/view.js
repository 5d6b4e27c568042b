// SPDX-License-Identifier: GPL-2.0-or-later
// The document: what is known, as text. Names and reasons come from others and are only ever text, never markup.
import { failedRatios } from "./draw.js";
import { now } from "./fetch.js";
import * as words from "./words.js";

const find = (id) => document.getElementById(id);

/** An element with what is in it: strings are text. */
function make(tag, attributes, ...children) {
	const element = document.createElement(tag);

	for (const [name, value] of Object.entries(attributes))
		element.setAttribute(name, value);
	element.append(...children);
	return element;
}

// What has not changed stays: a selection, the focus, and a reader's place.
function setText(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

function setList(element, key, makeItems) {
	if (element.dataset.key === key)
		return;
	element.dataset.key = key;
	element.replaceChildren(...makeItems());
}

function time(t, text) {
	return make("time", { datetime: new Date(t * 1000).toISOString(), title: `${words.day(t)} ${words.clock(t)}` }, text);
}

// ---- now ----

function showSteps(rollout) {
	const steps = rollout && !rollout.ended ? rollout.steps : [];
	const baking = rollout?.phase === "bake";

	setList(find("steps"), JSON.stringify([rollout?.id, rollout?.step, rollout?.phase, steps]), () => steps.map((step, i) => {
		const item = make("li", {}, words.percent(step.weight));

		if (baking || i < rollout.step)
			item.className = "done";
		else if (i === rollout.step)
			item.setAttribute("aria-current", "step");
		return item;
	}));
}

function showNow(service, status, t) {
	const rollout = service.rollout;
	const [state, tone] = rollout ? words.stateWords(rollout.state) : ["no rollout", ""];
	const list = words.warnings(service, status);

	find("now").className = tone;
	document.body.dataset.state = rollout?.state ?? "none";
	document.body.dataset.phase = rollout?.phase ?? "none";
	setText(find("state"), state);
	setText(find("what"), `${service.name}, ${service.protocol} ${service.vip}` + (rollout ? `, rollout ${rollout.id}: ${rollout.baseline} → ` +
		`${rollout.canary}, ${words.lasted(rollout, t)}` : ""));
	setText(find("headline"), words.headline(service));
	setText(find("reason"), rollout?.reason ?? "");
	setText(find("waiting"), (!rollout?.ended && rollout?.waiting) || "");
	setList(find("warnings"), JSON.stringify(list), () => list.map((warning) => make("li", {}, warning)));
	showSteps(rollout);
	document.title = `${service.name}: ${state} – canaryd`;
}

// ---- beside the charts ----

function describe(id, text) {
	setText(find(`${id}-words`), text);
	find(id).setAttribute("aria-label", text);
}

function showChart(id, shown) {
	find(id).closest("section").hidden = !shown;
}

function showWords(service, known) {
	const { rollout } = service, { points, gaps } = known.past;
	const failed = known.counted.some((version) => version?.failed), names = rollout && [rollout.baseline, rollout.canary];

	describe("split", words.splitWords(service));
	find("split").parentElement.hidden = !points.length;
	showChart("evidence", known.judged && points.length);
	showChart("quantiles", points.some((p) => p.versions.some((v) => v.p99 !== null)));
	showChart("failed", points.length && failed);
	showChart("errors", rollout);
	if (known.judged)
		describe("evidence", words.evidenceWords(known.judged, gaps));
	if (rollout)
		describe("failed", words.failedWords(names, [0, 1].map((i) => failedRatios(known.past, i))));
	describe("quantiles", "Thick: 99\u00a0% of the last minute's responses are quicker; thin: half of them.");
	describe("latency", words.latencyWords([known.pair.baseline, known.pair.canary]));
	describe("errors", words.errorsWords(known.counted, known.past.began) + (failed ? "" : " No failure."));
	find("latency").parentElement.hidden = !known.latency.versions.some((version) => version.ttfb.length);
	find("errors").parentElement.hidden = !failed;
	find("errors").parentElement.style.height = `${90 + 56 * words.kindsOf(known.counted).length}px`;
}

function meter(side, label, found) {
	const way = words.way(found);
	const bar = make("div", { class: "way" }, make("span", { class: side }));

	bar.firstChild.style.width = `${(way ?? 0) * 100}%`;
	return make("div", {}, `${label}: ${way === null ? "not judged" : words.ofBound(found)}`, bar);
}

// What is decided from: one against the canary, all for it.
function together(rollback) {
	return make("div", { class: "sli" }, make("b", {}, "together"), meter("against", "against", rollback),
		make("div", { class: "faint" }, "for: all are needed"));
}

function showSlis(rollout) {
	const slis = (rollout && rollout.slis) || [];

	find("slis").parentElement.hidden = slis.length === 0;
	setText(find("slis-title"), rollout?.ended ? "What was judged" : "What is judged");
	setList(find("slis"), JSON.stringify([slis, rollout?.rollback]), () => [...slis.map((sli) => make("div", { class: "sli" },
		make("div", {}, make("b", {}, sli.name), make("div", { class: "faint" }, sli.verdict.replace("_", " "))),
		meter("against", "against", sli.rollback), meter("for", "for", sli.promotion),
		make("div", { class: "said faint" }, words.sliWords(sli, rollout.canary, rollout.baseline)))),
	...(rollout?.rollback ? [together(rollout.rollback)] : [])]);
}

// ---- flows ----

// A link out of the daemon's configuration: nothing but a page may be behind it.
function traceLink({ trace_id: id, trace_url: url }) {
	if (!id || !/^https?:\/\//.test(url ?? ""))
		return id ?? "";
	return make("a", { href: url, target: "_blank", rel: "noopener noreferrer", title: id }, `${id.slice(0, 8)}…`);
}

function flowRow(flow) {
	const cell = (text, name = "") => make("td", { class: name }, text ?? "—");

	return make("tr", { "data-kind": flow.kind }, make("td", {}, time(flow.t, words.when(flow.t, now()))),
		cell(words.kindWords(flow.kind), flow.class === "slow" ? "wait" : "bad"), cell(words.seconds(flow.waited_seconds), "number"),
		cell(flow.version), cell(flow.backend), cell(flow.client), cell(traceLink(flow)));
}

export function showFlows({ flows, answer }) {
	find("flows").closest("section").hidden = flows.length === 0;
	find("flows").parentElement.className = answer.traces ? "" : "untraced";
	setText(find("flows-words"), words.flowsWords(answer));
	setList(find("flows"), JSON.stringify(flows.map((flow) => flow.seq)), () => flows.map(flowRow));
}

// ---- the past ----

function decisionItem(d) {
	const [word, tone] = words.decisionWords(d.decision);
	const weights = d.weight_from === d.weight_to ? words.percent(d.weight_to) :
		`${words.percent(d.weight_from)} → ${words.percent(d.weight_to)}`;

	return make("li", { "data-decision": d.decision }, time(d.t, words.when(d.t, now())),
		make("span", {}, make("b", { class: tone }, word), ` ${weights}`), make("span", {}, d.reason ?? ""));
}

export function showDecisions(rollout, decisions) {
	setText(find("decisions-title"), rollout ? `Decisions of rollout ${rollout.id}, ${rollout.canary}, newest first` : "Decisions");
	find("decisions").parentElement.hidden = !rollout;
	setList(find("decisions"), JSON.stringify(decisions), () => [...decisions].reverse().map(decisionItem));
}

function rolloutItem(service, r) {
	const [word, tone] = words.stateWords(r.state);
	const link = make("a", { href: `#${encodeURIComponent(service)}/${r.id}` }, `${r.id}: ${r.baseline} → ${r.canary}`);

	return make("li", {}, make("span", {}, link, " ", time(r.started, `${words.day(r.started)} ${words.clock(r.started).slice(0, 5)}`)),
		make("b", { class: tone }, word), make("span", {}, r.reason ?? ""));
}

export function showRollouts(service, rollouts) {
	find("rollouts").parentElement.hidden = rollouts.length === 0;
	setList(find("rollouts"), JSON.stringify(rollouts), () => rollouts.map((r) => rolloutItem(service, r)));
}

// ---- the whole ----

function showServices(services, shown) {
	const key = JSON.stringify([shown.name, services.map((s) => [s.name, s.rollout?.state])]);

	setList(find("services"), key, () => services.map((s) => {
		const state = s.rollout && !s.rollout.ended ? `${s.name}: ${words.stateWords(s.rollout.state)[0]}` : s.name;
		const link = make("a", { href: `#${encodeURIComponent(s.name)}` }, state);

		if (s === shown)
			link.setAttribute("aria-current", "page");
		return link;
	}));
}

/** Shows a service out of `status` at the time `t`; `known` is what the charts are drawn from. */
export function show(status, service, known, t) {
	find("main").hidden = false;
	showServices(status.services, service);
	showNow(service, status, t);
	showWords(service, known);
	showSlis(service.rollout);
	setText(find("foot"), `canaryd ${status.version}, up ${words.duration(status.uptime_s)}. ${words.count(status.flow_table.entries)} ` +
		`of ${words.count(status.flow_table.capacity)} flows in the table.`);
}

/** Whether the daemon answers: `since` is when it did last, or null. */
export function showConnection(lost, since) {
	const element = find("connection");

	document.body.classList.toggle("lost", lost);
	element.classList.toggle("lost", lost);
	setText(element, !lost ? "live" : since === null ? "no connection, trying" :
		`connection lost, trying; this is how it was at ${words.clock(since)}`);
}

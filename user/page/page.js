// SPDX-License-Identifier: GPL-2.0-or-later
// The live page: asks the daemon, remembers, shows. #SERVICE/ROLLOUT in the address is what to look at.
import { ask, now } from "./fetch.js";
import { Past, compared } from "./past.js";
import { Flows } from "./flows.js";
import { Charts } from "./draw.js";
import { way } from "./words.js";
import { show, showConnection, showDecisions, showFlows, showRollouts } from "./view.js";

const EVERY_MS = 1000;
const EVERY_HIDDEN_MS = 10000; // in a tab that nobody sees
const JOURNAL_EVERY_S = 15;    // where nothing seems to have changed
const ROLLOUTS_SHOWN = 10;

const charts = new Charts();
let journal = { key: null, asked: 0, rollouts: [], decisions: [], rollout: null, live: [] };
let past = null, flows = null;
let answered = null; // when the daemon did last
let timer = null, turning = false, again = false;

function wanted() {
	const [, service, rollout] = location.hash.match(/^#([^/]*)(?:\/(\d+))?$/) ?? [];

	return { service, rollout: Number(rollout) || null };
}

function choose(status) {
	return status.services.find((service) => encodeURIComponent(service.name) === wanted().service) ?? status.services[0];
}

// Decisions and rollouts, when the service's own rollout is no longer what it was.
async function readJournal(service) {
	const r = service.rollout, id = wanted().rollout ?? r?.id ?? null;
	const key = JSON.stringify([service.name, id, r?.id, r?.state, r?.phase, r?.step, r?.weight, r?.reason]);

	if (key === journal.key && now() - journal.asked < JOURNAL_EVERY_S)
		return;
	const path = `v1/rollouts?service=${encodeURIComponent(service.name)}`;
	const [{ rollouts }, rollout, live] = await Promise.all([ask(path), id === null ? null : ask(`v1/rollouts/${id}`),
		r && r.id !== id ? ask(`v1/rollouts/${r.id}`) : null]);

	journal = { key, asked: now(), rollouts: rollouts.slice(0, ROLLOUTS_SHOWN), rollout, decisions: rollout?.decisions ?? [],
		live: (live ?? rollout)?.decisions ?? [] };
}

// The past of the service that is shown: the daemon's, where the page was not there; then what the page sees.
async function readPast(service, t) {
	if (past?.isOld(service, t) ?? true)
		past = new Past(service, await ask(`v1/services/${encodeURIComponent(service.name)}/history`), t);
	else
		past.add(service, t);
}

function known(service, latency) {
	const pair = compared(service), { rollout } = service;
	const counted = [pair.baseline, pair.canary].map((v) => v && { name: v.name, ...past.since(service, v.name) });

	const judged = rollout?.rollback ? rollout : past.end;

	return { past, pair, counted, latency, rollout, judged, decisions: journal.live,
		hold: judged ? way({ evidence: judged.rollback.hold, bound: judged.rollback.bound }) : null };
}

async function readFlows(service) {
	if (flows?.service !== service.name)
		flows = new Flows(service.name);
	await flows.read();
}

async function look() {
	const status = await ask("v1/status"), t = now();
	const service = choose(status), path = `v1/services/${encodeURIComponent(service.name)}`;
	const [latency] = await Promise.all([ask(`${path}/latency`), readJournal(service), readPast(service, t),
		readFlows(service)]);
	const all = known(service, latency);

	show(status, service, all, t);
	showFlows(flows);
	showDecisions(journal.rollout, journal.decisions);
	showRollouts(service.name, journal.rollouts);
	charts.draw(all);
	answered = t;
}

// One at a time: who calls while one goes on gets another after it.
async function turn() {
	let lost = false;

	clearTimeout(timer);
	again = turning;
	if (turning)
		return;
	turning = true;
	try {
		await look();
	} catch (error) {
		lost = true;
		console.info(String(error));
	}
	turning = false;
	showConnection(lost, answered);
	timer = setTimeout(turn, again ? 0 : document.hidden ? EVERY_HIDDEN_MS : EVERY_MS);
}

addEventListener("hashchange", turn);
document.addEventListener("visibilitychange", () => document.hidden || turn());
turn();

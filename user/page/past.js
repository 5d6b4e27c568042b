// SPDX-License-Identifier: GPL-2.0-or-later
// What became of a service's last rollout: the daemon's history of it, and what the page has seen since that was loaded.
import { FAILURES, heard, versionOf, way, wayAgainst, wayFor } from "./words.js";

const STALE_S = 5; // so long without a look, and what was missed is loaded
const LOOKS_MAX = 600;
const GAP_S = 5;
const GAP_TIMES = 4; // as long as the times beside it: the daemon thins by no more

export class Past {
	/** `history` as the daemon has it (canaryd/api.h), loaded at the same time `t` as the status that `service` is of. */
	constructor(service, history, t) {
		const rollout = service.rollout, loaded = history.rollout !== null && history.rollout === rollout?.id;

		this.service = service.name;
		this.rollout = rollout?.id ?? null;
		this.ended = Boolean(rollout?.ended);
		this.end = loaded && rollout.ended ? endOf(history, rollout) : null;
		this.points = loaded ? pointsOf(history, heard(rollout)) : [];
		this.began = this.points[0]?.t ?? t;
		this.gaps = gapsOf(this.points, rollout);
		this.counted = Object.fromEntries(loaded ? history.versions.map((v) => [v.name, v.counters]) : []);
		this.first = this.before = service;
		this.looked = t;
		this.looks = 0;
	}

	/** Whether the daemon is to be asked for its history. */
	isOld(service, t) {
		return this.service !== service.name || this.rollout !== (service.rollout?.id ?? null) ||
			this.ended !== Boolean(service.rollout?.ended) || (!document.hidden && t - this.looked > STALE_S) ||
			this.looks > LOOKS_MAX;
	}

	/** Adds what `service` is at `t`, while its rollout is under way. */
	add(service, t) {
		const { rollout, weight } = service;

		this.looked = t;
		this.looks++;
		if (!rollout || this.ended || t <= (this.points.at(-1)?.t ?? 0))
			return;
		this.points.push({ t, applied: weight.applied, measured: weight.measured, against: wayAgainst(rollout), for: wayFor(rollout),
			versions: [rollout.baseline, rollout.canary].map((name) => measured(versionOf(service, name), versionOf(this.before, name))) });
		this.before = service;
	}

	/** {attempts, failed, kinds: {kind: n}} of one of `service`'s versions since the rollout began. */
	since(service, name) {
		const now = versionOf(service, name);

		if (!now)
			return null;
		const then = countsOf(versionOf(this.first, name)), to = countsOf(now), base = this.counted[name] ?? {};
		const n = (key) => (base[key] ?? 0) + (this.ended ? 0 : Math.max(0, (to[key] ?? 0) - (then[key] ?? 0)));

		return { attempts: n("attempts"), failed: n("failed"),
			kinds: Object.fromEntries(Object.keys(FAILURES).map((kind) => [kind, n(kind)])) };
	}
}

// ---- the daemon's history ----

// What it ended with: the status has that for as long as the daemon runs.
function endOf({ rollback, slis }, { ended }) {
	const last = ({ bound, evidence, hold }) => ({ bound, hold, evidence: evidence.at(-1) });

	return { ended, rollback: last(rollback), slis: slis.map(({ name, promotion }) => ({ name, promotion: last(promotion) })) };
}

// `voices`: the indicators that have a say, where that is known.
function pointsOf({ t, weight, rollback, slis, versions }, voices) {
	const asked = slis.filter(({ name }) => !voices.length || voices.some((sli) => sli.name === name));
	const least = (i) => {
		const ways = asked.map(({ promotion }) => way({ evidence: promotion.evidence[i], bound: promotion.bound })).filter((w) => w !== null);
		return ways.length ? Math.min(...ways) : null;
	};

	return t.map((at, i) => ({
		t: at,
		applied: weight.applied[i],
		measured: weight.measured[i],
		against: way({ evidence: rollback.evidence[i], bound: rollback.bound }),
		for: least(i),
		versions: versions.map((v) => ({ p50: v.p50_s[i], p99: v.p99_s[i], attempts: v.attempts[i] ?? 0, failed: v.failed[i] ?? 0 })),
	}));
}

// [[from, to], …]: when no daemon watched. A line must not go through there.
function gapsOf(points, rollout) {
	const spans = points.map((p, i) => (i ? p.t - points[i - 1].t : 0));
	const gaps = rollout && points.length && points[0].t - rollout.started > GAP_S ? [[rollout.started, points[0].t]] : [];

	for (let i = 1; i < points.length; i++)
		if (spans[i] > GAP_S && spans[i] > GAP_TIMES * Math.max(spans[i - 1], spans[i + 1] ?? 0))
			gaps.push([points[i - 1].t, points[i].t]);
	return gaps;
}

// ---- a look ----

function countsOf(version) {
	return version ? { ...version.counters, attempts: version.attempts, failed: version.failed } : {};
}

function measured(version, before) {
	const n = (key) => Math.max(0, (version?.[key] ?? 0) - (before?.[key] ?? 0));

	return { p50: version?.ttfb_seconds?.p50 ?? null, p99: version?.ttfb_seconds?.p99 ?? null, attempts: n("attempts"), failed: n("failed") };
}

/** The two versions that are compared, also when the rollout is over: {baseline, canary|null}, as the status has them. */
export function compared(service) {
	const rollout = service.rollout;
	const canary = service.canary ?? rollout?.canary ?? null;

	return { baseline: versionOf(service, rollout?.baseline ?? service.baseline) ?? versionOf(service, service.baseline),
		canary: canary && versionOf(service, canary) };
}

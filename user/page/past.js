// SPDX-License-Identifier: GPL-2.0-or-later
// What the page remembers of a service while it is open: the split, the evidence, and the counters at the beginning.
import { FAILURES, versionOf, wayAgainst, wayFor } from "./words.js";

const POINTS_MAX = 2400;
export const IDLE_SHOWN_S = 600;

export class Past {
	constructor() {
		this.forget(null);
	}

	forget(rollout) {
		this.rollout = rollout;
		this.points = []; // {t, applied, measured, against, for}
		this.began = null; // {t, counts}
		this.counts = null;
		this.ended = false; // at the last look
	}

	/** Adds what `service` is at `t`; another rollout begins another past. */
	add(service, t) {
		const rollout = service.rollout;

		if ((rollout?.id ?? null) !== this.rollout)
			this.forget(rollout?.id ?? null);
		// The first look after the end has what it ended with.
		const judged = rollout && !(rollout.ended && (this.ended || !this.points.length));

		this.points.push({
			t,
			applied: rollout?.state === "promoted" ? 1 : service.weight.applied,
			measured: service.canary ? service.weight.measured : null,
			against: judged ? wayAgainst(rollout) : null,
			for: judged ? wayFor(rollout) : null,
		});
		this.thin(rollout, t);
		this.count(service, t, judged);
		this.ended = Boolean(rollout?.ended);
	}

	// The older half gets coarser; without a rollout under way, what is long past goes.
	thin(rollout, t) {
		if (!rollout || rollout.ended)
			this.points = this.points.filter((p) => p.t > t - IDLE_SHOWN_S || (rollout && t - rollout.ended < IDLE_SHOWN_S));
		if (this.points.length > POINTS_MAX)
			this.points = this.points.filter((p, i) => i > POINTS_MAX / 2 || i % 2 === 0);
	}

	// Counts stop with the rollout whose end was seen: they are its bill.
	count(service, t, judged) {
		const now = Object.fromEntries(service.versions.map((v) => [v.name, countsOf(v)]));

		this.began ??= { t, judged, counts: now };
		if (judged || !this.began.judged)
			this.counts = now;
	}

	/** {attempts, failed, kinds: {kind: n}} of a version since the page looks. */
	since(version) {
		const from = this.began?.counts[version], to = this.counts?.[version];

		if (!to)
			return null;
		const n = (key) => Math.max(0, (to[key] ?? 0) - (from?.[key] ?? 0));
		return { attempts: n("attempts"), failed: n("failed"),
			kinds: Object.fromEntries(Object.keys(FAILURES).map((kind) => [kind, n(kind)])) };
	}
}

function countsOf(version) {
	return { ...version.counters, attempts: version.attempts, failed: version.failed };
}

/** The two versions that are compared, also when the rollout is over: {baseline, canary|null}, as the status has them. */
export function compared(service) {
	const rollout = service.rollout;
	const canary = service.canary ?? rollout?.canary ?? null;

	return { baseline: versionOf(service, rollout?.baseline ?? service.baseline) ?? versionOf(service, service.baseline),
		canary: canary && versionOf(service, canary) };
}

// SPDX-License-Identifier: GPL-2.0-or-later
// The four charts, drawn by Chart.js in the colours of page.css. Nothing moves by itself: a chart changes when its data do.
import { IDLE_SHOWN_S } from "./past.js";
import { FAILURES, clock, kindsOf, percent, seconds } from "./words.js";

const STEPS_S = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400, 604800];
const LABEL_PX = 90; // of the time axis
const LATE_S = 1; // what the daemon answers may be a tick old
const BUCKETS_AN_OCTAVE = 8; // of the daemon's 32: smooth enough to compare

function colours() {
	const style = getComputedStyle(document.documentElement);
	const of = (name) => style.getPropertyValue(name).trim();

	return { ink: of("--ink"), faint: of("--faint"), line: of("--line"), baseline: of("--baseline"), canary: of("--canary"),
		baselineFill: of("--baseline-fill"), canaryFill: of("--canary-fill"), card: of("--card") };
}

function axis(c, more) {
	const { ticks, ...rest } = more;

	return { grid: { color: c.line, borderColor: c.line }, ...rest,
		ticks: { color: c.faint, maxRotation: 0, autoSkipPadding: 12, ...ticks } };
}

const ticksAt = (values) => (scale) => {
	scale.ticks = values(scale).map((value) => ({ value }));
};

function oneTwoFive(min, max) {
	const values = [];

	for (let power = Math.floor(Math.log10(min)); 10 ** power <= max; power++)
		values.push(...[1, 2, 5].map((digit) => digit * 10 ** power));
	return values.filter((value) => value >= min && value <= max);
}

function times(min, max, width) {
	const step = STEPS_S.find((s) => (max - min) / s <= width / LABEL_PX) ?? STEPS_S.at(-1);
	const values = [];

	for (let t = Math.ceil(min / step) * step; t <= max; t += step)
		values.push(t);
	return values;
}

const timeAxis = (c) => axis(c, { type: "linear", bounds: "data", ticks: { callback: (t) => clock(t) },
	afterBuildTicks: ticksAt(({ min, max, chart }) => times(min, max, chart.width)) });

// What is hidden, or named elsewhere, is not in the legend.
function isNamed({ text, hidden }) {
	return !hidden && !text?.startsWith("◆");
}

function options(c, scales, label) {
	return { responsive: true, maintainAspectRatio: false, animation: false, parsing: false, normalized: true, scales,
		interaction: { mode: "nearest", axis: "x", intersect: false },
		elements: { point: { radius: 0, hitRadius: 8 }, line: { borderWidth: 2 } },
		plugins: { legend: { labels: { color: c.ink, boxWidth: 22, boxHeight: 2, filter: isNamed } }, tooltip: { callbacks: label } } };
}

function line(colour, more) {
	return { type: "line", data: [], borderColor: colour, backgroundColor: colour, ...more };
}

// ---- each chart: its kind, and its data out of what is known ----

function splitChart(c) {
	return { type: "line", data: { datasets: [
		line(c.canary, { label: "applied in the kernel", stepped: true, fill: "origin", backgroundColor: c.canaryFill }),
		line(c.ink, { label: "measured", borderWidth: 1, borderDash: [2, 2] }),
		line(c.ink, { label: "◆ decision", showLine: false, pointRadius: 4, pointStyle: "rectRot" }),
	] }, options: options(c, {
		x: timeAxis(c), y: axis(c, { min: 0, max: 1, ticks: { callback: percent, stepSize: 0.25 } }),
	}, { title: ([item]) => clock(item.parsed.x),
		label: (item) => item.raw.words ?? `${item.dataset.label}: ${percent(item.parsed.y)}` }) };
}

function evidenceChart(c) {
	return { type: "line", data: { datasets: [
		line(c.canary, { label: "against the canary" }),
		line(c.baseline, { label: "for it", borderDash: [6, 3] }),
		line(c.ink, { label: "◆ bound", borderWidth: 1 }),
	] }, options: options(c, {
		x: timeAxis(c), y: axis(c, { min: 0, max: 1.05, afterBuildTicks: ticksAt(() => [0, 0.25, 0.5, 0.75, 1]),
			ticks: { callback: (y) => (y === 1 ? "bound" : percent(y)) } }),
	}, { title: ([item]) => clock(item.parsed.x),
		label: (item) => `${item.dataset.label}: ${percent(item.parsed.y)} of the way` }) };
}

function latencyChart(c) {
	const ticks = { callback: (x) => seconds(x), autoSkip: true };

	return { type: "line", data: { datasets: [
		line(c.baseline, { fill: "origin", backgroundColor: c.baselineFill, borderDash: [6, 3], stepped: "middle" }),
		line(c.canary, { stepped: "middle" }),
	] }, options: options(c, {
		x: axis(c, { type: "logarithmic", ticks, afterBuildTicks: ticksAt(({ min, max }) => oneTwoFive(min, max)) }), y: axis(c, { min: 0, ticks: { callback: percent, maxTicksLimit: 5 } }),
	}, { title: ([item]) => `about ${seconds(item.parsed.x)}`,
		label: (item) => `${item.dataset.label}: ${percent(item.parsed.y)} of its responses` }) };
}

function errorsChart(c) {
	const bars = (colour) => ({ data: [], backgroundColor: colour, borderColor: colour, maxBarThickness: 22, minBarLength: 2 });

	return { type: "bar", data: { labels: [], datasets: [bars(c.baseline), bars(c.canary)] },
		options: { ...options(c, {
			x: axis(c, { min: 0, ticks: { callback: percent, maxTicksLimit: 5 } }),
			y: axis(c, { grid: { display: false } }),
		}, { label: (item) => `${item.dataset.label}: ${percent(item.parsed.x)} of its requests` }),
		indexAxis: "y", parsing: undefined, normalized: false, interaction: { mode: "nearest", axis: "y", intersect: false } } };
}

// The weight before the page looked is in the decisions; a look just after one may still have been of before.
function fillSplit(datasets, { past, decisions }) {
	const decided = decisions.map((d) => ({ x: d.t, y: d.weight_to, words: d.reason ?? d.decision }));
	const looks = past.points.map((p) => ({ x: p.t, y: p.applied }))
		.filter(({ x }) => !decisions.some((d) => x >= d.t && x < d.t + LATE_S));

	datasets[0].data = [...decided.map(({ x, y }) => ({ x, y })), ...looks].sort((a, b) => a.x - b.x);
	datasets[1].data = past.points.map((p) => ({ x: p.t, y: p.measured ?? NaN }));
	datasets[2].data = decided;
}

function fillEvidence(datasets, { past, decisions }) {
	const points = (side) => past.points.map((p) => ({ x: p.t, y: p[side] ?? NaN }));
	const from = Math.min(decisions[0]?.t ?? Infinity, past.points[0]?.t ?? Infinity), to = past.points.at(-1)?.t;

	datasets[0].data = points("against");
	datasets[1].data = points("for");
	datasets[2].data = to ? [{ x: from, y: 1 }, { x: to, y: 1 }] : [];
}

// [{x: seconds, y: share}, …] with the empty buckets between them.
function density(buckets, range) {
	const index = ([upper]) => Math.ceil(Math.log2(upper ?? 128) * BUCKETS_AN_OCTAVE - 1e-6);
	const total = buckets.reduce((sum, [, n]) => sum + n, 0);
	const shares = new Map();

	for (const bucket of buckets)
		shares.set(index(bucket), (shares.get(index(bucket)) ?? 0) + bucket[1] / total);
	const points = [];
	for (let i = range[0]; total && i <= range[1]; i++)
		points.push({ x: 2 ** ((i - 0.5) / BUCKETS_AN_OCTAVE), y: shares.get(i) ?? 0 });
	return points;
}

function fillLatency(datasets, { latency, pair }, chart) {
	const of = (version) => latency?.versions.find((v) => v.name === version?.name)?.ttfb ?? [];
	const both = [of(pair.baseline), of(pair.canary)];
	const uppers = both.flat().map(([upper]) => Math.log2(upper ?? 128) * BUCKETS_AN_OCTAVE);
	const range = [Math.floor(Math.min(...uppers)) - 1, Math.ceil(Math.max(...uppers)) + 1];

	both.forEach((buckets, i) => {
		datasets[i].data = density(buckets, range);
	});
	Object.assign(chart.options.scales.x, uppers.length ? { min: 2 ** ((range[0] - 0.5) / BUCKETS_AN_OCTAVE),
		max: 2 ** ((range[1] - 0.5) / BUCKETS_AN_OCTAVE) } : { min: 1e-4, max: 1 });
}

function fillErrors(datasets, { counted }, { data }) {
	const kinds = kindsOf(counted);

	data.labels = kinds.map((kind) => FAILURES[kind]);
	counted.forEach((version, i) => {
		datasets[i].data = kinds.map((kind) => (version?.kinds[kind] ? version.kinds[kind] / version.attempts : null));
	});
}

const CHARTS = {
	split: [splitChart, fillSplit],
	evidence: [evidenceChart, fillEvidence],
	latency: [latencyChart, fillLatency],
	errors: [errorsChart, fillErrors],
};

// ---- all of them ----

function nameVersions({ latency, errors }, pair) {
	for (const chart of [latency, errors]) {
		chart.data.datasets[0].label = pair.baseline?.name ?? "baseline";
		chart.data.datasets[1].label = pair.canary?.name ?? "canary";
		chart.data.datasets[1].hidden = !pair.canary;
	}
}

// A rollout that ended long ago is no longer drawn.
function recent({ past, decisions }) {
	const last = decisions.at(-1)?.t ?? 0;

	return past.ended && last < past.points.at(-1).t - IDLE_SHOWN_S ? [] : decisions;
}

export class Charts {
	constructor() {
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.make());
		this.make();
	}

	make() {
		const c = colours();

		Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
		for (const [name, [kind]] of Object.entries(CHARTS)) {
			this[name]?.destroy();
			this[name] = new Chart(document.getElementById(name), kind(c));
		}
		if (this.known)
			this.draw(this.known);
	}

	/** Draws {past, decisions, latency, pair: {baseline, canary|null}, counted: [of the baseline, of the canary]}. */
	draw(all) {
		const known = { ...all, decisions: recent(all) };

		this.known = all;
		nameVersions(this, known.pair);
		for (const [name, [, fill]] of Object.entries(CHARTS)) {
			fill(this[name].data.datasets, known, this[name]);
			this[name].update();
		}
	}
}

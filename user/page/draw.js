// SPDX-License-Identifier: GPL-2.0-or-later
// The charts, drawn by Chart.js in the colours of page.css. Nothing moves by itself: a chart changes when its data do.
import { FAILURES, clock, kindsOf, moment, percent, seconds } from "./words.js";

const STEPS_S = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400, 604800];
const LABEL_PX = 90; // of the time axis
const LATE_S = 1; // what the daemon answers may be a tick old
const RATIO_S = 10;
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

const timeAxis = (c) => axis(c, { type: "linear", bounds: "data", ticks: { callback: (t, i, all) => moment(t, all.at(-1).value - all[0].value) },
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
		line(c.ink, { label: "◆ decision", showLine: false, clip: 8, pointRadius: 4, pointStyle: "rectRot" }),
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
		line(c.faint, { label: "nothing moves up from here", borderWidth: 1, borderDash: [2, 4] }),
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

// Of both versions over time, the baseline dashed; `more` for what comes in addition, thinner.
function pairChart(c, y, words, more = []) {
	return { type: "line", data: { datasets: [line(c.baseline, { borderDash: [6, 3] }), line(c.canary, {}), ...more] },
		options: options(c, { x: timeAxis(c), y: axis(c, y) }, { title: ([item]) => clock(item.parsed.x),
			label: (item) => `${item.dataset.label}: ${words(item.parsed.y)}` }) };
}

function quantilesChart(c) {
	return pairChart(c, { type: "logarithmic", ticks: { callback: (s) => seconds(s) },
		afterBuildTicks: ticksAt(({ min, max }) => oneTwoFive(min, max)) }, seconds,
	[line(c.baseline, { borderDash: [6, 3], borderWidth: 1 }), line(c.canary, { borderWidth: 1 })]);
}

const failedChart = (c) => pairChart(c, { min: 0, suggestedMax: 0.01, ticks: { callback: percent, maxTicksLimit: 5 } }, percent);

function errorsChart(c) {
	const bars = (colour) => ({ data: [], backgroundColor: colour, borderColor: colour, maxBarThickness: 22, minBarLength: 2 });

	return { type: "bar", data: { labels: [], datasets: [bars(c.baseline), bars(c.canary)] },
		options: { ...options(c, {
			x: axis(c, { min: 0, ticks: { callback: percent, maxTicksLimit: 5 } }),
			y: axis(c, { grid: { display: false } }),
		}, { label: (item) => `${item.dataset.label}: ${percent(item.parsed.x)} of its requests` }),
		indexAxis: "y", parsing: undefined, normalized: false, interaction: { mode: "nearest", axis: "y", intersect: false } } };
}

// {x, y} of each point, and where nobody watched a hole.
function series({ points, gaps }, y) {
	const data = points.map((p) => ({ x: p.t, y: y(p) ?? NaN }));
	const holes = points.length ? gaps.filter(([from]) => from >= points[0].t).map(([from, to]) => ({ x: (from + to) / 2, y: NaN })) : [];

	return holes.length ? [...data, ...holes].sort((a, b) => a.x - b.x) : data;
}

// What was decided while nobody watched is known; a look just after a decision may still have been of before.
function fillSplit(datasets, { past, decisions }) {
	const decided = decisions.map((d) => ({ x: d.t, y: d.weight_to, words: d.reason ?? d.decision }));
	const looks = series(past, (p) => p.applied).filter(({ x }) => !decisions.some((d) => x >= d.t && x < d.t + LATE_S));

	datasets[0].data = [...decided.map(({ x, y }) => ({ x, y })), ...looks].sort((a, b) => a.x - b.x);
	datasets[1].data = series(past, (p) => p.measured);
	datasets[2].data = decided;
}

function fillEvidence(datasets, { past, decisions, hold }) {
	const from = Math.min(decisions[0]?.t ?? Infinity, past.points[0]?.t ?? Infinity), to = past.points.at(-1)?.t;
	const level = (y) => (to && y ? [{ x: from, y }, { x: to, y }] : []);

	datasets[0].data = series(past, (p) => p.against);
	datasets[1].data = series(past, (p) => p.for);
	datasets[2].data = level(1);
	datasets[3].data = level(hold);
}

function fillQuantiles(datasets, { past }, chart) {
	const known = past.points.flatMap((p) => p.versions.flatMap((v) => [v.p50, v.p99])).filter((s) => s > 0);

	Object.assign(chart.options.scales.y, known.length ? { min: Math.min(...known) / 2, max: Math.max(...known) * 2 } : {});
	["p99", "p50"].forEach((quantile, i) => [0, 1].forEach((version) => {
		datasets[2 * i + version].data = series(past, (p) => p.versions[version][quantile]);
	}));
}

/** The share of a version's requests that failed in the last 10 s, over time: [{x, y}, …]. */
export function failedRatios(past, version) {
	const { points } = past;
	let from = 0, attempts = 0, failed = 0;

	return series({ ...past, points: points.map((p) => {
		attempts += p.versions[version].attempts;
		failed += p.versions[version].failed;
		for (; points[from].t < p.t - RATIO_S; from++) {
			attempts -= points[from].versions[version].attempts;
			failed -= points[from].versions[version].failed;
		}
		return { t: p.t, ratio: attempts ? failed / attempts : null };
	}) }, (p) => p.ratio);
}

function fillFailed(datasets, { past }) {
	[0, 1].forEach((version) => {
		datasets[version].data = failedRatios(past, version);
	});
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
	quantiles: [quantilesChart, fillQuantiles],
	failed: [failedChart, fillFailed],
};

// ---- all of them ----

function nameVersions({ latency, errors, quantiles, failed }, pair, rollout) {
	const names = [rollout?.baseline ?? pair.baseline?.name ?? "baseline", rollout?.canary ?? pair.canary?.name ?? "canary"];

	for (const chart of [latency, errors, quantiles, failed])
		names.forEach((name, i) => {
			chart.data.datasets[i].label = chart === quantiles ? `${name} p99` : name;
		});
	names.forEach((name, i) => {
		quantiles.data.datasets[2 + i].label = `${name} p50`;
	});
	for (const chart of [latency, errors])
		chart.data.datasets[1].hidden = !pair.canary;
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

	/** Draws {past, decisions, hold, rollout|null, latency, pair: {baseline, canary|null}, counted: [of the baseline, of the canary]}. */
	draw(known) {
		this.known = known;
		nameVersions(this, known.pair, known.rollout);
		for (const [name, [, fill]] of Object.entries(CHARTS)) {
			fill(this[name].data.datasets, known, this[name]);
			this[name].update();
		}
	}
}

// SPDX-License-Identifier: GPL-2.0-or-later
// What the daemon answers, and the difference of its clock from the browser's. Only GETs, only of where the page is from.

const TIMEOUT_MS = 5000;

let ahead = 0; // seconds

// Small differences are the header's whole seconds and the way; they are not corrected.
function readClock(response) {
	const date = Date.parse(response.headers.get("Date") ?? "");
	const difference = (date - Date.now()) / 1000;

	ahead = Math.abs(difference) > 3 ? difference : 0;
}

/** The time of day as the daemon has it, in Unix seconds. */
export function now() {
	return Date.now() / 1000 + ahead;
}

/** The JSON at `path`; throws where there is no answer, or an error. */
export async function ask(path) {
	const response = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS) });

	if (!response.ok)
		throw new Error(`${path}: ${response.status}`);
	readClock(response);
	return response.json();
}

// SPDX-License-Identifier: GPL-2.0-or-later
// Samples of a service's failed and slow flows: the newest the daemon has, asked for as they come.
import { ask } from "./fetch.js";

const SHOWN = 8; // of each class

export class Flows {
	constructor(service) {
		this.service = service;
		this.flows = []; // newest first
		this.answer = null; // the last one
	}

	/** Asks for what has come since the last time. */
	async read() {
		const answer = await ask(`v1/services/${encodeURIComponent(this.service)}/flows?after=${this.answer?.last ?? 0}`);

		this.flows = [...answer.flows.reverse(), ...this.flows];
		this.flows = ["failed", "slow"].flatMap((its) => this.flows.filter((flow) => flow.class === its).slice(0, SHOWN))
			.sort((a, b) => b.seq - a.seq);
		this.answer = answer;
	}
}

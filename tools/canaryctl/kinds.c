/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kinds.h"

#include <stddef.h>
#include <string.h>

#define KIND(name, words, code) { CANARY_COUNTER_##name, #name, words, code }

const struct kind kinds_failures[] = {
	KIND(refused, "connection refused", "SC"),
	KIND(syn_timeout, "connection unanswered", "sC"),
	KIND(reset_before_response, "reset before a response", "SH"),
	KIND(reset_mid_response, "reset in a response", "SD"),
	KIND(empty_close, "closed without a response", NULL),
	KIND(response_timeout, "response timed out", "sH"),
	KIND(http_5xx, "HTTP 5xx", NULL),
	{ 0 },
};

const struct kind kinds_aborts[] = {
	KIND(abort_connect, "client gave up connecting", "CC"),
	KIND(abort_waiting, "client gave up waiting", "CH"),
	KIND(abort_data, "client broke off a response", "CD"),
	{ 0 },
};

const struct kind kinds_moves[] = {
	KIND(diverted, "diverted from the canary", NULL),
	KIND(over_capacity, "of these beyond max_flows", NULL),
	KIND(rescued, "rescued by the baseline", NULL),
	KIND(drained, "taken away by a drain", NULL),
	{ 0 },
};

const struct kind kinds_signs[] = {
	KIND(http_4xx, "HTTP 4xx", NULL),
	KIND(answered, "answers acknowledged", NULL),
	KIND(late_response, "late responses", NULL),
	KIND(unparsed, "not HTTP/1", NULL),
	KIND(multiplexed, "multiplexed flows, untimed", NULL),
	KIND(lost_track, "flows seen mid-stream only", NULL),
	KIND(request_retransmits, "retransmits to the server", NULL),
	KIND(response_retransmits, "retransmits to the client", NULL),
	KIND(zero_windows, "zero windows", NULL),
	KIND(rst_invalid, "resets out of window", NULL),
	KIND(icmp_errors, "ICMP errors", NULL),
	{ 0 },
};

const char *kinds_words(const char *name)
{
	static const struct kind *const tables[] = { kinds_failures, kinds_aborts, kinds_moves, kinds_signs };

	if (strcmp(name, "slow_response") == 0)
		return "slow response";
	if (strcmp(name, "slow_connect") == 0)
		return "slow to connect";
	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
		for (const struct kind *kind = tables[t]; kind->name; kind++)
			if (strcmp(kind->name, name) == 0)
				return kind->words;
	return name;
}

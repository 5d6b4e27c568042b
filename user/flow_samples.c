/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/flow_samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ring {
	uint64_t count; /* ever; the ring holds the last */
	bool begun;
	int64_t told; /* left out, by what events say; less what was before the beginning */
	uint64_t left_out; /* told or not; never goes back */
	struct flow_sample items[FLOW_SAMPLES_KEPT];
};

struct flow_samples {
	uint64_t next_seq;
	struct ring rings[FLOW_CLASSES];
};

struct flow_samples *flow_samples_new(uint64_t seq)
{
	struct flow_samples *samples = calloc(1, sizeof(*samples));

	if (samples)
		samples->next_seq = seq;
	return samples;
}

struct flow_samples *flow_samples_free(struct flow_samples *samples)
{
	free(samples);
	return NULL;
}

/* ---- in ----------------------------------------------------------------------------------------------------- */

void flow_samples_client(const struct canary_flow_key *key, const struct flow_mask *mask,
			 char ret[static FLOW_SAMPLES_CLIENT])
{
	struct canary_endpoint client = { .port = key->client_port, .protocol = key->protocol };
	struct canary_prefix prefix;
	bool ipv4 = address_is_ipv4(key->client);
	uint32_t length = ipv4 ? mask->ipv4_prefix + 96 : mask->ipv6_prefix;

	memcpy(client.addr, key->client, sizeof(client.addr));
	if (length >= 128) {
		address_format(&client, ret);
		return;
	}
	cohort_prefix_of(client.addr, length, &prefix);
	cohort_prefix_format(&prefix, ret);
}

/* Lower-case hexadecimal digits, `count` of them, and where `not_zero` is set one that is not 0. */
static bool is_hex(const char *text, size_t count, bool not_zero)
{
	return strspn(text, "0123456789abcdef") >= count && (!not_zero || strspn(text, "0") < count);
}

bool flow_samples_is_traceparent(const char *text)
{
	return strlen(text) == CANARY_TRACEPARENT && is_hex(text, 2, false) && memcmp(text, "ff", 2) != 0 && text[2] == '-' &&
	       is_hex(text + 3, FLOW_SAMPLES_TRACE_ID, true) && text[35] == '-' && is_hex(text + 36, 16, true) &&
	       text[52] == '-' && is_hex(text + 53, 2, false);
}

static enum flow_class class_of(uint16_t kind)
{
	return kind == CANARY_EVENT_SLOW_RESPONSE || kind == CANARY_EVENT_SLOW_CONNECT ? FLOW_SLOW : FLOW_FAILED;
}

void flow_samples_add(struct flow_samples *samples, const struct canary_event *event, const struct flow_mask *mask,
		      const char *version, const char *backend, double unix_s)
{
	enum flow_class class = class_of(event->kind);
	struct ring *ring = &samples->rings[class];
	struct flow_sample *sample = &ring->items[ring->count++ % FLOW_SAMPLES_KEPT];

	*sample = (struct flow_sample){
		.seq = samples->next_seq++, .unix_s = unix_s, .class = class, .kind = event->kind,
		.request = event->request_turn, .waited_s = event->waited_ns / 1e9, .age_s = event->age_ns / 1e9,
	};
	ring->told += event->suppressed;
	flow_samples_client(&event->key, mask, sample->client);
	snprintf(sample->version, sizeof(sample->version), "%s", version ?: "");
	snprintf(sample->backend, sizeof(sample->backend), "%s", backend ?: "");
	memcpy(sample->traceparent, event->traceparent, CANARY_TRACEPARENT);
	if (!flow_samples_is_traceparent(sample->traceparent))
		sample->traceparent[0] = 0;
}

void flow_samples_set_untold(struct flow_samples *samples, enum flow_class class, uint64_t untold)
{
	struct ring *ring = &samples->rings[class];

	if (!ring->begun)
		ring->told -= (int64_t)untold;
	ring->begun = true;
	if (ring->told + (int64_t)untold > (int64_t)ring->left_out)
		ring->left_out = (uint64_t)(ring->told + (int64_t)untold);
}

/* ---- out ---------------------------------------------------------------------------------------------------- */

uint64_t flow_samples_kept(const struct flow_samples *samples, enum flow_class class)
{
	return samples->rings[class].count;
}

uint64_t flow_samples_left_out(const struct flow_samples *samples, enum flow_class class)
{
	return samples->rings[class].left_out;
}

uint64_t flow_samples_last(const struct flow_samples *samples)
{
	return samples->next_seq - 1;
}

static const struct flow_sample *first_after(const struct ring *ring, uint64_t seq)
{
	uint64_t low = ring->count > FLOW_SAMPLES_KEPT ? ring->count - FLOW_SAMPLES_KEPT : 0, high = ring->count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (ring->items[middle % FLOW_SAMPLES_KEPT].seq > seq)
			high = middle;
		else
			low = middle + 1;
	}
	return low < ring->count ? &ring->items[low % FLOW_SAMPLES_KEPT] : NULL;
}

const struct flow_sample *flow_samples_after(const struct flow_samples *samples, unsigned classes, uint64_t seq)
{
	const struct flow_sample *oldest = NULL;

	for (enum flow_class c = 0; c < FLOW_CLASSES; c++) {
		const struct flow_sample *sample = classes & FLOW_CLASS_BIT(c) ? first_after(&samples->rings[c], seq) : NULL;

		if (sample && (!oldest || sample->seq < oldest->seq))
			oldest = sample;
	}
	return oldest;
}

const struct flow_sample *flow_samples_newest(const struct flow_samples *samples, enum flow_class class, uint64_t i)
{
	const struct ring *ring = &samples->rings[class];

	return i < ring->count && i < FLOW_SAMPLES_KEPT ? &ring->items[(ring->count - 1 - i) % FLOW_SAMPLES_KEPT] : NULL;
}

/* ---- words -------------------------------------------------------------------------------------------------- */

const char *flow_samples_class_name(enum flow_class class)
{
	return class == FLOW_SLOW ? "slow" : "failed";
}

const char *flow_samples_kind_name(uint16_t kind)
{
	static const char *const names[] = {
#define X(name, help) #name,
		CANARY_COUNTERS(X)
#undef X
	};

	if (kind == CANARY_EVENT_SLOW_RESPONSE)
		return "slow_response";
	if (kind == CANARY_EVENT_SLOW_CONNECT)
		return "slow_connect";
	return kind < CANARY_COUNTER_COUNT ? names[kind] : "unknown";
}

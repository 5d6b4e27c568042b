/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pure headers of bpf/ on arbitrary bytes. An input is a packet (first byte even): it is parsed in an exactly sized
 * buffer, steered and parsed again, be it a request or an ICMP error; or a conversation (odd): packets of eight bytes
 * each, near to where each side is, after which every request and every connection must have at most one outcome.
 */
#include "bpf/decide.h"
#include "bpf/fragment.h"
#include "bpf/histogram.h"
#include "bpf/icmp_tunnel.h"
#include "bpf/rewrite.h"
#include "bpf/sweep.h"
#include "bpf/telemetry.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN 2 /* before the Ethernet header, as the kernel does it */
#define MS 1000000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parsed(const struct packet *p, size_t packet_len)
{
	assert(p->network > p->start && p->transport > p->network && p->payload > p->transport);
	assert(parse_distance(p->start, p->payload) + p->payload_len <= packet_len || p->first_fragment);
	assert(!p->first_fragment || p->protocol == IPPROTO_UDP);
	assert(p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP);
}

/* Steers it and looks where it goes now. */
static void check_rewritten(struct packet *p, uint8_t *data, size_t len, size_t packet_len)
{
	struct canary_endpoint to = { .addr = { 1, 2, 3, 4 }, .port = 5, .protocol = p->protocol };
	struct packet again;

	if (!p->ipv6)
		parse_map_ipv4(to.addr, 4);
	assert(rewrite_destination(p, data + len, &to));
	assert(parse_packet(data, data + len, packet_len, &again) == 0);
	assert(!memcmp(again.destination, to.addr, sizeof(to.addr)) && again.destination_port == to.port);
	assert(!memcmp(again.source, p->source, sizeof(again.source)) && again.source_port == p->source_port);
	assert(again.payload_len == p->payload_len && again.seq == p->seq && again.tcp_flags == p->tcp_flags);
}

/* A first fragment leaves a key that its followers find, which are those with the same identification. */
static void check_fragment(const struct packet *p, uint8_t *data, size_t len)
{
	struct canary_fragment_key key;
	struct packet fragment;

	if (fragment_parse(data, data + len, false, &fragment, &key)) {
		assert(!p->first_fragment);
		return;
	}
	assert(!memcmp(key.source, p->source, sizeof(key.source)) && !key.reply);
	assert(!memcmp(key.destination, p->destination, sizeof(key.destination)));
	assert(fragment.network == p->network && fragment.ipv6 == p->ipv6 && fragment.ip_check == p->ip_check);
}

static void fuzz_packet(const uint8_t *bytes, size_t len, size_t beyond)
{
	uint8_t *exact = malloc(len + ALIGN), *data = exact + ALIGN;
	struct canary_service service = { .seed = 7 };
	struct canary_flow_key key;
	struct packet p;

	memcpy(data, bytes, len);
	if (exact && parse_packet(data, data + len, len + beyond, &p) == 0) {
		check_parsed(&p, len + beyond);
		check_fragment(&p, data, len);
		flow_key_from_request(&key, &p);
		assert(decide_maglev_entry(decide_hash(&key, &service)) < CANARY_MAGLEV_SIZE);
		if (p.protocol == IPPROTO_TCP && p.payload_len >= HTTP_STATUS_LINE &&
		    p.payload + HTTP_STATUS_LINE <= (void *)(data + len))
			assert(http_status(p.payload) < 600);
		check_rewritten(&p, data, len, len + beyond);
	}
	free(exact);
}

/* What the ICMP checksum covers, in one's complement. */
static uint32_t icmp_sum(const struct icmp_error *e, const uint8_t *data, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = e->place; i < len; i++)
		sum += (i - e->place) % 2 ? data[i] : data[i] << 8;
	for (int i = 0; e->ipv6 && i < 4; i++)
		sum += (uint64_t)bpf_ntohl(e->outer.source[i]) + bpf_ntohl(e->outer.destination[i]);
	return sum % 0xffff;
}

/* Translates it: the other address is in, all else is as it was, and the checksum is as right as it was. */
static void check_translated(const struct icmp_error *e, uint8_t *data, size_t len, bool sender)
{
	struct canary_endpoint to = { .addr = { 1, 2, 3, 4 }, .port = 5 };
	uint32_t sum = icmp_sum(e, data, len);
	struct icmp_error changed = *e, again;

	if (!e->ipv6)
		parse_map_ipv4(to.addr, 4);
	if (sender)
		icmp_change_sender(&changed, &to);
	else
		icmp_change_receiver(&changed, &to);
	assert(icmp_write(&changed, data, data + len));
	assert(icmp_parse(data, data + len, &again) == 0);
	assert(!memcmp(sender ? again.inner.source : again.inner.destination, to.addr, sizeof(to.addr)));
	assert(!memcmp(sender ? again.inner.destination : again.inner.source,
		       sender ? e->inner.destination : e->inner.source, sizeof(to.addr)));
	assert((sender ? again.source_port : again.destination_port) == to.port);
	assert(again.protocol == e->protocol && again.seq == e->seq && again.transport == e->transport);
	assert(icmp_sum(&again, data, len) == sum);
}

/* Without this hardly an input would come as far as the quote: says that an error about a packet begins here. */
static void announce_error(uint8_t *data, size_t len, bool ipv6, uint8_t protocol)
{
	static const uint8_t ipv4_start[] = { 0x08, 0x00, 0x45 }, ipv6_start[] = { 0x86, 0xdd, 0x60 };
	size_t icmp = sizeof(struct ethhdr) + (ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	size_t quote = icmp + sizeof(struct icmp_start);

	if (len <= quote + sizeof(struct iphdr))
		return;
	memcpy(data + offsetof(struct ethhdr, h_proto), ipv6 ? ipv6_start : ipv4_start, sizeof(ipv4_start));
	data[sizeof(struct ethhdr) + (ipv6 ? 6 : 9)] = ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	if (!ipv6)
		data[sizeof(struct ethhdr) + 6] = data[sizeof(struct ethhdr) + 7] = 0; /* no fragment */
	data[icmp] = !ipv6 ? ICMP4_UNREACHABLE : data[icmp] & 1 ? ICMP6_UNREACHABLE : ICMP6_TOO_BIG;
	data[quote] = ipv6 ? 0x60 : 0x45 | (data[quote] & 3);
	data[quote + (ipv6 ? 6 : 9)] = protocol;
}

/* About a packet in a tunnel: what is left of it is in the packet, and its MTU is one that a path can have. */
static void check_tunnel(uint8_t *data, size_t len)
{
	struct icmp_tunnel_error e;

	if (!icmp_tunnel_parse(data, data + len, &e))
		return;
	assert(e.inner <= len);
	assert(!e.mtu || (e.mtu >= (e.ipv6 ? ICMP_TUNNEL_MTU_MIN6 : ICMP_TUNNEL_MTU_MIN4) && e.mtu <= ICMP_TUNNEL_MTU_MAX));
}

/* What is quoted. */
static uint8_t protocol_of(uint8_t kind)
{
	if (kind & 128)
		return kind & 8 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	return kind & 32 ? IPPROTO_UDP : kind & 64 ? IPPROTO_TCP : IPPROTO_DSTOPTS;
}

static void fuzz_icmp(const uint8_t *bytes, size_t len, uint8_t kind)
{
	uint8_t *exact = malloc(len + ALIGN), *data = exact + ALIGN;
	struct icmp_error e;

	memcpy(data, bytes, len);
	if (kind & 4)
		announce_error(data, len, kind & 8, protocol_of(kind));
	check_tunnel(data, len);
	if (exact && icmp_parse(data, data + len, &e) == 0) {
		assert(e.place > e.outer.place && e.inner.place > e.place && e.transport > e.inner.place);
		assert(e.transport + ICMP_QUOTED_TRANSPORT <= len);
		check_translated(&e, data, len, kind & 16);
	}
	free(exact);
}

/* ---- conversations -------------------------------------------------------------------------------------------- */

struct world {
	struct canary_flow flow;
	struct canary_counters version, backend;
	uint64_t now_ns;
	bool in_table;
};

/* What happens, in eight bytes. */
struct event {
	uint8_t kind; /* bit 0: from the server; bit 1: the sweep comes by */
	uint8_t flags;
	int8_t seq, ack; /* from where the sides are */
	uint8_t payload_len;
	uint8_t status; /* a class, and noise */
	uint8_t pause;  /* in tenths of a second */
	uint8_t start;  /* what the payload looks like */
};

static struct packet packet_of(const struct world *w, const struct event *event, bool udp)
{
	bool server = event->kind & 1;
	struct packet p = {
		.protocol = udp ? IPPROTO_UDP : IPPROTO_TCP,
		.tcp_flags = udp ? 0 : event->flags & (TCP_SYN | TCP_ACK | TCP_FIN | TCP_RST),
		.payload_len = event->payload_len,
		.segments = 1,
		.window = event->start & 64,
	};

	if (udp)
		return p;
	p.seq = (server ? w->flow.server_next : w->flow.client_next) + event->seq;
	p.ack = (server ? w->flow.client_next : w->flow.server_next) + event->ack;
	p.payload_start = event->start == 1 ? bpf_htonl(0x16030100) : event->start == 2 ? bpf_htonl(0x50524920) : 0;
	return p;
}

static void from_client(struct world *w, const struct packet *p, struct tally *tally)
{
	if (w->in_table && !flow_reopens(&w->flow, p)) {
		telemetry_request(&w->flow, p, w->now_ns, tally);
		return;
	}
	if (telemetry_is_stray(p))
		return;
	if (w->in_table && telemetry_gave_up_connecting(&w->flow))
		TALLY(tally, abort_connect);
	memset(&w->flow, 0, sizeof(w->flow));
	w->in_table = true;
	telemetry_open(&w->flow, p, w->now_ns);
	telemetry_opened(&w->flow, tally);
	if (!flow_is_syn(p))
		telemetry_request(&w->flow, p, w->now_ns, tally);
}

static void from_server(struct world *w, const struct packet *p, uint8_t status, struct tally *tally)
{
	static const uint32_t statuses[] = { 0, 100, 101, 103, 200, 304, 404, 503 };
	struct observation seen = { .outcome = TELEMETRY_NO_OUTCOME };

	if (!w->in_table)
		return;
	telemetry_reply(&w->flow, p, telemetry_begins_response(&w->flow, p) ? statuses[status & 7] : 0, w->now_ns,
			tally, &seen);
	assert(histogram_bucket_of_ns(seen.ttfb_ns) < CANARY_HISTOGRAM_BUCKETS);
	assert(seen.ttfb_ns <= w->now_ns && seen.connect_ns <= w->now_ns && seen.waited_ns <= w->now_ns);
}

static void sweep(struct world *w, struct tally *tally)
{
	static const struct sweep_limits limits = { 3000 * MS, 5000 * MS, 10000 * MS };

	if (!w->in_table)
		return;
	switch (sweep_flow(&w->flow, &limits, w->now_ns)) {
	case SWEEP_KEEP: break;
	case SWEEP_SYN_TIMEOUT: TALLY(tally, syn_timeout); break;
	case SWEEP_RESPONSE_TIMEOUT: TALLY(tally, response_timeout); break;
	case SWEEP_REMOVE: w->in_table = false; break;
	}
}

static void check_outcomes(const struct canary_counters *c)
{
	uint64_t of_requests = c->http_2xx + c->http_3xx + c->http_4xx + c->http_5xx + c->http_upgrade + c->unparsed +
			       c->response_timeout + c->reset_before_response + c->empty_close + c->abort_waiting;

	assert(of_requests <= c->requests);
	assert(c->late_response <= c->response_timeout);
	assert(c->refused + c->syn_timeout + c->abort_connect <= c->connections);
	assert(c->established <= c->connections);
}

static void fuzz_conversation(const uint8_t *bytes, size_t len, bool udp)
{
	struct world w = { .now_ns = 1000000 * MS };
	struct tally tally = { &w.version, &w.backend };
	struct event event;

	for (; len >= sizeof(event); bytes += sizeof(event), len -= sizeof(event)) {
		struct packet p;

		memcpy(&event, bytes, sizeof(event));
		w.now_ns += event.pause * 100 * MS + 1;
		p = packet_of(&w, &event, udp);
		if (event.kind & 2)
			sweep(&w, &tally);
		else if (event.kind & 1)
			from_server(&w, &p, event.status, &tally);
		else
			from_client(&w, &p, &tally);
		assert(flow_state(&w.flow) <= FLOW_RESPONSE);
		check_outcomes(&w.version);
	}
	assert(!memcmp(&w.version, &w.backend, sizeof(w.version)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		fuzz_conversation(data + 1, size - 1, data[0] & 2);
	else if (data[0] & 2)
		fuzz_icmp(data + 1, size - 1, data[0]);
	else
		fuzz_packet(data + 1, size - 1, data[0] & 4 ? 1000 : 0);
	return 0;
}

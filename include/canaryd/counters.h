/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is counted, each with a sentence: the X-macros that structs, names, the API and metrics are made of. */
#ifndef CANARYD_COUNTERS_H
#define CANARYD_COUNTERS_H

/*
 * The indicators of a version or a backend. HAProxy's termination codes in brackets. Every completed request is
 * exactly one of http_2xx … http_5xx, http_upgrade, unparsed, answered, response_timeout, reset_before_response,
 * empty_close, abort_waiting, and in UDP refused; in TCP refused and syn_timeout are requests that got no connection.
 * reset_mid_response is an event of its own, after the response was counted by its class.
 */
#define CANARY_COUNTERS(X)                                                                                          \
	X(connections, "flows opened: first SYN, or first datagram")                                                \
	X(diverted, "flows opened here though they were meant for the canary: the lease was over, or its breaker had tripped") \
	X(rescued, "connections refused or unanswered here, and handed to the baseline before the client knew")     \
	X(established, "connections answered with a SYN-ACK")                                                       \
	X(refused, "connections refused by the server [SC]")                                                        \
	X(syn_timeout, "connections whose SYN stayed unanswered [sC]")                                              \
	X(reset_before_response, "requests reset by the server before the first byte of a response [SH]")           \
	X(reset_mid_response, "responses the server broke off with a reset [SD]")                                   \
	X(empty_close, "requests the server closed without a response")                                             \
	X(abort_connect, "connections the client gave up before a SYN-ACK [CC]")                                    \
	X(abort_waiting, "requests the client gave up before a response [CH]")                                      \
	X(abort_data, "responses the client broke off [CD]")                                                        \
	X(response_timeout, "requests outstanding for longer than the response timeout [sH]")                       \
	X(late_response, "responses to a request already counted as timed out")                                     \
	X(requests, "requests begun")                                                                               \
	X(http_1xx, "interim HTTP responses; they do not end the request")                                          \
	X(http_2xx, "HTTP responses, status 200 to 299")                                                            \
	X(http_3xx, "HTTP responses, status 300 to 399")                                                            \
	X(http_4xx, "HTTP responses, status 400 to 499")                                                            \
	X(http_5xx, "HTTP responses, status 500 to 599")                                                            \
	X(http_upgrade, "HTTP responses 101: the flow leaves the request indicators")                               \
	X(unparsed, "responses that do not begin with an HTTP/1 status line")                                       \
	X(answered, "responses known from the client's acknowledgement alone (dsr)")                                 \
	X(multiplexed, "flows with payload during a response: no longer timed")                                     \
	X(lost_track, "flows first seen in the middle of a stream: in no indicator")                                \
	X(over_capacity, "flows diverted because the canary had as many as it may")                                 \
	X(request_packets, "packets towards the server")                                                            \
	X(request_bytes, "payload bytes towards the server, each counted once")                                     \
	X(response_packets, "packets towards the client")                                                           \
	X(response_bytes, "payload bytes towards the client, each counted once")                                    \
	X(request_retransmits, "packets towards the server that carried nothing new")                               \
	X(response_retransmits, "packets towards the client that carried nothing new")                              \
	X(zero_windows, "packets in which the server advertised a window of zero")                                  \
	X(rst_invalid, "resets outside the window: passed on, believed by no indicator")                            \
	X(icmp_errors, "ICMP errors about flows, translated in either direction")                                    \
	X(source_reused, "connections from a source port the backend may still hold: no other was free")            \
	X(drained, "flows taken away when the drain of their backend reached its deadline")

/* Why a packet was not steered. It was passed on untouched, always; but no_neighbour, too_big, shadow and shadow_full say what became of it. */
#define CANARY_REASONS(X)                                                                                           \
	X(not_ip, "neither IPv4 nor IPv6")                                                                          \
	X(not_service, "no service at this address, port and protocol")                                             \
	X(truncated, "the packet ends inside a header")                                                             \
	X(malformed, "a header contradicts itself: version, length or data offset")                                 \
	X(fragment, "a fragment: of TCP, or with no first fragment before it")                                      \
	X(extension_headers, "more IPv6 extension headers than are looked at")                                      \
	X(other_protocol, "neither TCP nor UDP")                                                                    \
	X(no_split, "the service has no split yet")                                                                 \
	X(no_backend, "no version of the service has a usable backend")                                             \
	X(flow_insert, "the flow table took no entry: steered, but in no indicator")                                \
	X(rewrite, "the kernel refused to change the packet")                                                       \
	X(icmp_no_flow, "an ICMP error about a packet of no flow in the table")                                      \
	X(source_exhausted, "no backend had a source address and port left for the flow (fullnat)")                 \
	X(no_route, "no route to the backend or the client, or forwarding is off on the interface")                 \
	X(time_to_live, "it had passed as many routers as it may")                                                  \
	X(no_neighbour, "sent on by the stack: a neighbour not yet known, or an interface XDP cannot send on")      \
	X(too_big, "larger than the way to the backend or the client takes: its sender is told, where it can be")    \
	X(tunnel_error, "an ICMP error about a packet in a tunnel to a backend that is no word for a client (dsr)")    \
	X(shadow, "the answer of a shadow version: measured, and kept from the client")                              \
	X(shadow_full, "the table of shadows' flows took no entry: steered, but not copied")

#endif

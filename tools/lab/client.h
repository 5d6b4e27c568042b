/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the lab's load generator. client.c builds them and alone knows all of them. */
#ifndef CANARYD_LAB_CLIENT_H
#define CANARYD_LAB_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>

#include "canaryd/abi.h"
#include "tools/lab/loop.h"
#include "tools/lab/samples.h"

#define CLIENT_SOURCES_MAX 64
#define CLIENT_VERSIONS_MAX 8

/*
 * What the client saw. Every attempt ends as connected, refused, connect_timeouts or unreachable, every request as a
 * response, resets_before, resets_mid, empty_closes, truncated, malformed or response_timeouts, unless the client was
 * stopped (unfinished). A datagram is a request without a connection; `refused` then is a port unreachable.
 */
#define CLIENT_COUNTS(X)                                                                                              \
	X(attempts, "connections tried")                                                                            \
	X(connected, "answered with a SYN-ACK")                                                                      \
	X(refused, "answered with a reset")                                                                          \
	X(connect_timeouts, "not answered within the timeout")                                                       \
	X(unreachable, "ended by another error of the network")                                                      \
	X(local_errors, "not even tried: no port, no file")                                                          \
	X(requests, "requests sent")                                                                                 \
	X(resets_before, "reset before the first byte of the response")                                              \
	X(resets_mid, "reset inside the response")                                                                   \
	X(resets_after, "reset after the last response: nothing was lost")                                           \
	X(empty_closes, "closed without a response")                                                                 \
	X(truncated, "closed inside the response")                                                                   \
	X(malformed, "not an HTTP/1.1 response")                                                                     \
	X(response_timeouts, "no whole response within the timeout")                                                 \
	X(idle_closes, "closed by the server between two requests")                                                  \
	X(unfinished, "under way when the client was stopped")                                                       \
	X(version_changes, "answered by another version than before on the same connection")                         \
	X(syn_retransmits, "SYNs sent again before the connection was there")                                        \
	X(bytes, "received")

struct client_counts {
#define X(name, help) uint64_t name;
	CLIENT_COUNTS(X)
#undef X
	uint64_t status_class[6]; /* [2]: 2xx */
	struct {
		char name[CANARY_NAME_MAX];
		uint64_t responses;
	} versions[CLIENT_VERSIONS_MAX + 1]; /* the last one: those there was no room for */
};

#define CLIENT_DATAGRAM_MAX 9000 /* bytes; lab-server echoes no more */

LIST_HEAD(flow_list, flow);

struct client {
	struct loop loop;
	struct canary_endpoint to;
	struct canary_endpoint sources[CLIENT_SOURCES_MAX];
	size_t source_count;
	uint16_t port_low, port_high; /* of the sources; 0: the kernel's choice */
	unsigned int requests_per_connection;
	uint64_t timeout_ns, think_ns;
	bool udp;
	bool fast_open; /* the first request goes with the SYN, which the kernel sends no sooner */
	char datagram[CLIENT_DATAGRAM_MAX]; /* "pingpingp…" */
	size_t datagram_bytes;
	FILE *flow_file; /* a line for each flow that ended; NULL: none */
	struct client_counts counts;
	struct samples connect, ttfb;
	struct flow_list flows;
	bool draining; /* no new flow, and no further request on those there are */
	uint64_t in_flight;
	void (*on_idle)(struct client *client); /* a flow ended and none is left */
};

/* Opens the `number`th flow. Failure is counted. */
void flow_launch(struct client *client, uint64_t number);

/* Sets `draining`: what is asked is still awaited, what pauses is closed. */
void flow_drain_all(struct client *client);

/* Ends what is under way, as unfinished. */
void flow_stop_all(struct client *client);

/* Index of a version's name in counts.versions. */
unsigned int report_version(struct client *client, const char *name);

/* Everything counted, as one JSON object; NULL if memory is short. */
json_t *report_make(struct client *client, double seconds);

/* One line for a person, on stderr. */
void report_progress(const struct client *client, double seconds);

#endif

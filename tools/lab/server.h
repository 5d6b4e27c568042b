/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the lab's server. server.c builds them and alone knows all of them. */
#ifndef CANARYD_LAB_SERVER_H
#define CANARYD_LAB_SERVER_H

#include <jansson.h>
#include <stdint.h>
#include <sys/queue.h>

#include "tools/lab/faults.h"
#include "tools/lab/loop.h"
#include "tools/lab/samples.h"

/* Exact counts of what the server did; each is raised when the kernel has taken the act over. */
struct server_counts {
	uint64_t connections;  /* accepted */
	uint64_t open;         /* accepted and not closed */
	uint64_t requests;     /* read to their end */
	uint64_t status_200;   /* responses handed to the kernel whole */
	uint64_t status_400;
	uint64_t status_503;
	uint64_t resets_before;
	uint64_t resets_mid;
	uint64_t empty_closes;
	uint64_t client_aborts; /* the client was gone before its response was */
	uint64_t datagrams;
	uint64_t datagrams_answered;
};

#define SERVER_SYN_MAX 128

LIST_HEAD(http_list, http_connection);

struct server {
	struct loop loop;
	const char *name;     /* X-Version, and the first word of every body */
	double base_ms;       /* mean service time */
	size_t body_bytes;
	char *body;
	uint64_t random;      /* state of faults_random() */
	struct faults faults;
	struct server_counts counts;
	struct samples service; /* request read → first byte of the response sent */
	struct http_list connections;
	char syn[SERVER_SYN_MAX]; /* the TCP options of the last connection's SYN; "": not known */
};

/* The service time of one more request: 0.7 … of the mean and an exponential tail, and the fault's delay. */
uint64_t server_service_ns(struct server *server);

/* Takes over an accepted, non-blocking socket; closes it if memory is short. */
void http_accept(struct server *server, int fd);
void http_close_all(struct server *server);

/* Has the kernel keep the SYNs of the connections to come. Negative errno on failure. */
int syn_keep(int listener);

/* The TCP options of the connection's SYN, in order, as text: "mss 1460, sack, ts, wscale 10"; "" where none was kept. */
void syn_read(int connection, char *ret_text, size_t size);

/* Answers what waits on a UDP socket: each datagram comes back after its service time as "NAME PAYLOAD". */
void udp_answer(struct server *server, struct loop_watch *socket);

/* All counts as one JSON object; NULL if memory is short. */
json_t *server_report(struct server *server);

/*
 * Listens on the Unix socket `path`: a connection sends one line and gets one. `apply` is called after the faults
 * changed. Negative errno on failure; a socket nobody listens on is replaced.
 */
int control_open(struct server *server, const char *path, int (*apply)(struct server *server));
void control_close(struct server *server);

/* The other side: sends `line` and prints the answer. Returns an exit code. */
int control_tell(const char *path, const char *line);

#endif

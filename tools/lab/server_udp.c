/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The UDP side of the lab's server: a datagram comes back as "NAME PAYLOAD" after its service time. The fault
 * `empty` leaves it unanswered; refuse and blackhole are the socket's.
 */
#include "tools/lab/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define DATAGRAM_MAX 9216 /* more than a link takes: it comes and goes in fragments */

struct udp_reply {
	struct loop_timer timer;
	struct server *server;
	struct loop_watch *socket; /* closed by the fault `refuse`: the reply is lost */
	uint64_t asked_ns;
	struct sockaddr_storage to;
	socklen_t to_length;
	size_t bytes;
	char data[DATAGRAM_MAX];
};

static void on_due(struct loop_timer *timer, uint64_t now_ns)
{
	struct udp_reply *reply = loop_owner(timer, struct udp_reply, timer);

	samples_add(&reply->server->service, now_ns - reply->asked_ns);
	if (sendto(reply->socket->fd, reply->data, reply->bytes, 0, (struct sockaddr *)&reply->to, reply->to_length) >= 0)
		reply->server->counts.datagrams_answered++;
	free(reply);
}

static void answer_later(struct server *server, struct loop_watch *socket, struct udp_reply *reply)
{
	reply->socket = socket;
	reply->server = server;
	reply->timer = (struct loop_timer){.on_due = on_due};
	reply->asked_ns = loop_now_ns();
	if (loop_arm(&server->loop, &reply->timer, reply->asked_ns + server_service_ns(server)) < 0)
		free(reply);
}

void udp_answer(struct server *server, struct loop_watch *socket)
{
	struct udp_reply *reply;
	ssize_t n;
	int name;

	while ((reply = malloc(sizeof(*reply)))) {
		name = snprintf(reply->data, sizeof(reply->data), "%.32s ", server->name);
		reply->to_length = sizeof(reply->to);
		n = recvfrom(socket->fd, reply->data + name, sizeof(reply->data) - (size_t)name, 0,
			     (struct sockaddr *)&reply->to, &reply->to_length);
		if (n < 0)
			break;
		server->counts.datagrams++;
		reply->bytes = (size_t)(name + n);
		if (faults_choose(&server->faults, faults_random(&server->random)) == FAULT_EMPTY)
			free(reply);
		else
			answer_later(server, socket, reply);
	}
	free(reply);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client and its backend say to each other over HTTP. */
#ifndef CANARYD_TESTS_BPF_FIXTURE_TALK_H
#define CANARYD_TESTS_BPF_FIXTURE_TALK_H

#include "tests/bpf/fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static inline uint16_t request(const struct fixture *f, enum fixture_service service, uint32_t client, uint8_t flags,
			uint32_t seq, const char *payload)
{
	struct packet_spec spec = fixture_request(service, client, flags, seq, payload);
	uint16_t backend;

	spec.ack = 5001;
	backend = fixture_send(f, &spec);
	assert_int_not_equal(backend, CANARY_NONE);
	return backend;
}

static inline void answer(struct fixture *f, uint16_t backend, uint32_t client, uint8_t flags, uint32_t seq, uint32_t ack,
		   const char *payload)
{
	struct packet_spec spec = fixture_response(backend, client, flags, seq, ack, payload);

	fixture_answer(f, &spec);
}

/* SYN from 1000, SYN-ACK from 5000, and a request. */
static inline uint16_t connect_and_ask(struct fixture *f, enum fixture_service service, uint32_t client)
{
	uint16_t backend = request(f, service, client, SYN, 1000, "");

	answer(f, backend, client, SYN | ACK, 5000, 1001, "");
	request(f, service, client, ACK, 1001, "");
	request(f, service, client, ACK, 1001, GET);
	return backend;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fixture of mode fullnat with every service in mode dsr. */
#ifndef CANARYD_TESTS_BPF_FIXTURE_DSR_H
#define CANARYD_TESTS_BPF_FIXTURE_DSR_H

#include "tests/bpf/fixture_fullnat.h"

/* cmocka's set-up of each test; that of the group is fullnat_network_set_up(). */
int dsr_set_up(void **state);

/* Two bytes in network order. */
uint16_t dsr_be16(const uint8_t *bytes);

/* Sets the class of service, so that it is seen whether the tunnel has it, too. */
void dsr_set_class(struct packet_bytes *packet);

/* Whose address it is. */
uint16_t dsr_backend_at(const struct canary_endpoint *to);

/* Fails the test unless `after` is `before` in a tunnel, whose end is returned; without it, it is then in `inner`. */
struct canary_endpoint dsr_expect_in_tunnel(const struct packet_bytes *before, const struct packet_bytes *after,
					    uint8_t mac, struct packet_bytes *inner);

/* Sends a request, and returns the backend it was sent to. */
uint16_t dsr_expect_sent(const struct fixture *f, const struct packet_spec *spec);

#endif

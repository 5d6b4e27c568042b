/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fixture with every service in mode fullnat, in a network namespace of its own: clients behind c0, backends behind
 * b0, their routers' MACs ending in cc and bb. c0 and b0 take what XDP redirects to them.
 */
#ifndef CANARYD_TESTS_BPF_FIXTURE_FULLNAT_H
#define CANARYD_TESTS_BPF_FIXTURE_FULLNAT_H

#include "tests/bpf/fixture.h"

#define FULLNAT_SOURCES 2 /* of a family; those of IPv6 come after those of IPv4 */
extern const char *const fullnat_sources4[FULLNAT_SOURCES];

/* cmocka's set-up of the group, and of each test. */
int fullnat_network_set_up(void **state);
int fullnat_set_up(void **state);
int fullnat_set_up_crowded_table(void **state); /* as the fixture's */

/* A line for the shell; fails the test where that fails. */
void fullnat_command(const char *command);

/* Gives the service so many sources. */
void fullnat_set(const struct fixture *f, enum fixture_service service, uint8_t count);

/* Sends all flows of TCP4 to backend 0. */
void fullnat_use_one_backend(struct fixture *f);

/* Gives the service another mode. */
void fullnat_set_mode(const struct fixture *f, enum fixture_service service, enum canary_mode mode);

/* Runs the packet as if it came in on the interface; `packet` is then what came out. Returns the verdict. */
uint32_t fullnat_run(const struct fixture *f, const char *interface, struct packet_bytes *packet);

/* Does the kernel run packets as if they came in on an interface? Linux 5.10 does not: no other mode than dnat can be tried. */
bool fullnat_can_run(const struct fixture *f);

/* Where the packet comes from, or goes to. */
struct canary_endpoint fullnat_endpoint(const struct packet_bytes *packet, bool source);

/* Fails the test unless all is as a router leaves it: a hop less, MACs of its own and of the next, right checksums. */
void fullnat_expect_routed(const struct packet_bytes *before, const struct packet_bytes *after, uint8_t mac);

/* Sends a request, and fails the test where it is not sent on to b0. Returns its backend, and the source it was given. */
uint16_t fullnat_expect_sent(const struct fixture *f, const struct packet_spec *spec, struct canary_endpoint *ret_source);

/* A reply to the source; fails the test unless the client gets it from the VIP. */
void fullnat_expect_answered(const struct fixture *f, uint16_t backend, uint32_t client, struct canary_endpoint source,
			     uint8_t flags, uint32_t seq, uint32_t ack, const char *payload);

/* Fails the test unless the packet passes as it is. */
void fullnat_expect_untouched(const struct fixture *f, const char *interface, const struct packet_spec *spec);

#endif

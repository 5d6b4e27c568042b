/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/lab/socket_address.h"

#include <netinet/in.h>
#include <string.h>

#include "user/address.h"

socklen_t socket_address(const struct canary_endpoint *endpoint, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = endpoint->port};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = endpoint->port};

	memset(ret_address, 0, sizeof(*ret_address));
	if (address_is_ipv4(endpoint->addr)) {
		v4.sin_addr.s_addr = endpoint->addr[3];
		memcpy(ret_address, &v4, sizeof(v4));
		return sizeof(v4);
	}
	memcpy(&v6.sin6_addr, endpoint->addr, sizeof(v6.sin6_addr));
	memcpy(ret_address, &v6, sizeof(v6));
	return sizeof(v6);
}

struct canary_endpoint socket_endpoint(const struct sockaddr_storage *address)
{
	struct canary_endpoint endpoint = {.addr = {0, 0, htonl(0xffff), 0}};
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->ss_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		endpoint.addr[3] = v4.sin_addr.s_addr;
		endpoint.port = v4.sin_port;
		return endpoint;
	}
	memcpy(&v6, address, sizeof(v6));
	memcpy(endpoint.addr, &v6.sin6_addr, sizeof(endpoint.addr));
	endpoint.port = v6.sin6_port;
	return endpoint;
}

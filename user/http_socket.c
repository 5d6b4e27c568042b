/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/http_socket.h"

#include <errno.h>
#include <libgen.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "user/address.h"
#include "user/error.h"

/* ---- Unix --------------------------------------------------------------------------------------------------- */

static int make_parent(const char *path, char **ret_error)
{
	char copy[108];

	snprintf(copy, sizeof(copy), "%s", path);
	if (mkdir(dirname(copy), 0755) && errno != EEXIST)
		return error_set(ret_error, -errno, "cannot make the directory of socket %s: %m (run as root, or set `socket:`)",
				 path);
	return 0;
}

/* 0: somebody does; else why not. */
static int answers(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? -errno : 0;
	close(fd);
	return r;
}

/* A file that nobody answers on is left over from a daemon that was killed. */
static int remove_stale(const struct sockaddr_un *address, char **ret_error)
{
	int r = answers(address);

	if (!r)
		return error_set(ret_error, -EADDRINUSE, "another canaryd answers on %s (stop it, or set another `socket:`)",
				 address->sun_path);
	if (r == -ECONNREFUSED)
		unlink(address->sun_path);
	return 0;
}

static struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

int http_socket_unix(const char *path, gid_t group, int backlog, char **ret_error)
{
	struct sockaddr_un address = unix_address(path);
	int fd, r = make_parent(path, ret_error);

	if (!r)
		r = remove_stale(&address, ret_error);
	if (r)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(ret_error, -errno, "cannot make a socket: %m");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || chmod(path, 0660) ||
	    (group != (gid_t)-1 && chown(path, -1, group)) || listen(fd, backlog)) {
		r = error_set(ret_error, -errno, "cannot listen on %s: %m (run as root, or set another `socket:`)", path);
		close(fd);
		return r;
	}
	return fd;
}

/* ---- TCP ---------------------------------------------------------------------------------------------------- */

static socklen_t tcp_address(const struct canary_endpoint *endpoint, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	*ret = (struct sockaddr_storage){ 0 };
	if (address_is_ipv4(endpoint->addr)) {
		v4->sin_family = AF_INET;
		v4->sin_port = endpoint->port;
		memcpy(&v4->sin_addr, &endpoint->addr[3], sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = endpoint->port;
	memcpy(&v6->sin6_addr, endpoint->addr, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

/* The socket, or a negative errno. */
static int listen_tcp(const struct canary_endpoint *endpoint, int backlog)
{
	struct sockaddr_storage address;
	socklen_t size = tcp_address(endpoint, &address);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1, r;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
	if (!bind(fd, (struct sockaddr *)&address, size) && !listen(fd, backlog))
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static const char *mend_of(int r)
{
	switch (r) {
	case -EADDRINUSE:
		return "stop who listens there (ss -tlnp), or choose another port in `listen:`";
	case -EADDRNOTAVAIL:
		return "name an address that this host has in `listen:`";
	case -EACCES:
		return "run as root, or choose a port from 1024 on in `listen:`";
	default:
		return "choose another address in `listen:`";
	}
}

static int cannot_listen(int r, const char *address, char **ret_error)
{
	return error_set(ret_error, r, "cannot listen on %s: %s (%s)", address, strerror(-r), mend_of(r));
}

int http_socket_tcp(const char *address, const struct canary_endpoint *endpoint, int backlog, char **ret_error)
{
	int fd = listen_tcp(endpoint, backlog);

	return fd >= 0 ? fd : cannot_listen(fd, address, ret_error);
}

int http_socket_check(const char *path, const char *address, const struct canary_endpoint *endpoint, char **ret_error)
{
	struct sockaddr_un socket_address = unix_address(path);
	int fd = listen_tcp(endpoint, 1);

	if (fd >= 0)
		close(fd);
	if (fd == -EADDRNOTAVAIL || (fd == -EADDRINUSE && answers(&socket_address)))
		return cannot_listen(fd, address, ret_error);
	return 0;
}

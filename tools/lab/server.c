/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small HTTP/1.1 server (and UDP echo service) whose faults can be dialled while it runs, and which counts exactly
 * what it did. One thread, one epoll loop.
 */
#include "tools/lab/server.h"

#include <errno.h>
#include <linux/filter.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "canaryd/api.h"
#include "tools/lab/options.h"
#include "tools/lab/socket_address.h"
#include "user/address.h"

#define LISTENERS_MAX 16
#define BACKLOG 4096
#define FAST_OPENS 256 /* waiting; where net.ipv4.tcp_fastopen has servers take data in the SYN */

struct listener {
	struct loop_watch watch;
	struct canary_endpoint address;
	bool udp;
};

static struct server server = {.name = "v1", .base_ms = 2};
static struct listener listeners[LISTENERS_MAX];
static size_t listener_count;
static bool with_udp, with_syn;
static double seed = 1, body_bytes = 256;
static const char *control_path, *tell_line;

uint64_t server_service_ns(struct server *s)
{
	double share = 0.7 - 0.3 * log(1 - faults_random(&s->random));

	return (uint64_t)((s->base_ms * share + s->faults.delay_ms) * 1e6);
}

json_t *server_report(struct server *s)
{
	const struct server_counts *c = &s->counts;

#define N(name) (json_int_t)c->name
	return json_pack("{ss ss sI sI sI s{sI sI sI} sI sI sI sI s{sI sI} so}", "name", s->name, "syn", s->syn, "connections",
			 N(connections), "open", N(open), "requests", N(requests), "responses", "200", N(status_200),
			 "400", N(status_400), "503", N(status_503), "resets_before", N(resets_before), "resets_mid",
			 N(resets_mid), "empty_closes", N(empty_closes), "client_aborts", N(client_aborts), "udp",
			 "datagrams", N(datagrams), "answered", N(datagrams_answered), "service_seconds",
			 samples_report(&s->service));
#undef N
}

/* ---- listening ---- */

static void accept_all(struct listener *listener)
{
	int fd;

	while (listener->watch.fd >= 0 &&
	       (fd = accept4(listener->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (with_syn)
			syn_read(fd, server.syn, sizeof(server.syn));
		http_accept(&server, fd);
	}
}

static void on_listener(struct loop_watch *watch, uint32_t events)
{
	struct listener *listener = loop_owner(watch, struct listener, watch);

	(void)events;
	if (watch->fd < 0)
		return;
	if (listener->udp)
		udp_answer(&server, watch);
	else
		accept_all(listener);
}

static int listen_on(int fd)
{
	int fast_opens = FAST_OPENS, r = with_syn ? syn_keep(fd) : 0;

	setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &fast_opens, sizeof(fast_opens));
	return r == 0 && listen(fd, BACKLOG) < 0 ? -errno : r;
}

static int open_listener(struct listener *listener)
{
	int type = listener->udp ? SOCK_DGRAM : SOCK_STREAM, on = 1, r;
	struct sockaddr_storage address;
	socklen_t length = socket_address(&listener->address, &address);
	int fd = socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	listener->watch = (struct loop_watch){.fd = fd, .on_ready = on_listener};
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 || bind(fd, (struct sockaddr *)&address, length) < 0)
		r = -errno;
	else
		r = listener->udp ? 0 : listen_on(fd);
	if (r == 0)
		r = loop_watch(&server.loop, &listener->watch, EPOLLIN);
	if (r < 0)
		loop_close(&server.loop, &listener->watch);
	return r;
}

/*
 * A filter on the listening socket: what it drops, the kernel does not answer. Of TCP it drops only the SYN, so that
 * a handshake under way ends as it began.
 */
static int set_blackhole(const struct listener *listener, bool on)
{
	struct sock_filter syn[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13), /* the flags: the filter sees the TCP header */
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
	};
	struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog drop_syn = {.len = 5, .filter = syn}, drop_all = {.len = 1, .filter = all};
	struct sock_fprog *drop = listener->udp ? &drop_all : &drop_syn;
	int unused = 0, r;

	if (on)
		r = setsockopt(listener->watch.fd, SOL_SOCKET, SO_ATTACH_FILTER, drop, sizeof(*drop));
	else
		r = setsockopt(listener->watch.fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
	return r < 0 && errno != ENOENT ? -errno : 0;
}

static int apply_to(struct listener *listener)
{
	int r = 0;

	if (server.faults.refuse >= 0.5) {
		if (!listener->udp)
			accept_all(listener); /* what is established is served: closing would reset it */
		loop_close(&server.loop, &listener->watch);
		return 0;
	}
	if (listener->watch.fd < 0)
		r = open_listener(listener);
	return r < 0 ? r : set_blackhole(listener, server.faults.blackhole >= 0.5);
}

/* Makes the sockets what server.faults says. */
static int apply_faults(struct server *s)
{
	(void)s;
	for (size_t i = 0; i < listener_count; i++) {
		int r = apply_to(&listeners[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the command line ---- */

static void take_listen(const char *option, const char *value)
{
	struct listener *listener = &listeners[listener_count];

	if (listener_count == LISTENERS_MAX)
		options_fail(option, "more addresses than the 16 there is room for", value);
	if (address_parse(value, IPPROTO_TCP, &listener->address) < 0)
		options_fail(option, "not ADDR:PORT or [ADDR]:PORT", value);
	listener->watch.fd = -1;
	listener_count++;
}

static void take_fault(const char *option, const char *value)
{
	char message[160];

	if (faults_parse(&server.faults, value, message, sizeof(message)) < 0)
		options_fail(option, message, value);
}

static void take_flag(const char *option, const char *value)
{
	(void)value;
	if (strcmp(option, "udp") == 0)
		with_udp = true;
	else
		with_syn = true;
}

static const struct option_entry options[] = {
	{.name = "listen", .argument = "ADDR:PORT", .help = "serve here; may be given again", .take = take_listen},
	{.name = "udp", .help = "echo datagrams there too", .take = take_flag},
	{.name = "syn", .help = "say in the stats what TCP options the last client's SYN had", .take = take_flag},
	{.name = "name", .argument = "NAME", .help = "the version it says it is (v1)", .text = &server.name},
	{.name = "base-ms", .argument = "N", .help = "mean service time (2)", .number = &server.base_ms, .high = 60000},
	{.name = "body-bytes", .argument = "N", .help = "size of a response's body (256)", .number = &body_bytes,
	 .low = 16, .high = 16 << 20},
	{.name = "seed", .argument = "N", .help = "of the random numbers (1)", .number = &seed, .low = 1, .high = 1e15},
	{.name = "faults", .argument = "LINE", .help = "faults to begin with, as for --tell", .take = take_fault},
	{.name = "control", .argument = "PATH", .help = "Unix socket on which faults are changed", .text = &control_path},
	{.name = "tell", .argument = "LINE",
	 .help = "send LINE to the server at --control: \"stats\", \"clear\",\n"
		 "                                 \"errors=0.05 reset=0.1 reset_mid=0.1 empty=0.1\n"
		 "                                 delay_ms=20 refuse=1 blackhole=1\"",
	 .text = &tell_line},
};

/* The body: the name on a line of its own, then dots to its full size. */
static int make_body(struct server *s)
{
	size_t used;

	s->body_bytes = (size_t)body_bytes;
	s->body = malloc(s->body_bytes + 1);
	if (!s->body)
		return -ENOMEM;
	memset(s->body, '.', s->body_bytes);
	used = (size_t)snprintf(s->body, s->body_bytes, "%s\n", s->name);
	if (used < s->body_bytes)
		s->body[used] = '.';
	s->body[s->body_bytes - 1] = '\n';
	return 0;
}

static int open_everything(void)
{
	char text[ADDRESS_MAX];
	size_t addresses = listener_count;
	int r;

	for (size_t i = 0; with_udp && i < addresses && listener_count < LISTENERS_MAX; i++) {
		listeners[listener_count] = listeners[i];
		listeners[listener_count++].udp = true;
	}
	for (size_t i = 0; i < listener_count; i++) {
		r = open_listener(&listeners[i]);
		if (r < 0) {
			address_format(&listeners[i].address, text);
			fprintf(stderr, "lab-server: cannot listen on %s: %s\n", text, strerror(-r));
			return r;
		}
	}
	r = apply_faults(&server);
	if (r < 0)
		fprintf(stderr, "lab-server: cannot apply the faults: %s\n", strerror(-r));
	return r;
}

static int serve(void)
{
	int r = loop_init(&server.loop);

	if (r == 0)
		r = make_body(&server);
	if (r == 0)
		r = open_everything();
	if (r == 0 && control_path) {
		r = control_open(&server, control_path, apply_faults);
		if (r < 0)
			fprintf(stderr, "lab-server: cannot open the control socket %s: %s\n", control_path, strerror(-r));
	}
	if (r == 0)
		r = loop_run(&server.loop);
	for (size_t i = 0; i < listener_count; i++)
		loop_close(&server.loop, &listeners[i].watch);
	http_close_all(&server);
	control_close(&server);
	samples_deinit(&server.service);
	free(server.body);
	loop_deinit(&server.loop);
	return r < 0 ? API_EXIT_FAILED : API_EXIT_OK;
}

int main(int argc, char **argv)
{
	options_read(options, sizeof(options) / sizeof(options[0]),
		     "an HTTP/1.1 server and UDP echo whose faults can be dialled", argc, argv);
	if (tell_line && control_path)
		return control_tell(control_path, tell_line);
	if (!listener_count || tell_line) {
		fprintf(stderr, "lab-server: needs --listen ADDR:PORT, or --control PATH with --tell LINE\n");
		return API_EXIT_USAGE;
	}
	server.random = (uint64_t)seed;
	LIST_INIT(&server.connections);
	return serve();
}

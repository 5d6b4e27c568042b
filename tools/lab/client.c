/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An open-loop HTTP/1.1 (or UDP) load generator: flows begin at their rate whatever becomes of those before, so a slow
 * server is not spared. Counts exactly what it saw and prints it as one JSON line, also when interrupted: the first
 * signal lets end what is under way, the second does not. One thread, one epoll loop.
 */
#include "tools/lab/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "canaryd/api.h"
#include "tools/lab/options.h"
#include "user/address.h"

#define LAUNCHES_A_ROUND 256 /* so that answers are read in time when the client is behind */

static struct client client;
static struct loop_timer arrivals, progress;
static double rate = 100, requests_per_connection = 1, count, duration_s, timeout_s = 5, think_ms;
static double datagram_bytes = 4;
static const char *flows_path, *histogram_path;
static bool with_progress;
static uint64_t started_ns, launched;

static double elapsed_s(void)
{
	return (double)(loop_now_ns() - started_ns) / 1e9;
}

/* ---- arrivals ---- */

static bool all_launched(void)
{
	return client.draining || (count > 0 && (double)launched >= count) || (duration_s > 0 && elapsed_s() >= duration_s);
}

static void on_arrival(struct loop_timer *timer, uint64_t now_ns)
{
	uint64_t due = (uint64_t)((double)(now_ns - started_ns) / 1e9 * rate) + 1, next_ns;

	for (int i = 0; i < LAUNCHES_A_ROUND && launched < due && !all_launched(); i++)
		flow_launch(&client, launched++);
	if (all_launched() && client.in_flight == 0)
		client.loop.stop = true;
	if (all_launched())
		return;
	/* Never now: the two roundings may disagree by a nanosecond, and a round would have no end. */
	next_ns = started_ns + (uint64_t)((double)launched / rate * 1e9);
	loop_arm(&client.loop, timer, next_ns > now_ns ? next_ns : now_ns + 1);
}

static void on_idle(struct client *c)
{
	if (all_launched())
		c->loop.stop = true;
}

/* The first signal lets end what is under way, the second does not. */
static void on_end(struct loop *loop)
{
	if (client.draining || client.in_flight == 0)
		loop->stop = true;
	else
		flow_drain_all(&client);
}

static void on_progress(struct loop_timer *timer, uint64_t now_ns)
{
	report_progress(&client, elapsed_s());
	loop_arm(&client.loop, timer, now_ns + 1000000000u);
}

/* ---- the command line ---- */

static void take_to(const char *option, const char *value)
{
	if (address_parse(value, IPPROTO_TCP, &client.to) < 0)
		options_fail(option, "not ADDR:PORT or [ADDR]:PORT", value);
}

static void take_source(const char *option, const char *value)
{
	if (client.source_count == CLIENT_SOURCES_MAX)
		options_fail(option, "more addresses than the 64 there is room for", value);
	if (address_parse_host(value, client.sources[client.source_count].addr) < 0)
		options_fail(option, "not an address", value);
	client.source_count++;
}

static void take_ports(const char *option, const char *value)
{
	unsigned int low, high;
	char rest;

	if (sscanf(value, "%u-%u%c", &low, &high, &rest) != 2 || low < 1 || low > high || high > 65535)
		options_fail(option, "not a range of ports such as 10000-19999", value);
	client.port_low = (uint16_t)low;
	client.port_high = (uint16_t)high;
}

static void take_flag(const char *option, const char *value)
{
	(void)value;
	if (strcmp(option, "udp") == 0)
		client.udp = true;
	else if (strcmp(option, "fast-open") == 0)
		client.fast_open = true;
	else
		with_progress = true;
}

static const struct option_entry options[] = {
	{.name = "to", .argument = "ADDR:PORT", .help = "where to", .take = take_to},
	{.name = "rate", .argument = "R", .help = "flows begun a second (100)", .number = &rate, .low = 0.01, .high = 1e6},
	{.name = "count", .argument = "N", .help = "flows in all (1 without --duration)", .number = &count, .low = 1,
	 .high = 1e9},
	{.name = "duration", .argument = "S", .help = "begin flows for S seconds", .number = &duration_s, .low = 0.001,
	 .high = 1e6},
	{.name = "requests-per-connection", .argument = "K", .help = "one after the other (1)",
	 .number = &requests_per_connection, .low = 1, .high = 1e9},
	{.name = "think-ms", .argument = "T", .help = "pause between two requests (0)", .number = &think_ms, .high = 1e6},
	{.name = "timeout", .argument = "S", .help = "for a connection, and for a response (5)", .number = &timeout_s,
	 .low = 0.001, .high = 3600},
	{.name = "source", .argument = "ADDR", .help = "own address; given again, they take turns", .take = take_source},
	{.name = "source-ports", .argument = "A-B", .help = "own ports, in turn, of each --source", .take = take_ports},
	{.name = "fast-open", .help = "the first request in the SYN, as net.ipv4.tcp_fastopen allows; says nothing of connects",
	 .take = take_flag},
	{.name = "udp", .help = "datagrams to a UDP echo, not HTTP", .take = take_flag},
	{.name = "datagram-bytes", .argument = "N", .help = "size of each (4)", .number = &datagram_bytes, .low = 1,
	 .high = CLIENT_DATAGRAM_MAX},
	{.name = "flows", .argument = "FILE", .help = "a line for each flow: OWN-ADDR:PORT VERSION OUTCOME",
	 .text = &flows_path},
	{.name = "histogram", .argument = "FILE", .help = "every latency: connect|ttfb SECONDS", .text = &histogram_path},
	{.name = "progress", .help = "a line a second on stderr", .take = take_flag},
};

static FILE *open_file(const char *path)
{
	FILE *file = path ? fopen(path, "we") : NULL;

	if (!path || file)
		return file;
	fprintf(stderr, "lab-client: cannot write %s: %s\n", path, strerror(errno));
	exit(API_EXIT_FAILED);
}

static void check_options(void)
{
	const char *missing = !client.to.port ? "--to ADDR:PORT" :
			      client.port_low && !client.source_count ? "--source ADDR for --source-ports" : NULL;

	if (missing) {
		fprintf(stderr, "lab-client: needs %s\n", missing);
		exit(API_EXIT_USAGE);
	}
	for (size_t i = 0; i < client.source_count; i++)
		if (address_is_ipv4(client.sources[i].addr) != address_is_ipv4(client.to.addr))
			options_fail("source", "not of the family of --to", "--source");
	if (count <= 0 && duration_s <= 0)
		count = 1;
	client.datagram_bytes = (size_t)datagram_bytes;
	for (size_t i = 0; i < client.datagram_bytes; i++)
		client.datagram[i] = "ping"[i % 4];
	client.requests_per_connection = (unsigned int)requests_per_connection;
	client.timeout_ns = (uint64_t)(timeout_s * 1e9);
	client.think_ns = (uint64_t)(think_ms * 1e6);
}

/* ---- the run ---- */

static void print_report(FILE *histogram)
{
	json_t *report = report_make(&client, elapsed_s());

	json_dumpf(report, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(report);
	if (!histogram)
		return;
	samples_print(&client.connect, "connect", histogram);
	samples_print(&client.ttfb, "ttfb", histogram);
}

static int run(void)
{
	int r = loop_init(&client.loop);

	if (r < 0)
		return r;
	LIST_INIT(&client.flows);
	client.on_idle = on_idle;
	client.loop.on_end = on_end;
	started_ns = loop_now_ns();
	arrivals.on_due = on_arrival;
	progress.on_due = on_progress;
	r = loop_arm(&client.loop, &arrivals, started_ns);
	if (r == 0 && with_progress)
		r = loop_arm(&client.loop, &progress, started_ns + 1000000000u);
	if (r == 0)
		r = loop_run(&client.loop);
	flow_stop_all(&client);
	return r;
}

int main(int argc, char **argv)
{
	FILE *histogram;
	int r;

	options_read(options, sizeof(options) / sizeof(options[0]), "an open-loop HTTP/1.1 and UDP load generator", argc,
		     argv);
	check_options();
	histogram = open_file(histogram_path);
	client.flow_file = open_file(flows_path);
	r = run();
	if (r < 0)
		fprintf(stderr, "lab-client: the event loop failed: %s\n", strerror(-r));
	print_report(histogram);
	if (histogram && fclose(histogram) != 0)
		r = -errno;
	if (client.flow_file && fclose(client.flow_file) != 0)
		r = -errno;
	samples_deinit(&client.connect);
	samples_deinit(&client.ttfb);
	loop_deinit(&client.loop);
	return r < 0 ? API_EXIT_FAILED : API_EXIT_OK;
}

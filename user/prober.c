/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/prober.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/connect.h"


struct probe {
	struct prober *prober;
	struct rotation_entry *entry;
	bool under_way;
	struct connect_job *connect;
	struct fetch_job *fetch;
	struct command *command;
};

struct prober {
	struct prober_tools tools;
	struct rotation *rotation;
	prober_changed changed;
	void *context;
	struct probe *probes; /* in the order of the rotation */
};

static const struct config_health *config_of(const struct probe *probe)
{
	return &probe->prober->rotation->config->health;
}

struct prober *prober_new(const struct prober_tools *tools, struct rotation *rotation, prober_changed changed,
			  void *context)
{
	struct prober *prober = calloc(1, sizeof(*prober));

	if (!prober)
		return NULL;
	*prober = (struct prober){ *tools, rotation, changed, context, calloc(rotation->n + 1, sizeof(struct probe)) };
	if (!prober->probes)
		return prober_free(prober);
	for (size_t i = 0; i < rotation->n; i++)
		prober->probes[i] = (struct probe){ .prober = prober, .entry = &rotation->entries[i] };
	return prober;
}

struct prober *prober_free(struct prober *prober)
{
	if (!prober)
		return NULL;
	for (size_t i = 0; prober->probes && i < prober->rotation->n; i++) {
		connect_cancel(prober->probes[i].connect);
		fetch_cancel(prober->probes[i].fetch);
		command_cancel(prober->probes[i].command);
	}
	free(prober->probes);
	free(prober);
	return NULL;
}

/* ---- answers --------------------------------------------------------------------------------------------- */

static void done(struct probe *probe)
{
	probe->under_way = false;
	probe->connect = NULL;
	probe->fetch = NULL;
	probe->command = NULL;
}

static void answered(struct probe *probe, bool good, const char *why)
{
	struct prober *prober = probe->prober;
	char sentence[HEALTH_WHY];
	static const char *const words[] = { "", "tcp", "http", "exec" };

	snprintf(sentence, sizeof(sentence), "%s check: %s", words[config_of(probe)->type], why);
	done(probe);
	if (health_result(&probe->entry->health, config_of(probe), good, sentence))
		prober->changed(probe->entry, prober->context);
}

static void on_connect(int error, void *context)
{
	answered(context, !error, error == -ECONNREFUSED ? "connection refused" :
				  error == -ETIMEDOUT	 ? "no connection within timeout_s" : strerror(-error));
}

static void on_fetch(const struct fetch_result *result, void *context)
{
	const struct config_health *config = config_of(context);

	answered(context, result->ending == FETCH_OK && result->status >= config->status_low &&
		 result->status <= config->status_high, result->sentence);
}

/* What the shell could not run has checked nothing, but a check nobody can make is not passed either. */
static void on_command(const struct command_result *result, void *context)
{
	answered(context, result->ending == COMMAND_EXITED && result->code == 0, result->sentence);
}

/* ---- questions ------------------------------------------------------------------------------------------- */

static struct canary_endpoint where(const struct probe *probe)
{
	struct canary_endpoint endpoint = probe->entry->endpoint;

	endpoint.protocol = IPPROTO_TCP;
	if (config_of(probe)->port)
		endpoint.port = htons((uint16_t)config_of(probe)->port);
	return endpoint;
}

static uint64_t timeout_ms(const struct probe *probe)
{
	return (uint64_t)(config_of(probe)->timeout_s * 1000);
}

static int ask_tcp(struct probe *probe)
{
	struct canary_endpoint endpoint = where(probe);

	return connect_start(probe->prober->tools.event, &endpoint, timeout_ms(probe), on_connect, probe, &probe->connect);
}

static int ask_http(struct probe *probe)
{
	const struct config_health *config = config_of(probe);
	struct canary_endpoint endpoint = where(probe);
	char url[CONFIG_HEALTH_TEXT + ADDRESS_MAX + 16], host[CONFIG_HEALTH_TEXT + 8], address[ADDRESS_MAX];
	const char *const headers[] = { "User-Agent: canaryd-health", "Connection: close", *config->host ? host : NULL, NULL };
	struct fetch_request request = {
		.url = url,
		.headers = headers,
		.timeout_ms = timeout_ms(probe),
		.stays = true,
	};

	address_format(&endpoint, address);
	snprintf(url, sizeof(url), "http://%s%s", address, config->path);
	snprintf(host, sizeof(host), "Host: %s", config->host);
	return fetch_start(probe->prober->tools.fetch, &request, on_fetch, probe, &probe->fetch);
}

static int ask_command(struct probe *probe)
{
	char service[CANARY_NAME_MAX + 32], version[CANARY_NAME_MAX + 32], address[ADDRESS_MAX + 32];
	const char *const environment[] = { service, version, address, NULL };
	struct command_request request = {
		.line = config_of(probe)->command,
		.environment = environment,
		.timeout_ms = timeout_ms(probe),
	};

	snprintf(service, sizeof(service), "CANARYD_SERVICE=%s", probe->prober->rotation->config->name);
	snprintf(version, sizeof(version), "CANARYD_VERSION=%s", probe->entry->version);
	snprintf(address, sizeof(address), "CANARYD_BACKEND=%s", probe->entry->address);
	return command_start(probe->prober->tools.runner, &request, on_command, probe, &probe->command);
}

static int ask(struct probe *probe)
{
	switch (config_of(probe)->type) {
	case CONFIG_HEALTH_TCP: return ask_tcp(probe);
	case CONFIG_HEALTH_HTTP: return ask_http(probe);
	case CONFIG_HEALTH_EXEC: return ask_command(probe);
	case CONFIG_HEALTH_NONE: break;
	}
	return -EINVAL;
}

/* A check that takes longer than the interval is not asked twice; what could not be asked is so in the next tick. */
void prober_tick(struct prober *prober, uint64_t now_ns)
{
	if (prober->rotation->config->health.type == CONFIG_HEALTH_NONE)
		return;
	for (size_t i = 0; i < prober->rotation->n; i++) {
		struct probe *probe = &prober->probes[i];

		if (probe->under_way || now_ns < probe->entry->health.next_ns)
			continue;
		probe->under_way = true;
		if (ask(probe))
			probe->under_way = false;
		else
			probe->entry->health.next_ns = health_next_ns(config_of(probe), now_ns, arc4random());
	}
}

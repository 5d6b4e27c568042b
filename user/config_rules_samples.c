/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of samples: what can be seen of the service's flows, and a link that leads somewhere. */
#include "user/config_reading.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "user/template.h"
#include "user/url.h"

#define TRACE_ID "4bf92f3577b34da6a3ce929d0e0e4736" /* an example */

static void check_url(const char *text, struct config_problems *problems, const char *path)
{
	static const struct template_variable variable = { "trace_id", TRACE_ID };
	char problem[160], *url = NULL;
	int r = template_expand(text, &variable, 1, &url, problem, sizeof(problem));

	if (r == -ENOMEM)
		problems->no_memory = true;
	else if (r)
		config_problem(problems, path, "%s (write {{trace_id}} where the trace's id belongs)", problem);
	else if (url_problem(url))
		config_problem(problems, path, "\"%.60s\" %s", text, url_problem(url));
	else if (!strstr(url, TRACE_ID))
		config_problem(problems, path, "\"%.60s\" is the same for every trace (write {{trace_id}} where its id "
			       "belongs)", text);
	free(url);
}

static void check_seen(const struct config_service *service, struct config_problems *problems, const char *path)
{
	const struct config_samples *samples = &service->samples;

	if (samples->traces && service->protocol == IPPROTO_UDP)
		config_problem(problems, path, "traces are of HTTP requests, and protocol udp has none (leave traces out)");
	if (service->mode == CANARY_MODE_DSR && (samples->slow_response_s > 0 || samples->slow_connect_s > 0))
		config_problem(problems, path, "mode dsr does not see how long an answer takes (leave slow_response_s and "
			       "slow_connect_s out)");
	if (service->protocol == IPPROTO_UDP && samples->slow_connect_s > 0)
		config_problem(problems, path, "protocol udp has no connections (leave slow_connect_s out)");
}

void config_rules_samples(const struct config_service *service, uint32_t index, struct config_problems *problems)
{
	char path[CONFIG_PLACE_MAX];

	snprintf(path, sizeof(path), "services[%u].samples", index);
	check_seen(service, problems, path);
	snprintf(path, sizeof(path), "services[%u].samples.trace_url", index);
	if (*service->samples.trace_url)
		check_url(service->samples.trace_url, problems, path);
}

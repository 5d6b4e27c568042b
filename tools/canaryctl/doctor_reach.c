/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether what the configuration names can be reached: a connection is made (and TLS greeted), nothing is asked. */
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_gather.h"

#define TIMEOUT_MS 2000L
#define ENDPOINTS_MAX 1024

struct list {
	struct doctor_endpoint *all;
	size_t count;
	size_t left_out; /* more than are tried */
};

static struct doctor_endpoint *add(struct list *list, const char *service, const char *url)
{
	struct doctor_endpoint *all, *endpoint;

	if (list->count == ENDPOINTS_MAX) {
		list->left_out++;
		return NULL;
	}
	all = reallocarray(list->all, list->count + 1, sizeof(*all));
	if (!all)
		return NULL;
	list->all = all;
	endpoint = &all[list->count++];
	*endpoint = (struct doctor_endpoint){ .weight = DOCTOR_WARNING };
	snprintf(endpoint->subject, sizeof(endpoint->subject), "%s%s", service ? "service " : "alerts", service ?: "");
	snprintf(endpoint->url, sizeof(endpoint->url), "%s", url);
	return endpoint;
}

/* ---- what there is ----------------------------------------------------------------------------------------- */

static void add_backends(struct list *list, const struct config_service *service, const struct config_version *version)
{
	bool baseline = !strcmp(version->name, service->baseline);
	char url[ADDRESS_MAX + 8];

	for (uint32_t b = 0; b < version->backends_count; b++) {
		struct doctor_endpoint *endpoint;

		snprintf(url, sizeof(url), "http://%s", version->backends[b].address);
		endpoint = add(list, service->name, url);
		if (!endpoint)
			return;
		snprintf(endpoint->what, sizeof(endpoint->what), "backend %s of %s", version->backends[b].address, version->name);
		endpoint->weight = baseline ? DOCTOR_PROBLEM : DOCTOR_WARNING;
		endpoint->mend = baseline ? "start it, or look at the way there: clients are sent to it" :
					    "start it before its rollout";
	}
}

/* An address that stands for each backend's is tried with the backends. */
static void add_url(struct list *list, const char *service, const char *what, const char *name, const char *url)
{
	struct doctor_endpoint *endpoint;

	if (!*url || strstr(url, "{{"))
		return;
	endpoint = add(list, service, url);
	if (!endpoint)
		return;
	snprintf(endpoint->what, sizeof(endpoint->what), "%s %.40s", what, name);
	endpoint->mend = "start it, or correct its url";
}

static void add_service(struct list *list, const struct config_service *service)
{
	if (service->protocol == IPPROTO_TCP)
		for (uint32_t v = 0; v < service->versions_count; v++)
			add_backends(list, service, &service->versions[v]);
	for (uint32_t h = 0; h < service->hooks_count; h++)
		add_url(list, service->name, "hook", service->hooks[h].name, service->hooks[h].url);
	for (uint32_t i = 0; i < service->slis_count; i++)
		add_url(list, service->name, "SLI", service->slis[i].name, service->slis[i].url);
}

static struct list list_all(const struct config *config)
{
	struct list list = { 0 };

	for (uint32_t s = 0; s < config->services_count; s++)
		add_service(&list, &config->services[s]);
	for (uint32_t a = 0; a < config->alerts_count; a++)
		add_url(&list, NULL, "receiver", config->alerts[a].url, config->alerts[a].url);
	return list;
}

/* ---- trying ------------------------------------------------------------------------------------------------ */

static CURL *begin(CURLM *multi, const struct doctor_endpoint *endpoint)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return NULL;
	curl_easy_setopt(easy, CURLOPT_URL, endpoint->url);
	curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)(uintptr_t)endpoint);
	curl_multi_add_handle(multi, easy);
	return easy;
}

static const char *why(CURL *easy, CURLcode code)
{
	long error = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return "no answer within 2 s";
	return code == CURLE_COULDNT_CONNECT && error ? strerror((int)error) : curl_easy_strerror(code);
}

static void hear(CURLM *multi)
{
	struct doctor_endpoint *endpoint;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(multi, &left))) {
		char *private = NULL;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		endpoint = (struct doctor_endpoint *)(void *)private;
		endpoint->failed = message->data.result ? why(message->easy_handle, message->data.result) : NULL;
		curl_easy_getinfo(message->easy_handle, CURLINFO_CONNECT_TIME, &endpoint->seconds);
	}
}

static void try_all(struct list *list)
{
	CURLM *multi = curl_multi_init();
	CURL **easy = calloc(list->count + 1, sizeof(CURL *));
	int running = 1;

	for (size_t i = 0; multi && easy && i < list->count; i++) {
		list->all[i].failed = "it was not tried: out of memory";
		easy[i] = begin(multi, &list->all[i]);
	}
	while (multi && easy && running && !curl_multi_perform(multi, &running)) {
		hear(multi);
		if (running)
			curl_multi_poll(multi, NULL, 0, 100, NULL);
	}
	for (size_t i = 0; easy && i < list->count; i++) {
		if (easy[i])
			curl_multi_remove_handle(multi, easy[i]);
		curl_easy_cleanup(easy[i]);
	}
	curl_multi_cleanup(multi);
	free(easy);
}

void doctor_check_endpoints(struct doctor_report *report, const struct config *config)
{
	struct list list = list_all(config);

	try_all(&list);
	for (size_t i = 0; i < list.count; i++)
		doctor_check_endpoint(report, &list.all[i]);
	report->subject = "host";
	if (list.left_out)
		doctor_say(report, DOCTOR_WARNING, "look at them with canaryctl backend list", "%zu more endpoints were not tried",
			   list.left_out);
	free(list.all);
}

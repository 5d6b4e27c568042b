/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/api_samples.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/api_answer.h"
#include "user/view_samples.h"

static int read_kind(const char *word, unsigned *ret)
{
	if (!word) {
		*ret = FLOW_CLASSES_ALL;
		return 0;
	}
	for (enum flow_class c = 0; c < FLOW_CLASSES; c++)
		if (!strcmp(word, flow_samples_class_name(c))) {
			*ret = FLOW_CLASS_BIT(c);
			return 0;
		}
	return -EINVAL;
}

static int read_after(const char *text, uint64_t *ret)
{
	char *end;

	if (!text)
		return 0;
	if (strspn(text, "0123456789") != strlen(text) || !*text)
		return -EINVAL;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return errno ? -EINVAL : 0;
}

static bool has_version(const struct daemon_service *service, const char *name)
{
	for (size_t v = 0; v < service->inventory->n_versions; v++)
		if (!strcmp(service->inventory->versions[v].name, name))
			return true;
	return false;
}

void api_samples(const struct daemon_service *service, const struct http_request *request,
		 struct http_response *response)
{
	struct view_samples_filter filter = { .version = http_argument(request, "version") };

	if (read_kind(http_argument(request, "kind"), &filter.classes))
		api_answer_error(response, 400, "invalid", "kind is neither failed nor slow");
	else if (read_after(http_argument(request, "after"), &filter.after))
		api_answer_error(response, 400, "invalid", "after is no number (write that of the last one seen)");
	else if (filter.version && !has_version(service, filter.version))
		api_answer_error(response, 404, "not_found", "the service has no such version (`canaryctl status` has its versions)");
	else
		api_answer(response, 200, view_samples(service, &filter));
}

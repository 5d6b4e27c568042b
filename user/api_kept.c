/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/api_kept.h"

#include <stdlib.h>
#include <string.h>

static struct http_response copy(const struct http_response *response)
{
	struct http_response result = *response;

	if (!result.body_size)
		result.body_size = strlen(result.body);
	result.body = malloc(result.body_size);
	if (result.body)
		memcpy(result.body, response->body, result.body_size);
	return result;
}

bool api_kept_find(const struct api_kept *kept, uint64_t now_ns, uint64_t for_ns, struct http_response *ret)
{
	if (!kept->made_ns || now_ns - kept->made_ns >= for_ns)
		return false;
	*ret = copy(&kept->response);
	return true;
}

void api_kept_set(struct api_kept *kept, uint64_t now_ns, const struct http_response *response)
{
	api_kept_deinit(kept);
	if (!response->body)
		return;
	kept->response = copy(response);
	kept->made_ns = kept->response.body ? now_ns : 0;
}

void api_kept_deinit(struct api_kept *kept)
{
	free(kept->response.body);
	*kept = (struct api_kept){ 0 };
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/url.h"

#include <curl/curl.h>
#include <strings.h>

const char *url_problem(const char *url)
{
	CURLU *parsed = curl_url();
	CURLUcode code = parsed ? curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) : CURLUE_OUT_OF_MEMORY;

	curl_url_cleanup(parsed);
	if (code != CURLUE_OK)
		return "is not a URL (write http://HOST:PORT/PATH)";
	if (strncasecmp(url, "http://", 7) && strncasecmp(url, "https://", 8))
		return "is neither http nor https (nothing else is spoken)";
	return NULL;
}

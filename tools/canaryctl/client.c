/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define CONNECT_TIMEOUT_MS 5000L
#define ANSWER_TIMEOUT_MS 30000L
#define VERB_TIMEOUT_MS 86400000L /* hooks may be asked first: each has a timeout of its own */
#define ANSWER_MAX_BYTES (64u << 20)

struct client {
	CURL *curl;
	struct curl_slist *json_headers;
};

int client_new(const char *socket, struct client **ret_client)
{
	struct client *client;

	if (strlen(socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return -ENAMETOOLONG;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->curl = curl_easy_init();
	client->json_headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (!client->curl || !client->json_headers ||
	    curl_easy_setopt(client->curl, CURLOPT_UNIX_SOCKET_PATH, socket) != CURLE_OK) {
		client_free(client);
		return -ENOMEM;
	}
	*ret_client = client;
	return 0;
}

struct client *client_free(struct client *client)
{
	if (!client)
		return NULL;
	curl_slist_free_all(client->json_headers);
	curl_easy_cleanup(client->curl);
	free(client);
	return NULL;
}

static size_t receive(char *data, size_t size, size_t count, void *context)
{
	struct reply *reply = context;
	size_t bytes = size * count;
	char *text;

	if (bytes > ANSWER_MAX_BYTES - reply->size)
		return 0;
	text = realloc(reply->text, reply->size + bytes + 1);
	if (!text)
		return 0;
	memcpy(text + reply->size, data, bytes);
	reply->text = text;
	reply->size += bytes;
	text[reply->size] = '\0';
	return bytes;
}

static int error_of(CURL *curl, CURLcode code)
{
	long os_errno = 0;

	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_errno);
		return os_errno ? -(int)os_errno : -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return -ECONNRESET;
	case CURLE_WRITE_ERROR:
		return -EMSGSIZE;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static void prepare(struct client *client, const char *method, const char *url, const char *body, struct reply *reply)
{
	CURL *curl = client->curl;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, strcmp(method, "GET") ? VERB_TIMEOUT_MS : ANSWER_TIMEOUT_MS);
	if (strcmp(method, "GET") != 0) {
		curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body ? body : "");
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	}
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->json_headers);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
}

int client_request(struct client *client, const char *method, const char *path, const char *body,
		   struct reply *ret_reply)
{
	struct reply reply = { .text = calloc(1, 1) };
	CURLU *url = curl_url();
	char *whole = NULL;
	int r = -ENOMEM;

	if (reply.text && url && curl_url_set(url, CURLUPART_URL, "http://canaryd/", 0) == CURLUE_OK &&
	    curl_url_set(url, CURLUPART_URL, path, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_URL, &whole, 0) == CURLUE_OK) {
		prepare(client, method, whole, body, &reply);
		r = error_of(client->curl, curl_easy_perform(client->curl));
		curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &reply.status);
		curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, NULL);
	}
	curl_free(whole);
	curl_url_cleanup(url);
	if (r < 0)
		reply_deinit(&reply);
	else
		*ret_reply = reply;
	return r;
}

void reply_deinit(struct reply *reply)
{
	free(reply->text);
	*reply = (struct reply){ 0 };
}

char *client_escape(const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0);
	char *copy = escaped ? strdup(escaped) : NULL;

	curl_free(escaped);
	return copy;
}

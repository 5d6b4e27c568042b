/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as lines of a record: read or refused with a reason; what is read is judged, and written as a line that is read again. */
#include "user/record.h"

#include <stdlib.h>
#include <string.h>

#include "user/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#define LINES 8 /* of an input: each costs a tick of the judge */

static const char start[] =
	"{\"t\": 1, \"weight\": 0.1, \"rollout\": 1, \"service\": \"web\", \"versions\": {\"v1\": {\"role\": \"baseline\", \"attempts\": 900,"
	" \"failed\": 1, \"ttfb\": [[0.01, 800], [null, 1]]}, \"v2\": {\"role\": \"canary\", \"attempts\": 100, \"failed\": 50,"
	" \"backends\": {\"192.0.2.1:80\": [100, 50]}, \"ttfb\": [[0.02, 50]]}}}\n"
	"{\"t\": 2, \"weight\": 0.1, \"muted\": [0], \"slis\": [{\"state\": \"ok\", \"fresh\": true, \"baseline\": [9, 1], \"canary\": [9, 2],"
	" \"value\": [1, 2], \"said\": \"x\"}], \"gate\": {\"name\": \"g\", \"why\": \"w\", \"verdict\": \"refused\"},"
	" \"alert\": {\"says\": \"hold\", \"why\": \"w\"}, \"decided\": [{\"rollout\": 1, \"decision\": \"pause\", \"reason\": \"r\"},"
	" {\"rollout\": 2, \"decision\": \"start\", \"reason\": \"r\"}], \"restart\": {\"ticks\": 1, \"evidence\": true}, \"kept\": true}\n"
	"{\"t\": 3, \"weight\": 0.1, \"breaker\": {\"why\": \"w\", \"canary\": [9, 8]}, \"refused\": true, \"suspect\": \"v2\"}\n";

/* Bytes alone are hardly ever a line: half of the inputs begin as some. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	if (seed % 2 == 0 && max_size >= sizeof(start)) {
		memcpy(data, start, sizeof(start) - 1);
		size = sizeof(start) - 1;
	}
	return LLVMFuzzerMutate(data, size, max_size);
}

static void check_printed(const struct record *record)
{
	static struct record again;
	char error[RECORD_ERROR], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	record_print(record, out);
	if (fclose(out) || size == 0 || text[size - 1] != '\n' || record_parse(text, size - 1, &again, error))
		abort();
	free(text);
}

static void take(struct replay *replay, const char *line, size_t length, double *last_t)
{
	static struct record record;
	static struct replay_decision decisions[REPLAY_DECISIONS];
	char error[RECORD_ERROR] = "";

	if (record_parse(line, length, &record, error)) {
		if (!*error)
			abort();
		return;
	}
	check_printed(&record);
	if (record.t < *last_t)
		return; /* canaryctl refuses it */
	*last_t = record.t;
	if (replay_tick(replay, &record, decisions) > REPLAY_DECISIONS)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct policy_plan plan = {
		.n_steps = 2, .step = { { .weight = 0.1, .max_s = 100 }, { .weight = 1, .max_s = 100 } }, .expire_s = 1000,
	};
	struct replay_options options = { .judge = judge_config_default() };
	const char *line = (const char *)data, *end = line + size, *newline;
	double last_t = -1e300;
	struct replay *replay;

	if (size % 2)
		options.plan = plan;
	replay = replay_new(&options);
	for (int i = 0; replay && i < LINES && line < end; i++, line = newline + 1) {
		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			newline = end;
		take(replay, line, (size_t)(newline - line), &last_t);
	}
	replay_free(replay);
	return 0;
}

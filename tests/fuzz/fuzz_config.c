/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a configuration: read or refused with a reason; what is read is shown as text that reads equal. */
#include "user/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static const char start[] = "interfaces: [eth0]\n"
			    "services:\n"
			    "  - name: web\n"
			    "    vip: 192.0.2.10:80\n"
			    "    baseline: v1\n"
			    "    versions:\n"
			    "      - name: v1\n"
			    "        backends: [10.0.0.1:80, \"10.0.0.2:80\"]\n"
			    "      - {name: v2, backends: ['10.0.0.3:80']}\n"
			    "    rollout:\n"
			    "      steps: [{weight: 0.5, min_s: 1e1, manual: true}, {weight: 100}]\n"
			    "      on_fail: hold\n"
			    "    slis: [{name: q, kind: promql, url: 'http://a', query: 'x{{version}}', max: 1},\n"
			    "      {name: s, kind: skew}, {name: e, kind: exec, command: 'true', gate: true}]\n"
			    "tick_ms: 100\n"
			    "blackouts: [{days: [mon, sun], from: '22:00', to: '06:00'}]\n"
			    "judge: {alpha: 0.001}\n";

/* Nothing but a mutated configuration gets past the parser often enough; so half of the inputs begin as one. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	if (seed % 2 == 0 && max_size >= sizeof(start)) {
		memcpy(data, start, sizeof(start) - 1);
		size = sizeof(start) - 1;
	}
	return LLVMFuzzerMutate(data, size, max_size);
}

static void check_shown(const struct config *config)
{
	struct config *again = NULL;
	char *text = NULL, *error = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out || config_show(config, out) < 0 || fclose(out) != 0)
		abort();
	if (config_load_text(text, size, "shown", &again, &error) < 0 || !config_equal(config, again))
		abort();
	config_free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = NULL;
	char *error = NULL;
	int r = config_load_text((const char *)data, size, "fuzz", &config, &error);

	if ((r < 0) != (config == NULL) || (r < 0) != (error != NULL) || (error && !*error))
		abort();
	if (config)
		check_shown(config);
	config_free(config);
	free(error);
	return 0;
}

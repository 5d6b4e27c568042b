/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any answer at all to a query: one state, a finite value or a sentence, never both. */
#include "user/promql.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char start[] = "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":"
			    "[{\"metric\":{\"a\":\"b\"},\"value\":[1732312345.1,\"0.5\"]}]}}";

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	if (seed % 2 == 0 && max_size >= sizeof(start)) {
		memcpy(data, start, sizeof(start) - 1);
		size = sizeof(start) - 1;
	}
	return LLVMFuzzerMutate(data, size, max_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct promql_answer answer;
	unsigned status = size % 7 == 0 ? 400 : 200;

	memset(&answer, 0xa5, sizeof(answer));
	promql_parse(status, (const char *)data, size, &answer);
	if (answer.state == FINDING_STATE_OK ? !isfinite(answer.value) || *answer.said : !*answer.said)
		abort();
	if (answer.state <= FINDING_STATE_WAITING || answer.state > FINDING_STATE_UNAVAILABLE ||
	    strnlen(answer.said, sizeof(answer.said)) == sizeof(answer.said))
		abort();
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sampler hands the judge once a tick: the differences of the kernel's counters since the sample before.
 * Plain data. `attempts` and `failed` count the same completed events (timeouts found by the sweep included), each
 * attributed to the version its flow was pinned to when it was opened, so failed is never more than attempts.
 */
#ifndef CANARYD_SAMPLE_H
#define CANARYD_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/finding.h"
#include "user/histogram.h"

#define SAMPLE_BACKENDS 64 /* of a version; what does not fit is in the version's own counts only */
#define SAMPLE_ADDRESS 56  /* bytes of "[IPv6]:PORT", the final NUL included */

struct sample_backend {
	char address[SAMPLE_ADDRESS]; /* "ADDR:PORT": how a backend is known from one sample to the next */
	uint64_t attempts;
	uint64_t failed;
};

struct sample_version {
	uint64_t attempts;
	uint64_t failed;
	struct histogram ttfb; /* of this tick alone */
	unsigned n_backends;   /* 0: not known by backend */
	struct sample_backend backend[SAMPLE_BACKENDS];
};

/*
 * An indicator that is measured outside the packets. It is looked at once in a while: between two looks the state and
 * the sentence stay as they are, `fresh` is false and there is nothing to count.
 */
struct sample_external {
	enum finding_state state;
	bool fresh;           /* looked at since the sample before */
	uint64_t baseline_n;  /* of a count: events since the look before */
	uint64_t baseline_y;  /* … and the bad ones among them */
	uint64_t canary_n;
	uint64_t canary_y;
	double baseline;      /* of a gauge; NAN: not known */
	double canary;
	char said[FINDING_DETAIL]; /* what is wrong and the mend; where the state is OK: why a gauge is where it is, or "" */
};

struct sample {
	uint64_t now_ns;     /* shown, never decided on: it may step */
	uint64_t elapsed_ns; /* since the sample before */
	uint64_t asleep_ns;  /* since then, in addition: the host was suspended */
	double weight;       /* the canary's share of new flows that the kernel applies, 0 … 1 */
	bool suspect;        /* the counters went backwards or could not be read: no evidence of anything */
	char suspect_why[96]; /* of which version, and what; "" where that is not known */
	struct sample_version baseline;
	struct sample_version canary;
	bool muted[FINDING_SLIS]; /* by the index in the finding: nothing is learnt from it now */
	struct sample_external external[FINDING_EXTERNALS]; /* in the order of the judge's configuration */
};

#endif

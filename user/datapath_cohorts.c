/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cohorts in the kernel: a trie is filled aside, then swapped in whole. */
#include "user/datapath_internal.h"

#include <errno.h>
#include <unistd.h>

#define NOT_SUPPORTED (-524) /* the kernel's ENOTSUPP: before linux 5.12 a trie takes one entry a call */

static int fill(int trie, const struct canary_prefix *prefixes, const struct canary_cohort *cohorts, size_t count)
{
	__u32 n = count;
	int r = bpf_map_update_batch(trie, prefixes, cohorts, &n, NULL);

	if (r != NOT_SUPPORTED && r != -EOPNOTSUPP && r != -EINVAL)
		return r;
	r = 0;
	for (size_t i = 0; !r && i < count; i++)
		r = bpf_map_update_elem(trie, &prefixes[i], &cohorts[i], BPF_ANY);
	return r;
}

int datapath_cohorts_new(const struct canary_prefix *prefixes, const struct canary_cohort *cohorts, size_t count,
			 int *ret_trie)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	int trie, r;

	if (!count) {
		*ret_trie = -1;
		return 0;
	}
	trie = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "cohort_trie", sizeof(*prefixes), sizeof(*cohorts), count, &options);
	if (trie < 0)
		return trie;
	r = fill(trie, prefixes, cohorts, count);
	if (r)
		close(trie);
	else
		*ret_trie = trie;
	return r;
}

int datapath_set_cohorts(struct datapath *datapath, uint32_t service, int trie)
{
	int r;

	if (trie >= 0)
		return bpf_map_update_elem(datapath->map.cohorts, &service, &trie, BPF_ANY);
	r = bpf_map_delete_elem(datapath->map.cohorts, &service);
	return r == -ENOENT ? 0 : r;
}

void datapath_cohorts_free(int trie)
{
	if (trie >= 0)
		close(trie);
}

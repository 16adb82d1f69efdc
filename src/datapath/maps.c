// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "datapath/internal.h"

static int compare_keys(const void *a, const void *b, void *size)
{
	return memcmp(a, b, *(size_t *)size);
}

/* bsearch() of a sorted list, whose keys have a size of their own. */
static int is_listed(const void *list, size_t count, const void *key, size_t size)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int diff = memcmp((const char *)list + mid * size, key, size);

		if (!diff)
			return 1;
		if (diff < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}

void sp_datapath_delete_others(int fd, size_t key_size, void *keep, size_t keep_count)
{
	char key[64], next[64];
	int has = !bpf_map_get_next_key(fd, NULL, next);

	qsort_r(keep, keep_count, key_size, compare_keys, &key_size);
	while (has) {
		memcpy(key, next, key_size);
		has = !bpf_map_get_next_key(fd, key, next);
		if (!is_listed(keep, keep_count, key, key_size))
			bpf_map_delete_elem(fd, key);
	}
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include <bpf/bpf.h>

#include "datapath/internal.h"

void sp_datapath_delete_others(int fd, size_t key_size, const void *keep, size_t keep_count)
{
	char key[64], next[64];
	int has = !bpf_map_get_next_key(fd, NULL, next);

	while (has) {
		size_t i;

		memcpy(key, next, key_size);
		has = !bpf_map_get_next_key(fd, key, next);
		for (i = 0; i < keep_count; i++)
			if (!memcmp((const char *)keep + i * key_size, key, key_size))
				break;
		if (i == keep_count)
			bpf_map_delete_elem(fd, key);
	}
}

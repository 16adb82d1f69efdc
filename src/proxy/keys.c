// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static int parse_key(const char *hex, __u64 key[2])
{
	char part[17] = "";

	if (strspn(hex, "0123456789abcdefABCDEF") != 32)
		return -EINVAL;
	for (int i = 0; i < 2; i++) {
		memcpy(part, hex + 16 * i, 16);
		key[i] = strtoull(part, NULL, 16);
	}
	return 0;
}

int sp_keys_read(const char *path, struct sp_keys *ret_keys)
{
	FILE *file = fopen(path, "re");
	struct sp_keys keys = { 0 };
	char line[128];
	int err = 0;

	if (!file) {
		err = -errno;
		log_err_errno(err, "key_file %s: can't read it", path);
		return err;
	}
	while (!err && keys.count < SP_KEYS_MAX && fgets(line, sizeof(line), file))
		if (line[0] != '#' && line[0] != '\n')
			err = parse_key(line, keys.key[keys.count++]);
	fclose(file);
	if (err || !keys.count) {
		log_err("key_file %s: each line must be 32 hexadecimal digits, one or two lines", path);
		return -EINVAL;
	}
	*ret_keys = keys;
	return 0;
}

int sp_keys_are_same(const struct sp_keys *a, const struct sp_keys *b)
{
	return a->count == b->count && !memcmp(a->key, b->key, sizeof(a->key));
}

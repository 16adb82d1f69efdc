// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define DIGITS	32
#define BLANKS	" \t\r\n"

static int parse_key(const char *hex, __u64 key[2])
{
	char part[17] = "";

	if (strspn(hex, "0123456789abcdefABCDEF") != DIGITS ||
	    hex[DIGITS + strspn(hex + DIGITS, BLANKS)])
		return -EINVAL;
	for (int i = 0; i < 2; i++) {
		memcpy(part, hex + 16 * i, 16);
		key[i] = strtoull(part, NULL, 16);
	}
	return 0;
}

/* Empty lines and comments are none. */
static int read_line(const char *line, struct sp_keys *keys)
{
	line += strspn(line, BLANKS);
	if (!*line || *line == '#')
		return 0;
	return keys->count < SP_KEYS_MAX ? parse_key(line, keys->key[keys->count++]) : -E2BIG;
}

static int read_lines(FILE *file, struct sp_keys *keys, unsigned int *ret_line)
{
	size_t size = 0;
	char *line = NULL;
	int err = 0;

	for (*ret_line = 1; !err && getline(&line, &size, file) >= 0; *ret_line += !err)
		err = read_line(line, keys);
	free(line);
	return err ?: ferror(file) ? -EIO : 0;
}

int sp_keys_load(const char *path, char error[SP_KEYS_ERROR_MAX], struct sp_keys *ret_keys)
{
	FILE *file = fopen(path, "re");
	struct sp_keys keys = { 0 };
	unsigned int line = 0;
	int err = file ? read_lines(file, &keys, &line) : -errno;

	if (file)
		fclose(file);
	if (err == -E2BIG)
		snprintf(error, SP_KEYS_ERROR_MAX,
			 "key_file %s:%u: found a third key; allowed: one, and while it is being "
			 "replaced the old one behind it", path, line);
	else if (err == -EINVAL || (!err && !keys.count))
		snprintf(error, SP_KEYS_ERROR_MAX,
			 "key_file %s:%u: found no key; required: a line of %d hexadecimal digits",
			 path, line, DIGITS);
	else if (err)
		snprintf(error, SP_KEYS_ERROR_MAX, "key_file %s: can't read it: %s", path,
			 strerror(-err));
	if (err || !keys.count)
		return err == -E2BIG || !err ? -EINVAL : err;
	*ret_keys = keys;
	return 0;
}

int sp_keys_read(const char *path, struct sp_keys *ret_keys)
{
	char error[SP_KEYS_ERROR_MAX];
	int err = sp_keys_load(path, error, ret_keys);

	if (err)
		log_err("%s", error);
	return err;
}

int sp_keys_are_same(const struct sp_keys *a, const struct sp_keys *b)
{
	return a->count == b->count && !memcmp(a->key, b->key, sizeof(a->key));
}

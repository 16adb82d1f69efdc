/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* keys.h - the cluster's keys, from key_file of spliced.yaml(5). */
#ifndef SP_BASE_KEYS_H
#define SP_BASE_KEYS_H

#include "abi/ktypes.h"

#define SP_KEYS_MAX 2

/* The first key makes, all keys are accepted; unused keys are 0. */
struct sp_keys {
	unsigned int	count;
	__u64		key[SP_KEYS_MAX][2];
};

#define SP_KEYS_ERROR_MAX 512

/*
 * Return: 0; -EINVAL when the file is bad; another -errno when it can't be read. Then @error is
 * one line.
 */
int sp_keys_load(const char *path, char error[SP_KEYS_ERROR_MAX], struct sp_keys *ret_keys);
/* The same, logged. */
int sp_keys_read(const char *path, struct sp_keys *ret_keys);
int sp_keys_are_same(const struct sp_keys *a, const struct sp_keys *b);

#endif

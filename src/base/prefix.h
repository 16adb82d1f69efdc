/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* prefix.h - ranges of addresses: "192.0.2.0/24" */
#ifndef SP_BASE_PREFIX_H
#define SP_BASE_PREFIX_H

#include <stddef.h>

#include "abi/tuple.h"

#define SP_PREFIX_STRLEN	50

/* @bits: of 128; of an IPv4 prefix 96 more than in its text */
struct sp_prefix {
	struct sp_addr	addr;
	unsigned int	bits;
};

/**
 * sp_prefix_parse() - "192.0.2.0/24", "2001:db8::/32", or a single address
 *
 * Return: 0; -EINVAL; -ERANGE when bits behind the prefix are set: @ret_prefix has the bits
 * cleared.
 */
int sp_prefix_parse(const char *text, struct sp_prefix *ret_prefix);

/* Into @buf of SP_PREFIX_STRLEN bytes; returns @buf. */
char *sp_prefix_format(const struct sp_prefix *prefix, char *buf);

int sp_prefix_equal(const struct sp_prefix *a, const struct sp_prefix *b);

/* No IPv6 prefix has IPv4 addresses in it, not even ::/0. */
int sp_prefix_has(const struct sp_prefix *prefix, const struct sp_addr *addr);
int sp_prefixes_have(const struct sp_prefix *prefixes, size_t count, const struct sp_addr *addr);

#endif

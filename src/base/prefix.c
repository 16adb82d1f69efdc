/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* prefix.c - see prefix.h */
#include "base/prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"

#define V4_BITS_BEFORE	96	/* of ::ffff:0:0/96 */

static unsigned int family_bits(const struct sp_addr *addr)
{
	return sp_addr_is_v4(addr) ? 32 : 128;
}

/* A plain decimal number, without sign or needless zero. */
static int bits_parse(const char *text, unsigned int max, unsigned int *ret_bits)
{
	size_t len = strlen(text);
	unsigned int bits = 0;

	if (len < 1 || len > 3 || (len > 1 && text[0] == '0') || text[strspn(text, "0123456789")])
		return -EINVAL;
	for (; *text; text++)
		bits = bits * 10 + (*text - '0');
	if (bits > max)
		return -EINVAL;
	*ret_bits = bits;
	return 0;
}

static __be32 mask_of(unsigned int bits, int word)
{
	unsigned int before = 32 * word;

	if (bits <= before)
		return 0;
	return bits - before >= 32 ? ~0u : htonl(~0u << (32 - (bits - before)));
}

static struct sp_addr masked_addr(const struct sp_addr *addr, unsigned int bits)
{
	struct sp_addr masked;

	for (int i = 0; i < 4; i++)
		masked.w[i] = addr->w[i] & mask_of(bits, i);
	return masked;
}

int sp_prefix_parse(const char *text, struct sp_prefix *ret_prefix)
{
	size_t len = strcspn(text, "/");
	char host[SP_ADDR_STRLEN];
	struct sp_addr addr;
	unsigned int bits;

	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = 0;
	if (sp_addr_parse(host, &addr))
		return -EINVAL;
	bits = family_bits(&addr);
	if (text[len] && bits_parse(text + len + 1, bits, &bits))
		return -EINVAL;
	bits += sp_addr_is_v4(&addr) ? V4_BITS_BEFORE : 0;
	ret_prefix->addr = masked_addr(&addr, bits);
	ret_prefix->bits = bits;
	return sp_addr_equal(&ret_prefix->addr, &addr) ? 0 : -ERANGE;
}

static int is_v4_prefix(const struct sp_prefix *prefix)
{
	return prefix->bits >= V4_BITS_BEFORE && sp_addr_is_v4(&prefix->addr);
}

char *sp_prefix_format(const struct sp_prefix *prefix, char *buf)
{
	char text[SP_ADDR_STRLEN];

	snprintf(buf, SP_PREFIX_STRLEN, "%s/%u", sp_addr_format(&prefix->addr, text),
		 prefix->bits - (is_v4_prefix(prefix) ? V4_BITS_BEFORE : 0));
	return buf;
}

int sp_prefix_equal(const struct sp_prefix *a, const struct sp_prefix *b)
{
	return a->bits == b->bits && sp_addr_equal(&a->addr, &b->addr);
}

int sp_prefix_has(const struct sp_prefix *prefix, const struct sp_addr *addr)
{
	struct sp_addr masked = masked_addr(addr, prefix->bits);

	return sp_addr_is_v4(addr) == is_v4_prefix(prefix) &&
	       sp_addr_equal(&masked, &prefix->addr);
}

int sp_prefixes_have(const struct sp_prefix *prefixes, size_t count, const struct sp_addr *addr)
{
	for (size_t i = 0; i < count; i++)
		if (sp_prefix_has(&prefixes[i], addr))
			return 1;
	return 0;
}

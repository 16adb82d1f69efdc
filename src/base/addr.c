/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* addr.c - text form of addresses and tuples. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int sp_addr_parse(const char *text, struct sp_addr *ret_addr)
{
	struct sp_addr addr;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		addr = sp_addr_v4(v4.s_addr);
	else if (inet_pton(AF_INET6, text, &addr) != 1)
		return -EINVAL;
	*ret_addr = addr;
	return 0;
}

/* Digits and nothing else: strtoul() would take signs and blanks. */
static int port_parse(const char *text, __be16 *ret_port_be)
{
	unsigned int port = 0;
	size_t len = strlen(text);

	if (len < 1 || len > 5)
		return -EINVAL;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		port = port * 10 + (*p - '0');
	}
	if (port < 1 || port > 65535)
		return -EINVAL;
	*ret_port_be = htons(port);
	return 0;
}

/*
 * Brackets stand around IPv6 and around nothing else: without them the last group could be a port.
 */
int sp_endpoint_parse(const char *text, struct sp_addr *ret_addr, __be16 *ret_port_be)
{
	const char *end = strrchr(text, ':');
	int is_bracketed = text[0] == '[';
	char host[SP_ADDR_STRLEN];
	struct sp_addr addr;
	__be16 port_be;
	size_t len;

	if (!end || port_parse(end + 1, &port_be))
		return -EINVAL;
	len = end - text;
	if (is_bracketed) {
		if (text[len - 1] != ']')
			return -EINVAL;
		text++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = 0;
	if (is_bracketed != !!strchr(host, ':') || sp_addr_parse(host, &addr))
		return -EINVAL;
	*ret_addr = addr;
	*ret_port_be = port_be;
	return 0;
}

char *sp_addr_format(const struct sp_addr *addr, char *buf)
{
	if (sp_addr_is_v4(addr))
		inet_ntop(AF_INET, &addr->w[3], buf, SP_ADDR_STRLEN);
	else
		inet_ntop(AF_INET6, addr, buf, SP_ADDR_STRLEN);
	return buf;
}

char *sp_endpoint_format(const struct sp_addr *addr, __be16 port_be, char *buf)
{
	char host[SP_ADDR_STRLEN];
	const char *form = sp_addr_is_v4(addr) ? "%s:%u" : "[%s]:%u";

	sp_addr_format(addr, host);
	snprintf(buf, SP_ENDPOINT_STRLEN, form, host, ntohs(port_be));
	return buf;
}

char *sp_tuple_format(const struct sp_tuple *tuple, char *buf)
{
	char from[SP_ENDPOINT_STRLEN], to[SP_ENDPOINT_STRLEN];

	sp_endpoint_format(&tuple->saddr, tuple->sport, from);
	sp_endpoint_format(&tuple->daddr, tuple->dport, to);
	snprintf(buf, SP_TUPLE_STRLEN, "%s > %s", from, to);
	return buf;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * proxy_header.h - header of the PROXY protocol, versions 1 and 2: a connection's addresses before
 * its first byte. No I/O, no heap.
 */
#ifndef SP_L7_PROXY_HEADER_H
#define SP_L7_PROXY_HEADER_H

#include "base/endpoint.h"
#include "l7/head.h"

enum sp_proxy_protocol { SP_PROXY_PROTOCOL_NONE, SP_PROXY_PROTOCOL_V1, SP_PROXY_PROTOCOL_V2 };

#define SP_PROXY_V1_MAX		107	/* of a line, CRLF included */
#define SP_PROXY_V2_MAX		536	/* with extensions (TLVs), all skipped */
#define SP_PROXY_WRITE_MAX	104	/* of sp_proxy_header_write() */

/**
 * struct sp_proxy_header - a parsed header
 * @is_own:	the connection's own addresses count (LOCAL, UNKNOWN, UNSPEC, any protocol but
 *		TCP): @client and @service are zero
 * @client:	source; the port may be 0
 * @service:	destination in the sender's eyes; the port may be 0. If IPv4 was written as IPv6,
 *		the family may differ from @client's
 * @len:	bytes of the header
 * @why:	for SP_PARSE_BAD: a short English reason (static)
 */
struct sp_proxy_header {
	int			is_own;
	struct sp_endpoint	client;
	struct sp_endpoint	service;
	size_t			len;
	const char		*why;
};

/**
 * sp_proxy_header_parse() - parse the header at the start of @buf
 *
 * The header must be there: no bytes of another protocol are SP_PARSE_OK. Bytes behind the header
 * are not read. @ret is complete only for SP_PARSE_OK.
 */
enum sp_parse_verdict sp_proxy_header_parse(const char *buf, size_t len,
					    struct sp_proxy_header *ret);

/**
 * sp_proxy_header_write() - write the header of a TCP connection
 * @version:	not SP_PROXY_PROTOCOL_NONE
 * @client, @service: both ends. If a single end is IPv4, both are written as IPv6
 * @buf:	SP_PROXY_WRITE_MAX bytes; no NUL behind
 *
 * Return: bytes written.
 */
size_t sp_proxy_header_write(enum sp_proxy_protocol version, const struct sp_endpoint *client,
			     const struct sp_endpoint *service, char *buf);

#endif

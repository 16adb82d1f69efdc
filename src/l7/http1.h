/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* http1.h - strict parser of an HTTP/1.0 or 1.1 request head (RFC 9112). */
#ifndef SP_L7_HTTP1_H
#define SP_L7_HTTP1_H

#include "l7/framing.h"
#include "l7/head.h"

#define SP_HTTP1_HEADERS_MAX 128

struct sp_http1_header {
	struct sp_str	name;	/* as sent; compare without case */
	struct sp_str	value;	/* without surrounding blanks */
};

/**
 * struct sp_http1 - a parsed request head; all strings borrow from the input
 * @method:	token, case as sent
 * @target:	request-target as sent
 * @path:	path part of @target, with neither query nor authority; "*" and authority form
 *		have @path.p == NULL; of length 0 when an absolute form has none, which means "/"
 * @host:	lower case is not forced; without port; from Host, or from the absolute form
 *		(which must agree with Host). An IPv6 literal keeps its brackets. Absent (p ==
 *		NULL) only in HTTP/1.0.
 * @minor:	0 or 1
 * @head_len:	bytes of the head, the empty line included
 * @framing:	where the request ends
 * @why:	for SP_PARSE_BAD: a short English reason (static)
 */
struct sp_http1 {
	struct sp_str		method;
	struct sp_str		target;
	struct sp_str		path;
	struct sp_str		host;
	int			minor;
	size_t			head_len;
	struct sp_http1_framing	framing;
	size_t			header_count;
	struct sp_http1_header	headers[SP_HTTP1_HEADERS_MAX];
	const char		*why;
};

/**
 * sp_http1_parse() - parse the head at the start of @buf
 *
 * Refuses requests that servers are known to read differently (request smuggling): see http1.c.
 * Bytes behind the empty line are not read. @ret is complete only for SP_PARSE_OK.
 */
enum sp_parse_verdict sp_http1_parse(const char *buf, size_t len, struct sp_http1 *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* http1_response.h - parser of an HTTP/1 response head, for the end of the response. */
#ifndef SP_L7_HTTP1_RESPONSE_H
#define SP_L7_HTTP1_RESPONSE_H

#include "l7/framing.h"
#include "l7/head.h"

#define SP_HTTP1_RESPONSE_HEAD_MAX 65536

/* Of the request that the response answers: see struct sp_http1_framing */
struct sp_http1_request_kind {
	bool	is_head;
	bool	is_connect;
};

/**
 * struct sp_http1_response - a parsed response head
 * @status:	100 to 999. Below 200 and not 101: another head follows, for the same request
 * @minor:	0 or 1
 * @head_len:	bytes of the head, the empty line included
 * @etag:	a strong entity tag with quotes (RFC 9110, 8.8.3); empty: missing, weak, or several
 * @coding, @range: Content-Encoding, Content-Range; empty: missing
 * @framing:	where the response ends. Behind 101, and behind 2xx to CONNECT, both directions
 *		have another protocol, and no end
 * @why:	for SP_PARSE_BAD: a short English reason (static)
 */
struct sp_http1_response {
	int			status;
	int			minor;
	size_t			head_len;
	struct sp_str		etag;
	struct sp_str		coding;
	struct sp_str		range;
	struct sp_http1_framing	framing;
	const char		*why;
};

/**
 * sp_http1_response_parse() - parse the head at the start of @buf
 * @of:	the request (borrowed)
 *
 * OK promises that all clients which go on with their connection behind this response find the
 * same end: see http1_response.c. BAD: this end is not known. Bytes behind the empty line are not
 * read. @ret is complete only for SP_PARSE_OK.
 */
enum sp_parse_verdict sp_http1_response_parse(const char *buf, size_t len,
					      const struct sp_http1_request_kind *of,
					      struct sp_http1_response *ret);

#endif

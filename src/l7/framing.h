/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* framing.h - the end of an HTTP/1 message, and of its connection (RFC 9112, 6 and 9). */
#ifndef SP_L7_FRAMING_H
#define SP_L7_FRAMING_H

#include <stdbool.h>
#include <stdint.h>

enum sp_http1_body {
	SP_HTTP1_BODY_NONE,	/* the message ends with its head */
	SP_HTTP1_BODY_LENGTH,
	SP_HTTP1_BODY_CHUNKED,	/* see l7/http1_chunk.h */
	SP_HTTP1_BODY_CLOSE,	/* of a response: up to the end of the connection */
};

/**
 * struct sp_http1_framing - filled from a head
 * @length:		bytes of a body of SP_HTTP1_BODY_LENGTH, never 0; else 0
 * @is_persistent:	the sender of the head goes on after this message (RFC 9112, 9.3)
 * @is_upgrade:		of a request: Upgrade with `Connection: upgrade` in HTTP/1.1; of a response:
 *			status 101
 * @expects_continue:	of a request in HTTP/1.1 with a body: `Expect: 100-continue`
 * @is_head:		of a request: the method HEAD
 * @is_connect:		of a request: the method CONNECT
 */
struct sp_http1_framing {
	enum sp_http1_body	body;
	uint64_t		length;
	bool			is_persistent;
	bool			is_upgrade;
	bool			expects_continue;
	bool			is_head;
	bool			is_connect;
};

#endif

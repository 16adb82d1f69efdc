/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * access_line.h - the text of a line in the access log. Text of the network is escaped and bounded.
 * No I/O.
 */
#ifndef SP_NODE_ACCESS_LINE_H
#define SP_NODE_ACCESS_LINE_H

#include "config/config.h"
#include "l7/http1.h"
#include "l7/tls_hello.h"

#define SP_ACCESS_LINE_MAX	16384
#define SP_ACCESS_UNKNOWN	UINT64_MAX	/* of a time */

/*
 * struct sp_access_text - the part of a line that a head says, escaped for a format. Several
 * owners: sp_access_text_get(), sp_access_text_put().
 */
struct sp_access_text {
	unsigned int	refs;
	unsigned int	request_len, rest_len;
	char		bytes[];
};

/* Return: a text with one owner; NULL: no memory. */
struct sp_access_text *sp_access_text_http(enum sp_access_format format,
					   const struct sp_http1 *head);
struct sp_access_text *sp_access_text_tls(const struct sp_tls_hello *hello);

static inline struct sp_access_text *sp_access_text_get(struct sp_access_text *text)
{
	if (text)
		text->refs++;
	return text;
}

void sp_access_text_put(struct sp_access_text *text);

/**
 * struct sp_access_line - what a line says
 * @event:	exchange, connection or reply
 * @text:	NULL: no head is known
 * @begun_ms:	CLOCK_REALTIME
 * @pool, @mode, @end: NULL: none
 * @backend:	port 0: none
 * @status:	0: not known
 * @connect_us, @first_us, @last_us: since the beginning, or SP_ACCESS_UNKNOWN
 * @exchange:	number in its connection, or of all; 0: none
 */
struct sp_access_line {
	enum sp_access_format		format;
	const char			*event;
	const char			*service;
	const struct sp_access_text	*text;
	__u64				begun_ms;
	struct sp_endpoint		client, backend;
	const char			*pool, *mode, *end;
	int				status;
	__u64				bytes_in, bytes_out;
	__u64				connect_us, first_us, last_us;
	__u32				exchange;
};

/* Return: the length, with a line feed at the end. */
size_t sp_access_line_format(const struct sp_access_line *line, char buf[SP_ACCESS_LINE_MAX]);

#endif

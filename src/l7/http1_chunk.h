/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* http1_chunk.h - strict parser of the lines between the chunks of a body (RFC 9112, 7.1). */
#ifndef SP_L7_HTTP1_CHUNK_H
#define SP_L7_HTTP1_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "l7/head.h"

#define SP_HTTP1_CHUNK_EXTENSIONS_MAX	4096	/* bytes, of one size line */
#define SP_HTTP1_TRAILERS_MAX		16384	/* bytes, the empty line included */
/* No input of this length is SP_PARSE_INCOMPLETE. */
#define SP_HTTP1_CHUNK_HEAD_MAX \
	(2 + 16 + SP_HTTP1_CHUNK_EXTENSIONS_MAX + 2 + SP_HTTP1_TRAILERS_MAX)

/**
 * struct sp_http1_chunk - a parsed chunk; no byte of its data is read
 * @head_len:	bytes up to the data: the size line, and the CRLF of the chunk before; of the last
 *		chunk up to the end of the body
 * @data_len:	bytes of data without their CRLF; below 2^63; 0 in the last chunk
 * @is_last:	the body ends at @head_len
 * @why:	for SP_PARSE_BAD: a short English reason (static)
 */
struct sp_http1_chunk {
	size_t		head_len;
	uint64_t	data_len;
	bool		is_last;
	const char	*why;
};

/**
 * sp_http1_chunk_parse() - parse a chunk's lines at the start of @buf
 * @is_after_data:	@buf begins behind the data of a chunk, thus with the CRLF of this chunk;
 *			false: behind the head of the message
 *
 * Refuses lines that servers are known to read differently: see http1_chunk.c. @ret is complete
 * only for SP_PARSE_OK.
 */
enum sp_parse_verdict sp_http1_chunk_parse(const char *buf, size_t len, bool is_after_data,
					   struct sp_http1_chunk *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* reading.h - the boundary of a response moves over the bytes of heads and size lines */
#ifndef SP_PROXY_READING_H
#define SP_PROXY_READING_H

#include <stddef.h>

#include "abi/half.h"
#include "l7/head.h"

/**
 * struct sp_reading
 * @boundary:	of the half from the backend
 * @status:	of the last head read, 0: none was
 * @is_tunnel:	the connection has become a tunnel
 */
struct sp_reading {
	struct sp_boundary	boundary;
	int			is_tunnel;
	int			status;
};

/* A head or a size line is awaited at the boundary. */
int sp_reading_is_open(const struct sp_boundary *b);
/* Nothing may follow the boundary. */
int sp_reading_is_stop(const struct sp_boundary *b);

/**
 * sp_reading_go() - read all heads and size lines that begin in the bytes
 * @bytes:	of the stream from @at on
 *
 * Return: SP_PARSE_OK: the boundary is behind the bytes, or at the end of the response.
 * INCOMPLETE: a line begins at the boundary. BAD: the end can't be found.
 */
enum sp_parse_verdict sp_reading_go(struct sp_reading *r, const char *bytes, __u32 at, size_t len);

#endif

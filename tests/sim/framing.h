/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* framing.h - where a response ends, as a client reads the bytes (RFC 9112, 6). */
#ifndef SP_SIM_FRAMING_H
#define SP_SIM_FRAMING_H

#include "abi/ktypes.h"

enum sim_framing_state {
	SIM_FRAMING_STATUS, SIM_FRAMING_FIELDS, SIM_FRAMING_LENGTH, SIM_FRAMING_CHUNK_SIZE,
	SIM_FRAMING_CHUNK, SIM_FRAMING_CHUNK_END, SIM_FRAMING_TRAILERS, SIM_FRAMING_UNTIL_END,
	SIM_FRAMING_COMPLETE, SIM_FRAMING_BROKEN,
};

/**
 * struct sim_framing - reader of a response; zero but for @is_head and @is_upgrade at the beginning
 * @is_head:	the request was HEAD
 * @is_upgrade:	the request asked for a tunnel
 * @interims:	responses with status 1xx so far
 * @connection:	of the field X-Connection
 * @has_close:	the response says "Connection: close"
 */
struct sim_framing {
	enum sim_framing_state	state;
	int			is_head, is_upgrade, has_length, is_chunked, has_close;
	unsigned int		status, interims, line_len, connection;
	__u64			left;
	char			line[160];
};

/* Read @bytes up to the end of the response. Return: bytes that belong to the response. */
__u32 sim_framing_read(struct sim_framing *f, const char *bytes, __u32 len);
/* The connection has ended. Return: whether the response is complete. */
int sim_framing_end(struct sim_framing *f);

#endif

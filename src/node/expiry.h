/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * expiry.h - RST to both ends of a splice that this node ends. The wire counts unsent segments.
 */
#ifndef SP_NODE_EXPIRY_H
#define SP_NODE_EXPIRY_H

#include "splice/splice.h"
#include "tcp/wire.h"

/**
 * sp_expiry_tell() - reset both ends of a splice that may still be in use
 * @up, @down:	state of the halves; @up is NULL if the client's port has a newer splice: then only
 *		the backend is reset
 *
 * An end accepts an RST with exactly the next sequence number. For another number in the window the
 * end sends a challenge ACK (RFC 5961, 3.2), which the daemon answers like any segment without a
 * splice.
 */
void sp_expiry_tell(struct sp_wire *wire, const struct sp_splice *splice,
		    const struct sp_half_state *up, const struct sp_half_state *down);

#endif

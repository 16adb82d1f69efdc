/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* expiry.h - a splice is ended by us: both ends hear of it. */
#ifndef SP_NODE_EXPIRY_H
#define SP_NODE_EXPIRY_H

#include "splice/splice.h"
#include "tcp/wire.h"

/**
 * sp_expiry_tell() - RST to both ends of a splice that is forgotten while they may still use it
 * @up, @down:	what the halves have carried here; @up is NULL where the client's port has a newer splice, and then only
 *		the backend is told
 *
 * An end takes an RST of exactly the number that it expects next; of another one in its window it asks by an ACK
 * (RFC 5961, 3.2), which is answered like all that belongs to nobody.
 */
void sp_expiry_tell(struct sp_wire *wire, const struct sp_splice *splice, const struct sp_half_state *up,
		    const struct sp_half_state *down);

#endif

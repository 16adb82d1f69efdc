/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * change.h - a stretch of the client's stream that is other bytes at the backend: a head with other
 * headers, or with a header of the PROXY protocol before. Layout is ABI.
 */
#ifndef SP_ABI_CHANGE_H
#define SP_ABI_CHANGE_H

#include "ktypes.h"

/**
 * struct sp_change - the last changed stretch of a splice, the same in both halves
 * @from:	first sequence number behind, as the client counts (host order)
 * @bytes:	of the client; 0: no change
 * @becomes:	of the backend, in their place
 *
 * The deltas of both halves count the difference. Data of the client that begins before @from are
 * not carried but go to the daemon, which makes the bytes again. An acknowledgement of a part of
 * them acknowledges nothing to the client, so the client retransmits all of them (law 7).
 */
struct sp_change {
	__u32	from;
	__u16	bytes;
	__u16	becomes;
};
_Static_assert(sizeof(struct sp_change) == 8, "struct sp_change is ABI");

#define SP_CHANGE_BYTES_MAX	65535
/* Numbers this far behind: sequence numbers can't tell more than 2 GiB apart. */
#define SP_CHANGE_PAST		(1U << 30)

sp_inline __u32 sp_change_start(const struct sp_change *c)
{
	return c->from - c->bytes;
}

/* What the stretch adds to sequence numbers behind, modulo 2^32. */
sp_inline __u32 sp_change_grows(const struct sp_change *c)
{
	return (__u32)c->becomes - c->bytes;
}

sp_inline int sp_change_is_before(const struct sp_change *c, __u32 seq)
{
	return c->bytes && (__s32)(seq - c->from) < 0;
}

sp_inline int sp_change_is_past(const struct sp_change *c, __u32 seq)
{
	return (__s32)(seq - c->from) >= (__s32)SP_CHANGE_PAST;
}

/* The acknowledgement for the client. @ack: of the backend, translated by its half. */
sp_inline __u32 sp_change_ack(const struct sp_change *c, __u32 ack)
{
	__u32 start = sp_change_start(c), before = ack + sp_change_grows(c);

	if (!sp_change_is_before(c, ack))
		return ack;
	return (__s32)(before - start) < 0 ? before : start;
}

/* The same for an edge of a SACK block: a block in the stretch becomes empty, and is void. */
sp_inline __u32 sp_change_edge(const struct sp_change *c, __u32 edge)
{
	return sp_change_is_before(c, edge) ? c->from : edge;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * access.h - messages of the datapath for the access log, through the ring sp_exchanges. Layout is
 * ABI.
 */
#ifndef SP_ABI_ACCESS_H
#define SP_ABI_ACCESS_H

#include "tuple.h"

/*
 * REQUEST	a request that was read before was carried
 * RESPONSE	a packet with the head of a response, or with its last byte
 * END		FIN or RST
 */
enum sp_access_kind { SP_ACCESS_REQUEST, SP_ACCESS_RESPONSE, SP_ACCESS_END };

enum {
	SP_ACCESS_F_HEAD	 = 1 << 0, /* of RESPONSE: a head begins in the packet */
	SP_ACCESS_F_COMPLETE	 = 1 << 1, /* of RESPONSE: the response ends with the packet */
	SP_ACCESS_F_FROM_BACKEND = 1 << 2,
	SP_ACCESS_F_RST		 = 1 << 3,
};

#define SP_ACCESS_HEAD_BYTES	16

/**
 * struct sp_access_event - a record of the ring, of a half with @is_logged
 * @front:	of REQUEST and of an END from the client: client -> service; else the reverse
 * @kind:	enum sp_access_kind
 * @ns:		CLOCK_MONOTONIC
 * @digest:	of REQUEST: key of its decision
 * @at:		of RESPONSE: sequence number behind the packet, as the client sees it (host order)
 * @bytes:	payload of the packet
 * @flags:	SP_ACCESS_F_*
 * @head:	of a RESPONSE with HEAD: first bytes of the head, zeros behind
 */
struct sp_access_event {
	struct sp_tuple	front;
	__u32		kind;
	__u64		ns;
	__u64		digest;
	__u32		at;
	__u32		bytes;
	__u32		flags;
	__u32		pad;
	__u8		head[SP_ACCESS_HEAD_BYTES];
};
_Static_assert(sizeof(struct sp_access_event) == 88, "struct sp_access_event is ABI");

#endif

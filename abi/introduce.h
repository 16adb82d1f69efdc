/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * introduce.h - message INTRODUCE: a splice, for the datapath of the backend's agent. Layout is
 * ABI.
 */
#ifndef SP_ABI_INTRODUCE_H
#define SP_ABI_INTRODUCE_H

#include "half.h"

/*
 * The largest difference between the time of an introduction and this clock. A later introduction
 * is refused, since a closed splice must not return. An agent keeps a closed splice for longer
 * (src/node/age.c).
 */
#define SP_INTRODUCE_FRESH_S	5

#define SP_INTRODUCE_FORMAT	2	/* of the seal */
#define SP_INTRODUCE_KIND	4
#define SP_INTRODUCE_VERSION	3
#define SP_INTRODUCE_BYTES	144	/* of the text that is sealed */
#define SP_INTRODUCE_TOGETHER	8	/* at most, back to back in a datagram */

/**
 * struct sp_introduce - a datagram, or a part of one, see src/cluster/message.h; numbers are big
 * endian
 * @seal_magic, @seal_format, @key_id: head of the seal (src/base/seal.h)
 * @magic, @version, @kind: of the message
 * @from, @started_ns, @seq: of the sender; no datapath reads them
 * @front:	client -> service
 * @back:	proxy -> backend, which is @out of the half up
 * @client_isn:	tells the splice from another connection on the same tuple
 * @spliced_s:	CLOCK_REALTIME seconds of the commit
 * @refreshed_s:	as in struct sp_meta
 * @seq_delta, @ack_delta, @tsval_delta, @tsecr_delta, @pool_id, @half_version, @up_shift: of the
 *		half up
 * @down_shift:	of the half down, whose other fields follow from the half up: sp_half_turn()
 * @flags:	of both; SP_HALF_F_SPLIT must be set: an agent carries no splice without
 * @mss:	of the half up. Older agents accept only 0
 * @zero, @zero2: 0
 * @mac:	SipHash over all fields before, see struct sp_introduce_text
 *
 * The size is fixed, and a multiple of 64 bits, so that a datapath can check the seal.
 */
struct sp_introduce {
	__u8		seal_magic, seal_format;
	__be16		key_id;
	__u8		magic, version, kind, zero;
	__be64		from, started_ns, seq;
	struct sp_tuple	front;
	struct sp_tuple	back;
	__be32		client_isn;
	__be32		spliced_s;
	__be32		refreshed_s;
	__be32		seq_delta, ack_delta, tsval_delta, tsecr_delta;
	__be32		pool_id;
	__be16		half_version;
	__s8		up_shift, down_shift;
	__u8		flags;
	__u8		zero2;
	__be16		mss;
	__be64		mac;
};
_Static_assert(sizeof(struct sp_introduce) == SP_INTRODUCE_BYTES + 8, "struct sp_introduce is ABI");

/**
 * struct sp_introduce_text - input of the MAC, laid out as by compute_mac() of src/base/seal.c
 * @lengths:	bytes of @where in the upper half, of @text in the lower half
 * @where:	"sp relay"
 * @text:	the message
 */
struct sp_introduce_text {
	__u64			lengths;
	__u64			where;
	struct sp_introduce	text;
};
#define SP_INTRODUCE_WORDS	((16 + SP_INTRODUCE_BYTES) / 8)
#define SP_INTRODUCE_LENGTHS	(8ULL << 32 | SP_INTRODUCE_BYTES)
/* "sp relay" in little-endian words, as SipHash takes them */
#define SP_INTRODUCE_WHERE	0x79616c6572207073ULL

#endif

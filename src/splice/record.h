/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* record.h - a splice as the store has it: keys and bytes. */
#ifndef SP_SPLICE_RECORD_H
#define SP_SPLICE_RECORD_H

#include "base/seal.h"
#include "splice/splice.h"

/*
 * A tuple is packed in 12 bytes where both addresses are IPv4, else in 36:
 * addresses, then ports, source first, as on the wire.
 */
#define SP_PACKED_MAX	36
size_t sp_tuple_pack(const struct sp_tuple *tuple, __u8 *ret_bytes);
/* Return: 0; -EINVAL: neither length, or IPv4 in 36 bytes. */
int sp_tuple_unpack(const void *bytes, size_t len, struct sp_tuple *ret_tuple);

/*
 * Keys of a store: a letter, and a packed tuple, or its hash (64 bits).
 *
 *	"f" client -> service	the record, behind one byte of the store's own
 *	"d" backend -> proxy	by hash: a pointer, the packed tuple client -> service. Of two
 *	tuples
 *				with the same hash, which is next to never, the later has the key
 *	"h" client -> service	a head that was acknowledged before its splice: a hash of its chunks
 *				(store/chunk.h), and its proxy under "c"
 *	"o" name of a proxy	the packed tuples of heads that the proxy has to deliver: a sorted
 *				set, by expiry
 *
 * And "m": a marker, whose absence shows that a server was emptied (store/redis/conn.c).
 */
#define SP_KEY_MAX	(1 + SP_PACKED_MAX)
enum sp_key_kind { SP_KEY_FRONT = 'f', SP_KEY_DOWN = 'd', SP_KEY_HEAD = 'h', SP_KEY_OWNER = 'o' };

struct sp_key {
	__u8	len;
	__u8	bytes[SP_KEY_MAX];
};
struct sp_key sp_key_make(enum sp_key_kind kind, const struct sp_tuple *tuple);

/*
 * The record, big endian, sealed under the front key (seal.h):
 *
 *	 4  client's ISN	 8  spliced_s		12  version
 *	13  from the highest bit: 6 for SP_HALF_F_SHARED, 5 each for the window shifts, up and down
 *	15  pool_id		17  four deltas of the half up	33  packed tuple proxy -> backend
 *	behind	2 bytes: mss of the half up, unless 0. Older programs refuse such a record
 *	behind	8 bytes, with SP_HALF_F_REQUESTS, if there is a change: from, bytes, becomes
 *	behind	8 bytes, as the highest bit of the last byte says: of the response laps, until, enum
 *		sp_bound, SP_READING_*. Older programs refuse such a record
 *	behind	18 bytes, as a bit of the last byte says: address and port of the client as named
 *	behind	with SP_HALF_F_REQUESTS 15 bytes, which older programs refuse, too. From the end:
 *	-15  version		-11  mss of the client	-9  wscale ours		-8  wscale theirs
 *	-7  the boundary: laps	-5  until; both 0 of a tunnel
 *	-1  3 lowest bits: SP_HANDSHAKE_*; 8: the client is named; 16 and up: enum sp_bound; 128: a
 *	    response is described
 *
 * The half down follows from the half up: deltas swap directions and change sign. Scripts of the
 * store read records, too: store/redis/scripts/record.lua.
 */
#define SP_RECORD_TAIL_BYTES	15
#define SP_RECORD_CHANGE_BYTES	8
#define SP_RECORD_NAME_BYTES	18
#define SP_RECORD_RESPONSE_BYTES 8
#define SP_RECORD_MAX \
	(SP_SEAL_HEAD_BYTES + 29 + SP_PACKED_MAX + 2 + SP_RECORD_CHANGE_BYTES + \
	 SP_RECORD_RESPONSE_BYTES + SP_RECORD_NAME_BYTES + SP_RECORD_TAIL_BYTES + \
	 SP_SEAL_TAIL_BYTES)

struct sp_record {
	__u8	len;
	__u8	bytes[SP_RECORD_MAX];
};
struct sp_record sp_record_make(const struct sp_seal *seal, const struct sp_splice *splice);

/**
 * sp_record_read() - the splice of a record, unless it is refused
 * @front:	the tuple under whose key it lay
 * @ret_splice: only when SP_SEAL_OK is returned
 */
enum sp_seal_refusal sp_record_read(const struct sp_seal *seal, const struct sp_tuple *front,
				    const void *bytes, size_t len, struct sp_splice *ret_splice);

/* The same of a record that was read before, or made here: its key may be gone by now. */
enum sp_seal_refusal sp_record_parse(const struct sp_tuple *front, const void *bytes, size_t len,
				     struct sp_splice *ret_splice);

/* Whether two records say the same, whichever of the cluster's keys sealed them. */
int sp_record_is_same(const struct sp_record *a, const struct sp_record *b);
/*
 * The same, but for boundary and response, which move on within a version and may give way to a
 * tunnel, and for the client's name, which a proxy may have lost.
 */
int sp_record_is_same_leg(const struct sp_record *a, const struct sp_record *b);

/* The version of a splice, rising; 0 without SP_HALF_F_REQUESTS. @record: made here, or read. */
__u32 sp_record_version(const struct sp_record *record);
/* Whether no later version can follow: without SP_HALF_F_REQUESTS, and of a tunnel. */
int sp_record_is_final(const struct sp_record *record);

#endif

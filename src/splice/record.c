// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "splice/record.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/hash.h"

#define PACKED_V4	12
#define PACKED_V6	36
#define OUT_AT		33
#define FRAME_BYTES	(OUT_AT + SP_SEAL_TAIL_BYTES)
#define MSS_BYTES	2
#define FLAGS_AT	3	/* SP_HALF_F_SHARED */
#define FLAGS_MASK	63
#define TAIL_BYTES	SP_RECORD_TAIL_BYTES
#define CHANGE_BYTES	SP_RECORD_CHANGE_BYTES
#define NAME_BYTES	SP_RECORD_NAME_BYTES
#define RESPONSE_BYTES	SP_RECORD_RESPONSE_BYTES
#define IS_NAMED	8	/* beside HANDSHAKE_FLAGS */
#define HAS_RESPONSE	128	/* beside the bound */
#define BOUNDARY_BYTES	7	/* last of the tail: laps, until, flags */
#define SHIFTS_AT	13
#define BOUND_AT	4	/* bits of the flags */
#define BOUND_MASK	7
#define WSCALE_MAX	14
#define HANDSHAKE_FLAGS	(SP_HANDSHAKE_TS | SP_HANDSHAKE_SACK | SP_HANDSHAKE_ECN)

static int is_v4(const struct sp_tuple *t)
{
	return sp_addr_is_v4(&t->saddr) && sp_addr_is_v4(&t->daddr);
}

size_t sp_tuple_pack(const struct sp_tuple *tuple, __u8 *ret_bytes)
{
	_Static_assert(sizeof(*tuple) == PACKED_V6, "a tuple has no padding");
	if (!is_v4(tuple)) {
		memcpy(ret_bytes, tuple, PACKED_V6);
		return PACKED_V6;
	}
	memcpy(ret_bytes, &tuple->saddr.w[3], 4);
	memcpy(ret_bytes + 4, &tuple->daddr.w[3], 4);
	memcpy(ret_bytes + 8, &tuple->sport, 4);
	return PACKED_V4;
}

int sp_tuple_unpack(const void *bytes, size_t len, struct sp_tuple *ret_tuple)
{
	const __u8 *b = bytes;
	struct sp_tuple t;
	__be32 addrs[2];

	if (len == PACKED_V4) {
		memcpy(addrs, b, 8);
		t.saddr = sp_addr_v4(addrs[0]);
		t.daddr = sp_addr_v4(addrs[1]);
		memcpy(&t.sport, b + 8, 4);
	} else if (len == PACKED_V6) {
		memcpy(&t, b, PACKED_V6);
		if (is_v4(&t))
			return -EINVAL;
	} else {
		return -EINVAL;
	}
	*ret_tuple = t;
	return 0;
}

/* Known to all, and for good, as where splices lie (store/redis/place.c). */
static const __u64 down_key[2] = { 0x73706c6963656420, 0x706f696e74657273 };

struct sp_key sp_key_make(enum sp_key_kind kind, const struct sp_tuple *tuple)
{
	struct sp_key key = { .bytes = { kind } };
	__u64 hash;

	if (kind == SP_KEY_DOWN) {
		hash = htobe64(sp_siphash_bytes(down_key, tuple, sizeof(*tuple)));
		memcpy(key.bytes + 1, &hash, sizeof(hash));
		key.len = 1 + sizeof(hash);
	} else {
		key.len = 1 + sp_tuple_pack(tuple, key.bytes + 1);
	}
	return key;
}

static void put_be16(__u8 *to, __u16 value)
{
	to[0] = value >> 8;
	to[1] = value;
}

static void put_be32(__u8 *to, __u32 value)
{
	value = htonl(value);
	memcpy(to, &value, 4);
}

static __u16 get_be16(const __u8 *from)
{
	return from[0] << 8 | from[1];
}

static __u32 get_be32(const __u8 *from)
{
	__u32 value;

	memcpy(&value, from, 4);
	return ntohl(value);
}

static __u16 shifts_and_flags(const struct sp_splice *s)
{
	_Static_assert(!(SP_HALF_F_SHARED & ~(FLAGS_MASK << FLAGS_AT)), "they have their bits");
	return (s->up.flags & SP_HALF_F_SHARED) >> FLAGS_AT << 10 | (s->up.window_shift & 31) << 5 |
	       (s->down.window_shift & 31);
}

static __s8 decode_shift(unsigned int bits)
{
	return (bits & 15) - (bits & 16);
}

static __u8 decode_flags(const __u8 *b)
{
	return get_be16(b + SHIFTS_AT) >> 10 << FLAGS_AT & SP_HALF_F_SHARED;
}

static int has_tail(const struct sp_record *r)
{
	return r->len >= FRAME_BYTES + PACKED_V4 + TAIL_BYTES &&
	       decode_flags(r->bytes) & SP_HALF_F_REQUESTS;
}

static void put_change(__u8 *to, const struct sp_change *c)
{
	put_be32(to, c->from);
	put_be16(to + 4, c->bytes);
	put_be16(to + 6, c->becomes);
}

static struct sp_change read_change(const __u8 *b)
{
	return (struct sp_change){
		.from = get_be32(b), .bytes = get_be16(b + 4), .becomes = get_be16(b + 6),
	};
}

static void put_response(__u8 *to, const struct sp_boundary *b)
{
	put_be16(to, b->laps);
	put_be32(to + 2, b->until);
	to[6] = b->bound;
	to[7] = b->reading;
}

static struct sp_boundary read_response(const __u8 *b)
{
	return (struct sp_boundary){
		.laps = get_be16(b), .until = get_be32(b + 2), .bound = b[6], .reading = b[7],
	};
}

static void put_name(__u8 *to, const struct sp_endpoint *named)
{
	memcpy(to, &named->addr, 16);
	memcpy(to + 16, &named->port_be, 2);
}

static struct sp_endpoint read_name(const __u8 *b)
{
	struct sp_endpoint named = { 0 };

	memcpy(&named.addr, b, 16);
	memcpy(&named.port_be, b + 16, 2);
	return named;
}

/* A tunnel has none. */
static int has_response(const struct sp_splice *s)
{
	return s->boundary.bound != SP_BOUND_NONE && s->response.bound != SP_BOUND_NONE;
}

static void put_tail(__u8 *to, const struct sp_splice *s)
{
	put_be32(to, s->version);
	put_be16(to + 4, s->handshake.mss);
	to[6] = s->handshake.wscale_ours;
	to[7] = s->handshake.wscale_theirs;
	put_be16(to + 8, s->boundary.laps);
	put_be32(to + 10, s->boundary.until);
	to[14] = (s->handshake.flags & HANDSHAKE_FLAGS) | (sp_splice_is_named(s) ? IS_NAMED : 0) |
		 (has_response(s) ? HAS_RESPONSE : 0) | s->boundary.bound << BOUND_AT;
}

static int is_wscale(__s8 wscale)
{
	return wscale >= -1 && wscale <= WSCALE_MAX;
}

static int is_boundary(const struct sp_boundary *b)
{
	if (b->bound == SP_BOUND_NONE)
		return !b->until && !b->laps;
	return b->bound == SP_BOUND_STOP || b->bound == SP_BOUND_CHUNK ||
	       b->bound == SP_BOUND_CHUNK_END;
}

/* Return: whether the tail is one that a proxy writes. */
static int read_tail(const __u8 *b, struct sp_splice *s)
{
	s->version = get_be32(b);
	s->handshake = (struct sp_handshake){
		.mss = get_be16(b + 4), .wscale_ours = b[6], .wscale_theirs = b[7],
		.flags = b[14] & ((1 << BOUND_AT) - 1) & ~IS_NAMED,
	};
	s->boundary = (struct sp_boundary){
		.laps = get_be16(b + 8), .until = get_be32(b + 10),
		.bound = b[14] >> BOUND_AT & BOUND_MASK,
	};
	return is_wscale(b[6]) && is_wscale(b[7]) &&
	       !(s->handshake.flags & ~HANDSHAKE_FLAGS) && is_boundary(&s->boundary);
}

struct sp_record sp_record_make(const struct sp_seal *seal, const struct sp_splice *splice)
{
	struct sp_key key = sp_key_make(SP_KEY_FRONT, &splice->front);
	const struct sp_half *up = &splice->up;
	struct sp_record r = { 0 };

	put_be32(r.bytes + 4, splice->client_isn);
	put_be32(r.bytes + 8, up->spliced_s);
	r.bytes[12] = up->version;
	put_be16(r.bytes + SHIFTS_AT, shifts_and_flags(splice));
	put_be16(r.bytes + 15, up->pool_id);
	put_be32(r.bytes + 17, up->seq_delta);
	put_be32(r.bytes + 21, up->ack_delta);
	put_be32(r.bytes + 25, up->tsval_delta);
	put_be32(r.bytes + 29, up->tsecr_delta);
	r.len = OUT_AT + sp_tuple_pack(&up->out, r.bytes + OUT_AT);
	if (up->mss) {
		put_be16(r.bytes + r.len, up->mss);
		r.len += MSS_BYTES;
	}
	if (up->flags & SP_HALF_F_REQUESTS && splice->change.bytes) {
		put_change(r.bytes + r.len, &splice->change);
		r.len += CHANGE_BYTES;
	}
	if (up->flags & SP_HALF_F_REQUESTS && has_response(splice)) {
		put_response(r.bytes + r.len, &splice->response);
		r.len += RESPONSE_BYTES;
	}
	if (up->flags & SP_HALF_F_REQUESTS && sp_splice_is_named(splice)) {
		put_name(r.bytes + r.len, &splice->named);
		r.len += NAME_BYTES;
	}
	if (up->flags & SP_HALF_F_REQUESTS) {
		put_tail(r.bytes + r.len, splice);
		r.len += TAIL_BYTES;
	}
	r.len += SP_SEAL_TAIL_BYTES;
	sp_seal_close(seal, key.bytes, key.len, r.bytes, r.len);
	return r;
}

static struct sp_half read_up(const __u8 *b)
{
	return (struct sp_half){
		.spliced_s = get_be32(b + 8), .version = b[12], .pool_id = get_be16(b + 15),
		.flags = decode_flags(b),
		.window_shift = decode_shift(get_be16(b + SHIFTS_AT) >> 5),
		.seq_delta = get_be32(b + 17), .ack_delta = get_be32(b + 21),
		.tsval_delta = get_be32(b + 25), .tsecr_delta = get_be32(b + 29),
	};
}

/* Return: bytes of the tuple behind OUT_AT, where @len are behind; 0: there is none. */
static size_t packed_bytes(size_t len)
{
	if (len == PACKED_V4 || len == PACKED_V4 + MSS_BYTES)
		return PACKED_V4;
	return len == PACKED_V6 || len == PACKED_V6 + MSS_BYTES ? PACKED_V6 : 0;
}

enum sp_seal_refusal sp_record_parse(const struct sp_tuple *front, const void *bytes, size_t len,
				     struct sp_splice *ret_splice)
{
	size_t behind = len < FRAME_BYTES ? 0 : len - FRAME_BYTES, packed, change = 0, name = 0;
	size_t response = 0;
	__s8 shift_down;
	struct sp_splice s = { .front = *front };
	const __u8 *b = bytes;

	if (len >= FRAME_BYTES && decode_flags(b) & SP_HALF_F_REQUESTS) {
		behind = behind < TAIL_BYTES ? 0 : behind - TAIL_BYTES;
		name = b[len - SP_SEAL_TAIL_BYTES - 1] & IS_NAMED ? NAME_BYTES : 0;
		response = b[len - SP_SEAL_TAIL_BYTES - 1] & HAS_RESPONSE ? RESPONSE_BYTES : 0;
		behind = behind < name + response ? 0 : behind - name - response;
		change = behind > CHANGE_BYTES && packed_bytes(behind - CHANGE_BYTES) ?
			 CHANGE_BYTES : 0;
		behind -= change;
	}
	packed = packed_bytes(behind);
	if (!packed)
		return SP_SEAL_LENGTH;
	s.client_isn = get_be32(b + 4);
	s.up = read_up(b);
	shift_down = decode_shift(get_be16(b + SHIFTS_AT));
	if (behind != packed)
		s.up.mss = get_be16(b + OUT_AT + packed);
	if (behind != packed && !s.up.mss)
		return SP_SEAL_LENGTH;	/* what is not there has no bytes */
	if (sp_tuple_unpack(b + OUT_AT, packed, &s.up.out))
		return SP_SEAL_LENGTH;
	if (change)
		s.change = read_change(b + OUT_AT + behind);
	if (change && !s.change.bytes)
		return SP_SEAL_LENGTH;
	b += OUT_AT + behind + change;
	if (s.up.flags & SP_HALF_F_REQUESTS && !read_tail(b + response + name, &s))
		return SP_SEAL_LENGTH;
	if (response)
		s.response = read_response(b);
	if (response && (!s.boundary.bound || !s.response.bound ||
			 !sp_response_is_stored(&s.response)))
		return SP_SEAL_LENGTH;
	if (name)
		s.named = read_name(b + response);
	if (name && !sp_splice_is_named(&s))
		return SP_SEAL_LENGTH;
	s.down = sp_half_turn(&s.up, front, shift_down);
	*ret_splice = s;
	return SP_SEAL_OK;
}

enum sp_seal_refusal sp_record_read(const struct sp_seal *seal, const struct sp_tuple *front,
				    const void *bytes, size_t len, struct sp_splice *ret_splice)
{
	struct sp_key key = sp_key_make(SP_KEY_FRONT, front);
	enum sp_seal_refusal refusal = sp_seal_open(seal, key.bytes, key.len, bytes, len);

	return refusal == SP_SEAL_OK ? sp_record_parse(front, bytes, len, ret_splice) : refusal;
}

int sp_record_is_same(const struct sp_record *a, const struct sp_record *b)
{
	const size_t frame = SP_SEAL_HEAD_BYTES + SP_SEAL_TAIL_BYTES;

	return a->len == b->len && a->len > frame &&
	       !memcmp(a->bytes + SP_SEAL_HEAD_BYTES, b->bytes + SP_SEAL_HEAD_BYTES,
		       a->len - frame);
}

static const __u8 *tail_of(const struct sp_record *r)
{
	return r->bytes + r->len - SP_SEAL_TAIL_BYTES - TAIL_BYTES;
}

/* Bytes before tail, name and response. */
static size_t bytes_before(const struct sp_record *r)
{
	const __u8 *tail = tail_of(r);

	return tail - r->bytes - (tail[TAIL_BYTES - 1] & IS_NAMED ? NAME_BYTES : 0) -
	       (tail[TAIL_BYTES - 1] & HAS_RESPONSE ? RESPONSE_BYTES : 0);
}

int sp_record_is_same_leg(const struct sp_record *a, const struct sp_record *b)
{
	if (!has_tail(a) || !has_tail(b))
		return sp_record_is_same(a, b);
	return bytes_before(a) == bytes_before(b) &&
	       !memcmp(a->bytes + SP_SEAL_HEAD_BYTES, b->bytes + SP_SEAL_HEAD_BYTES,
		       bytes_before(a) - SP_SEAL_HEAD_BYTES) &&
	       !memcmp(tail_of(a), tail_of(b), TAIL_BYTES - BOUNDARY_BYTES);
}

__u32 sp_record_version(const struct sp_record *r)
{
	return has_tail(r) ? get_be32(r->bytes + r->len - SP_SEAL_TAIL_BYTES - TAIL_BYTES) : 0;
}

int sp_record_is_final(const struct sp_record *r)
{
	return !has_tail(r) ||
	       r->bytes[r->len - SP_SEAL_TAIL_BYTES - 1] >> BOUND_AT == SP_BOUND_NONE;
}

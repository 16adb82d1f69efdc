// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define PACKED_V4	12
#define PACKED_V6	36
#define OUT_AT		36
#define FRAME_BYTES	(OUT_AT + SP_SEAL_TAIL_BYTES)

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

struct sp_key sp_key_make(enum sp_key_kind kind, const struct sp_tuple *tuple)
{
	struct sp_key key = { .bytes = { 's', kind } };

	key.len = 2 + sp_tuple_pack(tuple, key.bytes + 2);
	return key;
}

static void put16(__u8 *to, __u16 value)
{
	to[0] = value >> 8;
	to[1] = value;
}

static void put32(__u8 *to, __u32 value)
{
	value = htonl(value);
	memcpy(to, &value, 4);
}

static __u16 get16(const __u8 *from)
{
	return from[0] << 8 | from[1];
}

static __u32 get32(const __u8 *from)
{
	__u32 value;

	memcpy(&value, from, 4);
	return ntohl(value);
}

struct sp_record sp_record_make(const struct sp_seal *seal, const struct sp_splice *splice)
{
	struct sp_key key = sp_key_make(SP_KEY_FRONT, &splice->front);
	const struct sp_half *up = &splice->up;
	struct sp_record r = { 0 };

	put32(r.bytes + 4, splice->client_isn);
	put32(r.bytes + 8, up->spliced_s);
	put16(r.bytes + 12, up->version);
	r.bytes[14] = up->window_shift;
	r.bytes[15] = splice->down.window_shift;
	put32(r.bytes + 16, up->pool_id);
	put32(r.bytes + 20, up->seq_delta);
	put32(r.bytes + 24, up->ack_delta);
	put32(r.bytes + 28, up->tsval_delta);
	put32(r.bytes + 32, up->tsecr_delta);
	r.len = FRAME_BYTES + sp_tuple_pack(&up->out, r.bytes + OUT_AT);
	sp_seal_close(seal, key.bytes, key.len, r.bytes, r.len);
	return r;
}

static struct sp_half read_up(const __u8 *b)
{
	return (struct sp_half){
		.spliced_s = get32(b + 8), .version = get16(b + 12), .window_shift = b[14], .pool_id = get32(b + 16),
		.seq_delta = get32(b + 20), .ack_delta = get32(b + 24),
		.tsval_delta = get32(b + 28), .tsecr_delta = get32(b + 32),
	};
}

enum sp_seal_refusal sp_record_read(const struct sp_seal *seal, const struct sp_tuple *front,
				    const void *bytes, size_t len, struct sp_splice *ret_splice)
{
	struct sp_key key = sp_key_make(SP_KEY_FRONT, front);
	enum sp_seal_refusal refusal = sp_seal_open(seal, key.bytes, key.len, bytes, len);
	struct sp_splice s = { .front = *front };
	const __u8 *b = bytes;

	if (refusal != SP_SEAL_OK)
		return refusal;
	if (len != FRAME_BYTES + PACKED_V4 && len != FRAME_BYTES + PACKED_V6)
		return SP_SEAL_LENGTH;
	s.client_isn = get32(b + 4);
	s.up = read_up(b);
	if (sp_tuple_unpack(b + OUT_AT, len - FRAME_BYTES, &s.up.out))
		return SP_SEAL_LENGTH;
	s.down = sp_half_turn(&s.up, front, b[15]);
	*ret_splice = s;
	return SP_SEAL_OK;
}

int sp_record_is_same(const struct sp_record *a, const struct sp_record *b)
{
	const size_t frame = SP_SEAL_HEAD_BYTES + SP_SEAL_TAIL_BYTES;

	return a->len == b->len && a->len > frame &&
	       !memcmp(a->bytes + SP_SEAL_HEAD_BYTES, b->bytes + SP_SEAL_HEAD_BYTES, a->len - frame);
}

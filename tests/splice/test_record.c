/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_record.c - src/splice/record.c and seal.c: round trips of splices, and refused records */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/any.h"
#include "splice/record.c"
#include "base/seal.c"

static const __u64 cluster[2][2] = { { 0x0123456789abcdef, 0xfedcba9876543210 }, { 42, 43 } };
static struct sp_seal seal;

static void there_and_back(void **state)
{
	for (int i = 0; i < 1000; i++) {
		struct sp_splice out, in = i & 2 ? any_splice_of_requests(i & 1) :
			any_splice(i & 1);
		struct sp_record r = sp_record_make(&seal, &in);

		assert_int_equal(sp_record_read(&seal, &in.front, r.bytes, r.len, &out),
				 SP_SEAL_OK);
		assert_memory_equal(&in, &out, sizeof(in));
		assert_int_equal(sp_record_version(&r), in.version);
		assert_int_equal(sp_record_is_final(&r), !(i & 2) || !in.boundary.bound);
	}
}

/* A splice without SP_HALF_F_REQUESTS has no version: the record is what it was before versions. */
static void no_version_without_requests(void **state)
{
	struct sp_splice in = any_splice(0), plain = in;
	struct sp_record r;

	in.version = 7;
	in.boundary = (struct sp_boundary){ .until = 7, .bound = SP_BOUND_STOP };
	in.handshake.mss = 1460;
	in.boundary.bound = SP_BOUND_NONE;
	r = sp_record_make(&seal, &plain);
	assert_memory_equal(sp_record_make(&seal, &in).bytes, r.bytes, r.len);
	assert_int_equal(sp_record_version(&r), 0);
}

/* A backend of a different family than the client's survives, too. */
static void families_mixed(void **state)
{
	struct sp_splice in = any_splice(0), out;
	struct sp_record r;

	in.up.out = any_tuple(1);
	r = sp_record_make(&seal, &in);
	assert_int_equal(sp_record_read(&seal, &in.front, r.bytes, r.len, &out), SP_SEAL_OK);
	assert_memory_equal(&in, &out, sizeof(in));
}

static void sizes(void **state)
{
	struct sp_splice v4 = any_splice(0), v6 = any_splice(1);
	struct sp_key k4 = sp_key_make(SP_KEY_FRONT, &v4.front),
		k6 = sp_key_make(SP_KEY_FRONT, &v6.front);

	assert_int_equal(k4.len, 13);
	assert_int_equal(k6.len, 37);
	v4.up.mss = 0;
	v6.up.mss = 0;
	assert_int_equal(sp_record_make(&seal, &v4).len, 53);
	assert_int_equal(sp_record_make(&seal, &v6).len, 77);
	v4.up.mss = 1360;
	v6.up.mss = 1360;
	assert_int_equal(sp_record_make(&seal, &v4).len, 55);
	assert_int_equal(sp_record_make(&seal, &v6).len, 79);
	v4.up.flags |= SP_HALF_F_REQUESTS;
	v6.up.flags |= SP_HALF_F_REQUESTS;
	assert_int_equal(sp_record_make(&seal, &v4).len, 70);
	assert_int_equal(sp_record_make(&seal, &v6).len, 94);
	v6.change.bytes = 1;
	assert_int_equal(sp_record_make(&seal, &v6).len, 102);
	v6.named.addr.w[3] = 1;
	assert_int_equal(sp_record_make(&seal, &v6).len, 120);
	v6.response.bound = SP_BOUND_HEAD;	/* of a tunnel: left out */
	assert_int_equal(sp_record_make(&seal, &v6).len, 120);
	v6.boundary.bound = SP_BOUND_STOP;
	assert_int_equal(sp_record_make(&seal, &v6).len, 128);
	assert_int_equal(SP_RECORD_MAX, 128);
	v4.up.mss = 0;
	assert_int_equal(sp_record_make(&seal, &v4).len, 68);
	v4.change.bytes = 1;
	assert_int_equal(sp_record_make(&seal, &v4).len, 76);
}

static void check_every_bit(struct sp_splice in)
{
	struct sp_splice out = { .client_isn = 1 }, untouched = out;
	struct sp_record r = sp_record_make(&seal, &in);

	for (int bit = 0; bit < r.len * 8; bit++) {
		enum sp_seal_refusal expected = bit < 8 ? SP_SEAL_MAGIC : bit < 16 ?
			SP_SEAL_VERSION :
						bit < 32 ? SP_SEAL_FOREIGN : SP_SEAL_FORGED;

		r.bytes[bit / 8] ^= 1 << bit % 8;
		assert_int_equal(sp_record_read(&seal, &in.front, r.bytes, r.len, &out), expected);
		r.bytes[bit / 8] ^= 1 << bit % 8;
	}
	assert_memory_equal(&out, &untouched, sizeof(out));
	assert_int_equal(sp_record_read(&seal, &in.front, r.bytes, r.len, &out), SP_SEAL_OK);
}

static void every_bit_counts(void **state)
{
	check_every_bit(any_splice(1));
	check_every_bit(any_splice_of_requests(0));
}

static void every_prefix(void **state)
{
	struct sp_splice in = any_splice_of_requests(0), out;
	struct sp_record r = sp_record_make(&seal, &in);

	for (int len = 0; len < r.len; len++) {
		void *cut = malloc(len ?: 1);

		memcpy(cut, r.bytes, len);
		assert_int_equal(sp_record_read(&seal, &in.front, cut, len, &out),
				 len < 12 ? SP_SEAL_LENGTH : SP_SEAL_FORGED);
		free(cut);
	}
}

/* Payloads sealed by a cluster's proxy, and yet no records. */
static void sealed_nonsense(void **state)
{
	struct sp_splice s = any_splice(0), out;
	struct sp_key key = sp_key_make(SP_KEY_FRONT, &s.front);
	struct sp_tuple mapped = any_tuple(0);
	struct sp_record r = { .len = 77 };

	for (size_t len = SP_SEAL_HEAD_BYTES + SP_SEAL_TAIL_BYTES; len < 120; len++) {
		__u8 text[120] = { 0 };

		sp_seal_close(&seal, key.bytes, key.len, text, len);
		assert_int_equal(sp_record_read(&seal, &s.front, text, len, &out),
				 /* an MSS of 0 is left out */
				 len == 53 || len == 77 ? SP_SEAL_OK : SP_SEAL_LENGTH);
	}
	memcpy(r.bytes + 33, &mapped, 36);
	sp_seal_close(&seal, key.bytes, key.len, r.bytes, r.len);
	assert_int_equal(sp_record_read(&seal, &s.front, r.bytes, r.len, &out), SP_SEAL_LENGTH);
}

static enum sp_seal_refusal sealed_anew(const struct sp_splice *s, struct sp_record r)
{
	struct sp_key key = sp_key_make(SP_KEY_FRONT, &s->front);
	struct sp_splice out;

	sp_seal_close(&seal, key.bytes, key.len, r.bytes, r.len);
	return sp_record_read(&seal, &s->front, r.bytes, r.len, &out);
}

/* @at: from the end of the tail */
static enum sp_seal_refusal with_byte(const struct sp_splice *s, int at, __u8 value)
{
	struct sp_record r = sp_record_make(&seal, s);

	r.bytes[r.len - SP_SEAL_TAIL_BYTES - at] = value;
	return sealed_anew(s, r);
}

/* The tail is there with SP_HALF_F_REQUESTS, and only then. */
static void tails_without_requests(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct sp_splice with = any_splice_of_requests(i & 1), without = any_splice(i & 1);
		struct sp_record r;

		with.up.mss = without.up.mss = i & 2 ? 1360 : 0;
		r = sp_record_make(&seal, &with);
		assert_int_equal(sealed_anew(&with, r), SP_SEAL_OK);
		r.bytes[13] &= ~32;
		assert_int_equal(sealed_anew(&with, r), SP_SEAL_LENGTH);
		r.bytes[13] |= 32;
		r.len--;
		assert_int_equal(sealed_anew(&with, r), SP_SEAL_LENGTH);
		r = sp_record_make(&seal, &without);
		assert_int_equal(sealed_anew(&without, r), SP_SEAL_OK);
		r.bytes[13] |= 32;
		assert_int_equal(sealed_anew(&without, r), SP_SEAL_LENGTH);
	}
}

static int is_flags(int flags, int is_zero)
{
	int bound = flags >> 4;

	return (flags & 15) < 8 && ((is_zero && bound == SP_BOUND_NONE) || bound == SP_BOUND_STOP ||
				    bound == SP_BOUND_CHUNK || bound == SP_BOUND_CHUNK_END);
}

static void tails_that_no_proxy_writes(void **state)
{
	struct sp_splice s = any_splice_of_requests(0);

	s.named = (struct sp_endpoint){ 0 };
	s.response = (struct sp_boundary){ 0 };
	s.change = (struct sp_change){ 0 };
	s.boundary = (struct sp_boundary){ .until = 5, .bound = SP_BOUND_STOP };
	for (int wscale = -128; wscale < 128; wscale++)
		for (int at = 8; at <= 9; at++)
			assert_int_equal(with_byte(&s, at, wscale), wscale < -1 || wscale > 14 ?
					 SP_SEAL_LENGTH : SP_SEAL_OK);
	for (int flags = 0; flags < 256; flags++)
		assert_int_equal(with_byte(&s, 1, flags), is_flags(flags, 0) ? SP_SEAL_OK :
				 SP_SEAL_LENGTH);
	s.boundary.until = 0;
	for (int flags = 0; flags < 256; flags++)	/* a tunnel has no boundary */
		assert_int_equal(with_byte(&s, 1, flags), is_flags(flags, 1) ? SP_SEAL_OK :
				 SP_SEAL_LENGTH);
}

static void responses_that_no_proxy_writes(void **state)
{
	struct sp_splice s = any_splice_of_requests(0);

	s.named = (struct sp_endpoint){ 0 };
	s.boundary.bound = SP_BOUND_STOP;
	s.response = (struct sp_boundary){ .until = 5, .bound = SP_BOUND_HEAD };
	for (int byte = 0; byte < 256; byte++) {
		int is_bound = byte && byte <= SP_BOUND_LAST_LF && byte != SP_BOUND_UNKNOWN &&
			       byte != SP_BOUND_GONE;

		assert_int_equal(with_byte(&s, 17, byte), is_bound ? SP_SEAL_OK : SP_SEAL_LENGTH);
		assert_int_equal(with_byte(&s, 16, byte),
				 byte & ~SP_READING_STORED ? SP_SEAL_LENGTH : SP_SEAL_OK);
	}
}

/* Within a version boundary and response move, and may give way to a tunnel. */
static void boundary_may_differ(void **state)
{
	struct sp_splice s = any_splice_of_requests(0), moved = s, later = s;
	struct sp_record a, b, c;

	s.boundary.bound = SP_BOUND_STOP;
	s.response.bound = SP_BOUND_CHUNK;
	moved.boundary.bound = SP_BOUND_NONE;
	later.version++;
	a = sp_record_make(&seal, &s);
	b = sp_record_make(&seal, &moved);
	c = sp_record_make(&seal, &later);
	assert_false(sp_record_is_same(&a, &b));
	assert_true(sp_record_is_same_leg(&a, &b));
	assert_false(sp_record_is_same_leg(&a, &c));
	s = moved = any_splice(0);
	moved.up.tsecr_delta++;
	a = sp_record_make(&seal, &s);
	b = sp_record_make(&seal, &moved);
	assert_true(sp_record_is_same_leg(&a, &a));
	assert_false(sp_record_is_same_leg(&a, &b));
}

static void moved_to_another_key(void **state)
{
	struct sp_splice in = any_splice(0), out;
	struct sp_record r = sp_record_make(&seal, &in);
	struct sp_tuple other = in.front;

	other.sport ^= htons(1);
	assert_int_equal(sp_record_read(&seal, &other, r.bytes, r.len, &out), SP_SEAL_FORGED);
	other = any_tuple(1);
	assert_int_equal(sp_record_read(&seal, &other, r.bytes, r.len, &out), SP_SEAL_FORGED);
}

static void another_cluster(void **state)
{
	static const __u64 theirs[1][2] = { { 0x0123456789abcdef, 0xfedcba9876543211 } };
	struct sp_splice in = any_splice(0), out;
	struct sp_seal foreign;
	struct sp_record r;

	sp_seal_init(&foreign, theirs, 1);
	r = sp_record_make(&foreign, &in);
	assert_int_equal(sp_record_read(&seal, &in.front, r.bytes, r.len, &out), SP_SEAL_FOREIGN);
}

/* While a key is replaced, proxies with the old first, the new first, and both read each other. */
static void key_is_replaced(void **state)
{
	static const __u64 turned[2][2] = { { 42, 43 },
					    { 0x0123456789abcdef, 0xfedcba9876543210 } };
	struct sp_splice in = any_splice(1), out, other = in;
	struct sp_seal first, last;
	struct sp_record a, b, c;

	sp_seal_init(&first, turned, 2);
	sp_seal_init(&last, turned, 1);
	a = sp_record_make(&seal, &in);
	b = sp_record_make(&first, &in);
	assert_int_equal(sp_record_read(&seal, &in.front, b.bytes, b.len, &out), SP_SEAL_OK);
	assert_int_equal(sp_record_read(&first, &in.front, a.bytes, a.len, &out), SP_SEAL_OK);
	assert_int_equal(sp_record_read(&last, &in.front, a.bytes, a.len, &out), SP_SEAL_FOREIGN);
	assert_true(sp_record_is_same(&a, &b));
	assert_memory_not_equal(a.bytes, b.bytes, a.len);
	other.client_isn++;
	c = sp_record_make(&seal, &other);
	assert_false(sp_record_is_same(&a, &c));
}

static void pointers(void **state)
{
	for (int i = 0; i < 100; i++) {
		struct sp_tuple in = any_tuple(i & 1), out;
		__u8 bytes[SP_PACKED_MAX + 1];
		size_t len = sp_tuple_pack(&in, bytes);

		assert_int_equal(sp_tuple_unpack(bytes, len, &out), 0);
		assert_memory_equal(&in, &out, sizeof(in));
		assert_int_equal(sp_tuple_unpack(bytes, len + 1, &out), -EINVAL);
		assert_int_equal(sp_tuple_unpack(bytes, len - 1, &out), -EINVAL);
		assert_int_equal(sp_tuple_unpack(bytes, 0, &out), -EINVAL);
		if (i & 1)
			continue;
		memcpy(bytes, &in, sizeof(in));
		assert_int_equal(sp_tuple_unpack(bytes, sizeof(in), &out), -EINVAL);
	}
}

/*
 * The format is fixed for good: proxies of tomorrow read records of today. (Sealed by an
 * independent implementation of SipHash.)
 */
static void known_bytes(void **state)
{
	static const __u8 known[53] = {
		'S', 2, 0x16, 0xdb, 0x11, 0x22, 0x33, 0x44, 0x65, 0x92, 0x00, 0x80, 5, 0x0b, 0xa3,
			0, 7,
		1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 10, 0, 9, 1, 10, 0, 2,
		1, 0x4e, 0x20, 0, 80,
		0x76, 0xd5, 0x09, 0xfe, 0x3d, 0xf1, 0xfe, 0x4b,
	};
	struct sp_tuple front = {
		sp_addr_v4(htonl(0xc6336407)), sp_addr_v4(htonl(0xc0000201)), htons(40000),
			htons(80),
	};
	struct sp_splice s;

	assert_int_equal(sp_record_read(&seal, &front, known, sizeof(known), &s), SP_SEAL_OK);
	assert_int_equal(s.client_isn, 0x11223344);
	assert_int_equal(s.up.version, 5);
	assert_int_equal(s.up.pool_id, 7);
	assert_int_equal(s.up.flags, SP_HALF_F_ADOPTED);
	assert_int_equal(s.up.window_shift, -3);
	assert_int_equal(s.down.window_shift, 3);
	assert_int_equal(s.up.seq_delta, 0x01020304);
	assert_int_equal(s.down.ack_delta, (__u32)-0x01020304);
	assert_int_equal(s.down.tsval_delta, (__u32)-1);
	assert_int_equal(s.up.out.dport, htons(80));
	assert_memory_equal(sp_record_make(&seal, &s).bytes, known, sizeof(known));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back), cmocka_unit_test(families_mixed),
			cmocka_unit_test(sizes),
		cmocka_unit_test(every_bit_counts), cmocka_unit_test(every_prefix),
		cmocka_unit_test(sealed_nonsense), cmocka_unit_test(no_version_without_requests),
		cmocka_unit_test(tails_without_requests),
		cmocka_unit_test(tails_that_no_proxy_writes),
		cmocka_unit_test(responses_that_no_proxy_writes),
		cmocka_unit_test(boundary_may_differ),
		cmocka_unit_test(moved_to_another_key), cmocka_unit_test(another_cluster),
		cmocka_unit_test(key_is_replaced), cmocka_unit_test(pointers),
		cmocka_unit_test(known_bytes),
	};

	sp_seal_init(&seal, cluster, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_skip.c - a response begins again at another backend: the client's part is acknowledged and
 * dropped. Needs root.
 */
#include "bounded.h"

#define HAS	5000u		/* bytes that the client has, head included */
#define LENGTH	9000u		/* of the response */
#define WINDOW	100u		/* of the client, as it comes */

static const __u8 stamps[] = { 1, 1, 8, 10, 0, 0, 4, 1, 0, 0, 9, 7 };
static const __u8 swapped[] = { 1, 1, 8, 10, 0, 0, 9, 7, 0, 0, 4, 1 };
static const __u8 nops[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };

static struct sp_entry entry_at(struct fixture *f, int is_v6, int is_down)
{
	struct sp_tuple front = TUPLE_IN(is_v6), back = down_tuple(is_v6);

	return entry_of(f, is_down ? &back : &front);
}

static void put_skipping(struct fixture *f, int is_v6, __u8 bound, __u8 reading)
{
	struct sp_tuple front = TUPLE_IN(is_v6), back = down_tuple(is_v6);
	struct sp_boundary down = sp_boundary_make(RESPONSE_AT, bound == SP_BOUND_HEAD ? 0 : LENGTH,
						   bound, reading);
	struct sp_entry up = { .half = full_half(is_v6), .state.next_seq = REQUEST_AT,
			       .state.last_ack = RESPONSE_AT + HAS, .state.window = WINDOW,
			       .state.is_skipping = 1 };

	up.meta.boundary = sp_boundary_make(REQUEST_AT, 0, SP_BOUND_STOP, 0);
	up.meta.handshake = (struct sp_handshake){ .wscale_ours = 7, .wscale_theirs = 7 };
	put_entry(f, &front, up);
	put_entry(f, &back, (struct sp_entry){
		.half = peer_half(is_v6), .meta.boundary = down,
		.state = { .next_seq = RESPONSE_AT, .is_skipping = 1 } });
	listen_to(f);
}

/* Bytes [@from, @to) of the response. */
static struct packet part_packet(int is_v6, __u32 from, __u32 to)
{
	struct packet p = response_packet(is_v6, NULL, to - from);

	p.seq = RESPONSE_AT + from;
	p.flags = ACK | PSH;
	p.ack = 777;
	return p;
}

/* The acknowledgement of all up to @to. */
static struct packet expect_answer(struct fixture *f, const struct packet *p, __u32 to)
{
	struct sp_entry up = entry_at(f, p->is_v6, 0);
	struct packet want = { .tuple = sp_tuple_reverse(&p->tuple), .is_v6 = p->is_v6, .ttl = 64,
			       .is_df = 1, .seq = p->ack, .ack = RESPONSE_AT + to, .flags = ACK,
			       .opt_len = 12 };

	memcpy(want.opt, p->opt_len ? swapped : nops, 12);
	want.window = sp_skip_window(&up, want.ack);
	return want;
}

static void check_answered(struct fixture *f, const char *name, const struct packet *p, __u32 to)
{
	struct packet want = expect_answer(f, p, to);
	__u64 before = drops(f, SP_DROP_SKIPPED);
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u32 len = build(p, in);

	check_run(f, name, in, len, TC_ACT_REDIRECT, out, &len);
	check_bytes(name, &want, out, len);
	assert_int_equal(drops(f, SP_DROP_SKIPPED), before + 1);
	assert_int_equal(entry_at(f, p->is_v6, 1).state.next_seq, RESPONSE_AT + to);
	assert_int_equal(listen_to(f), 0);
}

static void what_the_client_has_is_acknowledged(void **state)
{
	for_each_family(v6) {
		struct packet p;

		put_skipping(*state, v6, SP_BOUND_STOP, 0);
		p = part_packet(v6, 0, 1000);
		check_answered(*state, "the first part", &p, 1000);
		memcpy(p.opt, stamps, sizeof(stamps));
		p.opt_len = sizeof(stamps);
		p.seq += 1000;
		check_answered(*state, "with stamps", &p, 2000);
		check_answered(*state, "again", &p, 2000);
		p = part_packet(v6, 3000, 3001);
		check_answered(*state, "behind a gap, a byte", &p, 3001);
		p = part_packet(v6, 2000, 3000);
		check_answered(*state, "late", &p, 3001);
		p = part_packet(v6, 4000, HAS);
		check_answered(*state, "the last part", &p, HAS);
	}
}

/* A packet of this machine has the sum of the pseudo header alone. */
static void partial_sum_stays_partial(void **state)
{
	for_each_family(v6) {
		struct packet p = part_packet(v6, 0, 1000), want;
		__u32 at = l4_off(v6) + 16, len = build(&p, (__u8[FRAME_MAX]){ 0 });
		__u8 in[FRAME_MAX], out[FRAME_MAX], bare[FRAME_MAX];

		put_skipping(*state, v6, SP_BOUND_STOP, 0);
		want = expect_answer(*state, &p, 1000);
		build(&p, in);
		memset(bare, 0, sizeof(bare));
		memcpy(bare, in, l4_off(v6));
		put16(in + at, tcp_sum(bare, len, v6));
		check_run(*state, "partial", in, len, TC_ACT_REDIRECT, out, &len);
		memset(bare, 0, sizeof(bare));
		build(&want, bare);
		memset(bare + l4_off(v6), 0, 32);
		assert_int_equal(out[at] << 8 | out[at + 1], tcp_sum(bare, len, v6));
	}
}

static void rest_is_carried(void **state)
{
	for_each_family(v6) {
		struct sp_half down = peer_half(v6);
		struct packet p = part_packet(v6, HAS - 100, HAS + 1), want;

		put_skipping(*state, v6, SP_BOUND_STOP, 0);
		want = expect_carried(p, &down);
		check_forwarded(*state, "a byte of it", &p, &want);
		assert_false(entry_at(*state, v6, 0).state.is_skipping);
		assert_false(entry_at(*state, v6, 1).state.is_skipping);
		p = part_packet(v6, 0, 1000);
		want = expect_carried(p, &down);
		check_forwarded(*state, "late: the client drops it", &p, &want);
	}
}

static void nothing_ahead_is_acknowledged(void **state)
{
	for_each_family(v6) {
		struct sp_half up = full_half(v6);
		struct packet p = request_packet(v6, ""), want;

		put_skipping(*state, v6, SP_BOUND_STOP, 0);
		p.flags = ACK;
		p.window = WINDOW + 5;
		p.ack += HAS + 200;
		check_dropped(*state, "of all", &p, SP_DROP_SKIPPED_ACK);
		assert_int_equal(entry_at(*state, v6, 0).state.last_ack, RESPONSE_AT + HAS + 200);
		assert_int_equal(entry_at(*state, v6, 0).state.window, WINDOW + 5);
		p.ack = RESPONSE_AT + 1 - up.ack_delta;
		check_dropped(*state, "of a byte", &p, SP_DROP_SKIPPED_ACK);
		assert_int_equal(entry_at(*state, v6, 0).state.last_ack, RESPONSE_AT + HAS + 200);
		p.ack = RESPONSE_AT - up.ack_delta;
		want = expect_carried(p, &up);
		want.window = sp_half_window(&up, p.window, 0);
		check_forwarded(*state, "of nothing", &p, &want);
		p.ack += HAS;
		p.flags = RST | ACK;
		want = expect_carried(p, &up);
		want.window = sp_half_window(&up, p.window, 0);
		check_forwarded(*state, "reset", &p, &want);
	}
}

/* The head may be another's: no byte reaches the client, and none is acknowledged. */
static void head_is_compared_first(void **state)
{
	for_each_family(v6) {
		struct packet p = part_packet(v6, 0, 1000);

		put_skipping(*state, v6, SP_BOUND_HEAD, SP_READING_HELD);
		check_dropped(*state, "its head", &p, SP_DROP_BEYOND);
		assert_int_equal(listen_to(*state), 1);
		p.payload = 0;
		check_dropped(*state, "an acknowledgement", &p, SP_DROP_SKIPPED_ACK);
		p.flags = FIN | ACK;
		check_dropped(*state, "its end", &p, SP_DROP_BEYOND);
		p.flags = RST;
		check_dropped(*state, "a reset", &p, SP_DROP_BEYOND);
		assert_true(entry_at(*state, v6, 1).state.is_skipping);
	}
}

/* The right edge of the window is the client's. */
static void window_never_shrinks(void **state)
{
	struct sp_entry up = { .state = { .last_ack = RESPONSE_AT + 10000000, .window = 50 },
			       .meta.handshake = { .wscale_ours = 7, .wscale_theirs = 7 } };
	__u32 edge = up.state.last_ack + (50 << 7), last = 0;

	for (__u32 at = 0; at <= 10000000; at += 12345) {
		__u32 now = at + (sp_skip_window(&up, RESPONSE_AT + at) << 7);

		assert_true(now + 127 >= last && (__s32)(RESPONSE_AT + now - edge) <= 127);
		assert_true(now > at);
		last = now;
	}
	assert_int_equal(sp_skip_window(&up, up.state.last_ack), 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_client_has_is_acknowledged),
		cmocka_unit_test(partial_sum_stays_partial),
		cmocka_unit_test(rest_is_carried),
		cmocka_unit_test(nothing_ahead_is_acknowledged),
		cmocka_unit_test(head_is_compared_first),
		cmocka_unit_test(window_never_shrinks),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_change.c - changed bytes of the client's stream: not carried, acknowledged whole or not
 * at all. Needs root.
 */
#include "abi/event.h"
#include "abi/patch.h"
#include "check.h"

static void put_changed(struct fixture *f, const struct sp_tuple *key, const struct sp_half *half,
			const struct sp_change *change, const struct sp_half_state *state)
{
	int fd = bpf_map__fd(f->skel->maps.sp_halves);
	struct sp_entry e;

	assert_int_equal(put_half(f, key, half), 0);
	assert_int_equal(bpf_map_lookup_elem(fd, key, &e), 0);
	e.meta.change = *change;
	if (state) {
		e.state.last_ack = state->last_ack;
		e.state.next_seq = state->next_seq;
	}
	assert_int_equal(bpf_map_update_elem(fd, key, &e, BPF_ANY), 0);
}

static struct sp_change change_of(struct fixture *f, const struct sp_tuple *key)
{
	struct sp_entry e;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(f->skel->maps.sp_halves), key, &e), 0);
	return e.meta.change;
}

static struct packet answer_packet(int is_v6)
{
	struct sp_half up = full_half(is_v6);
	struct packet p = plain_packet(is_v6);

	p.tuple = sp_tuple_reverse(&up.out);
	return p;
}

static struct sp_half down_half(int is_v6)
{
	struct sp_half down = peer_half(is_v6);

	down.flags |= SP_HALF_F_REQUESTS;
	return down;
}

/* @ack: of the backend, translated by the half; @want: at the client */
struct ack_case {
	const char		*name;
	struct sp_change	change;
	__u32			ack, want;
};

static const struct ack_case acks[] = {
	{ "longer, nothing of it",	{ 1100, 100, 130 }, 970, 1000 },
	{ "longer, bytes before it",	{ 1100, 100, 130 }, 940, 970 },
	{ "longer, a part",		{ 1100, 100, 130 }, 1000, 1000 },
	{ "longer, all but one",	{ 1100, 100, 130 }, 1099, 1000 },
	{ "longer, all",		{ 1100, 100, 130 }, 1100, 1100 },
	{ "longer, more",		{ 1100, 100, 130 }, 9000, 9000 },
	{ "shorter, nothing of it",	{ 1100, 100, 10 }, 1090, 1000 },
	{ "shorter, bytes before it",	{ 1100, 100, 10 }, 1089, 999 },
	{ "shorter, all but one",	{ 1100, 100, 10 }, 1099, 1000 },
	{ "shorter, all",		{ 1100, 100, 10 }, 1100, 1100 },
	{ "one byte, and a header",	{ 1100, 1, 100 }, 1099, 1099 },
	{ "numbers wrap",		{ 10, 100, 130 }, 0xfffffff0, (__u32)-90 },
	{ "the longest",		{ 0, 65535, 65535 }, (__u32)-1, (__u32)-65535 },
	{ "no change",			{ 1100, 0, 0 }, 1050, 1050 },
};

static void part_is_not_acknowledged(void **state)
{
	for (size_t i = 0; i < COUNT(acks); i++)
		for_each_family(v6) {
			struct packet p = answer_packet(v6), want;
			struct sp_half down = down_half(v6);

			p.ack = acks[i].ack - down.ack_delta;
			want = expect_carried(p, &down);
			want.ack = acks[i].want;
			put_changed(*state, &p.tuple, &down, &acks[i].change, NULL);
			check_forwarded(*state, acks[i].name, &p, &want);
			/* the daemon sees how much is there */
			assert_int_equal(state_of(*state, &p.tuple).last_ack, acks[i].ack);
			remove_half(*state, &p.tuple);
		}
}

static void no_other_half_is_pulled_back(void **state)
{
	const struct sp_change change = { 1100, 100, 130 };

	for_each_family(v6) {
		struct packet p = answer_packet(v6), want;
		struct sp_half down = peer_half(v6);

		p.ack = 1050 - down.ack_delta;
		want = expect_carried(p, &down);
		put_changed(*state, &p.tuple, &down, &change, NULL);
		check_forwarded(*state, "no boundary", &p, &want);
		remove_half(*state, &p.tuple);
	}
}

/* Edges of two blocks, translated. */
struct block_case {
	const char	*name;
	__u32		in[4], want[4];
};

static const struct block_case blocks[] = {
	{ "both in it",		{ 1000, 1050, 1060, 1070 }, { 1100, 1100, 1100, 1100 } },
	{ "out of it",		{ 1050, 1200, 1300, 1400 }, { 1100, 1200, 1300, 1400 } },
	{ "behind it",		{ 1100, 1200, 1300, 1400 }, { 1100, 1200, 1300, 1400 } },
	{ "before it",		{ 800, 900, 1300, 1400 }, { 1100, 1100, 1300, 1400 } },
};

static void put_blocks(__u8 *to, const __u32 edges[4], __u32 less)
{
	for (int i = 0; i < 4; i++)
		put32(to + 4 * i, edges[i] - less);
}

static void check_blocks(struct fixture *f, int v6, const struct block_case *c, int is_usual)
{
	const struct sp_change change = { 1100, 100, 130 };
	struct packet p = answer_packet(v6), want;
	struct sp_half down = down_half(v6);
	__u32 at = is_usual ? 4 : 2;

	p.opt_len = 20;
	memcpy(p.opt, is_usual ? "\1\1\5\x12" : "\5\x12", at);
	memset(p.opt + at + 16, 1, 4 - at);
	want = p;
	put_blocks(p.opt + at, c->in, down.ack_delta);
	p.ack = 1000 - down.ack_delta;
	want = expect_carried(p, &down);
	put_blocks(want.opt + at, c->want, 0);
	put_changed(f, &p.tuple, &down, &change, NULL);
	check_forwarded(f, c->name, &p, &want);
	remove_half(f, &p.tuple);
}

static void part_is_in_no_block(void **state)
{
	for (size_t i = 0; i < COUNT(blocks); i++)
		for_each_family(v6) {
			check_blocks(*state, v6, &blocks[i], 1);
			check_blocks(*state, v6, &blocks[i], 0);
		}
}

struct data_case {
	const char	*name;
	__u32		seq, payload;
	__u8		flags;
	int		is_carried;
};

static const struct data_case data[] = {
	{ "the head",			1000, 100, ACK, 0 },
	{ "its last byte",		1099, 1, ACK, 0 },
	{ "its last byte, and more",	1099, 900, ACK | PSH, 0 },
	{ "with FIN",			1000, 100, ACK | FIN, 0 },
	{ "before it",			900, 50, ACK, 0 },
	{ "behind it",			1100, 100, ACK, 1 },
	{ "an acknowledgement",		1000, 0, ACK, 1 },
	{ "RST",			1000, 0, RST, 1 },
};

static struct sp_half up_half(int is_v6)
{
	struct sp_half up = full_half(is_v6);

	up.flags |= SP_HALF_F_REQUESTS;
	return up;
}

static void changed_bytes_go_to_the_daemon(void **state)
{
	const struct sp_change change = { 1100, 100, 130 };
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(data); i++)
		for_each_family(v6) {
			struct packet p = plain_packet(v6), want;
			struct sp_half up = up_half(v6);
			__u8 in[FRAME_MAX], out[FRAME_MAX];
			__u32 len;

			p.seq = data[i].seq, p.payload = data[i].payload, p.flags = data[i].flags;
			want = expect_carried(p, &up);
			put_changed(f, &p.tuple, &up, &change, NULL);
			listen_to(f);
			if (data[i].is_carried) {
				check_forwarded(f, data[i].name, &p, &want);
				assert_int_equal(listen_to(f), 0);
			} else {
				len = build(&p, in);
				check_run(f, data[i].name, in, len, TC_ACT_SHOT, out, &len);
				assert_int_equal(listen_to(f), 1);
				assert_int_equal(f->event.kind, SP_EVENT_REQUEST);
			}
			remove_half(f, &p.tuple);
		}
}

/* A GiB behind the change, numbers that seem to be before are ahead. */
static void change_is_forgotten(void **state)
{
	const struct sp_change change = { 1100, 100, 130 };
	const struct sp_half_state near = { .next_seq = 1100 + SP_CHANGE_PAST - 1,
					    .last_ack = 1100 + SP_CHANGE_PAST - 1 },
		far = { .next_seq = 1100 + SP_CHANGE_PAST, .last_ack = 1100 + SP_CHANGE_PAST };

	for_each_family(v6) {
		struct packet up_p = plain_packet(v6), down_p = answer_packet(v6);
		struct sp_half up = up_half(v6), down = down_half(v6);
		__u8 in[FRAME_MAX], out[FRAME_MAX];
		__u32 len;

		for (int is_far = 0; is_far < 2; is_far++) {
			put_changed(*state, &up_p.tuple, &up, &change, is_far ? &far : &near);
			put_changed(*state, &down_p.tuple, &down, &change, is_far ? &far : &near);
			up_p.seq = 5000, down_p.ack = 5000 - down.ack_delta;
			len = build(&up_p, in);
			check_run(*state, "up", in, len, TC_ACT_REDIRECT, out, &len);
			len = build(&down_p, in);
			check_run(*state, "down", in, len, TC_ACT_REDIRECT, out, &len);
			assert_int_equal(change_of(*state, &up_p.tuple).bytes, is_far ? 0 : 100);
			assert_int_equal(change_of(*state, &down_p.tuple).bytes, is_far ? 0 : 100);
		}
		remove_half(*state, &up_p.tuple);
		remove_half(*state, &down_p.tuple);
	}
}

static int patch_splice(struct fixture *f, const struct sp_patch *patch)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = patch, .data_size_in = sizeof(*patch),
		    .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(f->skel->progs.sp_patch), &o), 0);
	return o.retval;
}

static void deltas_count_a_change_once(void **state)
{
	struct fixture *f = *state;

	for_each_family(v6) {
		struct sp_half up = full_half(v6), down = peer_half(v6);
		struct sp_tuple front = TUPLE_IN(v6), back = sp_tuple_reverse(&up.out);
		struct sp_patch patch = { .front = front, .sets = SP_PATCH_CHANGE,
					  .change = { 1100, 100, 130 } };
		int fd = bpf_map__fd(f->skel->maps.sp_halves);
		struct sp_entry e;

		put_splice(f, v6);
		put_changed(f, &back, &down, &(struct sp_change){ 0 },
			    &(struct sp_half_state){ .last_ack = 1000 });
		for (int i = 0; i < 2; i++) {
			assert_int_equal(patch_splice(f, &patch), 1);
			assert_int_equal(bpf_map_lookup_elem(fd, &front, &e), 0);
			assert_int_equal(e.half.seq_delta, up.seq_delta + 30);
			assert_memory_equal(&e.meta.change, &patch.change, sizeof(patch.change));
			assert_int_equal(bpf_map_lookup_elem(fd, &back, &e), 0);
			assert_int_equal(e.half.ack_delta, down.ack_delta - 30);
			assert_int_equal(e.state.last_ack, 970);
			assert_memory_equal(&e.meta.change, &patch.change, sizeof(patch.change));
		}
		patch.change = (struct sp_change){ 2100, 100, 90 };
		assert_int_equal(patch_splice(f, &patch), 1);
		assert_int_equal(bpf_map_lookup_elem(fd, &front, &e), 0);
		assert_int_equal(e.half.seq_delta, up.seq_delta + 20);
		remove_half(f, &front);
		remove_half(f, &back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(part_is_not_acknowledged),
		cmocka_unit_test(no_other_half_is_pulled_back),
		cmocka_unit_test(part_is_in_no_block),
		cmocka_unit_test(changed_bytes_go_to_the_daemon),
		cmocka_unit_test(change_is_forgotten),
		cmocka_unit_test(deltas_count_a_change_once),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

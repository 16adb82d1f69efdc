// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_datapath.c - packet in -> verdict and packet out, through BPF_PROG_TEST_RUN. Needs root. */
#include "check.h"

#define OPT(name, bytes) { name, bytes, sizeof(bytes) - 1 }
#define TS	"\x8\xa\1\2\3\4\xff\xfe\xfd\xfc"
#define BLOCK1	"\x10\x20\x30\x40\x10\x20\x40\x50"
#define BLOCK2	"\xff\xff\xff\xf0\x00\x00\x00\x10"
#define BLOCK3	"\x20\x20\x30\x40\x20\x20\x40\x51"
#define BLOCK4	"\x30\x20\x30\x40\x30\x20\x40\x53"

struct option_case {
	const char	*name;
	const char	*bytes;
	__u32		len;
};

static const struct option_case good_options[] = {
	OPT("none", ""),
	OPT("ts", "\1\1" TS),
	OPT("ts first", TS "\1\1"),
	OPT("ts at odd offset", "\1" TS "\1"),
	OPT("ts, zero echo", "\1\1\x8\xa\1\2\3\4\0\0\0\0"),
	OPT("ts at odd offset, zero echo", "\1\x8\xa\1\2\3\4\0\0\0\0\1"),
	OPT("sack 1", "\1\1\5\xa" BLOCK1),
	OPT("sack 2", "\1\1\5\x12" BLOCK1 BLOCK2),
	OPT("sack 3", "\1\1\5\x1a" BLOCK1 BLOCK2 BLOCK3),
	OPT("sack 4", "\1\1\5\x22" BLOCK1 BLOCK2 BLOCK3 BLOCK4),
	OPT("sack 1 first", "\5\xa" BLOCK1 "\1\1"),
	OPT("sack 1 at odd offset", "\1\5\xa" BLOCK1 "\1"),
	OPT("sack 3 at odd offset", "\1\5\x1a" BLOCK1 BLOCK2 BLOCK3 "\1"),
	OPT("sack 4 first", "\5\x22" BLOCK4 BLOCK3 BLOCK2 BLOCK1 "\0\0"),
	OPT("sack up to 0, usual", "\1\1\5\xa\xff\xff\xf0\0\0\0\0\0"),
	OPT("sack up to 0, unusual", "\5\xa\xff\xff\xf0\0\0\0\0\0\1\1"),
	OPT("ts, sack 1", "\1\1" TS "\1\1\5\xa" BLOCK1),
	OPT("ts, sack 3", "\1\1" TS "\1\1\5\x1a" BLOCK1 BLOCK2 BLOCK3),
	OPT("sack 2, ts", "\1\1\5\x12" BLOCK1 BLOCK2 "\1\1" TS),
	OPT("ts, sack 2, packed", TS "\5\x12" BLOCK1 BLOCK2),
	OPT("ts odd, sack even", "\1" TS "\1\5\x12" BLOCK1 BLOCK2 "\0\0"),
	OPT("unknown kind", "\xfd\4\1\2"),
	OPT("unknown kind before ts", "\xfd\3\1" TS "\1\1\1"),
	OPT("end of options", "\0\x8\xa\1\2\3\4\5\6\7\x8\1"),
	OPT("mss, sack ok, ts, wscale", "\2\4\5\xb4\4\2" TS "\1\3\3\7"),
};

/* Of a flow of ours: dropped. */
static const struct option_case bad_options[] = {
	OPT("length 0", "\xfd\0\1\1"),
	OPT("length 1", "\xfd\1\1\1"),
	OPT("beyond the end", "\1\1\xfd\3"),
	OPT("ts cut off", "\1\1\1\1\1\1\x8\xa"),
	OPT("ts of 9", "\x8\x9\1\2\3\4\5\6\7\1\1\1"),
	OPT("sack without a block", "\1\5\2\1"),
	OPT("sack of 11", "\5\xb" BLOCK1 "\0\1"),
	OPT("sack of 6, usual", "\1\1\5\6\1\2\3\4"),
	OPT("sack of 14, usual", "\1\1\5\xe" BLOCK1 "\1\2\3\4"),
};

static struct packet option_packet(int is_v6, const struct option_case *c)
{
	return data_packet(is_v6, c->bytes, c->len);
}

static void every_option_is_rewritten(void **state)
{
	for (size_t i = 0; i < COUNT(good_options); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct packet p = option_packet(v6, &good_options[i]);
			struct sp_half h = full_half(v6);
			struct packet want = expect_carried(p, &h);

			check_carried(*state, good_options[i].name, &p, &h, &want);
		}
}

static void without_ack_the_number_stays(void **state)
{
	struct packet p = option_packet(0, &good_options[1]), want;
	struct sp_half h = full_half(0);

	p.flags = RST;
	want = expect_carried(p, &h);
	check_carried(*state, "RST", &p, &h, &want);
}

struct window_case {
	const char	*name;
	int		shift;
	__u8		flags;
	__u16		in, out;
};

static const struct window_case windows[] = {
	{ "up",				3, ACK, 0x0102, 0x0810 },
	{ "up to the largest",		3, ACK, 0x1fff, 0xfff8 },
	{ "up beyond it",		3, ACK, 0x2000, 0xffff },
	{ "up by 14",			14, ACK, 3, 0xc000 },
	{ "up by 14 beyond it",		14, ACK, 4, 0xffff },
	{ "closed, up",			14, ACK, 0, 0 },
	{ "down",			-3, ACK, 0x0817, 0x0102 },
	{ "down by 14",			-14, ACK, 0xffff, 3 },
	{ "down to one",		-3, ACK, 8, 1 },
	{ "less than one",		-3, ACK, 7, 1 },
	{ "the least, down by 14",	-14, ACK, 1, 1 },
	{ "closed, down",		-14, ACK, 0, 0 },
	{ "same scale",			0, ACK, 0xfffe, 0xfffe },
	{ "SYN: never scaled",		3, SYN | ACK, 0x0102, 0x0102 },
	{ "RST",			-3, RST, 0x0817, 0x0102 },
};

static void window_means_the_same(void **state)
{
	for (size_t i = 0; i < COUNT(windows); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			const struct window_case *c = &windows[i];
			struct packet p = option_packet(v6, &good_options[1]), want;
			struct sp_half h = full_half(v6);

			h.window_shift = c->shift;
			p.flags = c->flags;
			p.window = c->in;
			want = expect_carried(p, &h);
			want.window = c->out;
			check_carried(*state, c->name, &p, &h, &want);
		}
}

static void damaged_options_are_dropped(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(bad_options); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct packet p = option_packet(v6, &bad_options[i]);
			struct sp_half h = full_half(v6);

			assert_int_equal(put_half(f, &p.tuple, &h), 0);
			check_dropped(f, bad_options[i].name, &p, SP_DROP_BAD_HEADER);
		}
}

static void ttl_runs_out(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet p = option_packet(v6, &good_options[1]);
		struct sp_half h = full_half(v6);

		p.ttl = 1;
		assert_int_equal(put_half(*state, &p.tuple, &h), 0);
		check_dropped(*state, "TTL 1", &p, SP_DROP_TTL_EXPIRED);
	}
}

static void unknown_traffic_is_untouched(void **state)
{
	__u8 in[2048], out[2048];

	for (int v6 = 0; v6 < 2; v6++)
		for (int kind = 0; kind < 4; kind++) {
			struct packet p = option_packet(v6, &good_options[1]);
			__u32 len, out_len;

			p.tuple.sport = htons(999);
			p.tuple.dport = htons(998);
			len = build(&p, in);
			if (kind == 1)
				in[v6 ? 20 : 23] = 17;	/* UDP */
			if (kind == 2)
				put16(in + 12, 0x0806);	/* ARP */
			if (kind == 3)
				in[(v6 ? 54 : 34) + 21] = 0;	/* damage that is not ours */
			assert_int_equal(run(*state, in, len, out, &out_len, 1, NULL), TC_ACT_UNSPEC);
			assert_int_equal(out_len, len);
			assert_memory_equal(out, in, len);
		}
}

static void put_service(struct fixture *f, int is_v6)
{
	struct sp_tuple t = TUPLE_IN(is_v6);
	struct sp_listen at = { .addr = t.daddr, .port = htons(443) };
	struct sp_service svc = { .mss = 1400, .window = 0x7654, .wscale = 7,
				  .flags = SP_SERVICE_F_SACK | SP_SERVICE_F_TIMESTAMPS | SP_SERVICE_F_WSCALE };

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_services), &at, &svc, BPF_ANY), 0);
	f->control = (struct sp_control){ .heartbeat_ns = now_ns(CLOCK_MONOTONIC_COARSE), .key_count = 1,
					  .cookie_key = { { 0x1122334455667788, 0x99aabbccddeeff00 } }, .period = 77 };
	assert_int_equal(set_control(f), 0);
}

static struct packet syn_packet(int is_v6, const struct option_case *c)
{
	struct packet p = option_packet(is_v6, c);

	p.tuple.dport = htons(443);
	p.flags = SYN;
	p.ack = 0;
	p.payload = 0;
	return p;
}

struct syn_case {
	struct option_case	opt;
	const char		answer[21];	/* TSval zero */
	__u8			mss_class, wscale, is_sack;
};

static const struct syn_case syns[] = {
	{ OPT("all", "\2\4\5\xb4\4\2\x8\xa\1\2\3\4\0\0\0\0\1\3\3\x9"),
	  "\2\4\5\x78\4\2\x8\xa\0\0\0\0\1\2\3\4\1\3\3\7", 3, 9, 1 },
	{ OPT("no ts", "\2\4\4\xc4\1\1\4\2\1\3\3\2"), "\2\4\5\x78\4\2\1\1\1\1\1\1\1\1\1\1\1\3\3\7", 1, 2, 1 },
	{ OPT("no sack", "\2\4\5\xb4\1\1\x8\xa\1\2\3\4\0\0\0\0\1\3\3\0"),
	  "\2\4\5\x78\1\1\x8\xa\0\0\0\0\1\2\3\4\1\3\3\7", 3, 0, 0 },
	{ OPT("no wscale", "\2\4\5\xb4\4\2\x8\xa\1\2\3\4\0\0\0\0"),
	  "\2\4\5\x78\4\2\x8\xa\0\0\0\0\1\2\3\4\1\1\1\1", 3, 15, 1 },
	{ OPT("none", ""), "\2\4\5\x78\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 0, 15, 0 },
};

static void check_cookie(struct fixture *f, const struct packet *p, const struct syn_case *c, __u32 isn)
{
	struct sp_cookie_in in = { p->tuple, p->seq };

	assert_true(sp_cookie_is_valid(f->control.cookie_key[0], &in, f->control.period, isn));
	assert_int_equal(sp_cookie_data_mss_class(isn), c->mss_class);
	assert_int_equal(sp_cookie_data_wscale(isn), c->wscale);
	assert_int_equal(sp_cookie_data_is_sack(isn), c->is_sack);
}

/* Milliseconds of the clock, from a place that the key and the addresses say. */
static __u32 want_tsval(const struct fixture *f, const struct sp_tuple *t)
{
	const __u32 *a = t->saddr.w;	/* the destination follows */
	__u64 words[4];

	for (int i = 0; i < 4; i++)
		words[i] = (__u64)a[2 * i] << 32 | a[2 * i + 1];
	return now_ns(CLOCK_MONOTONIC_COARSE) / 1000000 + (__u32)sp_siphash_words(f->control.cookie_key[0], words, 4);
}

static void check_syn(struct fixture *f, int is_v6, const struct syn_case *c)
{
	struct packet p = syn_packet(is_v6, &c->opt);
	struct packet want = { .tuple = sp_tuple_reverse(&p.tuple), .is_v6 = is_v6, .ttl = 64, .is_df = 1,
			       .ack = p.seq + 1, .flags = SYN | ACK, .window = 0x7654, .opt_len = 20, .is_answer = 1 };
	__u8 in[2048], out[2048] = "", *tcp = out + (is_v6 ? 54 : 34);
	__u32 len = build(&p, in);
	__u32 tsval = want_tsval(f, &p.tuple);

	assert_int_equal(run(f, in, len, out, &len, 1, NULL), TC_ACT_REDIRECT);
	want.seq = get32(tcp + 4);
	check_cookie(f, &p, c, want.seq);
	memcpy(want.opt, c->answer, 20);
	if (want.opt[6] == 8) {
		assert_in_range(get32(tcp + 28) - tsval, 0, 500);
		memcpy(want.opt + 8, tcp + 28, 4);
	}
	check_bytes(c->opt.name, &want, out, len);
}

static void syn_is_answered_with_a_cookie(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		put_service(*state, v6);
		for (size_t i = 0; i < COUNT(syns); i++)
			check_syn(*state, v6, &syns[i]);
	}
}

static void stale_daemon_answers_no_syn(void **state)
{
	struct fixture *f = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet p = syn_packet(v6, &syns[0].opt);

		put_service(f, v6);
		f->control.heartbeat_ns -= 2 * SP_HEARTBEAT_STALE_NS;
		assert_int_equal(set_control(f), 0);
		check_dropped(f, "stale", &p, SP_DROP_DAEMON_STALE);
	}
}

static void damaged_syn_is_dropped(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet p = syn_packet(v6, &bad_options[0]);

		put_service(*state, v6);
		check_dropped(*state, "options", &p, SP_DROP_BAD_SYN);
		p = syn_packet(v6, &syns[0].opt);
		p.payload = 1;
		check_dropped(*state, "data", &p, SP_DROP_BAD_SYN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_is_rewritten),
		cmocka_unit_test(without_ack_the_number_stays),
		cmocka_unit_test(window_means_the_same),
		cmocka_unit_test(damaged_options_are_dropped),
		cmocka_unit_test(ttl_runs_out),
		cmocka_unit_test(unknown_traffic_is_untouched),
		cmocka_unit_test(syn_is_answered_with_a_cookie),
		cmocka_unit_test(stale_daemon_answers_no_syn),
		cmocka_unit_test(damaged_syn_is_dropped),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

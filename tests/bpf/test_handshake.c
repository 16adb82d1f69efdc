// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_handshake.c - SYNs to a service are answered with a cookie. Later segments must return the
 * cookie. Needs root.
 */
#include "check.h"

#define OPT(bytes) bytes, sizeof(bytes) - 1
#define SMALL 4	/* beside the class: a class of small MSS */
#define NO_MSS 8	/* 536; with IPv6 1220 */

struct syn_case {
	const char	*name;
	const char	*opt;
	__u32		opt_len;
	const char	answer[21];	/* TSval zero */
	__u8		mss_class, wscale, is_sack;
	__u32		payload;
};

static const struct syn_case syns[] = {
	{ "all", OPT("\2\4\5\xb4\4\2\x8\xa\1\2\3\4\0\0\0\0\1\3\3\x9"),
	  "\2\4\5\x78\4\2\x8\xa\0\0\0\0\1\2\3\4\1\3\3\7",
	  3, 9, 1, 0 },
	{ "no ts", OPT("\2\4\4\xc4\1\1\4\2\1\3\3\2"), "\2\4\5\x78\4\2\1\1\1\1\1\1\1\1\1\1\1\3\3\7",
	  1, 2, 1, 0 },
	{ "no sack", OPT("\2\4\5\xb4\1\1\x8\xa\1\2\3\4\0\0\0\0\1\3\3\0"),
	  "\2\4\5\x78\1\1\x8\xa\0\0\0\0\1\2\3\4\1\3\3\7", 3, 0, 0, 0 },
	{ "no wscale", OPT("\2\4\5\xb4\4\2\x8\xa\1\2\3\4\0\0\0\0"),
	  "\2\4\5\x78\4\2\x8\xa\0\0\0\0\1\2\3\4\1\1\1\1", 3,
	  15, 1, 0 },
	{ "none", OPT(""), "\2\4\5\x78\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", NO_MSS, 15, 0, 0 },
	{ "MSS of 1399", OPT("\2\4\5\x77"), "\2\4\5\x78\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 1, 15, 0,
	  0 },
	{ "MSS of 1219", OPT("\2\4\4\xc3"), "\2\4\5\x78\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", SMALL | 3,
	  15, 0, 0 },
	{ "MSS of 700 and all", OPT("\2\4\2\xbc\4\2\x8\xa\1\2\3\4\0\0\0\0\1\3\3\x9"),
	  "\2\4\5\x78\4\2\x8\xa\0\0\0\0\1\2\3\4\1\3\3\7", SMALL | 1, 9, 1, 0 },
	{ "MSS of 659", OPT("\2\4\2\x93"), "\2\4\5\x78\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 0, 15, 0,
	  0 },
	/* scale and SACK are not agreed to: (400 - 48) / 16 takes their place */
	{ "MSS of 400 and all", OPT("\2\4\1\x90\4\2\x8\xa\1\2\3\4\0\0\0\0\1\3\3\x9"),
	  "\2\4\5\x78\1\1\x8\xa\0\0\0\0\1\2\3\4\1\1\1\1", SMALL, 11, 0, 0 },
	{ "wscale beyond 14", OPT("\3\3\xff\1"), "\2\4\5\x78\1\1\1\1\1\1\1\1\1\1\1\1\1\3\3\7",
	  NO_MSS, 14, 0, 0 },
	{ "everything at odd places", OPT("\1\2\4\5\xb4\x8\xa\1\2\3\4\0\0\0\0\4\2\3\3\5\xfd\3\0\0"),
	  "\2\4\5\x78\4\2\x8\xa\0\0\0\0\1\2\3\4\1\3\3\7", 3, 5, 1, 0 },
};

static struct packet syn_packet(int is_v6, const char *opt, __u32 opt_len)
{
	struct packet p = plain_packet(is_v6);

	p.tuple.dport = htons(SERVICE_PORT);
	p.flags = SYN;
	p.ack = 0;
	p.payload = 0;
	p.opt_len = opt_len;
	memcpy(p.opt, opt, opt_len);
	return p;
}

static struct packet usual_syn(int is_v6)
{
	return syn_packet(is_v6, syns[0].opt, syns[0].opt_len);
}

static void check_cookie(struct fixture *f, const struct packet *p, const struct syn_case *c,
			 enum sp_cookie cookie,
			 __u32 isn)
{
	struct sp_cookie_in in = { p->tuple, p->seq };

	assert_int_equal(sp_cookie_read(f->control.cookie_key[0], &in, f->control.period, isn),
			 cookie);
	assert_int_equal(sp_cookie_data_mss_class(isn), c->mss_class == NO_MSS ? p->is_v6 :
			 c->mss_class & ~SMALL);
	assert_int_equal(sp_cookie_data_wscale(isn), c->wscale);
	assert_int_equal(sp_cookie_data_is_sack(isn), c->is_sack);
}

/* The clock in milliseconds, shifted by a function of key and addresses. */
static __u32 want_tsval(const struct fixture *f, const struct sp_tuple *t)
{
	const __u32 *a = t->saddr.w;	/* the destination follows */
	__u64 words[4];

	for (int i = 0; i < 4; i++)
		words[i] = (__u64)a[2 * i] << 32 | a[2 * i + 1];
	return now_ns(CLOCK_MONOTONIC_COARSE) / 1000000 +
	       (__u32)sp_siphash_words(f->control.cookie_key[0], words, 4);
}

static struct packet answer_to(const struct packet *syn, const char opt[20])
{
	struct packet p = { .tuple = sp_tuple_reverse(&syn->tuple), .is_v6 = syn->is_v6, .ttl = 64,
			    .is_df = 1,
			    .ack = syn->seq + 1, .flags = SYN | ACK, .window = 0x7654,
			    .opt_len = 20, .is_answer = 1 };

	memcpy(p.opt, opt, 20);
	return p;
}

static void check_answer(struct fixture *f, int is_v6, const struct syn_case *c, __u8 syn_flags,
			 __u8 flags)
{
	struct packet p = syn_packet(is_v6, c->opt, c->opt_len), want = answer_to(&p, c->answer);
	__u8 in[FRAME_MAX], out[FRAME_MAX] = "", *tcp = out + l4_off(is_v6);
	__u32 tsval = want_tsval(f, &p.tuple), len;

	if (c->mss_class & SMALL)
		flags = 0;
	p.flags |= syn_flags;
	p.payload = c->payload;
	p.ecn = syn_flags ? 3 : 0xb8;	/* neither mark nor class has a meaning in a SYN */
	want.flags |= flags;
	len = build(&p, in);
	/*
	 * The sum stays right only if the answer has the SYN's size: packets that grow lose their
	 * sum, and packets that are cut keep a wrong sum.
	 */
	f->flags = c->opt_len == 20 && !c->payload ? f->sum_flag : 0;
	check_run(f, c->name, in, len, TC_ACT_REDIRECT, out, &len);
	f->flags = 0;
	want.seq = get32(tcp + 4);
	check_cookie(f, &p, c, c->mss_class & SMALL ? SP_COOKIE_SMALL : flags ? SP_COOKIE_ECN :
		     SP_COOKIE_PLAIN,
		     want.seq);
	if (want.opt[6] == 8) {
		assert_in_range(get32(tcp + 28) - tsval, 0, 500);
		memcpy(want.opt + 8, tcp + 28, 4);
	}
	check_bytes(c->name, &want, out, len);
}

static void syn_is_answered_with_a_cookie(void **state)
{
	for_each_family(v6) {
		put_service(*state, v6, 0);
		for (size_t i = 0; i < COUNT(syns); i++)
			check_answer(*state, v6, &syns[i], 0, 0);
	}
}

/*
 * Fast Open (RFC 7413): a cookie is requested, or comes with data. The experimental option number,
 * from before the option had its own, counts too.
 */
static const struct syn_case fast_syns[] = {
	{ "cookie asked for", OPT("\2\4\5\xb4\x22\2\1\1"),
	  "\2\4\5\x78\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 3, 15, 0, 0 },
	{ "cookie of 8", OPT("\2\4\5\xb4\x22\xa" "cookie78" "\1\1"),
	  "\2\4\5\x78\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 3, 15, 0, 0 },
	{ "cookie of 16", OPT("\2\4\5\xb4\x22\x12" "cookie7890123456" "\1\1"),
	  "\2\4\5\x78\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 3, 15, 0, 0 },
	{ "cookie asked for, experimental", OPT("\2\4\5\xb4\xfe\4\xf9\x89"),
	  "\2\4\5\x78\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 3, 15, 0, 0 },
	{ "cookie of 8, experimental, with all else",
	  OPT("\2\4\5\xb4\4\2\x8\xa\1\2\3\4\0\0\0\0\3\3\x9\xfe\xc\xf9\x89" "cookie78" "\1"),
	  "\2\4\5\x78\4\2\x8\xa\0\0\0\0\1\2\3\4\1\3\3\7", 3, 9, 1, 0 },
};

static void check_with_data(struct fixture *f, int is_v6, const struct syn_case *syn)
{
	static const __u32 sizes[] = { 0, 1, 2, 3, 42, 127, 128, 129, 255, 256, 257, 536, 1419,
				       1460, 3001 };
	struct syn_case c = *syn;

	put_service(f, is_v6, 0);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		c.payload = sizes[i];
		check_answer(f, is_v6, &c, 0, 0);
	}
}

/* The SYN alone is acknowledged. Its data leave no trace in the checksum. */
static void data_in_a_syn_are_ignored(void **state)
{
	for_each_family(v6) {
		for (size_t i = 0; i < COUNT(syns); i++)
			check_with_data(*state, v6, &syns[i]);
		for (size_t i = 0; i < COUNT(fast_syns); i++)
			check_with_data(*state, v6, &fast_syns[i]);
	}
}

/*
 * A damaged SYN may have options that the client never sent. Its answer is damaged by the same
 * amount.
 */
static void wrong_checksum_stays_wrong(void **state)
{
	static const __u32 sizes[] = { 0, 5, 300 };

	for (size_t i = 0; i < COUNT(sizes); i++)
		for_each_family(v6) {
			struct packet p = usual_syn(v6);
			__u8 in[FRAME_MAX], out[FRAME_MAX];
			__u32 len;

			put_service(*state, v6, 0);
			p.payload = sizes[i];
			len = build(&p, in);
			in[len - 1] ^= 1;
			check_run(*state, "damaged", in, len, TC_ACT_REDIRECT, out, &len);
			assert_int_not_equal(tcp_sum(out, len, v6), 0xffff);
		}
}

static void ip_checksum_must_be_right(void **state)
{
	struct packet p = usual_syn(0);
	__u8 in[FRAME_MAX];
	__u32 len = build(&p, in);

	put_service(*state, 0, 0);
	in[22]--;	/* TTL */
	check_reason(*state, "TTL changed", in, len, TC_ACT_SHOT, SP_DROP_BAD_HEADER);
}

/* Flow label and class are the client's own. */
static void nothing_of_ipv6s_first_word_is_copied(void **state)
{
	struct packet p = usual_syn(1);
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u32 len = build(&p, in);

	put_service(*state, 1, 0);
	put32(in + 14, 0x6b8abcde);
	check_run_summed(*state, "class and label", in, len, TC_ACT_REDIRECT, out, &len);
	assert_int_equal(get32(out + 14), 0x60000000);
}

static const char *const martians[] = {
	"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "224.0.0.1", "239.255.255.255",
		"255.255.255.255",
	"10.9.0.80", "::", "::1", "::10.1.0.1", "ff02::1", "ff0e::1", "fe80::1", "febf:ffff::1",
	"fd09::80",
};

static void check_source(struct fixture *f, const char *addr, __u32 reason)
{
	int is_v6 = !!strchr(addr, ':');
	struct packet p = usual_syn(is_v6);
	__u8 in[FRAME_MAX];

	put_service(f, is_v6, 0);
	p.tuple.saddr = addr_of(addr);
	check_reason(f, addr, in, build(&p, in), reason == SP_DROP_MARTIAN ? TC_ACT_SHOT :
		     TC_ACT_REDIRECT, reason);
}

static void nobody_is_at_such_an_address(void **state)
{
	static const char *const near_by[] = { "1.0.0.1", "126.255.255.255", "128.0.0.1",
					       "223.255.255.255", "240.0.0.1",
					       "255.255.255.254", "10.9.0.81", "::1:0:0:1",
					       "fe00::1", "fec0::1" };

	for (size_t i = 0; i < COUNT(martians); i++)
		check_source(*state, martians[i], SP_DROP_MARTIAN);
	for (size_t i = 0; i < COUNT(near_by); i++)
		check_source(*state, near_by[i], SP_DROP_SYN_ANSWERED);
}

/*
 * RFC 1122, 4.2.3.10: the stack gets the frame and drops it. An answer would come from that
 * address.
 */
static void frame_to_many_is_not_answered(void **state)
{
	static const char macs[][7] = { "\xff\xff\xff\xff\xff\xff", "\1\0\x5e\0\0\1",
					"\x33\x33\0\0\0\1" };

	for (size_t i = 0; i < COUNT(macs); i++)
		for_each_family(v6) {
			struct packet p = usual_syn(v6);
			__u8 in[FRAME_MAX];
			__u32 len = build(&p, in);

			put_service(*state, v6, 0);
			memcpy(in, macs[i], 6);
			check_reason(*state, "to many", in, len, TC_ACT_UNSPEC, SP_DROP_BROADCAST);
			check_untouched(*state, "to many", v6, in, len);
		}
}

static void ecn_is_agreed_where_both_want_it(void **state)
{
	for_each_family(v6) {
		put_service(*state, v6, SP_SERVICE_F_ECN);
		for (size_t i = 0; i < COUNT(syns); i++)
			check_answer(*state, v6, &syns[i], ECE | CWR, ECE);
		check_answer(*state, v6, &syns[0], 0, 0);
		check_answer(*state, v6, &syns[0], ECE, 0);
		check_answer(*state, v6, &syns[0], CWR, 0);
		put_service(*state, v6, 0);
		check_answer(*state, v6, &syns[0], ECE | CWR, 0);
	}
}

static void put_plain_service(struct fixture *f, int is_v6)
{
	struct sp_tuple t = TUPLE_IN(is_v6);
	struct sp_listen at = { .addr = t.daddr, .port = htons(SERVICE_PORT) };
	struct sp_service svc = { .mss = 1400, .mss_max = 1400, .window = 0x7654, .wscale = 7 };

	put_service(f, is_v6, 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_services), &at, &svc,
					     BPF_ANY), 0);
}

static void what_is_not_offered_is_not_agreed(void **state)
{
	static const struct syn_case plain = { "all, to a plain service",
					       OPT("\2\4\5\xb4\4\2\x8\xa\1\2\3\4\0\0\0\0\1\3\3\x9"),
					       "\2\4\5\x78\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 3, 15,
					       0, 0 };

	for_each_family(v6) {
		put_plain_service(*state, v6);
		check_answer(*state, v6, &plain, ECE | CWR, 0);
	}
}

struct bad_syn_case {
	const char	*name;
	__u8		more_flags;
	__u32		payload;
	const char	*opt;
	__u32		opt_len;
	__u32		reason;
};

static const struct bad_syn_case bad_syns[] = {
	{ "with FIN",		FIN, 0, OPT(""), SP_DROP_BAD_SYN },
	{ "with FIN and data",	FIN, 100, OPT(""), SP_DROP_BAD_SYN },
	{ "with RST",		RST, 0, OPT(""), SP_DROP_BAD_SYN },
	{ "with ACK",		ACK, 0, OPT(""), SP_DROP_BAD_SYN },
	{ "all flags",		FIN | RST | PSH | ACK | URG, 0, OPT(""), SP_DROP_BAD_SYN },
	{ "option of length 0",	0, 0, OPT("\xfd\0\1\1"), SP_DROP_BAD_SYN },
	{ "option cut off",	0, 0, OPT("\1\1\2\4"), SP_DROP_BAD_SYN },
	{ "MSS of 3 bytes",	0, 0, OPT("\2\3\5\1"), SP_DROP_BAD_SYN },
	{ "wscale of 4 bytes",	0, 0, OPT("\3\4\5\1"), SP_DROP_BAD_SYN },
	{ "SACK permitted of 3",	0, 0, OPT("\4\3\1\1"), SP_DROP_BAD_SYN },
	{ "timestamps of 8",	0, 0, OPT("\x8\x8\1\2\3\4\5\6"), SP_DROP_BAD_SYN },
};

static void bad_syn_is_dropped(void **state)
{
	for (size_t i = 0; i < COUNT(bad_syns); i++)
		for_each_family(v6) {
			const struct bad_syn_case *c = &bad_syns[i];
			struct packet p = syn_packet(v6, c->opt, c->opt_len);

			p.flags |= c->more_flags;
			p.payload = c->payload;
			put_service(*state, v6, 0);
			check_dropped(*state, c->name, &p, c->reason);
		}
}

/* A client's first segment behind an answer that was made a while ago. */
struct cookie_case {
	const char	*name;
	/* age and key of the answer; key 0: the first of the daemon's keys */
	int		periods_ago, key;
	int		key_count;
	/* added to the right value, or flipped in it */
	int		seq, ack, sport, data, is_ecn;
	__u32		reason;
};

static const struct cookie_case cookies[] = {
	{ "of this period",			0, 0, 1, 0, 0, 0, 0, 0, SP_DROP_HEAD },
	{ "of the last one",			1, 0, 1, 0, 0, 0, 0, 0, SP_DROP_HEAD },
	{ "of the one before",			2, 0, 1, 0, 0, 0, 0, 0, SP_DROP_MISS },
	{ "of the one before that",		3, 0, 1, 0, 0, 0, 0, 0, SP_DROP_MISS },
	{ "of the next period",			-1, 0, 1, 0, 0, 0, 0, 0, SP_DROP_MISS },
	{ "by the second key",			0, 1, 2, 0, 0, 0, 0, 0, SP_DROP_HEAD },
	{ "by the second key, last period",	1, 1, 2, 0, 0, 0, 0, 0, SP_DROP_HEAD },
	{ "by the second key, too old",		2, 1, 2, 0, 0, 0, 0, 0, SP_DROP_MISS },
	{ "by a key that is gone",		0, 1, 1, 0, 0, 0, 0, 0, SP_DROP_MISS },
	{ "another byte of the stream",		0, 0, 1, 1, 0, 0, 0, 0, SP_DROP_MISS },
	{ "another acknowledgement",		0, 0, 1, 0, 0x100, 0, 0, 0, SP_DROP_MISS },
	{ "another client",			0, 0, 1, 0, 0, 1, 0, 0, SP_DROP_MISS },
	{ "of a client with ECN",		0, 0, 1, 0, 0, 0, 0, 1, SP_DROP_HEAD },
	{ "the same, by the second key",	1, 1, 2, 0, 0, 0, 0, 1, SP_DROP_HEAD },
	{ "the same, too old",			2, 0, 2, 0, 0, 0, 0, 1, SP_DROP_MISS },
	{ "the same, another client",		0, 0, 1, 0, 0, 1, 0, 1, SP_DROP_MISS },
	{ "data bits that we did not give",	0, 0, 1, 0, 0, 0, 2, 0, SP_DROP_MISS },
};

static __u32 old_isn(const struct fixture *f, const struct packet *syn, const struct cookie_case *c)
{
	struct sp_cookie_in in = { syn->tuple, syn->seq };

	return sp_cookie_make(f->control.cookie_key[c->key], &in,
			      f->control.period - c->periods_ago,
			      sp_cookie_data(3, 7, 1) | (c->is_ecn ? SP_COOKIE_DATA_ECN : 0));
}

static struct packet first_segment(struct fixture *f, int is_v6, const struct cookie_case *c)
{
	struct packet p = usual_syn(is_v6);
	__u32 isn = old_isn(f, &p, c) ^ c->data;

	p.flags = ACK | PSH;
	p.seq += 1 + c->seq;
	p.ack = isn + 1 + c->ack;
	p.tuple.sport = htons(ntohs(p.tuple.sport) + c->sport);
	p.payload = 77;
	return p;
}

static void put_keys(struct fixture *f, int is_v6, int count)
{
	put_service(f, is_v6, 0);
	f->control.cookie_key[1][0] = 0x0123456789abcdef;
	f->control.cookie_key[1][1] = 0xfedcba9876543210;
	f->control.key_count = count;
	assert_int_equal(set_control(f), 0);
}

/* The daemon relies on the datapath for the cookie's data. */
static void check_cookie_event(struct fixture *f, const struct cookie_case *c)
{
	assert_int_equal(listen_to(f), 1);
	if (c->reason == SP_DROP_HEAD)
		assert_int_equal(f->event.cookie, c->is_ecn ? SP_COOKIE_ECN : SP_COOKIE_PLAIN);
	else
		assert_int_equal(f->event.cookie, SP_COOKIE_INVALID);
}

static void only_fresh_cookies_of_ours_count(void **state)
{
	for (size_t i = 0; i < COUNT(cookies); i++)
		for_each_family(v6) {
			struct packet p;

			put_keys(*state, v6, cookies[i].key_count);
			p = first_segment(*state, v6, &cookies[i]);
			check_dropped(*state, cookies[i].name, &p, cookies[i].reason);
			check_cookie_event(*state, &cookies[i]);
		}
}

/* ---- half of the client's connection before ---- */

#define BOTH_FINS (SP_STATE_FIN | SP_STATE_PEER_FIN)

static void put_last(struct fixture *f, const struct packet *p, __u8 flags, __u8 state,
		     __u32 client_isn, __u32 next_seq)
{
	struct sp_entry e = { .half = full_half(p->is_v6),
			      .state = { .flags = state, .next_seq = next_seq },
			      .meta.client_isn = client_isn };

	e.half.flags = flags;
	sp_state_begin(&e.state, &p->tuple, &e.half, now_ns(CLOCK_MONOTONIC_COARSE));
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_halves), &p->tuple, &e,
					     BPF_ANY), 0);
}

/* @reason: 0: the half carries it */
struct last_case {
	const char	*name;
	__u8		flags, state;
	int		is_same, cookie_off;
	__u32		reason;
	int		joins;		/* near the stream of the connection before */
};

static const struct last_case lasts[] = {
	{ "on a closed one",			0, BOTH_FINS, 0, 0, SP_DROP_HEAD, 0 },
	{ "on one that was reset",		0, SP_STATE_PEER_RST, 0, 0, SP_DROP_HEAD, 0 },
	{ "on its own",				0, BOTH_FINS, 1, 0, 0, 0 },
	{ "no first one",			0, BOTH_FINS, 0, 0x100, 0, 0 },
	{ "on one of which one end is done",	0, SP_STATE_FIN, 0, 0, SP_DROP_HEAD, 0 },
	{ "no first one of the next, either",	0, SP_STATE_PEER_FIN, 0, 0x100, 0, 0 },
	{ "on the stream of such a one",	0, SP_STATE_FIN, 0, 0, 0, 1 },
	{ "on a live one",			0, 0, 0, 0, 0, 0 },
	{ "on a mark",				SP_HALF_F_TO_DAEMON, 0, 0, 0, SP_DROP_HELD, 0 },
	{ "on a half of a backend",		SP_HALF_F_FROM_BACKEND, BOTH_FINS, 0, 0, 0, 0 },
};

static void check_first_on(struct fixture *f, int is_v6, const struct last_case *c)
{
	struct packet p = first_segment(f, is_v6, &cookies[0]);
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u32 len;

	put_last(f, &p, c->flags, c->state, c->is_same ? p.seq - 1 : p.seq - 5000,
		 c->joins ? p.seq - 100000 : 0);
	p.ack += c->cookie_off;
	len = build(&p, in);
	if (c->reason)
		check_dropped(f, c->name, &p, c->reason);
	else
		check_run(f, c->name, in, len, TC_ACT_REDIRECT, out, &len);
	assert_int_equal(!!(state_of(f, &p.tuple).flags & SP_STATE_REUSED),
			 c->reason == SP_DROP_HEAD);
	remove_half(f, &p.tuple);
}

/* The SYN was answered by another proxy. */
static void first_segment_finds_the_half_of_before(void **state)
{
	for (size_t i = 0; i < COUNT(lasts); i++)
		for_each_family(v6) {
			put_keys(*state, v6, 1);
			check_first_on(*state, v6, &lasts[i]);
		}
}

#define ENDED	3000000000U	/* end of a closed connection's stream */

struct late_case {
	const char	*name;
	__u8		service_flags, flags, state;
	__u32		seq;
	__u32		reason;		/* 0: the half carries it */
};

static const struct late_case lates[] = {
	{ "its last one",		SP_SERVICE_F_SHARED, 0, BOTH_FINS, ENDED, 0 },
	{ "one that comes again",	SP_SERVICE_F_SHARED, 0, BOTH_FINS, ENDED - 60000, 0 },
	{ "one that was not seen",	SP_SERVICE_F_SHARED, 0, BOTH_FINS, ENDED + 10000, 0 },
	{ "one of the next",		SP_SERVICE_F_SHARED, 0, BOTH_FINS, ENDED + 100000,
	  SP_DROP_MISS },
	{ "one of the next, behind",	SP_SERVICE_F_SHARED, 0, BOTH_FINS, ENDED - 15000000,
	  SP_DROP_MISS },
	{ "behind an RST",		SP_SERVICE_F_SHARED, 0, SP_STATE_RST, ENDED + 15000000,
	  SP_DROP_MISS },
	{ "of one that lives",		SP_SERVICE_F_SHARED, 0, SP_STATE_FIN, ENDED + 15000000, 0 },
	{ "of its backend",		SP_SERVICE_F_SHARED, SP_HALF_F_FROM_BACKEND, BOTH_FINS,
	  ENDED, 0 },
	{ "of the next one's backend",	SP_SERVICE_F_SHARED, SP_HALF_F_FROM_BACKEND, BOTH_FINS,
	  ENDED + 15000000,
	  SP_DROP_FROM_BACKEND },
	{ "where nobody else is",	0, 0, BOTH_FINS, ENDED + 15000000, 0 },
};

/*
 * A segment in the midst of a connection. A backend's segment comes in by a tuple that leads to
 * our source address.
 */
static void check_late(struct fixture *f, int is_v6, const struct late_case *c)
{
	const struct sp_half half = full_half(is_v6);
	struct sp_entry e = { .half = half, .state = { .flags = c->state, .next_seq = ENDED } };
	struct packet p = { .is_v6 = is_v6, .tuple = TUPLE_IN(is_v6), .ttl = 64, .flags = ACK,
			    .seq = c->seq,
			    .window = 100, .payload = 100 };
	const struct sp_snat all = { 1, 65535 };
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u32 len;

	p.tuple.dport = htons(SERVICE_PORT);
	put_service(f, is_v6, c->service_flags);
	e.half.flags = c->flags;
	if (c->flags & SP_HALF_F_FROM_BACKEND) {
		e.half.out = sp_tuple_reverse(&p.tuple);
		p.tuple = sp_tuple_reverse(&half.out);
		bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_snats), &p.tuple.daddr, &all,
				    BPF_ANY);
	}
	sp_state_begin(&e.state, &p.tuple, &e.half, now_ns(CLOCK_MONOTONIC_COARSE));
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_halves), &p.tuple, &e,
					     BPF_ANY), 0);
	len = build(&p, in);
	if (c->reason)
		check_dropped(f, c->name, &p, c->reason);
	else
		check_run(f, c->name, in, len, TC_ACT_REDIRECT, out, &len);
	assert_false(state_of(f, &p.tuple).flags & SP_STATE_REUSED);
	bpf_map_delete_elem(bpf_map__fd(f->skel->maps.sp_snats), &p.tuple.daddr);
	remove_half(f, &p.tuple);
}

/* SYN and first segment passed other proxies, which had no state of the closed connection. */
static void later_segment_finds_the_half_of_before(void **state)
{
	for (size_t i = 0; i < COUNT(lates); i++)
		for_each_family(v6)
			check_late(*state, v6, &lates[i]);
}

struct reuse_case {
	const char	*name;
	__u8		service_flags, flags, state;
	__u32		events;
};

static const struct reuse_case reuses[] = {
	{ "others may have it",		SP_SERVICE_F_SHARED, 0, BOTH_FINS, 1 },
	{ "the SYN comes again",	SP_SERVICE_F_SHARED, 0, BOTH_FINS | SP_STATE_REUSED, 1 },
	{ "there are no others",	0, 0, BOTH_FINS, 0 },
	{ "a mark",			SP_SERVICE_F_SHARED, SP_HALF_F_TO_DAEMON, 0, 0 },
};

static void others_hear_what_a_syn_leaves_behind(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(reuses); i++)
		for_each_family(v6) {
			struct packet syn = usual_syn(v6);
			__u8 in[FRAME_MAX];

			put_service(f, v6, reuses[i].service_flags);
			put_last(f, &syn, reuses[i].flags, reuses[i].state, 7, 0);
			listen_to(f);
			check_reason(f, reuses[i].name, in, build(&syn, in), TC_ACT_REDIRECT,
				     SP_DROP_SYN_ANSWERED);
			assert_int_equal(listen_to(f), reuses[i].events);
			if (reuses[i].events) {
				assert_int_equal(f->event.kind, SP_EVENT_REUSED);
				assert_memory_equal(&f->event.tuple, &syn.tuple, sizeof(syn.tuple));
			}
			assert_true(state_of(f, &syn.tuple).flags & SP_STATE_REUSED);
			remove_half(f, &syn.tuple);
		}
}

struct front_case {
	const char	*name;
	__u8		flags, service_flags;
	__u32		payload;
	__u32		reason;
};

static const struct front_case fronts[] = {
	{ "third of the handshake",		ACK, 0, 0, SP_DROP_ACK_EMPTY },
	{ "the same, the server speaks first",	ACK, SP_SERVICE_F_SERVER_FIRST, 0, SP_DROP_HEAD },
	{ "data",				ACK | PSH, 0, 1, SP_DROP_HEAD },
	{ "FIN at once",			ACK | FIN, 0, 0, SP_DROP_HEAD },
	{ "RST",				RST, 0, 0, SP_DROP_MISS },
	{ "RST with ACK",			RST | ACK, 0, 0, SP_DROP_MISS },
	{ "RST, others may know it",		RST, SP_SERVICE_F_SHARED, 0, SP_DROP_MISS },
	{ "no ACK",				PSH, 0, 1, SP_DROP_BAD_HEADER },
};

static void what_follows_the_answer(void **state)
{
	for (size_t i = 0; i < COUNT(fronts); i++)
		for_each_family(v6) {
			struct packet p;

			put_service(*state, v6, fronts[i].service_flags);
			p = first_segment(*state, v6, &cookies[0]);
			p.flags = fronts[i].flags;
			p.payload = fronts[i].payload;
			check_dropped(*state, fronts[i].name, &p, fronts[i].reason);
		}
}

/* @age_ms: of the heartbeat */
struct daemon_case {
	const char	*name;
	int		age_ms, is_full;
	__u32		syn, data;	/* reasons */
};

static const struct daemon_case daemons[] = {
	{ "alive",			0, 0, SP_DROP_SYN_ANSWERED, SP_DROP_HEAD },
	{ "alive a second ago",		1000, 0, SP_DROP_SYN_ANSWERED, SP_DROP_HEAD },
	{ "its clock a little ahead",	-100, 0, SP_DROP_SYN_ANSWERED, SP_DROP_HEAD },
	{ "frozen",			1600, 0, SP_DROP_DAEMON_STALE, SP_DROP_DAEMON_STALE },
	{ "dead",			100000, 0, SP_DROP_DAEMON_STALE, SP_DROP_DAEMON_STALE },
	{ "table full",			0, 1, SP_DROP_TABLE_FULL, SP_DROP_HEAD },
};

static void put_daemon(struct fixture *f, int is_v6, const struct daemon_case *c)
{
	put_service(f, is_v6, 0);
	f->control.heartbeat_ns = c->age_ms < 0 ? heartbeat_ago(0) - c->age_ms * 1000000LL :
						  heartbeat_ago(c->age_ms * 1000000LL);
	f->control.is_full = c->is_full;
	assert_int_equal(set_control(f), 0);
}

/* A stale daemon and a full table leave spliced connections alone. */
static void without_a_daemon_nothing_begins(void **state)
{
	for (size_t i = 0; i < COUNT(daemons); i++)
		for_each_family(v6) {
			const struct daemon_case *c = &daemons[i];
			struct packet syn = usual_syn(v6), data, spliced = plain_packet(v6), want;
			struct sp_half h = full_half(v6);
			__u8 in[FRAME_MAX];

			put_daemon(*state, v6, c);
			check_reason(*state, c->name, in, build(&syn, in),
				     c->syn == SP_DROP_SYN_ANSWERED ? TC_ACT_REDIRECT :
				     TC_ACT_SHOT, c->syn);
			data = first_segment(*state, v6, &cookies[0]);
			check_dropped(*state, c->name, &data, c->data);
			want = expect_carried(spliced, &h);
			check_carried(*state, c->name, &spliced, &h, &want);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syn_is_answered_with_a_cookie),
		cmocka_unit_test(data_in_a_syn_are_ignored),
		cmocka_unit_test(wrong_checksum_stays_wrong),
		cmocka_unit_test(ip_checksum_must_be_right),
		cmocka_unit_test(nothing_of_ipv6s_first_word_is_copied),
		cmocka_unit_test(nobody_is_at_such_an_address),
		cmocka_unit_test(frame_to_many_is_not_answered),
		cmocka_unit_test(ecn_is_agreed_where_both_want_it),
		cmocka_unit_test(what_is_not_offered_is_not_agreed),
		cmocka_unit_test(bad_syn_is_dropped),
		cmocka_unit_test(only_fresh_cookies_of_ours_count),
		cmocka_unit_test(first_segment_finds_the_half_of_before),
		cmocka_unit_test(later_segment_finds_the_half_of_before),
		cmocka_unit_test(others_hear_what_a_syn_leaves_behind),
		cmocka_unit_test(what_follows_the_answer),
		cmocka_unit_test(without_a_daemon_nothing_begins),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

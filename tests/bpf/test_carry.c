// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_carry.c - a segment of a splice: its header and size. Options: test_options.c. Needs root.
 */
#include "check.h"

struct header_case {
	const char	*name;
	__u8		flags, ttl;
	__u32		seq, ack, seq_delta, ack_delta;
	__u32		payload;
};

static const struct header_case headers[] = {
	{ "nothing to add",		ACK, 64, 1, 2, 0, 0, 10 },
	{ "both wrap",			ACK, 64, 0xfffffff0, 0xffffff00, 0x100, 0x1000, 10 },
	{ "both go back",		ACK, 64, 5, 6, -10, -20, 10 },
	{ "to zero",			ACK, 64, 0x80000000, 0x7fffffff, 0x80000000, 0x80000001,
	  10 },
	{ "no payload",			ACK, 64, 1, 2, 3, 4, 0 },
	{ "odd payload",		ACK, 64, 1, 2, 3, 4, 1 },
	{ "a full segment",		ACK, 64, 1, 2, 3, 4, 1440 },
	{ "RST without ACK",		RST, 64, 1, 2, 3, 4, 0 },
	{ "RST with ACK",		RST | ACK, 64, 1, 2, 3, 4, 0 },
	{ "FIN, PSH",			FIN | PSH | ACK, 64, 1, 2, 3, 4, 10 },
	{ "SYN-ACK",			SYN | ACK, 64, 1, 2, 3, 4, 0 },
	{ "ECN and URG stay",		URG | ECE | CWR | ACK, 64, 1, 2, 3, 4, 10 },
	{ "the last hop but one",	ACK, 2, 1, 2, 3, 4, 10 },
	{ "TTL 255",			ACK, 255, 1, 2, 3, 4, 10 },
};

static void header_is_rewritten(void **state)
{
	for (size_t i = 0; i < COUNT(headers); i++)
		for_each_family(v6) {
			const struct header_case *c = &headers[i];
			struct packet p = plain_packet(v6), want;
			struct sp_half h = full_half(v6);

			p.flags = c->flags, p.ttl = c->ttl, p.seq = c->seq, p.ack = c->ack,
				p.payload = c->payload;
			h.seq_delta = c->seq_delta, h.ack_delta = c->ack_delta;
			want = expect_carried(p, &h);
			check_carried(*state, c->name, &p, &h, &want);
		}
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
		for_each_family(v6) {
			const struct window_case *c = &windows[i];
			struct packet p = plain_packet(v6), want;
			struct sp_half h = full_half(v6);

			h.window_shift = c->shift;
			p.flags = c->flags;
			p.window = c->in;
			want = expect_carried(p, &h);
			want.window = c->out;
			check_carried(*state, c->name, &p, &h, &want);
		}
}

/* A wide window's rest is smaller than one unit of the reader's scale. */
static void window_that_is_about_to_close(void **state)
{
	static const struct { __u16 in, out; } steps[] = {
		{ 7, 1 }, { 9, 1 }, { 7, 1 }, { 0x0817, 0x0102 }, { 7, 0 }, { 8, 1 }, { 0, 0 },
	};

	for_each_family(v6) {
		struct packet p = plain_packet(v6), want;
		struct sp_half h = full_half(v6);

		h.window_shift = -3;
		put_half(*state, &p.tuple, &h);
		for (size_t i = 0; i < COUNT(steps); i++) {
			p.window = steps[i].in;
			want = expect_carried(p, &h);
			want.window = steps[i].out;
			check_forwarded(*state, "about to close", &p, &want);
		}
	}
}

/* The folded sum carries again once in 10^9 packets, as here. */
static void sum_that_carries_twice(void **state)
{
	for_each_family(v6) {
		struct packet p = plain_packet(v6), want;
		struct sp_half h = full_half(v6);
		__u64 sum = difference(&p.tuple.sport, &h.out.sport, 1);

		sum += (__u64)(__u32)~htonl(p.seq) + htonl(p.seq + h.seq_delta) +
			(__u32)~htonl(p.ack);
		h.ack_delta = ntohl(0xffffffff - (__u32)sum) - p.ack;
		want = expect_carried(p, &h);
		check_carried(*state, "sum", &p, &h, &want);
	}
}

static void every_sum_of_an_ipv4_header(void **state)
{
	struct packet p = plain_packet(0), want;
	struct sp_half h = full_half(0);

	for (int id = 0; id <= 0xffff; id++) {
		p.id = id;
		want = expect_carried(p, &h);
		check_carried(*state, "id", &p, &h, &want);
	}
}

static void ttl_runs_out(void **state)
{
	for_each_family(v6)
		for (int ttl = 0; ttl < 2; ttl++) {
			struct packet p = plain_packet(v6);

			p.ttl = ttl;
			put_splice(*state, v6);
			check_dropped(*state, "TTL", &p, SP_DROP_TTL_EXPIRED);
		}
}

static void no_route_no_packet(void **state)
{
	for_each_family(v6) {
		struct packet p = plain_packet(v6);
		struct sp_half h = full_half(v6);

		h.out.daddr = addr_of(v6 ? "2001:db8::1" : "198.51.100.1");
		assert_int_equal(put_half(*state, &p.tuple, &h), 0);
		check_dropped(*state, "no route", &p, SP_DROP_NO_ROUTE);
	}
}

/*
 * @more: payload, relative to a full packet at an MTU of 1500. @gso: size of a segment, relative to
 *		a full packet's
 */
struct size_case {
	const char	*name;
	int		more, opt_len, is_gso, gso;
	int		is_too_big;
};

static const struct size_case sizes[] = {
	{ "just fits",				0, 0, 0, 0, 0 },
	{ "just fits, with options",		0, 12, 0, 0, 0 },
	{ "a byte too many",			1, 0, 0, 0, 1 },
	{ "a byte too many, with options",	1, 12, 0, 0, 1 },
	{ "superpacket of full segments",	1500, 0, 1, 0, 0 },
	{ "superpacket, with options",		1500, 12, 1, 0, 0 },
	{ "superpacket, segments too large",	1500, 0, 1, 1, 1 },
	{ "the same, with options",		1500, 12, 1, 1, 1 },
	{ "superpacket of small segments",	1500, 12, 1, -1000, 0 },
	{ "superpacket within the MTU",		-900, 12, 1, -1000, 0 },
};

static struct packet size_packet(int is_v6, const struct size_case *c, struct fixture *f)
{
	int mss = 1500 - (l4_off(is_v6) - 14) - 20 - c->opt_len;
	struct packet p = plain_packet(is_v6);

	p.payload = mss + c->more;
	p.opt_len = c->opt_len;
	memset(p.opt, 1, p.opt_len);
	f->gso_size = c->is_gso ? mss + c->gso : 0;
	f->gso_segs = c->is_gso ? (p.payload + f->gso_size - 1) / f->gso_size : 0;
	return p;
}

static void check_size(struct fixture *f, int is_v6, const struct size_case *c)
{
	struct packet p = size_packet(is_v6, c, f), want;
	__u32 gso_size = f->gso_size, gso_segs = f->gso_segs;
	struct sp_half h = full_half(is_v6);

	if (c->is_too_big) {
		check_dropped(f, c->name, &p, SP_DROP_TOO_BIG);
		return;
	}
	want = expect_carried(p, &h);
	check_carried(f, c->name, &p, &h, &want);
	assert_int_equal(f->skb.gso_size, gso_size);
	assert_int_equal(f->skb.gso_segs, gso_segs);
}

static void segments_must_fit_the_way_out(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(sizes); i++)
		for_each_family(v6) {
			put_splice(f, v6);
			check_size(f, v6, &sizes[i]);
		}
	f->gso_size = f->gso_segs = 0;
}

/* @mss: of the receiver, where the route has 1500; @packet_max: limit told to the sender */
static const struct { __u16 mss, packet_max_v4, packet_max_v6; } limits[] = {
	{ 0, 1500, 1500 }, { 1360, 1400, 1420 }, { 1460, 1500, 1500 }, { 9000, 1500, 1500 },
		{ 1, 576, 1280 },
	{ 65535, 1500, 1500 },
};

static void check_limit(struct fixture *f, int is_v6, __u16 mss, int packet_max)
{
	struct packet p = plain_packet(is_v6), want;
	struct sp_half h = full_half(is_v6);

	h.mss = mss;
	p.payload = packet_max - (l4_off(is_v6) - 14) - 20;
	want = expect_carried(p, &h);
	check_carried(f, "as much as the receiver takes", &p, &h, &want);
	p.payload++;
	listen_to(f);
	check_dropped(f, "more than the receiver takes", &p, SP_DROP_TOO_BIG);
	assert_int_equal(listen_to(f), 1);
	assert_int_equal(f->event.mtu, packet_max);
}

static void receivers_mss_is_a_limit(void **state)
{
	for (size_t i = 0; i < COUNT(limits); i++)
		for_each_family(v6)
			check_limit(*state, v6, limits[i].mss, v6 ? limits[i].packet_max_v6 :
				    limits[i].packet_max_v4);
}

/* A large IPv4 packet without DF goes to the daemon as a whole. */
static void without_df_it_is_cut(void **state)
{
	struct packet p = plain_packet(0);
	struct fixture *f = *state;
	__u8 in[FRAME_MAX];
	__u32 len;

	p.is_df = 0;
	p.payload = 1500 - 40 + 1;
	put_splice(f, 0);
	listen_to(f);
	check_dropped(f, "no DF", &p, SP_DROP_PIECES);
	assert_int_equal(listen_to(f), 1);
	len = build(&p, in);
	assert_int_equal(f->event.kind, SP_EVENT_PIECES);
	assert_int_equal(f->event.mtu, 1500);
	assert_int_equal(f->event.len, len - 14);
	assert_int_equal(state_of(f, &p.tuple).bytes, p.payload);
}

static void padding_is_no_payload(void **state)
{
	for_each_family(v6) {
		struct packet p = plain_packet(v6);
		__u8 in[FRAME_MAX] = "", out[FRAME_MAX];
		__u32 len;

		p.payload = 2;
		put_splice(*state, v6);
		len = build(&p, in) + 9;
		check_run(*state, "padded", in, len, TC_ACT_REDIRECT, out, &len);
		assert_int_equal(state_of(*state, &p.tuple).bytes, 2);
	}
}

/*
 * @dscp_ecn: of each packet of a client in turn; -1: no more. @went: of the packet as forwarded;
 *		-1: dropped
 */
struct ecn_case {
	const char	*name;
	__u8		half_flags;
	__u32		payload;
	int		came[5], went[4];
};

static const struct ecn_case ecns[] = {
	{ "both ends do it: nothing changes",	0, 10, { 0, 1, 2, 3, -1 }, { 0, 1, 2, 3 } },
	{ "nor does the DSCP",			0, 10, { 0xb8, 0xba, 0xbb, 0xff, -1 },
	  { 0xb8, 0xba, 0xbb, 0xff } },
	{ "the backend does not",		SP_HALF_F_NOT_ECT, 10, { 0, 1, 2, 0xb8, -1 },
	  { 0, 0, 0, 0xb8 } },
	{ "but the DSCP stays",			SP_HALF_F_NOT_ECT, 10,
	  { 0xb9, 0xba, 0xfe, 0xfc, -1 }, { 0xb8, 0xb8, 0xfc, 0xfc } },
	{ "adopted",				SP_HALF_F_NOT_ECT | SP_HALF_F_SPLIT |
	  SP_HALF_F_ADOPTED, 10,
	  { 2, 0xba, 1, 0, -1 }, { 0, 0xb8, 0, 0 } },
	{ "each mark alone is a loss",		SP_HALF_F_NOT_ECT, 10, { 3, 2, 0xbb, 2, -1 },
	  { -1, 0, -1, 0 } },
	{ "of those in a row the first and third", SP_HALF_F_NOT_ECT, 10, { 3, 3, 3, 3, -1 },
	  { -1, 0, -1, 0 } },
	{ "what has no data is not lost",	SP_HALF_F_NOT_ECT, 0, { 3, 2, 3, 3, -1 },
	  { 0, 0, 0, 0 } },
};

static void check_ecn(struct fixture *f, int is_v6, const struct ecn_case *c, int i)
{
	struct packet p = plain_packet(is_v6), want;
	struct sp_half h = full_half(is_v6);
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u32 len;

	p.payload = c->payload;
	p.ecn = c->came[i];
	if (c->went[i] < 0) {
		check_dropped(f, c->name, &p, SP_DROP_ECN_MARK);
		return;
	}
	len = build(&p, in);
	want = expect_carried(p, &h);
	want.ecn = c->went[i];
	check_run_summed(f, c->name, in, len, TC_ACT_REDIRECT, out, &len);
	check_bytes(c->name, &want, out, len);
}

static void marks_are_not_lost_on_anybody(void **state)
{
	for (size_t n = 0; n < COUNT(ecns); n++)
		for_each_family(v6) {
			struct sp_tuple in = TUPLE_IN(v6);
			struct sp_half h = full_half(v6);

			h.flags = ecns[n].half_flags;
			assert_int_equal(put_half(*state, &in, &h), 0);
			for (int i = 0; ecns[n].came[i] >= 0; i++)
				check_ecn(*state, v6, &ecns[n], i);
		}
}

static void set_policies(struct fixture *f, const struct sp_policies *p)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_policies), &zero, p,
					     BPF_ANY), 0);
}

/* The datapath cannot encrypt. The first matching policy decides. */
static void ipsec_policies_are_heeded(void **state)
{
	const struct sp_policies none = { 0 };
	struct fixture *f = *state;

	for_each_family(v6) {
		struct sp_policies p = { .count = SP_POLICIES_MAX };
		struct packet seg = plain_packet(v6), want;
		struct sp_half h = full_half(v6);
		struct sp_policy *last = &p.of[SP_POLICIES_MAX - 1];

		for (int i = 0; i < SP_POLICIES_MAX; i++)
			p.of[i] = (struct sp_policy){ .dport = 1, .dport_mask = 0xffff };
		*last = (struct sp_policy){ .saddr = h.out.saddr, .daddr = h.out.daddr, .dport = h.out.dport,
					    .dport_mask = 0xffff };
		memset(&last->smask, 0xff, sizeof(last->smask));
		memset(&last->dmask, 0xff, sizeof(last->dmask));
		set_policies(f, &p);
		assert_int_equal(put_half(f, &seg.tuple, &h), 0);
		check_dropped(f, "the last one fits", &seg, SP_DROP_IPSEC);
		check_dropped(f, "and again", &seg, SP_DROP_IPSEC);
		p.of[0] = (struct sp_policy){ .is_pass = 1 };
		set_policies(f, &p);
		want = expect_carried(seg, &h);
		check_carried(f, "one before it lets all pass", &seg, &h, &want);
		p.of[0] = p.of[1];
		last->sport = htons(ntohs(h.out.sport) + 1);
		last->sport_mask = 0xffff;
		set_policies(f, &p);
		check_carried(f, "none fits", &seg, &h, &want);
	}
	set_policies(f, &none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_is_rewritten),
		cmocka_unit_test(window_means_the_same),
		cmocka_unit_test(window_that_is_about_to_close),
		cmocka_unit_test(sum_that_carries_twice),
		cmocka_unit_test(every_sum_of_an_ipv4_header),
		cmocka_unit_test(ttl_runs_out),
		cmocka_unit_test(no_route_no_packet),
		cmocka_unit_test(segments_must_fit_the_way_out),
		cmocka_unit_test(receivers_mss_is_a_limit),
		cmocka_unit_test(without_df_it_is_cut),
		cmocka_unit_test(padding_is_no_payload),
		cmocka_unit_test(marks_are_not_lost_on_anybody),
		cmocka_unit_test(ipsec_policies_are_heeded),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_upcall.c - contents of the ring, and rate limits. Needs root. */
#include "check.h"

#define SNAT_FIRST	20000
#define SNAT_LAST	30000

enum kind_of_packet { FRONT, FRONT_SERVER_FIRST, MISS, HELD, CHALLENGED, BACK, BACK_STRAY, TOO_BIG,
		      KINDS };

struct event_case {
	const char	*name;
	__u32		event, reason;
	__u16		mtu;
	int		is_headers_only;
};

static const struct event_case events[KINDS] = {
	[FRONT] =	{ "first segment, valid cookie", SP_EVENT_FRONT, SP_DROP_HEAD, 0, 0 },
	[FRONT_SERVER_FIRST] = { "empty ACK, the server speaks first", SP_EVENT_FRONT, SP_DROP_HEAD,
				 0, 0 },
	[MISS] =	{ "neither half nor cookie", SP_EVENT_MISS, SP_DROP_MISS, 0, 0 },
	[HELD] =	{ "the half says so", SP_EVENT_HELD, SP_DROP_HELD, 0, 0 },
	[CHALLENGED] =	{ "SYN on a live splice", SP_EVENT_HELD, SP_DROP_SYN_CHALLENGED, 0, 0 },
	[BACK] =	{ "SYN-ACK of a backend", SP_EVENT_BACK, SP_DROP_FROM_BACKEND, 0, 0 },
	[BACK_STRAY] =	{ "stray of a backend", SP_EVENT_BACK, SP_DROP_FROM_BACKEND, 0, 0 },
	[TOO_BIG] =	{ "larger than its way out", SP_EVENT_TOO_BIG, SP_DROP_TOO_BIG, 1500, 1 },
};

static void put_snat(struct fixture *f, int is_v6)
{
	struct sp_tuple out = TUPLE_OUT(is_v6);
	struct sp_snat range = { SNAT_FIRST, SNAT_LAST };

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_snats), &out.saddr,
					     &range, BPF_ANY), 0);
}

static void put_mark(struct fixture *f, const struct sp_tuple *key)
{
	struct sp_half mark = { .flags = SP_HALF_F_TO_DAEMON };

	assert_int_equal(put_half(f, key, &mark), 0);
}

static struct packet client_packet(struct fixture *f, int is_v6, __u8 service_flags)
{
	struct packet p = plain_packet(is_v6);
	struct sp_cookie_in in = { .client_isn = p.seq - 1 };

	put_service(f, is_v6, service_flags);
	p.tuple.dport = htons(SERVICE_PORT);
	remove_half(f, &p.tuple);
	in.tuple = p.tuple;
	p.ack = sp_cookie_make(f->control.cookie_key[0], &in, f->control.period,
			       sp_cookie_data(2, 9, 1)) + 1;
	return p;
}

static struct packet backend_packet(struct fixture *f, int is_v6, __u8 flags)
{
	struct packet p = plain_packet(is_v6);
	struct sp_tuple out = TUPLE_OUT(is_v6);

	put_service(f, is_v6, 0);
	put_snat(f, is_v6);
	p.tuple = sp_tuple_reverse(&out);
	remove_half(f, &p.tuple);
	p.flags = flags;
	return p;
}

/* The packet, after its maps are filled. */
static struct packet packet_of(struct fixture *f, int is_v6, enum kind_of_packet kind)
{
	struct packet p = kind == BACK || kind == BACK_STRAY ? backend_packet(f, is_v6,
									      kind == BACK ?
									      SYN | ACK : ACK) :
			  client_packet(f, is_v6, kind == FRONT_SERVER_FIRST ?
					SP_SERVICE_F_SERVER_FIRST : 0);

	switch (kind) {
	case FRONT_SERVER_FIRST:
		p.payload = 0;
		break;
	case MISS:
		p.ack ^= 0x400;
		break;
	case HELD:
		put_mark(f, &p.tuple);
		break;
	case CHALLENGED:
		p.flags = SYN;
		/* fall through */
	case TOO_BIG:
		p.tuple = TUPLE_IN(is_v6);
		put_splice(f, is_v6);
		p.payload = 2000;
		break;
	default:
		break;
	}
	return p;
}

static void check_event(struct fixture *f, const struct packet *p, const struct event_case *c,
			__u8 cookie,
			const __u8 *frame, __u32 len)
{
	const struct sp_event *ev = &f->event;

	if (listen_to(f) != 1)
		fail_msg("%s: %d records", c->name, f->events);
	assert_int_equal(ev->kind, c->event);
	assert_memory_equal(&ev->tuple, &p->tuple, sizeof(ev->tuple));
	assert_int_equal(ev->len, len - 14);
	assert_int_equal(ev->l4_off, l4_off(p->is_v6) - 14);
	assert_int_equal(ev->mtu, c->mtu);
	assert_int_equal(ev->cookie, cookie);
	assert_in_range((__u32)(now_ns(CLOCK_MONOTONIC_COARSE) / 1000000 - ev->came_ms), 0, 1000);
	check_same(c->name, p->is_v6, frame + 14, len - 14, ev->packet, ev->len);
}

static void check_upcall(struct fixture *f, int is_v6, enum kind_of_packet kind)
{
	const struct event_case *c = &events[kind];
	struct packet p = packet_of(f, is_v6, kind);
	__u8 in[FRAME_MAX], cookie = c->event == SP_EVENT_FRONT ? SP_COOKIE_PLAIN :
		SP_COOKIE_INVALID;
	__u32 len = build(&p, in);

	listen_to(f);
	check_reason(f, c->name, in, len, TC_ACT_SHOT, c->reason);
	check_event(f, &p, c, cookie, in, c->is_headers_only ? l4_off(is_v6) + 20 + p.opt_len :
		    len);
	check_reason(f, c->name, in, len, TC_ACT_SHOT, c->reason);
	assert_int_equal(listen_to(f), 1);
}

static void record_says_what_came(void **state)
{
	for (int kind = 0; kind < KINDS; kind++)
		for_each_family(v6)
			check_upcall(*state, v6, kind);
}

static void too_big_quotes_the_options(void **state)
{
	for_each_family(v6) {
		struct packet p = packet_of(*state, v6, TOO_BIG);
		__u8 in[FRAME_MAX];

		p.opt_len = 40;
		memset(p.opt, 1, 40);
		listen_to(*state);
		check_reason(*state, "options", in, build(&p, in), TC_ACT_SHOT, SP_DROP_TOO_BIG);
		check_event(*state, &p, &events[TOO_BIG], 0, in, l4_off(v6) + 60);
	}
}

/* Records come in a few sizes. Each must hold the whole packet that it announces. */
static void every_length_is_whole(void **state)
{
	static const __u32 lengths[] = { 40, 41, 60, 255, 256, 257, 1500, 2047, 2048, 2049, 3500 };

	for (size_t i = 0; i < COUNT(lengths); i++)
		for_each_family(v6) {
			struct packet p = packet_of(*state, v6, HELD);
			__u32 headers = l4_off(v6) - 14 + 20;
			__u8 in[FRAME_MAX];

			p.payload = lengths[i] > headers ? lengths[i] - headers : 0;
			listen_to(*state);
			check_reason(*state, "length", in, build(&p, in), TC_ACT_SHOT,
				     SP_DROP_HELD);
			check_event(*state, &p, &events[HELD], 0, in, headers + p.payload + 14);
		}
}

/* If the server speaks first, the daemon sees the SYN-ACK that went out. */
static void answer_to_a_syn_is_shown(void **state)
{
	static const struct event_case c = { "SYN-ACK of ours", SP_EVENT_SYNACK,
					     SP_DROP_SYN_ANSWERED, 0, 0 };
	struct fixture *f = *state;

	for_each_family(v6)
		for (int is_first = 0; is_first < 2; is_first++) {
			struct packet p = client_packet(f, v6, is_first ?
							SP_SERVICE_F_SERVER_FIRST : 0);
			__u8 in[FRAME_MAX], out[FRAME_MAX];
			__u32 len;

			p.flags = SYN;
			p.payload = 0;
			listen_to(f);
			len = build(&p, in);
			check_run(f, c.name, in, len, TC_ACT_REDIRECT, out, &len);
			if (is_first)
				check_event(f, &p, &c, 0, out, len);
			else
				assert_int_equal(listen_to(f), 0);
		}
}

/* Ports of SNAT addresses outside our range belong to the machine. */
static void only_our_ports_are_backends(void **state)
{
	static const struct { int port, is_ours; } ports[] = {
		{ SNAT_FIRST - 1, 0 }, { SNAT_FIRST, 1 }, { SNAT_LAST, 1 }, { SNAT_LAST + 1, 0 },
			{ 0, 0 },
		{ 65535, 0 },
	};

	for (size_t i = 0; i < COUNT(ports); i++)
		for_each_family(v6) {
			struct packet p = packet_of(*state, v6, BACK);
			__u8 in[FRAME_MAX];

			p.tuple.dport = htons(ports[i].port);
			if (ports[i].is_ours)
				check_dropped(*state, "port of ours", &p, SP_DROP_FROM_BACKEND);
			else
				check_untouched(*state, "port of others", v6, in, build(&p, in));
		}
}

static void nobody_listens(void **state)
{
	static const enum kind_of_packet kinds[] = { FRONT, MISS, BACK };
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(kinds); i++)
		for_each_family(v6) {
			struct packet p = packet_of(f, v6, kinds[i]);

			f->control.heartbeat_ns -= 2 * SP_HEARTBEAT_STALE_NS;
			assert_int_equal(set_control(f), 0);
			listen_to(f);
			check_dropped(f, events[kinds[i]].name, &p, SP_DROP_DAEMON_STALE);
			assert_int_equal(listen_to(f), 0);
		}
}

/* The burst, and the rate after the burst. */
struct limit_case {
	enum kind_of_packet	kind;
	__u64			burst, per_s;
};

static const struct limit_case limits[] = {
	{ MISS, 4000, 20000 }, { CHALLENGED, 4000, 20000 }, { TOO_BIG, 4000, 20000 },
		{ BACK_STRAY, 4000, 20000 },
	{ HELD, 64, 64 * 1000 },	/* a tick of the coarse clock is 1 ms or more */
};

/* Return: records written for @count packets. */
static __u64 pour(struct fixture *f, const struct packet *p, int count)
{
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u64 n = 0;
	__u32 len = build(p, in), out_len;

	while (count > 0) {
		assert_int_equal(run(f, in, len, out, &out_len, 1000, NULL), TC_ACT_SHOT);
		n += listen_to(f);
		count -= 1000;
	}
	return n;
}

static void check_limit(struct fixture *f, const struct limit_case *c)
{
	struct packet p = packet_of(f, 0, c->kind);
	__u64 refused = drops(f, SP_DROP_RATE_LIMITED), start = now_ns(CLOCK_MONOTONIC), n, most;

	n = pour(f, &p, 30000);
	/* with a tick of the coarse clock to spare */
	most = c->burst + (now_ns(CLOCK_MONOTONIC) - start + 10000000) * c->per_s / 1000000000;
	refused = drops(f, SP_DROP_RATE_LIMITED) - refused;
	if (n < c->burst || n > most || n + refused != 30000)
		fail_msg("%s: %d let through, %d refused", events[c->kind].name, (int)n,
			 (int)refused);
}

static void upcalls_are_limited(void **state)
{
	for (size_t i = 0; i < COUNT(limits); i++) {
		usleep(300000);		/* the bucket fills */
		check_limit(*state, &limits[i]);
	}
}

/* A daemon does not read: packets are dropped until it reads again. */
static void ring_runs_full(void **state)
{
	struct fixture *f = *state;
	struct packet p = packet_of(f, 0, FRONT);
	__u64 full = drops(f, SP_DROP_RING_FULL), head = drops(f, SP_DROP_HEAD);
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u32 len, out_len;

	p.payload = 1400;
	len = build(&p, in);
	assert_int_equal(run(f, in, len, out, &out_len, 20000, NULL), TC_ACT_SHOT);
	full = drops(f, SP_DROP_RING_FULL) - full;
	assert_true(full > 1000);
	assert_int_equal(drops(f, SP_DROP_HEAD) - head + full, 20000);
	assert_int_equal(listen_to(f), 20000 - full);
	check_dropped(f, "after reading", &p, SP_DROP_HEAD);
	assert_int_equal(listen_to(f), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_says_what_came),
		cmocka_unit_test(too_big_quotes_the_options),
		cmocka_unit_test(every_length_is_whole),
		cmocka_unit_test(answer_to_a_syn_is_shown),
		cmocka_unit_test(only_our_ports_are_backends),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(upcalls_are_limited),
		cmocka_unit_test(ring_runs_full),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An agent's program at ingress, and connections that its host's kernel is to take over: which
 * segments are first of a handshake, which go to the stack, and which must not. A test run hands
 * no connection over, as its packets come by no interface: the first segment ends as adopt_failed.
 * test_takeover.c has the rest.
 */
#include "adopt.h"

static void check_asked(struct fixture *f, const char *name, const struct packet *p, int events)
{
	__u32 len = 14 + (p->is_v6 ? 40 : 20) + 20 + p->opt_len;
	__u8 in[FRAME_MAX];

	check_dropped(f, name, p, SP_DROP_ADOPT_ASKED);
	assert_int_equal(listen_to(f), events);
	if (!events)
		return;
	build(p, in);
	assert_int_equal(f->event.kind, SP_EVENT_MISS);
	assert_memory_equal(&f->event.tuple, &p->tuple, sizeof(p->tuple));
	assert_int_equal(f->event.len, len - 14);
	assert_memory_equal(f->event.packet, in + 14, len - 14);
}

static void put_ask(struct fixture *f, const struct sp_tuple *t, __s64 asked_ns, __s64 pass_ns)
{
	__u64 now = now_ns(CLOCK_MONOTONIC_COARSE);
	struct sp_query ask = { .asked_ns = now + asked_ns, .pass_until_ns = pass_ns ?
				now + pass_ns : 0 };

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_queries), t, &ask,
					     BPF_ANY), 0);
}

/* @data_off: header length in the TCP header, if not 0 */
struct pass_case {
	const char	*name;
	__u8		flags;
	int		is_other_port, is_stranger, data_off;
};

static const struct pass_case passes[] = {
	{ "SYN",		SYN, 0, 0, 0 },
	{ "SYN-ACK",		SYN | ACK, 0, 0, 0 },
	{ "RST",		RST | ACK, 0, 0, 0 },
	{ "no server's port",	ACK, 1, 0, 0 },
	{ "of no proxy",	ACK, 0, 1, 0 },
	{ "damaged",		ACK, 0, 0, 0x40 },
	{ "damaged, too long",	ACK, 0, 0, 0xf0 },
};

static void others_pass(void **state)
{
	for (size_t i = 0; i < COUNT(passes); i++)
		for_each_family(v6) {
			const struct pass_case *c = &passes[i];
			struct packet p = first_segment(v6, CLIENT_ISN);
			__u8 in[FRAME_MAX];
			__u32 len;

			begin_adopt(*state, v6);
			p.flags = c->flags;
			p.payload = 0;
			if (c->is_other_port)
				p.tuple.dport = htons(SERVED_PORT + 1);
			if (c->is_stranger)
				p.tuple.saddr = addr_of(v6 ? "fd09::7" : "10.9.0.7");
			len = build(&p, in);
			if (c->data_off)
				in[l4_off(v6) + 12] = c->data_off;
			check_untouched(*state, c->name, v6, in, len);
			assert_int_equal(listen_to(*state), 0);
		}
}

/* The stack would send an RST for a segment without socket and half. */
static void what_nobody_knows_is_asked_about(void **state)
{
	for_each_family(v6) {
		struct packet p = first_segment(v6, CLIENT_ISN);

		begin_adopt(*state, v6);
		check_asked(*state, "first", &p, 1);
		check_asked(*state, "repeated at once", &p, 0);
		put_ask(*state, &p.tuple, -(__s64)SP_QUERY_HOLD_NS - 10000000, 0);
		check_asked(*state, "repeated later", &p, 1);
		check_asked(*state, "and at once", &p, 0);
		put_ask(*state, &p.tuple, -1000, 1000000000);
		check_to_stack(*state, "after the answer that there is nobody", &p, 0);
		put_ask(*state, &p.tuple, -2000000000, -1000000000);
		check_asked(*state, "a while after that", &p, 1);
	}
}

static void all_sources_when_none_are_told(void **state)
{
	struct fixture *f = *state;
	struct sp_snat all = { 1, 65535 };
	struct sp_addr any = {};

	for_each_family(v6) {
		struct packet p = first_segment(v6, CLIENT_ISN);

		begin_adopt(f, v6);
		p.tuple.saddr = addr_of(v6 ? "fd09::7" : "10.9.0.7");
		bpf_map_delete_elem(bpf_map__fd(f->skel->maps.sp_queries), &p.tuple);
		bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_snats), &any, &all, BPF_ANY);
		check_asked(f, "any", &p, 1);
		bpf_map_delete_elem(bpf_map__fd(f->skel->maps.sp_snats), &any);
	}
}

static void nobody_can_be_asked(void **state)
{
	struct fixture *f = *state;

	for_each_family(v6) {
		struct packet p = first_segment(v6, CLIENT_ISN);

		begin_adopt(f, v6);
		f->control.heartbeat_ns -= SP_HEARTBEAT_STALE_NS + 100000000;
		set_control(f);
		check_dropped(f, "stale daemon", &p, SP_DROP_DAEMON_STALE);
		assert_int_equal(listen_to(f), 0);
	}
}

static void questions_are_limited(void **state)
{
	for_each_family(v6) {
		struct packet p = first_segment(v6, CLIENT_ISN);

		begin_adopt(*state, v6);
		check_limited(*state, &p, 0, TC_ACT_SHOT);
	}
}

/* First segments with payload fill the ring: heads have no rate limit. */
static void fill_ring(struct fixture *f)
{
	struct packet p = plain_packet(0);
	struct sp_cookie_in in = { .client_isn = p.seq - 1 };
	__u8 frame[FRAME_MAX], out[FRAME_MAX];
	__u32 len;

	put_service(f, 0, 0);
	p.tuple.dport = htons(SERVICE_PORT);
	in.tuple = p.tuple;
	p.ack = sp_cookie_make(f->control.cookie_key[0], &in, f->control.period, 0) + 1;
	f->prog = f->skel->progs.sp_ingress;
	/* records of both sizes */
	for (p.payload = 1400; p.payload; p.payload = p.payload > 100 ? 100 : 0) {
		len = build(&p, frame);
		assert_int_equal(run(f, frame, len, out, &len, 20000, NULL), TC_ACT_SHOT);
	}
	f->prog = f->skel->progs.sp_agent_adopt;
}

static void daemon_that_does_not_read_is_not_asked(void **state)
{
	struct packet p = first_segment(0, CLIENT_ISN);

	begin_adopt(*state, 0);
	fill_ring(*state);
	check_dropped(*state, "no room", &p, SP_DROP_RING_FULL);
	assert_true(listen_to(*state) > 1000);
}

/*
 * A cookie is right for its client's ISN, by either key, from the commit until two periods before.
 */
struct cookie_case {
	const char	*name;
	int		key_idx, key_count, later, seq_off;
	__u8		flags, change;
	int		is_right;
};

static const struct cookie_case cookies[] = {
	{ "right",			0, 2,  0, 0, ACK | PSH, 0, 1 },
	{ "with FIN",			0, 2,  0, 0, ACK | FIN, 0, 1 },
	{ "with ECN",			0, 2,  0, 0, ACK, 3, 1 },
	{ "the key before",		1, 2,  0, 0, ACK, 0, 1 },
	{ "a key that is gone",		1, 1,  0, 0, ACK, 0, 0 },
	{ "another cluster's key",	2, 2,  0, 0, ACK, 0, 0 },
	{ "of the last period",		0, 2, -1, 0, ACK, 0, 1 },
	{ "of the one before",		0, 2, -2, 0, ACK, 0, 1 },
	{ "of the one before, old key",	1, 2, -2, 0, ACK, 0, 1 },
	{ "too old",			0, 2, -3, 0, ACK, 0, 0 },
	{ "of a period to come",	0, 2,  1, 0, ACK, 0, 0 },
	{ "another MAC",		0, 2,  0, 0, ACK, 1, 0 },
	{ "another window scale",	0, 2,  0, 0, ACK, 2, 0 },
	{ "second segment",		0, 2,  0, 1, ACK, 0, 0 },
	{ "a keepalive",		0, 2,  0, -1, ACK, 0, 0 },
	{ "without ACK",		0, 2,  0, 0, PSH, 0, 0 },
};

static void check_cookie(struct fixture *f, const struct cookie_case *c, int is_v6)
{
	struct packet p = first_segment(is_v6, CLIENT_ISN);

	begin_adopt(f, is_v6);
	f->control.key_count = c->key_count;
	set_control(f);
	put_adopted(f, is_v6, CLIENT_ISN);
	p.flags = c->flags;
	p.seq += c->seq_off;
	p.ack = cookie(is_v6, cookie_keys[c->key_idx], CLIENT_ISN, PERIOD + c->later,
		       sp_cookie_data(3, CLIENT_WSCALE, 1) |
		       (c->change == 3 ? SP_COOKIE_DATA_ECN : 0)) + 1;
	p.ack ^= c->change == 1 ? 1 << 20 : 0;
	p.ack += c->change == 2 ? 2 : 0;
	if (c->is_right)
		check_to_stack(f, c->name, &p, SP_DROP_ADOPT_FAILED);
	else
		check_dropped(f, c->name, &p, SP_DROP_ADOPT_EARLY);
	assert_int_equal(listen_to(f), 0);
}

static void first_segment_is_known_by_its_cookie(void **state)
{
	for_each_family(v6) {
		int listener = make_listener(v6, 0);

		for (size_t i = 0; i < COUNT(cookies); i++)
			check_cookie(*state, &cookies[i], v6);
		close(listener);
	}
}

/*
 * The half names its connection. The cookie of an older connection from the same port is as good,
 * and does not belong to this connection.
 */
static void cookie_of_another_connection_is_none(void **state)
{
	for_each_family(v6) {
		struct packet p = first_segment(v6, CLIENT_ISN + 1000);
		int listener = make_listener(v6, 0);

		begin_adopt(*state, v6);
		put_adopted(*state, v6, CLIENT_ISN);
		check_dropped(*state, "another client's", &p, SP_DROP_ADOPT_EARLY);
		close(listener);
	}
}

/* A segment with options that cannot be parsed gets no reply. */
static void first_segment_with_damaged_options(void **state)
{
	for_each_family(v6) {
		struct packet p = first_segment(v6, CLIENT_ISN);
		int listener = make_listener(v6, 0);

		begin_adopt(*state, v6);
		put_adopted(*state, v6, CLIENT_ISN);
		p.opt[3] = 9;
		check_to_stack(*state, "timestamps of another length", &p, SP_DROP_BAD_HEADER);
		close(listener);
	}
}

static void nobody_listens(void **state)
{
	for_each_family(v6) {
		struct packet p = first_segment(v6, CLIENT_ISN);

		begin_adopt(*state, v6);
		put_adopted(*state, v6, CLIENT_ISN);
		check_to_stack(*state, "first", &p, SP_DROP_ADOPT_NO_LISTENER);
		p.seq += p.payload;
		check_dropped(*state, "what overtook it", &p, SP_DROP_ADOPT_EARLY);
	}
}

/* The kernel was given this connection @ago_ns ago. */
static void given_ago(struct fixture *f, int is_v6, __u64 ago_ns)
{
	struct sp_tuple down = from_host(is_v6);
	struct sp_entry e = entry_of(f, &down);

	e.state.flags |= SP_STATE_GIVEN;
	e.state.seen_ns = now_ns(CLOCK_MONOTONIC_COARSE) - ago_ns;
	set_entry(f, &down, &e);
}

/*
 * The kernel was given the connection and has no socket: the daemon gets the repeated segment. The
 * segment after that is given again.
 */
static void what_the_kernel_was_given_in_vain(void **state)
{
	struct fixture *f = *state;

	for_each_family(v6) {
		int listener = make_listener(v6, 0);
		struct packet p = first_segment(v6, CLIENT_ISN);

		begin_adopt(f, v6);
		put_adopted(f, v6, CLIENT_ISN);
		given_ago(f, v6, 50000000);
		check_to_stack(f, "a copy behind it", &p, 0);
		given_ago(f, v6, 200000000);
		check_dropped(f, "repeated", &p, SP_DROP_ADOPT_UNTAKEN);
		assert_int_equal(listen_to(f), 1);
		assert_int_equal(f->event.kind, SP_EVENT_UNTAKEN);
		assert_memory_equal(&f->event.tuple, &p.tuple, sizeof(p.tuple));
		check_to_stack(f, "once more", &p, 0);
		given_ago(f, v6, 200000000);
		f->control.heartbeat_ns = heartbeat_ago(SP_HEARTBEAT_STALE_NS + 100000000);
		set_control(f);
		check_to_stack(f, "nobody to be told", &p, 0);
		close(listener);
	}
}

/* A half so old was found in the store: its connection is gone, and the stack sends an RST. */
static void what_is_not_the_first_waits_for_a_moment_only(void **state)
{
	for_each_family(v6) {
		struct packet p = first_segment(v6, CLIENT_ISN);
		struct sp_tuple down = from_host(v6);
		struct sp_entry e;

		begin_adopt(*state, v6);
		put_adopted(*state, v6, CLIENT_ISN);
		p.seq += p.payload;
		e = entry_of(*state, &down);
		e.state.seen_ns -= 9000000000ULL;
		set_entry(*state, &down, &e);
		check_dropped(*state, "nine seconds", &p, SP_DROP_ADOPT_EARLY);
		e.state.seen_ns -= 2000000000ULL;
		set_entry(*state, &down, &e);
		check_to_stack(*state, "eleven seconds", &p, 0);
	}
}

/*
 * @seq: relative to the server's last acknowledgement; @is_settled: the stack gets the segment,
 *		else the store is asked
 */
struct settled_case {
	const char	*name;
	__u8		flags;
	__u32		pkts;
	__u8		state;
	int		seq, is_settled;
};

static const struct settled_case settled[] = {
	{ "split, nothing answered yet",	SP_HALF_F_SPLIT, 0, 0, 0, 0 },
	{ "split",				SP_HALF_F_SPLIT, 1, 0, 1000, 1 },
	{ "adopted",				ADOPTED, 1, 0, 1000, 1 },
	{ "its server has taken another one",	ADOPTED, 1, SP_STATE_REUSED, 0, 0 },
	{ "and had not answered",		ADOPTED, 0, SP_STATE_REUSED, 0, 0 },
	{ "half closed",			ADOPTED, 1, SP_STATE_FIN, 1000, 1 },
	{ "closed, last acknowledgement",	ADOPTED, 1, SP_STATE_FIN | SP_STATE_PEER_FIN, 0,
	  1 },
	{ "closed, last FIN",			ADOPTED, 1, SP_STATE_FIN | SP_STATE_PEER_FIN, -1,
	  1 },
	{ "split, closed, last FIN",		SP_HALF_F_SPLIT, 1,
	  SP_STATE_FIN | SP_STATE_PEER_FIN, -1, 1 },
	{ "split, closed, another one",		SP_HALF_F_SPLIT, 1,
	  SP_STATE_FIN | SP_STATE_PEER_FIN, 1, 0 },
	{ "closed, another one",		ADOPTED, 1, SP_STATE_FIN | SP_STATE_PEER_FIN, 1,
	  0 },
	{ "closed, an older one",		ADOPTED, 1, SP_STATE_FIN | SP_STATE_PEER_FIN, -2,
	  0 },
	{ "reset, another one",			ADOPTED, 1, SP_STATE_PEER_RST, 1000, 0 },
};

static void check_settled(struct fixture *f, const struct settled_case *c, int is_v6)
{
	struct packet p = first_segment(is_v6, CLIENT_ISN);
	struct sp_tuple down = from_host(is_v6);
	struct sp_entry e;

	begin_adopt(f, is_v6);
	put_adopted(f, is_v6, CLIENT_ISN);
	e = entry_of(f, &down);
	e.half.flags = SP_HALF_F_FROM_BACKEND | c->flags;
	e.state.pkts = c->pkts;
	e.state.flags = c->state;
	e.state.last_ack = 0xfffffff0;
	e.half.ack_delta = c->flags & SP_HALF_F_ADOPTED ? 0 : 0x1000;
	set_entry(f, &down, &e);
	p.seq = e.state.last_ack - e.half.ack_delta + c->seq;
	if (c->is_settled)
		check_to_stack(f, c->name, &p, 0);
	else
		check_asked(f, c->name, &p, 1);
}

static void what_its_server_has_answered_is_settled(void **state)
{
	for (size_t i = 0; i < COUNT(settled); i++)
		for_each_family(v6)
			check_settled(*state, &settled[i], v6);
}

/* @seq: relative to the server's last acknowledgement; @up, @down: state of both halves */
struct end_case {
	const char	*name;
	__u8		flags;
	int		seq;
	__u8		up, down;
	int		is_damaged;
};

static const struct end_case ends[] = {
	{ "data",			ACK, 0, 0, 0, 0 },
	{ "FIN",			ACK | FIN, 100, SP_STATE_FIN, SP_STATE_PEER_FIN, 0 },
	{ "damaged FIN",		ACK | FIN, 100, 0, 0, 1 },
	{ "RST",			RST, 0, SP_STATE_RST, SP_STATE_PEER_RST, 0 },
	{ "RST of another number",	RST, 1, 0, 0, 0 },
};

static void check_end(struct fixture *f, const struct end_case *c, int is_v6)
{
	struct packet p = first_segment(is_v6, CLIENT_ISN);
	struct sp_tuple front = TUPLE_IN(is_v6), down = from_host(is_v6);
	__u8 in[FRAME_MAX];
	struct sp_entry e;
	__u32 len;

	begin_adopt(f, is_v6);
	put_adopted(f, is_v6, CLIENT_ISN);
	e = entry_of(f, &down);
	e.state.pkts = 1;
	set_entry(f, &down, &e);
	p.flags = c->flags;
	p.seq = e.state.last_ack + c->seq;
	len = build(&p, in);
	if (c->is_damaged)
		in[l4_off(is_v6) + 12] = 0x40;
	check_untouched(f, c->name, is_v6, in, len);
	assert_int_equal(state_of(f, &front).flags, c->up);
	assert_int_equal(state_of(f, &down).flags, c->down);
}

static void ends_of_the_client_are_noted(void **state)
{
	for (size_t i = 0; i < COUNT(ends); i++)
		for_each_family(v6)
			check_end(*state, &ends[i], v6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_pass),
		cmocka_unit_test(what_nobody_knows_is_asked_about),
		cmocka_unit_test(all_sources_when_none_are_told),
		cmocka_unit_test(nobody_can_be_asked),
		cmocka_unit_test(questions_are_limited),
		cmocka_unit_test(daemon_that_does_not_read_is_not_asked),
		cmocka_unit_test(first_segment_is_known_by_its_cookie),
		cmocka_unit_test(cookie_of_another_connection_is_none),
		cmocka_unit_test(first_segment_with_damaged_options),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(what_the_kernel_was_given_in_vain),
		cmocka_unit_test(what_is_not_the_first_waits_for_a_moment_only),
		cmocka_unit_test(what_its_server_has_answered_is_settled),
		cmocka_unit_test(ends_of_the_client_are_noted),
	};

	return skipped_without_adopt() ?: cmocka_run_group_tests(tests, open_all, close_all);
}

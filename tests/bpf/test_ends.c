// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_ends.c - a splice's state after each packet, and when the splice counts as closed. Needs
 * root.
 */
#include "check.h"

/*
 * Both ends have sent data when a case begins: the client 100 bytes, half of them acknowledged;
 * the backend 200 bytes, none acknowledged.
 */
#define CLIENT_SEQ	1000
#define BACKEND_SEQ	5000

static struct packet from(int is_v6, int is_backend, __u8 flags, int at)
{
	struct packet p = plain_packet(is_v6);
	struct sp_half up = full_half(is_v6), down = peer_half(is_v6);

	if (is_backend)
		p.tuple = sp_tuple_reverse(&up.out);
	p.seq = (is_backend ? BACKEND_SEQ : CLIENT_SEQ) + at;
	p.ack = is_backend ? CLIENT_SEQ + 50 + up.seq_delta : BACKEND_SEQ + down.seq_delta;
	p.flags = flags;
	p.payload = 0;
	return p;
}

static void send_packet(struct fixture *f, const struct packet *p)
{
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u32 len = build(p, in);

	check_run(f, "to be carried", in, len, TC_ACT_REDIRECT, out, &len);
}

static void exchange(struct fixture *f, int is_v6)
{
	struct packet p = from(is_v6, 0, ACK, 0);

	put_splice(f, is_v6);
	p.payload = 100;
	send_packet(f, &p);
	p = from(is_v6, 1, ACK, 0);
	p.payload = 200;
	send_packet(f, &p);
}

static int is_closed(struct fixture *f, int is_v6)
{
	struct packet up = from(is_v6, 0, 0, 0), down = from(is_v6, 1, 0, 0);
	struct sp_half_state a = state_of(f, &up.tuple), b = state_of(f, &down.tuple);

	assert_int_equal(sp_state_is_closed(&a), sp_state_is_closed(&b));
	return sp_state_is_closed(&a);
}

struct end_case {
	const char	*name;
	int		is_backend;
	__u8		flags;
	int		at;
	int		is_closed;
};

static const struct end_case ends[] = {
	{ "FIN of the client alone",		0, FIN | ACK, 100, 0 },
	{ "FIN of the backend alone",		1, FIN | ACK, 200, 0 },
	{ "RST where all is acknowledged",	0, RST, 50, 1 },
	{ "RST in flight",			0, RST, 75, 1 },
	{ "RST at the end of the stream",	0, RST, 100, 1 },
	{ "RST with ACK",			0, RST | ACK, 100, 1 },
	{ "RST behind the end",			0, RST, 101, 0 },
	{ "RST on what is acknowledged",	0, RST, 49, 0 },
	{ "RST far ahead",			0, RST, 0x40000000, 0 },
	{ "RST far behind",			0, RST, -0x40000000, 0 },
	{ "backend's RST, all acknowledged",	1, RST, 0, 1 },
	{ "backend's RST at the end",		1, RST, 200, 1 },
	{ "backend's RST behind the end",	1, RST, 201, 0 },
	{ "backend's RST before it all",	1, RST, -1, 0 },
};

/* A forged segment passes, as the receiving end knows best. The splice must not be forgotten. */
static void plausible_ends_close(void **state)
{
	for (size_t i = 0; i < COUNT(ends); i++)
		for_each_family(v6) {
			const struct end_case *c = &ends[i];
			struct packet p = from(v6, c->is_backend, c->flags, c->at);

			exchange(*state, v6);
			send_packet(*state, &p);
			if (is_closed(*state, v6) != c->is_closed)
				fail_msg("%s: closed %d", c->name, !c->is_closed);
		}
}

static void two_fins_close(void **state)
{
	for_each_family(v6)
		for (int first = 0; first < 2; first++) {
			struct packet a = from(v6, first, FIN | ACK, first ? 200 : 100);
			struct packet b = from(v6, !first, FIN | ACK, first ? 100 : 200);

			exchange(*state, v6);
			send_packet(*state, &a);
			send_packet(*state, &a);
			assert_false(is_closed(*state, v6));
			send_packet(*state, &b);
			assert_true(is_closed(*state, v6));
		}
}

struct fin_case {
	const char	*name;
	int		at;
	__u32		payload;
	int		counts;
};

static const struct fin_case fins[] = {
	{ "where the stream ends",	0, 0, 1 },
	{ "with the last data",		0, 500, 1 },
	{ "data and FIN repeated",	-50, 50, 1 },
	{ "after a lost packet",	1448, 0, 1 },
	{ "in the middle",		-20, 0, 0 },
	{ "before it all",		-5000, 0, 0 },
	{ "far ahead",			2 * SP_STREAM_GAP + 300, 0, 0 },
	{ "at half the numbers",	-0x7fffff00, 0, 0 },
	{ "at a quarter",		0x40000000, 0, 0 },
};

/*
 * A forged FIN passes, as the receiving end knows best. Two forged FINs must not end a connection
 * (RFC 5961, 5).
 */
static void fins_must_fit(void **state)
{
	for (size_t i = 0; i < COUNT(fins); i++)
		for_each_family(v6)
			for (int end = 0; end < 2; end++) {
				const struct fin_case *c = &fins[i];
				struct packet other = from(v6, !end, FIN | ACK, end ? 100 : 200);
				struct packet p = from(v6, end, FIN | ACK,
						       (end ? 200 : 100) + c->at);

				p.payload = c->payload;
				exchange(*state, v6);
				send_packet(*state, &other);
				if (c->counts)
					send_packet(*state, &p);
				else
					check_dropped(*state, c->name, &p, SP_DROP_HELD);
				if (is_closed(*state, v6) != c->counts)
					fail_msg("FIN %s: closed %d", c->name, !c->counts);
			}
}

/*
 * Acknowledgements of the reverse direction bound the stream. In mode split so do the
 * acknowledgements that the FIN itself carries.
 */
static const struct { const char *name; int acked, down_pkts, up_next, at, ack,
	counts; } seen_elsewhere[] = {
	{ "nothing is known",			 0, 0, 0, 777, 0, 0 },
	{ "just what was acknowledged",		 7000, 1, 0, 7000, 0, 1 },
	{ "a little more than acknowledged",	 7000, 1, 0, 7000 + SP_STREAM_GAP, 0, 1 },
	{ "less than acknowledged",		 7000, 1, 0, 6999, 0, 0 },
	{ "far more than acknowledged",		 7000, 1, 0, 7001 + SP_STREAM_GAP, 0, 0 },
	{ "acknowledges what was sent",		 0, 0, 3000, 777, 3000, 1 },
	{ "acknowledges what never was",	 0, 0, 3000, 777, 3001 + SP_STREAM_GAP, 0 },
};

static void fins_of_a_stream_that_went_elsewhere(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(seen_elsewhere); i++)
		for_each_family(v6) {
			struct sp_half up = full_half(v6), down = peer_half(v6);
			struct sp_tuple down_key = sp_tuple_reverse(&up.out);
			struct sp_entry own = { .half = down, .state.flags = SP_STATE_PEER_FIN };
			struct sp_entry peer = { .half = up, .state = { .flags = SP_STATE_FIN,
				.last_ack = seen_elsewhere[i].acked,
				.pkts = seen_elsewhere[i].down_pkts,
				.next_seq = seen_elsewhere[i].up_next } };
			struct packet p = from(v6, 1, FIN | ACK, 0);
			struct sp_tuple up_key = from(v6, 0, 0, 0).tuple;

			put_splice(f, v6);
			bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_halves), &down_key, &own,
					    BPF_ANY);
			p.seq = seen_elsewhere[i].at;
			p.ack = seen_elsewhere[i].ack - down.ack_delta;
			bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_halves), &up_key, &peer,
					    BPF_ANY);
			if (seen_elsewhere[i].counts)
				send_packet(f, &p);
			else
				check_dropped(f, seen_elsewhere[i].name, &p, SP_DROP_HELD);
			if (is_closed(f, v6) != seen_elsewhere[i].counts)
				fail_msg("%s: closed %d", seen_elsewhere[i].name,
					 !seen_elsewhere[i].counts);
		}
}

/* An RST from an end that still sends was forged. */
static void who_goes_on_sending_has_not_reset(void **state)
{
	for_each_family(v6)
		for (int end = 0; end < 2; end++) {
			struct packet rst = from(v6, end, RST, end ? 200 : 100),
			data = from(v6, end, ACK, end ? 200 : 100);
			struct packet other = from(v6, !end, ACK, 0);

			exchange(*state, v6);
			send_packet(*state, &rst);
			send_packet(*state, &other);
			assert_true(is_closed(*state, v6));
			send_packet(*state, &data);
			assert_false(is_closed(*state, v6));
		}
}

static void rst_counts_before_anything_was_acknowledged(void **state)
{
	for_each_family(v6) {
		struct packet p = from(v6, 0, RST, 12345);

		put_splice(*state, v6);
		send_packet(*state, &p);
		assert_true(is_closed(*state, v6));
	}
}

/*
 * The client's port has a newer splice: ends sent by the older splice's server do not touch the
 * newer.
 */
static void an_older_half_ends_alone(void **state)
{
	static const __u8 said[] = { FIN | ACK, RST };

	for (size_t i = 0; i < COUNT(said); i++)
		for_each_family(v6) {
			struct packet end = from(v6, 1, said[i], 200), mine = from(v6, 0, 0, 0);
			struct sp_entry newer = { .half = full_half(v6),
						  .meta.client_isn = CLIENT_SEQ + 70000 };
			struct fixture *f = *state;

			exchange(f, v6);
			newer.half.out.sport ^= 0x0100;
			assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_halves),
							     &mine.tuple, &newer,
							     BPF_ANY), 0);
			send_packet(f, &end);
			assert_int_equal(state_of(f, &mine.tuple).flags, 0);
			assert_int_equal(state_of(f, &end.tuple).flags, said[i] & RST ?
					 SP_STATE_RST : SP_STATE_FIN);
		}
}

/* The client's direction alone passes here. The first number of the splice is known. */
static const struct { const char *name; int at, is_closed; } one_way[] = {
	{ "one way: where it began",		0, 1 },
	{ "one way: at the end",		100, 1 },
	{ "one way: between them",		50, 0 },
	{ "one way: behind the end",		101, 0 },
};

static void rst_of_one_way_is_at_the_end(void **state)
{
	for (size_t i = 0; i < COUNT(one_way); i++)
		for_each_family(v6) {
			struct packet data = from(v6, 0, ACK, 0),
				rst = from(v6, 0, RST, one_way[i].at);
			struct sp_half up = full_half(v6), down = peer_half(v6);
			struct sp_tuple key = sp_tuple_reverse(&up.out);
			struct sp_entry e = { .half = down, .state.last_ack = CLIENT_SEQ };
			struct fixture *f = *state;

			put_splice(f, v6);
			bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_halves), &key, &e,
					    BPF_ANY);
			data.payload = 100;
			send_packet(f, &data);
			send_packet(f, &rst);
			if (is_closed(f, v6) != one_way[i].is_closed)
				fail_msg("%s: closed %d", one_way[i].name, !one_way[i].is_closed);
		}
}

struct stream_case {
	const char	*name;
	int		at;
	__u32		payload;
	__u8		flags;
	int		end;
};

static const struct stream_case streams[] = {
	{ "joins on",			100, 10, ACK, 110 },
	{ "joins on with FIN",		100, 10, FIN | ACK, 111 },
	{ "FIN alone",			100, 0, FIN | ACK, 101 },
	{ "overlaps",			90, 30, ACK, 120 },
	{ "sent again",			0, 100, ACK, 100 },
	{ "a keep-alive probe",		99, 0, ACK, 100 },
	{ "leaves a gap",		101, 10, ACK, 111 },
	{ "leaves the widest gap",	100 + SP_STREAM_GAP, 10, ACK, 110 + SP_STREAM_GAP },
	{ "leaves a wider gap",		101 + SP_STREAM_GAP, 10, ACK, 100 },
	{ "far ahead",			0x70000000, 10, ACK, 100 },
	{ "far behind",			-0x70000000, 10, ACK, 100 },
	{ "RST says nothing",		100, 10, RST | ACK, 100 },
};

static void end_of_the_stream_is_known(void **state)
{
	for (size_t i = 0; i < COUNT(streams); i++)
		for_each_family(v6) {
			const struct stream_case *c = &streams[i];
			struct packet p = from(v6, 0, c->flags, c->at);

			p.payload = c->payload;
			exchange(*state, v6);
			send_packet(*state, &p);
			if (state_of(*state, &p.tuple).next_seq != (__u32)(CLIENT_SEQ + c->end))
				fail_msg("%s: the stream ends at %d", c->name,
					 state_of(*state, &p.tuple).next_seq - CLIENT_SEQ);
		}
}

static void use_is_accounted(void **state)
{
	for_each_family(v6) {
		struct packet p = from(v6, 0, ACK, 0);
		__u64 before = now_ns(CLOCK_MONOTONIC_COARSE),
			stats = stat_of(*state, SP_STAT_SPLICED_BYTES);
		struct sp_half_state u;

		exchange(*state, v6);
		p.payload = 1000;
		send_packet(*state, &p);
		u = state_of(*state, &p.tuple);
		assert_int_equal(u.pkts, 2);
		assert_int_equal(u.bytes, 1100);
		assert_int_equal(u.last_ack, BACKEND_SEQ);
		assert_in_range(u.seen_ns, before, now_ns(CLOCK_MONOTONIC_COARSE));
		assert_int_equal(u.mtu, 1500);
		assert_int_equal(u.ifindex, ((struct fixture *)*state)->ifindex);
		assert_int_equal(stat_of(*state, SP_STAT_SPLICED_BYTES) - stats, 1300);
	}
}

/*
 * @ack: counted from the client's last acknowledgement; @at: counted from the end of the client's
 *		stream.
 */
static const struct {
	const char	*name;
	int		at, ack;
	__u8		flags;
	int		counts, is_counted;
} acks[] = {
	{ "all that was sent",		0, 200, ACK, 1, 0 },
	{ "a part of it",		0, 100, ACK, 1, 0 },
	{ "and asks for a repetition",	-100, 200, ACK, 1, 0 },
	{ "with an RST",		0, 200, RST | ACK, 0, 0 },
	{ "repeats an old segment",	-SP_STREAM_GAP - 1, 200, ACK, 1, 0 },
	{ "flies far ahead",		SP_FLIGHT_MAX - 100, 200, ACK, 1, 0 },
	{ "a stranger: no number",	0x40000000, 0x20000000, ACK, 0, 1 },
	{ "a stranger: wrong SEQ",	SP_FLIGHT_MAX + 1, 200, ACK, 0, 1 },
	{ "a stranger: SEQ of before",	-SP_FLIGHT_MAX - 101, 200, ACK, 0, 1 },
	{ "what never was sent",	0, SP_ACK_LEAP + 1, ACK, 0, 1 },
	{ "what is long over",		0, -SP_ACK_LEAP - 1, ACK, 0, 1 },
	{ "half the numbers ahead",	0, 0x7fffffff, ACK, 0, 1 },
};

/* The service of these connections; @flags: -1: removed. */
static void change_service(struct fixture *f, int is_v6, int flags)
{
	struct packet p = from(is_v6, 0, 0, 0);
	struct sp_listen at = { .addr = p.tuple.daddr, .port = p.tuple.dport };
	struct sp_service svc = { .mss = 1400, .flags = flags };
	int fd = bpf_map__fd(f->skel->maps.sp_services);

	assert_int_equal(flags < 0 ? bpf_map_delete_elem(fd, &at) :
			 bpf_map_update_elem(fd, &at, &svc, BPF_ANY), 0);
}

/* Each packet passes, as the receiving end knows best. */
static void acknowledgements_must_fit(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(acks); i++)
		for_each_family(v6)
			for (int is_shared = 0; is_shared < 2; is_shared++) {
				struct packet first = from(v6, 0, ACK, 100),
					p = from(v6, 0, acks[i].flags, 100 + acks[i].at);
				__u64 before = stat_of(f, SP_STAT_ACKS_FOREIGN);
				int counts = acks[i].counts ||
					(is_shared && !(acks[i].flags & RST));

				change_service(f, v6, is_shared ? SP_SERVICE_F_SHARED : 0);
				exchange(f, v6);
				send_packet(f, &first);
				p.ack += acks[i].ack;
				send_packet(f, &p);
				if (state_of(f,
					     &p.tuple).last_ack !=
					     (__u32)(BACKEND_SEQ + (counts ? acks[i].ack : 0)))
					fail_msg("%s: it is remembered: %d", acks[i].name, !counts);
				assert_int_equal(stat_of(f, SP_STAT_ACKS_FOREIGN) - before,
						 !is_shared && acks[i].is_counted);
				change_service(f, v6, -1);
			}
}

/*
 * Two packets of a stranger without the numbers end no splice. The first would otherwise make the
 * second fit.
 */
static void forged_acknowledgements_prepare_no_end(void **state)
{
	struct fixture *f = *state;

	for_each_family(v6)
		for (int end = 0; end < 2; end++) {
			struct packet other = from(v6, end, ACK, 0x30000000),
				rst = from(v6, !end, RST, 0);

			change_service(f, v6, 0);
			exchange(f, v6);
			other.ack += 0x50000000;
			rst.seq = other.ack + (end ? peer_half(v6) : full_half(v6)).ack_delta;
			send_packet(f, &other);
			send_packet(f, &rst);
			assert_false(is_closed(f, v6));
			change_service(f, v6, -1);
		}
}

static void check_syn_on(struct fixture *f, int is_v6, const char *name, int is_live)
{
	struct packet syn = from(is_v6, 0, SYN, 5000);

	/* no service of ours: a SYN that needs no challenge gets to the stack */
	if (is_live) {
		check_dropped(f, name, &syn, SP_DROP_SYN_CHALLENGED);
	} else {
		__u8 in[FRAME_MAX];

		check_untouched(f, name, is_v6, in, build(&syn, in));
	}
	assert_int_equal(!!(state_of(f, &syn.tuple).flags & SP_STATE_REUSED), !is_live);
}

/* A port may be reused once its connection is over. Before, its end is challenged. */
static void syn_finds_a_half(void **state)
{
	struct sp_half mark = { .flags = SP_HALF_F_TO_DAEMON };

	for_each_family(v6) {
		struct packet rst = from(v6, 0, RST, 100), next = from(v6, 0, ACK, 0);
		__u8 in[FRAME_MAX];

		exchange(*state, v6);
		check_syn_on(*state, v6, "on a live splice", 1);
		send_packet(*state, &next);
		send_packet(*state, &rst);
		check_syn_on(*state, v6, "on one that was reset", 0);
		check_untouched(*state, "what follows is of the new connection", v6, in,
				build(&next, in));
		mark.out = full_half(v6).out;
		assert_int_equal(put_half(*state, &rst.tuple, &mark), 0);
		check_syn_on(*state, v6, "on what is held for the daemon", 0);
	}
}

/* ---- patches of the daemon ---- */

static int note(struct fixture *f, const struct sp_patch *n, int len)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = n, .data_size_in = len);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(f->skel->progs.sp_patch), &o), 0);
	return o.retval;
}

static struct sp_entry entry_of(struct fixture *f, const struct sp_tuple *key)
{
	struct sp_entry e;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(f->skel->maps.sp_halves), key, &e), 0);
	return e;
}

static void check_untouched_entry(struct sp_entry *is, const struct sp_entry *was)
{
	is->state.flags = was->state.flags;
	is->meta.refreshed_s = was->meta.refreshed_s;
	assert_memory_equal(is, was, sizeof(*is));
}

static void notes_change_only_what_they_say(void **state)
{
	struct fixture *f = *state;

	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		struct packet up = from(is_v6, 0, 0, 0), down = from(is_v6, 1, 0, 0);
		struct sp_patch n = { .front = up.tuple, .client_isn = 0, .refreshed_s = 1234567 };
		struct sp_entry was_up, was_down, is_up, is_down;

		exchange(f, is_v6);
		was_up = entry_of(f, &up.tuple);
		was_down = entry_of(f, &down.tuple);
		assert_int_equal(note(f, &n, sizeof(n) - 1), 0);
		assert_int_equal(note(f, &n, sizeof(n)), 1);
		is_up = entry_of(f, &up.tuple);
		is_down = entry_of(f, &down.tuple);
		assert_int_equal(is_up.meta.refreshed_s, 1234567);
		assert_int_equal(is_down.meta.refreshed_s, 1234567);
		assert_int_equal(is_up.state.flags | is_down.state.flags, 0);

		n.refreshed_s = 0;
		n.flags = SP_STATE_FIN | SP_STATE_PEER_RST | SP_STATE_REUSED;
		assert_int_equal(note(f, &n, sizeof(n)), 1);
		is_up = entry_of(f, &up.tuple);
		is_down = entry_of(f, &down.tuple);
		assert_int_equal(is_up.state.flags,
				 SP_STATE_FIN | SP_STATE_PEER_RST | SP_STATE_REUSED);
		assert_int_equal(is_down.state.flags, SP_STATE_PEER_FIN | SP_STATE_RST);
		assert_int_equal(is_up.meta.refreshed_s, 1234567);
		check_untouched_entry(&is_up, &was_up);
		check_untouched_entry(&is_down, &was_down);
	}
}

/* Patches for another connection, for a trap, and for half a splice. */
static void notes_for_others_change_nothing(void **state)
{
	struct fixture *f = *state;
	struct packet up = from(0, 0, 0, 0), down = from(0, 1, 0, 0);
	struct sp_patch n = { .front = up.tuple, .client_isn = 1, .refreshed_s = 5,
			      .flags = SP_STATE_RST };
	struct sp_half mark = full_half(0);

	exchange(f, 0);
	assert_int_equal(note(f, &n, sizeof(n)), 0);
	assert_false(is_closed(f, 0));
	n.client_isn = 0;
	remove_half(f, &down.tuple);
	assert_int_equal(note(f, &n, sizeof(n)), 0);
	assert_int_equal(state_of(f, &up.tuple).flags, 0);
	exchange(f, 0);
	mark.flags |= SP_HALF_F_TO_DAEMON;
	assert_int_equal(put_half(f, &up.tuple, &mark), 0);
	assert_int_equal(note(f, &n, sizeof(n)), 0);
	assert_int_equal(state_of(f, &up.tuple).flags, 0);
	remove_half(f, &up.tuple);
	assert_int_equal(note(f, &n, sizeof(n)), 0);
}

/*
 * The client's FIN was seen here, the backend's elsewhere. An end that still sends after an RST
 * has not sent that RST.
 */
static void noted_ends_count(void **state)
{
	struct fixture *f = *state;
	struct packet up = from(0, 0, FIN | ACK, 100), more = from(0, 0, ACK, 0);
	struct sp_patch n = { .front = up.tuple, .flags = SP_STATE_PEER_FIN };

	exchange(f, 0);
	send_packet(f, &up);
	assert_false(is_closed(f, 0));
	assert_int_equal(note(f, &n, sizeof(n)), 1);
	assert_true(is_closed(f, 0));
	send_packet(f, &up);
	assert_true(is_closed(f, 0));

	exchange(f, 0);
	n.flags = SP_STATE_RST;
	assert_int_equal(note(f, &n, sizeof(n)), 1);
	assert_true(is_closed(f, 0));
	send_packet(f, &more);
	assert_false(is_closed(f, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plausible_ends_close),
		cmocka_unit_test(two_fins_close),
		cmocka_unit_test(fins_must_fit),
		cmocka_unit_test(fins_of_a_stream_that_went_elsewhere),
		cmocka_unit_test(who_goes_on_sending_has_not_reset),
		cmocka_unit_test(rst_counts_before_anything_was_acknowledged),
		cmocka_unit_test(rst_of_one_way_is_at_the_end),
		cmocka_unit_test(an_older_half_ends_alone),
		cmocka_unit_test(end_of_the_stream_is_known),
		cmocka_unit_test(use_is_accounted),
		cmocka_unit_test(acknowledgements_must_fit),
		cmocka_unit_test(forged_acknowledgements_prepare_no_end),
		cmocka_unit_test(syn_finds_a_half),
		cmocka_unit_test(notes_change_only_what_they_say),
		cmocka_unit_test(notes_for_others_change_nothing),
		cmocka_unit_test(noted_ends_count),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

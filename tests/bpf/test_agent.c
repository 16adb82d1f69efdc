// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An agent's program at egress: packets of its host's servers. Packets that it does not carry
 * leave unchanged.
 */
#include <linux/if_packet.h>
#include <sys/socket.h>

#include "check.h"

static struct sp_tuple from_backend(int is_v6)
{
	struct sp_tuple out = TUPLE_OUT(is_v6);

	return sp_tuple_reverse(&out);
}

static void put_serve(struct fixture *f, int is_v6)
{
	struct sp_tuple t = from_backend(is_v6);
	struct sp_listen from = { .addr = t.saddr, .port = t.sport };
	__u32 nothing = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_origins), &from, &nothing,
					     BPF_ANY), 0);
}

static void put_snat(struct fixture *f, const struct sp_addr *addr)
{
	struct sp_snat all = { 1, 65535 };

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_snats), addr, &all,
					     BPF_ANY), 0);
}

static void put_ask(struct fixture *f, const struct sp_tuple *t, __s64 asked_ns, __s64 pass_ns)
{
	__u64 now = now_ns(CLOCK_MONOTONIC_COARSE);
	struct sp_query ask = { .asked_ns = now + asked_ns, .pass_until_ns = pass_ns ?
				now + pass_ns : 0 };

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_queries), t, &ask,
					     BPF_ANY), 0);
}

static struct sp_query ask_of(struct fixture *f, const struct sp_tuple *t)
{
	struct sp_query ask = { 0 };

	bpf_map_lookup_elem(bpf_map__fd(f->skel->maps.sp_queries), t, &ask);
	return ask;
}

/*
 * Start without halves and queries: the daemon lives, and the ports of both families are served
 * for known proxies.
 */
static void begin(struct fixture *f)
{
	f->prog = f->skel->progs.sp_egress;
	f->control = (struct sp_control){ .heartbeat_ns = now_ns(CLOCK_MONOTONIC_COARSE) };
	assert_int_equal(set_control(f), 0);
	for_each_family(v6) {
		struct sp_tuple t = from_backend(v6), front = TUPLE_IN(v6);

		put_serve(f, v6);
		put_snat(f, &t.daddr);
		remove_half(f, &t);
		remove_half(f, &front);
		bpf_map_delete_elem(bpf_map__fd(f->skel->maps.sp_queries), &t);
	}
	listen_to(f);
}

static struct packet server_packet(int is_v6)
{
	struct packet p = plain_packet(is_v6);

	p.tuple = from_backend(is_v6);
	p.ttl = 64;
	return p;
}

static void check_passes(struct fixture *f, const char *name, const struct packet *p)
{
	__u8 in[FRAME_MAX];
	__u32 len = build(p, in);

	check_untouched(f, name, p->is_v6, in, len);
	assert_int_equal(listen_to(f), 0);
}

/* Packets of which the store is asked are redirected nowhere; the daemon has a full copy. */
static void check_asked(struct fixture *f, const char *name, const struct packet *p)
{
	__u8 in[FRAME_MAX];
	__u32 len = build(p, in);

	check_reason(f, name, in, len, TC_ACT_REDIRECT, SP_DROP_ASKED);
	assert_int_equal(listen_to(f), 1);
	assert_int_equal(f->event.kind, SP_EVENT_BACK);
	assert_int_equal(f->event.len, len - 14);
	assert_memory_equal(f->event.packet, in + 14, len - 14);
	assert_memory_equal(&f->event.tuple, &p->tuple, sizeof(p->tuple));
}

static void answers_are_carried(void **state)
{
	static const __u8 flags[] = { ACK, ACK | PSH, ACK | PSH | FIN };

	for (size_t i = 0; i < COUNT(flags); i++)
		for_each_family(v6) {
			struct packet p = server_packet(v6), want;
			struct sp_half down = peer_half(v6);

			begin(*state);
			put_splice(*state, v6);
			p.flags = flags[i];
			p.payload = flags[i] & FIN ? 100 : p.payload;
			want = expect_carried(p, &down);
			check_carried(*state, "answer", &p, &down, &want);
			assert_int_equal(listen_to(*state), 0);
		}
}

static void options_are_carried(void **state)
{
	static const __u8 opt[] = { 1, 1, 8, 10, 0, 1, 2, 3, 0xff, 0xfe, 0xfd, 0xfc,
				    1, 1, 5, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
				    16 };

	for_each_family(v6) {
		struct packet p = server_packet(v6), want;
		struct sp_half down = peer_half(v6);

		begin(*state);
		memcpy(p.opt, opt, sizeof(opt));
		p.opt_len = sizeof(opt);
		down.window_shift = 3;
		p.window = 0x0102;
		want = expect_carried(p, &down);
		want.window = 0x0810;
		check_carried(*state, "options", &p, &down, &want);
	}
}

static void ends_are_noted_in_both_halves(void **state)
{
	for_each_family(v6) {
		struct sp_tuple front = TUPLE_IN(v6);

		for (int payload = 0; payload <= 100; payload += 100) {
			struct packet p = server_packet(v6), want;
			struct sp_half down = peer_half(v6);

			begin(*state);
			put_splice(*state, v6);
			p.flags = ACK | FIN;
			p.payload = payload;
			want = expect_carried(p, &down);
			if (payload)
				check_carried(*state, "FIN", &p, &down, &want);
			else
				check_passes(*state, "FIN alone", &p);
			assert_int_equal(state_of(*state, &p.tuple).flags, SP_STATE_FIN);
			assert_int_equal(state_of(*state, &p.tuple).pkts, 1);
			assert_int_equal(state_of(*state, &front).flags, SP_STATE_PEER_FIN);
		}
	}
}

/* @half: a half exists; @tuple_off: another port of the host, or another destination */
struct pass_case {
	const char	*name;
	int		has_half, flags, payload, ttl;
	int		is_other_port, is_other_daddr, is_stale;
};

static const struct pass_case passes[] = {
	{ "no server's",		1, ACK, 37, 64, 1, 0, 0 },
	{ "no server's, no half",	0, ACK, 37, 64, 1, 0, 0 },
	{ "pure ACK, no half",		0, ACK, 0, 64, 0, 0, 0 },
	{ "FIN, no half",		0, ACK | FIN, 0, 64, 0, 0, 0 },
	{ "RST, no half",		0, RST, 0, 64, 0, 0, 0 },
	{ "FIN",			1, ACK | FIN, 0, 64, 0, 0, 0 },
	{ "RST",			1, RST | ACK, 0, 64, 0, 0, 0 },
	{ "SYN-ACK, no half",		0, SYN | ACK, 0, 64, 0, 0, 0 },
	{ "SYN-ACK with data",		0, SYN | ACK, 5, 64, 0, 0, 0 },
	{ "SYN of the server itself",	0, SYN, 0, 64, 0, 0, 0 },
	{ "to no proxy",		0, ACK, 37, 64, 0, 1, 0 },
	{ "stale daemon",		0, ACK, 37, 64, 0, 0, 1 },
	{ "TTL used up",		1, ACK, 37, 1, 0, 0, 0 },
};

static void check_pass(struct fixture *f, const struct pass_case *c, int is_v6)
{
	struct packet p = server_packet(is_v6);
	struct sp_half down = peer_half(is_v6);

	begin(f);
	p.flags = c->flags, p.payload = c->payload, p.ttl = c->ttl;
	if (c->is_other_port)
		p.tuple.sport = htons(8081);
	if (c->is_other_daddr)
		p.tuple.daddr = addr_of(is_v6 ? "fd09::7" : "10.9.0.7");
	if (c->has_half)
		assert_int_equal(put_half(f, &p.tuple, &down), 0);
	if (c->is_stale) {
		f->control.heartbeat_ns -= SP_HEARTBEAT_STALE_NS + 100000000;
		set_control(f);
	}
	check_passes(f, c->name, &p);
	remove_half(f, &p.tuple);
}

static void what_it_does_not_carry_passes(void **state)
{
	for (size_t i = 0; i < COUNT(passes); i++)
		for_each_family(v6)
			check_pass(*state, &passes[i], v6);
}

static void without_a_route_it_passes(void **state)
{
	for_each_family(v6) {
		struct packet p = server_packet(v6);
		struct sp_half down = peer_half(v6);
		__u64 before;

		begin(*state);
		down.out.daddr = addr_of(v6 ? "2001:db8::1" : "198.51.100.1");
		assert_int_equal(put_half(*state, &p.tuple, &down), 0);
		before = drops(*state, SP_DROP_LEFT_WHOLE);
		check_passes(*state, "no route", &p);
		assert_int_equal(drops(*state, SP_DROP_LEFT_WHOLE), before + 1);
	}
}

static void half_of_a_client_is_none_of_a_server(void **state)
{
	for_each_family(v6) {
		struct packet p = server_packet(v6);
		struct sp_half up = full_half(v6);

		begin(*state);
		assert_int_equal(put_half(*state, &p.tuple, &up), 0);
		check_asked(*state, "half of the other direction", &p);
	}
}

static void first_data_is_asked_about(void **state)
{
	static const struct { __u8 flags; int payload; } asked[] = {
		{ ACK, 1 }, { ACK | PSH, 1400 }, { ACK | FIN, 1 },
	};

	for (size_t i = 0; i < COUNT(asked); i++)
		for_each_family(v6) {
			struct packet p = server_packet(v6);

			begin(*state);
			p.flags = asked[i].flags;
			p.payload = asked[i].payload;
			check_asked(*state, "first", &p);
			check_asked(*state, "second, while the answer is not there", &p);
			assert_true(ask_of(*state, &p.tuple).asked_ns);
		}
}

static void questions_are_limited(void **state)
{
	for_each_family(v6) {
		struct packet p = server_packet(v6);

		begin(*state);
		check_limited(*state, &p, 1, TC_ACT_UNSPEC);
	}
}

static void all_destinations_when_none_are_told(void **state)
{
	struct fixture *f = *state;
	struct sp_addr any = {};

	for_each_family(v6) {
		struct packet p = server_packet(v6);

		begin(f);
		p.tuple.daddr = addr_of(v6 ? "fd09::7" : "10.9.0.7");
		put_snat(f, &any);
		check_asked(f, "any", &p);
		bpf_map_delete_elem(bpf_map__fd(f->skel->maps.sp_snats), &any);
	}
}

static void no_answer_is_waited_for_a_moment_only(void **state)
{
	for_each_family(v6) {
		struct packet p = server_packet(v6);

		begin(*state);
		put_ask(*state, &p.tuple, -(__s64)SP_QUERY_HOLD_NS - 10000000, 0);
		check_passes(*state, "asked for too long", &p);
		assert_true(ask_of(*state, &p.tuple).pass_until_ns);
		check_passes(*state, "and from then on", &p);
	}
}

static void answer_that_there_is_no_half_is_remembered(void **state)
{
	for_each_family(v6) {
		struct packet p = server_packet(v6);

		begin(*state);
		put_ask(*state, &p.tuple, -1000, 1000000000);
		check_passes(*state, "no half", &p);
		put_ask(*state, &p.tuple, -2000000000, -1000000000);
		check_asked(*state, "a while later", &p);
		assert_int_equal(ask_of(*state, &p.tuple).pass_until_ns, 0);
	}
}

/* The daemon needs the segment size to send the packet again. */
static void superpacket_is_asked_about(void **state)
{
	struct fixture *f = *state;

	for_each_family(v6) {
		struct packet p = server_packet(v6);

		begin(f);
		p.payload = 2500;
		f->gso_size = 1000;
		f->gso_segs = 3;
		check_asked(f, "superpacket", &p);
		f->gso_size = f->gso_segs = 0;
		assert_int_equal(f->event.mtu, 1000);
		check_asked(f, "packet", &p);
		assert_int_equal(f->event.mtu, 0);
	}
}

/* Packets with wrong lengths pass unchanged and leave no trace. */
static void damaged_ones_pass(void **state)
{
	for (int has_half = 0; has_half < 2; has_half++)
		for_each_family(v6) {
			struct packet p = server_packet(v6);
			__u8 in[FRAME_MAX];
			__u32 len;

			begin(*state);
			if (has_half)
				put_splice(*state, v6);
			p.payload = has_half ? 0 : 40;
			p.flags |= has_half ? FIN : 0;
			len = build(&p, in);
			in[l4_off(v6) + 12] = 0x40;
			/* length in the IP header, else there would be data */
			in[l4_off(v6) - (v6 ? 35 : 17)] -= has_half ? 4 : 0;
			check_untouched(*state, "damaged", v6, in, len);
			assert_int_equal(listen_to(*state), 0);
			if (has_half)
				assert_int_equal(state_of(*state, &p.tuple).flags, 0);
			else
				assert_int_equal(ask_of(*state, &p.tuple).asked_ns, 0);
		}
}

/* The packet is sent from a socket: a test run has no room for so much. Return: reason counted. */
static int send_long(struct fixture *f, int wire, int is_v6, __u32 payload)
{
	static const __u32 reasons[] = { SP_DROP_ASKED, SP_DROP_NO_HALF };
	struct packet p = server_packet(is_v6);
	__u64 before[COUNT(reasons)];
	static __u8 frame[32768];
	__u32 len;

	p.payload = payload;
	len = build(&p, frame);
	for (size_t i = 0; i < COUNT(reasons); i++)
		before[i] = drops(f, reasons[i]);
	assert_int_equal(send(wire, frame, len, 0), len);
	for (size_t i = 0; i < COUNT(reasons); i++)
		if (drops(f, reasons[i]) != before[i])
			return reasons[i];
	return 0;
}

static int open_egress(struct fixture *f)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(0x0003),
				  .sll_ifindex = f->ifindex };
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = f->ifindex,
			    .attach_point = BPF_TC_EGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts,
			    .prog_fd = bpf_program__fd(f->skel->progs.sp_egress));
	int wire = socket(AF_PACKET, SOCK_RAW, 0);

	assert_int_equal(system("ip link set v0 mtu 32000 && ip link set v1 mtu 32000"), 0);
	assert_int_equal(bind(wire, (void *)&at, sizeof(at)), 0);
	assert_int_equal(bpf_tc_hook_create(&hook), 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	return wire;
}

static void what_is_long_does_not_wait(void **state)
{
	struct fixture *f = *state;
	int wire = open_egress(f);

	for_each_family(v6) {
		struct sp_tuple t = from_backend(v6);
		__u64 now;

		begin(f);
		assert_int_equal(send_long(f, wire, v6, SP_QUERY_BYTES_MAX), SP_DROP_ASKED);
		assert_int_equal(listen_to(f), 1);
		assert_int_equal(f->event.kind, SP_EVENT_BACK);
		assert_int_equal(ask_of(f, &t).pass_until_ns, 0);
		begin(f);
		now = now_ns(CLOCK_MONOTONIC_COARSE);
		assert_int_equal(send_long(f, wire, v6, SP_QUERY_BYTES_MAX + 1), SP_DROP_NO_HALF);
		assert_int_equal(listen_to(f), 1);
		assert_int_equal(f->event.kind, SP_EVENT_QUERY);
		assert_int_equal(f->event.len, l4_off(v6) - 14 + 20);
		assert_true(ask_of(f, &t).pass_until_ns >= now + SP_QUERY_PASS_NS);
		assert_int_equal(send_long(f, wire, v6, SP_QUERY_BYTES_MAX + 1), SP_DROP_NO_HALF);
		assert_int_equal(listen_to(f), 0);
	}
	close(wire);
}

static void new_connection_forgets_the_old_one(void **state)
{
	for_each_family(v6) {
		struct packet p = server_packet(v6), syn = p;

		begin(*state);
		put_splice(*state, v6);
		put_ask(*state, &p.tuple, -1000, 1000000000);
		syn.flags = SYN | ACK;
		syn.payload = 0;
		check_passes(*state, "SYN-ACK on a half", &syn);
		assert_true(state_of(*state, &p.tuple).flags & SP_STATE_REUSED);
		check_asked(*state, "its first data", &p);
	}
}

static void segments_must_fit_the_way_to_the_client(void **state)
{
	for_each_family(v6) {
		struct packet p = server_packet(v6);
		__u8 in[FRAME_MAX];
		__u32 len;

		begin(*state);
		put_splice(*state, v6);
		p.payload = 1500;
		len = build(&p, in);
		check_reason(*state, "too big", in, len, TC_ACT_REDIRECT, SP_DROP_TOO_BIG);
		assert_int_equal(listen_to(*state), 1);
		assert_int_equal(((struct fixture *)*state)->event.kind, SP_EVENT_TOO_BIG);
		assert_int_equal(((struct fixture *)*state)->event.mtu, 1500);
	}
}

/* A backend's host forwards no packets. */
static int open_host(void **state)
{
	return open_all(state) ?:
	       system("echo 0 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding;"
					 "echo 1 >/proc/sys/net/ipv4/conf/lo/forwarding &&"
					 "echo 1 >/proc/sys/net/ipv6/conf/lo/forwarding");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_carried),
		cmocka_unit_test(options_are_carried),
		cmocka_unit_test(ends_are_noted_in_both_halves),
		cmocka_unit_test(what_it_does_not_carry_passes),
		cmocka_unit_test(without_a_route_it_passes),
		cmocka_unit_test(half_of_a_client_is_none_of_a_server),
		cmocka_unit_test(first_data_is_asked_about),
		cmocka_unit_test(questions_are_limited),
		cmocka_unit_test(all_destinations_when_none_are_told),
		cmocka_unit_test(no_answer_is_waited_for_a_moment_only),
		cmocka_unit_test(answer_that_there_is_no_half_is_remembered),
		cmocka_unit_test(new_connection_forgets_the_old_one),
		cmocka_unit_test(segments_must_fit_the_way_to_the_client),
		cmocka_unit_test(superpacket_is_asked_about),
		cmocka_unit_test(damaged_ones_pass),
		cmocka_unit_test(what_is_long_does_not_wait),
	};

	return cmocka_run_group_tests(tests, open_host, close_all);
}

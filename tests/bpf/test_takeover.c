// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel takes over handshakes that a proxy has answered. sp_agent_adopt is at the ingress of
 * v0, real listeners are behind v0, and v1 is the wire. test_adopt.c has the program's verdict on
 * single packets.
 */
#include <linux/if_packet.h>
#include <linux/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "adopt.h"

#define WAIT_MS		2000
#define TS_MS_MAX	60000	/* largest advance of the server's clock */

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP	262
#endif

static int wire = -1;

static int open_wire(void **state)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(0x0003) };
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts);
	struct fixture *f;
	int err = open_all(state);

	if (err)
		return err;
	f = *state;
	hook.ifindex = f->ifindex;
	opts.prog_fd = bpf_program__fd(f->skel->progs.sp_agent_adopt);
	at.sll_ifindex = if_nametoindex("v1");
	wire = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, at.sll_protocol);
	if (wire < 0 || bind(wire, (void *)&at, sizeof(at)))
		return -1;
	/* a socket takes the mark of its packet */
	if (system("echo 1 >/proc/sys/net/ipv4/tcp_fwmark_accept"))
		return -1;
	return bpf_tc_hook_create(&hook) ?: bpf_tc_attach(&hook, &opts);
}

static void send_packet(const struct packet *p)
{
	__u8 frame[FRAME_MAX];
	__u32 len = build(p, frame);

	assert_int_equal(send(wire, frame, len, 0), len);
}

static int is_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, WAIT_MS) == 1;
}

static void forget_wire(void)
{
	__u8 frame[FRAME_MAX];

	while (recv(wire, frame, sizeof(frame), 0) > 0)
		;
}

/* The next TCP packet that the host sends to the proxy. */
static __u32 next_frame(int is_v6, __u8 *frame)
{
	struct sp_tuple t = from_host(is_v6);
	__u32 off = l4_off(is_v6), n;

	while (is_ready(wire)) {
		n = recv(wire, frame, FRAME_MAX, 0);
		if (n >= off + 20 && frame[is_v6 ? 20 : 23] == 6 &&
		    !memcmp(frame + off, &t.sport, 4))
			return n;
	}
	fail_msg("nothing comes from the host");
	return 0;
}

/* The next frame with @payload bytes and all of @flags. */
static void next_with(int is_v6, __u8 flags, int payload, __u8 *frame)
{
	const __u8 *tcp = frame + l4_off(is_v6);
	int len;

	do
		len = (int)next_frame(is_v6, frame) - (int)l4_off(is_v6) - (tcp[12] >> 4) * 4;
	while (len != payload || (tcp[13] & flags) != flags);
}

static int take(int listener)
{
	assert_true(is_ready(listener));
	return accept(listener, NULL, NULL);
}

static void check_reads(int fd, int n)
{
	__u8 bytes[FRAME_MAX];

	assert_true(is_ready(fd));
	assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), n);
	for (int i = 0; i < n; i++)
		assert_int_equal(bytes[i], (__u8)(i * 7 + 3));
}

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info;
}

static int mark_of(int fd)
{
	socklen_t len = sizeof(int);
	int mark = -1;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len), 0);
	return mark;
}

/* A client's connection is taken over. The caller owns the server's socket. */
static int adopt(struct fixture *f, int is_v6, int listener, __u32 client_isn)
{
	struct packet p = first_segment(is_v6, client_isn);
	int fd;

	put_adopted(f, is_v6, client_isn);
	send_packet(&p);
	fd = take(listener);
	check_reads(fd, p.payload);
	return fd;
}

/* The socket closes without TIME-WAIT. */
static void close_hard(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* Options offered by the proxy, options of the client. */
struct offer_case {
	const char	*name;
	int		has_wscale, has_sack, has_ts, has_ecn;
	__u16		mss, mss_v4, mss_v6;	/* of the client; as seen by the server */
	__u8		flags;			/* of the half */
};

static const struct offer_case offers[] = {
	{ "everything",		1, 1, 1, 1, CLIENT_MSS, CLIENT_MSS, CLIENT_MSS, 0 },
	{ "no ECN",		1, 1, 1, 0, CLIENT_MSS, CLIENT_MSS, CLIENT_MSS, 0 },
	{ "ECN, not by the host", 1, 1, 1, 1, CLIENT_MSS, CLIENT_MSS, CLIENT_MSS,
	  SP_HALF_F_NOT_ECT },
	{ "no timestamps",	1, 1, 0, 0, CLIENT_MSS, CLIENT_MSS, CLIENT_MSS, 0 },
	{ "no SACK",		1, 0, 1, 0, CLIENT_MSS, CLIENT_MSS, CLIENT_MSS, 0 },
	{ "no window scale",	0, 1, 1, 0, CLIENT_MSS, CLIENT_MSS, CLIENT_MSS, 0 },
	{ "nothing",		0, 0, 0, 0, CLIENT_MSS, CLIENT_MSS, CLIENT_MSS, 0 },
	{ "a small MSS",	1, 1, 1, 0, 100, 536, 1220, 0 },
};

static void check_info(const struct offer_case *c, int is_v6, int fd)
{
	struct tcp_info info = info_of(fd);

	assert_int_equal(!!(info.tcpi_options & TCPI_OPT_TIMESTAMPS), c->has_ts);
	assert_int_equal(!!(info.tcpi_options & TCPI_OPT_SACK), c->has_sack);
	assert_int_equal(!!(info.tcpi_options & TCPI_OPT_WSCALE), c->has_wscale);
	assert_int_equal(!!(info.tcpi_options & TCPI_OPT_ECN), c->has_ecn && !c->flags);
	assert_int_equal(info.tcpi_snd_wscale, c->has_wscale ? CLIENT_WSCALE : 0);
	assert_int_equal(info.tcpi_rcv_wscale, c->has_wscale ? OUR_WSCALE : 0);
	assert_int_equal(info.tcpi_snd_mss, (is_v6 ? c->mss_v6 : c->mss_v4) - 12 * c->has_ts);
	assert_int_equal(mark_of(fd), 0);
}

/* The server's answer continues the proxy's numbers and clock. */
static void check_answer(const struct offer_case *c, int is_v6, int fd, const struct packet *p)
{
	__u8 frame[FRAME_MAX];
	const __u8 *tcp = frame + l4_off(is_v6);

	assert_int_equal(send(fd, "answer", 6, 0), 6);
	next_with(is_v6, ACK, 6, frame);
	assert_int_equal(get32(tcp + 4), p->ack);
	assert_int_equal(get32(tcp + 8), p->seq + p->payload);
	assert_int_equal(tcp[12] >> 4, c->has_ts ? 8 : 5);
	if (!c->has_ts)
		return;
	assert_in_range(get32(tcp + 24) - get32(p->opt + 8), 0, TS_MS_MAX);
	assert_int_equal(get32(tcp + 28), get32(p->opt + 4));
}

static void check_offer(struct fixture *f, const struct offer_case *c, int is_v6, int listener)
{
	__u8 wscale = c->has_wscale ? CLIENT_WSCALE : SP_COOKIE_WSCALE_NONE;
	struct packet p = first_segment(is_v6, CLIENT_ISN);
	__u64 before = stat_of(f, SP_STAT_TAKEN_OVER);
	struct sp_tuple down = from_host(is_v6);
	struct sp_entry e;
	int fd;

	begin_adopt(f, is_v6);
	forget_wire();
	put_adopted(f, is_v6, CLIENT_ISN);
	e = entry_of(f, &down);
	e.half.tsval_delta = sp_half_adopted(c->mss, OUR_WSCALE);
	e.half.flags |= c->flags;
	set_entry(f, &down, &e);
	p.ack = 1 + cookie(is_v6, cookie_keys[0], CLIENT_ISN, PERIOD,
			   sp_cookie_data(3, wscale, c->has_sack) |
			   (c->has_ecn ? SP_COOKIE_DATA_ECN : 0));
	p.opt_len *= c->has_ts;
	send_packet(&p);
	fd = take(listener);
	check_reads(fd, p.payload);
	assert_int_equal(stat_of(f, SP_STAT_TAKEN_OVER), before + 1);
	check_info(c, is_v6, fd);
	check_answer(c, is_v6, fd, &p);
	close_hard(fd);
}

static void what_was_agreed_upon_is_kept(void **state)
{
	for_each_family(v6) {
		int listener = make_listener(v6, 0);

		for (size_t i = 0; i < COUNT(offers); i++)
			check_offer(*state, &offers[i], v6, listener);
		close(listener);
	}
}

/* A retransmission belongs to the connection, as do later segments. */
static void own_connection_goes_on(void **state)
{
	for_each_family(v6) {
		int listener = make_listener(v6, 0), fd;
		struct packet p = first_segment(v6, CLIENT_ISN);
		__u64 before = stat_of(*state, SP_STAT_OLDER_RESET);

		begin_adopt(*state, v6);
		fd = adopt(*state, v6, listener, CLIENT_ISN);
		check_to_stack(*state, "repetition", &p, 0);
		p.seq += p.payload;
		check_to_stack(*state, "more", &p, 0);
		send_packet(&p);
		check_reads(fd, p.payload);
		p.seq += p.payload;
		p.flags |= FIN;
		send_packet(&p);
		check_reads(fd, p.payload);
		check_reads(fd, 0);
		p = first_segment(v6, CLIENT_ISN);
		check_to_stack(*state, "repetition, after a FIN", &p, 0);
		assert_int_equal(stat_of(*state, SP_STAT_OLDER_RESET), before);
		close_hard(fd);
		close(listener);
	}
}

/* A connection with a socket and without a half causes no query. */
static void socket_without_a_half_goes_on(void **state)
{
	for_each_family(v6) {
		int listener = make_listener(v6, 0), fd;
		struct packet p = first_segment(v6, CLIENT_ISN);
		struct sp_tuple down = from_host(v6);

		begin_adopt(*state, v6);
		fd = adopt(*state, v6, listener, CLIENT_ISN);
		remove_half(*state, &down);
		p.seq += p.payload;
		check_to_stack(*state, "more", &p, 0);
		check_dropped(*state, "another port's", &(struct packet){
			.tuple = { p.tuple.saddr, p.tuple.daddr, htons(1111), p.tuple.dport },
			.is_v6 = v6, .ttl = 9,
			.flags = ACK }, SP_DROP_ADOPT_ASKED);
		close_hard(fd);
		close(listener);
	}
}

/* A client's port is reused: the kernel must forget the older connection, in any state. */
static void older_connection_gives_way(void **state)
{
	for_each_family(v6) {
		int listener = make_listener(v6, 0), old, fd;
		__u64 before = stat_of(*state, SP_STAT_OLDER_RESET),
			taken = stat_of(*state, SP_STAT_TAKEN_OVER);
		char byte;

		begin_adopt(*state, v6);
		old = adopt(*state, v6, listener, CLIENT_ISN);
		fd = adopt(*state, v6, listener, CLIENT_ISN + 0x10000000);
		assert_int_equal(stat_of(*state, SP_STAT_OLDER_RESET), before + 1);
		assert_int_equal(stat_of(*state, SP_STAT_TAKEN_OVER), taken + 2);
		assert_int_equal(recv(old, &byte, 1, MSG_DONTWAIT), -1);
		assert_int_equal(errno, ECONNRESET);
		assert_int_equal(mark_of(fd), 0);
		close(old);
		close_hard(fd);
		close(listener);
	}
}

/* The server closes, the client as well; the kernel keeps the tuple for a minute. */
static void go_to_time_wait(struct fixture *f, int is_v6, int listener)
{
	struct packet p = first_segment(is_v6, CLIENT_ISN);
	int fd = adopt(f, is_v6, listener, CLIENT_ISN);
	__u8 frame[FRAME_MAX];

	forget_wire();
	close(fd);
	next_with(is_v6, FIN, 0, frame);
	p.seq += p.payload;
	p.payload = 0;
	p.ack = get32(frame + l4_off(is_v6) + 4) + 1;
	p.flags = ACK | FIN;
	send_packet(&p);
	do
		next_with(is_v6, ACK, 0, frame);
	while (get32(frame + l4_off(is_v6) + 8) != p.seq + 1);
}

static void time_wait_gives_way(void **state)
{
	for_each_family(v6) {
		int listener = make_listener(v6, 0), fd;
		struct packet p = first_segment(v6, CLIENT_ISN + 1000);
		__u64 before = stat_of(*state, SP_STAT_OLDER_RESET);

		begin_adopt(*state, v6);
		go_to_time_wait(*state, v6, listener);
		put_adopted(*state, v6, CLIENT_ISN + 1000);
		p.seq += p.payload;
		check_dropped(*state, "has overtaken the first", &p, SP_DROP_ADOPT_EARLY);
		fd = adopt(*state, v6, listener, CLIENT_ISN + 1000);
		assert_int_equal(stat_of(*state, SP_STAT_OLDER_RESET), before + 1);
		assert_int_equal(mark_of(fd), 0);
		close_hard(fd);
		close(listener);
	}
}

static void time_wait_without_a_half_is_asked_about(void **state)
{
	for_each_family(v6) {
		int listener = make_listener(v6, 0), fd;
		struct packet p = first_segment(v6, CLIENT_ISN + 1000);
		struct sp_tuple down = from_host(v6);

		begin_adopt(*state, v6);
		go_to_time_wait(*state, v6, listener);
		remove_half(*state, &down);
		check_dropped(*state, "first of another", &p, SP_DROP_ADOPT_ASKED);
		fd = adopt(*state, v6, listener, CLIENT_ISN + 1000);
		close_hard(fd);
		close(listener);
	}
}

static __u64 waited_for(struct fixture *f, __u32 reason, __u64 count)
{
	for (int ms = 0; ms < WAIT_MS && drops(f, reason) < count; ms++)
		usleep(1000);
	return drops(f, reason);
}

/* A packet is dropped in the second round, or it would go round for ever. */
static void what_does_not_give_way_is_met_once(void **state)
{
	for_each_family(v6) {
		int listener = make_listener(v6, 0), fd;
		struct packet p = first_segment(v6, CLIENT_ISN + 1000);
		__u64 before = drops(*state, SP_DROP_ADOPT_OCCUPIED), resets;

		begin_adopt(*state, v6);
		go_to_time_wait(*state, v6, listener);
		put_adopted(*state, v6, CLIENT_ISN + 1000);
		resets = stat_of(*state, SP_STAT_OLDER_RESET);
		assert_int_equal(system("echo 1 >/proc/sys/net/ipv4/tcp_rfc1337"), 0);
		send_packet(&p);
		assert_int_equal(waited_for(*state, SP_DROP_ADOPT_OCCUPIED, before + 1),
				 before + 1);
		assert_int_equal(stat_of(*state, SP_STAT_OLDER_RESET), resets + 1);
		assert_int_equal(system("echo 0 >/proc/sys/net/ipv4/tcp_rfc1337"), 0);
		fd = adopt(*state, v6, listener, CLIENT_ISN + 1000);
		close_hard(fd);
		close(listener);
	}
}

static void second_round_meets_an_open_one(void **state)
{
	struct fixture *f = *state;

	for_each_family(v6) {
		struct packet p = first_segment(v6, CLIENT_ISN + 1000);
		int listener = make_listener(v6, 0), fd;
		__u64 before = stat_of(f, SP_STAT_OLDER_RESET);

		begin_adopt(f, v6);
		fd = adopt(f, v6, listener, CLIENT_ISN);
		put_adopted(f, v6, CLIENT_ISN + 1000);
		f->mark = 0x73706c63;
		check_dropped(f, "second time", &p, SP_DROP_ADOPT_OCCUPIED);
		assert_int_equal(f->skb.mark, 0);
		assert_int_equal(stat_of(f, SP_STAT_OLDER_RESET), before);
		close_hard(fd);
		close(listener);
	}
}

/* @ret_frame: the RST that the first segment of a connection is answered with. */
static void reset_first(struct fixture *f, int is_v6, const struct packet *first, __u8 *ret_frame)
{
	begin_adopt(f, is_v6);
	forget_wire();
	put_adopted(f, is_v6, CLIENT_ISN);
	send_packet(first);
	next_with(is_v6, RST, 0, ret_frame);
}

/* The host's own RST reaches the client through the half down. */
static void host_says_that_nobody_listens(void **state)
{
	for_each_family(v6) {
		struct packet p = first_segment(v6, CLIENT_ISN);
		__u64 before = drops(*state, SP_DROP_ADOPT_NO_LISTENER);
		__u8 frame[FRAME_MAX];

		reset_first(*state, v6, &p, frame);
		assert_int_equal(get32(frame + l4_off(v6) + 4), p.ack);
		assert_int_equal(drops(*state, SP_DROP_ADOPT_NO_LISTENER), before + 1);
	}
}

static void listener_that_takes_nothing_over(void **state)
{
	for_each_family(v6) {
		int listener = make_listener(v6, IPPROTO_MPTCP);
		struct packet p = first_segment(v6, CLIENT_ISN);
		__u64 before = drops(*state, SP_DROP_ADOPT_FAILED),
			taken = stat_of(*state, SP_STAT_TAKEN_OVER);
		__u8 frame[FRAME_MAX];

		reset_first(*state, v6, &p, frame);
		assert_int_equal(drops(*state, SP_DROP_ADOPT_FAILED), before + 1);
		assert_int_equal(stat_of(*state, SP_STAT_TAKEN_OVER), taken);
		close(listener);
	}
}

static int asked(struct fixture *f, struct sp_listen *ports, int len)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = ports, .data_size_in = len, .data_out = ports,
		    .data_size_out = len);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(f->skel->progs.sp_listeners), &o),
			 0);
	return o.retval;
}

static int asked_listener(struct fixture *f, const struct sp_listen *at)
{
	struct sp_listen port = *at;

	assert_int_equal(asked(f, &port, sizeof(port)), 1);
	assert_memory_equal(&port.addr, &at->addr, sizeof(at->addr));
	assert_int_equal(port.port, at->port);
	return port.pad;
}

static void what_listens_is_told(void **state)
{
	for_each_family(v6) {
		struct sp_tuple t = at_host(v6);
		struct sp_listen at = { .addr = t.daddr, .port = t.dport };
		struct sp_listen other = { .addr = t.saddr, .port = t.dport };
		int listener = make_listener(v6, 0);

		assert_int_equal(asked_listener(*state, &at), SP_LISTENER_PLAIN);
		assert_int_equal(asked_listener(*state, &other), SP_LISTENER_NONE);
		assert_int_equal(asked(*state, &at, sizeof(at) - 1), 0);
		close(listener);
		assert_int_equal(asked_listener(*state, &at), SP_LISTENER_NONE);
		listener = make_listener(v6, IPPROTO_MPTCP);
		assert_int_equal(asked_listener(*state, &at), SP_LISTENER_MPTCP);
		close(listener);
	}
}

/* The longest list of ports, as an agent asks of it: a listener at every third. */
static void what_listens_is_told_of_all_at_once(void **state)
{
	for_each_family(v6) {
		struct sp_tuple t = at_host(v6);
		struct sp_listen ports[SP_LISTENERS_MAX];
		int listener = make_listener(v6, 0);

		for (int i = 0; i < SP_LISTENERS_MAX; i++)
			ports[i] = (struct sp_listen){ .addr = i % 3 ? t.saddr :
						       t.daddr, .port = t.dport, .pad = 7 };
		assert_int_equal(asked(*state, ports, sizeof(ports)), SP_LISTENERS_MAX);
		for (int i = 0; i < SP_LISTENERS_MAX; i++)
			assert_int_equal(ports[i].pad, i % 3 ? SP_LISTENER_NONE :
					 SP_LISTENER_PLAIN);
		close(listener);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_agreed_upon_is_kept),
		cmocka_unit_test(own_connection_goes_on),
		cmocka_unit_test(socket_without_a_half_goes_on),
		cmocka_unit_test(older_connection_gives_way),
		cmocka_unit_test(time_wait_gives_way),
		cmocka_unit_test(time_wait_without_a_half_is_asked_about),
		cmocka_unit_test(what_does_not_give_way_is_met_once),
		cmocka_unit_test(second_round_meets_an_open_one),
		cmocka_unit_test(host_says_that_nobody_listens),
		cmocka_unit_test(listener_that_takes_nothing_over),
		cmocka_unit_test(what_listens_is_told),
		cmocka_unit_test(what_listens_is_told_of_all_at_once),
	};

	return skipped_without_adopt() ?: cmocka_run_group_tests(tests, open_wire, close_all);
}

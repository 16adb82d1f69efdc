// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_icmp.c - ICMP errors about a spliced packet go to its sender, in the sender's tuple and
 * numbers. Needs root.
 */
#include "check.h"

enum { TO_CLIENT, TO_BACKEND };	/* receiver of the error */

struct error_case {
	const char	*name;
	__u8		type_v4, type_v6, code;
	__u32		word;
	int		quote_len;	/* behind the IP header */
};

static const struct error_case errors[] = {
	{ "too big, all of the packet",		3, 2, 4, 1300, 57 },
	{ "too big, odd length",		3, 2, 4, 1300, 41 },
	{ "too big, the least",			3, 2, 4, 1300, 8 },
	{ "unreachable host",			3, 1, 1, 0, 20 },
	{ "unreachable, administratively",	3, 1, 13, 0, 20 },
	{ "time exceeded",			11, 3, 0, 0, 20 },
	{ "parameter problem",			12, 4, 0, 6, 20 },
};

/* The forwarded packet that a router has dropped. */
static struct packet sent_packet(int is_v6, int to)
{
	struct packet p = plain_packet(is_v6);
	struct sp_half h = to == TO_CLIENT ? full_half(is_v6) : peer_half(is_v6);

	p.tuple = h.out;
	p.seq = 0xfffffffe;
	return p;
}

static struct icmp_packet error_packet(int is_v6, int to, const struct error_case *c)
{
	struct packet sent = sent_packet(is_v6, to);
	struct icmp_packet e = { .outer = sent, .type = is_v6 ? c->type_v6 :
				 c->type_v4, .code = c->code,
				 .word = c->word, .quote_len = l4_off(is_v6) - 14 + c->quote_len };
	__u8 frame[2048];

	build(&sent, frame);
	memcpy(e.quote, frame + 14, e.quote_len);
	e.outer.tuple = tuple_of(is_v6 ? "fd07::7" : "10.7.0.7", 0, is_v6 ? "::" : "0.0.0.0", 0);
	e.outer.tuple.daddr = sent.tuple.saddr;
	return e;
}

/* The quote is written by hand: the packet as known to the sender. */
static void quote_as_sent(struct icmp_packet *e, const struct sp_half *answers)
{
	struct packet as = { .tuple = sp_tuple_reverse(&answers->out), .is_v6 = e->outer.is_v6 };
	__u8 *ip = e->quote, *tcp = ip + l4_off(as.is_v6) - 14;

	if (as.is_v6) {
		memcpy(ip + 8, &as.tuple.saddr, 32);
	} else {
		memcpy(ip + 12, &as.tuple.saddr.w[3], 4);
		memcpy(ip + 16, &as.tuple.daddr.w[3], 4);
		put16(ip + 10, 0);
		put16(ip + 10, ~sum_bytes(ip, 20, 0));
	}
	memcpy(tcp, &as.tuple.sport, 4);
	add_at(tcp + 4, answers->ack_delta);
}

static void check_error(struct fixture *f, int is_v6, int to, const struct error_case *c)
{
	struct sp_half answers = to == TO_CLIENT ? peer_half(is_v6) : full_half(is_v6);
	struct icmp_packet e = error_packet(is_v6, to, c);
	__u8 in[2048], out[2048], want[2048];
	__u32 len = build_icmp(&e, in), out_len;

	quote_as_sent(&e, &answers);
	e.outer.tuple = answers.out;
	e.outer.ttl--;
	build_icmp(&e, want);
	check_run_summed(f, c->name, in, len, TC_ACT_REDIRECT, out, &out_len);
	check_same(c->name, is_v6, want, len, out, out_len);
	assert_int_equal(icmp_sum(out, out_len, is_v6), 0xffff);
}

static void error_reaches_the_sender(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		put_splice(*state, v6);
		for (size_t i = 0; i < COUNT(errors); i++) {
			check_error(*state, v6, TO_CLIENT, &errors[i]);
			check_error(*state, v6, TO_BACKEND, &errors[i]);
		}
	}
}

/* The stack may know the quoted packet. */
static void short_quote_is_left_alone(void **state)
{
	static const int lengths[] = { 0, 4, 7, -1, -8 };

	for (size_t i = 0; i < COUNT(lengths); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			const struct error_case c = { "short quote", 3, 2, 4, 1300, lengths[i] };
			struct icmp_packet e = error_packet(v6, TO_CLIENT, &c);
			__u8 in[2048];
			__u32 len = build_icmp(&e, in);

			put_splice(*state, v6);
			check_reason(*state, c.name, in, len, TC_ACT_UNSPEC, SP_DROP_ICMP_SHORT);
			check_untouched(*state, c.name, v6, in, len);
		}
}

enum mischief { ECHO, REDIRECT, QUOTES_UDP, QUOTES_OPTIONS, QUOTES_A_STRANGER, TTL_OUT };

static void spoil(struct icmp_packet *e, enum mischief how)
{
	int is_v6 = e->outer.is_v6;

	switch (how) {
	case ECHO:
		e->type = is_v6 ? 128 : 8;
		break;
	case REDIRECT:
		e->type = is_v6 ? 137 : 5;
		break;
	case QUOTES_UDP:
		e->quote[is_v6 ? 6 : 9] = 17;
		break;
	case QUOTES_OPTIONS:
		e->quote[0] = is_v6 ? 0x60 : 0x46;
		e->quote[6] = is_v6 ? 0 : e->quote[6];
		break;
	case QUOTES_A_STRANGER:
		e->quote[l4_off(is_v6) - 14] ^= 1;
		break;
	case TTL_OUT:
		e->outer.ttl = 1;
		break;
	}
}

static void others_icmp_is_untouched(void **state)
{
	static const struct { const char *name; enum mischief how; } cases[] = {
		{ "echo", ECHO },			{ "redirect", REDIRECT },
		{ "quotes UDP", QUOTES_UDP },		{ "quotes IP options", QUOTES_OPTIONS },
		{ "quotes another port", QUOTES_A_STRANGER },	{ "TTL 1", TTL_OUT },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct icmp_packet e = error_packet(v6, TO_CLIENT, &errors[0]);
			__u8 in[2048];

			put_splice(*state, v6);
			spoil(&e, cases[i].how);
			check_untouched(*state, cases[i].name, v6, in, build_icmp(&e, in));
		}
}

/* The datapath sends the needed part up, with the tuple of a reply to the quoted packet. */
static void check_goes_up(struct fixture *f, const char *name, const struct icmp_packet *e,
			  const struct sp_tuple *answers)
{
	__u32 want_len = l4_off(e->outer.is_v6) - 14 + 8 + l4_off(e->outer.is_v6) - 14 + 8, len;
	__u8 in[2048];

	len = build_icmp(e, in);
	listen_to(f);
	check_reason(f, name, in, len, TC_ACT_SHOT, SP_DROP_QUOTE);
	assert_int_equal(listen_to(f), 1);
	assert_int_equal(f->event.kind, SP_EVENT_QUOTE);
	assert_int_equal(f->event.len, want_len);
	assert_int_equal(f->event.l4_off, l4_off(e->outer.is_v6) - 14);
	assert_memory_equal(f->event.packet, in + 14, want_len);
	assert_memory_equal(&f->event.tuple, answers, sizeof(*answers));
}

/* An example: the SYN to a backend that sees the client's own address. */
static void error_about_a_marked_tuple_goes_up(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct icmp_packet e = error_packet(v6, TO_CLIENT, &errors[0]);
		struct sp_half h = full_half(v6);
		struct sp_tuple key = sp_tuple_reverse(&h.out);

		h.flags = SP_HALF_F_TO_DAEMON;
		assert_int_equal(put_half(*state, &key, &h), 0);
		check_goes_up(*state, "marked", &e, &key);
		remove_half(*state, &key);
	}
}

/* The daemon's SYN, or a packet of another proxy's splice on an address of ours. */
static void error_about_a_source_address_goes_up(void **state)
{
	const struct sp_snat all = { 1, 65535 };
	struct fixture *f = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct icmp_packet e = error_packet(v6, TO_CLIENT, &errors[0]);
		struct sp_half h = full_half(v6);
		struct sp_tuple key = sp_tuple_reverse(&h.out);

		remove_half(f, &key);
		bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_snats), &key.daddr, &all, BPF_ANY);
		check_goes_up(f, "source address", &e, &key);
		bpf_map_delete_elem(bpf_map__fd(f->skel->maps.sp_snats), &key.daddr);
	}
}

/*
 * The quoted packet was sent by another proxy to a client. This service may have splices
 * elsewhere.
 */
static void error_about_a_service_goes_up(void **state)
{
	static const __u8 flags[] = { 0, SP_SERVICE_F_SHARED };
	struct fixture *f = *state;
	__u8 in[2048];

	for (int i = 0; i < 4; i++) {
		struct icmp_packet e = error_packet(i & 1, TO_BACKEND, &errors[0]);
		struct sp_tuple key = TUPLE_IN(i & 1);
		__be16 port = htons(SERVICE_PORT);

		key.dport = port;
		memcpy(e.quote + l4_off(i & 1) - 14, &port, sizeof(port));
		remove_half(f, &key);
		put_service(f, i & 1, flags[i / 2]);
		if (flags[i / 2])
			check_goes_up(f, "shared service", &e, &key);
		else
			check_untouched(f, "service", i & 1, in, build_icmp(&e, in));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_reaches_the_sender),
		cmocka_unit_test(short_quote_is_left_alone),
		cmocka_unit_test(others_icmp_is_untouched),
		cmocka_unit_test(error_about_a_marked_tuple_goes_up),
		cmocka_unit_test(error_about_a_source_address_goes_up),
		cmocka_unit_test(error_about_a_service_goes_up),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

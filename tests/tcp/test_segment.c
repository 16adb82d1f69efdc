/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_segment.c - src/tcp/segment.c, wire.c: bytes built, bytes parsed, and the queue; no socket
 * is opened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "tcp/segment.c"
#include "tcp/wire.c"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct sp_tuple tuple4 = {
	.saddr.w = { 0, 0, SP_V4_MAPPED, 0x0901a8c0 },
	.daddr.w = { 0, 0, SP_V4_MAPPED, 0x050200c0 },
	.sport = 0x3412, .dport = 0x5000,
};
static const struct sp_tuple tuple6 = {
	.saddr.w = { 0xb80d0120, 0, 0xffff, 0x01000000 },
	.daddr.w = { 0xb80d0120, 1, 2, 0xfe0000ff },
	.sport = 0x3412, .dport = 0x5000,
};

static const struct sp_tuple *const families[] = { &tuple4, &tuple6 };

/* Payloads of all tests are chunks of the array. */
static __u8 text[65536];

static int fill_text(void **state)
{
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i * 7 + i / 251;
	return 0;
}

/* An event of the exact size, so that the sanitizer sees a byte read too many. */
static struct sp_event *event_new(const struct sp_tuple *t, const void *packet, size_t len)
{
	struct sp_event *ev = malloc(sizeof(*ev) + len);

	memset(ev, 0, sizeof(*ev));
	ev->tuple = *t;
	ev->kind = SP_EVENT_FRONT;
	ev->len = len;
	ev->l4_off = sp_addr_is_v4(&t->daddr) ? 20 : 40;
	memcpy(ev->packet, packet, len);
	return ev;
}

/* The sum of RFC 1071, byte by byte, written independently of the code under test. */
static unsigned int naive_sum(const __u8 *p, size_t len, unsigned int sum)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/*
 * The sum over the packet's addresses, protocol, length and all after the IP header: ffff if right.
 */
static unsigned int naive_l4_sum(const __u8 *packet, size_t len)
{
	int is_v6 = packet[0] >> 4 == 6;
	size_t ip_len = is_v6 ? 40 : 20;
	unsigned int sum = is_v6 ? naive_sum(packet + 8, 32, 0) : naive_sum(packet + 12, 8, 0);

	sum += (is_v6 ? packet[6] : packet[9]) + (len - ip_len);
	return naive_sum(packet + ip_len, len - ip_len, sum);
}

static void check_ip_header(const __u8 *p, size_t len, const struct sp_tuple *t, __u8 proto,
			    __u8 ecn)
{
	if (sp_addr_is_v4(&t->daddr)) {
		const __u8 fixed[] = { 0x45, ecn, len >> 8, len & 0xff, 0, 0, 0x40, 0, 64, proto };

		assert_memory_equal(p, fixed, sizeof(fixed));
		assert_int_equal(naive_sum(p, 20, 0), 0xffff);
		assert_memory_equal(p + 12, &t->saddr.w[3], 4);
		assert_memory_equal(p + 16, &t->daddr.w[3], 4);
	} else {
		const __u8 fixed[] = { 0x60, ecn << 4, 0, 0, (len - 40) >> 8, (len - 40) & 0xff,
				       proto, 64 };

		assert_memory_equal(p, fixed, sizeof(fixed));
		assert_memory_equal(p + 8, &t->saddr, 16);
		assert_memory_equal(p + 24, &t->daddr, 16);
	}
}

static void check_equal(const struct sp_segment *a, const struct sp_segment *b)
{
	int is_syn = a->flags & SP_TCP_SYN;

	assert_memory_equal(&a->tuple, &b->tuple, sizeof(a->tuple));
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->ack, b->ack);
	assert_int_equal(a->window, b->window);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->has_ts, b->has_ts);
	assert_int_equal(a->is_ce, b->is_ce);
	assert_int_equal(a->has_ts ? a->tsval : 0, b->tsval);
	assert_int_equal(a->has_ts ? a->tsecr : 0, b->tsecr);
	assert_int_equal(is_syn ? a->mss : 0, b->mss);
	assert_int_equal(is_syn ? a->wscale : -1, b->wscale);
	assert_int_equal(is_syn ? a->is_sack : 0, b->is_sack);
	assert_int_equal(a->payload_len, b->payload_len);
	assert_memory_equal(a->payload, b->payload, a->payload_len);
}

static void round_trip(const struct sp_segment *seg)
{
	__u8 packet[SP_SEGMENT_PACKET_MAX];
	struct sp_segment got;
	struct sp_event *ev;
	int len = sp_segment_build(seg, packet, sizeof(packet));

	assert_in_range(len, 1, sizeof(packet));
	check_ip_header(packet, len, &seg->tuple, IPPROTO_TCP, seg->is_ce ? 3 : 0);
	assert_int_equal(naive_l4_sum(packet, len), 0xffff);
	ev = event_new(&seg->tuple, packet, len);
	assert_memory_equal(ev->packet + ev->l4_off, &seg->tuple.sport, 2);
	assert_memory_equal(ev->packet + ev->l4_off + 2, &seg->tuple.dport, 2);
	assert_int_equal(sp_segment_parse(ev, &got), 0);
	check_equal(seg, &got);
	free(ev);
}

/* A segment with an option for each bit of @bits. */
static struct sp_segment combination(const struct sp_tuple *t, __u8 flags, unsigned int bits,
				     size_t payload_len)
{
	return (struct sp_segment){
		.tuple = *t, .flags = flags, .seq = 0xfffffff0, .ack = 0x80000001, .window = 0xabcd,
		.mss = bits & 1 ? 1460 : 0, .wscale = bits & 2 ? 7 : -1, .is_sack = !!(bits & 4),
		.has_ts = !!(bits & 8), .is_ce = !!(bits & 16), .tsval = 0x01020304,
		.tsecr = 0xf1f2f3f4,
		.payload = text, .payload_len = payload_len,
	};
}

static void every_combination_round_trips(void **state)
{
	static const __u8 flags[] = {
		SP_TCP_SYN, SP_TCP_SYN | SP_TCP_ACK, SP_TCP_ACK | SP_TCP_PSH,
		SP_TCP_ACK | SP_TCP_FIN, SP_TCP_RST,
	};
	static const size_t lens[] = { 0, 1, 2, 3, 4, 5, 1448, 9000 };

	for (size_t f = 0; f < COUNT(families); f++)
		for (size_t i = 0; i < COUNT(flags); i++)
			for (unsigned int bits = 0; bits < 32; bits++)
				for (size_t n = 0; n < COUNT(lens); n++) {
					struct sp_segment seg = combination(families[f], flags[i],
									    bits, lens[n]);

					round_trip(&seg);
				}
}

/* Folding goes wrong where a carry runs through the whole sum. */
static void checksums_hold_for_extreme_bytes(void **state)
{
	static __u8 bytes[9000];

	for (int fill = 0; fill < 256; fill += 0xff) {
		struct sp_segment seg = combination(&tuple6, SP_TCP_ACK, 8, 0);

		memset(bytes, fill, sizeof(bytes));
		seg.payload = bytes;
		for (seg.payload_len = 0; seg.payload_len < 64; seg.payload_len++)
			round_trip(&seg);
		seg.payload_len = sizeof(bytes);
		round_trip(&seg);
	}
}

/* Layout as in Linux. */
static void options_are_laid_out(void **state)
{
	static const struct {
		unsigned int	bits;
		size_t		len;
		__u8		bytes[20];
	} table[] = {
		{ 0, 0, { 0 } },
		{ 1, 4, { 2, 4, 5, 180 } },
		{ 2, 4, { 1, 3, 3, 7 } },
		{ 4, 4, { 1, 1, 4, 2 } },
		{ 7, 12, { 2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 7 } },
		{ 8, 12, { 1, 1, 8, 10, 1, 2, 3, 4, 0xf1, 0xf2, 0xf3, 0xf4 } },
		{ 15, 20, { 2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0xf1, 0xf2, 0xf3, 0xf4, 1, 3, 3,
			    7 } },
	};
	__u8 packet[200];

	for (size_t i = 0; i < COUNT(table); i++) {
		struct sp_segment seg = combination(&tuple4, SP_TCP_SYN, table[i].bits, 0);

		assert_int_equal(sp_segment_build(&seg, packet, sizeof(packet)), 40 + table[i].len);
		assert_int_equal(packet[32], (5 + table[i].len / 4) << 4);
		assert_memory_equal(packet + 40, table[i].bytes, table[i].len);
		seg.flags = SP_TCP_ACK;
		assert_int_equal(sp_segment_build(&seg, packet, sizeof(packet)),
				 40 + (seg.has_ts ? 12 : 0));
	}
}

static void too_much_payload_is_refused(void **state)
{
	for (size_t f = 0; f < COUNT(families); f++) {
		__u8 *buf = malloc(SP_SEGMENT_PACKET_MAX);
		struct sp_segment seg = combination(families[f], SP_TCP_ACK, 8, 0);
		size_t headers = sp_segment_build(&seg, buf, SP_SEGMENT_PACKET_MAX);

		seg.payload_len = SP_SEGMENT_PACKET_MAX - headers;
		assert_int_equal(sp_segment_build(&seg, buf, SP_SEGMENT_PACKET_MAX),
				 SP_SEGMENT_PACKET_MAX);
		seg.payload_len++;
		assert_int_equal(sp_segment_build(&seg, buf, SP_SEGMENT_PACKET_MAX), -EMSGSIZE);
		assert_int_equal(sp_segment_build(&seg, buf, 1 << 20), -EMSGSIZE);
		seg.payload_len = SIZE_MAX - 10;
		assert_int_equal(sp_segment_build(&seg, buf, SP_SEGMENT_PACKET_MAX), -EMSGSIZE);
		seg.payload_len = 0;
		assert_int_equal(sp_segment_build(&seg, buf, headers - 1), -EMSGSIZE);
		assert_int_equal(sp_segment_build(&seg, buf, 0), -EMSGSIZE);
		free(buf);
	}
}

static void truncated_at(const struct sp_segment *seg, const __u8 *packet, size_t len,
			 size_t headers)
{
	struct sp_event *ev = event_new(&seg->tuple, packet, len);
	struct sp_segment got = { .seq = 1234 };

	if (len < headers) {
		assert_int_equal(sp_segment_parse(ev, &got), -EBADMSG);
		assert_int_equal(got.seq, 1234);
	} else {
		assert_int_equal(sp_segment_parse(ev, &got), 0);
		assert_int_equal(got.payload_len, len - headers);
		assert_memory_equal(got.payload, text, len - headers);
	}
	free(ev);
}

/* A partial checksum, left to hardware by a stack: the sum of the pseudo header, not inverted. */
static void put_partial_checksum(const struct sp_tuple *t, __u8 *tcp, size_t len)
{
	__u16 check = ~sum_fold(sum_pseudo(t, IPPROTO_TCP, len));

	memcpy(tcp + offsetof(struct tcphdr, check), &check, sizeof(check));
}

static void damage_is_seen_in_every_byte(void **state)
{
	static __u8 packet[SP_SEGMENT_PACKET_MAX];

	for (size_t f = 0; f < COUNT(families); f++) {
		struct sp_segment seg = combination(families[f], SP_TCP_ACK, 0xff, 33);
		int len = sp_segment_build(&seg, packet, sizeof(packet));
		struct sp_event *ev = event_new(families[f], packet, len);

		assert_true(sp_segment_is_intact(ev));
		for (int i = ev->l4_off; i < len; i++) {
			ev->packet[i] ^= 0x10;
			assert_false(sp_segment_is_intact(ev));
			ev->packet[i] ^= 0x10;
		}
		put_partial_checksum(families[f], ev->packet + ev->l4_off, len - ev->l4_off);
		assert_true(sp_segment_is_intact(ev));
		free(ev);
	}
}

static void truncation_is_seen_at_every_length(void **state)
{
	__u8 packet[SP_SEGMENT_PACKET_MAX];

	for (size_t f = 0; f < COUNT(families); f++) {
		struct sp_segment seg = combination(families[f], SP_TCP_SYN, 15, 50);
		size_t whole = sp_segment_build(&seg, packet, sizeof(packet));

		for (size_t len = 0; len < whole; len++)
			truncated_at(&seg, packet, len, whole - 50);
	}
}

static void padding_is_not_payload(void **state)
{
	__u8 packet[200] = { 0 };

	for (size_t f = 0; f < COUNT(families); f++) {
		struct sp_segment seg = combination(families[f], SP_TCP_ACK, 0, 3), got;
		size_t len = sp_segment_build(&seg, packet, sizeof(packet));
		struct sp_event *ev = event_new(&seg.tuple, packet, len + 9);

		assert_int_equal(sp_segment_parse(ev, &got), 0);
		check_equal(&seg, &got);
		free(ev);
	}
}

/* A superpacket as GRO makes it, and a BIG TCP packet, with a length of 0 in its IP header. */
static void superpackets_are_taken_whole(void **state)
{
	__u8 *packet = malloc(SP_EVENT_PACKET_MAX);

	for (size_t f = 0; f < COUNT(families); f++) {
		struct sp_segment seg = combination(families[f], SP_TCP_ACK, 8, 0), got;
		size_t headers = sp_segment_build(&seg, packet, SP_SEGMENT_PACKET_MAX);
		__u8 *field = packet + (f ? 4 : 2);
		struct sp_event *ev;

		seg.payload_len = SP_EVENT_PACKET_MAX - headers;
		memcpy(packet + headers, text, seg.payload_len);
		for (int is_big = 0; is_big < 2; is_big++) {
			size_t len = is_big ? 0 : SP_EVENT_PACKET_MAX - (f ? 40 : 0);

			field[0] = len >> 8;
			field[1] = len & 0xff;
			ev = event_new(&seg.tuple, packet, SP_EVENT_PACKET_MAX);
			assert_int_equal(sp_segment_parse(ev, &got), 0);
			check_equal(&seg, &got);
			free(ev);
		}
	}
	free(packet);
}

/* A SYN with option bytes @opts, padded to a multiple of 4 with END. */
static int parse_syn_options(const __u8 *opts, size_t len, __u8 flags, struct sp_segment *ret_seg)
{
	struct sp_segment seg = combination(&tuple4, flags, 0, 0);
	__u8 packet[100] = { 0 };
	struct sp_event *ev;
	size_t padded = (len + 3) / 4 * 4;
	int err;

	sp_segment_build(&seg, packet, sizeof(packet));
	packet[3] += padded;
	packet[32] += padded / 4 << 4;
	memcpy(packet + 40, opts, len);
	ev = event_new(&seg.tuple, packet, 40 + padded);
	err = sp_segment_parse(ev, ret_seg);
	free(ev);
	return err;
}

static void odd_options_are_understood(void **state)
{
	static const struct {
		__u8	opts[24];
		size_t	len;
		int	mss, wscale, is_sack, has_ts;
	} table[] = {
		{ { 3, 3, 9, 4, 2, 2, 4, 0xff, 0xff }, 9, 65535, 9, 1, 0 },
		{ { 1, 1, 1, 1, 1, 1, 1, 3, 3, 0 }, 10, 0, 0, 0, 0 },
		{ { 3, 3, 15 }, 3, 0, 14, 0, 0 },
		{ { 3, 3, 255 }, 3, 0, 14, 0, 0 },
		{ { 0, 2, 4, 5, 180 }, 5, 0, -1, 0, 0 },
		{ { 1, 0, 3, 3 }, 4, 0, -1, 0, 0 },
		{ { 254, 6, 3, 3, 7, 7, 4, 2 }, 8, 0, -1, 1, 0 },
		{ { 34, 2, 2, 4, 5, 180 }, 6, 1460, -1, 0, 0 },
		{ { 2, 3, 5, 3, 4, 7, 7, 4, 3, 0, 8, 2 }, 12, 0, -1, 0, 0 },
		{ { 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 4, 2 }, 13, 0, -1, 1, 1 },
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct sp_segment got;

		assert_int_equal(parse_syn_options(table[i].opts, table[i].len, SP_TCP_SYN, &got),
				 0);
		assert_int_equal(got.mss, table[i].mss);
		assert_int_equal(got.wscale, table[i].wscale);
		assert_int_equal(got.is_sack, table[i].is_sack);
		assert_int_equal(got.has_ts, table[i].has_ts);
		assert_int_equal(got.tsval, table[i].has_ts ? 1 : 0);
		assert_int_equal(got.tsecr, table[i].has_ts ? 2 : 0);
	}
}

static void options_of_a_syn_count_in_a_syn_only(void **state)
{
	static const __u8 opts[] = { 2, 4, 5, 180, 4, 2, 3, 3, 7 };
	struct sp_segment got;

	assert_int_equal(parse_syn_options(opts, sizeof(opts), SP_TCP_ACK, &got), 0);
	assert_int_equal(got.mss, 0);
	assert_int_equal(got.wscale, -1);
	assert_int_equal(got.is_sack, 0);
}

static void damaged_options_are_refused(void **state)
{
	static const __u8 table[][4] = {
		{ 2, 0, 5, 180 }, { 2, 1, 5, 180 }, { 2, 5, 5, 180 }, { 1, 1, 1, 2 },
		{ 1, 1, 3, 3 }, { 8, 10, 0, 0 }, { 77, 255, 0, 0 }, { 77, 0, 0, 0 },
		{ 77, 1, 1, 1 },
	};
	struct sp_segment got;

	for (size_t i = 0; i < COUNT(table); i++)
		assert_int_equal(parse_syn_options(table[i], 4, SP_TCP_SYN, &got), -EBADMSG);
}

static void damaged_headers_are_refused(void **state)
{
	static const struct {
		size_t	at;
		__u8	byte;
	} table[] = {
		{ 0, 0x05 },	/* version */
		{ 0, 0xf5 },
		{ 32, 0x40 },	/* TCP header below 20 bytes */
		{ 32, 0x00 },
		{ 32, 0xf0 },	/* longer than the packet */
		{ 3, 39 },	/* IP length ends within the TCP header */
		{ 3, 1 },
	};
	struct sp_segment seg = combination(&tuple4, SP_TCP_ACK, 0, 10), got;
	__u8 packet[200];
	size_t len = sp_segment_build(&seg, packet, sizeof(packet));

	for (size_t i = 0; i < COUNT(table); i++) {
		struct sp_event *ev = event_new(&seg.tuple, packet, len);

		ev->packet[table[i].at] = table[i].byte;
		assert_int_equal(sp_segment_parse(ev, &got), -EBADMSG);
		free(ev);
	}
}

static void a_wrong_offset_is_refused(void **state)
{
	struct sp_segment seg = combination(&tuple6, SP_TCP_ACK, 0, 0), got;
	__u8 packet[200];
	size_t len = sp_segment_build(&seg, packet, sizeof(packet));
	struct sp_event *ev = event_new(&seg.tuple, packet, len);

	for (unsigned int off = 0; off < 65536; off++) {
		ev->l4_off = off;
		if (off != 40)
			assert_int_equal(sp_segment_parse(ev, &got), -EBADMSG);
	}
	free(ev);
}

/* Random input gives the sanitizers no cause, and the payload lies within the event. */
static void random_damage_is_harmless(void **state)
{
	__u8 packet[SP_SEGMENT_PACKET_MAX];

	srand(1);
	for (int i = 0; i < 50000; i++) {
		struct sp_segment seg = combination(families[i % 2], SP_TCP_SYN, rand() % 16,
						    rand() % 8), got;
		size_t len = sp_segment_build(&seg, packet, sizeof(packet));
		struct sp_event *ev;

		for (int n = rand() % 4; n >= 0; n--)
			packet[rand() % len] = rand();
		ev = event_new(&seg.tuple, packet, rand() % 4 ? len : rand() % len);
		if (!sp_segment_parse(ev, &got)) {
			const __u8 *p = got.payload;

			assert_true(p >= ev->packet && p + got.payload_len <= ev->packet + ev->len);
			assert_in_range(got.wscale + 1, 0, 15);
		}
		free(ev);
	}
}

/* type, code, checksum, the MTU, then the packet */
static void too_big_names_mtu_and_packet(void **state)
{
	static const size_t lens[] = { 0, 1, 400, 500, 2000, 8000 };
	static const __u8 heads[2][8] = { { 3, 4, 0, 0, 0, 0, 0x05, 0x14 },
					  { 2, 0, 0, 0, 0, 0, 0x05, 0x14 } };
	__u8 packet[SP_SEGMENT_PACKET_MAX], out[SP_SEGMENT_PACKET_MAX];

	for (size_t i = 0; i < COUNT(lens) * 2; i++) {
		int is_v6 = i % 2;
		struct sp_segment seg = combination(families[is_v6], SP_TCP_ACK, 8, lens[i / 2]);
		struct sp_tuple back = sp_tuple_reverse(&seg.tuple);
		size_t ip_len = is_v6 ? 40 :
			20, len = sp_segment_build(&seg, packet, sizeof(packet));
		struct sp_event *ev = event_new(&seg.tuple, packet, len);
		size_t quoted = len < ip_len + 512 ? len : ip_len + 512;

		ev->mtu = 1300;
		assert_int_equal(sp_segment_build_too_big(ev, out), ip_len + 8 + quoted);
		check_ip_header(out, ip_len + 8 + quoted, &back, is_v6 ? 58 : 1, 0);
		assert_memory_equal(out + ip_len + 8, packet, quoted);
		if (is_v6)
			assert_int_equal(naive_l4_sum(out, ip_len + 8 + quoted), 0xffff);
		else
			assert_int_equal(naive_sum(out + ip_len, 8 + quoted, 0), 0xffff);
		out[ip_len + 2] = out[ip_len + 3] = 0;
		assert_memory_equal(out + ip_len, heads[is_v6], 8);
		free(ev);
	}
}

static void too_big_wants_an_ip_header(void **state)
{
	__u8 out[SP_SEGMENT_PACKET_MAX];

	for (size_t f = 0; f < COUNT(families); f++) {
		struct sp_event *ev = event_new(families[f], text, f ? 39 : 19);

		assert_int_equal(sp_segment_build_too_big(ev, out), -EBADMSG);
		free(ev);
	}
}

/*
 * Without sockets, as on a machine without IPv6: the queue goes round, and every packet is counted
 * once.
 */
static void the_queue_loses_no_count(void **state)
{
	static struct sp_wire wire = { .v4.fd = -1, .v6.fd = -1 };
	struct sp_event *ev = event_new(&tuple4, text, 600);

	for (int i = 0; i < 1000; i++) {
		struct sp_segment seg = combination(families[i % 2], SP_TCP_ACK, 8, i * 13 % 9100);

		assert_int_equal(sp_wire_send(&wire, &seg), 0);
		seg.payload_len = SP_SEGMENT_PACKET_MAX;
		assert_int_equal(sp_wire_send(&wire, &seg), -EMSGSIZE);
		assert_int_equal(sp_wire_send_too_big(&wire, ev), 0);
	}
	assert_in_range(sp_wire_stats(&wire).failed_pkts, 1, 1999);
	sp_wire_flush(&wire);
	assert_int_equal(sp_wire_stats(&wire).failed_pkts, 2000);
	assert_int_equal(sp_wire_stats(&wire).sent_pkts, 0);
	free(ev);
}

static void queued_packets_stay_as_they_are(void **state)
{
	static struct sp_wire wire = { .v4.fd = -1, .v6.fd = -1 };
	__u8 packet[SP_SEGMENT_PACKET_MAX];

	for (int i = 0; i < QUEUE_PKTS; i++) {
		struct sp_segment seg = combination(&tuple6, SP_TCP_ACK, 8, i * 20 + 1);

		assert_int_equal(sp_wire_send(&wire, &seg), 0);
	}
	assert_int_equal(wire.v6.count, QUEUE_PKTS);
	for (int i = 0; i < QUEUE_PKTS; i++) {
		struct sp_segment seg = combination(&tuple6, SP_TCP_ACK, 8, i * 20 + 1);
		const struct msghdr *msg = &wire.v6.msgs[i].msg_hdr;
		const struct sockaddr_in6 *to = msg->msg_name;

		assert_int_equal(msg->msg_iov->iov_len,
				 sp_segment_build(&seg, packet, sizeof(packet)));
		assert_memory_equal(msg->msg_iov->iov_base, packet, msg->msg_iov->iov_len);
		assert_int_equal(to->sin6_family, AF_INET6);
		assert_int_equal(to->sin6_port, 0); /* for a raw socket: the protocol */
		assert_memory_equal(&to->sin6_addr, &tuple6.daddr, 16);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_round_trips),
		cmocka_unit_test(checksums_hold_for_extreme_bytes),
		cmocka_unit_test(options_are_laid_out),
		cmocka_unit_test(too_much_payload_is_refused),
		cmocka_unit_test(truncation_is_seen_at_every_length),
		cmocka_unit_test(damage_is_seen_in_every_byte),
		cmocka_unit_test(padding_is_not_payload),
		cmocka_unit_test(superpackets_are_taken_whole),
		cmocka_unit_test(odd_options_are_understood),
		cmocka_unit_test(options_of_a_syn_count_in_a_syn_only),
		cmocka_unit_test(damaged_options_are_refused),
		cmocka_unit_test(damaged_headers_are_refused),
		cmocka_unit_test(a_wrong_offset_is_refused),
		cmocka_unit_test(random_damage_is_harmless),
		cmocka_unit_test(too_big_names_mtu_and_packet),
		cmocka_unit_test(too_big_wants_an_ip_header),
		cmocka_unit_test(the_queue_loses_no_count),
		cmocka_unit_test(queued_packets_stay_as_they_are),
	};

	return cmocka_run_group_tests_name("segment", tests, fill_text, NULL);
}

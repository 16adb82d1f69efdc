/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * packet.h - builds frames from a description and computes checksums in full. No code is shared
 * with bpf/.
 */
#ifndef SP_TESTS_PACKET_H
#define SP_TESTS_PACKET_H

#include <arpa/inet.h>
#include <string.h>

#include "abi/tuple.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128 };

struct packet {
	struct sp_tuple	tuple;
	int		is_v6;
	__u8		ttl;
	__u16		id;
	__u8		is_df;
	__u8		ecn;		/* of the IP header, with the DSCP, if given */
	__u32		seq;
	__u32		ack;
	__u8		flags;
	__u16		window;
	__u8		opt[40];
	__u32		opt_len;
	__u32		payload;
	const char	*text;		/* payload bytes, in the place of a pattern */
	int		is_answer;	/* Ethernet addresses swapped */
};

static inline void put16(__u8 *p, __u16 v)
{
	p[0] = v >> 8;
	p[1] = v & 0xff;
}

static inline void put32(__u8 *p, __u32 v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static inline __u32 get32(const __u8 *p)
{
	return (__u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static inline __u32 sum_bytes(const __u8 *p, __u32 len, __u32 sum)
{
	for (__u32 i = 0; i < len; i++)
		sum += i & 1 ? p[i] : p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline __u32 l4_off(int is_v6)
{
	return is_v6 ? 54 : 34;
}

/* Sum over pseudo header and segment; 0xffff if the checksum is right. */
static inline __u32 l4_sum(const __u8 *frame, __u32 len, int is_v6, __u8 proto)
{
	__u32 l4 = l4_off(is_v6), sum = proto + (len - l4);

	sum = is_v6 ? sum_bytes(frame + 22, 32, sum) : sum_bytes(frame + 26, 8, sum);
	return sum_bytes(frame + l4, len - l4, sum);
}

static inline __u32 tcp_sum(const __u8 *frame, __u32 len, int is_v6)
{
	return l4_sum(frame, len, is_v6, 6);
}

/* ICMP has no pseudo header, ICMPv6 has. */
static inline __u32 icmp_sum(const __u8 *frame, __u32 len, int is_v6)
{
	return is_v6 ? l4_sum(frame, len, 1, 58) : sum_bytes(frame + 34, len - 34, 0);
}

static inline __u32 ip_sum(const __u8 *frame)
{
	return sum_bytes(frame + 14, 20, 0);
}

static inline void build_ip(const struct packet *p, __u8 *ip, __u8 proto, __u32 l4_len)
{
	memset(ip, 0, p->is_v6 ? 40 : 20);
	if (p->is_v6) {
		put16(ip, 0x6000 | p->ecn << 4);
		put16(ip + 4, l4_len);
		ip[6] = proto;
		ip[7] = p->ttl;
		memcpy(ip + 8, &p->tuple.saddr, 16);
		memcpy(ip + 24, &p->tuple.daddr, 16);
		return;
	}
	put16(ip, 0x4500 | p->ecn);
	put16(ip + 2, 20 + l4_len);
	put16(ip + 4, p->id);
	ip[6] = p->is_df ? 0x40 : 0;
	ip[8] = p->ttl;
	ip[9] = proto;
	memcpy(ip + 12, &p->tuple.saddr.w[3], 4);
	memcpy(ip + 16, &p->tuple.daddr.w[3], 4);
	put16(ip + 10, ~sum_bytes(ip, 20, 0));
}

static inline void build_ethernet(const struct packet *p, __u8 *frame)
{
	memcpy(frame, p->is_answer ? "\2\0\0\0\0\2\2\0\0\0\0\1" : "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
	put16(frame + 12, p->is_v6 ? 0x86dd : 0x0800);
}

/* Return: length of the frame. */
static inline __u32 build(const struct packet *p, __u8 *frame)
{
	__u32 l4 = l4_off(p->is_v6), l4_len = 20 + p->opt_len + p->payload;
	__u8 *tcp = frame + l4;

	build_ethernet(p, frame);
	build_ip(p, frame + 14, 6, l4_len);
	memset(tcp, 0, 20);
	memcpy(tcp, &p->tuple.sport, 4);
	put32(tcp + 4, p->seq);
	put32(tcp + 8, p->ack);
	tcp[12] = (20 + p->opt_len) / 4 << 4;
	tcp[13] = p->flags;
	put16(tcp + 14, p->window);
	memcpy(tcp + 20, p->opt, p->opt_len);
	for (__u32 i = 0; i < p->payload; i++)
		tcp[20 + p->opt_len + i] = p->text ? (__u8)p->text[i] : (__u8)(i * 7 + 3);
	put16(tcp + 16, ~tcp_sum(frame, l4 + l4_len, p->is_v6));
	return l4 + l4_len;
}

/* An ICMP error: @outer has addresses and TTL; @quote is a packet from its IP header on. */
struct icmp_packet {
	struct packet	outer;
	__u8		type, code;
	__u32		word;		/* second word of the header: the MTU, for instance */
	__u8		quote[256];
	__u32		quote_len;
};

static inline __u32 build_icmp(const struct icmp_packet *p, __u8 *frame)
{
	int is_v6 = p->outer.is_v6;
	__u8 *icmp = frame + l4_off(is_v6);
	__u32 len = l4_off(is_v6) + 8 + p->quote_len;

	build_ethernet(&p->outer, frame);
	build_ip(&p->outer, frame + 14, is_v6 ? 58 : 1, 8 + p->quote_len);
	put16(icmp, p->type << 8 | p->code);
	put16(icmp + 2, 0);
	put32(icmp + 4, p->word);
	memcpy(icmp + 8, p->quote, p->quote_len);
	put16(icmp + 2, ~icmp_sum(frame, len, is_v6));
	return len;
}

static inline struct sp_addr addr_of(const char *text)
{
	struct sp_addr a;
	__be32 v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return sp_addr_v4(v4);
	inet_pton(AF_INET6, text, &a);
	return a;
}

static inline struct sp_tuple tuple_of(const char *src, int sport, const char *dst, int dport)
{
	return (struct sp_tuple){ addr_of(src), addr_of(dst), htons(sport), htons(dport) };
}

#endif

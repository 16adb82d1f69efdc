/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* segment.c - TCP segments and ICMP errors of our own: built and parsed. */
#include "tcp/segment.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "abi/service.h"

#define TTL		64
#define IP_DF		0x4000
#define IP_CE		3	/* of the TOS, or traffic class */
#define QUOTE_MAX	512	/* of the packet behind its IP header, in an ICMP error */
#define TCP_OPTIONS_MAX	40

enum { OPT_END = 0, OPT_NOP = 1, OPT_MSS = 2, OPT_WSCALE = 3, OPT_SACK = 4, OPT_TS = 8 };
enum { OPT_MSS_LEN = 4, OPT_WSCALE_LEN = 3, OPT_SACK_LEN = 2, OPT_TS_LEN = 10 };

/* Checksums (RFC 1071), in memory order throughout. */

static __u64 sum_add(__u64 sum, const void *data, size_t len)
{
	const __u8 *p = data;
	__u32 word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	word = 0;
	memcpy(&word, p, len);
	return sum + word;
}

static __u16 sum_fold(__u64 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/*
 * The ffff of a mapped IPv4 address is a zero in one's complement: one sum does for both families.
 */
static __u64 sum_pseudo(const struct sp_tuple *t, __u8 proto, size_t l4_len)
{
	__be32 tail[2] = { htonl(l4_len), htonl(proto) };
	__u64 sum = sum_add(0, &t->saddr, sizeof(t->saddr));

	sum = sum_add(sum, &t->daddr, sizeof(t->daddr));
	return sum_add(sum, tail, sizeof(tail));
}

/* Building */

static size_t ip_header_len(const struct sp_tuple *t)
{
	return sp_addr_is_v4(&t->daddr) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* Without DF the packet needs an ID: the kernel replaces 0. */
static void put_ipv4(void *buf, const struct sp_tuple *t, __u8 proto, size_t l4_len, __u8 tos,
		     __u16 frag_off)
{
	struct iphdr ip = {
		.version = 4, .ihl = sizeof(ip) / 4, .tos = tos, .ttl = TTL, .protocol = proto,
		.tot_len = htons(sizeof(ip) + l4_len), .frag_off = htons(frag_off),
		.saddr = t->saddr.w[3], .daddr = t->daddr.w[3],
	};

	ip.check = sum_fold(sum_add(0, &ip, sizeof(ip)));
	memcpy(buf, &ip, sizeof(ip));
}

static void put_ipv6(void *buf, const struct sp_tuple *t, __u8 proto, size_t l4_len, __u8 tos)
{
	struct ipv6hdr ip = {
		.version = 6, .priority = tos >> 4, .flow_lbl = { tos << 4 },
		.payload_len = htons(l4_len), .nexthdr = proto, .hop_limit = TTL,
	};

	memcpy(&ip.saddr, &t->saddr, sizeof(ip.saddr));
	memcpy(&ip.daddr, &t->daddr, sizeof(ip.daddr));
	memcpy(buf, &ip, sizeof(ip));
}

static void put_ip(void *buf, const struct sp_tuple *t, __u8 proto, size_t l4_len, __u8 tos,
		   __u16 frag_off)
{
	if (sp_addr_is_v4(&t->daddr))
		put_ipv4(buf, t, proto, l4_len, tos, frag_off);
	else
		put_ipv6(buf, t, proto, l4_len, tos);
}

static __u8 *put_be32(__u8 *p, __u32 value)
{
	__be32 be = htonl(value);

	memcpy(p, &be, sizeof(be));
	return p + sizeof(be);
}

static __u8 *put_u8x4(__u8 *p, __u8 a, __u8 b, __u8 c, __u8 d)
{
	memcpy(p, (__u8[]){ a, b, c, d }, 4);
	return p + 4;
}

/*
 * Layout and order of Linux, so that a splice looks like any client; the length is a multiple of 4.
 */
static size_t put_options(__u8 *opts, const struct sp_segment *seg)
{
	int is_syn = seg->flags & SP_TCP_SYN;
	int is_sack = is_syn && seg->is_sack;
	__u8 *p = opts;

	if (is_syn && seg->mss)
		p = put_u8x4(p, OPT_MSS, OPT_MSS_LEN, seg->mss >> 8, seg->mss & 0xff);
	if (seg->has_ts && is_sack)
		p = put_u8x4(p, OPT_SACK, OPT_SACK_LEN, OPT_TS, OPT_TS_LEN);
	else if (seg->has_ts)
		p = put_u8x4(p, OPT_NOP, OPT_NOP, OPT_TS, OPT_TS_LEN);
	else if (is_sack)
		p = put_u8x4(p, OPT_NOP, OPT_NOP, OPT_SACK, OPT_SACK_LEN);
	if (seg->has_ts)
		p = put_be32(put_be32(p, seg->tsval), seg->tsecr);
	if (is_syn && seg->wscale >= 0)
		p = put_u8x4(p, OPT_NOP, OPT_WSCALE, OPT_WSCALE_LEN, seg->wscale);
	return p - opts;
}

/* All but the checksum. */
static struct tcphdr tcp_header(const struct sp_segment *seg, size_t header_len)
{
	struct tcphdr tcp = {
		.source = seg->tuple.sport, .dest = seg->tuple.dport,
		.seq = htonl(seg->seq), .ack_seq = htonl(seg->ack),
		.window = htons(seg->window),
	};
	__u8 *bytes = (__u8 *)&tcp;

	bytes[12] = header_len / 4 << 4;
	bytes[13] = seg->flags;
	return tcp;
}

int sp_segment_build(const struct sp_segment *seg, void *buf, size_t size)
{
	size_t ip_len = ip_header_len(&seg->tuple), header_len, tcp_len;
	__u8 opts[TCP_OPTIONS_MAX], *out = (__u8 *)buf + ip_len;
	struct tcphdr tcp;
	__u64 sum;

	header_len = sizeof(tcp) + put_options(opts, seg);
	if (size > SP_SEGMENT_PACKET_MAX)
		size = SP_SEGMENT_PACKET_MAX;
	if (size < ip_len + header_len || seg->payload_len > size - ip_len - header_len)
		return -EMSGSIZE;
	tcp_len = header_len + seg->payload_len;

	tcp = tcp_header(seg, header_len);
	put_ip(buf, &seg->tuple, IPPROTO_TCP, tcp_len, seg->is_ce ? IP_CE : 0, seg->is_cuttable ?
	       0 : IP_DF);
	memcpy(out, &tcp, sizeof(tcp));
	memcpy(out + sizeof(tcp), opts, header_len - sizeof(tcp));
	if (seg->payload_len)
		memcpy(out + header_len, seg->payload, seg->payload_len);

	sum = sum_pseudo(&seg->tuple, IPPROTO_TCP, tcp_len);
	tcp.check = sum_fold(sum_add(sum, out, tcp_len));
	memcpy(out, &tcp, sizeof(tcp));
	return ip_len + tcp_len;
}

/* Parsing */

static __u32 get_be32(const __u8 *p)
{
	return (__u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static __u16 get_be16(const __u8 *p)
{
	return p[0] << 8 | p[1];
}

/* Unknown options, and options with a wrong length, are skipped, as by Linux. */
static void take_option(const __u8 *opt, struct sp_segment *seg)
{
	int is_syn = seg->flags & SP_TCP_SYN;

	if (opt[0] == OPT_TS && opt[1] == OPT_TS_LEN) {
		seg->has_ts = 1;
		seg->tsval = get_be32(opt + 2);
		seg->tsecr = get_be32(opt + 6);
	} else if (is_syn && opt[0] == OPT_MSS && opt[1] == OPT_MSS_LEN) {
		seg->mss = get_be16(opt + 2);
	} else if (is_syn && opt[0] == OPT_SACK && opt[1] == OPT_SACK_LEN) {
		seg->is_sack = 1;
	} else if (is_syn && opt[0] == OPT_WSCALE && opt[1] == OPT_WSCALE_LEN) {
		seg->wscale = opt[2] > SP_WSCALE_MAX ? SP_WSCALE_MAX : opt[2];
	}
}

static int parse_options(const __u8 *opt, size_t len, struct sp_segment *seg)
{
	size_t i = 0;

	while (i < len && opt[i] != OPT_END) {
		if (opt[i] == OPT_NOP) {
			i++;
			continue;
		}
		if (len - i < 2 || opt[i + 1] < 2 || opt[i + 1] > len - i)
			return -EBADMSG;
		take_option(opt + i, seg);
		i += opt[i + 1];
	}
	return 0;
}

/*
 * End of the packet by the IP header: a short frame is padded behind. Length 0 is a superpacket
 * of more than 64 KB.
 */
static int parse_ip_end(const struct sp_event *ev, size_t *ret_end)
{
	int is_v6 = ev->len && ev->packet[0] >> 4 == 6;
	size_t header = is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	size_t field;

	if (ev->len < header || (!is_v6 && ev->packet[0] >> 4 != 4) || ev->l4_off < header)
		return -EBADMSG;
	field = get_be16(ev->packet + (is_v6 ? 4 : 2));
	if (!field)
		*ret_end = ev->len;
	else
		*ret_end = is_v6 ? header + field : field;
	return 0;
}

static int is_ce(const struct sp_event *ev)
{
	__u8 tos = ev->packet[0] >> 4 == 6 ? ev->packet[1] >> 4 : ev->packet[1];

	return (tos & IP_CE) == IP_CE;
}

static int is_cuttable(const struct sp_event *ev)
{
	return ev->packet[0] >> 4 == 4 && !(get_be16(ev->packet + 6) & IP_DF);
}

int sp_segment_parse(const struct sp_event *ev, struct sp_segment *ret_seg)
{
	struct sp_segment seg = { .tuple = ev->tuple, .wscale = -1 };
	const __u8 *tcp = ev->packet + ev->l4_off;
	size_t end, header_len;

	if (parse_ip_end(ev, &end) || ev->len < ev->l4_off + sizeof(struct tcphdr))
		return -EBADMSG;
	header_len = (tcp[12] >> 4) * 4;
	if (header_len < sizeof(struct tcphdr) || ev->l4_off + header_len > ev->len ||
	    ev->l4_off + header_len > end)
		return -EBADMSG;

	seg.seq = get_be32(tcp + 4);
	seg.ack = get_be32(tcp + 8);
	seg.flags = tcp[13];
	seg.window = get_be16(tcp + 14);
	seg.is_ce = is_ce(ev);
	seg.is_cuttable = is_cuttable(ev);
	if (parse_options(tcp + sizeof(struct tcphdr), header_len - sizeof(struct tcphdr), &seg))
		return -EBADMSG;
	seg.payload = tcp + header_len;
	seg.payload_len = (end < ev->len ? end : ev->len) - ev->l4_off - header_len;
	*ret_seg = seg;
	return 0;
}

int sp_segment_is_intact(const struct sp_event *ev)
{
	const __u8 *tcp = ev->packet + ev->l4_off;
	size_t end, len;
	__u16 check, partial;
	__u64 pseudo;

	if (parse_ip_end(ev, &end) || end > ev->len || end < ev->l4_off + sizeof(struct tcphdr))
		return 0;
	if (end == ev->len && end > 65535)
		return 1;
	len = end - ev->l4_off;
	pseudo = sum_pseudo(&ev->tuple, IPPROTO_TCP, len);
	memcpy(&check, tcp + offsetof(struct tcphdr, check), sizeof(check));
	partial = ~sum_fold(pseudo);
	return !sum_fold(sum_add(pseudo, tcp, len)) || check == partial;
}

/* ICMP: both families have the same eight bytes before the quote. */
struct icmp_too_big {
	__u8	type;
	__u8	code;
	__u16	checksum;
	__be32	mtu;
};

int sp_segment_build_too_big(const struct sp_event *ev, void *buf)
{
	struct icmp_too_big icmp = { .type = ICMPV6_PKT_TOOBIG, .mtu = htonl(ev->mtu) };
	struct sp_tuple t = sp_tuple_reverse(&ev->tuple);
	size_t ip_len = ip_header_len(&t), quote_len = ip_len + QUOTE_MAX, len;
	int is_v4 = sp_addr_is_v4(&t.daddr);
	__u8 *out = (__u8 *)buf + ip_len;

	if (ev->len < ip_len)
		return -EBADMSG;
	if (quote_len > ev->len)
		quote_len = ev->len;
	len = sizeof(icmp) + quote_len;
	if (is_v4) {
		icmp.type = ICMP_DEST_UNREACH;
		icmp.code = ICMP_FRAG_NEEDED;
	}
	put_ip(buf, &t, is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, len, 0, IP_DF);
	memcpy(out, &icmp, sizeof(icmp));
	memcpy(out + sizeof(icmp), ev->packet, quote_len);
	icmp.checksum = sum_fold(sum_add(is_v4 ? 0 :
					 sum_pseudo(&t, IPPROTO_ICMPV6, len), out, len));
	memcpy(out, &icmp, sizeof(icmp));
	return ip_len + len;
}

int sp_segment_parse_quote(const struct sp_event *ev, struct sp_quote *ret_quote)
{
	int is_v4 = sp_addr_is_v4(&ev->tuple.daddr);
	const __u8 *icmp = ev->packet + ev->l4_off;
	size_t tcp_off = sizeof(struct icmp_too_big) + ip_header_len(&ev->tuple);

	if (ev->len < ev->l4_off + tcp_off + 8)
		return -EBADMSG;
	ret_quote->seq = get_be32(icmp + tcp_off + 4);
	ret_quote->is_too_big = is_v4 ?
		icmp[0] == ICMP_DEST_UNREACH && icmp[1] == ICMP_FRAG_NEEDED :
		icmp[0] == ICMPV6_PKT_TOOBIG;
	return 0;
}

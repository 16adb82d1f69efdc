/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cookie.h - the ISN that answers a SYN without keeping anything (after RFC 4987, 3.6). For BPF and user space. */
#ifndef SP_ABI_COOKIE_H
#define SP_ABI_COOKIE_H

#include "siphash.h"
#include "tuple.h"

/*
 * The ISN, from its highest bit on:
 *
 *	24 bits	MAC: SipHash-2-4 over tuple, client's ISN, period and the eight bits below
 *	 1 bit	period, lowest bit
 *	 2 bits	MSS class
 *	 4 bits	window scale of the client, 15 for none
 *	 1 bit	SACK permitted
 *
 * All that a client offered is in the ISN itself, since many send no
 * timestamps. Whether it sends them shows in its first data segment, and
 * whether ECN was agreed upon in which of two MACs it is.
 * A cookie is good for the rest of its period and the whole of the next:
 * 64 to 128 seconds.
 */
#define SP_COOKIE_PERIOD_NS	(64ULL * 1000000000ULL)
#define SP_COOKIE_MAC_BITS	24
#define SP_COOKIE_WSCALE_NONE	15
#define SP_COOKIE_DATA_ECN	0x100	/* beside the eight bits of sp_cookie_data(): known to the MAC only */

struct sp_cookie_in {
	struct sp_tuple	tuple;		/* client -> service */
	__u32		client_isn;	/* host order */
};

/* What an ISN turns out to be. */
enum sp_cookie {
	SP_COOKIE_INVALID = 0,
	SP_COOKIE_PLAIN,
	SP_COOKIE_ECN,
};

/* MSS classes: the largest one that is not above what the client offered is taken. */
sp_inline __u16 sp_cookie_mss(__u8 class, __u16 service_mss)
{
	switch (class & 3) {
	case 0: return 536;
	case 1: return service_mss < 1220 ? service_mss : 1220;
	case 2: return service_mss < 1400 ? service_mss : 1400;
	default: return service_mss;
	}
}

sp_inline __u8 sp_cookie_mss_class(__u16 mss, __u16 service_mss)
{
	if (mss >= service_mss)
		return 3;
	if (mss >= 1400)
		return 2;
	return mss >= 1220 ? 1 : 0;
}

/* The data bits without the period, which sp_cookie_make() adds. */
sp_inline __u8 sp_cookie_data(__u8 mss_class, __u8 wscale, __u8 is_sack)
{
	return (mss_class & 3) << 5 | (wscale & 15) << 1 | (is_sack & 1);
}

sp_inline __u8 sp_cookie_data_mss_class(__u8 data) { return data >> 5 & 3; }
sp_inline __u8 sp_cookie_data_wscale(__u8 data) { return data >> 1 & 15; }
sp_inline __u8 sp_cookie_data_is_sack(__u8 data) { return data & 1; }

sp_inline __u32 sp_cookie_mac(const __u64 key[2], const struct sp_cookie_in *in,
			      __u32 period, __u32 data)
{
	const struct sp_tuple *t = &in->tuple;
	__u64 words[6] = {
		(__u64)t->saddr.w[0] << 32 | t->saddr.w[1],
		(__u64)t->saddr.w[2] << 32 | t->saddr.w[3],
		(__u64)t->daddr.w[0] << 32 | t->daddr.w[1],
		(__u64)t->daddr.w[2] << 32 | t->daddr.w[3],
		(__u64)t->sport << 48 | (__u64)t->dport << 32 | in->client_isn,
		(__u64)period << 32 | data,
	};

	return sp_siphash_words(key, words, 6) >> (64 - SP_COOKIE_MAC_BITS);
}

/**
 * sp_cookie_make() - the ISN for a SYN
 * @key:	of the cluster
 * @in:		tuple and ISN of the SYN
 * @period:	clock / SP_COOKIE_PERIOD_NS
 * @data:	sp_cookie_data(), with SP_COOKIE_DATA_ECN when ECN is agreed upon
 */
sp_inline __u32 sp_cookie_make(const __u64 key[2], const struct sp_cookie_in *in,
			       __u32 period, __u32 data)
{
	data |= (period & 1) << 7;
	return sp_cookie_mac(key, in, period, data) << 8 | (data & 0xff);
}

/**
 * sp_cookie_read() - did we make this ISN, for this SYN, within the last two periods?
 * @isn:	acknowledgement number of the client's segment, less one
 *
 * The data is the lowest byte of @isn. One SipHash, two for what is not PLAIN.
 */
sp_inline enum sp_cookie sp_cookie_read(const __u64 key[2], const struct sp_cookie_in *in, __u32 period, __u32 isn)
{
	__u32 data = isn & 0xff;

	if ((period & 1) != data >> 7)
		period--;
	if (sp_cookie_mac(key, in, period, data) == isn >> 8)
		return SP_COOKIE_PLAIN;
	data |= SP_COOKIE_DATA_ECN;
	return sp_cookie_mac(key, in, period, data) == isn >> 8 ? SP_COOKIE_ECN : SP_COOKIE_INVALID;
}

#endif

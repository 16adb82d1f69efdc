/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cookie.h - the stateless ISN of a SYN-ACK (after RFC 4987, 3.6). For BPF and user space. */
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
 * The ISN holds all options of the client, since many clients send no timestamps. The first data
 * segment shows whether the client uses timestamps. ECN and a small MSS are not in the eight bits:
 * for each there is a MAC over different data.
 * A cookie is valid for the rest of its period and the whole of the next: 64 to 128 seconds.
 * The daemon accepts older cookies for SP_COOKIE_LATE_PERIODS in all: 320 to 384 seconds.
 */
#define SP_COOKIE_PERIOD_NS	(64ULL * 1000000000ULL)
#define SP_COOKIE_LATE_PERIODS	6	/* even */
#define SP_COOKIE_MAC_BITS	24
#define SP_COOKIE_WSCALE_NONE	15
/* Bits above the eight of sp_cookie_data(), known to the MAC only. At most a single bit is set. */
#define SP_COOKIE_DATA_ECN	0x100
#define SP_COOKIE_DATA_SMALL	0x200

struct sp_cookie_in {
	struct sp_tuple	tuple;		/* client -> service */
	__u32		client_isn;	/* host order */
};

/* What an ISN turns out to be. */
enum sp_cookie {
	SP_COOKIE_INVALID = 0,
	SP_COOKIE_PLAIN,
	SP_COOKIE_ECN,
	SP_COOKIE_SMALL,
};

/*
 * A small MSS, below 536 or from 660 to 1219: too far from the usual classes. Then ECN is not
 * granted.
 *
 *	class 1, 2, 3	660, 810, 1000: less than a quarter below the client's MSS
 *	class 0		below 536, in steps of 16, in the bits of window scale and SACK, which are
 *			not granted
 */
#define SP_COOKIE_TINY_LEAST	48	/* as Linux' tcp_min_snd_mss */
#define SP_COOKIE_TINY_STEP	16

sp_inline int sp_cookie_mss_is_tiny(__u16 mss)
{
	return mss < 536;
}

sp_inline int sp_cookie_mss_is_small(__u16 mss, __u16 service_mss)
{
	return mss < service_mss && (sp_cookie_mss_is_tiny(mss) || (mss >= 660 && mss < 1220));
}

/* Data bits, without the period, of a small MSS. @scale_and_sack: their bits */
sp_inline __u8 sp_cookie_data_small(__u16 mss, __u8 scale_and_sack)
{
	if (sp_cookie_mss_is_tiny(mss))
		return mss < SP_COOKIE_TINY_LEAST ? 0 :
		       (mss - SP_COOKIE_TINY_LEAST) / SP_COOKIE_TINY_STEP;
	return (mss >= 1000 ? 3 : mss >= 810 ? 2 : 1) << 5 | (scale_and_sack & 31);
}

/* Whether a tiny MSS stands in the bits of window scale and SACK. */
sp_inline int sp_cookie_small_is_tiny(__u8 data)
{
	return !(data >> 5 & 3);
}

sp_inline __u16 sp_cookie_mss_small(__u8 data)
{
	switch (data >> 5 & 3) {
	case 0: return SP_COOKIE_TINY_LEAST + (data & 31) * SP_COOKIE_TINY_STEP;
	case 1: return 660;
	case 2: return 810;
	default: return 1000;
	}
}

/* MSS classes: the largest class that does not exceed the client's MSS. */
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
 * @data:	sp_cookie_data(), with SP_COOKIE_DATA_ECN when ECN is agreed upon; or
 *		sp_cookie_data_small(), with SP_COOKIE_DATA_SMALL
 */
sp_inline __u32 sp_cookie_make(const __u64 key[2], const struct sp_cookie_in *in,
			       __u32 period, __u32 data)
{
	data |= (period & 1) << 7;
	return sp_cookie_mac(key, in, period, data) << 8 | (data & 0xff);
}

/**
 * sp_cookie_read() - check that a proxy made @isn for this SYN within the last two periods
 * @isn:	acknowledgement number of the client's segment, minus 1
 *
 * The data is the lowest byte of @isn. One SipHash, two for ECN, three for SMALL and INVALID.
 */
sp_inline enum sp_cookie sp_cookie_read(const __u64 key[2], const struct sp_cookie_in *in,
					__u32 period, __u32 isn)
{
	__u32 data = isn & 0xff;

	if ((period & 1) != data >> 7)
		period--;
	if (sp_cookie_mac(key, in, period, data) == isn >> 8)
		return SP_COOKIE_PLAIN;
	if (sp_cookie_mac(key, in, period, data | SP_COOKIE_DATA_ECN) == isn >> 8)
		return SP_COOKIE_ECN;
	return sp_cookie_mac(key, in, period, data | SP_COOKIE_DATA_SMALL) == isn >> 8 ?
	       SP_COOKIE_SMALL :
		SP_COOKIE_INVALID;
}

#endif

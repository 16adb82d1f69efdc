/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * half.h - rewriting rule for one direction of a spliced pair. Layout is ABI.
 */
#ifndef SP_ABI_HALF_H
#define SP_ABI_HALF_H

#include "change.h"
#include "tuple.h"

enum {
	SP_HALF_F_FROM_BACKEND	= 1 << 0, /* carries server -> client */
	SP_HALF_F_TO_DAEMON	= 1 << 1, /* no rule yet, or no more: packets go up to the daemon */
	/*
	 * with TO_DAEMON: answered by us, and what still comes may be acknowledged, once the client
	 * has acknowledged the reply, whose first number is in the place of @seq_delta
	 */
	SP_HALF_F_REPLIED	= 1 << 2,
	/* an agent on the backend's host carries the half from there */
	SP_HALF_F_SPLIT		= 1 << 3,
	/* with SPLIT: the backend took over the client's handshake */
	SP_HALF_F_ADOPTED	= 1 << 4,
	/* client has ECN, backend has not: routers must not mark */
	SP_HALF_F_NOT_ECT	= 1 << 5,
	/* the daemon reads each request: the half has a boundary, see struct sp_boundary */
	SP_HALF_F_REQUESTS	= 1 << 6,
	/*
	 * of this machine, not of the store: of the half from the backend, with REQUESTS. It is
	 * from the store, and the opener of the leg may have carried requests since
	 */
	SP_HALF_F_FETCHED	= 1 << 7,
};
/* Flags of the splice: the same on every machine, and in both halves. */
#define SP_HALF_F_SHARED \
	(SP_HALF_F_SPLIT | SP_HALF_F_ADOPTED | SP_HALF_F_NOT_ECT | SP_HALF_F_REQUESTS)

/**
 * struct sp_half - one direction of a splice; complete in itself, never changed once committed
 * @out:	tuple written into the packet
 * @seq_delta:	added to the sequence number, modulo 2^32 (host order)
 * @ack_delta:	added to the acknowledgement number and to SACK blocks, modulo 2^32 (host order)
 * @tsval_delta: added to TSval, modulo 2^32 (host order)
 * @tsecr_delta: added to TSecr where it is not zero, modulo 2^32 (host order)
 * @window_shift: the window field is shifted left by this much, right if negative: sp_half_window()
 * @flags:	SP_HALF_F_*
 * @version:	a newer version of a half always wins
 * @beyond:	of this machine, not of the store: packets beyond the boundary that went to the
 *		daemon in a tick; 2 bits of the tick, 6 of their count
 * @spliced_s:	CLOCK_REALTIME seconds of the commit
 * @pool_id:	the lowest bits of sp_name_id() of the pool's name, for people
 * @mss:	of the receiver, where its sender was told a larger one; 0: it was not. See
 *		sp_half_packet_max()
 *
 * With ADOPTED all deltas and the shift are void; in the place of @tsval_delta are MSS and window
 * scale of the handshake that the backend's kernel goes on with: sp_half_adopted().
 *
 * One cache line. This is what the store keeps; it means the same on any machine.
 * The other half of the splice is found under sp_tuple_reverse(@out), and its
 * @out is the reverse of the tuple that this half matches.
 */
struct sp_half {
	struct sp_tuple	out;
	__u32		seq_delta;
	__u32		ack_delta;
	__u32		tsval_delta;
	__u32		tsecr_delta;
	__s8		window_shift;
	__u8		flags;
	__u8		version;
	__u8		beyond;
	__u32		spliced_s;
	__u16		pool_id;
	__u16		mss;
};
_Static_assert(sizeof(struct sp_half) == 64, "struct sp_half is ABI");

/* @mss: of the client; @wscale: the client's, as granted */
sp_inline __u32 sp_half_adopted(__u16 mss, __u8 wscale)
{
	return (__u32)mss << 8 | wscale;
}

sp_inline __u16 sp_half_adopted_mss(const struct sp_half *h) { return h->tsval_delta >> 8; }
sp_inline __u8 sp_half_adopted_wscale(const struct sp_half *h) { return h->tsval_delta & 15; }

enum {
	SP_STATE_FIN		= 1 << 0, /* this half carried FIN */
	SP_STATE_PEER_FIN	= 1 << 1, /* the other one did */
	SP_STATE_RST		= 1 << 2, /* this half carried an RST in the window */
	SP_STATE_PEER_RST	= 1 << 3,
	/* closed, and the client has opened a new connection from this port */
	SP_STATE_REUSED		= 1 << 4,
	/* of an agent: its first segment was handed to the kernel, at @seen_ns */
	SP_STATE_GIVEN		= 1 << 5,
};
#define SP_STATE_ENDS (SP_STATE_FIN | SP_STATE_PEER_FIN | SP_STATE_RST | SP_STATE_PEER_RST)
#define SP_STATE_TOLD (SP_STATE_ENDS | SP_STATE_REUSED) /* what proxies tell each other */
/*
 * Message of an agent: its host has not taken over the handshake. The splice never began; remove
 * it.
 */
#define SP_STATE_UNTAKEN (SP_STATE_RST | SP_STATE_PEER_RST | SP_STATE_REUSED)
/* Message of a proxy: the connection has a later version of the splice now. Remove the earlier. */
#define SP_STATE_MOVED (SP_STATE_FIN | SP_STATE_PEER_FIN | SP_STATE_REUSED)

/**
 * struct sp_half_state - what one machine knows of a half it uses; not part of the store's record
 * @seen_ns:	CLOCK_MONOTONIC_COARSE of the last packet
 * @bytes:	TCP payload carried
 * @pkts:	packets carried (a superpacket counts once), or handed to the daemon since @seen_ns
 * @last_ack:	acknowledgement number last sent out (host order, already translated); 0: not known
 * @addr_csum:	checksum difference of the addresses, which the pseudo header holds too
 * @port_csum:	checksum difference of the ports
 * @ifindex:	egress interface; 0 while not resolved
 * @route_tick:	sp_route_tick() at which @ifindex, @nexthop and @mtu were looked up, modulo 2^16
 * @window:	field of the packet carried last, as it came (host order)
 * @nexthop:	gateway, or the destination itself when on the link
 * @mtu:	of the route, or what the receiver's MSS allows; 0: not known
 * @flags:	SP_STATE_*
 * @is_mark_lost: with NOT_ECT: the packet before was marked, and dropped for it
 * @is_elsewhere: packets of the leg may pass other proxies, too
 * @is_logged: the splice's service has an access log, written here
 * @is_wide:	it has carried a window of more than one unit of its reader's scale
 * @is_kept:	of the half from the backend: the daemon gets a copy of each response's head
 * @is_skipping: of both halves: the backend begins a response of which the client has a part. Up to
 *		@last_ack of the half up, the backend's bytes are acknowledged and dropped. With
 *		bound HEAD: the daemon has not compared the response so far, and no byte is carried
 * @next_seq:	where the stream of this direction ends so far, before translation (host order);
 *		0: not known
 *
 * Owner: zeroed by the installer, but for sums, @last_ack, @next_seq, @is_elsewhere, @is_logged,
 * @is_kept, @is_skipping, @window; the datapath writes the rest.
 */
struct sp_half_state {
	__u64		seen_ns;
	__u64		bytes;
	__u32		pkts;
	__u32		last_ack;
	__u32		addr_csum;
	__u32		port_csum;
	__u32		ifindex;
	__u16		route_tick;
	__u16		window;
	struct sp_addr	nexthop;
	__u16		mtu;
	__u8		flags;
	__u8		is_mark_lost : 1;
	__u8		is_wide : 1;
	__u8		is_elsewhere : 1;
	__u8		is_logged : 1;
	__u8		is_kept : 1;
	__u8		is_skipping : 1;
	__u32		next_seq;
};
_Static_assert(sizeof(struct sp_half_state) == 64, "struct sp_half_state is ABI");

/*
 * How far a half with SP_HALF_F_REQUESTS carries data by itself. FIN and RST of a backend go to the
 * daemon, but for NONE.
 *
 * NONE		no boundary: a tunnel, or a response that ends with its connection
 * STOP		what reaches beyond the boundary goes to the daemon, and is not carried
 * HEAD		of the half from the backend: a response's head begins at the boundary. A packet
 *		with a head that the datapath can't read goes to the daemon, which sends it on. A
 *		packet behind a gap is carried, and a copy goes to the daemon
 * CHUNK	the same: the size line of a chunk begins there
 * CHUNK_END	the same: the CRLF behind a chunk's data, and then a size line
 * UNKNOWN	of the half from the backend: where its response ends is not known; all is carried
 * GONE		the backend has closed between two responses; nothing is carried, and all packets
 *		of the client go to the daemon
 *
 * Of the half from the backend, where a packet ended within the lines of CHUNK and CHUNK_END:
 *
 * DATA_LF	before the LF behind a chunk's data
 * SIZE		behind a first digit of a size. @laps is the size so far
 * SIZE_LF	before the LF of a size line. @laps is the size
 * LAST		behind the size line of the last chunk
 * LAST_LF	before the last LF of the body
 */
#define SP_BOUNDS(X) \
	X(NONE, none) X(STOP, stop) X(HEAD, head) X(CHUNK, chunk) X(CHUNK_END, chunk_end) \
	X(UNKNOWN, unknown) X(GONE, gone) X(DATA_LF, data_lf) X(SIZE, size) \
	X(SIZE_LF, size_lf) X(LAST, last) X(LAST_LF, last_lf)

enum sp_bound {
#define X(up, low) SP_BOUND_##up,
	SP_BOUNDS(X)
#undef X
};

/* Of the response that is awaited or under way. */
enum {
	SP_READING_NO_BODY	= 1 << 0, /* the request was HEAD */
	SP_READING_UPGRADE	= 1 << 1, /* a 101 makes a tunnel */
	SP_READING_CONNECT	= 1 << 2, /* a 2xx makes a tunnel */
	SP_READING_CLOSES	= 1 << 3, /* the connection ends with this response */
	SP_READING_HELD		= 1 << 4, /* the daemon reads: what follows goes there */
	SP_READING_WAKE		= 1 << 5, /* the packet that reaches a STOP is told to the daemon */
	SP_READING_ENDED	= 1 << 6, /* the backend has sent FIN or more behind a response */
	SP_READING_RESET	= 1 << 7, /* with ENDED: by an RST; no byte is retransmitted */
};

/*
 * The same byte of the half up. The daemon works on bytes beyond the boundary as long as HELD is
 * set; only the daemon moves the boundary then.
 */
enum {
	SP_ASKING_HELD		= 1 << 0, /* bytes beyond went to the daemon */
	SP_ASKING_MOVING	= 1 << 1, /* the boundary moves, and may move back: hold no bytes */
};

/**
 * struct sp_boundary - where a half with SP_HALF_F_REQUESTS ends
 * @until:	first sequence number beyond, as the sender counts (host order)
 * @laps:	times that @until goes on by SP_BOUNDARY_LAP when it is reached: sequence numbers
 *		can't tell more than 2 GiB apart. See sp_boundary_laps()
 * @bound:	enum sp_bound
 * @reading:	SP_READING_* of the half from the backend, SP_ASKING_* of the half up
 *
 * Daemon and several CPUs change a boundary, each by comparing and swapping the whole of it.
 */
struct sp_boundary {
	__u32		until;
	__u16		laps;
	__u8		bound;
	__u8		reading;
};

_Static_assert(sizeof(struct sp_boundary) == 8, "struct sp_boundary is a word");

sp_inline __u16 sp_boundary_laps(struct sp_boundary b)
{
	return b.bound == SP_BOUND_SIZE || b.bound == SP_BOUND_SIZE_LF ? 0 : b.laps;
}

/* A size line begins at the boundary, or has begun before. */
sp_inline int sp_boundary_is_line(struct sp_boundary b)
{
	return b.bound == SP_BOUND_CHUNK || b.bound == SP_BOUND_CHUNK_END ||
	       (b.bound >= SP_BOUND_DATA_LF && b.bound <= SP_BOUND_LAST_LF);
}

sp_inline __u64 sp_boundary_word(struct sp_boundary b)
{
	__u64 word;

	__builtin_memcpy(&word, &b, sizeof(word));
	return word;
}

#define SP_BOUNDARY_LAP		(1U << 30)
#define SP_BOUNDARY_MAX		((__u64)SP_BOUNDARY_LAP << 16) /* no message is longer */

/*
 * The boundary of a half up as the store has it: what this machine alone knows is left out. A
 * tunnel has no numbers.
 */
sp_inline struct sp_boundary sp_boundary_stored(const struct sp_boundary *b)
{
	struct sp_boundary stored = { .until = b->until, .laps = b->laps, .bound = b->bound };

	if (b->bound == SP_BOUND_NONE)
		return (struct sp_boundary){ .bound = SP_BOUND_NONE };
	if (b->bound == SP_BOUND_GONE)
		stored.bound = SP_BOUND_STOP;
	return stored;
}

/* Of the request, not of this machine. */
#define SP_READING_STORED \
	(SP_READING_NO_BODY | SP_READING_UPGRADE | SP_READING_CONNECT | SP_READING_CLOSES)

/*
 * The same of the half from the backend: true of the stream at any time. NONE: not known, or
 * nothing that another proxy could go on with.
 */
sp_inline struct sp_boundary sp_response_stored(const struct sp_boundary *b)
{
	struct sp_boundary stored = *b;

	if (b->bound == SP_BOUND_NONE || b->bound == SP_BOUND_UNKNOWN ||
	    b->bound == SP_BOUND_GONE || b->reading & SP_READING_ENDED)
		return (struct sp_boundary){ .bound = SP_BOUND_NONE };
	stored.reading &= SP_READING_STORED;
	return stored;
}

/* Whether sp_response_stored() makes it; NONE: nothing is known. */
sp_inline int sp_response_is_stored(const struct sp_boundary *b)
{
	return b->bound <= SP_BOUND_LAST_LF && b->bound != SP_BOUND_UNKNOWN &&
	       b->bound != SP_BOUND_GONE && !(b->reading & ~SP_READING_STORED);
}

/* The boundary @bytes behind @seq; at most SP_BOUNDARY_MAX. */
sp_inline struct sp_boundary sp_boundary_make(__u32 seq, __u64 bytes, __u8 bound, __u8 reading)
{
	struct sp_boundary b = { .until = seq, .bound = bound, .reading = reading };

	if (bytes >= SP_BOUNDARY_LAP)
		b.laps = bytes / SP_BOUNDARY_LAP - 1;
	b.until += bytes - (__u64)b.laps * SP_BOUNDARY_LAP;
	return b;
}

enum {
	SP_HANDSHAKE_TS		= 1 << 0,
	SP_HANDSHAKE_SACK	= 1 << 1,
	SP_HANDSHAKE_ECN	= 1 << 2,
};

/**
 * struct sp_handshake - what was agreed with the client: enough to open another leg
 * @mss:	of the client, or the service's if smaller
 * @wscale_ours, @wscale_theirs: as in the SYNs; -1: none
 * @flags:	SP_HANDSHAKE_*
 */
struct sp_handshake {
	__u16		mss;
	__s16		wscale_ours : 5;
	__s16		wscale_theirs : 5;
	__u16		flags : 6;
};
_Static_assert(sizeof(struct sp_handshake) == 4, "struct sp_handshake is ABI");

/**
 * struct sp_meta - what the daemon remembers of a half's splice
 * @client_isn:	tells the splice from another connection on the same tuple (host order)
 * @refreshed_s:	CLOCK_REALTIME seconds when the store last had it from us, or was seen to
 *		have it; 0: never
 * @version:	of the splice, rising; a later one of the same connection replaces an earlier
 * @boundary:	with SP_HALF_F_REQUESTS, as the next two. It is first, so that a single instruction
 *		can compare and swap it
 * @handshake:	of the half up
 * @tsval:	of the half from the backend: the last that was sent to the client; 0: not known
 * @change:	with SP_HALF_F_REQUESTS: packets need it too
 */
struct sp_meta {
	struct sp_boundary	boundary;
	__u32			client_isn;
	__u32			refreshed_s;
	__u32			version;
	union {
		struct sp_handshake	handshake;
		__u32			tsval;
	};
	struct sp_change	change;
};
_Static_assert(sizeof(struct sp_meta) == 32, "struct sp_meta is ABI");

/*
 * struct sp_entry - value of map sp_halves, key struct sp_tuple. The first cache line is the
 * rule, the second its state; cold fields follow.
 */
struct sp_entry {
	struct sp_half	half;
	struct sp_half_state	state;
	struct sp_meta	meta;
};
_Static_assert(sizeof(struct sp_entry) == 160, "struct sp_entry is ABI");

/*
 * Difference for the checksum: the new words plus the complements of the old ones (RFC 1624),
 * folded to 32 bits.
 */
sp_inline __u32 sp_csum_difference(const __be32 *from, const __be32 *to, int words)
{
	__u64 sum = 0;

	for (int i = 0; i < words; i++)
		sum += (__u64)(__u32)~from[i] + to[i];
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

/* Fields beside the rule that the installer of a half under @key sets. */
sp_inline void sp_state_begin(struct sp_half_state *u, const struct sp_tuple *key,
			      const struct sp_half *half, __u64 now_ns)
{
	const struct sp_tuple *out = &half->out;

	u->seen_ns = now_ns;
	u->addr_csum = sp_csum_difference(key->saddr.w, out->saddr.w, 8);
	u->port_csum = sp_csum_difference((const __be32 *)&key->sport, (const __be32 *)&out->sport,
					  1);
}

/*
 * The way out is looked up afresh about four times a second, so that a changed route is seen with
 * no help of the daemon.
 */
sp_inline __u16 sp_route_tick(__u64 now_ns)
{
	return now_ns >> 28;
}

/*
 * The largest IP packet that the receiver's MSS allows (RFC 9293, 3.7.1), but at least the size
 * that every host accepts: 576 bytes (RFC 1122, 3.3.2), 1280 (RFC 8200, 5). 0: any.
 */
sp_inline __u16 sp_half_packet_max(const struct sp_half *h)
{
	__u32 max = h->mss + sp_addr_header_bytes(&h->out.daddr),
		least = sp_addr_is_v4(&h->out.daddr) ? 576 : 1280;

	if (!h->mss || max > 0xffff)
		return 0;
	return max > least ? max : least;
}

/*
 * Convert a window between scales: saturate, round down. Once this half has advertised more than
 * one unit of the reader's scale, 0 is allowed: the window is about to close, and bytes beyond
 * the edge would be dropped (Linux 6.17) and retransmitted after ever longer timeouts. Before, 0
 * is not allowed: each byte would cost a round of probes.
 */
sp_inline __u16 sp_half_window(const struct sp_half *h, __u16 window, int is_wide)
{
	__u32 w = window;

	if (h->window_shift >= 0)
		w <<= h->window_shift & 15;
	else
		w >>= -h->window_shift & 15;
	if (w > 0xffff)
		return 0xffff;
	return w ? w : window && !is_wide;
}

/* The scale that our SYN to the backend had: the half up shifts to it. */
sp_inline __s32 sp_half_scale(const struct sp_half *up, const struct sp_handshake *h)
{
	__s32 scale = (h->wscale_ours < 0 ? 0 : h->wscale_theirs) - up->window_shift;

	return scale < 0 || scale > 14 ? 0 : scale;
}

/*
 * The window for a backend whose bytes are skipped, acknowledged up to @ack. The right edge is the
 * client's, rounded up: skipped bytes need no room there, and the backend must reach the client's
 * number, or no window of the client would get to it.
 */
sp_inline __u16 sp_skip_window(const struct sp_entry *up, __u32 ack)
{
	__u32 window = sp_half_window(&up->half, up->state.window, up->state.is_wide);
	__u32 scale = sp_half_scale(&up->half, &up->meta.handshake) & 15;
	__u32 ahead = (up->state.last_ack - ack + (1U << scale) - 1) >> scale;

	return ahead > 0xffff - window ? 0xffff : window + ahead;
}

/*
 * Whether an introduction may have these flags: an agent carries the half. An introduction has no
 * boundary.
 */
sp_inline int sp_half_flags_introduce(__u8 flags)
{
	return flags & SP_HALF_F_SPLIT && !(flags & ~(SP_HALF_F_SHARED & ~SP_HALF_F_REQUESTS));
}

/* The half down from the half up, which matches @front: deltas swap directions and change sign. */
sp_inline struct sp_half sp_half_turn(const struct sp_half *up, const struct sp_tuple *front,
				      __s8 window_shift)
{
	return (struct sp_half){
		.out = sp_tuple_reverse(front),
		.flags = SP_HALF_F_FROM_BACKEND | (up->flags & SP_HALF_F_SHARED),
		.window_shift = window_shift,
		.seq_delta = -up->ack_delta, .ack_delta = -up->seq_delta,
		.tsval_delta = -up->tsecr_delta, .tsecr_delta = -up->tsval_delta,
		.version = up->version, .spliced_s = up->spliced_s, .pool_id = up->pool_id,
	};
}

/* Ends of @state, from the view of the reverse half. */
sp_inline __u8 sp_ends_mirrored(__u8 state)
{
	__u8 own = SP_STATE_FIN | SP_STATE_RST;

	return (state & own) << 1 | (state >> 1 & own);
}

sp_inline int sp_state_is_closed(const struct sp_half_state *u)
{
	__u8 both = SP_STATE_FIN | SP_STATE_PEER_FIN;

	return (u->flags & both) == both ||
	       (u->flags & (SP_STATE_RST | SP_STATE_PEER_RST));
}

/*
 * An RST counts if it lies between the receiver's acknowledgement and the end of the sender's
 * stream. On an idle connection this is a single number, so a blind RST ends nothing (RFC 5961,
 * 3). The peer's last packet carries the acknowledgement of this direction, in the numbers of
 * this packet. After lost segments, or segments on another path, the end lags behind, and only
 * the acknowledged number counts. If all packets of the peer take another path (past other
 * proxies, or straight from the backend's host), no acknowledgement was seen here since the
 * splice began. Then only the end counts: otherwise each byte sent would make a guess easier.
 * @seq: of the RST; @own: of the half that matches the RST, @peer: of the reverse half
 */
sp_inline int sp_rst_is_plausible(__u32 seq, const struct sp_half_state *own,
				  const struct sp_half_state *peer)
{
	if (!peer->last_ack || seq == peer->last_ack)
		return 1;
	if (!peer->pkts)
		return own->next_seq && seq == own->next_seq;
	return own->next_seq && (__s32)(seq - peer->last_ack) > 0 &&
	       (__s32)(seq - own->next_seq) <= 0;
}

/*
 * The largest gap in a stream: a lost packet or, for a connection sprayed over several proxies,
 * packets on another path. A blind guess of a number is right once in 2^15.
 */
#define SP_STREAM_GAP (1 << 17)

/* Data of the sender of @own, @seq up to @end, moves the end of its stream. */
sp_inline int sp_stream_goes_on(__u32 seq, __u32 end, const struct sp_half_state *own)
{
	return !own->next_seq ||
	       ((__s32)(end - own->next_seq) > 0 && (__s32)(seq - own->next_seq) <= SP_STREAM_GAP);
}

/*
 * The most bytes in flight, and the largest step of an acknowledgement, as packets may take
 * another path.
 */
#define SP_FLIGHT_MAX	(1 << 22)
#define SP_ACK_LEAP	(1 << 26)

sp_inline int sp_seq_is_within(__u32 seq, __u32 of, __u32 distance)
{
	return !of || seq - of + distance <= 2 * distance;
}

/*
 * Whether an acknowledgement is remembered (RFC 9293, 3.10.7.4; RFC 5961, 5): the segment belongs
 * to its sender's stream, as far as seen, and the number lies near the last. Both numbers of a
 * blind segment fit once in 2^14.
 * @seq: as the sender counts; @ack: as the receiver counts
 * @own: of the half that matches; @peer: of the reverse half, whose acknowledgements are of the
 *		same stream; NULL: gone
 */
sp_inline int sp_ack_is_plausible(__u32 seq, __u32 ack, const struct sp_half_state *own,
				  const struct sp_half_state *peer)
{
	if (!sp_seq_is_within(ack, own->last_ack, SP_ACK_LEAP))
		return 0;
	return sp_seq_is_within(seq, own->next_seq, SP_STREAM_GAP) ||
	       (peer && peer->pkts && sp_seq_is_within(seq, peer->last_ack, SP_FLIGHT_MAX));
}

/**
 * struct sp_fin - numbers of a segment with FIN
 * @seq, @end:	begin of the segment, and end behind its FIN, as the sender counts
 * @ack:	acknowledgement number, as the receiver counts
 */
struct sp_fin {
	__u32	seq;
	__u32	end;
	__u32	ack;
};

enum sp_fin_verdict { SP_FIN_FITS, SP_FIN_UNKNOWN, SP_FIN_FOREIGN };

/*
 * A FIN counts if it ends the stream, repeats that end, or lies shortly behind the receiver's
 * acknowledgement. In mode split a proxy sees neither stream end nor acknowledgement: then the
 * acknowledgement of the FIN must fit. A blind FIN with two wrong numbers ends nothing.
 * @own: of the half that matches, @peer: of the reverse half
 */
sp_inline enum sp_fin_verdict sp_fin_judge(const struct sp_fin *fin,
					   const struct sp_half_state *own,
					   const struct sp_half_state *peer)
{
	__u32 ahead = fin->end - 1 - peer->last_ack;

	if (own->next_seq && (__s32)(fin->end - own->next_seq) < 0)
		return SP_FIN_FOREIGN;
	if (own->next_seq && (__s32)(fin->seq - own->next_seq) <= SP_STREAM_GAP)
		return SP_FIN_FITS;
	if (peer->pkts && peer->last_ack && ahead <= SP_STREAM_GAP)
		return SP_FIN_FITS;
	if (!own->pkts && peer->next_seq)
		return fin->ack - peer->next_seq + SP_STREAM_GAP <= 2 * SP_STREAM_GAP ?
		       SP_FIN_FITS : SP_FIN_FOREIGN;
	return own->next_seq ? SP_FIN_FOREIGN : SP_FIN_UNKNOWN;
}

/* A splice that goes on: neither closed nor left behind, and no mark. */
sp_inline int sp_entry_is_live(const struct sp_entry *e)
{
	return !(e->half.flags & SP_HALF_F_TO_DAEMON) && !(e->state.flags & SP_STATE_REUSED) &&
		!sp_state_is_closed(&e->state);
}

#endif

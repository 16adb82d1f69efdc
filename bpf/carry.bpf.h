/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * carry.bpf.h - a packet with a half: record the ends of its connection, rewrite the packet, and
 * send the packet on.
 */
#ifndef SP_BPF_CARRY_H
#define SP_BPF_CARRY_H

#include "boundary.bpf.h"
#include "limit.bpf.h"
#include "rewrite.bpf.h"
#include "skip.bpf.h"
#include "upcall.bpf.h"
#include "nexthop.bpf.h"

/*
 * Most packets of a connection that go to the daemon in a tick of the coarse clock (some
 * milliseconds).
 */
#define HELD_PER_TICK 64

static __always_inline void set_ends(struct sp_entry *e, struct sp_entry *peer, __u8 own,
				     __u8 peers)
{
	e->state.flags |= own;
	if (peer)
		peer->state.flags |= peers;
}

/*
 * Return: whether the end counts, as far as known here. A half without its reverse has no numbers
 * to compare.
 */
static __always_inline int fin_counts(const struct sp_pkt *pkt, struct sp_entry *e,
				      const struct sp_entry *peer)
{
	struct sp_fin fin = { .seq = pkt->seq, .end = pkt->seq + pkt->payload_bytes + 1,
			      .ack = pkt->ack + e->half.ack_delta };

	if (peer && sp_fin_judge(&fin, &e->state, &peer->state) != SP_FIN_FITS)
		return 0;
	if (!e->state.next_seq || (__s32)(fin.end - e->state.next_seq) > 0)
		e->state.next_seq = fin.end;
	return 1;
}

/*
 * FIN and RST are recorded in both halves: either half tells whether the splice is closed. A half
 * without its reverse records its own ends, and any RST closes the splice. Return: 1: a FIN of
 * which peers may know more; else 0.
 */
static __noinline int track_end(const struct sp_pkt *pkt, struct sp_entry *e)
{
	struct sp_entry *peer;

	if (!e)
		return 0;
	peer = peer_of(e);
	if (pkt->flags & TH_RST) {
		if (peer && !sp_rst_is_plausible(pkt->seq, &e->state, &peer->state))
			return 0;
		set_ends(e, peer, SP_STATE_RST, SP_STATE_PEER_RST);
	} else if (e->state.flags & SP_STATE_RST) {
		/* an end that still sends has not reset the connection */
		e->state.flags &= ~SP_STATE_RST;
		if (peer)
			peer->state.flags &= ~SP_STATE_PEER_RST;
	}
	if (!(pkt->flags & TH_FIN) || e->state.flags & SP_STATE_FIN)
		return 0;
	if (!fin_counts(pkt, e, peer))
		return 1;
	set_ends(e, peer, SP_STATE_FIN, SP_STATE_PEER_FIN);
	return 0;
}

/*
 * The end moves only by data that join on, or nearly so. A forged segment elsewhere must not move
 * the end.
 */
static __always_inline void note_stream_end(const struct sp_pkt *pkt, struct sp_half_state *u)
{
	__u32 end = pkt->seq + pkt->payload_bytes + !!(pkt->flags & TH_FIN);

	if (sp_stream_goes_on(pkt->seq, end, u))
		u->next_seq = end;
}

/* The service of the client of @e. */
static __always_inline const struct sp_service *service_of_half(const struct sp_pkt *pkt,
								const struct sp_entry *e)
{
	struct sp_listen at = {};

	at.addr = e->half.flags & SP_HALF_F_FROM_BACKEND ? e->half.out.saddr : pkt->tuple.daddr;
	at.port = e->half.flags & SP_HALF_F_FROM_BACKEND ? e->half.out.sport : pkt->tuple.dport;
	return bpf_map_lookup_elem(&sp_services, &at);
}

/*
 * Both streams may have taken another path with several proxies, or with agents: the numbers are
 * unknown then.
 */
static __noinline int ack_counts(const struct sp_pkt *pkt, const struct sp_entry *e)
{
	const struct sp_service *svc;
	const struct sp_entry *peer;

	if (!e)
		return 0;
	peer = peer_of(e);
	if (sp_ack_is_plausible(pkt->seq, pkt->ack + e->half.ack_delta, &e->state, peer ?
				&peer->state : NULL))
		return 1;
	svc = service_of_half(pkt, e);
	if (!svc || svc->flags & SP_SERVICE_F_SHARED)
		return 1;
	count_stat(SP_STAT_ACKS_FOREIGN, 1);
	return 0;
}

static __always_inline void note_ack(const struct sp_pkt *pkt, struct sp_entry *e)
{
	__u32 ack = pkt->ack + e->half.ack_delta;

	if (e->half.flags & SP_HALF_F_REQUESTS && e->state.last_ack &&
	    (__s32)(ack - e->state.last_ack) < 0)
		return;		/* reordered: the daemon asks how far the client is */
	if (ack != e->state.last_ack &&
	    (sp_ack_is_plausible(pkt->seq, ack, &e->state, NULL) || ack_counts(pkt, e)))
		e->state.last_ack = ack;
}

/*
 * A CE mark that the receiver would not report counts as a loss, as at the end of a tunnel (RFC
 * 6040, 4.2). Drop only every second CE-marked packet in a row, or a path that marks everything
 * would pass nothing.
 */
static __always_inline int is_mark_lost(const struct sp_pkt *pkt, struct sp_entry *e)
{
	if (!(e->half.flags & SP_HALF_F_NOT_ECT) || !pkt->payload_bytes)
		return 0;
	e->state.is_mark_lost = pkt->ecn == ECN_CE && !e->state.is_mark_lost;
	return e->state.is_mark_lost;
}

static __always_inline void account_packet(const struct sp_pkt *pkt, struct sp_entry *e,
					   __u64 now_ns)
{
	if ((pkt->flags & (TH_ACK | TH_RST)) == TH_ACK)
		note_ack(pkt, e);
	if (!(pkt->flags & TH_RST))
		note_stream_end(pkt, &e->state);
	e->state.seen_ns = now_ns;
	e->state.pkts++;
	e->state.window = pkt->window;
	if (pkt->payload_bytes)
		__sync_fetch_and_add(&e->state.bytes, pkt->payload_bytes);
	count_stat(SP_STAT_SPLICED_PKTS, 1);
	count_stat(SP_STAT_SPLICED_BYTES, pkt->payload_bytes);
}

static __always_inline int too_big(const struct sp_pkt *pkt, const struct sp_half_state *u,
				   __u64 now_ns)
{
	int err;

	if (!upcall_is_allowed(UPCALL_STRANGER, now_ns))
		return -SP_DROP_RATE_LIMITED;
	/* the quoted headers are enough */
	err = send_up(pkt, SP_EVENT_TOO_BIG, pkt->l4_off - sizeof(struct ethhdr) + pkt->doff_bytes,
		      0, u->mtu);
	return err ? err : -SP_DROP_TOO_BIG;
}

#define IP_DF_AT (sizeof(struct ethhdr) + offsetof(struct iphdr, frag_off))

static __always_inline int may_be_cut(const struct sp_pkt *pkt)
{
	__be16 frag_off = bpf_htons(0x4000);

	return !pkt->is_v6 &&
	       !bpf_skb_load_bytes(pkt->skb, IP_DF_AT, &frag_off, sizeof(frag_off)) &&
	       !(frag_off & bpf_htons(0x4000));
}

/* A router fragments a packet without DF (RFC 791, 2.3). Here the daemon makes smaller segments. */
static __noinline int in_pieces(const struct sp_pkt *pkt, struct sp_entry *e, __u64 now_ns)
{
	int err;

	if (!e || !upcall_is_allowed(UPCALL_PIECES, now_ns))
		return -SP_DROP_RATE_LIMITED;
	err = send_up(pkt, SP_EVENT_PIECES, upcall_whole(pkt), 0, e->state.mtu);
	if (err)
		return err;
	account_packet(pkt, e, now_ns);
	return -SP_DROP_PIECES;
}

static __always_inline int hold_packet(const struct sp_pkt *pkt, struct sp_entry *e, __u64 now_ns)
{
	int err;

	if (e->state.seen_ns != now_ns) {
		e->state.seen_ns = now_ns;
		e->state.pkts = 0;
	}
	if (e->state.pkts++ >= HELD_PER_TICK)
		return -SP_DROP_RATE_LIMITED;
	err = send_up(pkt, SP_EVENT_HELD, upcall_whole(pkt), 0, 0);
	return err ? err : -SP_DROP_HELD;
}

/*
 * The daemon answers by RFC 5961, 4. The backend must not: if the backend has forgotten the
 * connection, the SYN would open a new connection.
 */
static __always_inline int challenge_syn(const struct sp_pkt *pkt, __u64 now_ns)
{
	int err;

	if (!upcall_is_allowed(UPCALL_STRANGER, now_ns))
		return -SP_DROP_RATE_LIMITED;
	err = send_up(pkt, SP_EVENT_HELD, upcall_whole(pkt), 0, 0);
	return err ? err : -SP_DROP_SYN_CHALLENGED;
}

/*
 * The daemon sends the packet on, and asks peers whether the packet ends the stream. Without
 * daemon the packet is carried, and ends no stream.
 */
static __always_inline int is_asked_about(const struct sp_pkt *pkt, __u64 now_ns)
{
	return upcall_is_allowed(UPCALL_STRANGER, now_ns) &&
	       !send_up(pkt, SP_EVENT_HELD, upcall_whole(pkt), 0, 0);
}

/**
 * carry_packet() - rewrite a packet by its half and send it on
 * @e:	entry of sp_halves under the packet's tuple
 * @is_local: the sender is a server of this host, and trusted; an agent reads no requests
 *
 * Return: 0 with @pkt->action set, or a reason.
 */
static __always_inline int carry_packet(struct sp_pkt *pkt, struct sp_entry *e, __u64 now_ns,
					int is_local)
{
	int err, decided = 0;

	if (is_damaged(pkt))
		return -SP_DROP_BAD_HEADER;
	if (e->half.flags & SP_HALF_F_TO_DAEMON)
		return hold_packet(pkt, e, now_ns);
	if (is_syn(pkt))
		return challenge_syn(pkt, now_ns);
	if (pkt->ttl <= 1)
		return -SP_DROP_TTL_EXPIRED;
	if (!is_local && e->state.is_skipping) {
		err = skip_packet(pkt, e, now_ns);
		if (err)
			return err;
	}
	if (!is_local && e->half.flags & SP_HALF_F_REQUESTS) {
		decided = carry_bounded(pkt, e, now_ns);
		if (decided < 0)
			return decided;
	}
	err = nexthop_find(pkt, e, now_ns);
	if (err)
		return err;
	if (!nexthop_fits(pkt, &e->state))
		return may_be_cut(pkt) ? in_pieces(pkt, e, now_ns) :
		       too_big(pkt, &e->state, now_ns);
	if (is_mark_lost(pkt, e))
		return -SP_DROP_ECN_MARK;
	if ((pkt->flags & (TH_FIN | TH_RST)) || (e->state.flags & SP_STATE_RST)) {
		err = track_end(pkt, e);
		if (!is_local && e->state.is_logged)
			log_end(pkt, e);
		if (!is_local)
			leave_if_closed(pkt, e);
		if (err && is_local)
			set_ends(e, peer_of(e), SP_STATE_FIN, SP_STATE_PEER_FIN);
		else if (err && is_asked_about(pkt, now_ns))
			return -SP_DROP_HELD;
	}
	err = rewrite_packet(pkt, e);
	if (!err && decided)
		err = move_on(pkt, e, peer_of(e), decided);
	if (err)
		return err;
	account_packet(pkt, e, now_ns);
	pkt->action = nexthop_send(&e->state);
	return 0;
}

#endif

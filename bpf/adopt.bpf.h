/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * adopt.bpf.h - an agent's TC ingress where the kernel allows adoption: introductions, and
 * segments of a client whose handshake, answered by a proxy, the kernel of the backend's host
 * takes over.
 *
 *	first segment -> half with ADOPTED, cookie valid -> socket on this tuple?
 *			 a listener: given its peer by bpf_sk_assign_tcp_reqsk(), then to the stack
 *			 an older connection: reset on behalf of its former client, then once more
 *			 none: to the stack, whose RST goes to the client through the half
 *	no half, no socket -> up to the daemon, which asks the store; dropped: the client repeats it
 *	any other packet -> to the stack
 *
 * A segment without a socket must not reach the stack too early: the stack would send RST to a
 * client that did nothing wrong.
 */
#ifndef SP_BPF_ADOPT_H
#define SP_BPF_ADOPT_H

#include "agent.bpf.h"
#include "agent_ingress.bpf.h"

/* Mark of a packet recirculated once, while under way; 0 when the stack sees the packet. */
#define RECIRCULATED_MARK	0x73706c63
/* Age above which a half without an answer belongs to a connection that is gone. */
#define EARLY_NS	10000000000ULL
/*
 * Time after which a repeated first segment is a retransmission: the segment before should have
 * been enough.
 */
#define UNTAKEN_NS	100000000ULL
#define MSS_MIN_V4	536	/* the kernel refuses less */
#define MSS_MIN_V6	1220
#define TCPHDR_RST_ONLY	0x5004	/* data offset 5 words, and RST */

#define PRESERVE __attribute__((preserve_access_index))
struct sock_common { __u32 skc_tw_rcv_nxt; } PRESERVE;
struct inet_timewait_sock { struct sock_common __tw_common; } PRESERVE;
struct tcp_timewait_sock { struct inet_timewait_sock tw_sk; } PRESERVE;
struct tcp_sock { __u32 rcv_nxt; __u64 bytes_received; } PRESERVE;
/* the whole type, as libbpf compares types of a kfunc */
struct sock { struct sock_common __sk_common; } PRESERVE;
#undef PRESERVE

/* The layout is from the kernel's include/net/tcp.h. */
struct bpf_tcp_req_attrs {
	__u32	rcv_tsval;
	__u32	rcv_tsecr;
	__u16	mss;
	__u8	rcv_wscale;
	__u8	snd_wscale;
	__u8	ecn_ok;
	__u8	wscale_ok;
	__u8	sack_ok;
	__u8	tstamp_ok;
	__u8	usec_ts_ok;
	__u8	reserved[3];
};

extern int bpf_sk_assign_tcp_reqsk(struct __sk_buff *skb, struct sock *sk,
				   struct bpf_tcp_req_attrs *attrs,
				   int attrs__sz) __ksym __weak;

/*
 * Return: SP_COOKIE_INVALID unless the segment ends a client's handshake. The period of the
 * cookies is that of the commit: the committing proxy accepted the cookie a moment before. Both
 * keys are tried, in one loop around one reading: four readings in a row took 240 bytes of stack.
 */
static __noinline int cookie_of_first(const struct sp_pkt *pkt, const struct sp_entry *down)
{
	struct sp_cookie_in in = { .client_isn = pkt->seq - 1 };
	const struct sp_control *c = control_entry();
	int kind = SP_COOKIE_INVALID;
	__u32 period;

	if (!c || !down || !(pkt->flags & TH_ACK) || pkt->seq - 1 != down->meta.client_isn)
		return kind;
	in.tuple = sp_tuple_reverse(&down->half.out);
	period = down->half.spliced_s / (__u32)(SP_COOKIE_PERIOD_NS / 1000000000ULL);
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < 4 && !kind; i++) {
		if (i >> 1 && i >> 1 >= c->key_count)
			break;
		kind = sp_cookie_read(c->cookie_key[i >> 1], &in, period - (i & 1), pkt->ack - 1);
	}
	return kind;
}

static __always_inline int read_timestamps(const struct sp_pkt *pkt,
					   struct bpf_tcp_req_attrs *attrs)
{
	struct sp_options o;
	__be32 words[2];
	int err = options_find(pkt, &o);

	if (err || !o.ts_off)
		return err;
	if (bpf_skb_load_bytes(pkt->skb, pkt->l4_off + o.ts_off + 2, words, sizeof(words)))
		return -SP_DROP_BAD_HEADER;
	attrs->rcv_tsval = bpf_ntohl(words[0]);
	attrs->rcv_tsecr = bpf_ntohl(words[1]);
	attrs->tstamp_ok = 1;
	return 0;
}

/* Options agreed by client and proxy: from the cookie, the half, and the segment. */
static __noinline int set_attributes(const struct sp_pkt *pkt, const struct sp_entry *down,
				     struct bpf_tcp_req_attrs *attrs)
{
	__u8 data = (pkt->ack - 1) & 0xff, wscale = sp_cookie_data_wscale(data);
	__u16 mss_min = pkt->is_v6 ? MSS_MIN_V6 : MSS_MIN_V4;

	if (!down || !attrs)
		return -SP_DROP_ADOPT_FAILED;
	__builtin_memset(attrs, 0, sizeof(*attrs));
	attrs->mss = sp_half_adopted_mss(&down->half);
	if (attrs->mss < mss_min)
		attrs->mss = mss_min;
	attrs->sack_ok = sp_cookie_data_is_sack(data);
	if (wscale != SP_COOKIE_WSCALE_NONE) {
		attrs->wscale_ok = 1;
		attrs->snd_wscale = wscale;
		attrs->rcv_wscale = sp_half_adopted_wscale(&down->half);
	}
	return read_timestamps(pkt, attrs);
}

/* Three words of the header, and the checksum with them. */
static __noinline int swap_head(const struct sp_pkt *pkt, __u32 seq, __u32 from_seq, __u32 flags,
				__u32 from_flags)
{
	__u32 at = pkt->l4_off, csum_at = at + offsetof(struct tcphdr, check);
	__be32 new_seq = bpf_htonl(seq), old_seq = bpf_htonl(from_seq);
	__be16 new_flags = bpf_htons(flags), old_flags = bpf_htons(from_flags);

	if (bpf_l4_csum_replace(pkt->skb, csum_at, old_seq, new_seq, sizeof(new_seq)) ||
	    bpf_l4_csum_replace(pkt->skb, csum_at, old_flags, new_flags, sizeof(new_flags)) ||
	    bpf_skb_store_bytes(pkt->skb, at + offsetof(struct tcphdr, seq), &new_seq,
				sizeof(new_seq), 0) ||
	    bpf_skb_store_bytes(pkt->skb, at + offsetof(struct tcphdr, ack_seq) + 4, &new_flags,
				sizeof(new_flags), 0))
		return -SP_DROP_REWRITE_FAILED;
	return 0;
}

/*
 * An older connection has this tuple, most often in TIME-WAIT: its source port was chosen again,
 * and its client is done. Only a segment that strangers cannot send resets such a connection: an
 * RST with the expected number (RFC 1337, 2), made of the segment. The RST has no options: the
 * older connection would take the timestamp for an old timestamp. RST and segment are recirculated
 * through the same queue: the segment finds the tuple free.
 */
static __always_inline int reset_older(struct sp_pkt *pkt, __u32 rcv_nxt)
{
	__be16 word;
	__u32 flags;
	int err;

	if (pkt->is_recirculated)
		return -SP_DROP_ADOPT_OCCUPIED;
	if (bpf_skb_load_bytes(pkt->skb, pkt->l4_off + offsetof(struct tcphdr, ack_seq) + 4, &word,
			       sizeof(word)))
		return -SP_DROP_REWRITE_FAILED;
	flags = bpf_ntohs(word);
	err = swap_head(pkt, rcv_nxt, pkt->seq, TCPHDR_RST_ONLY, flags);
	if (err || bpf_clone_redirect(pkt->skb, pkt->skb->ifindex, BPF_F_INGRESS))
		return -SP_DROP_REWRITE_FAILED;
	err = swap_head(pkt, pkt->seq, rcv_nxt, flags, TCPHDR_RST_ONLY);
	if (err)
		return err;
	count_stat(SP_STAT_OLDER_RESET, 1);
	pkt->skb->mark = RECIRCULATED_MARK;
	pkt->action = bpf_redirect(pkt->skb->ifindex, BPF_F_INGRESS);
	return 0;
}

/*
 * The kernel was given this segment before and made no socket: netfilter has dropped the segment,
 * or the listener's queue is full. The daemon decides. Meanwhile the segment is not given again:
 * a request must not run twice.
 */
static __always_inline int tell_untaken(const struct sp_pkt *pkt, struct sp_entry *down,
					__u64 now_ns)
{
	const struct sp_control *c = control_entry();

	if (now_ns - down->state.seen_ns < UNTAKEN_NS || !c || daemon_is_stale(c, now_ns) ||
	    !upcall_is_allowed(UPCALL_STRANGER, now_ns) ||
	    send_up(pkt, SP_EVENT_UNTAKEN, pkt->l4_off - sizeof(struct ethhdr) + pkt->doff_bytes, 0,
		    0))
		return 0;
	down->state.flags &= ~SP_STATE_GIVEN;
	return -SP_DROP_ADOPT_UNTAKEN;
}

static __always_inline int give_to(struct sp_pkt *pkt, struct bpf_sock *listener,
				   struct sp_entry *down, int is_ecn,
				   __u64 now_ns)
{
	struct sock *sk = (struct sock *)bpf_skc_to_tcp_sock(listener);
	struct bpf_tcp_req_attrs attrs;
	int err;

	if (!sk)
		return -SP_DROP_ADOPT_FAILED;
	err = down->state.flags & SP_STATE_GIVEN ? tell_untaken(pkt, down, now_ns) : 0;
	if (err)
		return err;
	err = set_attributes(pkt, down, &attrs);
	if (err)
		return err;
	attrs.ecn_ok = is_ecn;
	if (bpf_sk_assign_tcp_reqsk(pkt->skb, sk, &attrs, sizeof(attrs)))
		return -SP_DROP_ADOPT_FAILED;
	if (!(down->state.flags & SP_STATE_GIVEN))
		down->state.seen_ns = now_ns;
	down->state.flags |= SP_STATE_GIVEN;
	count_stat(SP_STAT_TAKEN_OVER, 1);
	return 0;
}

/*
 * Return: whether the socket's own connection has retransmitted this segment; else a new
 * connection begins.
 */
static __always_inline int began_with(const struct tcp_sock *sk, __u32 client_isn)
{
	/* both terms count a FIN */
	return sk->rcv_nxt - (__u32)sk->bytes_received == client_isn + 1;
}

/*
 * @skc: socket that has the tuple here; @down: of the segment's connection; @is_ecn: client and
 *		proxy agreed on ECN
 */
static __always_inline int meet_socket(struct sp_pkt *pkt, struct bpf_sock *skc,
				       struct sp_entry *down, int is_ecn, __u64 now_ns)
{
	struct tcp_timewait_sock *tw;
	struct tcp_sock *sk;

	if (skc->state == BPF_TCP_LISTEN)
		return give_to(pkt, skc, down, is_ecn, now_ns);
	if (skc->state == BPF_TCP_TIME_WAIT) {
		tw = bpf_skc_to_tcp_timewait_sock(skc);
		return tw ? reset_older(pkt, tw->tw_sk.__tw_common.skc_tw_rcv_nxt) : 0;
	}
	sk = bpf_skc_to_tcp_sock(skc);
	if (!sk || began_with(sk, down->meta.client_isn))
		return 0;
	return reset_older(pkt, sk->rcv_nxt);
}

static __always_inline struct bpf_sock *socket_of(const struct sp_pkt *pkt)
{
	const struct sp_tuple *t = &pkt->tuple;
	struct bpf_sock_tuple key = {};

	if (!pkt->is_v6) {
		key.ipv4.saddr = t->saddr.w[3];
		key.ipv4.daddr = t->daddr.w[3];
		key.ipv4.sport = t->sport;
		key.ipv4.dport = t->dport;
		return bpf_skc_lookup_tcp(pkt->skb, &key, sizeof(key.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(key.ipv6.saddr, &t->saddr, 16);
	__builtin_memcpy(key.ipv6.daddr, &t->daddr, 16);
	key.ipv6.sport = t->sport;
	key.ipv6.dport = t->dport;
	return bpf_skc_lookup_tcp(pkt->skb, &key, sizeof(key.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/*
 * Return: whether the segment should go up now; else it is dropped, too. An answer is remembered
 * for a moment only.
 */
static __always_inline int should_ask_again(const struct sp_pkt *pkt, struct sp_query *ask,
					    __u64 now_ns)
{
	struct sp_query fresh = { .asked_ns = now_ns };

	if (!ask)
		return !bpf_map_update_elem(&sp_queries, &pkt->tuple, &fresh, BPF_ANY);
	if (now_ns - ask->asked_ns < SP_QUERY_HOLD_NS)
		return 0;
	*ask = fresh;
	return 1;
}

/* Entry under the tuple as received; the reverse direction belongs to sp_egress(). */
static __always_inline int ask_who(const struct sp_pkt *pkt, __u64 now_ns)
{
	struct sp_query *ask = bpf_map_lookup_elem(&sp_queries, &pkt->tuple);
	const struct sp_control *c = control_entry();
	int err;

	if (ask && now_ns < ask->pass_until_ns)
		return 0;
	if (!c || daemon_is_stale(c, now_ns))
		return -SP_DROP_DAEMON_STALE;
	if (!should_ask_again(pkt, ask, now_ns))
		return -SP_DROP_ADOPT_ASKED;
	if (!upcall_is_allowed(UPCALL_STRANGER, now_ns))
		return -SP_DROP_RATE_LIMITED;
	err = send_up(pkt, SP_EVENT_MISS, pkt->l4_off - sizeof(struct ethhdr) + pkt->doff_bytes, 0,
		      0);
	return err ? err : -SP_DROP_ADOPT_ASKED;
}

/* A segment of an adopted connection whose server has not answered yet. */
static __always_inline int await_server(struct sp_pkt *pkt, struct bpf_sock *skc,
					struct sp_entry *down, __u64 now_ns)
{
	int cookie = cookie_of_first(pkt, down), is_ecn;

	is_ecn = cookie == SP_COOKIE_ECN && !(down->half.flags & SP_HALF_F_NOT_ECT);
	if (cookie)
		return skc ? meet_socket(pkt, skc, down, is_ecn, now_ns) :
			     -SP_DROP_ADOPT_NO_LISTENER;
	if (skc && skc->state != BPF_TCP_LISTEN && skc->state != BPF_TCP_TIME_WAIT)
		return 0;
	return now_ns - down->state.seen_ns < EARLY_NS ? -SP_DROP_ADOPT_EARLY : 0;
}

/* Number in the client's stream, as in @last_ack. In mode split the server's numbers differ. */
static __always_inline __u32 clients_seq(const struct sp_pkt *pkt, const struct sp_entry *down)
{
	return pkt->seq + down->half.ack_delta;
}

/*
 * Record the client's end as seen by the server's host: no proxy need report the end. A FIN lies
 * shortly behind the server's acknowledgement. With more of the stream under way, the proxy
 * reports the end.
 */
static __always_inline void track_clients_end(const struct sp_pkt *pkt, struct sp_entry *down)
{
	struct sp_entry *up = peer_of(down);
	__u8 ends = 0;

	if (pkt->flags & TH_RST && clients_seq(pkt, down) == down->state.last_ack)
		ends = SP_STATE_RST;
	else if (pkt->flags & TH_FIN &&
		 clients_seq(pkt, down) + pkt->payload_bytes -
		 down->state.last_ack <= SP_STREAM_GAP)
		ends = SP_STATE_FIN;
	down->state.flags |= sp_ends_mirrored(ends);
	if (up)
		up->state.flags |= ends;
}

/*
 * While a server's packets pass here, the connection has a socket. After the close its tuple may
 * be used again, and the new introduction may be lost. A retransmitted last FIN or
 * acknowledgement belongs to the old connection.
 */
static __always_inline int is_settled(const struct sp_pkt *pkt, const struct sp_entry *down)
{
	if (!down->state.pkts || down->state.flags & SP_STATE_REUSED)
		return 0;
	return !sp_state_is_closed(&down->state) ||
	       down->state.last_ack - clients_seq(pkt, down) <= 1;
}

static __always_inline int is_nobodys(const struct bpf_sock *skc)
{
	return !skc || skc->state == BPF_TCP_LISTEN || skc->state == BPF_TCP_TIME_WAIT;
}

/* Two functions: their keys take no stack of the callers. */
static __noinline int is_for_origin(const struct sp_pkt *pkt)
{
	struct sp_listen at = { .addr = pkt->tuple.daddr, .port = pkt->tuple.dport };

	return !!bpf_map_lookup_elem(&sp_origins, &at);
}

static __noinline struct sp_entry *half_down(const struct sp_pkt *pkt)
{
	struct sp_tuple key = sp_tuple_reverse(&pkt->tuple);

	return bpf_map_lookup_elem(&sp_halves, &key);
}

static __always_inline int adopt_handshake(struct sp_pkt *pkt, __u64 now_ns)
{
	struct sp_entry *down;
	struct bpf_sock *skc;
	int err;

	if (pkt->flags & TH_SYN || !is_for_origin(pkt) || is_damaged(pkt))
		return 0;
	if (is_of_vlan(pkt->skb))
		return -SP_DROP_VLAN_TAG;
	down = half_down(pkt);
	if (down && pkt->flags & (TH_FIN | TH_RST))
		track_clients_end(pkt, down);
	if (pkt->flags & TH_RST || (down && is_settled(pkt, down)) ||
	    (!down && !is_of_cluster(&pkt->tuple.saddr)))
		return 0;
	skc = socket_of(pkt);
	if (down && down->half.flags & SP_HALF_F_ADOPTED && !down->state.pkts &&
	    !(down->state.flags & SP_STATE_REUSED))
		err = await_server(pkt, skc, down, now_ns);
	else
		err = is_nobodys(skc) ? ask_who(pkt, now_ns) : 0;
	if (skc)
		bpf_sk_release(skc);
	return err;
}

SEC("tc")
int sp_agent_adopt(struct __sk_buff *skb)
{
	struct sp_pkt pkt = { .skb = skb, .action = TC_ACT_UNSPEC,
			      .is_recirculated = skb->mark == RECIRCULATED_MARK };
	__u64 now_ns = bpf_ktime_get_coarse_ns();
	int err;

	if (pkt.is_recirculated)
		skb->mark = 0;
	if (take_introductions(&pkt, now_ns))
		return TC_ACT_SHOT;
	if (parse_packet(&pkt) != IPPROTO_TCP)
		return TC_ACT_UNSPEC;
	err = adopt_handshake(&pkt, now_ns);
	if (!err)
		return pkt.action;
	count_drop(-err);
	return sp_drop_is_end(SP_DROP_AT_AGENT_IN, -err) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

static __always_inline int listener_at(struct __sk_buff *skb, const struct sp_listen *at)
{
	struct sp_pkt pkt = { .skb = skb };
	int answer = SP_LISTENER_NONE;
	struct bpf_sock *skc;

	pkt.tuple.daddr = at->addr;
	pkt.tuple.dport = at->port;
	pkt.is_v6 = !sp_addr_is_v4(&at->addr);
	skc = socket_of(&pkt);
	if (!skc)
		return answer;
	if (skc->state == BPF_TCP_LISTEN)
		answer = bpf_skc_to_mptcp_sock(skc) ? SP_LISTENER_MPTCP : SP_LISTENER_PLAIN;
	bpf_sk_release(skc);
	return answer;
}

/*
 * Listeners at ports of this host. The daemon sends up to SP_LISTENERS_MAX of struct sp_listen in
 * a packet; each answer takes the place of the padding. Return: number of answers.
 */
SEC("tc")
int sp_listeners(struct __sk_buff *skb)
{
	struct sp_listen *at = (void *)(long)skb->data;
	int i;

	for (i = 0; i < SP_LISTENERS_MAX && (void *)(at + 1) <= (void *)(long)skb->data_end; i++,
	     at++)
		at->pad = listener_at(skb, at);
	return i;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * introduce.bpf.h - introductions: a proxy announces a splice just before it forwards the first
 * bytes.
 *
 *	datagram -> for our relay, and with INTRODUCE messages alone? else it passes, to the daemon
 *	each     -> whole, sealed with a key of the cluster, for a served port, fresh
 *		 -> no newer splice on either tuple
 *		 -> both halves are installed, as by sp_splice_install()
 *
 * A refused introduction is counted by name and dropped. The cost is a query to the store.
 */
#ifndef SP_BPF_INTRODUCE_H
#define SP_BPF_INTRODUCE_H

#include <linux/udp.h>

#include "abi/introduce.h"
#include "abi/siphash.h"
#include "handshake.bpf.h"

#define IP_FRAGMENT	0x3fff	/* an offset, or more fragments to come */
#define NS_PER_S	1000000000ULL

/* @front, @back_reply: tuples that the halves match. The whole is too much for a stack. */
struct sp_scratch {
	struct sp_introduce_text text;
	struct sp_half	up, down;
	struct sp_tuple	front, back_reply;
	struct sp_entry	entry;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sp_scratch);
} sp_scratches SEC(".maps");

static __always_inline int udp_v4(struct sp_pkt *pkt, struct sp_listen *ret_to, __u32 *ret_len)
{
	struct iphdr *ip;
	struct udphdr *udp;

	if (pull_in(pkt, L4_OFF_V4 + sizeof(*udp)))
		return 0;
	ip = pkt_data(pkt) + sizeof(struct ethhdr);
	udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > pkt_end(pkt))
		return 0;
	if (ip->protocol != IPPROTO_UDP || ip->ihl != 5 || ip->frag_off & bpf_htons(IP_FRAGMENT))
		return 0;
	ret_to->addr = sp_addr_v4(ip->daddr);
	ret_to->port = udp->dest;
	*ret_len = bpf_ntohs(udp->len);
	return L4_OFF_V4 + sizeof(*udp);
}

static __always_inline int udp_v6(struct sp_pkt *pkt, struct sp_listen *ret_to, __u32 *ret_len)
{
	struct ipv6hdr *ip;
	struct udphdr *udp;

	if (pull_in(pkt, L4_OFF_V6 + sizeof(*udp)))
		return 0;
	ip = pkt_data(pkt) + sizeof(struct ethhdr);
	udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > pkt_end(pkt) || ip->nexthdr != IPPROTO_UDP)
		return 0;
	__builtin_memcpy(&ret_to->addr, &ip->daddr, sizeof(ret_to->addr));
	ret_to->port = udp->dest;
	*ret_len = bpf_ntohs(udp->len);
	return L4_OFF_V6 + sizeof(*udp);
}

/*
 * Return: offset of the text of a datagram for our relay, with its UDP length; 0: another packet.
 */
static __always_inline int relayed_at(struct sp_pkt *pkt, const struct sp_control *c,
				      __u32 *ret_len)
{
	struct sp_listen to = {};
	int off = 0;

	if (pkt->skb->protocol == bpf_htons(ETH_P_IP))
		off = udp_v4(pkt, &to, ret_len);
	else if (pkt->skb->protocol == bpf_htons(ETH_P_IPV6))
		off = udp_v6(pkt, &to, ret_len);
	return to.port && to.port == c->relay.port && sp_addr_equal(&to.addr, &c->relay.addr) ?
	       off : 0;
}

/* The first 8 bytes decide. Messages of another version are for the daemon to count. */
static __always_inline int is_introduction(struct __sk_buff *skb, __u32 off)
{
	__u8 head[8];

	if (bpf_skb_load_bytes(skb, off, head, sizeof(head)))
		return 0;
	return head[0] == 'S' && head[1] == SP_INTRODUCE_FORMAT && head[4] == 'R' &&
	       head[5] == SP_INTRODUCE_VERSION &&
	       head[6] == SP_INTRODUCE_KIND;
}

/* A separate function: long, and called for each key. */
static __noinline int is_sealed(const struct sp_scratch *desk, const struct sp_control *c,
				__u32 key_idx)
{
	if (!desk || !c || key_idx > 1)
		return 0;
	return desk->text.text.mac == bpf_cpu_to_be64(sp_siphash_words(c->seal_key[key_idx],
								       (const __u64 *)&desk->text,
								       SP_INTRODUCE_WORDS));
}

static __always_inline int check_seal(const struct sp_scratch *desk, const struct sp_control *c)
{
	int reason = -SP_DROP_INTRO_FOREIGN;

	for (__u32 i = 0; i < 2; i++) {
		if (i >= c->key_count || desk->text.text.key_id != c->seal_id[i])
			continue;
		if (is_sealed(desk, c, i))
			return 0;
		reason = -SP_DROP_INTRO_FORGED;
	}
	return reason;
}

static __always_inline int is_pair(const struct sp_tuple *t)
{
	return t->sport && t->dport && sp_addr_is_v4(&t->saddr) == sp_addr_is_v4(&t->daddr);
}

static __always_inline int check_sense(const struct sp_introduce *m)
{
	if (!is_pair(&m->front) || !is_pair(&m->back) || !sp_half_flags_introduce(m->flags) ||
	    bpf_ntohs(m->half_version) > 0xff || bpf_ntohl(m->pool_id) > 0xffff ||
	    m->zero2)
		return -SP_DROP_INTRO_MALFORMED;
	return 0;
}

/* Clocks of machines that make splices agree with ours, or introductions fail here. */
static __always_inline int check_age(const struct sp_introduce *m, const struct sp_control *c,
				     __u64 now_ns)
{
	__s32 age_s = (__u32)((now_ns + c->real_offset_ns) / NS_PER_S) - bpf_ntohl(m->spliced_s);

	return age_s > SP_INTRODUCE_FRESH_S || age_s < -SP_INTRODUCE_FRESH_S ? -SP_DROP_INTRO_OLD :
	       0;
}

static __always_inline int check_port(const struct sp_introduce *m)
{
	struct sp_listen at = {};

	at.addr = m->back.daddr;
	at.port = m->back.dport;
	return bpf_map_lookup_elem(&sp_origins, &at) ? 0 : -SP_DROP_INTRO_ELSEWHERE;
}

/*
 * The newer of two splices on a tuple is right: the store has given the tuple to its proxy. If
 * both are of the same second, the installed splice is right while alive.
 */
static __always_inline int check_place(const struct sp_entry *e, const struct sp_introduce *m)
{
	__s32 newer_s;

	if (!e || e->half.flags & SP_HALF_F_TO_DAEMON)
		return 0;
	newer_s = bpf_ntohl(m->spliced_s) - e->half.spliced_s;
	if (!newer_s && e->meta.client_isn == bpf_ntohl(m->client_isn))
		return -SP_DROP_INTRO_KNOWN;
	return newer_s < 0 || (!newer_s && sp_entry_is_live(e)) ? -SP_DROP_INTRO_OUTDATED : 0;
}

static __always_inline void read_halves(struct sp_scratch *desk)
{
	const struct sp_introduce *m = &desk->text.text;
	struct sp_half *up = &desk->up;

	desk->front = m->front;
	desk->back_reply = sp_tuple_reverse(&m->back);
	up->out = m->back;
	up->seq_delta = bpf_ntohl(m->seq_delta);
	up->ack_delta = bpf_ntohl(m->ack_delta);
	up->tsval_delta = bpf_ntohl(m->tsval_delta);
	up->tsecr_delta = bpf_ntohl(m->tsecr_delta);
	up->window_shift = m->up_shift;
	up->flags = m->flags;
	up->version = bpf_ntohs(m->half_version);
	up->spliced_s = bpf_ntohl(m->spliced_s);
	up->pool_id = bpf_ntohl(m->pool_id);
	up->mss = bpf_ntohs(m->mss);
	desk->down = sp_half_turn(up, &m->front, m->down_shift);
}

static __always_inline void begin_entry(struct sp_scratch *desk, const struct sp_tuple *key,
					const struct sp_half *half,
					__u64 now_ns)
{
	struct sp_entry *e = &desk->entry;

	__builtin_memset(e, 0, sizeof(*e));
	e->half = *half;
	sp_state_begin(&e->state, key, half, now_ns);
	e->meta.client_isn = bpf_ntohl(desk->text.text.client_isn);
	e->meta.refreshed_s = bpf_ntohl(desk->text.text.refreshed_s);
}

/*
 * The half @down is in the place of the new half. The older splice's half up goes, too: no later
 * event would remove this rest.
 */
static __always_inline void remove_older(const struct sp_scratch *desk, const struct sp_entry *down)
{
	struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	struct sp_entry *up = bpf_map_lookup_elem(&sp_halves, &front);
	const struct sp_tuple *back = &desk->text.text.back;

	if (!up || up->half.out.sport != back->sport || up->half.out.dport != back->dport ||
	    !sp_addr_equal(&up->half.out.saddr, &back->saddr) ||
	    !sp_addr_equal(&up->half.out.daddr, &back->daddr))
		return;
	bpf_map_delete_elem(&sp_halves, &front);
}

static __always_inline void count_splices(struct sp_control *c, int by)
{
	__sync_fetch_and_add(&c->splices, by);
	__sync_fetch_and_add(&c->introduced, 1);	/* a change, either way */
}

/* Splices are counted by their halves from backends, as in sp_datapath_put(). */
static __always_inline int install_down(struct sp_scratch *desk, struct sp_control *c, __u64 now_ns)
{
	struct sp_entry *old = bpf_map_lookup_elem(&sp_halves, &desk->back_reply);

	begin_entry(desk, &desk->back_reply, &desk->down, now_ns);
	desk->entry.state.last_ack = desk->entry.meta.client_isn + 1;
	if (old && old->half.flags & SP_HALF_F_FROM_BACKEND) {
		remove_older(desk, old);
		return bpf_map_update_elem(&sp_halves, &desk->back_reply, &desk->entry, BPF_EXIST);
	}
	if (bpf_map_update_elem(&sp_halves, &desk->back_reply, &desk->entry, BPF_NOEXIST))
		return -1;
	count_splices(c, 1);
	return 0;
}

static __always_inline int install_up(struct sp_scratch *desk, struct sp_control *c, __u64 now_ns)
{
	begin_entry(desk, &desk->front, &desk->up, now_ns);
	desk->entry.state.next_seq = desk->entry.meta.client_isn + 1;
	if (!bpf_map_update_elem(&sp_halves, &desk->front, &desk->entry, BPF_ANY))
		return 0;
	if (!bpf_map_delete_elem(&sp_halves, &desk->back_reply))
		count_splices(c, -1);
	return -1;
}

static __noinline int install_half(struct sp_scratch *desk, struct sp_control *c, __u64 now_ns)
{
	struct sp_introduce *m;
	int err;

	if (!desk || !c)
		return -SP_DROP_INTRO_FULL;
	m = &desk->text.text;
	read_halves(desk);
	err = check_place(bpf_map_lookup_elem(&sp_halves, &desk->back_reply), m);
	if (err)
		return err;
	err = check_place(bpf_map_lookup_elem(&sp_halves, &desk->front), m);
	if (err == -SP_DROP_INTRO_OUTDATED)
		return err;
	if (c->splices >= c->splices_max || install_down(desk, c, now_ns) ||
	    install_up(desk, c, now_ns))
		return -SP_DROP_INTRO_FULL;
	count_stat(SP_STAT_AGENT_INTRODUCED, 1);
	return 0;
}

/*
 * The function is not static: the verifier walks it once, not for each message of a datagram.
 * Return: 0 or a reason.
 */
__noinline int introduce(struct __sk_buff *skb, __u32 off, __u64 now_ns)
{
	__u32 zero = 0;
	struct sp_control *c = bpf_map_lookup_elem(&sp_control, &zero);
	struct sp_scratch *desk = bpf_map_lookup_elem(&sp_scratches, &zero);
	int err;

	if (!c || !desk || bpf_skb_load_bytes(skb, off, &desk->text.text, sizeof(desk->text.text)))
		return -SP_DROP_INTRO_SHORT;
	if (!is_introduction(skb, off))
		return -SP_DROP_INTRO_MALFORMED;
	desk->text.lengths = SP_INTRODUCE_LENGTHS;
	desk->text.where = SP_INTRODUCE_WHERE;
	err = check_seal(desk, c) ?: check_sense(&desk->text.text);
	err = err ?: check_port(&desk->text.text);
	err = err ?: check_age(&desk->text.text, c, now_ns);
	return err ?: install_half(desk, c, now_ns);
}

static __always_inline void introduce_each(struct __sk_buff *skb, __u32 off, __u32 bytes,
					   __u64 now_ns)
{
	__u32 n = bytes / sizeof(struct sp_introduce);
	int err;

	if (!n || n > SP_INTRODUCE_TOGETHER || bytes % sizeof(struct sp_introduce)) {
		count_drop(SP_DROP_INTRO_SHORT);
		return;
	}
	for (__u32 i = 0; i < SP_INTRODUCE_TOGETHER && i < n; i++) {
		err = introduce(skb, off + i * sizeof(struct sp_introduce), now_ns);
		if (err)
			count_drop(-err);
	}
}

#endif

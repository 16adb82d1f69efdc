// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * miss.c - packets of connections that this machine does not know
 *
 * Such packets belong to another proxy's splice; or came before their connection (reordered, or
 * after a restart); or their connection is dead. They wait a second among the strays while the
 * store is queried; no RST is sent before (law 4).
 *
 * If no splice is found, a client's segment is for the home of the connection. There the segment
 * waits for the rest of the head. Meanwhile the store is queried again, since another proxy may
 * have the whole head and be about to commit. If two queries, a second apart, find no splice, the
 * connection is dead.
 *
 * A home is known to be dead after some silence. Segments sent to a dead home are lost, so copies
 * are stored, and sent to the new home: clients are slower to retransmit, twice as slow each time.
 *
 * A backend's segment is for the proxy that opened the connection: the owner of the destination
 * address. If the destination is the client's own address, all proxies get the segment.
 */
#include "proxy/miss.h"

#include <errno.h>
#include <string.h>

#include "proxy/forward.h"
#include "proxy/home.h"
#include "tcp/relay.h"

#define MISSED_NS	5000000000ULL	/* a client retransmits twice at least */
#define AGAIN_PER_TICK	256	/* repeated queries of a flood: 12800 a second */

/*
 * A SYN on a live splice. A sender that has forgotten the connection answers this ACK by an RST of
 * just that number, closing the half, and then retransmits the SYN (RFC 5961, 4). A sender with the
 * connection must not take a window from the ACK, or the connection would stall. So the sequence
 * number lies just below the expected number, like a keepalive's.
 */
void sp_miss_challenge(struct sp_proxy *p, const struct sp_entry *e, const struct sp_segment *syn)
{
	struct sp_tuple peer_key = sp_tuple_reverse(&e->half.out);
	struct sp_segment ack = { .tuple = sp_tuple_reverse(&syn->tuple), .flags = SP_TCP_ACK,
				  .wscale = -1 };
	struct sp_entry peer;

	if (sp_datapath_get(p->node.dp, &peer_key, &peer))
		return;
	ack.seq = e->state.last_ack - e->half.ack_delta - 1;
	ack.ack = peer.state.last_ack;
	p->node.counters.syn_challenged++;
	sp_wire_send(p->node.wire, &ack);
}

/*
 * The error itself is lost. For the sender's retransmission the half is here, and the datapath
 * translates the next error.
 */
void sp_miss_quoted(struct sp_proxy *p, const struct sp_tuple *key)
{
	if (!sp_node_is_shared(&p->node) || !p->quote_budget)
		return;
	p->quote_budget--;
	p->node.counters.quote_asked++;
	sp_store_fetch(p->node.store, key);
}

struct through {
	struct sp_proxy	*proxy;
	const struct sp_half	*half;
	__u32			client_isn;
};

static void relay_stray(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	const struct through *through = ctx;

	if (seg->flags & SP_TCP_SYN || flags & SP_STRAY_F_CUT)
		return;
	through->proxy->node.counters.relayed++;
	sp_forward(through->proxy, through->half, through->client_isn, seg, SP_RELAY_MSS);
}

void sp_miss_release(struct sp_proxy *p, const struct sp_tuple *key, const struct sp_splice *splice)
{
	struct through through = {
		.proxy = p, .client_isn = splice->client_isn,
		.half = memcmp(key, &splice->front, sizeof(*key)) ? &splice->down : &splice->up,
	};

	__u64 hash = sp_conns_hash(p->conns, key), now_ns = sp_now_ns(), came_ns;

	if (!sp_stray_since(p->node.strays, hash, key, now_ns, &came_ns))
		sp_histogram_add(&p->node.durations.stall, now_ns - came_ns);
	sp_stray_take(p->node.strays, hash, key, now_ns, relay_stray, &through);
}

/* Forward even while the store is out of reach: another proxy may know the connection. */
static void send_on(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	struct sp_proxy *p = ctx;

	if (flags & SP_STRAY_F_CUT)
		return;
	if (flags & SP_STRAY_F_BACK)
		sp_home_send_opener(p, seg);
	else
		sp_home_send(p, SP_EVENT_MISS, seg);
}

/*
 * A backend is reset by the owner of the address, or by a proxy that is connecting to the backend
 * from this address.
 */
static void reset_stray(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	struct sp_tuple back = sp_tuple_reverse(&seg->tuple);
	struct sp_proxy *p = ctx;

	if (flags & SP_STRAY_F_BACK && !sp_home_owns(p, &seg->tuple.daddr) &&
	    !sp_conn_by_back(p->conns, &back))
		return;
	p->node.counters.reset_unknown++;
	sp_forward_reset(p, seg);
}

/* A silent proxy may have the beginning of a connection, if only suspended. */
static int may_be_with_the_dead(const struct sp_proxy *p, __u64 now_ns)
{
	return p->died_ns && now_ns - p->died_ns < MISSED_NS;
}

void sp_miss_not_found(struct sp_proxy *p, const struct sp_tuple *key, int err)
{
	__u64 hash = sp_conns_hash(p->conns, key), now_ns = sp_now_ns();
	__u8 flags;

	if (sp_stray_flags(p->node.strays, hash, key, &flags))
		return;
	if (!(flags & SP_STRAY_F_MINE))
		sp_stray_take(p->node.strays, hash, key, now_ns, send_on, p);
	else if (err == -ENOENT && !may_be_with_the_dead(p, now_ns) &&
		 (sp_stray_nobody(p->node.strays, hash, key, now_ns) || flags & SP_STRAY_F_BACK))
		sp_stray_take(p->node.strays, hash, key, now_ns, reset_stray, p);
}

/*
 * The port came again, and the strays belong to the newer connection: the SYN was seen, here or by
 * another proxy, or the first segment has just been sent home.
 */
int sp_miss_is_older(struct sp_proxy *p, const struct sp_splice *splice)
{
	__u64 hash = sp_conns_hash(p->conns, &splice->front), now_ns = sp_now_ns();
	struct sp_entry e;
	__u32 isn;

	if (sp_reused_has(&p->reused, hash, &splice->front, splice->client_isn, now_ns))
		return 1;
	if (!sp_datapath_get(p->node.dp, &splice->front, &e) && e.state.flags & SP_STATE_REUSED &&
	    e.meta.client_isn == splice->client_isn)
		return 1;
	return !sp_stray_isn(p->sent_home, hash, &splice->front, now_ns, &isn) &&
	       isn != splice->client_isn;
}

/*
 * The client's port has come again, as the handshake proves. Proxies that did not see the old
 * connection end would forward the new connection's segments by the old halves. The store gives
 * the old halves to any proxy that fetches them.
 */
void sp_miss_leave_behind(struct sp_proxy *p, const struct sp_splice *old)
{
	sp_store_forget(p->node.store, old);
	sp_cluster_tell_ends(p->node.cluster, &old->front, old->client_isn, SP_STATE_REUSED);
}

static void ask_again(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	struct sp_proxy *p = ctx;

	sp_store_fetch(p->node.store, &seg->tuple);
}

void sp_miss_tick(struct sp_proxy *p)
{
	sp_stray_young(p->node.strays, sp_now_ns(), AGAIN_PER_TICK, ask_again, p);
}

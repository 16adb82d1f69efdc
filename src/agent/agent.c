// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * agent.c - the agent of a backend's host
 *
 * Theory of operation
 *
 * The datapath (bpf/agent.bpf.h) carries the answers of this host's servers, by the half from the
 * backend to the client. A packet without a half comes up, waits among the strays, and the store is
 * queried:
 *
 *	found		both halves are installed, and the waiting packet is sent again unchanged:
 *			now it passes the datapath like all that follow. The half from the client
 *			only serves ends and refreshes
 *	not found	no splice: the waiting packet is sent again, and the tuple passes for
 *			UNKNOWN_NS
 *	mode whole	the same, until the server's next SYN-ACK
 *	no answer	the same, for SP_QUERY_PASS_NS
 *
 * Most splices need no query: the proxy introduces a splice to the datapath of this host before the
 * server gets the request (bpf/introduce.bpf.h). The daemon finds those in the table, and they age
 * and end like all others.
 *
 * Packets that are too long to wait (SP_QUERY_BYTES_MAX) pass while the store is queried.
 *
 * Packets that pass go to a proxy, which carries them. A query times out soon. After that no query
 * is sent for a while, and no packet waits: query.c.
 *
 * Ends are sent to the proxies, which don't see them any more (node/age.c), and proxies send theirs
 * to the agent. A splice that is found replaces an older splice of its tuple: the server's SYN-ACK
 * has shown that the old one is over.
 */
#include "node/role.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "abi/query.h"
#include "base/clock.h"
#include "agent/capability.h"
#include "agent/query.h"
#include "agent/untaken.h"
#include "splice/splice.h"

#define UNKNOWN_NS	10000000000ULL
#define WHOLE_NS	3600000000000ULL
#define STRAY_NS	1000000000ULL	/* a stray of a proxy: until its retransmission has come */
#define PAUSE_MAX_MS	200	/* until an end is sent, a client's port can't be used again */
/* Until proxies have missed an agent that ended, and what they sent to its datapath has arrived. */
#define UNLOAD_DELAY_US	1000000
/* an older splice has got its first segment, or the host was rebooted */
#define FRESH_S		10

static void warn_of_host(const struct sp_config *config)
{
	sp_capability_of_host(sp_datapath_kernel_adopts(), config);
}

static const struct sp_role role;

struct sp_agent {
	struct sp_node			node;
	struct sp_queries		queries;
	struct sp_untaken		untaken;
	__u8				can;
	unsigned int			ticks;
};

static void on_back(struct sp_agent *a, const struct sp_event *ev)
{
	struct sp_segment seg;

	if (sp_segment_parse(ev, &seg) || !sp_segment_is_intact(ev)) {
		a->node.counters.segment_bad++;
		return;
	}
	seg.mss = ev->mtu;
	sp_queries_hold(&a->queries, &seg);
}

/*
 * A segment from a proxy, without a half or a socket here: perhaps the introduction of its
 * connection was lost. Without a shared store, the proxy introduces the splice again before it
 * retransmits the segment (proxy/reintroduce.h).
 */
static void on_miss(struct sp_agent *a, const struct sp_tuple *tuple)
{
	const struct sp_tuple from_server = sp_tuple_reverse(tuple);

	a->node.counters.agent_asked++;
	if (sp_node_is_shared(&a->node))
		sp_store_fetch(a->node.store, &from_server);
	else
		sp_datapath_pass(a->node.dp, tuple, sp_now_ns() + STRAY_NS);
}

/* Remove the splice: the client's next retransmission begins anew, and is not adopted then. */
static void on_untaken(struct sp_agent *a, const struct sp_tuple *tuple)
{
	const struct sp_tuple from_server = sp_tuple_reverse(tuple);
	const struct sp_endpoint at = { tuple->daddr, tuple->dport };
	struct sp_tuple front;
	struct sp_entry down;

	a->node.counters.agent_untaken++;
	if (!sp_untaken_note(&a->untaken, &at, sp_untaken_overflows(), sp_now_ns()) ||
	    sp_datapath_get(a->node.dp, &from_server, &down))
		return;
	front = sp_tuple_reverse(&down.half.out);
	if (sp_ager_remove(&a->node.ager, &front, down.meta.client_isn))
		return;
	sp_capability_send(a->node.cluster, a->node.dp, a->node.config, a->can, &a->untaken);
	sp_cluster_tell_ends(a->node.cluster, &front, down.meta.client_isn, SP_STATE_UNTAKEN);
}

static void on_event(struct sp_node *node, const struct sp_event *ev)
{
	struct sp_agent *a = (struct sp_agent *)node;

	if (ev->kind == SP_EVENT_TOO_BIG)
		sp_wire_send_too_big(a->node.wire, ev);
	else if (ev->kind == SP_EVENT_QUERY)
		sp_queries_ask(&a->queries, &ev->tuple);
	else if (ev->kind == SP_EVENT_BACK)
		on_back(a, ev);
	else if (ev->kind == SP_EVENT_MISS)
		on_miss(a, &ev->tuple);
	else if (ev->kind == SP_EVENT_UNTAKEN)
		on_untaken(a, &ev->tuple);
}

static void on_tick(struct sp_node *node)
{
	struct sp_agent *a = (struct sp_agent *)node;

	if (a->ticks++ % (SP_HELLO_MS / SP_TICK_MS) == 0)
		sp_capability_send(a->node.cluster, a->node.dp, a->node.config, a->can,
				   &a->untaken);
	sp_queries_tick(&a->queries, sp_now_ns());
}

/* ---- the store and the proxies ---- */

/*
 * The older half down is about to be replaced: without it, the ager would never remove its half up.
 */
static void remove_older(struct sp_agent *a, const struct sp_tuple *down_key,
			 const struct sp_splice *next)
{
	struct sp_tuple back = sp_tuple_reverse(down_key), front;
	struct sp_entry down, up;

	if (sp_datapath_get(a->node.dp, down_key, &down))
		return;
	front = sp_tuple_reverse(&down.half.out);
	if (memcmp(&front, &next->front, sizeof(front)) &&
	    !sp_datapath_get(a->node.dp, &front, &up) && !memcmp(&up.half.out, &back, sizeof(back)))
		sp_datapath_del(a->node.dp, &front);
}

static int is_down_key(const struct sp_tuple *key, const struct sp_splice *splice)
{
	struct sp_tuple down_key = sp_tuple_reverse(&splice->up.out);

	return !memcmp(key, &down_key, sizeof(*key));
}

static int is_fresh(const struct sp_splice *splice)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return now.tv_sec - splice->down.spliced_s <= FRESH_S &&
	       now.tv_sec - up.tv_sec < splice->down.spliced_s;
}

/*
 * An old splice is not adopted again, even if no packet of its server was seen: the server may have
 * run the client's request before this host was rebooted. The connection has a socket, or else the
 * stack answers RST.
 */
static int install_splice(struct sp_agent *a, const struct sp_tuple *key,
			  const struct sp_splice *splice)
{
	const struct sp_half_state answered = { .pkts = 1, .last_ack = splice->client_isn + 1 };
	const struct sp_meta meta = { .client_isn = splice->client_isn,
				      .refreshed_s = splice->up.spliced_s };
	int err =
		sp_splice_install(a->node.dp, splice, &(struct sp_streams){ 0 }, meta.refreshed_s);

	if (err || !(splice->down.flags & SP_HALF_F_ADOPTED) || is_fresh(splice))
		return err;
	return sp_datapath_put(a->node.dp, key, &splice->down, &answered, &meta);
}

static int use_found(struct sp_agent *a, const struct sp_tuple *key, const struct sp_splice *splice)
{
	struct sp_entry e;

	if (!is_down_key(key, splice))
		return -ENOENT;
	if (!(splice->down.flags & SP_HALF_F_SPLIT))
		return -EPERM;
	if (!sp_datapath_get(a->node.dp, key, &e) && !(e.state.flags & SP_STATE_REUSED) &&
	    e.meta.client_isn == splice->client_isn)
		return 0;
	remove_older(a, key, splice);
	a->node.counters.fetched++;
	return install_splice(a, key, splice);
}

static __u64 pass_ns(int err)
{
	switch (err) {
	case -ENOENT: return UNKNOWN_NS;
	case -EPERM: return WHOLE_NS;
	}
	return SP_QUERY_PASS_NS;
}

static void on_fetched(void *ctx, const struct sp_tuple *key, int err,
		       const struct sp_splice *splice)
{
	const struct sp_tuple to_server = sp_tuple_reverse(key);
	struct sp_agent *a = ctx;

	err = err ?: use_found(a, key, splice);
	if (err) {
		a->node.counters.agent_no_half += err == -ENOENT;
		a->node.counters.agent_whole += err == -EPERM;
		sp_queries_pass(&a->queries, key, pass_ns(err));
	}
	if (!err || err == -ENOENT || err == -EPERM)
		sp_datapath_pass(a->node.dp, &to_server, sp_now_ns() + STRAY_NS);
	sp_queries_answered(&a->queries, key);
}

static const struct sp_store_events store_events = {
	.fetched = on_fetched, .emptied = sp_node_emptied, .kept = sp_node_kept,
	.outdated = sp_node_outdated,
	.member = sp_node_member,
};

static void on_foreign_segment(void *ctx, enum sp_event_kind kind, const struct sp_segment *seg)
{
}

static void on_homes(void *ctx)
{
}

static const struct sp_cluster_events cluster_events = {
	.segment = on_foreign_segment, .ends = sp_node_ends, .homes = on_homes,
	.splices = sp_node_splices,
};

/* ---- life ---- */

static void close_agent(struct sp_node *node)
{
	if (!node)
		return;
	sp_node_fini(node);
	free(node);
}

static int configure_agent(struct sp_node *node, struct sp_config *config)
{
	sp_node_configure(node, config);
	sp_cluster_configure(node->cluster, config);
	return 0;
}

static int open_agent(const struct sp_node_parts *parts, struct sp_config *config,
		      struct sp_node **ret_node)
{
	struct sp_agent *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	err = sp_node_init(&a->node, &role, parts);
	err = err ?: sp_ports_new(NULL, 0, 1, 65535, &a->node.ports);
	err = err ?: sp_queries_init(&a->queries, &a->node);
	err = err ?: configure_agent(&a->node, config);
	if (err) {
		close_agent(&a->node);
		return err;
	}
	sp_node_subscribe(&a->node, &store_events, &cluster_events);
	a->node.ager.is_agent = 1;
	a->node.ager.pause_max_ms = PAUSE_MAX_MS;
	a->node.ager.expired = NULL;
	a->can = sp_capability_of_host(sp_datapath_can_adopt(a->node.dp), config);
	a->untaken.overflows = sp_untaken_overflows();
	sp_capability_send(a->node.cluster, a->node.dp, config, a->can, &a->untaken);
	sp_capability_prepare_host();
	*ret_node = &a->node;
	return 0;
}

/* An agent needs nothing from the store before it starts. */
static int is_in_sync(const struct sp_node *node)
{
	return 1;
}

static unsigned int count_pending(const struct sp_node *node)
{
	return ((const struct sp_agent *)node)->queries.count;
}

static const struct sp_role role = {
	.name = "spliced-agent", .config_path = "/etc/spliced/spliced-agent.yaml",
	.state_dir = "/sys/fs/bpf/spliced-agent",
	.first_steps = "see spliced-agent(8), and its example in /usr/share/doc/spliced-agent/examples",
	.load = sp_config_load_agent,
	.unload_delay_us = UNLOAD_DELAY_US,
	.warn_of_host = warn_of_host, .open = open_agent, .close = close_agent,
	.configure = configure_agent,
	.event = on_event, .tick = on_tick, .is_in_sync = is_in_sync, .pending = count_pending,
};

int main(int argc, char **argv)
{
	return sp_main(&role, argc, argv);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* node.c - the ager, the store and the cluster of a node, connected */
#include "node/node.h"

#include <errno.h>

#include "node/expiry.h"
#include "node/probe.h"
#include "node/timeouts.h"
#include "splice/splice.h"

int sp_node_init(struct sp_node *n, const struct sp_role *role, const struct sp_node_parts *parts)
{
	n->role = role;
	n->dp = parts->dp;
	n->wire = parts->wire;
	n->store = parts->store;
	n->cluster = parts->cluster;
	n->strays = sp_strays_new();
	return n->strays ? 0 : -ENOMEM;
}

void sp_node_fini(struct sp_node *n)
{
	sp_strays_free(n->strays);
	sp_ports_free(n->ports);
	sp_config_put(n->config);
	sp_traffic_fini(&n->traffic);
}

void sp_node_configure(struct sp_node *n, struct sp_config *config)
{
	if (sp_keepalive_differs(config, n->config))
		sp_ager_watch(&n->ager);
	sp_config_put(n->config);
	n->config = sp_config_get(config);
	n->ager.config = n->config;
}

__u64 sp_node_ttl(void *node, const struct sp_splice *splice)
{
	const struct sp_node *n = node;
	enum sp_splice_kind kind = sp_splice_kind(&splice->up, &splice->boundary);

	return sp_timeouts_ttl_ns(n->config, n->store->ttl_ns, &splice->front, kind);
}

static void reset_expired(void *ctx, const struct sp_splice *splice, const struct sp_half_state *up,
			  const struct sp_half_state *down)
{
	struct sp_node *n = ctx;

	n->counters.expired++;
	sp_expiry_tell(n->wire, splice, up, down);
}

static void send_probe(void *ctx, const struct sp_entry *to, __u32 seq, __u32 ack)
{
	struct sp_node *n = ctx;

	sp_probe_send(n->wire, to, seq, ack);
}

static void send_ended(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u8 state)
{
	struct sp_node *n = ctx;

	sp_cluster_tell_ends(n->cluster, front, client_isn, state);
}

void sp_node_subscribe(struct sp_node *n, const struct sp_store_events *of_store,
		       const struct sp_cluster_events *of_cluster)
{
	sp_ager_init(&n->ager, n->dp, n->ports, n->store);
	n->ager.ctx = n;
	n->ager.expired = reset_expired;
	n->ager.probe = send_probe;
	if (n->cluster)
		n->ager.ended = send_ended;
	sp_store_subscribe(n->store, of_store, n);
	sp_cluster_subscribe(n->cluster, of_cluster, n);
}

void sp_node_rekey(struct sp_node *n, const struct sp_keys *keys)
{
	sp_store_rekey(n->store, keys);
	sp_cluster_rekey(n->cluster, keys);
	sp_ager_rekeyed(&n->ager, n->config->store.timeout_ns);
}

unsigned int sp_node_age(struct sp_node *n)
{
	unsigned int ms = sp_ager_turn(&n->ager, &n->config->limits);

	n->counters.keepalive_probes = n->ager.keepalive_probes;
	n->counters.keepalive_clients_lost = n->ager.keepalive_clients_lost;
	n->counters.keepalive_backends_lost = n->ager.keepalive_backends_lost;
	return ms;
}

void sp_node_emptied(void *node)
{
	struct sp_node *n = node;

	sp_ager_emptied(&n->ager);
}

void sp_node_kept(void *node, const struct sp_tuple *front, __u32 client_isn, __u32 version)
{
	struct sp_node *n = node;

	sp_ager_refreshed(&n->ager, front, client_isn, version);
}

void sp_node_outdated(void *node, const struct sp_tuple *front, __u32 client_isn, __u32 version)
{
	struct sp_node *n = node;

	sp_ager_outdated(&n->ager, front, client_isn, version);
}

void sp_node_member(void *node, const void *record, size_t len)
{
	struct sp_node *n = node;

	sp_cluster_heard(n->cluster, record, len);
}

/*
 * A proxy has reset both ends, by the packets that passed there. An end ignores an RST with an old
 * number, so each node resets by its own latest packets.
 */
static void reset_as_well(struct sp_node *n, const struct sp_tuple *front, __u32 client_isn)
{
	struct sp_splice splice = { .front = *front };
	struct sp_tuple down_key;
	struct sp_entry up, down;

	if (sp_datapath_get(n->dp, front, &up) || !sp_entry_is_live(&up) ||
	    up.meta.client_isn != client_isn)
		return;
	down_key = sp_tuple_reverse(&up.half.out);
	if (sp_datapath_get(n->dp, &down_key, &down) || !sp_entry_is_live(&down))
		return;
	splice.up = up.half;
	splice.down = down.half;
	sp_expiry_tell(n->wire, &splice, &up.state, &down.state);
}

static void end_splice(struct sp_node *n, const struct sp_tuple *front, __u32 client_isn,
		       __u8 state)
{
	__u8 known = sp_splice_ended(n->dp, front, client_isn, state);

	if (known)
		sp_cluster_tell_ends(n->cluster, front, client_isn, known);
}

void sp_node_ends(void *node, const struct sp_tuple *front, __u32 client_isn, __u8 state)
{
	if ((state & SP_STATE_TOLD) == (SP_STATE_RST | SP_STATE_PEER_RST))
		reset_as_well(node, front, client_isn);
	end_splice(node, front, client_isn, state);
}

__u32 sp_node_splices(void *node, __u32 *ret_live, __u32 *ret_survivable)
{
	struct sp_node *n = node;

	*ret_live = n->ager.live;
	*ret_survivable = n->ager.survivable;
	return sp_datapath_count(n->dp)->splices;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* proxy.c - the role of a proxy: a splice for each connection of a client */
#include "proxy/proxy.h"

#include <errno.h>
#include <stdlib.h>

#include "node/timeouts.h"
#include "node/local.h"
#include "proxy/access.h"
#include "proxy/dispatch_event.h"
#include "proxy/events.h"
#include "proxy/machine.h"
#include "proxy/offer.h"
#include "proxy/kept.h"
#include "proxy/parked.h"
#include "proxy/partial.h"
#include "proxy/sync.h"
#include "proxy/takeover.h"

#define RECLAIM_PER_TICK 2048		/* some 2 ms of 20 */
#define HOLDS_MANY	64

static void handle_event(struct sp_node *node, const struct sp_event *ev)
{
	sp_dispatch_event((struct sp_proxy *)node, ev);
}

static int is_pending(void *ctx, const struct sp_tuple *front)
{
	struct sp_proxy *p = ctx;

	return !!sp_conn_by_front(p->conns, front);
}

static void tick_proxy(struct sp_node *node)
{
	struct sp_proxy *p = (struct sp_proxy *)node;

	p->reclaim_budget = RECLAIM_PER_TICK;
	sp_backends_tick(p->backends);
	sp_local_tick(&p->local, node->config);
	sp_machine_tick(p);
	sp_datapath_check_admitted(p->node.dp, is_pending, p);
}

/*
 * All ports towards a backend are taken. An ended splice gives way early; else the splice of a
 * client with far more ports than the requesting client.
 */
static int on_shortage(void *ctx, const struct sp_endpoint *to, const struct sp_endpoint *from)
{
	struct sp_tuple back = { .saddr = from->addr, .sport = from->port_be, .daddr = to->addr,
				 .dport = to->port_be };
	struct sp_proxy *p = ctx;

	if (!p->reclaim_budget)
		return -EBUSY;
	/*
	 * A client with many ports will hardly find a further port, and must not use up the search
	 * budget of the rest.
	 */
	if (p->reclaim_budget < RECLAIM_PER_TICK / 2 &&
	    sp_ager_held_by(&p->node.ager, p->wanting) >= HOLDS_MANY)
		return -EBUSY;
	p->reclaim_budget--;
	if (sp_parked_give_way(p, &back))
		return 0;
	if (sp_ager_reclaim(&p->node.ager, &p->node.config->limits, &back))
		p->node.counters.ports_reclaimed++;
	else
		p->node.counters.gave_way += sp_ager_give_way(&p->node.ager, &back, p->wanting);
	return 0;
}

static struct sp_proxy *proxy_of(struct sp_node *node)
{
	return (struct sp_proxy *)node;
}

static void close_proxy(struct sp_node *node)
{
	struct sp_proxy *p = proxy_of(node);

	if (!p)
		return;
	sp_conns_free(p->conns);
	sp_queue_free(p->queue);
	sp_strays_free(p->sent_home);
	sp_synacks_free(p->synacks);
	sp_reintroductions_free(p->reintroductions);
	sp_takeover_free(p->takeover);
	sp_partials_free(p->partials);
	sp_parkeds_free(p->parkeds);
	sp_kepts_free(p->kepts);
	sp_backends_free(p->backends);
	sp_access_close(p->access);
	sp_node_fini(&p->node);
	free(p);
}

static void count_splice(void *ctx, const struct sp_tuple *key, const struct sp_entry *e,
			 int change)
{
	sp_backends_spliced(((struct sp_proxy *)ctx)->backends, key, e, change);
}

static void meet_splice(void *ctx, const struct sp_tuple *key, const struct sp_entry *e)
{
	sp_backends_walked(((struct sp_proxy *)ctx)->backends, key, e);
}

static void end_walk(void *ctx, int is_exact)
{
	sp_backends_walk_ends(((struct sp_proxy *)ctx)->backends, is_exact);
}

/*
 * Walks find connections that have ended: more of them, if a choice depends on that. An empty table
 * costs 3 ms each time.
 */
#define COUNTING_PAUSE_MS 500

static unsigned int find_pause_ms(const struct sp_config *config)
{
	for (size_t i = 0; i < config->pool_count; i++)
		if (config->pools[i].balance == SP_BALANCE_LEAST_CONNECTIONS ||
		    config->pools[i].balance == SP_BALANCE_RANDOM_TWO)
			return COUNTING_PAUSE_MS;
	return sp_keepalive_pause_ms(config);
}

static int is_open(void *ctx, const struct sp_tuple *down_key, __u32 client_isn)
{
	struct sp_proxy *p = ctx;
	struct sp_entry e;

	return !sp_datapath_get(p->node.dp, down_key, &e) && e.meta.client_isn == client_isn &&
	       !sp_state_is_closed(&e.state);
}

static int configure_proxy(struct sp_node *node, struct sp_config *config)
{
	struct sp_proxy *p = proxy_of(node);
	int is_same_file, err;

	if (!node->ports) {
		err = sp_ports_new(config->snat_addrs, config->snat_count, config->snat_port_first,
				   config->snat_port_last, &node->ports);
		if (err)
			return err;
		sp_ports_on_shortage(node->ports, on_shortage, p);
	}
	is_same_file = p->backends && sp_config_is_same_file(node->config, config);
	if (p->backends && !is_same_file)
		sp_offer_forget(p);
	err = p->backends ? sp_backends_configure(p->backends, config) :
		sp_backends_new(config, &p->backends);
	if (err)
		return err;
	sp_node_configure(node, config);
	node->ager.pause_max_ms = find_pause_ms(config);
	sp_degraded_configure(&p->degraded, config, sp_now_ns());
	sp_local_begin(&p->local, config, is_same_file);
	return 0;
}

static int open_proxy(const struct sp_node_parts *parts, struct sp_config *config,
		      struct sp_node **ret_node)
{
	struct sp_proxy *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->awake_ns = sp_now_ns();
	err = sp_node_init(&p->node, &sp_proxy_role, parts);
	p->sent_home = sp_strays_new();
	p->synacks = sp_synacks_new();
	p->reintroductions = sp_reintroductions_new();
	p->takeover = sp_takeover_new();
	p->queue = sp_queue_new(config->limits.pending);
	if (!p->queue || !p->sent_home || !p->synacks || !p->reintroductions || !p->takeover)
		err = -ENOMEM;
	err = err ?: sp_partials_new(&p->partials);
	err = err ?: sp_parkeds_new(&p->parkeds);
	err = err ?: sp_kepts_new(&p->kepts);
	err = err ?: sp_conns_new(config->limits.pending, &p->conns);
	err = err ?: configure_proxy(&p->node, config);
	if (err) {
		close_proxy(&p->node);
		return err;
	}
	sp_datapath_watch(p->node.dp, count_splice, p);
	sp_backends_on_look(p->backends, is_open, p);
	p->node.ager.met = meet_splice;
	p->node.ager.walk_ends = end_walk;
	sp_events_subscribe(p);
	err = sp_access_open(p);
	if (err) {
		close_proxy(&p->node);
		return err;
	}
	*ret_node = &p->node;
	return 0;
}

static void recover_heads(struct sp_node *node)
{
	struct sp_proxy *p = proxy_of(node);

	p->awake_ns = sp_now_ns();
	sp_takeover_start(p);
	sp_sync_start(p);
}

static int is_in_sync(const struct sp_node *node)
{
	return sp_sync_is_done((const struct sp_proxy *)node);
}

static unsigned int count_pending(const struct sp_node *node)
{
	return sp_conns_count(((const struct sp_proxy *)node)->conns);
}

static struct sp_backends *get_backends(const struct sp_node *node)
{
	return ((const struct sp_proxy *)node)->backends;
}

static const struct sp_degraded *get_degraded(const struct sp_node *node)
{
	return &((const struct sp_proxy *)node)->degraded;
}

static __u32 count_exchanges(struct sp_node *node, const struct sp_tuple *front)
{
	return sp_access_exchanges(proxy_of(node), front);
}

const struct sp_role sp_proxy_role = {
	.name = "spliced", .config_path = "/etc/spliced/spliced.yaml",
	.state_dir = "/sys/fs/bpf/spliced",
	.first_steps = "`spliced --init --listen ADDRESS:PORT --backend ADDRESS:PORT` writes a file",
	.load = sp_config_load,
	.open = open_proxy, .close = close_proxy, .recover = recover_heads,
	.configure = configure_proxy,
	.event = handle_event, .tick = tick_proxy, .is_in_sync = is_in_sync,
	.pending = count_pending,
	.backends = get_backends, .degraded = get_degraded, .exchanges = count_exchanges,
};

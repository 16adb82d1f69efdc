// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "node/carrier.h"

#include <errno.h>

#include "node/expiry.h"
#include "splice/splice.h"

int sp_carrier_init(struct sp_carrier *c, struct sp_datapath *dp, struct sp_wire *wire, struct sp_store *store,
		    struct sp_cluster *cluster)
{
	c->dp = dp;
	c->wire = wire;
	c->store = store;
	c->cluster = cluster;
	c->strays = sp_strays_new();
	return c->strays ? 0 : -ENOMEM;
}

void sp_carrier_fini(struct sp_carrier *c)
{
	sp_strays_free(c->strays);
	sp_ports_free(c->ports);
	sp_config_put(c->config);
}

void sp_carrier_configure(struct sp_carrier *c, struct sp_config *config)
{
	sp_config_put(c->config);
	c->config = sp_config_get(config);
}

static void tell_expired(void *ctx, const struct sp_splice *splice, const struct sp_use *up, const struct sp_use *down)
{
	struct sp_carrier *c = ctx;

	c->counters.expired++;
	sp_expiry_tell(c->wire, splice, up, down);
}

static void tell_ended(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u8 state)
{
	struct sp_carrier *c = ctx;

	sp_cluster_tell_ends(c->cluster, front, client_isn, state);
}

void sp_carrier_listen(struct sp_carrier *c, const struct sp_store_events *of_store,
		       const struct sp_cluster_events *of_cluster)
{
	sp_ager_init(&c->ager, c->dp, c->ports, c->store);
	c->ager.ctx = c;
	c->ager.expired = tell_expired;
	if (c->cluster)
		c->ager.ended = tell_ended;
	c->store->events = of_store;
	c->store->ctx = c;
	sp_cluster_listen(c->cluster, of_cluster, c);
}

void sp_carrier_rekey(struct sp_carrier *c, const struct sp_keys *keys)
{
	if (c->store->engine->rekey)
		c->store->engine->rekey(c->store, keys);
	sp_cluster_rekey(c->cluster, keys);
	sp_ager_rekeyed(&c->ager, c->config->store.timeout_ns);
}

unsigned int sp_carrier_age(struct sp_carrier *c)
{
	return sp_ager_turn(&c->ager, &c->config->limits);
}

void sp_carrier_emptied(void *carrier)
{
	struct sp_carrier *c = carrier;

	sp_ager_emptied(&c->ager);
}

void sp_carrier_kept(void *carrier, const struct sp_tuple *front, __u32 client_isn)
{
	struct sp_carrier *c = carrier;

	sp_ager_kept(&c->ager, front, client_isn);
}

void sp_carrier_outdated(void *carrier, const struct sp_tuple *front, __u32 client_isn)
{
	struct sp_carrier *c = carrier;

	sp_ager_outdated(&c->ager, front, client_isn);
}

void sp_carrier_member(void *carrier, const void *record, size_t len)
{
	struct sp_carrier *c = carrier;

	sp_cluster_heard(c->cluster, record, len);
}

void sp_carrier_ends(void *carrier, const struct sp_tuple *front, __u32 client_isn, __u8 state)
{
	struct sp_carrier *c = carrier;
	__u8 known = sp_splice_ended(c->dp, front, client_isn, state);

	if (known)
		sp_cluster_tell_ends(c->cluster, front, client_isn, known);
}

__u32 sp_carrier_splices(void *carrier)
{
	struct sp_carrier *c = carrier;

	return sp_datapath_count(c->dp)->splices;
}

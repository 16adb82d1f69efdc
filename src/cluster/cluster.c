// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cluster.c - this node among the members: opened, ticked, described
 *
 * member.c has the table of members, message.c the messages as bytes, datagram.c the socket;
 * receive.c and send.c are the two directions.
 */
#include "cluster/cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "base/addr.h"
#include "base/log.h"
#include "cluster/internal.h"

#define TICK_MS		50
#define TICKS_PER_HELLO	(SP_HELLO_MS / TICK_MS)
#define TICKS_PER_RECORD 10
#define TICKS_PER_DIGEST 10
#define LATE_NS		200000000ULL	/* between two ticks: the daemon was suspended */

static void on_readable(uv_poll_t *poll, int status, int events)
{
	sp_cluster_receive(poll->data);
}

/* Until the store has answered, each tick announces this member. */
static void on_tick(uv_timer_t *timer)
{
	struct sp_cluster *c = timer->data;
	__u64 now_ns = uv_hrtime();

	sp_cluster_bury(c, now_ns, now_ns - c->ticked_ns >= LATE_NS);
	c->ticked_ns = now_ns;
	if (c->ticks % TICKS_PER_HELLO == 0)
		sp_cluster_send_hello(c);
	if (c->ticks % TICKS_PER_RECORD == 0 || !c->is_listed)
		sp_cluster_announce(c);
	if (c->on_orders && c->ticks % TICKS_PER_DIGEST == 0)
		sp_cluster_tell_orders(c, 0, NULL, 0);
	c->ticks++;
}

void sp_cluster_set_state(struct sp_cluster *c, enum sp_member_state state)
{
	if (!c || c->members.self.state == state)
		return;
	c->members.self.state = state;
	sp_cluster_send_hello(c);
	sp_cluster_homes_changed(c);
}

void sp_cluster_set_can(struct sp_cluster *c, __u8 can, __u64 adopts, __u16 mtu)
{
	struct sp_member *self = c ? &c->members.self : NULL;

	if (!c || (self->can == can && self->adopts == adopts && self->mtu == mtu))
		return;
	self->can = can;
	self->adopts = adopts;
	self->mtu = mtu;
	sp_cluster_send_hello(c);
}

/* ---- opening ---- */

static void describe_owned(const struct sp_config *config, struct sp_member *self)
{
	char at[SP_ENDPOINT_STRLEN];

	self->owned_count = 0;
	for (size_t i = 0; i < config->snat_count && self->owned_count < SP_MEMBER_OWNED_MAX; i++)
		self->owned[self->owned_count++].addr = config->snat_addrs[i];
	for (size_t i = 0; i < config->serve_count; i++)
		if (self->owned_count < SP_MEMBER_OWNED_MAX)
			self->owned[self->owned_count++] = config->serves[i];
		else
			log_warn("serves: %s: proxies hear of %u endpoints only, so its connections go whole",
				 sp_endpoint_format(&config->serves[i].addr,
						    config->serves[i].port_be, at),
				 SP_MEMBER_OWNED_MAX);
}

static struct sp_member describe_self(const struct sp_config *config)
{
	struct sp_member self = { .relay = config->cluster.relay, .state = SP_MEMBER_SYNCING };
	struct timespec ts;

	sp_config_own_name(&config->cluster, self.name);
	if (config->is_agent)
		self.state = SP_MEMBER_AGENT;
	clock_gettime(CLOCK_REALTIME, &ts);
	self.started_ns = ts.tv_sec * 1000000000ULL + ts.tv_nsec;
	describe_owned(config, &self);
	return self;
}

void sp_cluster_configure(struct sp_cluster *c, const struct sp_config *config)
{
	if (!c)
		return;
	describe_owned(config, &c->members.self);
	if (c->ticks)
		sp_cluster_announce(c);
}

static int start_handles(struct sp_cluster *c, uv_loop_t *loop)
{
	int err = uv_poll_init(loop, &c->poll, sp_datagrams_fd(c->datagrams));

	if (err)
		return err;
	c->poll.data = c;
	c->open_handles++;
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	c->open_handles++;
	c->ticked_ns = uv_hrtime();
	err = uv_poll_start(&c->poll, UV_READABLE, on_readable);
	return err ?: uv_timer_start(&c->timer, on_tick, 0, TICK_MS);
}

static void list_peers(struct sp_cluster *c, const struct sp_config *config)
{
	c->is_static = c->is_listed = !!config->cluster.peer_count;
	for (size_t i = 0; i < config->cluster.peer_count; i++) {
		const struct sp_peer_conf *peer = &config->cluster.peers[i];
		struct sp_member m = {
			.relay = peer->at,
			.state = config->is_agent ? SP_MEMBER_SYNCING : SP_MEMBER_AGENT,
		};

		memcpy(m.name, peer->name, strlen(peer->name));
		sp_members_record(&c->members, &m, uv_hrtime());
	}
}

static int open_parts(struct sp_cluster *c, uv_loop_t *loop, const struct sp_config *config)
{
	struct sp_member self = describe_self(config);
	struct sp_keys keys;
	int err = sp_keys_read(config->key_file, &keys);

	if (err)
		return err;
	sp_seal_init(&c->seal, keys.key, keys.count);
	sp_members_init(&c->members, &self);
	list_peers(c, config);
	err = sp_datagrams_open(&self.relay, &c->counters.relay_not_sent, &c->datagrams);
	return err ?: start_handles(c, loop);
}

int sp_cluster_open(uv_loop_t *loop, const struct sp_config *config, struct sp_store *store,
		    struct sp_cluster **ret_cluster)
{
	char at[SP_ENDPOINT_STRLEN];
	struct sp_cluster *c;
	int err;

	*ret_cluster = NULL;
	if (!sp_store_is_shared(store) && !config->cluster.peer_count)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->store = store;
	err = open_parts(c, loop, config);
	if (err) {
		log_err_errno(err, "cluster: relay: %s: can't listen there",
			      sp_endpoint_format(&config->cluster.relay.addr,
						 config->cluster.relay.port_be, at));
		sp_cluster_close(c);
		return err;
	}
	*ret_cluster = c;
	return 0;
}

static void put_handle(struct sp_cluster *c)
{
	if (c->open_handles)
		return;
	sp_datagrams_close(c->datagrams);
	free(c);
}

static void on_closed(uv_handle_t *handle)
{
	struct sp_cluster *c = handle->data;

	c->open_handles--;
	put_handle(c);
}

void sp_cluster_close(struct sp_cluster *c)
{
	if (!c)
		return;
	c->events = NULL;
	if (!c->open_handles) {
		put_handle(c);
		return;
	}
	uv_close((uv_handle_t *)&c->poll, on_closed);
	if (c->open_handles > 1)
		uv_close((uv_handle_t *)&c->timer, on_closed);
}

/* The record in the store, and the last HELLO, may be sealed with an old key. */
void sp_cluster_rekey(struct sp_cluster *c, const struct sp_keys *keys)
{
	if (!c)
		return;
	sp_seal_init(&c->seal, keys->key, keys->count);
	sp_cluster_announce(c);
	sp_cluster_send_hello(c);
}

void sp_cluster_subscribe(struct sp_cluster *c, const struct sp_cluster_events *events, void *ctx)
{
	if (!c)
		return;
	c->events = events;
	c->ctx = ctx;
}

void sp_cluster_subscribe_orders(struct sp_cluster *c, sp_orders_fn fn, void *ctx)
{
	if (!c)
		return;
	c->on_orders = fn;
	c->orders_ctx = ctx;
}

void sp_cluster_set_orders(struct sp_cluster *c, __u64 digest)
{
	if (c)
		c->orders_digest = digest;
}

enum sp_member_state sp_cluster_state(const struct sp_cluster *c)
{
	return c ? c->members.self.state : SP_MEMBER_READY;
}

int sp_cluster_member(const struct sp_cluster *c, unsigned int idx, struct sp_member *ret_member)
{
	if (!c || idx > c->members.count)
		return -ENOENT;
	*ret_member = idx ? c->members.others[idx - 1] : c->members.self;
	return 0;
}

const struct sp_member *sp_cluster_self(const struct sp_cluster *c)
{
	return c ? &c->members.self : NULL;
}

const struct sp_cluster_counters *sp_cluster_counters(const struct sp_cluster *c)
{
	static const struct sp_cluster_counters none;

	return c ? &c->counters : &none;
}

const struct sp_member *sp_cluster_agent_at(const struct sp_cluster *c,
					    const struct sp_endpoint *at)
{
	return c ? sp_members_agent_at((struct sp_members *)&c->members, at) : NULL;
}

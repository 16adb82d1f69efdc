// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * miss.c - packets of connections that this machine does not know
 *
 * They belong to a splice of another proxy, came before their connection
 * (reordered, or after a restart), were overtaken by their splice on the way
 * up here, or their connection is dead. They wait a second among the strays
 * while the store is asked; nobody is told RST before that (law 4).
 */
#include <string.h>

#include "front_internal.h"
#include "relay.h"

/* Nobody knows it: perhaps not yet. */
static void on_stray(struct sp_front *f, const struct sp_segment *seg)
{
	f->counters.stray_kept++;
	if (sp_stray_add(f->strays, sp_conns_hash(f->conns, &seg->tuple), seg, sp_now_ns())) {
		f->counters.reset_unknown++;
		sp_answer_reset(f, seg);
	} else {
		f->store->engine->fetch(f->store, &seg->tuple);
	}
}

/* The splice was made while this was on its way up here. */
void sp_miss_overtaken(struct sp_front *f, const struct sp_entry *e, const struct sp_segment *seg)
{
	if (e->half.flags & SP_HALF_F_TO_DAEMON || seg->flags & SP_TCP_SYN)
		return;
	f->counters.relayed++;
	sp_relay(f->wire, &e->half, seg, SP_RELAY_MSS);
}

/* Neither half nor cookie: a later segment of a head, one that came too early, or a connection that is gone. */
void sp_miss_event(struct sp_front *f, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct sp_conn *c = sp_conn_by_front(f->conns, &ev->tuple);
	struct sp_entry e;

	if (c)
		sp_head_more(f, c, seg);
	else if (!sp_datapath_get(f->dp, &ev->tuple, &e) && !(e.use.state & SP_USE_S_REUSED))
		sp_miss_overtaken(f, &e, seg);
	else
		on_stray(f, seg);
}

/*
 * A SYN on a live splice. The end that really has forgotten the connection
 * answers this acknowledgement with an RST of just that number, which closes
 * the half; the SYN is then repeated (RFC 5961, 4). Nobody else can. Who still
 * has the connection must not take a window from us, which would stall it: so
 * the sequence number lies just below what it has, like that of a keepalive.
 */
static void challenge(struct sp_front *f, const struct sp_entry *e, const struct sp_segment *syn)
{
	struct sp_tuple peer_key = sp_tuple_reverse(&e->half.out);
	struct sp_segment ack = { .tuple = sp_tuple_reverse(&syn->tuple), .flags = SP_TCP_ACK, .wscale = -1 };
	struct sp_entry peer;

	if (sp_datapath_get(f->dp, &peer_key, &peer))
		return;
	ack.seq = e->use.last_ack - e->half.ack_delta - 1;
	ack.ack = peer.use.last_ack;
	f->counters.syn_challenged++;
	sp_wire_send(f->wire, &ack);
}

/* The mark of a daemon before us, which took what it held along unless it had answered. */
void sp_miss_left_behind(struct sp_front *f, const struct sp_segment *seg)
{
	struct sp_entry e;

	if (sp_datapath_get(f->dp, &seg->tuple, &e))
		return;
	if (!(e.half.flags & SP_HALF_F_TO_DAEMON)) {
		if (seg->flags & SP_TCP_SYN)
			challenge(f, &e, seg);
		else
			sp_miss_overtaken(f, &e, seg);
		return;
	}
	if (e.half.flags & SP_HALF_F_ANSWERED) {
		sp_answer_end(f, seg);
		return;
	}
	sp_datapath_del(f->dp, &seg->tuple);
	on_stray(f, seg);
}

struct through {
	struct sp_front		*front;
	const struct sp_half	*half;
};

static void relay_stray(void *ctx, const struct sp_segment *seg)
{
	const struct through *through = ctx;

	if (seg->flags & SP_TCP_SYN)
		return;
	through->front->counters.relayed++;
	sp_relay(through->front->wire, through->half, seg, SP_RELAY_MSS);
}

/* A splice of another proxy: ours as well from now on. */
void sp_miss_fetched(void *ctx, const struct sp_tuple *key, int err, const struct sp_splice *splice)
{
	struct sp_front *f = ctx;
	struct through through = { .front = f };

	if (err || sp_splice_install(f->dp, splice, 0, sp_kept_now()))
		return;
	f->counters.fetched++;
	sp_sync_found(f, splice);
	through.half = memcmp(key, &splice->front, sizeof(*key)) ? &splice->down : &splice->up;
	sp_stray_take(f->strays, sp_conns_hash(f->conns, key), key, sp_now_ns(), relay_stray, &through);
}

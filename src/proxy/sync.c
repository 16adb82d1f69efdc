// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * sync.c - our source ports on which the store has splices
 *
 * A daemon without splices on its machine may have made some before: other proxies carry them, and
 * the ports are in use. So the daemon reads the store at its start, reserves those ports, and is
 * in sync from then on. Later scans, slowly, free the ports of splices that ended elsewhere: a port
 * is free if a complete scan did not find the splice.
 *
 * New connections don't wait for the first scan. Until then, a backend that answers as if the port
 * were in use is believed. A proxy that is not in sync should not be announced: sp_sync_is_done().
 */
#include <errno.h>

#include "base/log.h"
#include "proxy/sync.h"

/* after a scan; or the lifetime of an idle splice, if shorter */
#define AGAIN_NS	60000000000ULL
#define RETRY_NS	500000000ULL	/* after a failed scan */
#define GIVE_UP_NS	5000000000ULL	/* without the store, with store_loss: continue */

static void in_sync(struct sp_proxy *p, const char *how)
{
	if (p->sync.is_in_sync)
		return;
	p->sync.is_in_sync = 1;
	log_info("in sync%s", how);
}

void sp_sync_found(void *ctx, const struct sp_splice *splice)
{
	const struct sp_tuple *back = &splice->up.out;
	struct sp_endpoint to = { back->daddr, back->dport }, from = { back->saddr, back->sport };
	struct sp_proxy *p = ctx;

	switch (sp_port_seen(p->node.ports, &to, &from)) {
	case 0: p->node.counters.ports_found++; break;
	case -ENOMEM: p->node.counters.ports_unmarked++; break;
	case -ESTALE:	/* a server was away when the splice was forgotten */
		p->node.counters.ports_stale++;
		sp_store_forget(p->node.store, splice);
		break;
	}
}

void sp_sync_fetched(struct sp_proxy *p, const struct sp_splice *splice)
{
	const struct sp_tuple *back = &splice->up.out;
	struct sp_endpoint to = { back->daddr, back->dport }, from = { back->saddr, back->sport };

	sp_port_reserve(p->node.ports, &to, &from);
}

static __u64 pause_ns(const struct sp_proxy *p, int err)
{
	__u64 idle_ns = p->node.config->limits.idle_ns, again_ns = idle_ns < AGAIN_NS ? idle_ns :
		AGAIN_NS;

	return again_ns < RETRY_NS || (err && !p->sync.is_in_sync) ? RETRY_NS : again_ns;
}

void sp_sync_scanned(void *ctx, int err)
{
	struct sp_proxy *p = ctx;

	p->sync.is_scanning = 0;
	p->sync.is_sweeping = !err;
	p->sync.next_ns = sp_now_ns() + pause_ns(p, err);
	if (!err)
		in_sync(p, "");
}

/* The port of a splice or connection on this machine is freed at its end, not by a scan. */
static int is_needed(void *ctx, const struct sp_endpoint *to, const struct sp_endpoint *from)
{
	struct sp_tuple back = { .saddr = from->addr, .sport = from->port_be, .daddr = to->addr,
				 .dport = to->port_be };
	struct sp_tuple key = sp_tuple_reverse(&back);
	struct sp_proxy *p = ctx;
	struct sp_entry e;

	if (sp_conn_by_back(p->conns, &back) || !sp_datapath_get(p->node.dp, &key, &e))
		return 1;
	p->node.counters.ports_returned++;
	return 0;
}

static void start_scan(struct sp_proxy *p)
{
	p->sync.is_scanning = 1;
	sp_store_scan(p->node.store, p->sync.is_in_sync);
}

void sp_sync_start(struct sp_proxy *p)
{
	p->sync.start_ns = sp_now_ns();
	start_scan(p);
}

void sp_sync_tick(struct sp_proxy *p, __u64 now_ns)
{
	if (!p->sync.is_in_sync && p->node.config->store.loss == SP_LOSS_CONTINUE &&
	    now_ns - p->sync.start_ns >= GIVE_UP_NS) {
		log_warn("the store can't be read: ports may be chosen that other proxies use");
		in_sync(p, ", without the store");
	}
	if (p->sync.is_sweeping)
		p->sync.is_sweeping = sp_ports_sweep(p->node.ports, is_needed, p);
	else if (!p->sync.is_scanning && now_ns >= p->sync.next_ns)
		start_scan(p);
}

int sp_sync_is_done(const struct sp_proxy *p)
{
	return p->sync.is_in_sync;
}

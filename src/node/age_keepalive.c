// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * age_keepalive.c - keepalive of a service: probes for quiet ends of splices, and lost ends
 *
 * Theory of operation
 *
 * A connection has no record. Time is cut into periods, at another phase for each splice.
 * Once a period, an end that was quiet for half of it gets a probe. A living end answers, and the
 * answer is a packet like any other: it passes to the peer, and sets the time of the half. An end
 * quiet for `count` + 1 periods is lost: the first probe came after 3/2 periods, and a
 * pause between walks, at the latest. Walks in a row are never further apart than 1/3 of a period,
 * or the silence begins anew (@watched_ns), as it does with a new daemon or a new period.
 *
 * Alone, half-closed splices have a time-out of their own, which answers would put off.
 *
 * With a shared store the answer of a client may reach another proxy. So a record lives as long as
 * a client may be quiet (timeouts.c), and only the client's packets refresh it. A splice whose
 * client is quiet here for too long is looked up, as at the end of `idle`. While a proxy hears the
 * client, that proxy sends no probe, so usually a single proxy does. The backend gets probes from
 * the proxy of its source address, and is never lost: checks decide.
 */
#include "node/age_internal.h"

#define PHASES		0x9e3779b97f4a7c15ULL
#define GAPS		3	/* in the shortest period */

/* Of a probe. */
struct numbers {
	__u32	seq, ack;
};

/*
 * @to: the half that carries packets to the probed end; @from: the reverse. The acknowledgement was
 * sent to the end before, or is older: never of bytes that the peer may lack. Return: whether both
 * numbers are known.
 */
static int find_numbers(const struct sp_entry *to, const struct sp_entry *from, struct numbers *n)
{
	n->seq = from->state.last_ack ?: to->state.next_seq;
	n->ack = to->state.last_ack;
	if (!n->ack && to->half.flags & SP_HALF_F_FROM_BACKEND)
		n->ack = to->meta.client_isn + 1;
	else if (!n->ack && !from->state.bytes)
		n->ack = from->state.next_seq;	/* the backend has sent no byte */
	return n->seq && n->ack;
}

static const struct sp_keepalive_conf *find_keepalive(const struct sp_ager *a,
						      const struct sp_view *v)
{
	const struct sp_tuple front = sp_view_front(v);

	if (!a->probe || !sp_entry_is_live(v->down))
		return NULL;
	if (v->down->state.flags & SP_STATE_ENDS && !sp_ager_is_shared(a))
		return NULL;
	return sp_keepalive_of(a->config, &front);
}

static __u64 silent_ns(const struct sp_ager *a, const struct sp_half_state *half)
{
	return sp_ager_quiet_ns(a, half->seen_ns > a->watched_ns ? half->seen_ns : a->watched_ns);
}

static int is_due(const struct sp_ager *a, const struct sp_view *v, __u64 period_ns)
{
	__u64 phase_ns;

	if (!period_ns)
		return 0;
	phase_ns = v->down->meta.client_isn * PHASES % period_ns;
	return (a->walk_ns + phase_ns) / period_ns != (a->last_walk_ns + phase_ns) / period_ns;
}

/* An agent takes the backend's packets past this proxy; a changed head may not be whole there. */
static int hears_backend(const struct sp_view *v)
{
	return !(v->down->half.flags & SP_HALF_F_SPLIT) &&
	       !(v->up.half.flags & SP_HALF_F_REQUESTS &&
		 sp_change_is_before(&v->up.meta.change, v->down->state.last_ack));
}

static int is_lost(const struct sp_ager *a, const struct sp_entry *to, const struct sp_entry *from,
		   __u64 period_ns, unsigned int count)
{
	struct numbers n;

	return period_ns && find_numbers(to, from, &n) &&
	       silent_ns(a, &from->state) >= sp_keepalive_lost_ns(period_ns, count);
}

enum sp_lost sp_ager_find_lost(const struct sp_ager *a, const struct sp_view *v)
{
	const struct sp_keepalive_conf *k = find_keepalive(a, v);

	if (!k || !v->has_up)
		return SP_LOST_NONE;
	if (is_lost(a, v->down, &v->up, k->client_ns, k->count))
		return SP_LOST_CLIENT;
	/* before its first packet, the numbers of probes may have been unknown so far */
	if (is_lost(a, &v->up, v->down, k->backend_ns, k->count) && hears_backend(v) &&
	    v->down->state.pkts && !sp_ager_is_shared(a))
		return SP_LOST_BACKEND;
	return SP_LOST_NONE;
}

int sp_ager_is_due(const struct sp_ager *a, const struct sp_view *v)
{
	const struct sp_keepalive_conf *k = find_keepalive(a, v);

	return k && (is_due(a, v, k->client_ns) || is_due(a, v, k->backend_ns));
}

static void send_probe(struct sp_ager *a, const struct sp_entry *to, const struct sp_entry *from)
{
	struct numbers n;

	if (!find_numbers(to, from, &n))
		return;
	a->keepalive_probes++;
	a->probe(a->ctx, to, n.seq - 1, n.ack);
}

static int is_probed(const struct sp_ager *a, const struct sp_view *v,
		     const struct sp_half_state *half, __u64 period_ns)
{
	return is_due(a, v, period_ns) && silent_ns(a, half) >= period_ns / 2;
}

static int owns_source(const struct sp_ager *a, const struct sp_view *v)
{
	for (size_t i = 0; i < a->config->snat_count; i++)
		if (sp_addr_equal(&a->config->snat_addrs[i], &v->down_key->daddr))
			return 1;
	return !sp_ager_is_shared(a);
}

void sp_ager_check_quiet(struct sp_ager *a, struct sp_view *v)
{
	const struct sp_keepalive_conf *k = find_keepalive(a, v);

	if (!k || !sp_ager_is_due(a, v))
		return;
	sp_view_find_up(a, v);
	if (!v->has_up)
		return;
	if (is_probed(a, v, &v->up.state, k->client_ns))
		send_probe(a, v->down, &v->up);
	if (is_probed(a, v, &v->down->state, k->backend_ns) && hears_backend(v) &&
	    owns_source(a, v))
		send_probe(a, &v->up, v->down);
}

void sp_ager_count_lost(struct sp_ager *a, enum sp_lost lost)
{
	a->keepalive_clients_lost += lost == SP_LOST_CLIENT;
	a->keepalive_backends_lost += lost == SP_LOST_BACKEND;
}

void sp_ager_watch(struct sp_ager *a)
{
	a->watched_ns = 0;
}

void sp_ager_note_walk(struct sp_ager *a)
{
	if (!a->config || !a->config->has_keepalive)
		return;
	if (!a->watched_ns || a->walk_ns - a->last_walk_ns >
			      sp_keepalive_least_ns(a->config) / GAPS)
		a->watched_ns = a->walk_ns;
}

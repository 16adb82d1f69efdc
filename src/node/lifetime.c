// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * lifetime.c - how long a splice may be quiet
 *
 * Theory of operation
 *
 *	closed		`closed`; while an end may still retransmit, `transitory` if longer
 *	half-closed	`transitory`
 *	unacknowledged	`transitory`: a living sender retransmits at least every 2 minutes (RFC
 *			6298, 2.5, and kernels), so one of the ends is gone
 *	any other	`idle`
 *
 * The two times are those of RFC 5382, REQ-5. Acknowledgements are known only if both directions
 * pass this machine: in mode whole, without a shared store. With a shared store other proxies may
 * carry packets of the splice, so `transitory` is not used.
 *
 * If ports or room run short, a finished splice gives way early. The backend may be in TIME-WAIT:
 * the sequence numbers of the next SYN are higher (choose_numbers()), and if the client's numbers
 * grew faster than our clock, the backend's ACK is answered with RST (sp_back_event()). But an end
 * that lacks a segment must get it: unless this machine saw all acknowledged, there is time for
 * five retransmissions. The same holds if one end has sent FIN and the peer does not acknowledge,
 * as every living peer does.
 */
#include "node/lifetime.h"

#include "abi/introduce.h"

#define SETTLED_NS	1000000000ULL
#define UNSETTLED_NS	6500000000ULL
#define VANISHED_NS	30000000000ULL	/* a client on a new network is back by then */
/*
 * Pauses between retransmissions double: an end quiet for so long has tried for as long before, or
 * is gone.
 */
#define UNACKED_NS	(VANISHED_NS / 2)
/*
 * An agent must know a splice while its introduction is accepted, by the most wrong clock allowed.
 */
#define INTRODUCED_NS	((2 * SP_INTRODUCE_FRESH_S + 1) * 1000000000ULL)

static __u64 least_ns(__u64 a, __u64 b) { return a < b ? a : b; }
static __u64 most_ns(__u64 a, __u64 b) { return a > b ? a : b; }

/* @to carries the acknowledgements of @from; 0: none since the splice was made. */
static int lacks_ack(const struct sp_half_state *from, const struct sp_half_state *to)
{
	if (!to->last_ack)
		return from->bytes || from->flags & SP_STATE_FIN;
	return from->next_seq && (__s32)(from->next_seq - to->last_ack) > 0;
}

static int are_acks_known(const struct sp_lifetime *l)
{
	return l->up && !l->is_split && !l->is_agent && !l->is_shared;
}

static int is_unacked(const struct sp_lifetime *l)
{
	return are_acks_known(l) && (lacks_ack(l->up, l->down) || lacks_ack(l->down, l->up));
}

static int is_fin_unacked(const struct sp_lifetime *l)
{
	return are_acks_known(l) && ((l->up->flags & SP_STATE_FIN && lacks_ack(l->up, l->down)) ||
				     (l->down->flags & SP_STATE_FIN && lacks_ack(l->down, l->up)));
}

static int is_reset(const struct sp_lifetime *l)
{
	return !!(l->down->flags & (SP_STATE_RST | SP_STATE_PEER_RST));
}

/* A splice is never settled if other nodes carry packets of it. */
static int is_settled(const struct sp_lifetime *l)
{
	if (l->is_shared || l->is_agent)
		return 0;
	return is_reset(l) || !l->up ||
	       (l->up->last_ack == l->down->next_seq && l->down->last_ack == l->up->next_seq);
}

static __u64 closed_ns(const struct sp_limits_conf *limits, const struct sp_lifetime *l)
{
	__u64 ns = limits->closed_ns;

	if (!is_reset(l) && is_unacked(l))
		ns = most_ns(ns, limits->transitory_ns);
	if (!l->is_short)
		return ns;
	return least_ns(ns, is_settled(l) ? SETTLED_NS
			    : l->is_agent ? INTRODUCED_NS
					  : UNSETTLED_NS);
}

/* @short_ns: if room or ports run short */
static __u64 transitory_ns(const struct sp_limits_conf *limits, const struct sp_lifetime *l,
			   __u64 short_ns)
{
	__u64 ns = least_ns(limits->idle_ns, limits->transitory_ns);

	return l->is_short && !l->is_agent ? least_ns(ns, short_ns) : ns;
}

static __u64 short_transitory_ns(const struct sp_lifetime *l)
{
	if (is_fin_unacked(l))
		return UNSETTLED_NS;
	return is_unacked(l) ? UNACKED_NS : VANISHED_NS;
}

static int is_half_closed(const struct sp_lifetime *l)
{
	return !!(l->down->flags & SP_STATE_ENDS);
}

__u64 sp_lifetime_ns(const struct sp_limits_conf *limits, const struct sp_lifetime *l)
{
	if (sp_state_is_closed(l->down))
		return closed_ns(limits, l);
	if (!l->is_shared && (is_half_closed(l) || is_unacked(l)))
		return transitory_ns(limits, l, short_transitory_ns(l));
	return limits->idle_ns;
}

__u64 sp_lifetime_least_ns(const struct sp_limits_conf *limits, const struct sp_lifetime *l)
{
	if (sp_state_is_closed(l->down))
		return l->is_short ? least_ns(limits->closed_ns, SETTLED_NS) : limits->closed_ns;
	if (l->is_shared || ((l->is_split || l->is_agent) && !is_half_closed(l)))
		return limits->idle_ns;
	return transitory_ns(limits, l, is_half_closed(l) ? UNSETTLED_NS : UNACKED_NS);
}

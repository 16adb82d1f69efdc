// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation
 *
 *	closed		`closed`; while an end may still repeat something, `transitory` if that is longer
 *	half-closed	`transitory`
 *	unacknowledged	`transitory`: a sender that lives repeats at least every 2 minutes (RFC 6298, 2.5, and what
 *			kernels do), so one of the ends is gone
 *	any other	`idle`
 *
 * The two times of RFC 5382, REQ-5. What is acknowledged is known only where both directions pass this machine: in mode
 * whole, and without a shared store. With one, other proxies may carry packets of it, so `transitory` is not used.
 *
 * Where ports or room run short, a splice that is over gives way before its time. Its backend may be in TIME-WAIT: the
 * numbers of the next SYN are higher (choose_numbers()), and where the client's went faster than our clock, the
 * backend's ACK is answered with RST (sp_back_event()). But an end that lacks a segment must get it: unless all was
 * acknowledged before our eyes, there is time for five repetitions. The same holds where one end has said FIN and the
 * other one does not acknowledge it, as any end does that lives.
 */
#include "node/lifetime.h"

#include "abi/introduce.h"

#define SETTLED_NS	1000000000ULL
#define UNSETTLED_NS	6500000000ULL
#define VANISHED_NS	30000000000ULL	/* a client whose network changes is back by then */
/* Pauses between repetitions double: whoever was quiet for so long has repeated for as long before, or is gone itself. */
#define UNACKED_NS	(VANISHED_NS / 2)
/* An agent must know it for as long as its introduction is believed, also by a clock as wrong as may be. */
#define INTRODUCED_NS	((2 * SP_INTRODUCE_FRESH_S + 1) * 1000000000ULL)

static __u64 least(__u64 a, __u64 b) { return a < b ? a : b; }
static __u64 most(__u64 a, __u64 b) { return a > b ? a : b; }

/* Nothing was acknowledged since the splice was made (0), or not all. @to carries the acknowledgements. */
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

/* Where others carry packets of it, too little is known. */
static int is_settled(const struct sp_lifetime *l)
{
	if (l->is_shared || l->is_agent)
		return 0;
	return is_reset(l) || !l->up ||
	       (l->up->last_ack == l->down->next_seq && l->down->last_ack == l->up->next_seq);
}

static __u64 of_closed(const struct sp_limits_conf *limits, const struct sp_lifetime *l)
{
	__u64 ns = limits->closed_ns;

	if (!is_reset(l) && is_unacked(l))
		ns = most(ns, limits->transitory_ns);
	if (!l->is_short)
		return ns;
	return least(ns, is_settled(l) ? SETTLED_NS : l->is_agent ? INTRODUCED_NS : UNSETTLED_NS);
}

/* @short_ns: where room or ports run short */
static __u64 of_transitory(const struct sp_limits_conf *limits, const struct sp_lifetime *l, __u64 short_ns)
{
	__u64 ns = least(limits->idle_ns, limits->transitory_ns);

	return l->is_short && !l->is_agent ? least(ns, short_ns) : ns;
}

static __u64 short_of_transitory(const struct sp_lifetime *l)
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
		return of_closed(limits, l);
	if (!l->is_shared && (is_half_closed(l) || is_unacked(l)))
		return of_transitory(limits, l, short_of_transitory(l));
	return limits->idle_ns;
}

__u64 sp_lifetime_least_ns(const struct sp_limits_conf *limits, const struct sp_lifetime *l)
{
	if (sp_state_is_closed(l->down))
		return l->is_short ? least(limits->closed_ns, SETTLED_NS) : limits->closed_ns;
	if (l->is_shared || ((l->is_split || l->is_agent) && !is_half_closed(l)))
		return limits->idle_ns;
	return of_transitory(limits, l, is_half_closed(l) ? UNSETTLED_NS : UNACKED_NS);
}

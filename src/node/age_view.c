// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* age_view.c - the halves of a splice during one examination by the ager, and the clocks */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "node/age_internal.h"

#define ROOM_LEFT	8	/* divisor: free part of a nearly full table */

struct sp_tuple sp_view_front(const struct sp_view *v)
{
	return sp_tuple_reverse(&v->down->half.out);
}

void sp_view_find_up(struct sp_ager *a, struct sp_view *v)
{
	struct sp_tuple back = sp_tuple_reverse(v->down_key), front = sp_view_front(v);

	v->has_up = !sp_datapath_get(a->dp, &front, &v->up) &&
		    !memcmp(&v->up.half.out, &back, sizeof(back));
}

int sp_view_is_left(struct sp_ager *a, const struct sp_view *v)
{
	struct sp_tuple back = sp_tuple_reverse(v->down_key), front = sp_view_front(v);
	struct sp_entry up;

	return v->down->half.flags & SP_HALF_F_REQUESTS && !sp_datapath_get(a->dp, &front, &up) &&
	       !(up.half.flags & SP_HALF_F_TO_DAEMON) &&
	       up.meta.client_isn == v->down->meta.client_isn &&
	       memcmp(&up.half.out, &back, sizeof(back)) != 0;
}

/* No request was carried between the looks at @down and @up: both belong together. */
static struct sp_boundary response_of(struct sp_ager *a, const struct sp_entry *up,
				      const struct sp_entry *down)
{
	struct sp_tuple key = sp_tuple_reverse(&up->half.out);
	struct sp_entry now;

	if (up->meta.boundary.reading & SP_ASKING_MOVING || sp_datapath_get(a->dp, &key, &now) ||
	    sp_boundary_word(now.meta.boundary) != sp_boundary_word(down->meta.boundary))
		return (struct sp_boundary){ 0 };
	return sp_response_stored(&down->meta.boundary);
}

struct sp_splice sp_entries_splice(struct sp_ager *a, const struct sp_tuple *front,
				   const struct sp_entry *up, const struct sp_entry *down)
{
	struct sp_named named;
	struct sp_splice s = {
		.front = *front, .client_isn = down->meta.client_isn,
		.up = up->half, .down = down->half,
	};

	if (!(up->half.flags & SP_HALF_F_REQUESTS))
		return s;
	s.version = up->meta.version;
	s.handshake = up->meta.handshake;
	s.change = up->meta.change;
	s.boundary = sp_boundary_stored(&up->meta.boundary);
	s.response = response_of(a, up, down);
	if (!sp_datapath_named(a->dp, front, s.client_isn, &named))
		s.named = (struct sp_endpoint){ named.addr, named.port_be };
	return s;
}

struct sp_splice sp_view_splice(struct sp_ager *a, const struct sp_view *v)
{
	struct sp_tuple front = sp_view_front(v);

	return sp_entries_splice(a, &front, &v->up, v->down);
}

__u64 sp_view_seen_ns(const struct sp_view *v)
{
	__u64 down_ns = v->down->state.seen_ns, up_ns = v->up.state.seen_ns;

	return v->has_up && up_ns > down_ns ? up_ns : down_ns;
}

enum sp_splice_kind sp_view_kind(const struct sp_view *v)
{
	return v->has_up ? sp_splice_kind(&v->up.half, &v->up.meta.boundary) : SP_SPLICE_EITHER;
}

/* As the store has it from this proxy's last refresh. */
__s64 sp_view_ttl_ns(const struct sp_ager *a, const struct sp_view *v)
{
	const struct sp_tuple front = sp_view_front(v);

	return sp_timeouts_ttl_ns(a->config, a->store->ttl_ns, &front, sp_view_kind(v));
}

int sp_view_open(struct sp_ager *a, const struct sp_tuple *down_key, struct sp_entry *e,
		 struct sp_view *v)
{
	if (sp_datapath_get(a->dp, down_key, e) || !(e->half.flags & SP_HALF_F_FROM_BACKEND))
		return -ENOENT;
	*v = (struct sp_view){ .down_key = down_key, .down = e };
	return 0;
}

void sp_ager_read_clocks(struct sp_ager *a)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	a->now_real_ns = ts.tv_sec * 1000000000LL + ts.tv_nsec;
	a->now_ns = sp_now_ns();
}

__u64 sp_ager_quiet_ns(const struct sp_ager *a, __u64 seen_ns)
{
	return a->now_ns > seen_ns ? a->now_ns - seen_ns : 0;
}

int sp_ager_is_shared(const struct sp_ager *a)
{
	return sp_store_is_shared(a->store);
}

int sp_ager_is_nearly_full(struct sp_ager *a)
{
	const struct sp_count *count = sp_datapath_count(a->dp);

	return count->splices > count->max - count->max / ROOM_LEFT;
}

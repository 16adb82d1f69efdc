// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "splice.h"

#include <errno.h>
#include <time.h>

#include "base/log.h"

#define STRETCH	4096	/* entries looked at in one turn of the loop */

static struct sp_tuple keys[STRETCH];
static struct sp_entry entries[STRETCH];

static __s8 window_shift(__s8 wrote, __s8 reads)
{
	return (wrote < 0 ? 0 : wrote) - (reads < 0 ? 0 : reads);
}

static struct sp_half half_of(const struct sp_tuple *out, const struct sp_side *from, const struct sp_side *to)
{
	struct sp_half h = { .out = *out };

	h.seq_delta = to->isn_ours - from->isn_theirs;
	h.ack_delta = to->isn_theirs - from->isn_ours;
	if (from->has_ts && to->has_ts) {
		h.tsval_delta = to->tsval_ours - from->tsval_theirs;
		h.tsecr_delta = to->tsval_theirs - from->tsval_ours;
	}
	/* a scale is in force only when both ends sent one */
	h.window_shift = window_shift(from->wscale_ours < 0 ? -1 : from->wscale_theirs,
				      to->wscale_theirs < 0 ? -1 : to->wscale_ours);
	h.spliced_s = time(NULL);
	return h;
}

struct sp_splice sp_splice_make(const struct sp_tuple *front, const struct sp_side *client,
				const struct sp_tuple *back, const struct sp_side *backend, __u32 pool_id)
{
	struct sp_tuple to_client = sp_tuple_reverse(front);
	struct sp_splice s = {
		.front = *front, .up = half_of(back, client, backend), .down = half_of(&to_client, backend, client),
		.client_isn = client->isn_theirs,
	};

	s.up.pool_id = pool_id;
	s.down.pool_id = pool_id;
	s.down.flags = SP_HALF_F_FROM_BACKEND;
	s.down.spliced_s = s.up.spliced_s;
	return s;
}

int sp_splice_install(struct sp_datapath *dp, const struct sp_splice *splice, __u32 held_bytes)
{
	__u32 client_next = splice->client_isn + 1;
	struct sp_tuple from_backend = sp_tuple_reverse(&splice->up.out);
	int err = sp_datapath_put(dp, &from_backend, &splice->down, client_next, 0);

	if (err)
		return err;
	err = sp_datapath_put(dp, &splice->front, &splice->up, 0, client_next + held_bytes);
	if (err)
		sp_datapath_del(dp, &from_backend);
	return err;
}

static void put_port(struct sp_ports *ports, const struct sp_tuple *back)
{
	struct sp_endpoint to = { back->daddr, back->dport }, from = { back->saddr, back->sport };

	sp_ports_put(ports, &to, &from);
}

/* @key: client -> service. The backend's half stays a little when the port was reused: see its own age. */
static void remove_splice(struct sp_datapath *dp, struct sp_ports *ports, const struct sp_tuple *key,
			  const struct sp_entry *e)
{
	struct sp_tuple back = e->half.flags & SP_HALF_F_FROM_BACKEND ? sp_tuple_reverse(key) : e->half.out;
	struct sp_tuple peer = sp_tuple_reverse(&e->half.out);

	sp_datapath_del(dp, key);
	sp_datapath_del(dp, &peer);
	put_port(ports, &back);
}

static __u64 idle_ns(const struct sp_use *u, __u64 now_ns)
{
	return now_ns > u->seen_ns ? now_ns - u->seen_ns : 0;
}

/* Every splice has one half from its backend: that one is aged, and takes the other along. */
static void age_entry(struct sp_datapath *dp, struct sp_ports *ports, const struct sp_limits_conf *limits,
		      const struct sp_tuple *key, const struct sp_entry *e, __u64 now_ns)
{
	__u64 limit = sp_use_is_closed(&e->use) ? limits->closed_ns : limits->idle_ns;
	struct sp_tuple peer_key = sp_tuple_reverse(&e->half.out), back = sp_tuple_reverse(key);
	struct sp_entry peer;

	if (e->half.flags & SP_HALF_F_TO_DAEMON)
		limit = limits->closed_ns;
	if (idle_ns(&e->use, now_ns) < limit)
		return;
	if (e->half.flags & SP_HALF_F_TO_DAEMON) {
		sp_datapath_del(dp, key);
		return;
	}
	if (!(e->half.flags & SP_HALF_F_FROM_BACKEND))
		return;
	if (!sp_datapath_get(dp, &peer_key, &peer)) {
		struct sp_tuple peer_from = sp_tuple_reverse(&peer.half.out);

		if (__builtin_memcmp(&peer_from, key, sizeof(peer_from))) {
			/* the client's port has a newer splice, which is not ours to remove */
			sp_datapath_del(dp, key);
			put_port(ports, &back);
			return;
		}
		if (idle_ns(&peer.use, now_ns) < limit)
			return;
	}
	remove_splice(dp, ports, key, e);
}

void sp_splice_age(struct sp_ager *ager, struct sp_datapath *dp, struct sp_ports *ports,
		   const struct sp_limits_conf *limits)
{
	__u64 now_ns = sp_now_ns();
	int is_end, n;

	n = sp_datapath_walk(dp, &ager->cursor, !ager->is_walking, keys, entries, STRETCH, &is_end);
	if (n < 0) {
		ager->is_walking = 0;
		ager->counting = 0;
		return;
	}
	for (int i = 0; i < n; i++) {
		ager->counting += !!(entries[i].half.flags & SP_HALF_F_FROM_BACKEND);
		age_entry(dp, ports, limits, &keys[i], &entries[i], now_ns);
	}
	ager->is_walking = !is_end;
	if (is_end) {
		ager->splices = ager->counting;
		ager->counting = 0;
	}
}

void sp_splice_adopt(struct sp_ager *ager, struct sp_datapath *dp, struct sp_ports *ports)
{
	int is_end = 0, is_first = 1, n;
	__u32 cursor = 0;

	ager->splices = 0;
	while (!is_end) {
		n = sp_datapath_walk(dp, &cursor, is_first, keys, entries, STRETCH, &is_end);
		if (n < 0)
			break;
		is_first = 0;
		for (int i = 0; i < n; i++) {
			struct sp_endpoint to = { keys[i].saddr, keys[i].sport };
			struct sp_endpoint from = { keys[i].daddr, keys[i].dport };

			if (!(entries[i].half.flags & SP_HALF_F_FROM_BACKEND))
				continue;
			sp_ports_take(ports, &to, &from);
			ager->splices++;
		}
	}
	if (ager->splices)
		log_info("%u splices were there already, and go on", ager->splices);
}

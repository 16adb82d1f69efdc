// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "splice.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

/*
 * A turn of ageing may keep the loop from packets for a moment: 0.4 us for each
 * entry that it looks at, 8 us for each splice that it removes, and 3 ms to get
 * through an empty table of the default size. So short turns, and a pause
 * between two walks that is short against the time that an entry has.
 */
#define STRETCH		1024	/* entries looked at in one turn of the loop */
#define TURN_MS		10
#define PAUSE_MIN_MS	100
#define PAUSE_MAX_MS	5000

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

__u32 sp_kept_now(void)
{
	return time(NULL);
}

int sp_splice_install(struct sp_datapath *dp, const struct sp_splice *splice, __u32 held_bytes, __u32 kept_s)
{
	struct sp_tuple from_backend = sp_tuple_reverse(&splice->up.out);
	struct sp_use down = { .last_ack = splice->client_isn + 1 };
	struct sp_use up = { .next_seq = splice->client_isn + 1 + held_bytes, .bytes = held_bytes };
	const struct sp_tag tag = { .client_isn = splice->client_isn, .kept_s = kept_s };
	int err = sp_datapath_put(dp, &from_backend, &splice->down, &down, &tag);

	if (err)
		return err;
	err = sp_datapath_put(dp, &splice->front, &splice->up, &up, &tag);
	if (err)
		sp_datapath_del(dp, &from_backend);
	return err;
}

static void put_port(struct sp_ports *ports, const struct sp_tuple *back)
{
	struct sp_endpoint to = { back->daddr, back->dport }, from = { back->saddr, back->sport };

	sp_ports_put(ports, &to, &from);
}

static __u64 idle_ns(const struct sp_use *u, __u64 now_ns)
{
	return now_ns > u->seen_ns ? now_ns - u->seen_ns : 0;
}

static __u64 limit_of(const struct sp_entry *e, const struct sp_limits_conf *limits)
{
	/* the daemon that held it is gone, else it would have removed it: these are the longest times that it waits */
	if (e->half.flags & SP_HALF_F_TO_DAEMON)
		return limits->head_ns + limits->connect_ns + limits->closed_ns;
	return sp_use_is_closed(&e->use) ? limits->closed_ns : limits->idle_ns;
}

/*
 * Every splice has one half from its backend: that one is aged, and takes the
 * other along, unless the client's port has a newer splice by now.
 */
static void age_splice(struct sp_datapath *dp, struct sp_ports *ports, const struct sp_tuple *key,
		       const struct sp_entry *e, __u64 limit, __u64 now_ns)
{
	struct sp_tuple up_key = sp_tuple_reverse(&e->half.out), back = sp_tuple_reverse(key);
	struct sp_entry up;
	int has_up = !sp_datapath_get(dp, &up_key, &up) && !memcmp(&up.half.out, &back, sizeof(back));

	if (has_up && idle_ns(&up.use, now_ns) < limit)
		return;
	if (has_up)
		sp_datapath_del(dp, &up_key);
	sp_datapath_del(dp, key);
	put_port(ports, &back);
}

static void age_entry(struct sp_datapath *dp, struct sp_ports *ports, const struct sp_limits_conf *limits,
		      const struct sp_tuple *key, const struct sp_entry *e, __u64 now_ns)
{
	__u64 limit = limit_of(e, limits);

	if (idle_ns(&e->use, now_ns) < limit)
		return;
	if (e->half.flags & SP_HALF_F_FROM_BACKEND)
		age_splice(dp, ports, key, e, limit, now_ns);
	else if (e->half.flags & SP_HALF_F_TO_DAEMON)
		sp_datapath_del(dp, key);
}

/* The count is exact as long as nobody else writes to the table; if one did, an undisturbed walk tells. */
static void check_count(struct sp_ager *ager, struct sp_datapath *dp)
{
	const struct sp_count *count = sp_datapath_count(dp);

	if (ager->changes != count->changes || ager->counting == count->splices)
		return;
	log_warn("%u splices were counted, %u are in the table: that is right from now on", count->splices,
		 ager->counting);
	sp_datapath_counted(dp, ager->counting);
}

static unsigned int pause_ms(const struct sp_limits_conf *limits)
{
	__u64 least_ns = limits->closed_ns < limits->idle_ns ? limits->closed_ns : limits->idle_ns;
	__u64 ms = least_ns / 8 / 1000000;

	return ms < PAUSE_MIN_MS ? PAUSE_MIN_MS : ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : ms;
}

unsigned int sp_splice_age(struct sp_ager *ager, struct sp_datapath *dp, struct sp_ports *ports,
			   const struct sp_limits_conf *limits)
{
	__u64 now_ns = sp_now_ns();
	int is_end, n;

	if (!ager->is_walking) {
		ager->counting = 0;
		ager->changes = sp_datapath_count(dp)->changes;
	}
	n = sp_datapath_walk(dp, &ager->cursor, !ager->is_walking, keys, entries, STRETCH, &is_end);
	ager->is_walking = n >= 0 && !is_end;
	for (int i = 0; i < n; i++) {
		ager->counting += !!(entries[i].half.flags & SP_HALF_F_FROM_BACKEND);
		age_entry(dp, ports, limits, &keys[i], &entries[i], now_ns);
	}
	if (n >= 0 && is_end)
		check_count(ager, dp);
	return ager->is_walking ? TURN_MS : pause_ms(limits);
}

void sp_splice_adopt(struct sp_datapath *dp, struct sp_ports *ports)
{
	int is_end = 0, is_first = 1, n;
	unsigned int splices = 0;
	__u32 cursor = 0;

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
			splices++;
		}
	}
	sp_datapath_counted(dp, splices);
	if (splices)
		log_info("%u splices were there already, and go on", splices);
}

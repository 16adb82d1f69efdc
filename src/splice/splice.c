// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "splice/splice.h"

#include <time.h>

#include "base/log.h"

#define STRETCH		1024	/* entries read at once */

static struct sp_tuple keys[STRETCH];
static struct sp_entry entries[STRETCH];

static __s8 window_shift(__s8 wrote, __s8 reads)
{
	return (wrote < 0 ? 0 : wrote) - (reads < 0 ? 0 : reads);
}

static struct sp_half half_of(const struct sp_tuple *out, const struct sp_side *from,
			      const struct sp_side *to)
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
				const struct sp_tuple *back, const struct sp_side *backend,
				__u32 pool_id)
{
	struct sp_tuple to_client = sp_tuple_reverse(front);
	struct sp_splice s = {
		.front = *front, .up = half_of(back, client, backend),
		.down = half_of(&to_client, backend, client),
		.client_isn = client->isn_theirs,
	};

	s.up.pool_id = pool_id;
	s.down.pool_id = pool_id;
	s.down.flags = SP_HALF_F_FROM_BACKEND;
	s.down.spliced_s = s.up.spliced_s;
	return s;
}

void sp_splice_adopted(struct sp_splice *splice, __u16 mss, __u8 wscale)
{
	struct sp_half *halves[] = { &splice->up, &splice->down };

	for (int i = 0; i < 2; i++) {
		halves[i]->tsval_delta = sp_half_adopted(mss, wscale);
		/* from the view of the reverse half */
		halves[i]->tsecr_delta = -halves[i]->tsval_delta;
	}
}

struct sp_boundary sp_splice_response(const struct sp_splice *splice)
{
	struct sp_boundary unknown = {
		.bound = splice->boundary.bound ? SP_BOUND_UNKNOWN : SP_BOUND_NONE,
	};

	return splice->boundary.bound && splice->response.bound ? splice->response : unknown;
}

/* A name that is not kept is missed by the next request: sp_change_origin(). */
static void install_name(struct sp_datapath *dp, const struct sp_splice *splice)
{
	const struct sp_named named = {
		.client_isn = splice->client_isn, .addr = splice->named.addr,
		.port_be = splice->named.port_be,
	};

	if (sp_splice_is_named(splice))
		sp_datapath_name(dp, &splice->front, &named);
}

int sp_splice_replace(struct sp_datapath *dp, const struct sp_splice *splice,
		      const struct sp_streams *at, __u32 refreshed_s, struct sp_entry *ret_up)
{
	struct sp_tuple from_backend = sp_tuple_reverse(&splice->up.out);
	__u32 acked = at->acked ?: splice->client_isn + 1;
	struct sp_half_state down = { .last_ack = acked, .next_seq = at->backend };
	struct sp_half_state up = { .next_seq = at->client, .bytes = at->client ?
				    at->client - acked : 0, .last_ack = at->passed,
				    .window = at->window };
	struct sp_meta tag = { .client_isn = splice->client_isn, .refreshed_s = refreshed_s,
			       .version = splice->version, .change = splice->change };
	struct sp_half half = splice->down;
	int err;

	down.is_logged = at->is_logged;
	up.is_logged = at->is_logged;
	down.is_kept = at->is_kept;
	down.is_skipping = up.is_skipping = at->is_skipping;

	if (splice->up.flags & SP_HALF_F_REQUESTS) {
		tag.boundary = at->down.bound ? at->down : sp_splice_response(splice);
		half.flags |= at->down.bound ? 0 : SP_HALF_F_FETCHED;
		down.is_elsewhere = at->is_elsewhere;
	}
	err = sp_datapath_put(dp, &from_backend, &half, &down, &tag);
	if (err)
		return err;
	if (splice->up.flags & SP_HALF_F_REQUESTS) {
		tag.boundary = splice->boundary;
		tag.handshake = splice->handshake;
	}
	err = sp_datapath_replace(dp, &splice->front, &splice->up, &up, &tag, ret_up);
	if (err)
		sp_datapath_del(dp, &from_backend);
	else
		install_name(dp, splice);
	return err;
}

int sp_splice_install(struct sp_datapath *dp, const struct sp_splice *splice,
		      const struct sp_streams *at, __u32 refreshed_s)
{
	struct sp_entry old;

	return sp_splice_replace(dp, splice, at, refreshed_s, &old);
}

/*
 * Else two proxies that each report a different end would leave one proxy with both ends, and no
 * further report.
 */
__u8 sp_splice_ended(struct sp_datapath *dp, const struct sp_tuple *front, __u32 client_isn,
		     __u8 state)
{
	struct sp_patch note = { .front = *front, .client_isn = client_isn,
				 .flags = state & SP_STATE_TOLD };
	struct sp_half_state told = { .flags = state };
	struct sp_entry up;

	if (sp_datapath_patch(dp, &note) || sp_state_is_closed(&told) ||
	    sp_datapath_get(dp, front, &up))
		return 0;
	return up.meta.client_isn == client_isn && sp_state_is_closed(&up.state) ?
	       up.state.flags & SP_STATE_ENDS : 0;
}

enum sp_fin_verdict sp_splice_judge(struct sp_datapath *dp, const struct sp_tuple *tuple,
				    __u32 client_isn,
				    const struct sp_fin *fin)
{
	struct sp_entry own, peer;
	struct sp_tuple peer_key;

	if (sp_datapath_get(dp, tuple, &own) || own.half.flags & SP_HALF_F_TO_DAEMON ||
	    own.meta.client_isn != client_isn)
		return SP_FIN_UNKNOWN;
	peer_key = sp_tuple_reverse(&own.half.out);
	if (sp_datapath_get(dp, &peer_key, &peer) || peer.meta.client_isn != client_isn)
		return SP_FIN_UNKNOWN;
	return sp_fin_judge(fin, &own.state, &peer.state);
}

void sp_splice_recount(struct sp_datapath *dp, struct sp_ports *ports)
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
			sp_port_reserve(ports, &to, &from);
			sp_datapath_found(dp, &keys[i], &entries[i]);
			splices++;
		}
	}
	sp_datapath_counted(dp, splices);
	if (splices)
		log_info("%u splices were there already, and go on", splices);
}

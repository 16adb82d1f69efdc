// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* chunks.c - a chunked body is followed from size line to size line, as a head is */
#include "proxy/chunks.h"

#include "l7/http1_chunk.h"
#include "proxy/stay.h"
#include "proxy/turn.h"

/* @ret: the bytes of whole chunks, and the data of a last chunk in part */
static enum sp_parse_verdict take_chunks(struct sp_proxy *p, struct sp_conn *c,
					 struct sp_request *ret)
{
	const char *buf = sp_conn_buf(p->conns, c);
	struct sp_http1_chunk chunk;
	enum sp_parse_verdict v = SP_PARSE_OK;

	*ret = (struct sp_request){ .bound = c->begins };
	while (v == SP_PARSE_OK && ret->bound != SP_BOUND_STOP && ret->bytes < c->reasm.len) {
		v = sp_http1_chunk_parse(buf + ret->bytes, c->reasm.len - ret->bytes,
					 ret->bound == SP_BOUND_CHUNK_END, &chunk);
		if (v != SP_PARSE_OK)
			break;
		ret->bytes += chunk.head_len + chunk.data_len;
		ret->bound = chunk.is_last ? SP_BOUND_STOP : SP_BOUND_CHUNK_END;
	}
	return v;
}

/* The backend has got a part of the message, and gets no more. */
static struct sp_next refuse_body(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_leg leg = sp_leg_look(p, c);

	p->node.counters.requests_refused++;
	if (leg.state == SP_LEG_BUSY && leg.down.meta.boundary.bound == SP_BOUND_HEAD &&
	    leg.down.state.next_seq == leg.down.meta.boundary.until) {
		c->is_reply = 1;
		c->status = 400;
		return sp_turn_move(p, c, &leg);
	}
	sp_leg_break(p, c);
	return sp_next(SP_NEXT_END, "a chunk of its body is malformed");
}

struct sp_next sp_chunks_go(struct sp_proxy *p, struct sp_conn *c)
{
	enum sp_parse_verdict v = take_chunks(p, c, &c->request);
	struct sp_leg leg;

	if (v == SP_PARSE_BAD)
		return refuse_body(p, c);
	if (!c->request.bytes)
		return sp_next(SP_NEXT_STASH, "a size line is incomplete");
	leg = sp_leg_look(p, c);
	return sp_stay_commit(p, c, &leg);
}

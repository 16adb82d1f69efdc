// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * response.c - how the end of a response is known
 *
 * Theory of operation
 *
 * The boundary of the half from the backend says what comes next there (enum sp_bound). Where that
 * is a head or a size line, the datapath carries the packets and copies them to the daemon, which
 * moves the boundary behind what it has read: to the next size line, or to the end of the response,
 * where the datapath stops. So the state of a response lies in the half, and outlives the daemon.
 *
 * Most heads and size lines are whole in a packet. The rest, and packets behind a gap, wait in a
 * small table. If a copy is lost, or the table is full, the end of the response is not known:
 * requests of the same pool go on, and others wait until the backend has ended.
 */
#include "proxy/response.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "l7/http1_chunk.h"
#include "l7/http1_response.h"
#include "proxy/forward.h"
#include "tcp/reasm.h"
#include "tcp/relay.h"

#define SLOTS		256
#define ROOM		(128 * 1024)	/* a head of 64 KiB, and what is in flight behind a gap */

/* @key: what the half from the backend matches; @base: number of the first byte in @buf */
struct slot {
	struct sp_tuple	key;
	__u32		base;
	__u64		used_ns;
	struct sp_reasm	reasm;
	char		*buf;		/* NULL: free */
};

struct sp_responses {
	struct slot	slots[SLOTS];
};

int sp_responses_new(struct sp_responses **ret_responses)
{
	*ret_responses = calloc(1, sizeof(**ret_responses));
	return *ret_responses ? 0 : -ENOMEM;
}

static void free_slot(struct slot *s)
{
	free(s->buf);
	s->buf = NULL;
}

void sp_responses_free(struct sp_responses *responses)
{
	for (int i = 0; responses && i < SLOTS; i++)
		free_slot(&responses->slots[i]);
	free(responses);
}

static struct slot *slot_of(struct sp_proxy *p, const struct sp_tuple *key)
{
	return &p->responses->slots[sp_conns_hash(p->conns, key) % SLOTS];
}

static struct slot *find_slot(struct sp_proxy *p, const struct sp_tuple *key)
{
	struct slot *s = slot_of(p, key);

	return s->buf && !memcmp(&s->key, key, sizeof(*key)) ? s : NULL;
}

/* A slot in use for longer than a retransmission takes gives way. */
#define SLOT_NS	3000000000ULL

static struct slot *take_slot(struct sp_proxy *p, const struct sp_tuple *key, __u32 base)
{
	struct slot *s = slot_of(p, key);
	__u64 now_ns = sp_now_ns();

	if (s->buf && now_ns - s->used_ns < SLOT_NS)
		return NULL;
	free_slot(s);
	*s = (struct slot){ .key = *key, .base = base, .used_ns = now_ns, .buf = malloc(ROOM) };
	return s->buf ? s : NULL;
}

/* ---- what was read ---- */

/* @boundary: of the half from the backend, as it moves; @is_tunnel: it has become one */
struct reading {
	struct sp_boundary	boundary;
	int			is_tunnel;
};

static enum sp_parse_verdict read_head(struct reading *r, const char *bytes, size_t len)
{
	const struct sp_http1_request_kind of = {
		.is_head = !!(r->boundary.reading & SP_READING_NO_BODY),
		.is_connect = !!(r->boundary.reading & SP_READING_CONNECT),
	};
	static struct sp_http1_response head;
	enum sp_parse_verdict v = sp_http1_response_parse(bytes, len, &of, &head);
	const struct sp_http1_framing *f = &head.framing;
	__u32 end = r->boundary.until + head.head_len;
	__u8 reading = r->boundary.reading;

	if (v != SP_PARSE_OK)
		return v;
	if (head.status < 200 && head.status != 101) {
		r->boundary.until = end;
		return v;
	}
	r->is_tunnel = (head.status == 101 && reading & SP_READING_UPGRADE) ||
		       (head.status < 300 && head.status != 101 && reading & SP_READING_CONNECT);
	if (r->is_tunnel || head.status == 101 || f->body == SP_HTTP1_BODY_CLOSE ||
	    !f->is_persistent)
		r->boundary = sp_boundary_make(end, 0, SP_BOUND_NONE, reading);
	else if (f->body == SP_HTTP1_BODY_CHUNKED)
		r->boundary = sp_boundary_make(end, 0, SP_BOUND_CHUNK, reading);
	else
		r->boundary = sp_boundary_make(end, f->length, SP_BOUND_STOP, reading);
	return v;
}

static enum sp_parse_verdict read_chunk(struct reading *r, const char *bytes, size_t len)
{
	struct sp_http1_chunk chunk;
	enum sp_parse_verdict v = sp_http1_chunk_parse(bytes, len,
						       r->boundary.bound == SP_BOUND_CHUNK_END,
						       &chunk);

	if (v != SP_PARSE_OK)
		return v;
	r->boundary = sp_boundary_make(r->boundary.until + chunk.head_len, chunk.data_len,
				       chunk.is_last ? SP_BOUND_STOP : SP_BOUND_CHUNK_END,
				       r->boundary.reading);
	return v;
}

static int is_read(const struct sp_boundary *b)
{
	return b->bound == SP_BOUND_HEAD || b->bound == SP_BOUND_CHUNK ||
	       b->bound == SP_BOUND_CHUNK_END;
}

/* @bytes: the stream from @at on. */
static enum sp_parse_verdict read_stream(struct reading *r, const char *bytes, __u32 at, size_t len)
{
	enum sp_parse_verdict v = SP_PARSE_OK;

	while (v == SP_PARSE_OK && is_read(&r->boundary) && !r->boundary.laps) {
		__u32 skip = r->boundary.until - at;

		if (skip >= len)
			break;
		v = r->boundary.bound == SP_BOUND_HEAD ?
			read_head(r, bytes + skip, len - skip) :
			read_chunk(r, bytes + skip, len - skip);
	}
	return v;
}

/* ---- packets ---- */

static int set_boundary(struct sp_proxy *p, const struct sp_entry *down, const struct reading *r)
{
	struct sp_patch patch = {
		.front = sp_tuple_reverse(&down->half.out), .client_isn = down->meta.client_isn,
		.sets = SP_PATCH_DOWN | SP_PATCH_IF_DOWN, .version = down->meta.version,
		.becomes = down->meta.version, .down = r->boundary,
		.was_down = down->meta.boundary,
	};

	if (r->is_tunnel) {
		patch.sets |= SP_PATCH_UP;
		patch.up.bound = SP_BOUND_NONE;
		p->node.counters.tunnels++;
	}
	return sp_datapath_patch(p->node.dp, &patch);
}

/* Bytes in the slot that are read or skipped go. */
static void shrink_slot(struct slot *s, const struct sp_boundary *b)
{
	__u32 read = b->until - s->base;

	if (!is_read(b) || b->laps || read >= s->reasm.top) {
		free_slot(s);
		return;
	}
	sp_reasm_skip(&s->reasm, s->buf, read);
	s->base = b->until;
}

static enum sp_parse_verdict read_slot(struct sp_proxy *p, struct slot *s, struct reading *r,
				       const struct sp_segment *seg)
{
	enum sp_parse_verdict v;

	s->used_ns = sp_now_ns();
	sp_reasm_add(&s->reasm, s->buf, ROOM, (__s32)(seg->seq - s->base), seg->payload,
		     seg->payload_len);
	v = read_stream(r, s->buf, s->base, s->reasm.len);
	if (v == SP_PARSE_INCOMPLETE && s->reasm.len == ROOM)
		return SP_PARSE_BAD;
	shrink_slot(s, &r->boundary);
	return v;
}

static enum sp_parse_verdict keep_rest(struct sp_proxy *p, struct reading *r,
				       const struct sp_segment *seg)
{
	struct slot *s = take_slot(p, &seg->tuple, r->boundary.until);

	return s ? read_slot(p, s, r, seg) : SP_PARSE_BAD;
}

static enum sp_parse_verdict read_segment(struct sp_proxy *p, struct reading *r,
					  const struct sp_segment *seg)
{
	struct slot *s = find_slot(p, &seg->tuple);
	__s32 ahead = r->boundary.until - seg->seq;
	enum sp_parse_verdict v;

	if (s && s->base != r->boundary.until)
		free_slot(s);	/* of a response before */
	else if (s)
		return read_slot(p, s, r, seg);
	if (ahead < 0)
		return keep_rest(p, r, seg);
	v = read_stream(r, seg->payload, seg->seq, seg->payload_len);
	return v == SP_PARSE_INCOMPLETE ? keep_rest(p, r, seg) : v;
}

/* Return: 0; -1: the end of the response is not known any more. */
static void read_payload(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg)
{
	struct reading r = { .boundary = down->meta.boundary };
	enum sp_parse_verdict v = SP_PARSE_BAD;

	if (!is_read(&r.boundary) || !seg->payload_len)
		return;
	if (!(r.boundary.reading & SP_READING_LOST))
		v = read_segment(p, &r, seg);
	if (v == SP_PARSE_BAD) {
		r.boundary.bound = SP_BOUND_UNKNOWN;
		p->node.counters.responses_unknown++;
	}
	if (!memcmp(&r.boundary, &down->meta.boundary, sizeof(r.boundary)))
		return;
	/* the datapath may have read the same head, or lost a copy, meanwhile */
	if (set_boundary(p, down, &r) == -EAGAIN)
		sp_datapath_get(p->node.dp, &seg->tuple, down);
	else
		down->meta.boundary = r.boundary;
}

/* ---- the backend ends ---- */

static int is_complete(const struct sp_entry *down, __u32 end)
{
	const struct sp_boundary *b = &down->meta.boundary;

	return (b->bound == SP_BOUND_STOP || b->bound == SP_BOUND_GONE) && !b->laps &&
	       end == b->until;
}

/*
 * Between two responses the client need not hear of it. Return: 0; -EAGAIN: a boundary has moved,
 * perhaps for a request that the datapath has just carried.
 */
static int note_end(struct sp_proxy *p, struct sp_entry *down, int is_acked)
{
	struct sp_patch patch = {
		.front = sp_tuple_reverse(&down->half.out), .client_isn = down->meta.client_isn,
		.sets = SP_PATCH_DOWN | SP_PATCH_IF_DOWN, .version = down->meta.version,
		.becomes = down->meta.version, .down = down->meta.boundary,
		.was_down = down->meta.boundary,
	};
	struct sp_entry up;

	patch.down.reading |= SP_READING_ENDED;
	if (is_acked && !sp_datapath_get(p->node.dp, &patch.front, &up)) {
		patch.down.bound = SP_BOUND_GONE;
		patch.up = patch.was_up = up.meta.boundary;
		patch.up.bound = SP_BOUND_GONE;
		patch.sets |= SP_PATCH_UP | SP_PATCH_IF_UP;
	}
	return sp_datapath_patch(p->node.dp, &patch);
}

static int has_client_acked(struct sp_proxy *p, const struct sp_entry *down)
{
	struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	struct sp_entry up;

	return !sp_datapath_get(p->node.dp, &front, &up) &&
	       up.state.last_ack == down->meta.boundary.until;
}

static void forward_end(struct sp_proxy *p, const struct sp_entry *down,
			const struct sp_segment *seg)
{
	p->node.counters.relayed++;
	sp_forward(p, &down->half, down->meta.client_isn, seg, SP_RELAY_MSS);
}

static int on_rst(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg)
{
	if (!is_complete(down, down->state.next_seq) || down->state.flags & SP_STATE_PEER_FIN)
		forward_end(p, down, seg);
	else if (seg->seq != down->state.next_seq)
		return 0;	/* not in the stream (RFC 5961, 3) */
	else if (!has_client_acked(p, down))
		forward_end(p, down, seg);	/* the rest is lost */
	else
		return note_end(p, down, 1);
	return 0;
}

/* The client has closed, or the response is not complete: it has to hear. */
static int is_for_client(const struct sp_entry *down, __u32 end)
{
	return down->state.flags & SP_STATE_PEER_FIN || !is_complete(down, end);
}

static int on_fin(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg)
{
	struct sp_segment data = *seg;
	int is_acked, err;

	if (is_for_client(down, seg->seq + seg->payload_len)) {
		forward_end(p, down, seg);
		return 0;
	}
	data.flags &= ~SP_TCP_FIN;
	if (seg->payload_len)
		forward_end(p, down, &data);
	is_acked = has_client_acked(p, down);
	err = note_end(p, down, is_acked);
	if (!err && is_acked)
		sp_forward_reset(p, seg);
	return err;
}

/* A server's bytes without a request, as a 408 of an idle connection, must not reach the client. */
static int on_beyond(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg)
{
	__u32 own = down->meta.boundary.until - seg->seq;
	struct sp_segment data = *seg;

	p->node.counters.responses_excess++;
	if (own && own < seg->payload_len) {
		data.payload_len = own;
		forward_end(p, down, &data);
	}
	return note_end(p, down, 0);
}

static int take_segment(struct sp_proxy *p, const struct sp_segment *seg, int is_copy)
{
	struct sp_entry down;

	if (sp_datapath_get(p->node.dp, &seg->tuple, &down) ||
	    !(down.half.flags & SP_HALF_F_REQUESTS))
		return 0;
	if (seg->flags & SP_TCP_RST)
		return on_rst(p, &down, seg);
	read_payload(p, &down, seg);
	if (is_copy)
		return 0;
	if (seg->flags & SP_TCP_FIN)
		return on_fin(p, &down, seg);
	if (is_complete(&down, down.meta.boundary.until))
		return on_beyond(p, &down, seg);
	forward_end(p, &down, seg);
	return 0;
}

/* The datapath moves boundaries meanwhile, but hardly twice. */
#define TRIES	3

void sp_response_segment(struct sp_proxy *p, const struct sp_segment *seg, int is_copy)
{
	int err = -EAGAIN;

	for (int i = 0; i < TRIES && err == -EAGAIN; i++)
		err = take_segment(p, seg, is_copy);
}

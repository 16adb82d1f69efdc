// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cluster/message.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "abi/half.h"
#include "abi/introduce.h"
#include "abi/service.h"

#define RELAY_WHERE	"sp relay"
#define MEMBER_WHERE	"sp member"
#define RELAY_MAGIC	'R'
#define MEMBER_MAGIC	'M'
#define BODY		32
#define SEGMENT_PAYLOAD	92
#define MEMBER_OWNED	36
#define ENDPOINT	18
#define NO_WSCALE	255

enum { BIT_SACK = 1, BIT_TS = 2, BIT_CE = 4 };

static __u8 *put_number(__u8 *p, __u64 value, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--, value >>= 8)
		p[i] = value;
	return p + bytes;
}

static __u64 get_number(const __u8 *p, int bytes)
{
	__u64 value = 0;

	while (bytes--)
		value = value << 8 | *p++;
	return value;
}

static __u8 *put_bytes(__u8 *p, const void *bytes, size_t n)
{
	memcpy(p, bytes, n);
	return p + n;
}

static __u8 *put_endpoint(__u8 *p, const struct sp_endpoint *at)
{
	p = put_bytes(p, &at->addr, sizeof(at->addr));
	return put_bytes(p, &at->port_be, sizeof(at->port_be));
}

static const __u8 *get_endpoint(const __u8 *p, struct sp_endpoint *ret_at)
{
	memcpy(&ret_at->addr, p, sizeof(ret_at->addr));
	memcpy(&ret_at->port_be, p + sizeof(ret_at->addr), sizeof(ret_at->port_be));
	return p + ENDPOINT;
}

#define PROGRESS_BYTES	(BODY + sizeof(struct sp_tuple) + 28 + SP_SEAL_TAIL_BYTES)
#define ENDS_BYTES	(BODY + sizeof(struct sp_tuple) + 8 + SP_SEAL_TAIL_BYTES)
_Static_assert(SP_INTRODUCE_TOGETHER == SP_MESSAGES_BYTES_MAX / sizeof(struct sp_introduce),
	       "abi/introduce.h: together");

size_t sp_message_unit(enum sp_message_kind kind)
{
	switch (kind) {
	case SP_MESSAGE_ENDS: return ENDS_BYTES;
	case SP_MESSAGE_PROGRESS: return PROGRESS_BYTES;
	case SP_MESSAGE_INTRODUCE: return sizeof(struct sp_introduce);
	default: return 0;
	}
}

size_t sp_message_step(const void *bytes, size_t len)
{
	const __u8 *head = bytes;
	size_t unit = len > BODY && head[4] == RELAY_MAGIC ? sp_message_unit(head[6]) : 0;

	return unit && len % unit == 0 ? unit : len;
}

static __u8 *put_hello(__u8 *p, const struct sp_message *m)
{
	p = put_number(p, (__u64)m->state << 24 | m->can << 16 | m->mtu, 4);
	p = put_number(p, m->splices, 4);
	p = put_number(p, m->state == SP_MEMBER_AGENT ? m->adopts :
		       (__u64)m->live << 32 | m->survivable, 8);
	return put_number(p, m->said_ms, 8);
}

static __u8 *put_segment(__u8 *p, const struct sp_message *m)
{
	const struct sp_segment *s = &m->segment;

	assert(s->payload_len <= SP_MESSAGE_CHUNK);
	p = put_bytes(p, &s->tuple, sizeof(s->tuple));
	p = put_number(p, s->seq, 4);
	p = put_number(p, s->ack, 4);
	p = put_number(p, s->tsval, 4);
	p = put_number(p, s->tsecr, 4);
	p = put_number(p, s->window, 2);
	p = put_number(p, s->mss, 2);
	*p++ = s->wscale < 0 ? NO_WSCALE : s->wscale;
	*p++ = s->flags;
	*p++ = (s->is_sack ? BIT_SACK : 0) | (s->has_ts ? BIT_TS : 0) | (s->is_ce ? BIT_CE : 0);
	*p++ = m->event;
	return s->payload_len ? put_bytes(p, s->payload, s->payload_len) : p;
}

static __u8 *put_ends(__u8 *p, const struct sp_message *m)
{
	p = put_bytes(p, &m->ends.front, sizeof(m->ends.front));
	p = put_number(p, m->ends.client_isn, 4);
	return put_number(p, (__u64)m->ends.state << 24 | m->ends.version << 16, 4);
}

static __u8 *put_fin(__u8 *p, const struct sp_message *m)
{
	p = put_ends(p, m);
	p = put_number(p, m->fin.seq, 4);
	p = put_number(p, m->fin.end, 4);
	p = put_number(p, m->fin.ack, 4);
	return put_number(p, 0, 4);
}

static __u8 *put_progress(__u8 *p, const struct sp_message *m)
{
	const struct sp_progress *said = &m->progress;

	p = put_bytes(p, &said->front, sizeof(said->front));
	p = put_number(p, said->client_isn, 4);
	p = put_number(p, said->version, 4);
	p = put_number(p, said->response.laps, 2);
	p = put_number(p, said->response.until, 4);
	*p++ = said->response.bound;
	*p++ = said->response.reading;
	p = put_number(p, said->sent, 4);
	p = put_number(p, said->acked, 4);
	return put_number(p, (__u32)said->is_query << 24, 4);
}

void sp_message_put_order(__u8 *p, const struct sp_order_entry *e)
{
	p = put_number(p, e->key.pool_id, 4);
	p = put_bytes(p, &e->key.port_be, sizeof(e->key.port_be));
	p = put_number(p, e->key.what, 2);
	p = put_bytes(p, &e->key.addr, sizeof(e->key.addr));
	p = put_number(p, e->order.value, 4);
	p = put_number(p, 0, 4);
	p = put_number(p, e->order.stamp, 8);
	put_number(p, e->order.from, 8);
}

struct sp_order_entry sp_message_get_order(const __u8 *p)
{
	struct sp_order_entry e = {
		.key = { .pool_id = get_number(p, 4), .what = get_number(p + 6, 2) },
		.order = { .value = get_number(p + 24, 4), .stamp = get_number(p + 32, 8),
			   .from = get_number(p + 40, 8) },
	};

	memcpy(&e.key.port_be, p + 4, sizeof(e.key.port_be));
	memcpy(&e.key.addr, p + 8, sizeof(e.key.addr));
	return e;
}

static __u8 *put_orders(__u8 *p, const struct sp_message *m)
{
	assert(m->order_count <= SP_MESSAGE_ORDERS_MAX);
	p = put_number(p, m->digest, 8);
	return m->order_count ? put_bytes(p, m->orders, m->order_count * SP_MESSAGE_ORDER_BYTES) :
	       p;
}

/* The layout that the datapath reads. */
_Static_assert(SP_INTRODUCE_KIND == SP_MESSAGE_INTRODUCE, "abi/introduce.h: kind");
_Static_assert(SP_INTRODUCE_VERSION == SP_MESSAGE_VERSION, "abi/introduce.h: version");
_Static_assert(SP_INTRODUCE_FORMAT == SP_SEAL_FORMAT, "abi/introduce.h: format");
_Static_assert(offsetof(struct sp_introduce, front) == BODY, "abi/introduce.h: head");

static __u8 *put_introduce(__u8 *p, const struct sp_message *m)
{
	const struct sp_half *up = &m->splice.up;
	const struct sp_introduce said = {
		.front = m->splice.front, .back = up->out,
		.client_isn = htonl(m->splice.client_isn),
		.spliced_s = htonl(up->spliced_s), .refreshed_s = htonl(m->refreshed_s),
		.seq_delta = htonl(up->seq_delta), .ack_delta = htonl(up->ack_delta),
		.tsval_delta = htonl(up->tsval_delta), .tsecr_delta = htonl(up->tsecr_delta),
		.pool_id = htonl(up->pool_id), .half_version = htons(up->version),
		.up_shift = up->window_shift, .down_shift = m->splice.down.window_shift,
		.flags = up->flags,
		.mss = htons(up->mss),
	};

	return put_bytes(p, &said.front, offsetof(struct sp_introduce, mac) - BODY);
}

size_t sp_message_write(const struct sp_seal *seal, const struct sp_message *m, __u8 *buf)
{
	const __u8 head[4] = { RELAY_MAGIC, SP_MESSAGE_VERSION, m->kind, 0 };
	__u8 *p = put_bytes(buf + SP_SEAL_HEAD_BYTES, head, sizeof(head));
	size_t len;

	p = put_number(p, m->from, 8);
	p = put_number(p, m->started_ns, 8);
	p = put_number(p, m->seq, 8);
	switch (m->kind) {
	case SP_MESSAGE_HELLO: p = put_hello(p, m); break;
	case SP_MESSAGE_SEGMENT: p = put_segment(p, m); break;
	case SP_MESSAGE_ENDS: p = put_ends(p, m); break;
	case SP_MESSAGE_FIN: p = put_fin(p, m); break;
	case SP_MESSAGE_PROGRESS: p = put_progress(p, m); break;
	case SP_MESSAGE_INTRODUCE: p = put_introduce(p, m); break;
	case SP_MESSAGE_ORDERS: p = put_orders(p, m); break;
	case SP_MESSAGE_NONE:
	case SP_MESSAGE_KIND_COUNT:
		assert(0);
	}
	len = p - buf + SP_SEAL_TAIL_BYTES;
	sp_seal_close(seal, RELAY_WHERE, sizeof(RELAY_WHERE) - 1, buf, len);
	return len;
}

static enum sp_message_refusal map_refusal(enum sp_seal_refusal refusal)
{
	switch (refusal) {
	case SP_SEAL_OK: return SP_MESSAGE_OK;
	case SP_SEAL_LENGTH: return SP_MESSAGE_REFUSED_LENGTH;
	case SP_SEAL_MAGIC: return SP_MESSAGE_REFUSED_MAGIC;
	case SP_SEAL_VERSION: return SP_MESSAGE_REFUSED_VERSION;
	case SP_SEAL_FOREIGN: return SP_MESSAGE_REFUSED_FOREIGN;
	case SP_SEAL_FORGED: return SP_MESSAGE_REFUSED_FORGED;
	case SP_SEAL_POINTER:
	case SP_SEAL_COUNT:
		break;
	}
	return SP_MESSAGE_REFUSED_MALFORMED;
}

/* Check seal, magic and version of a message or a record. */
static enum sp_message_refusal open_text(const struct sp_seal *seal, const char *where, __u8 magic,
					 const __u8 *bytes, size_t len, size_t least)
{
	enum sp_message_refusal refusal =
		map_refusal(sp_seal_open(seal, where, strlen(where), bytes, len));

	if (refusal != SP_MESSAGE_OK)
		return refusal;
	if (len < least)
		return SP_MESSAGE_REFUSED_LENGTH;
	if (bytes[4] != magic)
		return SP_MESSAGE_REFUSED_MAGIC;
	return bytes[5] == SP_MESSAGE_VERSION ? SP_MESSAGE_OK : SP_MESSAGE_REFUSED_VERSION;
}

static enum sp_message_refusal get_hello(const __u8 *p, size_t len, struct sp_message *m)
{
	if (len != 24)
		return SP_MESSAGE_REFUSED_LENGTH;
	if (p[0] >= SP_MEMBER_STATE_COUNT || p[1] & ~SP_CAN_ALL)
		return SP_MESSAGE_REFUSED_MALFORMED;
	m->state = p[0];
	m->can = p[1];
	m->mtu = get_number(p + 2, 2);
	m->splices = get_number(p + 4, 4);
	if (m->state == SP_MEMBER_AGENT) {
		m->adopts = get_number(p + 8, 8);
	} else {
		m->live = get_number(p + 8, 4);
		m->survivable = get_number(p + 12, 4);
	}
	m->said_ms = get_number(p + 16, 8);
	return SP_MESSAGE_OK;
}

/* Both ends have the same family and a port. */
static int is_tuple(const struct sp_tuple *t)
{
	return sp_addr_is_v4(&t->saddr) == sp_addr_is_v4(&t->daddr) && t->sport && t->dport;
}

static int is_wscale(__u8 wscale)
{
	return wscale <= SP_WSCALE_MAX || wscale == NO_WSCALE;
}

static int is_event(__u8 event)
{
	return event == SP_EVENT_FRONT || event == SP_EVENT_BACK || event == SP_EVENT_MISS;
}

static enum sp_message_refusal get_segment(const __u8 *p, size_t len, struct sp_message *m)
{
	const size_t head = SEGMENT_PAYLOAD - BODY;
	struct sp_segment *s = &m->segment;

	if (len < head || len > head + SP_MESSAGE_CHUNK)
		return SP_MESSAGE_REFUSED_LENGTH;
	memcpy(&s->tuple, p, sizeof(s->tuple));
	s->seq = get_number(p + 36, 4);
	s->ack = get_number(p + 40, 4);
	s->tsval = get_number(p + 44, 4);
	s->tsecr = get_number(p + 48, 4);
	s->window = get_number(p + 52, 2);
	s->mss = get_number(p + 54, 2);
	s->wscale = p[56] == NO_WSCALE ? -1 : p[56];
	s->flags = p[57];
	s->is_sack = !!(p[58] & BIT_SACK);
	s->has_ts = !!(p[58] & BIT_TS);
	s->is_ce = !!(p[58] & BIT_CE);
	m->event = p[59];
	s->payload = p + head;
	s->payload_len = len - head;
	if (!is_tuple(&s->tuple) || !is_event(p[59]) || !is_wscale(p[56]) ||
	    p[58] & ~(BIT_SACK | BIT_TS | BIT_CE))
		return SP_MESSAGE_REFUSED_MALFORMED;
	return SP_MESSAGE_OK;
}

static enum sp_message_refusal get_ends(const __u8 *p, size_t len, struct sp_message *m)
{
	if (len != sizeof(m->ends.front) + 8)
		return SP_MESSAGE_REFUSED_LENGTH;
	memcpy(&m->ends.front, p, sizeof(m->ends.front));
	m->ends.client_isn = get_number(p + 36, 4);
	m->ends.state = p[40];
	m->ends.version = p[41];
	if (!is_tuple(&m->ends.front) || p[40] & ~SP_STATE_TOLD || get_number(p + 42, 2) ||
	    (p[41] && p[40] != SP_STATE_MOVED))
		return SP_MESSAGE_REFUSED_MALFORMED;
	return SP_MESSAGE_OK;
}

static enum sp_message_refusal get_fin(const __u8 *p, size_t len, struct sp_message *m)
{
	const size_t ends = sizeof(m->ends.front) + 8;
	enum sp_message_refusal refusal;

	if (len != ends + 16)
		return SP_MESSAGE_REFUSED_LENGTH;
	refusal = get_ends(p, ends, m);
	m->fin.seq = get_number(p + ends, 4);
	m->fin.end = get_number(p + ends + 4, 4);
	m->fin.ack = get_number(p + ends + 8, 4);
	if (m->ends.state || m->ends.version || get_number(p + ends + 12, 4))
		return SP_MESSAGE_REFUSED_MALFORMED;
	return refusal;
}

static int is_progress(const struct sp_progress *said, __u32 kind)
{
	int is_empty = !said->response.bound && !said->response.until && !said->response.laps &&
		       !said->response.reading && !said->sent && !said->acked;

	return is_tuple(&said->front) && sp_response_is_stored(&said->response) &&
	       (kind == 0 || (kind == 1U << 24 && is_empty));
}

static enum sp_message_refusal get_progress(const __u8 *p, size_t len, struct sp_message *m)
{
	struct sp_progress *said = &m->progress;

	if (len != PROGRESS_BYTES - BODY - SP_SEAL_TAIL_BYTES)
		return SP_MESSAGE_REFUSED_LENGTH;
	memcpy(&said->front, p, sizeof(said->front));
	said->client_isn = get_number(p + 36, 4);
	said->version = get_number(p + 40, 4);
	said->response.laps = get_number(p + 44, 2);
	said->response.until = get_number(p + 46, 4);
	said->response.bound = p[50];
	said->response.reading = p[51];
	said->sent = get_number(p + 52, 4);
	said->acked = get_number(p + 56, 4);
	said->is_query = p[60];
	return is_progress(said, get_number(p + 60, 4)) ? SP_MESSAGE_OK :
	       SP_MESSAGE_REFUSED_MALFORMED;
}

/* The same checks as in bpf/introduce.bpf.h. */
static enum sp_message_refusal get_introduce(const __u8 *p, size_t len, struct sp_message *m)
{
	struct sp_half *up = &m->splice.up;
	struct sp_introduce said;

	if (len != offsetof(struct sp_introduce, mac) - BODY)
		return SP_MESSAGE_REFUSED_LENGTH;
	memcpy(&said.front, p, len);
	if (!is_tuple(&said.front) || !is_tuple(&said.back) ||
	    !sp_half_flags_introduce(said.flags) || ntohs(said.half_version) > 0xff ||
	    ntohl(said.pool_id) > 0xffff || said.zero2)
		return SP_MESSAGE_REFUSED_MALFORMED;
	*up = (struct sp_half){
		.out = said.back, .seq_delta = ntohl(said.seq_delta),
		.ack_delta = ntohl(said.ack_delta),
		.tsval_delta = ntohl(said.tsval_delta), .tsecr_delta = ntohl(said.tsecr_delta),
		.window_shift = said.up_shift, .flags = said.flags,
		.version = ntohs(said.half_version),
		.spliced_s = ntohl(said.spliced_s), .pool_id = ntohl(said.pool_id),
		.mss = ntohs(said.mss),
	};
	m->splice.front = said.front;
	m->splice.client_isn = ntohl(said.client_isn);
	m->splice.down = sp_half_turn(up, &said.front, said.down_shift);
	m->refreshed_s = ntohl(said.refreshed_s);
	return SP_MESSAGE_OK;
}

static int is_order(const __u8 *p)
{
	return get_number(p + 6, 2) < SP_ORDER_WHAT_COUNT && !get_number(p + 28, 4);
}

static enum sp_message_refusal get_orders(const __u8 *p, size_t len, struct sp_message *m)
{
	size_t bytes = len - 8;

	if (len < 8 || bytes % SP_MESSAGE_ORDER_BYTES ||
	    bytes / SP_MESSAGE_ORDER_BYTES > SP_MESSAGE_ORDERS_MAX)
		return SP_MESSAGE_REFUSED_LENGTH;
	m->digest = get_number(p, 8);
	m->orders = p + 8;
	m->order_count = bytes / SP_MESSAGE_ORDER_BYTES;
	for (unsigned int i = 0; i < m->order_count; i++)
		if (!is_order(m->orders + (size_t)i * SP_MESSAGE_ORDER_BYTES))
			return SP_MESSAGE_REFUSED_MALFORMED;
	return SP_MESSAGE_OK;
}

enum sp_message_refusal sp_message_read(const struct sp_seal *seal, const void *bytes, size_t len,
				    struct sp_message *ret_m)
{
	enum sp_message_refusal refusal = open_text(seal, RELAY_WHERE, RELAY_MAGIC, bytes, len,
						    BODY + SP_SEAL_TAIL_BYTES);
	const __u8 *p = bytes;
	struct sp_message m = { 0 };

	if (refusal != SP_MESSAGE_OK)
		return refusal;
	m.kind = p[6];
	m.from = get_number(p + 8, 8);
	m.started_ns = get_number(p + 16, 8);
	m.seq = get_number(p + 24, 8);
	p += BODY;
	len -= BODY + SP_SEAL_TAIL_BYTES;
	switch (m.kind) {
	case SP_MESSAGE_HELLO: refusal = get_hello(p, len, &m); break;
	case SP_MESSAGE_SEGMENT: refusal = get_segment(p, len, &m); break;
	case SP_MESSAGE_ENDS: refusal = get_ends(p, len, &m); break;
	case SP_MESSAGE_FIN: refusal = get_fin(p, len, &m); break;
	case SP_MESSAGE_PROGRESS: refusal = get_progress(p, len, &m); break;
	case SP_MESSAGE_INTRODUCE: refusal = get_introduce(p, len, &m); break;
	case SP_MESSAGE_ORDERS: refusal = get_orders(p, len, &m); break;
	default: refusal = SP_MESSAGE_REFUSED_MALFORMED; break;	/* of a newer version */
	}
	if (refusal == SP_MESSAGE_OK)
		*ret_m = m;
	return refusal;
}

size_t sp_member_record_write(const struct sp_seal *seal, const struct sp_member *m, __u8 *buf)
{
	const __u8 head[4] = { MEMBER_MAGIC, SP_MESSAGE_VERSION, m->state, strlen(m->name) };
	__u8 *p = put_bytes(buf + SP_SEAL_HEAD_BYTES, head, sizeof(head));
	size_t len;

	p = put_number(p, m->started_ns, 8);
	p = put_endpoint(p, &m->relay);
	*p++ = m->owned_count;
	*p++ = m->can;
	for (unsigned int i = 0; i < m->owned_count; i++)
		p = put_endpoint(p, &m->owned[i]);
	p = put_bytes(p, m->name, strlen(m->name));
	len = p - buf + SP_SEAL_TAIL_BYTES;
	sp_seal_close(seal, MEMBER_WHERE, sizeof(MEMBER_WHERE) - 1, buf, len);
	return len;
}

/* Printable like names in a configuration, because logs show it. */
static int is_name(const __u8 *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return 0;
	return len > 0 && len <= SP_NAME_MAX;
}

enum sp_message_refusal sp_member_record_read(const struct sp_seal *seal, const void *bytes,
					      size_t len, struct sp_member *ret_m)
{
	enum sp_message_refusal refusal = open_text(seal, MEMBER_WHERE, MEMBER_MAGIC, bytes, len,
						  MEMBER_OWNED + SP_SEAL_TAIL_BYTES);
	const __u8 *p = bytes, *name;
	struct sp_member m = { 0 };
	struct sp_endpoint *at = m.owned;

	if (refusal != SP_MESSAGE_OK)
		return refusal;
	m.state = p[6];
	m.started_ns = get_number(p + 8, 8);
	get_endpoint(p + 16, &m.relay);
	m.owned_count = p[34];
	m.can = p[35];
	if (p[6] >= SP_MEMBER_STATE_COUNT || !m.relay.port_be ||
	    m.owned_count > SP_MEMBER_OWNED_MAX || m.can & ~SP_CAN_ALL)
		return SP_MESSAGE_REFUSED_MALFORMED;
	name = p + MEMBER_OWNED + m.owned_count * ENDPOINT;
	if (len != (size_t)(name - p) + p[7] + SP_SEAL_TAIL_BYTES)
		return SP_MESSAGE_REFUSED_LENGTH;
	if (!is_name(name, p[7]))
		return SP_MESSAGE_REFUSED_MALFORMED;
	memcpy(m.name, name, p[7]);
	for (p += MEMBER_OWNED; p < name; at++)
		p = get_endpoint(p, at);
	*ret_m = m;
	return SP_MESSAGE_OK;
}

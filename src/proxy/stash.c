// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation
 *
 * A head is not acknowledged (law 1), but a client sends only a limited amount unacknowledged: its
 * initial window, or a single small segment (Nagle's algorithm, RFC 1122, 4.2.3.4). If a head is
 * incomplete and the client seems to wait, the store gets the bytes. As soon as they are safe
 * there, they are acknowledged, and this proxy has to deliver them (deliver.c).
 *
 * All acknowledged bytes of a head bear the TSval that the store has for sure. A proxy that resumes
 * the head knows no later TSval, and the backend would take an earlier TSval for an old duplicate
 * (RFC 7323, 5). Bytes still held by the client bear the client's latest TSval. The echo of an
 * earlier TSval would make a retransmission look spurious (RFC 3522), and the client would wait.
 *
 * A daemon that starts, or another proxy, may resume a head (takeover.c). Some of the bytes may not
 * be safe, so the successor gives them to the store before any acknowledgement (@lent). Before the
 * splice the successor goes on as the first owner would have, after the splice by retransmission.
 */
#include <errno.h>
#include <string.h>

#include "proxy/leg.h"
#include "proxy/stash.h"

#define ACK_BYTES	8192		/* acknowledge at once when so much is new */
#define ACK_DELAY_NS	40000000ULL	/* and otherwise after this time */
#define AGAIN_NS	200000000ULL
#define LENT_TRIES	6
#define AGE_MAX_MS	2000		/* a death is known after 0.4 s */
#define TIME_LEFT_MIN_NS 1000000000ULL

static __u32 later_tsval(__u32 a, __u32 b)
{
	return (__s32)(b - a) > 0 ? b : a;
}

/* Query the store first: another proxy may have acknowledged bytes of this head. */
static int is_asked_first(struct sp_proxy *p, struct sp_conn *c)
{
	if (!sp_node_is_shared(&p->node) || c->stash != SP_STASH_UNKNOWN)
		return 0;
	c->stash = SP_STASH_ASKED;
	sp_store_read_head(p->node.store, &c->front);
	return 1;
}

/* What the parser has not seen may be of the next request. */
static __u32 head_bytes(const struct sp_conn *c)
{
	return sp_conn_reads(c) ? sp_max_bytes(c->acked, sp_min_bytes(c->parsed, c->reasm.len)) :
	       c->reasm.len;
}

static void give_bytes(struct sp_proxy *p, struct sp_conn *c)
{
	__u32 to = c->state == SP_CONN_DELIVERING ? c->acked : head_bytes(c);
	struct sp_stash_offer offer;

	c->ack_ns = 0;
	if (c->stash == SP_STASH_GIVING || c->stash == SP_STASH_ASKED ||
	    (to == c->acked && !c->lent) ||
	    is_asked_first(p, c))
		return;
	c->begun_ms = c->begun_ms ?: sp_real_ms();
	c->stash = SP_STASH_GIVING;
	c->stashing = sp_max_bytes(c->stashing, to);
	c->giving_tsval = c->client.tsval_theirs;
	offer = sp_conn_offer(c);
	sp_store_stash(p->node.store, &c->front, &offer, sp_conn_buf(p->conns, c),
				     c->is_kept ? c->acked : 0, to, sp_conn_ref(p->conns, c));
}

/*
 * The head is only on this machine. A proxy that may go on without a store does so, but gives the
 * store some time to come.
 */
static int may_go_on(struct sp_proxy *p, struct sp_conn *c, int err)
{
	if (err != -EAGAIN || c->config->store.loss != SP_LOSS_CONTINUE || c->lent > 1) {
		c->lent -= c->lent > 1;
		p->node.counters.stash_failed++;
		return 0;
	}
	p->node.counters.stash_unprotected++;
	return 1;
}

static void acknowledge_bytes(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_segment ack;
	struct sp_leg leg;

	p->node.counters.head_stashed++;
	c->acked = c->stashing;
	if (c->is_next) {
		leg = sp_leg_look(p, c);
		sp_leg_hear(p, c, &leg);
	}
	ack = sp_conn_segment(c, SP_TCP_ACK, c->acked);
	sp_wire_send(p->node.wire, &ack);
}

void sp_stash_done(struct sp_proxy *p, struct sp_conn *c, int err)
{
	/* after a refusal, the store may have more of this head: the next attempt asks first */
	c->stash = err == -ESTALE ? SP_STASH_UNKNOWN : SP_STASH_READY;
	c->is_kept = !err;
	if (c->state == SP_CONN_REPLIED || c->state == SP_CONN_ASKING)
		return;
	if (err && !may_go_on(p, c, err)) {
		c->ack_ns = sp_now_ns() + AGAIN_NS;
		return;
	}
	if (c->is_next && c->state == SP_CONN_HEAD && !sp_leg_has_all(p, c)) {
		c->lent = 1;	/* give them again */
		c->ack_ns = sp_now_ns() + ACK_DELAY_NS;
		return;
	}
	c->lent = 0;
	c->stashed_tsval = c->giving_tsval;
	if (c->state == SP_CONN_DELIVERING || (c->state != SP_CONN_HEAD && !c->acked))
		return;		/* the latter: the client retransmits all, so no TSval is needed */
	acknowledge_bytes(p, c);
	if (c->state == SP_CONN_HEAD && c->reasm.len > c->acked)
		sp_stash_grown(p, c);
}

void sp_stash_grown(struct sp_proxy *p, struct sp_conn *c)
{
	if (c->reasm.len - c->acked >= ACK_BYTES)
		give_bytes(p, c);
	else if (!c->ack_ns)
		c->ack_ns = sp_now_ns() + ACK_DELAY_NS;
}

void sp_stash_again(struct sp_conn *c)
{
	c->is_kept = 0;
	c->lent = LENT_TRIES;
	c->ack_ns = sp_now_ns();
}

static void again_if_acked(void *ctx, struct sp_conn *c)
{
	if (c->acked)
		sp_stash_again(c);
}

void sp_stash_emptied(struct sp_proxy *p)
{
	sp_conns_each(p->conns, again_if_acked, NULL);
}

void sp_stash_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	if (c->ack_ns && now_ns >= c->ack_ns)
		give_bytes(p, c);
}

/* ---- bytes acknowledged by other proxies ---- */

static void take_bytes(struct sp_proxy *p, struct sp_conn *c, const struct sp_stash_offer *offer,
		       const char *bytes,
		       __u32 len)
{
	sp_conn_put(p, c, 0, bytes, len);
	c->begun_ms = offer->begun_ms;
	c->acked = sp_max_bytes(c->acked, sp_min_bytes(len, c->reasm.len));
	c->stashing = sp_max_bytes(c->stashing, c->acked);
	c->stashed_tsval = offer->client.tsval_theirs;
	c->heard_tsval = later_tsval(c->heard_tsval, offer->client.tsval_theirs);
	if (!sp_conn_is_committing(c))
		c->client.tsval_theirs = c->heard_tsval;
	else	/* the splice can't change any more; the store will soon have this TSval */
		c->stashed_tsval = later_tsval(c->client.tsval_theirs, offer->client.tsval_theirs);
	if (sp_node_is_shared(&p->node))
		sp_stash_again(c);
}

/*
 * After the splice it is too late to learn of more acknowledged bytes: the proxy with the
 * acknowledgement has to deliver.
 */
void sp_stash_merge(struct sp_proxy *p, struct sp_conn *c, const struct sp_stash_offer *offer,
		    const char *bytes,
		    __u32 len)
{
	if (offer->client.isn_theirs != c->client.isn_theirs || offer->is_next != c->is_next ||
	    (!c->is_next && offer->client.isn_ours != c->client.isn_ours) ||
	    c->state == SP_CONN_DELIVERING || c->state == SP_CONN_REPLIED ||
	    c->state == SP_CONN_ASKING || len <= c->acked)
		return;
	p->node.counters.heads_resumed++;
	take_bytes(p, c, offer, bytes, len);
}

void sp_stash_asked(struct sp_proxy *p, struct sp_conn *c)
{
	if (c->stash != SP_STASH_ASKED)
		return;
	c->stash = SP_STASH_READY;
	if (c->state == SP_CONN_HEAD)
		give_bytes(p, c);
}

/* The time of a head counts once, however many proxies resume the head. */
static __u64 time_left_ns(const struct sp_proxy *p, const struct sp_conn *c)
{
	__u64 max_ns = c->config->limits.head_ns, now_ms = sp_real_ms(), age_ns;

	age_ns = now_ms > c->begun_ms ? (now_ms - c->begun_ms) * 1000000 : 0;
	if (!sp_node_is_shared(&p->node))
		return max_ns;
	return age_ns + TIME_LEFT_MIN_NS < max_ns ? max_ns - age_ns : TIME_LEFT_MIN_NS;
}

/* A slow head is older than its last TSval. */
static __u16 age_ms(const struct sp_conn *c)
{
	__u64 now_ms = sp_real_ms(), ms = now_ms > c->begun_ms ? now_ms - c->begun_ms : 0;

	return ms < AGE_MAX_MS ? ms : AGE_MAX_MS;
}

struct sp_conn *sp_stash_resume(struct sp_proxy *p, const struct sp_tuple *front,
				const struct sp_stash_offer *offer,
				const char *bytes, __u32 len)
{
	struct sp_conn *c = sp_conn_begin(p, front, "resumed");

	if (!c) {
		p->node.counters.pending_full += !!sp_config_service_at(p->node.config, front);
		return NULL;
	}
	p->node.counters.heads_resumed++;
	c->client = offer->client;
	c->client_isn = offer->client.isn_theirs;
	c->heard_ack = offer->client.isn_ours + 1;
	c->is_next = offer->is_next;
	c->pieces = 2;	/* the last of them may still come */
	c->heard_tsval = offer->client.tsval_theirs;
	c->mss = offer->mss;
	c->is_sack = offer->is_sack;
	c->is_ecn = offer->is_ecn;
	c->is_news = 1;
	c->stash = SP_STASH_READY;
	c->window = 65535;
	take_bytes(p, c, offer, bytes, len);
	c->stash_age_ms = c->is_next ? age_ms(c) : 0;
	c->deadline_ns = sp_now_ns() + time_left_ns(p, c);
	return c;
}

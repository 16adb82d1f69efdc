// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation
 *
 * A head is not acknowledged (law 1), but a client sends only so much that is
 * not acknowledged: its initial window, or a single small segment (Nagle's
 * algorithm, RFC 1122, 4.2.3.4). So where a head isn't whole and the client
 * seems to wait, the bytes are given to the store, and acknowledged only when
 * they are safe there. From then on they are ours to deliver: owe.c.
 *
 * All that we have acknowledged of such a head bears the TSval that the store
 * surely has: one who repeats it after us knows no later one, and the backend
 * would take an earlier one for an old duplicate (RFC 7323, 5). What the client
 * still holds bears its latest one: by the echo of an earlier one it would think
 * that its repetition was needless (RFC 3522), and wait.
 *
 * Others may have to go on with them: a daemon that starts, and another proxy
 * (heir.c says which). What they find, they give to the store as their own
 * before they acknowledge anything (@lent), since not all of what they found
 * need be safe. Before the splice they go on as if nothing had been, after it
 * with the repetition.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "proxy/proxy.h"
#include "tcp/relay.h"

#define ACK_BYTES	8192		/* acknowledge at once when so much is new */
#define ACK_DELAY_NS	40000000ULL	/* and else after this */
#define AGAIN_NS	200000000ULL
#define CLAIM_AGAIN_NS	500000000ULL	/* another proxy was at this connection: by then it has a splice, or is gone */
#define LENT_TRIES	6
#define TIME_LEFT_MIN_NS 1000000000ULL

static __u64 real_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static __u32 earlier(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

static __u32 later(__u32 a, __u32 b)
{
	return a > b ? a : b;
}

static __u32 later_tsval(__u32 a, __u32 b)
{
	return (__s32)(b - a) > 0 ? b : a;
}

static struct sp_stash_offer offer_of(const struct sp_conn *c)
{
	return (struct sp_stash_offer){
		.client = c->client, .mss = c->mss, .is_sack = c->is_sack, .is_ecn = c->is_ecn, .begun_ms = c->begun_ms,
	};
}

static void give(struct sp_proxy *p, struct sp_conn *c)
{
	__u32 to = c->state == SP_CONN_OWING ? c->acked : c->reasm.len;
	struct sp_stash_offer offer;

	c->ack_ns = 0;
	if (c->is_giving || c->is_looking || (to == c->acked && !c->lent))
		return;
	if (sp_node_is_shared(&p->node) && !c->is_looked) {
		c->is_looking = 1;
		sp_store_read_head(p->node.store, &c->front);
		return;
	}
	c->begun_ms = c->begun_ms ?: real_ms();
	c->is_giving = 1;
	c->stashing = later(c->stashing, to);
	c->giving_tsval = c->client.tsval_theirs;
	offer = offer_of(c);
	sp_store_stash(p->node.store, &c->front, &offer, sp_conn_buf(p->conns, c),
		       c->is_kept ? c->acked : 0, to, sp_conn_ref(p->conns, c));
}

/* Only this box has it. Whoever wants to go on without a store does, but gives it some time to come. */
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

void sp_stash_done(struct sp_proxy *p, struct sp_conn *c, int err)
{
	struct sp_segment ack;

	c->is_giving = 0;
	c->is_kept = !err;
	if (c->state == SP_CONN_REPLIED)
		return;
	if (err && !may_go_on(p, c, err)) {
		c->ack_ns = sp_now_ns() + AGAIN_NS;
		return;
	}
	if (c->left_by && !err) {
		sp_takeover_taken(p, &c->front, c->left_by);
		c->left_by = 0;
	}
	c->lent = 0;
	c->stashed_tsval = c->giving_tsval;
	if (c->state == SP_CONN_OWING || (c->state != SP_CONN_HEAD && !c->acked))
		return;		/* the latter: its splice need not know @stashed_tsval, and the client repeats it all */
	p->node.counters.head_stashed++;
	c->acked = c->stashing;
	ack = sp_proxy_segment(c, SP_TCP_ACK, c->acked);
	sp_wire_send(p->node.wire, &ack);
	if (c->state == SP_CONN_HEAD && c->reasm.len > c->acked)
		sp_stash_grown(p, c);
}

void sp_stash_grown(struct sp_proxy *p, struct sp_conn *c)
{
	if (c->reasm.len - c->acked >= ACK_BYTES)
		give(p, c);
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

void sp_stash_drop(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_stash_offer offer = offer_of(c);

	if (c->stashing)
		sp_store_unstash(p->node.store, &c->front, &offer, c->stashing);
	c->acked = 0;
	c->stashing = 0;
}

void sp_stash_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	if (c->ack_ns && now_ns >= c->ack_ns)
		give(p, c);
	if (c->state == SP_CONN_OWING) {
		sp_owe_tick(p, c, now_ns);
	} else if (c->again_ns && now_ns >= c->again_ns) {
		c->again_ns = 0;
		c->parsed = 0;
	}
}

/* ---- what others have acknowledged ---- */

/* By the splice that is there, if one is: as sp_owe_forward() would have left it, with what the half alone tells. */
static int owe_by(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_entry e;

	if (sp_datapath_get(p->node.dp, &c->front, &e) || e.half.flags & SP_HALF_F_TO_DAEMON ||
	    e.meta.client_isn != c->client.isn_theirs)
		return -ENOENT;
	p->node.counters.heads_owed++;
	c->up = e.half;
	c->client.tsval_theirs = c->stashed_tsval;
	c->backend.has_ts = c->client.has_ts && (e.half.tsval_delta || e.half.tsecr_delta);
	c->forward_mss = c->mss < SP_RELAY_MSS ? c->mss : SP_RELAY_MSS;
	c->is_trapped = 0;
	c->window_bytes = SP_WINDOW_UNKNOWN;
	sp_owe_begin(c);
	return 0;
}

int sp_stash_owe(struct sp_proxy *p, struct sp_conn *c)
{
	if (!c->acked || c->is_reset)
		return -ENOENT;
	if (!owe_by(p, c))
		return 0;
	c->state = SP_CONN_HEAD;
	c->parsed = c->reasm.len;
	c->again_ns = sp_now_ns() + CLAIM_AGAIN_NS;
	c->deadline_ns = sp_now_ns() + c->config->limits.head_ns;
	c->tries = 0;
	c->tried = 0;
	c->is_trapped = 0;
	sp_proxy_trap(p, c);
	return 0;
}

static void take(struct sp_proxy *p, struct sp_conn *c, const struct sp_stash_offer *offer, const char *bytes,
		 __u32 len)
{
	__u32 before = sp_head_pages(c);

	sp_reasm_add(&c->reasm, sp_conn_buf(p->conns, c), SP_CONN_BUF, 0, bytes, len);
	p->held_bytes += sp_head_pages(c) - before;
	c->begun_ms = offer->begun_ms;
	c->acked = later(c->acked, earlier(len, c->reasm.len));
	c->stashing = later(c->stashing, c->acked);
	c->stashed_tsval = offer->client.tsval_theirs;
	c->heard_tsval = later_tsval(c->heard_tsval, offer->client.tsval_theirs);
	if (c->state != SP_CONN_COMMITTING)
		c->client.tsval_theirs = c->heard_tsval;
	else	/* its splice can't change any more; the store will have that soon */
		c->stashed_tsval = later_tsval(c->client.tsval_theirs, offer->client.tsval_theirs);
	if (sp_node_is_shared(&p->node))
		sp_stash_again(c);
}

/* After the splice it is too late to learn that more was acknowledged: who did that has to deliver it. */
void sp_stash_merge(struct sp_proxy *p, struct sp_conn *c, const struct sp_stash_offer *offer, const char *bytes,
		    __u32 len)
{
	if (offer->client.isn_theirs != c->client.isn_theirs || offer->client.isn_ours != c->client.isn_ours ||
	    c->state == SP_CONN_OWING || c->state == SP_CONN_REPLIED || len <= c->acked)
		return;
	p->node.counters.heads_resumed++;
	take(p, c, offer, bytes, len);
}

void sp_stash_looked(struct sp_proxy *p, struct sp_conn *c)
{
	if (!c->is_looking)
		return;
	c->is_looking = 0;
	c->is_looked = 1;
	if (c->state == SP_CONN_HEAD)
		give(p, c);
}

/* However many proxies go on with it, a head has its time once. */
static __u64 time_left_ns(const struct sp_proxy *p, const struct sp_conn *c)
{
	__u64 max_ns = c->config->limits.head_ns, now_ms = real_ms(), age_ns;

	age_ns = now_ms > c->begun_ms ? (now_ms - c->begun_ms) * 1000000 : 0;
	if (!sp_node_is_shared(&p->node))
		return max_ns;
	return age_ns + TIME_LEFT_MIN_NS < max_ns ? max_ns - age_ns : TIME_LEFT_MIN_NS;
}

struct sp_conn *sp_stash_resume(struct sp_proxy *p, const struct sp_tuple *front, const struct sp_stash_offer *offer,
				const char *bytes, __u32 len)
{
	const struct sp_service_conf *service = sp_config_service_at(p->node.config, front);
	struct sp_conn *c = service ? sp_conn_add(p->conns, front) : NULL;

	if (!c) {
		p->node.counters.pending_full += !!service;
		return NULL;
	}
	p->node.counters.heads_resumed++;
	c->config = sp_config_get(p->node.config);
	c->service = service;
	c->client = offer->client;
	c->heard_tsval = offer->client.tsval_theirs;
	c->mss = offer->mss;
	c->is_sack = offer->is_sack;
	c->is_ecn = offer->is_ecn;
	c->is_looked = 1;
	c->window = 65535;
	take(p, c, offer, bytes, len);
	c->deadline_ns = sp_now_ns() + time_left_ns(p, c);
	if (owe_by(p, c)) {
		c->is_news = 1;
		sp_proxy_trap(p, c);
	}
	return c;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * store_redis_op.c - commits and fetches under way
 *
 *	commit	CLAIMING
 *	fetch	LOOKING, and CLAIMING when what was found may not have been chosen
 *
 * claim.c and lookup.c say what to ask and what follows; here it is sent, and
 * what comes back is checked: a record that is refused is one that isn't there,
 * and its server is taken for absent. So is a server that was started anew,
 * when it has nothing to tell: it may have forgotten. Each op ends within the
 * store's time-out. A reply finds its op by slot and generation.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/store_redis.h"

#define OPS_MAX		8192
#define BUCKETS		4096	/* of fetches, by key: a packet that misses does not come alone */
#define DUE_DIGITS	13
#define SLOT_BITS	16
#define GEN_BITS	24
#define ROUND_BITS	16

enum op_state { OP_FREE, OP_LOOKING, OP_CLAIMING };

/**
 * struct op - a commit, or a fetch
 * @key:	of a fetch
 * @front, @servers: when CLAIMING
 */
struct op {
	struct op		*next, *prev, *bucket_next;
	enum op_state		state;
	__u8			is_commit;
	__u8			servers[SP_COPIES_MAX];
	__u32			gen;
	__u64			ref;
	__u64			deadline_ns;
	struct sp_tuple		key;
	struct sp_tuple		front;
	struct sp_tuple		down;
	__u32			client_isn;
	struct sp_claim		claim;
	struct sp_lookup	lookup;
};

/* @active: in the order in which they began */
struct sp_store_ops {
	struct op	at[OPS_MAX];
	struct op	*free;
	struct op	active;
	struct op	*buckets[BUCKETS];
};

int sp_store_ops_new(struct sp_store_ops **ret_ops)
{
	struct sp_store_ops *ops = calloc(1, sizeof(*ops));

	if (!ops)
		return -ENOMEM;
	ops->active.next = &ops->active;
	ops->active.prev = &ops->active;
	for (int i = OPS_MAX - 1; i >= 0; i--) {
		ops->at[i].next = ops->free;
		ops->free = &ops->at[i];
	}
	*ret_ops = ops;
	return 0;
}

void sp_store_ops_free(struct sp_store_ops *ops)
{
	free(ops);
}

static struct op **bucket(struct sp_store_ops *ops, const struct sp_tuple *key)
{
	__u32 h = key->saddr.w[3] ^ key->daddr.w[3] ^ key->saddr.w[1] ^ key->sport ^ key->dport << 16;

	h *= 0x9e3779b1;
	return &ops->buckets[h >> 20];
}

static struct op *begin(struct sp_store_redis *l, __u64 now_ns)
{
	struct sp_store_ops *ops = l->ops;
	struct op *op = ops->free;

	if (!op) {
		l->store.counters.table_full++;
		return NULL;
	}
	ops->free = op->next;
	op->gen++;
	op->next = &ops->active;
	op->prev = ops->active.prev;
	op->prev->next = op;
	ops->active.prev = op;
	op->deadline_ns = now_ns + l->conf->timeout_ns;
	return op;
}

static void end(struct sp_store_redis *l, struct op *op)
{
	struct op **at = bucket(l->ops, &op->key);

	if (!op->is_commit) {
		while (*at != op)
			at = &(*at)->bucket_next;
		*at = op->bucket_next;
	}
	op->prev->next = op->next;
	op->next->prev = op->prev;
	op->state = OP_FREE;
	op->next = l->ops->free;
	l->ops->free = op;
}

static __u64 ref_of(const struct sp_store_redis *l, const struct op *op)
{
	__u64 gen = op->gen & ((1 << GEN_BITS) - 1), round = op->claim.round & ((1 << ROUND_BITS) - 1);

	if (op->state == OP_LOOKING)
		round = 0;
	return ((round << GEN_BITS | gen) << SLOT_BITS | (op - l->ops->at)) << SP_REF_KIND_BITS | SP_REF_OP;
}

static __u64 next_random(struct sp_store_redis *l)
{
	l->random = l->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return l->random ^ l->random >> 29;
}

/* ---- answers to whoever asked ---- */

static void commit_done(struct sp_store_redis *l, struct op *op)
{
	struct sp_store_counters *c = &l->store.counters;
	struct sp_claim claim = op->claim;
	struct sp_tuple front = op->front;
	struct sp_splice splice;
	__u64 ref = op->ref;
	int err = claim.err;

	end(l, op);
	sp_record_read(&l->seal, &front, err ? claim.record.bytes : claim.chosen.bytes,
		       err ? claim.record.len : claim.chosen.len, &splice);
	if (!err && !sp_record_is_same(&claim.chosen, &claim.record))
		err = -EEXIST;
	c->commits_ok += !err;
	c->commits_adopted += err == -EEXIST;
	c->commits_again += err == -EAGAIN;
	c->commits_contested += err == -EBUSY;
	c->commits_by_ballot += !claim.err && claim.ballot;
	if (!claim.err && (claim.ballot || claim.is_contested) && l->quorum > 1)
		sp_store_redis_keep(l, &splice, 1);
	if (err == -EAGAIN && l->conf->loss == SP_LOSS_REFUSE)
		sp_store_redis_drop(l, &splice, "F");
	l->store.events->committed(l->store.ctx, ref, err, err == -EEXIST ? &splice : NULL);
}

static void fetch_done(struct sp_store_redis *l, struct op *op, int err, const struct sp_splice *found)
{
	struct sp_store_counters *c = &l->store.counters;
	struct sp_splice splice = found ? *found : (struct sp_splice){ 0 };
	struct sp_tuple key = op->key;

	end(l, op);
	c->fetch_hits += !err;
	c->fetch_misses += err == -ENOENT;
	c->fetch_again += err == -EAGAIN;
	l->store.events->fetched(l->store.ctx, &key, err, err ? NULL : &splice);
}

static int has_half(const struct sp_splice *s, const struct sp_tuple *key)
{
	struct sp_tuple down = sp_tuple_reverse(&s->up.out);

	return !memcmp(key, &s->front, sizeof(*key)) || !memcmp(key, &down, sizeof(*key));
}

/* Of two splices that were found for one connection, the other one may have been chosen: this key leads nowhere then. */
static void fetch_settled(struct sp_store_redis *l, struct op *op)
{
	struct sp_claim *c = &op->claim;
	struct sp_splice splice;

	if (c->err || sp_record_read(&l->seal, &op->front, c->chosen.bytes, c->chosen.len, &splice)) {
		fetch_done(l, op, -EAGAIN, NULL);
		return;
	}
	sp_store_redis_keep(l, &splice, 1);
	fetch_done(l, op, has_half(&splice, &op->key) ? 0 : -ENOENT, &splice);
}

/* ---- claims ---- */

/* DUE has a fixed width, so that the one command is right for each server's clock. */
static void set_due(const struct sp_redis *r, struct sp_cmd *cmd, size_t at, const struct op *op, __u64 now_ns)
{
	__u64 left_ns = op->deadline_ns > now_ns ? op->deadline_ns - now_ns : 0;
	char text[24];

	snprintf(text, sizeof(text), "%0*llu", DUE_DIGITS, sp_redis_due_ms(r, now_ns, left_ns) % 10000000000000ULL);
	memcpy(cmd->bytes + at, text, DUE_DIGITS);
}

/* Return: where DUE is in it. */
static size_t make_question(struct sp_store_redis *l, const struct op *op, unsigned int server_idx,
			    struct sp_cmd *cmd)
{
	static const enum sp_script scripts[] = {
		[SP_CLAIM_CLAIM] = SP_SCRIPT_CLAIM, [SP_CLAIM_PREPARE] = SP_SCRIPT_PREPARE,
		[SP_CLAIM_ACCEPT] = SP_SCRIPT_ACCEPT,
	};
	const struct sp_claim *c = &op->claim;
	const struct sp_record *r = c->step == SP_CLAIM_ACCEPT ? &c->proposal : &c->record;
	char ballot[SP_BALLOT_STRLEN];
	size_t due_at;

	sp_store_redis_script(l, server_idx, cmd, scripts[c->step], &op->front,
			      c->step == SP_CLAIM_PREPARE ? NULL : &op->down, c->step == SP_CLAIM_CLAIM ? 3 : 4);
	sp_cmd_arg(cmd, r->bytes, r->len);
	sp_cmd_number(cmd, l->ttl_ms);
	sp_cmd_text(cmd, "0000000000000");
	due_at = cmd->len - DUE_DIGITS - 2;
	if (c->step != SP_CLAIM_CLAIM)
		sp_cmd_text(cmd, sp_ballot_format(c->ballot, ballot));
	return due_at;
}

static void ask(struct sp_store_redis *l, struct op *op, __u64 now_ns)
{
	const struct sp_answer absent = { .kind = SP_ANSWER_ABSENT };
	struct sp_cmd cmd;
	size_t due_at;

	for (unsigned int i = 0; i < l->copies; i++) {
		struct sp_redis *r = l->servers[op->servers[i]];

		if (sp_redis_is_up(r)) {
			due_at = make_question(l, op, op->servers[i], &cmd);
			set_due(r, &cmd, due_at, op, now_ns);
			if (!sp_redis_send(r, &cmd, ref_of(l, op)))
				continue;
		}
		sp_claim_answer(&op->claim, op->claim.round, i, &absent);
	}
}

static void go_claiming(struct sp_store_redis *l, struct op *op, __u64 now_ns)
{
	while (sp_claim_go(&op->claim, now_ns))
		ask(l, op, now_ns);
	if (op->claim.step != SP_CLAIM_DONE)
		return;
	if (op->is_commit)
		commit_done(l, op);
	else
		fetch_settled(l, op);
}

static void start_claim(struct sp_store_redis *l, struct op *op, const struct sp_splice *splice,
			const struct sp_record *record, __u64 now_ns)
{
	op->state = OP_CLAIMING;
	op->front = splice->front;
	op->down = sp_tuple_reverse(&splice->up.out);
	op->client_isn = splice->client_isn;
	sp_store_redis_servers(l, &op->front, op->servers);
	sp_claim_start(&op->claim, l->copies, l->quorum, record, op->is_commit, next_random(l), now_ns);
	ask(l, op, now_ns);
	go_claiming(l, op, now_ns);
}

/* What a server says, as far as it may be believed. */
static void read_answer(struct sp_store_redis *l, const struct op *op, unsigned int server_idx, const redisReply *reply,
			struct sp_answer *ret_answer)
{
	int is_blank = sp_redis_is_blank(l->servers[server_idx], uv_hrtime());
	struct sp_answer a = { .kind = SP_ANSWER_ABSENT };
	enum sp_seal_refusal refusal = SP_SEAL_OK;
	struct sp_splice splice;

	*ret_answer = a;
	if (!reply)
		return;
	if (reply->type == REDIS_REPLY_NIL && !is_blank)
		ret_answer->kind = SP_ANSWER_NOTHING;
	if (reply->type != REDIS_REPLY_STRING)
		return;
	if (reply->len == 1 && reply->str[0] == 'L') {
		l->store.counters.late++;
		return;
	}
	if (sp_answer_parse(reply->str, reply->len, &a))
		refusal = SP_SEAL_MAGIC;
	else if (a.record.len)
		refusal = sp_record_read(&l->seal, &op->front, a.record.bytes, a.record.len, &splice);
	if (refusal != SP_SEAL_OK)
		sp_store_redis_refused(l, refusal);
	else if (a.record.len ? splice.client_isn != op->client_isn : is_blank)
		return;
	else if (is_blank && a.state != 'C' && (a.state == 'P' || sp_record_is_same(&a.record, &op->claim.record)))
		return;
	else
		*ret_answer = a;
}

static void on_claim_reply(struct sp_store_redis *l, struct op *op, __u32 round, unsigned int server_idx,
			   const redisReply *reply)
{
	struct sp_answer answer;

	if (round != (op->claim.round & ((1 << ROUND_BITS) - 1)))
		return;
	read_answer(l, op, server_idx, reply, &answer);
	for (unsigned int i = 0; i < l->copies; i++)
		if (op->servers[i] == server_idx)
			sp_claim_answer(&op->claim, op->claim.round, i, &answer);
	go_claiming(l, op, uv_hrtime());
}

void sp_store_ops_commit(struct sp_store_redis *l, const struct sp_splice *splice, __u64 ref)
{
	struct sp_record record = sp_record_make(&l->seal, splice);
	__u64 now_ns = uv_hrtime();
	struct op *op = begin(l, now_ns);

	if (!op) {
		l->store.counters.commits_again++;
		l->store.events->committed(l->store.ctx, ref, -EAGAIN, NULL);
		return;
	}
	op->is_commit = 1;
	op->ref = ref;
	start_claim(l, op, splice, &record, now_ns);
}

/* ---- look-ups ---- */

static void go_looking(struct sp_store_redis *l, struct op *op, __u64 now_ns, int is_over)
{
	const struct sp_found *found;
	struct sp_record record;
	struct sp_splice splice;

	switch (sp_lookup_go(&op->lookup, now_ns, is_over, &found)) {
	case SP_LOOKUP_WAIT:
		break;
	case SP_LOOKUP_FOUND:
		fetch_done(l, op, 0, &found->splice);
		break;
	case SP_LOOKUP_UNSURE:
		splice = found->splice;
		record = found->record;
		start_claim(l, op, &splice, &record, now_ns);
		break;
	case SP_LOOKUP_NOTHING:
		fetch_done(l, op, -ENOENT, NULL);
		break;
	case SP_LOOKUP_AGAIN:
		fetch_done(l, op, -EAGAIN, NULL);
		break;
	}
}

static __u32 server_bits(struct sp_store_redis *l, const struct sp_tuple *front)
{
	__u8 servers[SP_COPIES_MAX];
	__u32 bits = 0;

	sp_store_redis_servers(l, front, servers);
	for (unsigned int i = 0; i < l->copies; i++)
		bits |= 1u << servers[i];
	return bits;
}

/* A pointer may be left over from an older connection that had the same tuple to its backend: then it is nothing. */
static enum sp_seal_refusal read_found(struct sp_store_redis *l, struct op *op, unsigned int server_idx,
				       const redisReply *value, const redisReply *pointer)
{
	enum sp_seal_refusal refusal;
	struct sp_tuple front = op->key;
	struct sp_answer answer;
	struct sp_splice splice;

	if (pointer->len && sp_tuple_unpack(pointer->str, pointer->len, &front))
		return SP_SEAL_POINTER;
	if (sp_answer_parse(value->str, value->len, &answer))
		return SP_SEAL_MAGIC;
	if (!answer.record.len) {
		sp_lookup_nothing(&op->lookup, server_idx);
		return SP_SEAL_OK;
	}
	refusal = sp_record_read(&l->seal, &front, answer.record.bytes, answer.record.len, &splice);
	if (refusal != SP_SEAL_OK)
		return refusal;
	if (has_half(&splice, &op->key))
		sp_lookup_value(&op->lookup, server_idx, &answer, &splice, server_bits(l, &front));
	else
		sp_lookup_nothing(&op->lookup, server_idx);
	return SP_SEAL_OK;
}

static void on_look_reply(struct sp_store_redis *l, struct op *op, unsigned int server_idx, const redisReply *reply)
{
	int is_blank = sp_redis_is_blank(l->servers[server_idx], uv_hrtime());
	enum sp_seal_refusal refusal = SP_SEAL_OK;

	if (reply && reply->type == REDIS_REPLY_NIL && !is_blank)
		sp_lookup_nothing(&op->lookup, server_idx);
	else if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
		 reply->element[0]->type == REDIS_REPLY_STRING && reply->element[1]->type == REDIS_REPLY_STRING)
		refusal = read_found(l, op, server_idx, reply->element[0], reply->element[1]);
	if (refusal != SP_SEAL_OK)
		sp_store_redis_refused(l, refusal);
	sp_lookup_absent(&op->lookup, server_idx);	/* unless it has answered */
	go_looking(l, op, uv_hrtime(), 0);
}

static void look(struct sp_store_redis *l, struct op *op)
{
	struct sp_cmd cmd;

	for (unsigned int i = 0; i < l->server_count; i++) {
		if (sp_redis_is_up(l->servers[i])) {
			sp_store_redis_script(l, i, &cmd, SP_SCRIPT_LOOK, &op->key, &op->key, 0);
			if (!sp_redis_send(l->servers[i], &cmd, ref_of(l, op)))
				continue;
		}
		sp_lookup_absent(&op->lookup, i);
	}
}

void sp_store_ops_fetch(struct sp_store_redis *l, const struct sp_tuple *key)
{
	struct op **at = bucket(l->ops, key), *op;
	__u64 now_ns = uv_hrtime();

	for (op = *at; op; op = op->bucket_next)
		if (!memcmp(&op->key, key, sizeof(*key)))
			return;	/* its answer is for everybody */
	op = begin(l, now_ns);
	if (!op) {
		l->store.counters.fetch_again++;
		l->store.events->fetched(l->store.ctx, key, -EAGAIN, NULL);
		return;
	}
	op->is_commit = 0;
	op->key = *key;
	op->bucket_next = *at;
	*at = op;
	op->state = OP_LOOKING;
	sp_lookup_start(&op->lookup, l->server_count, l->copies, l->quorum, now_ns);
	look(l, op);
	go_looking(l, op, now_ns, 0);
}

/* ---- replies and time ---- */

void sp_store_ops_reply(struct sp_store_redis *l, unsigned int server_idx, __u64 ref, const redisReply *reply)
{
	__u64 slot = ref >> SP_REF_KIND_BITS & ((1 << SLOT_BITS) - 1);
	__u64 gen = ref >> (SP_REF_KIND_BITS + SLOT_BITS) & ((1 << GEN_BITS) - 1);
	__u32 round = ref >> (SP_REF_KIND_BITS + SLOT_BITS + GEN_BITS) & ((1 << ROUND_BITS) - 1);
	struct op *op;

	if (!l->ops)
		return;
	op = &l->ops->at[slot];
	if (op->state == OP_FREE || gen != (op->gen & ((1 << GEN_BITS) - 1)))
		return;
	if (op->state == OP_CLAIMING && round)
		on_claim_reply(l, op, round, server_idx, reply);
	else if (op->state == OP_LOOKING && !round)
		on_look_reply(l, op, server_idx, reply);
}

static void tick(struct sp_store_redis *l, struct op *op, __u64 now_ns)
{
	int is_over = now_ns >= op->deadline_ns;

	if (op->state == OP_CLAIMING && is_over)
		sp_claim_expire(&op->claim);
	if (op->state == OP_CLAIMING)
		go_claiming(l, op, now_ns);
	else
		go_looking(l, op, now_ns, is_over);
}

void sp_store_ops_tick(struct sp_store_redis *l, __u64 now_ns)
{
	struct op *op, *next;

	for (op = l->ops->active.next; op != &l->ops->active; op = next) {
		next = op->next;
		tick(l, op, now_ns);
	}
}

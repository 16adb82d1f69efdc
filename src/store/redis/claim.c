// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * claim.c - commits, and claims on the wire: commands of the steps of store/claim.c, and checks of
 * the answers
 *
 * A refused record counts as no record, and its server as absent. So does a restarted server that
 * has nothing: it may have forgotten.
 */
#include "store/redis/claim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/redis/refresh.h"

#define DUE_DIGITS	13

static __u64 next_random(struct sp_store_redis *l)
{
	l->random = l->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return l->random ^ l->random >> 29;
}

/* ---- questions ---- */

/* DUE has a fixed width, so that one command can be patched for each server's clock. */
static void set_due(const struct sp_redis *r, struct sp_cmd *cmd, size_t at, const struct sp_op *op,
		    __u64 now_ns)
{
	__u64 left_ns = op->deadline_ns > now_ns ? op->deadline_ns - now_ns : 0;
	char text[24];

	snprintf(text, sizeof(text), "%0*llu", DUE_DIGITS,
		 sp_redis_due_ms(r, now_ns, left_ns) % 10000000000000ULL);
	memcpy(cmd->bytes + at, text, DUE_DIGITS);
}

/* The down key of a record, whose splice may be another proxy's. */
static struct sp_splice parse_record(const struct sp_op *op, const struct sp_record *r)
{
	struct sp_splice splice = { 0 };

	sp_record_parse(&op->front, r->bytes, r->len, &splice);
	return splice;
}

/* Return: the offset of DUE in the command. */
static size_t make_step(struct sp_store_redis *l, const struct sp_op *op, unsigned int server_idx,
			struct sp_cmd *cmd)
{
	static const enum sp_script scripts[] = {
		[SP_CLAIM_CLAIM] = SP_SCRIPT_CLAIM, [SP_CLAIM_PREPARE] = SP_SCRIPT_PREPARE,
		[SP_CLAIM_ACCEPT] = SP_SCRIPT_ACCEPT,
	};
	const struct sp_claim *c = &op->claim;
	const struct sp_record *r = c->step == SP_CLAIM_ACCEPT ? &c->proposal : &c->record;
	const struct sp_splice splice = parse_record(op, r);
	struct sp_tuple down = sp_tuple_reverse(&splice.up.out);
	char ballot[SP_BALLOT_STRLEN];
	size_t due_at;

	sp_store_redis_script(l, server_idx, cmd, scripts[c->step], &op->front,
			      c->step == SP_CLAIM_PREPARE ? NULL : &down, 4);
	sp_cmd_arg(cmd, r->bytes, r->len);
	sp_cmd_number(cmd, sp_store_ttl_ns(&l->store, &splice) / 1000000);
	sp_cmd_text(cmd, "0000000000000");
	due_at = cmd->len - DUE_DIGITS - 2;
	sp_cmd_text(cmd, c->step != SP_CLAIM_CLAIM ? sp_ballot_format(c->ballot, ballot) :
		    op->follows ? "1" : "0");
	return due_at;
}

static void send_step(struct sp_store_redis *l, struct sp_op *op, __u64 now_ns)
{
	const struct sp_vote absent = { .kind = SP_VOTE_ABSENT };
	struct sp_cmd cmd;
	size_t due_at;

	for (unsigned int i = 0; i < l->copies; i++) {
		struct sp_redis *r = l->servers[op->servers[i]];

		if (sp_redis_is_up(r)) {
			due_at = make_step(l, op, op->servers[i], &cmd);
			set_due(r, &cmd, due_at, op, now_ns);
			if (!sp_redis_send(r, &cmd, sp_op_ref(l, op)))
				continue;
		}
		sp_claim_answer(&op->claim, op->claim.round, i, &absent);
	}
}

void sp_op_claim_go(struct sp_store_redis *l, struct sp_op *op, __u64 now_ns)
{
	while (sp_claim_go(&op->claim, now_ns))
		send_step(l, op, now_ns);
	if (op->claim.step == SP_CLAIM_DONE)
		op->done(l, op);
}

void sp_op_claim(struct sp_store_redis *l, struct sp_op *op, const struct sp_splice *splice,
		 const struct sp_record *record, int is_own, __u64 now_ns)
{
	op->state = SP_OP_CLAIMING;
	op->front = splice->front;
	op->client_isn = splice->client_isn;
	sp_store_redis_servers(l, &op->front, op->servers);
	sp_claim_start(&op->claim, l->copies, l->quorum, record, is_own, next_random(l), now_ns);
	send_step(l, op, now_ns);
	sp_op_claim_go(l, op, now_ns);
}

/* ---- answers ---- */

/* Votes of a restarted server that don't count: a promise or another proxy's claim may be lost. */
static int is_void(const struct sp_op *op, const struct sp_vote *v)
{
	if (!v->record.len)
		return 1;
	return v->state == 'P' ||
	       (v->state != 'C' && sp_record_is_same(&v->record, &op->claim.record));
}

/* A vote as the server has it. A vote that does not count stays absent. */
static void read_vote(struct sp_store_redis *l, const struct sp_op *op, unsigned int server_idx,
		      const redisReply *reply, int is_blank, struct sp_vote *ret_vote)
{
	enum sp_seal_refusal refusal = SP_SEAL_OK;
	struct sp_splice splice;
	struct sp_vote v;

	if (sp_vote_parse(reply->str, reply->len, &v))
		refusal = SP_SEAL_MAGIC;
	else if (v.record.len)
		refusal = sp_record_read(&l->seal, &op->front, v.record.bytes, v.record.len,
					 &splice);
	if (refusal != SP_SEAL_OK)
		sp_store_redis_refused(l, server_idx, refusal);
	else if (v.record.len && splice.client_isn != op->client_isn)
		return;
	else if (!is_blank || !is_void(op, &v))
		*ret_vote = v;
}

/* Return: as a reply. */
static int read_answer(struct sp_store_redis *l, const struct sp_op *op, unsigned int server_idx,
		       const redisReply *reply, struct sp_vote *ret_vote)
{
	int is_blank = sp_redis_is_blank(l->servers[server_idx], uv_hrtime());

	*ret_vote = (struct sp_vote){ .kind = SP_VOTE_ABSENT };
	if (!reply)
		return 0;
	if (reply->type == REDIS_REPLY_NIL && !is_blank)
		ret_vote->kind = SP_VOTE_NOTHING;
	if (reply->type != REDIS_REPLY_STRING)
		return reply->type == REDIS_REPLY_NIL ? 0 : -EBADMSG;
	if (reply->len == 1 && reply->str[0] == 'L')
		l->store.counters.late++;
	else if (reply->len == 1 && reply->str[0] == 'N')
		ret_vote->kind = is_blank ? SP_VOTE_ABSENT : SP_VOTE_LACKS;
	else
		read_vote(l, op, server_idx, reply, is_blank, ret_vote);
	return 0;
}

int sp_op_claim_reply(struct sp_store_redis *l, struct sp_op *op, __u32 round,
		      unsigned int server_idx, const redisReply *reply)
{
	struct sp_vote vote;
	int err;

	if (round != SP_OP_ROUND(op->claim.round))
		return 0;
	err = read_answer(l, op, server_idx, reply, &vote);
	for (unsigned int i = 0; i < l->copies; i++)
		if (op->servers[i] == server_idx)
			sp_claim_answer(&op->claim, op->claim.round, i, &vote);
	sp_op_claim_go(l, op, uv_hrtime());
	return err;
}

/* ---- commits ---- */

/*
 * Another splice was chosen. Copies of the loser are useless, and its pointer misleads. If other
 * proxies have moved the boundary of our own splice meanwhile, nothing was lost.
 */
static void drop_loser(struct sp_store_redis *l, const struct sp_tuple *front,
		       const struct sp_record *record, const struct sp_record *chosen)
{
	struct sp_splice own;

	if (!sp_record_is_same_leg(record, chosen) &&
	    sp_record_parse(front, record->bytes, record->len, &own) == SP_SEAL_OK)
		sp_store_redis_drop(l, &own, "", 0);
}

static void count_commit(struct sp_store_counters *c, const struct sp_claim *claim, int err)
{
	c->commits_ok += !err;
	c->commits_adopted += err == -EEXIST;
	c->commits_again += err == -EAGAIN;
	c->commits_contested += err == -EBUSY;
	c->commits_stale += err == -ESTALE;
	c->commits_by_ballot += !claim->err && claim->ballot;
}

/*
 * Without an answer, and refused: a claim in the way of the client's next try. The claim of a later
 * version stays: an earlier version was there before. So does a claim where the first answer
 * decides: another proxy may have lost to the claim, and rely on the splice.
 */
static void withdraw_claim(struct sp_store_redis *l, const struct sp_splice *splice)
{
	if (l->conf->loss == SP_LOSS_REFUSE && l->quorum > 1 && !splice->version)
		sp_store_redis_drop(l, splice, "F", 0);
}

static void end_commit(struct sp_store_redis *l, struct sp_op *op)
{
	struct sp_claim claim = op->claim;
	struct sp_tuple front = op->front;
	struct sp_splice splice;
	__u64 ref = op->ref;
	int err = claim.err;

	sp_op_end(l, op);
	sp_record_parse(&front, err ? claim.first.bytes : claim.chosen.bytes,
			err ? claim.first.len : claim.chosen.len, &splice);
	if (!err && !sp_record_is_same(&claim.chosen, &claim.first))
		err = -EEXIST;
	count_commit(&l->store.counters, &claim, err);
	if (!claim.err && (claim.ballot || claim.is_contested) && l->quorum > 1)
		sp_refreshes_chosen(l, &splice);
	if (err == -EEXIST && l->quorum > 1)
		drop_loser(l, &front, &claim.first, &claim.chosen);
	if (err == -EAGAIN)
		withdraw_claim(l, &splice);
	l->store.events->committed(l->store.ctx, ref, err, err == -EEXIST ? &splice : NULL);
}

/* Fewer than a majority are up, and servers that were not tried yet could make it a majority. */
static int should_wait(const struct sp_store_redis *l, const struct sp_tuple *front)
{
	unsigned int up = 0, untried = 0;
	__u8 servers[SP_COPIES_MAX];

	sp_store_redis_servers(l, front, servers);
	for (unsigned int i = 0; i < l->copies; i++) {
		up += sp_redis_is_up(l->servers[servers[i]]);
		untried += sp_redis_is_untried(l->servers[servers[i]]);
	}
	return up < l->quorum && up + untried >= l->quorum;
}

/*
 * A new daemon gets connections some milliseconds before its servers have greeted. Splices made
 * without the servers would be unprotected.
 */
void sp_op_commit_await(struct sp_store_redis *l, struct sp_op *op, __u64 now_ns, int is_over)
{
	struct sp_record record = op->claim.first;
	struct sp_splice splice;

	if (!is_over && should_wait(l, &op->front))
		return;
	op->deadline_ns = now_ns + l->conf->timeout_ns;
	sp_record_parse(&op->front, record.bytes, record.len, &splice);
	sp_op_claim(l, op, &splice, &record, 1, now_ns);
}

int sp_op_commit(struct sp_store_redis *l, const struct sp_splice *splice, __u64 ref)
{
	struct sp_record record = sp_record_make(&l->seal, splice);
	__u64 now_ns = uv_hrtime();
	struct sp_op *op = sp_op_begin(l, now_ns);

	if (!op) {
		l->store.counters.commits_again++;
		return -EAGAIN;
	}
	op->state = SP_OP_WAITING;
	op->done = end_commit;
	op->ref = ref;
	op->front = splice->front;
	op->follows = splice->follows;
	op->claim.first = record;
	sp_op_commit_await(l, op, now_ns, 0);
	return -EINPROGRESS;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_claim.c - claim.c and fetch.c against the real scripts, in every order that chance finds
 *
 * Databases of a single redis-server are the servers of the store. Proxies that own a splice, and
 * proxies that only fetch, decide about a connection. Queries wait in a bag. A server executes a
 * query at some time, or never, and the answer arrives at some time, or never. Servers are away for
 * a while, proxies die or give up. In all cases proxies that rely on a splice must rely on the same
 * splice.
 *
 * In every second world, proxies go on to the next version of a splice, refresh old versions, or
 * fetch again. Proxies that rely on a version must rely on the same splice, and a request must not
 * find an earlier version than proxies relied on before the request.
 *
 *	test_claim [TRIALS [SEED]]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "store/claim.h"
#include "store/fetch.h"
#include "store/redis/script.h"
#include "servers.h"

#define PROXIES_MAX	6
#define BAG_MAX		512
#define STEPS_MAX	3000
#define STEPS_VERSIONS	1500
#define MS		1000000ULL
#define VERSIONS_MAX	5

enum role { OWNER, READER };
enum proxy_state { BEFORE, LOOKING, CLAIMING, RELIES, GAVE_UP, DEAD };

struct proxy {
	enum role		role;
	enum proxy_state	state;
	struct sp_record	own;
	int			life;		/* number of its beginnings */
	__u32			least;		/* version relied on when it began, if @is_known */
	int			is_known;
	struct sp_claim		claim;
	struct sp_fetch	lookup;
	struct sp_record	relied;
};

/* A query in flight, or its answer. */
struct message {
	int		proxy;
	int		copy;
	int		is_answer;
	int		is_look;
	int		life;
	__u32		round;
	struct sp_cmd	cmd;
	struct sp_vote answer;
};

struct world {
	int		copies, quorum, proxies, bag_count;
	int		loss_pct;
	int		has_versions;
	__u32		latest;		/* version that a proxy relies on, if @is_known */
	int		is_known;
	struct sp_record relied[VERSIONS_MAX];
	int		made;		/* splices */
	/* unreachable copy, or -1; its changes in 1000 steps */
	int		away, moves;
	__u64		now_ns;
	struct proxy	at[PROXIES_MAX];
	struct message	*bag;
};

static struct servers servers;
static redisContext *db[SP_COPIES_MAX];
static char sha[SP_SCRIPT_COUNT][41];
static struct sp_seal seal;
static struct sp_tuple front;
static struct sp_record records[2];
static long trials = 1500, seed = 1;
static struct {
	long	by_claim, by_ballot, by_look, again, busy, adopted, later, versions[VERSIONS_MAX];
} seen;

static int chance(int pct)
{
	return random() % 100 < pct;
}

static redisReply *do_cmd(int copy, const struct sp_cmd *cmd)
{
	redisReply *reply = NULL;

	assert_int_equal(redisAppendFormattedCommand(db[copy], cmd->bytes, cmd->len), REDIS_OK);
	assert_int_equal(redisGetReply(db[copy], (void **)&reply), REDIS_OK);
	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s", reply->str);
	return reply;
}

static struct sp_splice make_splice(int idx)
{
	struct sp_splice s = { .front = front, .client_isn = 4711 };

	s.up.out = front;
	s.up.out.sport = htons(20000 + idx);
	s.up.spliced_s = 1700000000 + random() % 2;
	return s;
}

static struct sp_record make_version(int idx, __u32 version, __u32 until)
{
	struct sp_splice s = make_splice(idx);

	s.up.flags = SP_HALF_F_REQUESTS;
	s.version = version;
	s.boundary = (struct sp_boundary){ .until = until, .bound = SP_BOUND_STOP };
	return sp_record_make(&seal, &s);
}

static void begin_script(struct sp_cmd *cmd, enum sp_script script, int keys, int args)
{
	struct sp_key f = sp_key_make(SP_KEY_FRONT, &front), d = f;

	d.bytes[0] = SP_KEY_DOWN;
	sp_cmd_begin(cmd, 3 + keys + args);
	sp_cmd_text(cmd, "EVALSHA");
	sp_cmd_text(cmd, sha[script]);
	sp_cmd_number(cmd, keys);
	sp_cmd_arg(cmd, f.bytes, f.len);
	if (keys == 2)
		sp_cmd_arg(cmd, d.bytes, d.len);
}

static void put(struct world *w, const struct message *m)
{
	assert_true(w->bag_count < BAG_MAX);
	if (!chance(w->loss_pct))
		w->bag[w->bag_count++] = *m;
}

static void ask(struct world *w, int proxy)
{
	static const enum sp_script scripts[] = {
		[SP_CLAIM_CLAIM] = SP_SCRIPT_CLAIM, [SP_CLAIM_PREPARE] = SP_SCRIPT_PREPARE,
		[SP_CLAIM_ACCEPT] = SP_SCRIPT_ACCEPT,
	};
	struct proxy *p = &w->at[proxy];
	const struct sp_record *r = p->claim.step == SP_CLAIM_ACCEPT ? &p->claim.proposal :
		&p->claim.record;
	struct message m = { .proxy = proxy, .life = p->life, .round = p->claim.round };
	char ballot[SP_BALLOT_STRLEN];
	int is_first = p->claim.step == SP_CLAIM_CLAIM;

	begin_script(&m.cmd, scripts[p->claim.step], p->claim.step == SP_CLAIM_PREPARE ? 1 :
		     2, is_first ? 3 : 4);
	sp_cmd_arg(&m.cmd, r->bytes, r->len);
	sp_cmd_number(&m.cmd, 100000);
	sp_cmd_text(&m.cmd, "9999999999999");
	if (!is_first)
		sp_cmd_text(&m.cmd, sp_ballot_format(p->claim.ballot, ballot));
	for (m.copy = 0; m.copy < w->copies; m.copy++)
		put(w, &m);
}

static void drop_record(struct world *w, const struct sp_record *r, const char *state)
{
	struct message m = { .proxy = -1 };

	begin_script(&m.cmd, SP_SCRIPT_DROP, 2, 2);
	sp_cmd_arg(&m.cmd, r->bytes, r->len);
	sp_cmd_text(&m.cmd, state);
	for (m.copy = 0; m.copy < w->copies; m.copy++)
		put(w, &m);
}

static void refresh(struct world *w, const struct sp_record *r, const char *is_chosen)
{
	struct message m = { .proxy = -1 };

	begin_script(&m.cmd, SP_SCRIPT_REFRESH, 2, 3);
	sp_cmd_arg(&m.cmd, r->bytes, r->len);
	sp_cmd_number(&m.cmd, 100000);
	sp_cmd_text(&m.cmd, is_chosen);
	for (m.copy = 0; m.copy < w->copies; m.copy++)
		put(w, &m);
}

/* The law under test: all proxies that rely on a version rely on the same splice. */
static void relies(struct world *w, struct proxy *p, const struct sp_record *r)
{
	__u32 version = sp_record_version(r);
	struct sp_record *same = &w->relied[version];

	assert_in_range(version, 0, VERSIONS_MAX - 1);
	p->state = RELIES;
	p->relied = *r;
	if (same->len && !sp_record_is_same(same, r))
		fail_msg("seed %ld: proxy %d relies on another splice of version %u than the rest",
			 seed, (int)(p - w->at), version);
	if (version < p->least)
		fail_msg("seed %ld: proxy %d relies on version %u after %u", seed,
			 (int)(p - w->at), version, p->least);
	*same = *r;
	w->is_known = 1;
	if (version > w->latest)
		w->latest = version;
	seen.versions[version]++;
	if (chance(50))
		refresh(w, r, "1");
}

static void claim_failed(struct world *w, struct proxy *p)
{
	/* an owner tries again with the same splice, or withdraws as end_commit() does */
	p->state = chance(30) ? BEFORE : GAVE_UP;
	seen.again += p->claim.err == -EAGAIN;
	seen.busy += p->claim.err == -EBUSY;
	if (p->role == OWNER && p->state == GAVE_UP && p->claim.err == -EAGAIN &&
	    w->quorum > 1 && !sp_record_version(&p->own))
		drop_record(w, &p->own, "F");
}

static void claim_done(struct world *w, struct proxy *p)
{
	const struct sp_record *chosen = &p->claim.chosen;

	if (p->claim.err) {
		claim_failed(w, p);
		return;
	}
	if (p->role == OWNER && sp_record_is_same(chosen, &p->own)) {
		seen.by_claim++;
	} else if (p->role == OWNER) {
		seen.adopted++;
		seen.later += sp_record_version(chosen) > sp_record_version(&p->own);
		drop_record(w, &p->own, "");
	}
	seen.by_ballot += p->claim.ballot > 0;
	relies(w, p, chosen);
}

/* A proxy with a splice goes on to the next version, fetches again, or refreshes. */
static void go_on(struct world *w, int proxy)
{
	struct proxy *p = &w->at[proxy];
	__u32 version = sp_record_version(&p->relied);

	if (chance(40)) {
		refresh(w, &p->relied, "0");
	} else if (chance(30)) {
		p->role = READER;
		p->state = BEFORE;
	} else if (version + 1 < VERSIONS_MAX) {
		p->role = OWNER;
		p->own = make_version(w->made++, version + 1, version);
		p->state = BEFORE;
	}
}

static void go(struct world *w, int proxy)
{
	struct proxy *p = &w->at[proxy];
	const struct sp_found *found;

	if (p->state == CLAIMING) {
		if (sp_claim_go(&p->claim, w->now_ns))
			ask(w, proxy);
		if (p->claim.step == SP_CLAIM_DONE)
			claim_done(w, p);
		return;
	}
	switch (sp_fetch_go(&p->lookup, w->now_ns, chance(1), &found)) {
	case SP_FETCH_WAIT:
		break;
	case SP_FETCH_FOUND:
		seen.by_look++;
		relies(w, p, &found->record);
		break;
	case SP_FETCH_UNSURE:
		p->state = CLAIMING;
		sp_claim_start(&p->claim, w->copies, w->quorum, &found->record, 0, random(),
			       w->now_ns);
		ask(w, proxy);
		break;
	case SP_FETCH_NOTHING:
		if (p->is_known)
			fail_msg("seed %ld: proxy %d finds nothing", seed, proxy);
		/* fall through */
	case SP_FETCH_AGAIN:
		p->state = chance(50) ? BEFORE : GAVE_UP;
		break;
	}
}

static void start(struct world *w, int proxy)
{
	struct proxy *p = &w->at[proxy];
	struct message m = { .proxy = proxy, .is_look = 1, .life = ++p->life };

	p->least = w->latest;
	p->is_known = w->is_known;
	if (p->role == OWNER) {
		p->state = CLAIMING;
		sp_claim_start(&p->claim, w->copies, w->quorum, &p->own, 1, random(),
			       w->now_ns);
		ask(w, proxy);
		return;
	}
	p->state = LOOKING;
	sp_fetch_start(&p->lookup, w->copies, w->copies, w->quorum, w->now_ns);
	begin_script(&m.cmd, SP_SCRIPT_FETCH, 2, 0);
	for (m.copy = 0; m.copy < w->copies; m.copy++)
		put(w, &m);
}

static void read_answer(const redisReply *reply, struct sp_vote *answer)
{
	if (reply->type == REDIS_REPLY_ARRAY)
		reply = reply->element[0];
	*answer = (struct sp_vote){ .kind = SP_VOTE_NOTHING };
	if (reply->type != REDIS_REPLY_STRING)
		return;
	assert_int_equal(sp_vote_parse(reply->str, reply->len, answer), 0);
}

static void take_answer(struct world *w, const struct message *m)
{
	struct proxy *p = &w->at[m->proxy];
	struct sp_splice splice;

	if (m->life != p->life)
		return;
	if (!m->is_look) {
		if (p->state == CLAIMING)
			sp_claim_answer(&p->claim, m->round, m->copy, &m->answer);
	} else if (p->state == LOOKING) {
		if (m->answer.kind == SP_VOTE_NOTHING || !m->answer.record.len) {
			sp_fetch_nothing(&p->lookup, m->copy);
			return;
		}
		assert_int_equal(sp_record_read(&seal, &front, m->answer.record.bytes,
						m->answer.record.len, &splice),
				 SP_SEAL_OK);
		sp_fetch_value(&p->lookup, m->copy, &m->answer, &splice, SP_FOUND_UP,
			       (1 << w->copies) - 1);
	}
}

/* Deliver a random message of the bag: a server executes it, or its answer arrives. */
static void deliver(struct world *w)
{
	int at = random() % w->bag_count;
	struct message m = w->bag[at];
	redisReply *reply;

	w->bag[at] = w->bag[--w->bag_count];
	if (m.copy == w->away)
		return;
	if (m.is_answer) {
		take_answer(w, &m);
		return;
	}
	reply = do_cmd(m.copy, &m.cmd);
	if (m.proxy >= 0) {
		read_answer(reply, &m.answer);
		m.is_answer = 1;
		put(w, &m);
	}
	freeReplyObject(reply);
}

static void live(struct world *w, int proxy)
{
	struct proxy *p = &w->at[proxy];

	switch (p->state) {
	case BEFORE:
		if (chance(10))
			start(w, proxy);
		break;
	case LOOKING:
	case CLAIMING:
		go(w, proxy);
		if (p->state == CLAIMING && p->claim.step != SP_CLAIM_DONE && random() % 1000 < 2) {
			sp_claim_expire(&p->claim);
			claim_done(w, p);
		}
		if (random() % 1000 < 2)
			p->state = DEAD;
		break;
	case RELIES:
		if (w->has_versions && chance(5))
			go_on(w, proxy);
		break;
	case GAVE_UP:
	case DEAD:
		break;
	}
}

static int is_over(const struct world *w)
{
	for (int i = 0; i < w->proxies; i++)
		if (w->at[i].state < RELIES)
			return 0;
	return 1;
}

static void empty_servers(void)
{
	for (int i = 0; i < SP_COPIES_MAX; i++)
		freeReplyObject(redisCommand(db[i], "FLUSHDB"));
}

static void new_world(struct world *w, int copies)
{
	struct message *bag = w->bag;

	empty_servers();
	*w = (struct world){ .copies = copies, .quorum = copies / 2 + 1, .bag = bag, .away = -1, .now_ns = MS };
	w->proxies = 2 + random() % (PROXIES_MAX - 1);
	w->loss_pct = chance(50) ? 0 : random() % 30;
	w->moves = chance(50) ? 5 : random() % 100;
	w->has_versions = seed & 1;
	for (int i = 0; i < w->proxies; i++) {
		struct sp_splice s = make_splice(w->made++);

		w->at[i].own = w->has_versions ? make_version(i, 0, 0) : sp_record_make(&seal, &s);
		w->at[i].role = i && chance(40) ? READER : OWNER;
	}
}

static void run_world(struct world *w, int copies)
{
	new_world(w, copies);
	for (int step = 0; step < (w->has_versions ? STEPS_VERSIONS : STEPS_MAX); step++) {
		if (is_over(w) && !w->has_versions)
			break;
		if (random() % 1000 < w->moves)
			w->away = chance(50) ? -1 : random() % w->copies;
		if (w->bag_count && chance(70))
			deliver(w);
		else
			live(w, random() % w->proxies);
		w->now_ns += random() % (2 * MS);
	}
}

static void one_splice_in_any_order(void **state)
{
	static const int copies[] = { 3, 3, 3, 2, 5, 4, 1 };
	struct world w = { .bag = calloc(BAG_MAX, sizeof(*w.bag)) };

	for (long end = seed + trials; seed < end; seed++) {
		srandom(seed);
		run_world(&w, copies[seed % 7]);
	}
	free(w.bag);
	print_message("later %ld, relied on versions", seen.later);
	for (int i = 0; i < VERSIONS_MAX; i++)
		print_message(" %ld", seen.versions[i]);
	print_message("\n%ld trials: own %ld, adopted %ld (ballots %ld), by look %ld, again %ld, busy %ld\n", trials,
		      seen.by_claim, seen.adopted, seen.by_ballot, seen.by_look, seen.again,
		      seen.busy);
	/* the trials covered each outcome */
	assert_true(seen.by_claim > trials / 10);
	assert_true(seen.adopted > trials / 10);
	assert_true(seen.by_ballot > trials / 10);
	assert_true(seen.by_look > trials / 20);
	assert_true(seen.later > trials / 20);
	assert_true(seen.versions[VERSIONS_MAX - 1] > trials / 10);
}

/* Run a round with the copies in @mask. */
static void round_of(struct sp_claim *c, int mask)
{
	struct world w = { .copies = 3, .bag_count = 0, .away = -1,
			   .bag = calloc(BAG_MAX, sizeof(*w.bag)) };
	const struct sp_vote absent = { .kind = SP_VOTE_ABSENT };

	w.at[0] = (struct proxy){ .claim = *c };
	ask(&w, 0);
	for (int i = 0; i < w.bag_count; i++) {
		struct message *m = &w.bag[i];
		redisReply *reply;

		if (!(mask & 1 << m->copy)) {
			sp_claim_answer(c, m->round, m->copy, &absent);
			continue;
		}
		reply = do_cmd(m->copy, &m->cmd);
		read_answer(reply, &m->answer);
		sp_claim_answer(c, m->round, m->copy, &m->answer);
		freeReplyObject(reply);
	}
	free(w.bag);
}

static void two_records(void)
{
	empty_servers();
	for (int i = 0; i < 2; i++) {
		struct sp_splice s = make_splice(i);

		records[i] = sp_record_make(&seal, &s);
	}
}

/*
 * A won the first server, B the second, the third is away: B gives up its own splice and takes A's.
 */
static void split_claim_is_settled(void **state)
{
	struct sp_claim a, b;

	two_records();
	sp_claim_start(&a, 3, 2, &records[0], 1, 1, MS);
	sp_claim_start(&b, 3, 2, &records[1], 1, 2, MS);
	round_of(&a, 1);
	round_of(&b, 3);
	assert_true(sp_claim_go(&b, MS));
	assert_int_equal(b.step, SP_CLAIM_PREPARE);
	round_of(&b, 3);
	assert_true(sp_claim_go(&b, MS));
	assert_int_equal(b.step, SP_CLAIM_ACCEPT);
	round_of(&b, 3);
	assert_false(sp_claim_go(&b, MS));
	assert_int_equal(b.step, SP_CLAIM_DONE);
	assert_int_equal(b.err, 0);
	assert_true(sp_record_is_same(&b.chosen, &records[0]));
}

/* A and B are gone: no proxy can decide until the third server is back. */
static void split_claim_waits_for_the_third(void **state)
{
	struct sp_claim a, b, c;

	two_records();
	sp_claim_start(&a, 3, 2, &records[0], 1, 1, MS);
	sp_claim_start(&b, 3, 2, &records[1], 1, 2, MS);
	round_of(&a, 1);
	round_of(&b, 2);
	sp_claim_start(&c, 3, 2, &records[0], 0, 3, MS);
	round_of(&c, 3);
	assert_false(sp_claim_go(&c, MS));
	assert_int_equal(c.step, SP_CLAIM_PAUSE);
	assert_true(sp_claim_go(&c, 1000 * MS));
	round_of(&c, 7);
	assert_true(sp_claim_go(&c, 1000 * MS));
	round_of(&c, 7);
	sp_claim_go(&c, 1000 * MS);
	assert_int_equal(c.step, SP_CLAIM_DONE);
	assert_int_equal(c.err, 0);
}

/*
 * B won two servers, but heard of only one. A reader relies on B's splice, so B can't abandon it.
 */
static void owner_sees_that_others_rely_on_it(void **state)
{
	struct message look = { 0 };
	struct sp_claim a, b;

	two_records();
	sp_claim_start(&a, 3, 2, &records[0], 1, 1, MS);
	sp_claim_start(&b, 3, 2, &records[1], 1, 2, MS);
	round_of(&a, 1);
	round_of(&b, 6);
	begin_script(&look.cmd, SP_SCRIPT_FETCH, 2, 0);
	freeReplyObject(do_cmd(1, &look.cmd));
	freeReplyObject(do_cmd(2, &look.cmd));
	sp_claim_start(&b, 3, 2, &records[1], 1, 2, MS);
	round_of(&b, 3);
	assert_true(sp_claim_go(&b, MS));
	assert_int_equal(b.step, SP_CLAIM_PREPARE);
	round_of(&b, 3);
	assert_false(sp_claim_go(&b, MS));
	assert_int_equal(b.step, SP_CLAIM_PAUSE);
}

/*
 * A second claim of the same splice (the first claim's answers were lost) wins the same servers
 * again.
 */
static void claim_is_idempotent(void **state)
{
	struct sp_claim a;

	two_records();
	for (int i = 0; i < 2; i++) {
		sp_claim_start(&a, 3, 2, &records[0], 1, 1, MS);
		round_of(&a, 7);
		sp_claim_go(&a, MS);
		assert_int_equal(a.step, SP_CLAIM_DONE);
		assert_int_equal(a.err, 0);
		assert_int_equal(a.ballot, 0);
	}
}

/*
 * A reader began a ballot over our claims, and may have found that a rival splice must be proposed.
 */
static void promised_claims_win_nothing(void **state)
{
	struct sp_claim a, c;

	two_records();
	sp_claim_start(&a, 3, 2, &records[0], 1, 1, MS);
	round_of(&a, 7);
	sp_claim_start(&c, 3, 2, &records[0], 0, 3, MS);
	round_of(&c, 7);
	sp_claim_start(&a, 3, 2, &records[0], 1, 1, MS);
	round_of(&a, 7);
	assert_true(sp_claim_go(&a, MS));
	assert_int_equal(a.step, SP_CLAIM_PREPARE);
}

/*
 * Two splices were accepted by a server each. The splice at the higher ballot may have been chosen
 * after the lower ballot failed.
 */
static void highest_ballot_is_proposed(void **state)
{
	for (int high = 0; high < 2; high++) {
		struct sp_claim c[2], d;

		two_records();
		for (int i = 0; i < 2; i++) {
			sp_claim_start(&c[i], 3, 2, &records[i], 1, 1, MS);
			c[i].step = SP_CLAIM_ACCEPT;
			c[i].ballot = (__u64)(1 + (i == high)) << 40;
			c[i].proposal = records[i];
			round_of(&c[i], 1 << i);
		}
		sp_claim_start(&d, 3, 2, &records[0], 0, 3, MS);
		d.ballot = 3ULL << 40;
		round_of(&d, 3);
		assert_true(sp_claim_go(&d, MS));
		assert_int_equal(d.step, SP_CLAIM_ACCEPT);
		assert_true(sp_record_is_same(&d.proposal, &records[high]));
	}
}

static void bad_values(void **state)
{
	static const char *const bad[] = {
		"", "X", "P", "P00000000000000000000000F", "P00000000000000000000000000X",
			"P0000000000010000000000xxF",
		"P000000000001000000000000P", "P000000000001000000000001F", NULL,
	};
	char long_one[1 + SP_RECORD_MAX + 1] = "C";
	struct sp_vote a = { .state = 'x' };

	for (int i = 0; bad[i]; i++)
		assert_int_equal(sp_vote_parse(bad[i], strlen(bad[i]), &a), -EINVAL);
	assert_int_equal(sp_vote_parse("\0abc", 4, &a), -EINVAL);
	assert_int_equal(sp_vote_parse(long_one, sizeof(long_one), &a), -EINVAL);
	assert_int_equal(a.state, 'x');
	assert_int_equal(sp_vote_parse("P0000000000ff000000000000-S\1ididid", 34, &a), 0);
	assert_int_equal(a.promised, 255);
	assert_int_equal(a.record.len, 0);
}

static int load_scripts(void **state)
{
	for (int i = 0; i < SP_COPIES_MAX; i++) {
		db[i] = server_connect(&servers, 0);
		assert_non_null(db[i]);
		freeReplyObject(redisCommand(db[i], "SELECT %d", i));
	}
	for (int i = 0; i < SP_SCRIPT_COUNT; i++) {
		redisReply *reply = redisCommand(db[0], "SCRIPT LOAD %s", sp_script_text(i));

		if (reply->type != REDIS_REPLY_STRING)
			fail_msg("script %d: %s", i, reply->str);
		memcpy(sha[i], reply->str, 41);
		freeReplyObject(reply);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const __u64 cluster[1][2] = { { 1, 2 } };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_claim_is_settled),
			cmocka_unit_test(split_claim_waits_for_the_third),
		cmocka_unit_test(owner_sees_that_others_rely_on_it),
		cmocka_unit_test(claim_is_idempotent),
		cmocka_unit_test(promised_claims_win_nothing),
		cmocka_unit_test(highest_ballot_is_proposed),
		cmocka_unit_test(bad_values), cmocka_unit_test(one_splice_in_any_order),
	};

	if (argc > 1)
		trials = atol(argv[1]);
	if (argc > 2)
		seed = atol(argv[2]);
	front = (struct sp_tuple){ sp_addr_v4(htonl(0x0a000001)), sp_addr_v4(htonl(0xc0000201)), 1,
				   2 };
	sp_seal_init(&seal, cluster, 1);
	servers_start(&servers, 1, NULL);
	return cmocka_run_group_tests(tests, load_scripts, NULL);
}

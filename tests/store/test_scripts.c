/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_scripts.c - versions of a splice in the scripts of the store, on a real server */
#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "store/claim.h"
#include "store/redis/script.h"
#include "servers.h"

static struct servers servers;
static redisContext *db;
static char sha[SP_SCRIPT_COUNT][41];
static struct sp_seal seal;
static struct sp_tuple front;

static struct sp_splice make_splice(int idx)
{
	struct sp_splice s = { .front = front, .client_isn = 4711 };

	s.up.out = front;
	s.up.out.sport = htons(20000 + idx);
	s.up.spliced_s = 1700000000;
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

static redisReply *do_cmd(const struct sp_cmd *cmd)
{
	redisReply *reply = NULL;

	assert_int_equal(redisAppendFormattedCommand(db, cmd->bytes, cmd->len), REDIS_OK);
	assert_int_equal(redisGetReply(db, (void **)&reply), REDIS_OK);
	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s", reply->str);
	return reply;
}

static void read_answer(const redisReply *reply, struct sp_vote *ret_vote)
{
	if (reply->type == REDIS_REPLY_ARRAY)
		reply = reply->element[0];
	*ret_vote = (struct sp_vote){ .kind = SP_VOTE_NOTHING };
	if (reply->type == REDIS_REPLY_STRING)
		assert_int_equal(sp_vote_parse(reply->str, reply->len, ret_vote), 0);
}

static void empty_server(void)
{
	freeReplyObject(redisCommand(db, "FLUSHALL"));
}

static char state_of_key(void)
{
	struct sp_key key = sp_key_make(SP_KEY_FRONT, &front);
	redisReply *reply = redisCommand(db, "GET %b", key.bytes, (size_t)key.len);
	struct sp_vote vote = { .state = 0 };

	read_answer(reply, &vote);
	freeReplyObject(reply);
	return vote.state;
}

/* Run a script about @r. @last: ballot, state or is_chosen; may be NULL */
static struct sp_vote run_script(enum sp_script script, const struct sp_record *r, const char *last)
{
	struct sp_vote vote = { 0 };
	struct sp_cmd cmd;
	redisReply *reply;
	int has_due = script == SP_SCRIPT_CLAIM || script == SP_SCRIPT_PREPARE ||
		script == SP_SCRIPT_ACCEPT;

	begin_script(&cmd, script, script == SP_SCRIPT_PREPARE ? 1 : 2,
		     1 + (script != SP_SCRIPT_DROP) + has_due + !!last);
	sp_cmd_arg(&cmd, r->bytes, r->len);
	if (script != SP_SCRIPT_DROP)
		sp_cmd_number(&cmd, 100000);
	if (has_due)
		sp_cmd_text(&cmd, "9999999999999");
	if (last)
		sp_cmd_text(&cmd, last);
	reply = do_cmd(&cmd);
	read_answer(reply, &vote);
	if (reply->type == REDIS_REPLY_INTEGER)
		vote.accepted = reply->integer;
	freeReplyObject(reply);
	return vote;
}

static struct sp_vote fetch_one(void)
{
	struct sp_vote vote;
	struct sp_cmd cmd;
	redisReply *reply;

	begin_script(&cmd, SP_SCRIPT_FETCH, 2, 0);
	reply = do_cmd(&cmd);
	read_answer(reply, &vote);
	freeReplyObject(reply);
	return vote;
}

static void assert_record(struct sp_vote v, const struct sp_record *r)
{
	assert_int_equal(v.kind, SP_VOTE_VALUE);
	assert_true(sp_record_is_same(&v.record, r));
}

#define BALLOT_1	"000000000001"
#define BALLOT_2	"000000000002"
#define BALLOT_3	"000000000003"

/* The promise for version 1 at ballot 2 is there, and keeps lower ballots out. */
static void check_promise(const struct sp_record *one)
{
	struct sp_vote v = run_script(SP_SCRIPT_CLAIM, one, NULL);

	assert_int_equal(v.kind, SP_VOTE_VALUE);
	assert_int_equal(v.promised, 2);
	assert_int_equal(v.origin, '-');
	assert_int_equal(run_script(SP_SCRIPT_ACCEPT, one, BALLOT_1).accepted, 0);
	assert_int_equal(state_of_key(), 'P');
}

/* All steps of a version go on behind the promise of a later version, which is never lost. */
static void promise_is_around_an_earlier_version(void **state)
{
	struct sp_record zero = make_version(1, 0, 0), other = make_version(2, 0, 0),
		one = make_version(3, 1, 5);
	struct sp_vote v;

	empty_server();
	run_script(SP_SCRIPT_CLAIM, &zero, NULL);
	assert_int_equal(run_script(SP_SCRIPT_PREPARE, &one, BALLOT_2).promised, 2);
	check_promise(&one);
	v = fetch_one();
	assert_int_equal(v.state, 'T');
	assert_record(v, &zero);
	v = run_script(SP_SCRIPT_CLAIM, &other, NULL);
	assert_int_equal(v.state, 'T');
	assert_record(v, &zero);
	v = run_script(SP_SCRIPT_PREPARE, &other, BALLOT_3);
	assert_int_equal(v.origin, 'T');
	assert_record(v, &zero);
	check_promise(&one);
	assert_int_equal(run_script(SP_SCRIPT_ACCEPT, &zero, BALLOT_3).accepted, 3);
	check_promise(&one);
	assert_int_equal(fetch_one().state, 'P');
	assert_int_equal(run_script(SP_SCRIPT_REFRESH, &zero, "1").accepted, 1);
	check_promise(&one);
	assert_int_equal(fetch_one().state, 'C');
	assert_int_equal(run_script(SP_SCRIPT_REFRESH, &other, "0").accepted, 2);
	assert_int_equal(run_script(SP_SCRIPT_DROP, &zero, "F").accepted, 0);	/* state 'C' */
	assert_int_equal(fetch_one().state, 'C');
	assert_int_equal(run_script(SP_SCRIPT_DROP, &zero, "").accepted, 1);
	check_promise(&one);
	assert_int_equal(fetch_one().origin, '-');
	assert_int_equal(run_script(SP_SCRIPT_REFRESH, &zero, "0").accepted, 1);
	check_promise(&one);
	assert_int_equal(fetch_one().state, 'C');
	/* the later version is over, and so is all behind the promise */
	assert_int_equal(run_script(SP_SCRIPT_DROP, &one, "").accepted, 1);
	check_promise(&one);
	assert_int_equal(fetch_one().origin, '-');
	/* version 0 may have been forgotten: steps change no value */
	v = run_script(SP_SCRIPT_CLAIM, &zero, NULL);
	assert_int_equal(v.origin, '-');
	v = run_script(SP_SCRIPT_PREPARE, &zero, BALLOT_3);
	assert_int_equal(v.promised, 2);
	assert_int_equal(run_script(SP_SCRIPT_ACCEPT, &zero, BALLOT_3).accepted, 0);
	check_promise(&one);
	/* and a record of version 1 takes the place of all */
	assert_int_equal(run_script(SP_SCRIPT_REFRESH, &zero, "0").accepted, 1);
	assert_int_equal(run_script(SP_SCRIPT_ACCEPT, &one, BALLOT_2).accepted, 2);
	assert_record(fetch_one(), &one);
}

/* A claim of a version between two: behind the promise of the later, in place of the earlier. */
static void claim_behind_a_promise(void **state)
{
	struct sp_record zero = make_version(1, 0, 0), one = make_version(2, 1, 5),
		two = make_version(3, 2, 6), next = make_version(4, 3, 7);

	empty_server();
	run_script(SP_SCRIPT_CLAIM, &zero, NULL);
	run_script(SP_SCRIPT_PREPARE, &two, BALLOT_2);
	assert_int_equal(run_script(SP_SCRIPT_CLAIM, &one, NULL).kind, SP_VOTE_NOTHING);
	assert_record(fetch_one(), &one);
	check_promise(&two);
	/* steps of an earlier version find the later record */
	assert_record(run_script(SP_SCRIPT_CLAIM, &zero, NULL), &one);
	assert_int_equal(run_script(SP_SCRIPT_REFRESH, &zero, "1").accepted, 3);
	assert_int_equal(run_script(SP_SCRIPT_DROP, &zero, "").accepted, 1);
	assert_record(fetch_one(), &one);
	run_script(SP_SCRIPT_PREPARE, &one, BALLOT_2);
	check_promise(&two);
	run_script(SP_SCRIPT_PREPARE, &next, BALLOT_3);
	assert_int_equal(fetch_one().origin, 'T');
	assert_record(fetch_one(), &one);
	check_promise(&two);
}

/* Promises around promises are bounded. */
static void promises_are_bounded(void **state)
{
	struct sp_record zero = make_version(1, 0, 0), r;

	empty_server();
	run_script(SP_SCRIPT_CLAIM, &zero, NULL);
	for (__u32 version = 1; version < 10; version++) {
		r = make_version(1 + version, version, version);
		assert_int_equal(run_script(SP_SCRIPT_PREPARE, &r, BALLOT_3).record.len, 0);
		assert_record(fetch_one(), &zero);
	}
	r = make_version(20, 4, 0);
	assert_int_equal(run_script(SP_SCRIPT_CLAIM, &r, NULL).promised, 3);
	r = make_version(21, 5, 0);	/* the fifth was not made */
	assert_int_equal(run_script(SP_SCRIPT_CLAIM, &r, NULL).kind, SP_VOTE_NOTHING);
}

/* Versions are unsigned, and the client ISN counts first. */
static void versions_are_unsigned(void **state)
{
	struct sp_record early = make_version(1, 0x7fffffff, 0),
		late = make_version(2, 0xffffffff, 0);
	struct sp_splice s = make_splice(3);
	struct sp_record newer;

	s.client_isn++;
	s.up.spliced_s += 10;
	newer = sp_record_make(&seal, &s);
	empty_server();
	run_script(SP_SCRIPT_CLAIM, &early, NULL);
	assert_int_equal(run_script(SP_SCRIPT_CLAIM, &late, NULL).kind, SP_VOTE_NOTHING);
	assert_record(run_script(SP_SCRIPT_CLAIM, &early, NULL), &late);
	assert_int_equal(run_script(SP_SCRIPT_PREPARE, &early, BALLOT_2).state, 'F');
	assert_int_equal(run_script(SP_SCRIPT_CLAIM, &newer, NULL).kind, SP_VOTE_NOTHING);
	assert_int_equal(run_script(SP_SCRIPT_REFRESH, &late, "1").accepted, 3);
	assert_int_equal(run_script(SP_SCRIPT_DROP, &late, "").accepted, 1);
	assert_record(fetch_one(), &newer);
}

/* The boundary moves within a version; a tunnel stays a tunnel. */
static void boundary_moves_with_refreshes(void **state)
{
	struct sp_record was = make_version(1, 3, 100), is = was, tunnel;
	struct sp_splice s;

	empty_server();
	sp_record_parse(&front, was.bytes, was.len, &s);
	s.boundary = (struct sp_boundary){ .until = 200, .bound = SP_BOUND_STOP };
	is = sp_record_make(&seal, &s);
	s.boundary.bound = SP_BOUND_NONE;
	tunnel = sp_record_make(&seal, &s);
	run_script(SP_SCRIPT_CLAIM, &was, NULL);
	assert_int_equal(run_script(SP_SCRIPT_REFRESH, &is, "0").accepted, 1);
	assert_int_equal(run_script(SP_SCRIPT_REFRESH, &is, "0").accepted, 0);
	assert_record(fetch_one(), &is);
	assert_int_equal(run_script(SP_SCRIPT_REFRESH, &tunnel, "0").accepted, 0);
	assert_int_equal(run_script(SP_SCRIPT_REFRESH, &is, "0").accepted, 0);
	assert_record(fetch_one(), &tunnel);
	assert_int_equal(run_script(SP_SCRIPT_DROP, &is, "").accepted, 1);
	assert_int_equal(state_of_key(), 0);
}

static int load_scripts(void **state)
{
	db = server_connect(&servers, 0);
	assert_non_null(db);
	for (int i = 0; i < SP_SCRIPT_COUNT; i++) {
		redisReply *reply = redisCommand(db, "SCRIPT LOAD %s", sp_script_text(i));

		if (reply->type != REDIS_REPLY_STRING)
			fail_msg("script %d: %s", i, reply->str);
		memcpy(sha[i], reply->str, 41);
		freeReplyObject(reply);
	}
	return 0;
}

static int close_db(void **state)
{
	redisFree(db);
	return 0;
}

int main(void)
{
	static const __u64 cluster[1][2] = { { 1, 2 } };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(promise_is_around_an_earlier_version),
		cmocka_unit_test(claim_behind_a_promise), cmocka_unit_test(promises_are_bounded),
		cmocka_unit_test(versions_are_unsigned),
		cmocka_unit_test(boundary_moves_with_refreshes),
	};

	front = (struct sp_tuple){ sp_addr_v4(htonl(0x0a000001)), sp_addr_v4(htonl(0xc0000201)), 1,
				   2 };
	sp_seal_init(&seal, cluster, 1);
	servers_start(&servers, 1, NULL);
	return cmocka_run_group_tests(tests, load_scripts, close_db);
}

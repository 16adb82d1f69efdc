/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_redis.c - the engine redis against three real servers: commits, fetches, and entries left
 * afterwards
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proxies.h"

static struct servers servers;
static struct proxy *a, *b;

static redisReply *on_server(int idx, const char *format, ...)
{
	redisContext *c = server_connect(&servers, idx);
	redisReply *reply;
	va_list ap;

	assert_non_null(c);
	va_start(ap, format);
	reply = redisvCommand(c, format, ap);
	va_end(ap);
	assert_non_null(reply);
	redisFree(c);
	return reply;
}

/* State byte of a front key's value; 0: no value. */
static int state_on(int idx, const struct sp_splice *s)
{
	struct sp_key key = sp_key_make(SP_KEY_FRONT, &s->front);
	redisReply *reply = on_server(idx, "GET %b", key.bytes, (size_t)key.len);
	int state = reply->type == REDIS_REPLY_STRING ? reply->str[0] : 0;

	freeReplyObject(reply);
	return state;
}

static void put_on(int idx, char state, const struct sp_splice *s)
{
	struct sp_key key = sp_key_make(SP_KEY_FRONT, &s->front);
	struct sp_record r = sp_record_make(&test_seal, s);
	char value[SP_RECORD_MAX + 1];

	value[0] = state;
	memcpy(value + 1, r.bytes, r.len);
	freeReplyObject(on_server(idx, "SET %b %b PX 60000", key.bytes, (size_t)key.len, value,
				  (size_t)r.len + 1));
}

static long long pttl_on(int idx, enum sp_key_kind kind, const struct sp_tuple *tuple)
{
	struct sp_key key = sp_key_make(kind, tuple);
	redisReply *reply = on_server(idx, "PTTL %b", key.bytes, (size_t)key.len);
	long long ms = reply->integer;

	freeReplyObject(reply);
	return ms;
}

static void committed_is_fetched_from_either_side(void **state)
{
	struct sp_splice s = splice_of(1, 1);
	struct sp_tuple down = down_of(&s);

	assert_int_equal(commit(a, &s, 1), 0);
	settle();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(state_on(i, &s), 'F');
		assert_in_range(pttl_on(i, SP_KEY_FRONT, &s.front), 7100000, 7200000);
		assert_in_range(pttl_on(i, SP_KEY_DOWN, &down), 7100000, 7200000);
	}
	assert_int_equal(fetch(b, &s.front), 0);
	assert_true(is_same_splice(&b->fetched.splice, &s));
	assert_int_equal(fetch(b, &down), 0);
	assert_true(is_same_splice(&b->fetched.splice, &s));
	assert_int_equal(fetch(a, &down), 0);
}

static void unknown_is_unknown(void **state)
{
	struct sp_splice s = splice_of(2, 1);
	__u64 misses = b->store->counters.fetch_misses;

	assert_int_equal(fetch(b, &s.front), -ENOENT);
	assert_int_equal(b->store->counters.fetch_misses, misses + 1);
}

static void second_proxy_adopts(void **state)
{
	struct sp_splice first = splice_of(3, 1), second = splice_of(3, 2);

	assert_int_equal(commit(a, &first, 3), 0);
	assert_int_equal(commit(b, &second, 3), -EEXIST);
	assert_true(is_same_splice(&b->committed[3].splice, &first));
	settle();
	for (int i = 0; i < 3; i++)
		assert_int_equal(state_on(i, &first), 'C');
	assert_int_equal(commit(b, &second, 3), -EEXIST);
	/* the losing proxy's tuple to the backend leads nowhere */
	first.front = down_of(&second);
	assert_int_equal(fetch(a, &first.front), -ENOENT);
}

static void both_at_once(void **state)
{
	int won = 0;

	for (unsigned int id = 100; id < 300; id++) {
		struct sp_splice first = splice_of(id, 1), second = splice_of(id, 2);

		sp_store_commit(a->store, &first, id);
		sp_store_commit(b->store, &second, id);
		run_until_changed(&a->committed[id].err, NOT_YET, 2000);
		run_until_changed(&b->committed[id].err, NOT_YET, 2000);
		if (a->committed[id].err == 0) {
			assert_int_equal(b->committed[id].err, -EEXIST);
			assert_true(is_same_splice(&b->committed[id].splice, &first));
			won++;
		} else {
			assert_int_equal(a->committed[id].err, -EEXIST);
			assert_int_equal(b->committed[id].err, 0);
			assert_true(is_same_splice(&a->committed[id].splice, &second));
		}
	}
	print_message("a won %d of 200\n", won);
	/* a losing splice leaves no entry, be it a minority's copy or a pointer */
	settle();
	for (unsigned int id = 100; id < 300; id++) {
		for (unsigned int maker = 1; maker <= 2; maker++) {
			struct sp_splice s = splice_of(id, maker);
			struct sp_tuple down = down_of(&s);
			int has_won = (a->committed[id].err == 0) == (maker == 1);

			for (int i = 0; i < 3; i++)
				assert_int_equal(pttl_on(i, SP_KEY_DOWN, &down) > 0, has_won);
		}
	}
}

static void older_connection_is_replaced(void **state)
{
	struct sp_splice old = splice_of(4, 1), new = splice_of(4, 2);
	struct sp_tuple down = down_of(&new);

	old.up.spliced_s -= 10;
	old.down.spliced_s -= 10;
	new.client_isn++;
	assert_int_equal(commit(a, &old, 4), 0);
	sp_store_refresh(a->store, &old);
	settle();
	assert_int_equal(commit(b, &new, 4), 0);
	assert_int_equal(fetch(a, &new.front), 0);
	assert_true(is_same_splice(&a->fetched.splice, &new));
	assert_int_equal(fetch(a, &down), 0);
	assert_true(is_same_splice(&a->fetched.splice, &new));
	/* remains of the older splice do not delete the newer */
	sp_store_refresh(a->store, &old);
	sp_store_forget(a->store, &old);
	settle();
	assert_int_equal(a->store->counters.refresh_outdated, 3);
	assert_int_equal(fetch(a, &down), 0);
	assert_true(is_same_splice(&a->fetched.splice, &new));
}

/*
 * The client has reopened its port and got the same tuple to the backend: the pointer is the newer
 * splice's.
 */
static void pointer_of_a_newer_connection_stays(void **state)
{
	struct sp_splice old = splice_of(92, 1), new = splice_of(92, 1);
	struct sp_tuple down = down_of(&new);

	old.up.spliced_s -= 10;
	old.down.spliced_s -= 10;
	new.client_isn++;
	assert_int_equal(commit(a, &old, 92), 0);
	assert_int_equal(commit(a, &new, 92), 0);
	sp_store_forget(a->store, &old);
	settle();
	for (int i = 0; i < 3; i++)
		assert_true(pttl_on(i, SP_KEY_DOWN, &down) > 0);
	assert_int_equal(fetch(b, &down), 0);
	assert_true(is_same_splice(&b->fetched.splice, &new));
}

/* A server that missed the newer connection is outvoted. */
static void stale_server_is_outvoted(void **state)
{
	struct sp_splice old = splice_of(5, 1), new = splice_of(5, 2);

	old.up.spliced_s -= 10;
	old.down.spliced_s -= 10;
	new.client_isn++;
	for (int stale = 0; stale < 3; stale++) {
		for (int i = 0; i < 3; i++)
			put_on(i, 'C', i == stale ? &old : &new);
		assert_int_equal(fetch(a, &new.front), 0);
		assert_true(is_same_splice(&a->fetched.splice, &new));
	}
}

static void what_this_box_refuses_is_not_asked_for(void **state)
{
	struct sp_splice s = splice_of(6, 1);

	a->local_err = -E2BIG;
	assert_int_equal(commit(a, &s, 6), -E2BIG);
	a->local_err = 0;
	assert_int_equal(state_on(0, &s), 0);
}

static void forgotten(void **state)
{
	struct sp_splice s = splice_of(7, 1), other = splice_of(7, 2);
	struct sp_tuple down = down_of(&s);

	assert_int_equal(commit(a, &s, 7), 0);
	sp_store_forget(a->store, &other);
	settle();
	assert_int_equal(fetch(b, &down), 0);
	sp_store_forget(b->store, &s);
	settle();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pttl_on(i, SP_KEY_FRONT, &s.front), -2);
		assert_int_equal(pttl_on(i, SP_KEY_DOWN, &down), -2);
	}
	assert_int_equal(fetch(b, &down), -ENOENT);
}

static void refreshed(void **state)
{
	struct sp_splice s = splice_of(8, 1);
	struct sp_tuple down = down_of(&s);
	struct sp_store_counters before;

	assert_int_equal(commit(a, &s, 8), 0);
	settle();
	freeReplyObject(on_server(1, "FLUSHALL"));
	before = b->store->counters;
	sp_store_refresh(b->store, &s);
	settle();
	/* state 'F' becomes 'C' */
	assert_int_equal(b->store->counters.put_back - before.put_back, 3);
	for (int i = 0; i < 3; i++) {
		struct sp_key key = sp_key_make(SP_KEY_FRONT, &s.front);

		assert_int_equal(state_on(i, &s), 'C');
		freeReplyObject(on_server(i, "PEXPIRE %b 1000", key.bytes, (size_t)key.len));
	}
	sp_store_refresh(b->store, &s);
	settle();
	assert_int_equal(b->store->counters.refreshed - before.refreshed, 3);
	for (int i = 0; i < 3; i++) {
		assert_in_range(pttl_on(i, SP_KEY_FRONT, &s.front), 7100000, 7200000);
		assert_in_range(pttl_on(i, SP_KEY_DOWN, &down), 7100000, 7200000);
	}
}

/*
 * During a key's replacement records of the old key are sealed anew. Otherwise they would be
 * foreign once the old key is gone.
 */
static void refresh_seals_anew(void **state)
{
	static const struct sp_keys next = { 1, { { 0x0123456789abcdef, 0xfedcba9876543210 } } };
	struct sp_splice s = splice_of(7777, 1);
	struct sp_seal *seal = &((struct sp_store_redis *)b->store)->seal, before = *seal;

	assert_int_equal(commit(a, &s, 7777), 0);
	sp_store_rekey(b->store, &next);
	assert_int_equal(fetch(b, &s.front), -EAGAIN);
	sp_store_refresh(b->store, &s);
	sp_store_refresh(b->store, &s);
	settle();
	assert_int_equal(fetch(b, &s.front), 0);
	*seal = before;
	sp_store_forget(b->store, &s);
	settle();
}

/* Answers to a claim are in flight when the key is replaced. */
static void claims_outlive_the_key_they_were_sealed_with(void **state)
{
	static const struct sp_keys next = { 1, { { 0x1111111111111111, 0x2222222222222222 } } };
	struct sp_splice s = splice_of(7778, 1), rival = splice_of(7778, 2);
	struct sp_seal *seal = &((struct sp_store_redis *)b->store)->seal, before = *seal;
	int count = b->committed_count;

	sp_store_commit(b->store, &s, 7778);
	sp_store_rekey(b->store, &next);
	assert_true(run_until_changed(&b->committed_count, count, 2000));
	assert_int_equal(b->committed[7778].err, 0);
	assert_int_equal(commit(a, &rival, 7778), -EEXIST);
	assert_true(is_same_splice(&a->committed[7778].splice, &s));
	*seal = before;
	sp_store_forget(b->store, &s);
	settle();
}

static void refresh_leaves_what_it_did_not_make(void **state)
{
	struct sp_splice s = splice_of(9, 1), other = splice_of(9, 2);
	__u64 before = a->store->counters.refresh_conflicts;

	assert_int_equal(commit(a, &s, 9), 0);
	settle();
	sp_store_refresh(a->store, &other);
	settle();
	assert_int_equal(a->store->counters.refresh_conflicts - before, 3);
	assert_int_equal(fetch(b, &s.front), 0);
	assert_true(is_same_splice(&b->fetched.splice, &s));
	/* except for a newer version of the same splice */
	other.up.version = 1;
	other.down.version = 1;
	sp_store_refresh(a->store, &other);
	settle();
	assert_int_equal(fetch(b, &s.front), 0);
	assert_true(is_same_splice(&b->fetched.splice, &other));
}

/* A splice counts as refreshed once a majority has acknowledged. */
static void refresh_is_confirmed(void **state)
{
	struct sp_splice s = splice_of(60, 1);
	int kept = b->kept_count, outdated = b->outdated_count;

	assert_int_equal(sp_store_refresh(b->store, &s), 0);
	assert_int_equal(b->kept_count, kept);
	run_until_changed(&b->kept_count, kept, 1000);
	assert_int_equal(b->kept_count, kept + 1);
	assert_memory_equal(&b->kept.splice.front, &s.front, sizeof(s.front));
	assert_int_equal(b->kept.splice.client_isn, s.client_isn);
	settle();
	assert_int_equal(b->kept_count, kept + 1);
	assert_int_equal(b->outdated_count, outdated);
}

/* A single server with a different splice may be the wrong server. */
static void majority_says_outdated(void **state)
{
	for (int newer = 0; newer < 2; newer++) {
		for (int against = 0; against <= 3; against++) {
			struct sp_splice s = splice_of(70 + newer * 4 + against, 1);
			struct sp_splice other = splice_of(70 + newer * 4 + against, 2);
			int kept = b->kept_count, outdated = b->outdated_count;

			other.client_isn += newer;
			other.up.spliced_s += newer;
			other.down.spliced_s += newer;
			for (int i = 0; i < against; i++)
				put_on(i, 'C', &other);
			assert_int_equal(sp_store_refresh(b->store, &s), 0);
			settle();
			assert_int_equal(b->kept_count - kept, against < 2);
			assert_int_equal(b->outdated_count - outdated, against >= 2);
			if (against < 2)
				continue;
			assert_memory_equal(&b->outdated.splice.front, &s.front, sizeof(s.front));
			assert_int_equal(b->outdated.splice.client_isn, s.client_isn);
			/*
			 * a server without an entry has stored the splice: forget, as the ager does
			 */
			sp_store_forget(b->store, &s);
			settle();
			assert_int_equal(fetch(b, &s.front), 0);
			assert_true(is_same_splice(&b->fetched.splice, &other));
		}
	}
}

/* An entry of the table is freed for any answer, and for a missing answer. */
static void refreshes_are_bounded(void **state)
{
	int kept = b->kept_count, refused = 0;
	struct sp_splice first[3]; /* made once, since a splice contains its second */

	for (unsigned int id = 0; id < 9000; id++) {
		struct sp_splice s = splice_of(20000 + id, 1);
		int err = sp_store_refresh(b->store, &s);

		if (id < 3)
			first[id] = s;
		assert_true(!err || err == -EAGAIN);
		refused += !!err;
	}
	assert_int_equal(refused, 9000 - 8192);
	for (int ms = 0; ms < 5000 && b->kept_count < kept + 8192; ms += 10)
		run_for(10);
	assert_int_equal(b->kept_count, kept + 8192);
	/* a late server may just have been given up */
	for (int ms = 0; ms < 5000 && b->kept_count < kept + 8192 + 3; ms += 10) {
		for (unsigned int id = 0; ms % 500 == 0 && id < 3; id++)
			sp_store_refresh(b->store, &first[id]);
		run_for(10);
	}
	assert_true(b->kept_count >= kept + 8192 + 3);
}

/* Without a majority a refresh is refused at once. One server of three may be away. */
static void refresh_without_servers(void **state)
{
	struct sp_splice s = splice_of(90, 1);
	int kept = b->kept_count;

	server_kill(&servers, 2);
	settle();
	assert_int_equal(sp_store_refresh(b->store, &s), 0);
	settle();
	assert_int_equal(b->kept_count, kept + 1);
	assert_int_equal(sp_store_refresh(b->store, &s), 0);
	server_kill(&servers, 1);	/* perhaps before its answer: then no refresh counts */
	settle();
	kept = b->kept_count;
	assert_int_equal(sp_store_refresh(b->store, &s), -EAGAIN);
	settle();
	assert_int_equal(b->kept_count, kept);
	server_start(&servers, 1);
	server_start(&servers, 2);
	for (int ms = 0; ms < 5000 && proxy_servers_up(b) < 3; ms += 10)
		run_for(10);
	assert_int_equal(sp_store_refresh(b->store, &s), 0);
	settle();
	assert_int_equal(b->kept_count, kept + 1);
}

/* Every proxy notices once that a running server was emptied. */
static void flushed_server_is_noticed(void **state)
{
	int at_a = a->emptied_count, at_b = b->emptied_count;
	struct sp_splice s = splice_of(91, 1);

	run_for(1200);
	at_a = a->emptied_count;
	at_b = b->emptied_count;
	for (int times = 1; times <= 2; times++) {
		freeReplyObject(on_server(1, "FLUSHALL"));
		run_for(2300);
		assert_int_equal(a->emptied_count - at_a, times);
		assert_int_equal(b->emptied_count - at_b, times);
	}
	/* an entry missing on the emptied server may have existed */
	put_on(0, 'C', &s);
	server_kill(&servers, 0);
	settle();
	assert_int_equal(fetch(b, &s.front), -EAGAIN);
	server_start(&servers, 0);
	run_for(400);
}

/* A has won one server and died, the third server is away: B takes over A's splice. */
static void split_claim(void **state)
{
	struct sp_splice s = splice_of(10, 1), own = splice_of(10, 2);

	put_on(0, 'F', &s);
	server_kill(&servers, 2);
	settle();
	assert_int_equal(commit(b, &own, 10), -EEXIST);
	assert_true(is_same_splice(&b->committed[10].splice, &s));
	server_start(&servers, 2);
	run_for(400);
	assert_int_equal(fetch(a, &own.front), 0);
	assert_true(is_same_splice(&a->fetched.splice, &s));
}

/* A proxy died amid its claims. A fetch that finds a claim completes the decision. */
static void claim_of_the_dead_is_finished(void **state)
{
	struct sp_splice s = splice_of(11, 1);
	__u64 hits = b->store->counters.fetch_hits;

	put_on(1, 'F', &s);
	assert_int_equal(fetch(b, &s.front), 0);
	assert_int_equal(b->store->counters.fetch_hits, hits + 1);
	assert_true(is_same_splice(&b->fetched.splice, &s));
	settle();
	for (int i = 0; i < 3; i++)
		assert_int_equal(state_on(i, &s), 'C');
}

static void spoil(int kind, int idx, const struct sp_splice *s)
{
	struct sp_key key = sp_key_make(SP_KEY_FRONT, &s->front);
	static const __u64 theirs[1][2] = { { 5, 6 } };
	struct sp_record r = sp_record_make(&test_seal, s);
	char value[SP_RECORD_MAX + 1];
	struct sp_splice moved = *s;
	struct sp_seal foreign;
	size_t len;

	sp_seal_init(&foreign, theirs, 1);
	moved.front.sport ^= htons(1);
	if (kind == SP_SEAL_FOREIGN)
		r = sp_record_make(&foreign, s);
	else if (kind == SP_SEAL_FORGED)
		r = sp_record_make(&test_seal, &moved);
	else if (kind == SP_SEAL_VERSION)
		r.bytes[1]++;
	else if (kind == SP_SEAL_LENGTH)
		r.len = 5;
	value[0] = kind == SP_SEAL_MAGIC ? '?' : 'C';
	memcpy(value + 1, r.bytes, r.len);
	len = r.len + 1;
	freeReplyObject(on_server(idx, "SET %b %b PX 60000", key.bytes, (size_t)key.len, value,
				  len));
}

static __u64 refused(const struct proxy *p, int kind)
{
	switch (kind) {
#define X(up, low, what) case SP_SEAL_##up: return p->store->counters.refused_##low;
	SP_SEAL_REFUSALS(X)
#undef X
	}
	return 0;
}

/*
 * A single spoilt copy is outvoted. If all copies are spoilt, the answer is not found. No spoilt
 * copy is ever used.
 */
static void spoilt_records_are_refused(void **state)
{
	for (int kind = SP_SEAL_OK + 1; kind < SP_SEAL_POINTER; kind++) {
		struct sp_splice s = splice_of(20 + kind, 1);
		__u64 before = refused(b, kind);

		assert_int_equal(commit(a, &s, 20), 0);
		settle();
		spoil(kind, 1, &s);
		assert_int_equal(fetch(b, &s.front), 0);
		assert_true(is_same_splice(&b->fetched.splice, &s));
		for (int i = 0; i < 3; i++)
			spoil(kind, i, &s);
		assert_int_equal(fetch(b, &s.front), -EAGAIN);
		settle();
		assert_in_range(refused(b, kind) - before, 3, 4);
	}
}

/*
 * Pointers to a different connection's record count as not found. Malformed pointers are refused.
 */
static void misled_pointers(void **state)
{
	struct sp_splice s = splice_of(30, 1), other = splice_of(31, 1);
	struct sp_tuple down = down_of(&s);
	struct sp_key key = sp_key_make(SP_KEY_DOWN, &down);
	__u8 packed[SP_PACKED_MAX];
	size_t len = sp_tuple_pack(&other.front, packed);

	assert_int_equal(commit(a, &s, 30), 0);
	assert_int_equal(commit(a, &other, 31), 0);
	settle();
	for (int i = 0; i < 3; i++)
		freeReplyObject(on_server(i, "SET %b %b", key.bytes, (size_t)key.len, packed, len));
	assert_int_equal(fetch(b, &down), -ENOENT);
	for (int i = 0; i < 3; i++)
		freeReplyObject(on_server(i, "SET %b %b", key.bytes, (size_t)key.len, "x",
					  (size_t)1));
	assert_int_equal(fetch(b, &down), -ENOENT);
}

/* Packets without an entry come in bursts. */
static void fetches_of_one_key_are_one(void **state)
{
	struct sp_splice s = splice_of(40, 1);
	struct sp_store_server before, after;
	int answers = b->fetched_count;

	assert_int_equal(commit(a, &s, 40), 0);
	sp_store_server(b->store, 0, &before);
	for (int i = 0; i < 10; i++)
		sp_store_fetch(b->store, &s.front);
	settle();
	sp_store_server(b->store, 0, &after);
	assert_int_equal(after.commands - before.commands, 1);
	assert_int_equal(b->fetched_count, answers + 1);
}

/* Commands of a single turn of the loop leave together. */
static void turns_are_batched(void **state)
{
	struct sp_store_server before[3], after[3];
	int first = a->committed_count;

	for (int i = 0; i < 3; i++)
		sp_store_server(a->store, i, &before[i]);
	for (unsigned int id = 1000; id < 2000; id++) {
		struct sp_splice s = splice_of(id, 1);

		sp_store_commit(a->store, &s, id);
	}
	for (int ms = 0; ms < 2000 && a->committed_count < first + 1000; ms += 10)
		run_for(10);
	assert_int_equal(a->committed_count, first + 1000);
	settle();
	for (int i = 0; i < 3; i++) {
		sp_store_server(a->store, i, &after[i]);
		assert_int_equal(after[i].commands - before[i].commands, 1000);
		assert_in_range(after[i].writes - before[i].writes, 1, 3);
		assert_int_equal(after[i].in_flight, 0);
		assert_in_range(after[i].latency_us, 1, 100000);
	}
}

/* Requests beyond the table's size are refused at once. */
static void table_is_bounded(void **state)
{
	int first = b->fetched_count;
	struct sp_splice s;

	for (unsigned int id = 0; id < 9000; id++) {
		s = splice_of(3000 + id, 1);
		sp_store_fetch(b->store, &s.front);
	}
	assert_int_equal(b->fetched_count - first, 9000 - 8192);
	assert_int_equal(b->fetched.err, -EAGAIN);
	assert_int_equal(b->store->counters.table_full, 9000 - 8192);
	for (int ms = 0; ms < 5000 && b->fetched_count < first + 9000; ms += 10)
		run_for(10);
	assert_int_equal(b->fetched_count, first + 9000);
}

static void scripts_are_lost(void **state)
{
	struct sp_splice s = splice_of(50, 1);
	struct sp_store_server server;
	int err = -EAGAIN;

	for (int i = 0; i < 3; i++)
		freeReplyObject(on_server(i, "SCRIPT FLUSH"));
	for (int tries = 0; tries < 10 && err == -EAGAIN; tries++) {
		err = commit(a, &s, 50);
		settle();
	}
	assert_int_equal(err, 0);
	sp_store_server(a->store, 0, &server);
	assert_int_equal(server.reconnects, 2);
}

static int open_proxies(void **state)
{
	a = proxy_open(&servers, 3, 0);
	b = proxy_open(&servers, 3, 0);
	return 0;
}

static int close_proxies(void **state)
{
	proxy_close(a);
	proxy_close(b);
	return uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(committed_is_fetched_from_either_side),
			cmocka_unit_test(unknown_is_unknown),
		cmocka_unit_test(claims_outlive_the_key_they_were_sealed_with),
		cmocka_unit_test(second_proxy_adopts), cmocka_unit_test(both_at_once),
		cmocka_unit_test(older_connection_is_replaced),
		cmocka_unit_test(pointer_of_a_newer_connection_stays),
		cmocka_unit_test(stale_server_is_outvoted),
		cmocka_unit_test(what_this_box_refuses_is_not_asked_for),
		cmocka_unit_test(forgotten),
		cmocka_unit_test(refresh_leaves_what_it_did_not_make),
		cmocka_unit_test(claim_of_the_dead_is_finished),
		cmocka_unit_test(spoilt_records_are_refused),
		cmocka_unit_test(misled_pointers), cmocka_unit_test(fetches_of_one_key_are_one),
		cmocka_unit_test(turns_are_batched), cmocka_unit_test(table_is_bounded),
		cmocka_unit_test(refresh_is_confirmed), cmocka_unit_test(majority_says_outdated),
		cmocka_unit_test(refreshes_are_bounded),
		cmocka_unit_test(scripts_are_lost), cmocka_unit_test(split_claim),
		cmocka_unit_test(refreshed),
		cmocka_unit_test(refresh_seals_anew),
		cmocka_unit_test(refresh_without_servers),
		cmocka_unit_test(flushed_server_is_noticed),
	};

	uv_loop_init(&loop);
	servers_start(&servers, 3, NULL);
	return cmocka_run_group_tests(tests, open_proxies, close_proxies);
}

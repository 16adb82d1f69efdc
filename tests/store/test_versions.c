/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_versions.c - a splice whose version rises, in the engine redis against three real servers */
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proxies.h"

static struct servers servers;
static struct proxy *a, *b;

/* @state: all that is before the record, of @len bytes */
static void put_value(int idx, const char *state, size_t len, const struct sp_splice *s)
{
	struct sp_key key = sp_key_make(SP_KEY_FRONT, &s->front);
	struct sp_record r = sp_record_make(&test_seal, s);
	redisContext *c = server_connect(&servers, idx);
	char value[2 * SP_RECORD_MAX];

	memcpy(value, state, len);
	memcpy(value + len, r.bytes, r.len);
	freeReplyObject(redisCommand(c, "SET %b %b PX 60000", key.bytes, (size_t)key.len, value,
				     len + r.len));
	redisFree(c);
}

/* A splice, and the pointer of its leg */
static void put_with_pointer(int idx, const char *state, const struct sp_splice *s)
{
	struct sp_tuple down = sp_tuple_reverse(&s->up.out);
	struct sp_key key = sp_key_make(SP_KEY_DOWN, &down);
	redisContext *c = server_connect(&servers, idx);
	__u8 packed[SP_PACKED_MAX];
	size_t len = sp_tuple_pack(&s->front, packed);

	put_value(idx, state, 1, s);
	freeReplyObject(redisCommand(c, "SET %b %b PX 60000", key.bytes, (size_t)key.len, packed,
				     len));
	redisFree(c);
}

static int has_pointer(int idx, const struct sp_splice *s)
{
	struct sp_tuple down = sp_tuple_reverse(&s->up.out);
	struct sp_key key = sp_key_make(SP_KEY_DOWN, &down);
	redisContext *c = server_connect(&servers, idx);
	redisReply *reply = redisCommand(c, "EXISTS %b", key.bytes, (size_t)key.len);
	int has = reply->integer;

	freeReplyObject(reply);
	redisFree(c);
	return has;
}

static void assert_fetched(struct proxy *p, const struct sp_splice *s)
{
	struct sp_tuple down = down_of(s);

	assert_int_equal(fetch(p, &s->front), 0);
	assert_true(is_same_splice(&p->fetched.splice, s));
	assert_int_equal(fetch(p, &down), 0);
	assert_true(is_same_splice(&p->fetched.splice, s));
}

static void next_version_takes_the_place(void **state)
{
	struct sp_splice v = version_of(1, 1, 0), next = version_of(1, 2, 1);
	struct sp_tuple down = down_of(&v);

	assert_int_equal(commit(a, &v, 1), 0);
	assert_fetched(b, &v);
	assert_int_equal(commit(b, &next, 1), 0);
	assert_fetched(a, &next);
	/* the leg that was left */
	assert_int_equal(fetch(a, &down), -ENOENT);
}

/* The leg stays, the boundary moves: any proxy may commit the next version. */
static void the_leg_stays(void **state)
{
	struct sp_splice v = version_of(2, 1, 4), next = version_of(2, 1, 5);

	assert_int_equal(commit(a, &v, 2), 0);
	assert_int_equal(commit(b, &next, 2), 0);
	assert_int_equal(commit(a, &next, 2), 0);	/* the very same */
	assert_fetched(a, &next);
	sp_store_forget(a->store, &v);
	settle();
	assert_fetched(a, &next);
	for (int i = 0; i < 3; i++)
		assert_true(has_pointer(i, &next));
}

/* The boundary of a committed splice has moved: the same commit learns where to. */
static void commit_is_repeated(void **state)
{
	struct sp_splice v = version_of(3, 1, 4), moved = v;

	moved.boundary.until += 1000;
	assert_int_equal(commit(a, &v, 2), 0);
	sp_store_refresh(b->store, &moved);
	settle();
	assert_int_equal(commit(a, &v, 2), -EEXIST);
	assert_true(is_same_splice(&a->committed[2].splice, &moved));
	settle();
	assert_fetched(b, &moved);
}

static void two_go_on_at_once(void **state)
{
	int won = 0;

	for (unsigned int id = 100; id < 250; id++) {
		struct sp_splice v = version_of(id, 1, 7), first = version_of(id, 2, 8),
			second = version_of(id, 3, 8);

		assert_int_equal(commit(a, &v, id), 0);
		sp_store_commit(a->store, &first, id);
		sp_store_commit(b->store, &second, id);
		a->committed[id].err = b->committed[id].err = NOT_YET;
		run_until_changed(&a->committed[id].err, NOT_YET, WAIT_MS);
		run_until_changed(&b->committed[id].err, NOT_YET, WAIT_MS);
		assert_int_equal(a->committed[id].err + b->committed[id].err, -EEXIST);
		won += !a->committed[id].err;
		if (a->committed[id].err)
			assert_true(is_same_splice(&a->committed[id].splice, &second));
		else
			assert_true(is_same_splice(&b->committed[id].splice, &first));
		settle();
		assert_fetched(a, a->committed[id].err ? &second : &first);
		for (int i = 0; i < 3; i++)
			assert_int_equal(has_pointer(i, &first), !a->committed[id].err);
	}
	print_message("a won %d of 150\n", won);
}

/* A proxy learns the latest version from its majority, in any state. */
static void late_proposer_learns(void **state)
{
	static const char *const states[] = { "F", "T", "C" };

	for (int i = 0; i < 3; i++) {
		for (int on = 3; on <= 7; on += on < 5 ? 2 : 1) {
			struct sp_splice v = version_of(300 + i * 10 + on, 1, 1),
				late = version_of(300 + i * 10 + on, 2, 2),
				latest = version_of(300 + i * 10 + on, 3, 3);

			for (int j = 0; j < 3; j++)
				put_with_pointer(j, on & 1 << j ? states[i] : "C",
						 on & 1 << j ? &latest : &v);
			assert_int_equal(commit(a, &late, 3), -EEXIST);
			assert_true(is_same_splice(&a->committed[3].splice, &latest));
			settle();
			assert_fetched(b, &latest);
			for (int j = 0; j < 3; j++)
				assert_false(has_pointer(j, &late));
		}
	}
}

/* A claim of version 1 reaches a server after version 2. */
static void late_claim(void **state)
{
	struct sp_splice v = version_of(400, 1, 1), next = version_of(400, 2, 2);

	put_with_pointer(0, "F", &next);
	put_with_pointer(1, "F", &next);
	assert_int_equal(commit(a, &v, 4), -EEXIST);
	assert_true(is_same_splice(&a->committed[4].splice, &next));
	settle();
	assert_fetched(b, &next);
}

/* One of three servers has only the earlier version. */
static void stale_server_is_outvoted(void **state)
{
	for (int stale = 1; stale < 7; stale *= 2) {
		unsigned int id = 410 + stale;
		struct sp_splice v = version_of(id, 1, 1), next = version_of(id, 2, 2);
		struct sp_tuple down = down_of(&v);

		/* the clock of the later proxy may be behind */
		v.up.spliced_s += 5;
		v.down.spliced_s += 5;
		for (int i = 0; i < 3; i++)
			put_with_pointer(i, stale & 1 << i ? "C" : "F",
					 stale & 1 << i ? &v : &next);
		assert_int_equal(fetch(a, &next.front), 0);
		assert_true(is_same_splice(&a->fetched.splice, &next));
		settle();
		assert_int_equal(fetch(b, &down), -ENOENT);
		assert_fetched(b, &next);
	}
}

/* Two of three servers have only the earlier version: the later may still be chosen. */
static void stale_majority(void **state)
{
	for (int stale = 3; stale < 7; stale += stale < 5 ? 2 : 1) {
		unsigned int id = 420 + stale;
		struct sp_splice v = version_of(id, 1, 1), next = version_of(id, 2, 2),
			other = version_of(id, 3, 2);

		for (int i = 0; i < 3; i++)
			put_with_pointer(i, stale & 1 << i ? "C" : "F",
					 stale & 1 << i ? &v : &next);
		assert_int_equal(fetch(a, &next.front), 0);
		assert_true(is_same_splice(&a->fetched.splice, &next) ||
			    is_same_splice(&a->fetched.splice, &v));
		if (commit(b, &other, 9))
			assert_true(is_same_splice(&b->committed[9].splice, &next));
		settle();
		assert_fetched(a, b->committed[9].err ? &next : &other);
	}
}

/* The pointer of a leg that was left: only the stale server has the leg as chosen. */
static void stale_pointer_is_outvoted(void **state)
{
	for (int stale = 0; stale < 3; stale++) {
		unsigned int id = 430 + stale;
		struct sp_splice v = version_of(id, 1, 1), next = version_of(id, 2, 2);
		struct sp_tuple down = down_of(&v);

		for (int i = 0; i < 3; i++) {
			put_with_pointer(i, "C", &v);
			if (i != stale)
				put_with_pointer(i, "C", &next);
		}
		assert_int_equal(fetch(a, &down), -ENOENT);
		assert_fetched(a, &next);
	}
}

/* A single server may have missed the next version. A tunnel has none. */
static void one_server_does_not_know(void **state)
{
	struct sp_splice v = version_of(440, 1, 1), own = version_of(440, 2, 1),
		tunnel = version_of(441, 1, 1), plain = splice_of(442, 1);
	struct sp_splice *all[] = { &v, &tunnel, &plain };
	struct sp_splice next = version_of(440, 2, 2), first = version_of(443, 1, 0);

	tunnel.boundary.bound = SP_BOUND_NONE;
	tunnel.boundary.until = 0;
	for (int i = 0; i < 3; i++)
		put_with_pointer(0, "C", all[i]);
	server_kill(&servers, 1);
	server_kill(&servers, 2);
	settle();
	for (int i = 0; i < 3; i++)
		assert_int_equal(fetch(a, &all[i]->front), i ? 0 : -EAGAIN);
	assert_int_equal(commit(a, &own, 5), -EAGAIN);
	/* a claim in vain is withdrawn, unless an earlier version was there */
	a->config.store.loss = SP_LOSS_REFUSE;
	assert_int_equal(commit(a, &first, 5), -EAGAIN);
	assert_int_equal(commit(a, &next, 5), -EAGAIN);
	settle();
	assert_false(server_has_splice(&servers, 0, &first));
	assert_true(server_has_splice(&servers, 0, &next));
	a->config.store.loss = SP_LOSS_CONTINUE;
	server_start(&servers, 1);
	server_start(&servers, 2);
	for (int ms = 0; ms < 8000 && proxy_servers_up(a) + proxy_servers_up(b) < 6; ms += 10)
		run_for(10);
	run_for(1500);	/* servers that came back empty */
}

/* The proxy with a promise for version 1 has died: fetches find version 0. */
static void promise_hides_nothing(void **state)
{
	struct sp_splice v = version_of(450, 1, 0), next = version_of(450, 2, 1);
	struct sp_record r = sp_record_make(&test_seal, &v);
	char promise[40] = "P000000000100000000000000-";

	assert_int_equal(commit(a, &v, 6), 0);
	settle();
	memcpy(promise + 26, r.bytes, 8);
	memcpy(promise + 34, "\0\0\0\1F", 5);
	for (int i = 0; i < 3; i++)
		put_value(i, promise, 39, &v);
	assert_fetched(b, &v);
	assert_int_equal(sp_store_refresh(b->store, &v), 0);
	settle();
	assert_fetched(b, &v);
	assert_int_equal(commit(a, &next, 6), 0);
	assert_int_equal(a->store->counters.commits_by_ballot > 0, 1);
	settle();
	assert_fetched(b, &next);
}

static void refresh_of_an_earlier_version(void **state)
{
	struct sp_splice v = version_of(462, 1, 1), next = version_of(462, 2, 2), moved;
	int outdated = b->outdated_count, kept = b->kept_count;

	assert_int_equal(commit(a, &v, 7), 0);
	assert_int_equal(commit(a, &next, 7), 0);
	settle();
	assert_int_equal(sp_store_refresh(b->store, &v), 0);
	settle();
	assert_int_equal(b->outdated_count - outdated, 1);
	assert_int_equal(b->outdated.splice.version, 1);
	assert_int_equal(b->kept_count, kept);
	assert_fetched(b, &next);
	/* within a version the boundary moves, and nothing is outdated */
	moved = next;
	moved.boundary.until += 1000;
	assert_int_equal(sp_store_refresh(b->store, &moved), 0);
	settle();
	assert_int_equal(b->kept_count, kept + 1);
	assert_int_equal(b->kept.splice.version, 2);
	assert_int_equal(b->outdated_count - outdated, 1);
	assert_fetched(b, &moved);
	/* a proxy that has lost the client's name takes no name away */
	assert_true(sp_splice_is_named(&moved));
	memset(&next.named, 0, sizeof(next.named));
	assert_int_equal(sp_store_refresh(b->store, &next), 0);
	settle();
	assert_int_equal(b->kept_count, kept + 2);
	assert_fetched(b, &moved);
	/* forgotten, with any boundary */
	sp_store_forget(a->store, &v);
	settle();
	for (int i = 0; i < 3; i++)
		assert_false(has_pointer(i, &v));
	assert_fetched(b, &moved);
	sp_store_forget(a->store, &next);
	settle();
	assert_int_equal(fetch(b, &v.front), -ENOENT);
}

/* The end of a splice removes earlier versions from stale servers. */
static void nothing_earlier_comes_back(void **state)
{
	struct sp_splice v = version_of(465, 1, 1), next = version_of(465, 2, 2);

	put_with_pointer(0, "C", &v);
	put_with_pointer(1, "C", &next);
	put_with_pointer(2, "C", &next);
	sp_store_forget(a->store, &next);
	settle();
	assert_int_equal(fetch(b, &next.front), -ENOENT);
}

/* An emptied server gets the earlier version again, by a proxy that is out of date. */
static void emptied_server_is_filled_again(void **state)
{
	struct sp_splice v = version_of(470, 1, 1), next = version_of(470, 2, 2);
	redisContext *c = server_connect(&servers, 1);

	assert_int_equal(commit(a, &v, 8), 0);
	assert_int_equal(commit(a, &next, 8), 0);
	settle();
	freeReplyObject(redisCommand(c, "FLUSHALL"));
	redisFree(c);
	assert_int_equal(sp_store_refresh(b->store, &v), 0);
	settle();
	assert_int_equal(fetch(b, &next.front), 0);
	assert_true(is_same_splice(&b->fetched.splice, &next));
	assert_int_equal(sp_store_refresh(a->store, &next), 0);
	settle();
	assert_fetched(b, &next);
	run_for(1500);
}

/* On each server of @mask the connection was forgotten, or never known. */
static int commit_next(unsigned int id, unsigned int mask)
{
	struct sp_splice v = version_of(id, 1, 1), next = version_of(id, 2, 2);
	int err;

	next.follows = 1;
	for (int i = 0; i < 3; i++)
		if (!(mask & 1 << i))
			put_with_pointer(i, "C", &v);
	err = commit(a, &next, 10);
	settle();
	next.follows = 0;
	if (!err)
		assert_fetched(b, &next);
	else if (mask == 7)
		assert_int_equal(fetch(b, &next.front), -ENOENT);
	return err;
}

static void no_version_follows_a_forgotten_one(void **state)
{
	for (unsigned int mask = 0; mask < 8; mask++)
		assert_int_equal(commit_next(480 + mask, mask),
				 __builtin_popcount(mask) > 1 ? -ESTALE : 0);
	assert_int_equal(a->store->counters.commits_stale, 4);
}

/* The port has come again. */
static void no_version_follows_another_connection(void **state)
{
	struct sp_splice newer = version_of(490, 1, 1), next = version_of(490, 2, 2);

	next.follows = 1;
	next.client_isn--;
	assert_int_equal(commit(b, &newer, 11), 0);
	settle();
	assert_int_equal(commit(a, &next, 11), -ESTALE);
	settle();
	assert_fetched(b, &newer);
}

/* A proxy that was away learns of the later version until the store forgets it. */
static void forgotten_later(void **state)
{
	struct sp_splice v = version_of(491, 1, 1), latest = version_of(491, 2, 3),
		late = version_of(491, 3, 2);

	late.follows = 1;
	assert_int_equal(commit(b, &v, 12), 0);
	assert_int_equal(commit(b, &latest, 12), 0);
	settle();
	sp_store_forget_later(b->store, &latest, 700000000);
	settle();
	assert_int_equal(sp_store_refresh(a->store, &v), 0);
	settle();
	assert_int_equal(fetch(b, &v.front), 0);
	assert_true(is_same_splice(&b->fetched.splice, &latest));
	run_for(800);
	assert_int_equal(fetch(b, &v.front), -ENOENT);
	assert_int_equal(commit(a, &late, 12), -ESTALE);
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
		cmocka_unit_test(next_version_takes_the_place), cmocka_unit_test(the_leg_stays),
		cmocka_unit_test(commit_is_repeated),
		cmocka_unit_test(two_go_on_at_once), cmocka_unit_test(late_proposer_learns),
		cmocka_unit_test(late_claim), cmocka_unit_test(stale_server_is_outvoted),
		cmocka_unit_test(stale_majority),
		cmocka_unit_test(stale_pointer_is_outvoted),
		cmocka_unit_test(promise_hides_nothing),
		cmocka_unit_test(refresh_of_an_earlier_version),
		cmocka_unit_test(nothing_earlier_comes_back),
		cmocka_unit_test(no_version_follows_a_forgotten_one),
		cmocka_unit_test(no_version_follows_another_connection),
		cmocka_unit_test(forgotten_later),
		cmocka_unit_test(emptied_server_is_filled_again),
		cmocka_unit_test(one_server_does_not_know),
	};

	uv_loop_init(&loop);
	servers_start(&servers, 3, NULL);
	return cmocka_run_group_tests(tests, open_proxies, close_proxies);
}

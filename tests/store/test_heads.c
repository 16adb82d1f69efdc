/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_heads.c - heads acknowledged before their splice, on three real servers, of which some fail
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proxies.h"
#include "store/chunk.h"

/* time in which a restarted server's "not found" does not count */
#define BLANK_MS 5100

static struct servers servers;
static struct proxy *a, *b;
static char bytes[SP_STASH_HEAD_MAX];

static struct sp_stash_offer offer_of(unsigned int id)
{
	return (struct sp_stash_offer){
		.client = { .isn_ours = 0x80000000u + id, .isn_theirs = 0xfffffff0u + id,
			    .tsval_ours = 5,
			    .tsval_theirs = 100, .wscale_ours = 7, .wscale_theirs = -1,
			    .has_ts = 1 },
		.mss = 1448, .is_sack = 1, .is_ecn = id & 1, .begun_ms = 1795000000000ULL + id,
	};
}

static struct sp_tuple front_of(unsigned int id)
{
	return splice_of(id, 1).front;
}

static redisReply *on_server(int idx, const char *command, const struct sp_tuple *front,
			     const char *rest)
{
	struct sp_key key = sp_key_make(SP_KEY_HEAD, front);
	redisContext *c = server_connect(&servers, idx);
	char format[64];
	redisReply *reply;

	snprintf(format, sizeof(format), "%s %%b%s", command, rest);
	reply = redisCommand(c, format, key.bytes, (size_t)key.len);
	assert_non_null(reply);
	redisFree(c);
	return reply;
}

static long long number_on(int idx, const char *command, const struct sp_tuple *front,
			   const char *rest)
{
	redisReply *reply = on_server(idx, command, front, rest);
	long long number = reply->integer;

	freeReplyObject(reply);
	return number;
}

static void wait_up(struct proxy *p, int count)
{
	for (int ms = 0; ms < 6000 && proxy_servers_up(p) != count; ms += 5)
		run_for(5);
	assert_int_equal(proxy_servers_up(p), count);
}

static void restart(int idx)
{
	server_kill(&servers, idx);
	settle();
	server_start(&servers, idx);
	wait_up(a, 3);
	wait_up(b, 3);
}

static void expect_head(struct proxy *p, const struct sp_tuple *front,
			const struct sp_stash_offer *offer, __u32 len)
{
	assert_int_equal(head(p, front), 0);
	assert_int_equal(p->head.len, len);
	assert_memory_equal(p->head.bytes, bytes, len);
	assert_memory_equal(&p->head.offer.client, &offer->client,
			    offsetof(struct sp_side, has_ts) + 1);
	assert_int_equal(p->head.offer.mss, offer->mss);
	assert_int_equal(p->head.offer.is_sack, offer->is_sack);
	assert_int_equal(p->head.offer.is_ecn, offer->is_ecn);
	assert_int_equal(p->head.offer.begun_ms, offer->begun_ms);
}

static void grows_and_is_read_by_another(void **state)
{
	static const __u32 steps[] = { 1, 2, 3839, 3840, 3841, 8192, 60000, 65536, 130560,
				       SP_STASH_HEAD_MAX };
	struct sp_stash_offer offer = offer_of(1);
	struct sp_tuple front = front_of(1);
	__u32 len = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		assert_int_equal(stash(a, &front, &offer, bytes, len, steps[i]), 0);
		len = steps[i];
		expect_head(b, &front, &offer, len);
	}
	settle();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(number_on(i, "HLEN", &front, ""), SP_CHUNKS_MAX + 1);
		assert_in_range(number_on(i, "PTTL", &front, ""), 900000, 1000000);
	}
	sp_store_unstash(a->store, &front, &offer, len);
	settle();
	assert_int_equal(head(b, &front), -ENOENT);
	for (int i = 0; i < 3; i++)
		assert_int_equal(number_on(i, "EXISTS", &front, ""), 0);
}

static void only_what_is_new_goes_out(void **state)
{
	struct sp_stash_offer offer = offer_of(2);
	struct sp_tuple front = front_of(2);
	struct sp_store_server before, after;

	assert_int_equal(stash(a, &front, &offer, bytes, 0, 60000), 0);
	sp_store_server(a->store, 0, &before);
	assert_int_equal(stash(a, &front, &offer, bytes, 60000, 61000), 0);
	sp_store_server(a->store, 0, &after);
	assert_int_equal(after.commands - before.commands, 1);
	expect_head(b, &front, &offer, 61000);
}

static void too_long_is_refused(void **state)
{
	struct sp_stash_offer offer = offer_of(3);
	struct sp_tuple front = front_of(3);
	static char longer[SP_STASH_HEAD_MAX + 1];

	assert_int_equal(stash(a, &front, &offer, longer, 0, sizeof(longer)), -EAGAIN);
	assert_int_equal(head(b, &front), -ENOENT);
}

static void latest_tsval_and_first_begin_count(void **state)
{
	struct sp_stash_offer offer = offer_of(4), later = offer;
	struct sp_tuple front = front_of(4);

	later.client.tsval_theirs = 200;
	later.begun_ms += 50;
	assert_int_equal(stash(a, &front, &later, bytes, 0, 5000), 0);
	/* fewer bytes than stored */
	assert_int_equal(stash(b, &front, &offer, bytes, 0, 4000), -ESTALE);
	assert_int_equal(stash(b, &front, &offer, bytes, 0, 9000), 0);
	later.begun_ms = offer.begun_ms;
	later.client.tsval_theirs = 100;
	expect_head(a, &front, &later, 9000);
	offer.client.tsval_theirs = 0xfffffff0;		/* earlier */
	assert_int_equal(stash(a, &front, &offer, bytes, 7680, 9500), 0);
	expect_head(a, &front, &later, 9500);
}

static void newer_connection_wins(void **state)
{
	struct sp_stash_offer old = offer_of(5), new = offer_of(6);
	struct sp_tuple front = front_of(5);

	assert_int_equal(stash(a, &front, &old, bytes, 0, 9000), 0);
	assert_int_equal(stash(b, &front, &new, bytes, 0, 100), 0);
	expect_head(a, &front, &new, 100);
	assert_int_equal(stash(a, &front, &old, bytes, 9000, 9100), -ESTALE);
	assert_int_equal(stash(a, &front, &old, bytes, 0, 9100), -ESTALE);
	sp_store_unstash(a->store, &front, &old, 9000);
	settle();
	expect_head(a, &front, &new, 100);
}

/* The owner with fewer bytes does not delete bytes acknowledged by a second owner. */
static void forgetting_leaves_what_is_longer(void **state)
{
	struct sp_stash_offer offer = offer_of(7);
	struct sp_tuple front = front_of(7);

	assert_int_equal(stash(a, &front, &offer, bytes, 0, 9000), 0);
	sp_store_unstash(b->store, &front, &offer, 8999);
	sp_store_unstash(b->store, &front, &offer, 3840);
	settle();
	expect_head(b, &front, &offer, 9000);
}

static void majority_is_enough_and_less_is_not(void **state)
{
	struct sp_stash_offer offer = offer_of(10);
	struct sp_tuple front = front_of(10);
	double start;

	server_kill(&servers, 0);
	settle();
	assert_int_equal(stash(a, &front, &offer, bytes, 0, 10000), 0);
	server_kill(&servers, 1);
	settle();
	start = now_ms();
	assert_int_equal(stash(a, &front, &offer, bytes, 10000, 20000), -EAGAIN);
	assert_in_range(now_ms() - start, 0, 100);
	assert_int_equal(head(b, &front), -EAGAIN);
	server_start(&servers, 0);
	wait_up(b, 2);
	assert_int_equal(head(b, &front), -EAGAIN);	/* a restarted server has no vote */
	run_for(BLANK_MS);
	/* all safe bytes, and bytes stashed later */
	expect_head(b, &front, &offer, 20000);
	server_start(&servers, 1);
	wait_up(a, 3);
	wait_up(b, 3);
}

static void frozen_server_costs_no_more_than_the_time_out(void **state)
{
	struct sp_stash_offer offer = offer_of(11);
	struct sp_tuple front = front_of(11);
	double start = now_ms();

	server_signal(&servers, 2, SIGSTOP);
	assert_int_equal(stash(a, &front, &offer, bytes, 0, 10000), 0);
	assert_in_range(now_ms() - start, 0, 200);
	expect_head(b, &front, &offer, 10000);
	server_signal(&servers, 1, SIGSTOP);
	assert_int_equal(stash(a, &front, &offer, bytes, 10000, 10001), -EAGAIN);
	server_signal(&servers, 1, SIGCONT);
	server_signal(&servers, 2, SIGCONT);
	wait_up(a, 3);
	wait_up(b, 3);
}

/* A restarted server lacks the earlier bytes. A yes to later bytes would be a lie. */
static void restarted_server_has_no_say_until_it_is_given_all(void **state)
{
	struct sp_stash_offer offer = offer_of(12);
	struct sp_tuple front = front_of(12);

	assert_int_equal(stash(a, &front, &offer, bytes, 0, 10000), 0);
	restart(0);
	assert_int_equal(stash(a, &front, &offer, bytes, 10000, 12000), 0);
	assert_int_equal(number_on(0, "EXISTS", &front, ""), 0);
	server_kill(&servers, 1);
	settle();
	assert_int_equal(stash(a, &front, &offer, bytes, 12000, 14000), -EAGAIN);
	assert_int_equal(stash(a, &front, &offer, bytes, 0, 14000), 0);
	server_start(&servers, 1);
	wait_up(b, 3);
	server_kill(&servers, 2);
	run_for(BLANK_MS);
	expect_head(b, &front, &offer, 14000);
	server_start(&servers, 2);
	wait_up(a, 3);
	wait_up(b, 3);
}

/* A server without the end of a chunk must not continue behind the gap. */
static void hole_is_seen(void **state)
{
	struct sp_stash_offer offer = offer_of(13);
	struct sp_tuple front = front_of(13);

	assert_int_equal(stash(a, &front, &offer, bytes, 0, 100), 0);
	for (int ms = 0; ms < 2000 && !number_on(0, "EXISTS", &front, ""); ms += 5)
		run_for(5);	/* two servers were enough */
	server_kill(&servers, 1);
	server_signal(&servers, 0, SIGSTOP);
	assert_int_equal(stash(a, &front, &offer, bytes, 0, 3840), -EAGAIN);
	server_signal(&servers, 0, SIGCONT);
	server_start(&servers, 1);
	wait_up(a, 3);
	wait_up(b, 3);
	settle();
	assert_int_equal(number_on(0, "HSTRLEN", &front, " 0"),
			 SP_CHUNK_DATA_AT + 100 + SP_SEAL_TAIL_BYTES);
	assert_int_equal(stash(a, &front, &offer, bytes, 3840, 4000), -ESTALE);
	assert_int_equal(number_on(0, "HEXISTS", &front, " 1"), 0);
}

/* Head on a single server: it was delivered long ago, and the deletion did not reach the server. */
static void left_over_is_nothing(void **state)
{
	struct sp_stash_offer offer = offer_of(14);
	struct sp_tuple front = front_of(14);

	run_for(BLANK_MS);
	assert_int_equal(stash(a, &front, &offer, bytes, 0, 5000), 0);
	settle();
	server_signal(&servers, 1, SIGSTOP);
	run_for(1500);
	assert_int_equal(proxy_servers_up(a), 2);
	sp_store_unstash(a->store, &front, &offer, 5000);
	server_signal(&servers, 1, SIGCONT);
	wait_up(a, 3);
	wait_up(b, 3);
	assert_int_equal(number_on(1, "EXISTS", &front, ""), 1);
	assert_int_equal(head(b, &front), -ENOENT);
	assert_int_equal(heads(b, "proxy1", 0), 0);
}

static void forged_piece_is_refused(void **state)
{
	struct sp_stash_offer offer = offer_of(15);
	struct sp_tuple front = front_of(15), other = front_of(16);
	struct sp_key key = sp_key_make(SP_KEY_HEAD, &front);
	__u64 refused = b->store->counters.refused_forged;
	__u8 piece[SP_CHUNK_FULL];
	size_t len;

	assert_int_equal(stash(a, &front, &offer, bytes, 0, 5000), 0);
	settle();
	offer.begun_ms++;
	/* chunk of a different head */
	len = sp_chunk_make(&test_seal, &other, &offer, bytes, 3840, 0, piece);
	for (int i = 0; i < 3; i++) {
		redisContext *c = server_connect(&servers, i);

		freeReplyObject(redisCommand(c, "HSET %b 0 %b", key.bytes, (size_t)key.len, piece,
					     len));
		freeReplyObject(redisCommand(c, "HSET %b junk %b", key.bytes, (size_t)key.len,
					     piece, (size_t)5));
		freeReplyObject(redisCommand(c, "HSET %b 99999999999999999999 %b", key.bytes,
					     (size_t)key.len, piece, len));
		redisFree(c);
	}
	assert_int_equal(head(b, &front), -ENOENT);	/* first chunk is gone */
	assert_int_equal(b->store->counters.refused_forged, refused + 3);
	/* on a single server a forged chunk does no harm */
	offer = offer_of(16);
	assert_int_equal(stash(a, &other, &offer, bytes, 0, 5000), 0);
	settle();
	freeReplyObject(on_server(1, "HSET", &other, " 0 nonsense 1 more"));
	expect_head(b, &other, &offer, 5000);
}

static int is_listed(const struct proxy *p, const struct sp_tuple *front)
{
	for (unsigned int i = 0; i < p->heads.count; i++)
		if (!memcmp(&p->heads.fronts[i], front, sizeof(*front)))
			return 1;
	return 0;
}

static void dead_owners_heads_are_listed(void **state)
{
	struct sp_stash_offer offer = offer_of(20);
	struct sp_tuple front = front_of(20), v6 = front;

	v6.saddr.w[0] = 0x20010db8;
	v6.daddr.w[0] = 0x20010db8;
	run_for(BLANK_MS);
	for (int i = 0; i < 3; i++) {
		redisContext *c = server_connect(&servers, i);

		freeReplyObject(redisCommand(c, "FLUSHALL"));
		redisFree(c);
	}
	assert_int_equal(heads(b, "proxy1", 0), 0);
	assert_int_equal(b->heads.count, 0);
	assert_int_equal(stash(a, &front, &offer, bytes, 0, 100), 0);
	assert_int_equal(stash(a, &v6, &offer, bytes, 0, 100), 0);
	settle();
	assert_int_equal(heads(b, "proxy1", 0), 0);
	assert_int_equal(b->heads.count, 2);
	assert_true(is_listed(b, &front) && is_listed(b, &v6));
	assert_int_equal(heads(b, NULL, 0), 0);
	assert_int_equal(b->heads.count, 0);
	/* a single server with the head may be away, two may not */
	server_kill(&servers, 0);
	settle();
	assert_int_equal(heads(b, "proxy1", 0), 0);
	assert_int_equal(b->heads.count, 2);
	server_kill(&servers, 1);
	settle();
	assert_int_equal(heads(b, "proxy1", 0), -EAGAIN);
	assert_int_equal(b->heads.count, 2);
	server_start(&servers, 0);
	server_start(&servers, 1);
	wait_up(a, 3);
	wait_up(b, 3);
	run_for(BLANK_MS);
	/* after the takeover the head is b's */
	assert_int_equal(stash(b, &front, &offer, bytes, 0, 100), 0);
	sp_store_disown_head(b->store, "proxy1", &front);
	sp_store_unstash(a->store, &v6, &offer, 100);
	settle();
	assert_int_equal(heads(b, "proxy1", 0), 0);
	assert_int_equal(b->heads.count, 0);
	assert_int_equal(heads(a, "proxy2", 0), 0);
	assert_int_equal(a->heads.count, 1);
}

static void own_heads_of_an_earlier_life_are_listed(void **state)
{
	struct sp_stash_offer offer = offer_of(30);
	struct sp_tuple front = front_of(30), now = front_of(31);

	assert_int_equal(stash(a, &front, &offer, bytes, 0, 100), 0);
	run_for(300);
	assert_int_equal(stash(a, &now, &offer, bytes, 0, 100), 0);
	settle();
	assert_int_equal(heads(a, NULL, 200), 0);
	assert_true(is_listed(a, &front));
	assert_false(is_listed(a, &now));
	/* stashed again in the present life */
	assert_int_equal(stash(a, &front, &offer, bytes, 0, 100), 0);
	settle();
	assert_int_equal(heads(a, NULL, 200), 0);
	assert_int_equal(a->heads.count, 0);
}

static void long_list_comes_in_parts(void **state)
{
	struct sp_stash_offer offer = offer_of(1000);

	for (unsigned int id = 1000; id < 1300; id++) {
		struct sp_tuple front = front_of(id);

		assert_int_equal(stash(a, &front, &offer, bytes, 0, 10), 0);
	}
	settle();
	assert_int_equal(heads(b, "proxy1", 0), -EAGAIN);
	assert_in_range(b->heads.count, 256, 300);
	for (unsigned int i = 0; i < b->heads.count; i++)
		sp_store_disown_head(b->store, "proxy1", &b->heads.fronts[i]);
	settle();
	assert_int_equal(heads(b, "proxy1", 0), 0);
}

static void many_at_once_are_bounded(void **state)
{
	struct sp_stash_offer offer = offer_of(2000);
	int count = a->stashed_count;

	for (unsigned int id = 2000; id < 4000; id++) {
		struct sp_tuple front = front_of(id);

		sp_store_stash(a->store, &front, &offer, bytes, 0, SP_STASH_HEAD_MAX, 1);
	}
	assert_in_range(a->stashed_count - count, 1900, 2000);	/* refused at once */
	for (int ms = 0; ms < 3000 && a->stashed_count < count + 2000; ms += 5)
		run_for(5);
	assert_int_equal(a->stashed_count, count + 2000);
	for (unsigned int id = 2000; id < 2100; id++) {
		struct sp_tuple front = front_of(id);

		sp_store_read_head(b->store, &front);
	}
	run_for(500);
	offer = offer_of(4000);
	assert_int_equal(stash(a, &(struct sp_tuple){ .sport = 7 }, &offer, bytes, 0, 5000), 0);
	assert_int_equal(head(b, &(struct sp_tuple){ .sport = 7 }), 0);
}

static int setup(void **state)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i * 2654435761u >> 24;
	store_timeout_ns = STORE_TIMEOUT_USUAL_NS;	/* times below rely on the usual time-out */
	uv_loop_init(&loop);
	servers_start(&servers, 3, NULL);
	a = proxy_new(&servers, 3, 0);
	b = proxy_new(&servers, 3, 0);
	a->config.cluster.name = "proxy1";
	b->config.cluster.name = "proxy2";
	proxy_start(a);
	proxy_start(b);
	wait_up(a, 3);
	wait_up(b, 3);
	return 0;
}

static int teardown(void **state)
{
	proxy_close(a);
	proxy_close(b);
	servers_stop(&servers);
	uv_loop_close(&loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_is_read_by_another),
		cmocka_unit_test(only_what_is_new_goes_out),
		cmocka_unit_test(too_long_is_refused),
		cmocka_unit_test(latest_tsval_and_first_begin_count),
		cmocka_unit_test(newer_connection_wins),
		cmocka_unit_test(forgetting_leaves_what_is_longer),
		cmocka_unit_test(majority_is_enough_and_less_is_not),
		cmocka_unit_test(frozen_server_costs_no_more_than_the_time_out),
		cmocka_unit_test(restarted_server_has_no_say_until_it_is_given_all),
		cmocka_unit_test(hole_is_seen),
		cmocka_unit_test(left_over_is_nothing),
		cmocka_unit_test(forged_piece_is_refused),
		cmocka_unit_test(dead_owners_heads_are_listed),
		cmocka_unit_test(own_heads_of_an_earlier_life_are_listed),
		cmocka_unit_test(long_list_comes_in_parts),
		cmocka_unit_test(many_at_once_are_bounded),
	};

	return cmocka_run_group_tests_name("heads", tests, setup, teardown);
}

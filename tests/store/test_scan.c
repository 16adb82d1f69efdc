/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_scan.c - the engine redis reads all of the store: splices found, and servers that may be
 * absent
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

#define OURS	4000		/* splices of maker 1, whose address is ours; ids from 0 */
#define THEIRS	1000		/* of maker 2, ids from OURS */
#define BATCH	500
#define PATIENCE_MS 2000	/* same as in store/redis/scan.c */

static struct servers servers;
static struct sp_addr ours[200];
static int seen[OURS + THEIRS];
static int others, different;

static struct sp_splice v6_splice_of(unsigned int id, unsigned int maker)
{
	struct sp_splice s = splice_of(id, maker);

	s.front.saddr = (struct sp_addr){ .w = { htonl(0xfd000000), 0, 0, htonl(id) } };
	s.front.daddr = (struct sp_addr){ .w = { htonl(0xfd000001), 0, 0, 1 } };
	s.up.out.saddr = (struct sp_addr){ .w = { htonl(0xfd000002), 0, 0, htonl(maker) } };
	s.up.out.daddr = (struct sp_addr){ .w = { htonl(0xfd000003), 0, 0, 1 } };
	s.down.out = sp_tuple_reverse(&s.front);
	return s;
}

/* Every third splice is of IPv6, every fourth has an MSS, every fifth a version. */
static struct sp_splice nth(unsigned int id)
{
	unsigned int maker = id < OURS ? 1 : 2;
	struct sp_splice s = id % 3 ? splice_of(id, maker) : v6_splice_of(id, maker);

	if (id % 4 == 0)
		s.up.mss = 1360;
	if (id % 5 == 0) {
		s.up.flags |= SP_HALF_F_REQUESTS;
		s.down.flags |= SP_HALF_F_REQUESTS;
		s.version = id;
	}
	return s;
}

static void on_found(struct proxy *p, const struct sp_splice *splice)
{
	unsigned int id = splice->client_isn - 0x1000;
	struct sp_splice s = nth(id);

	if (id >= OURS + THEIRS) {
		others++;
		return;
	}
	seen[id]++;
	s.up.spliced_s = splice->up.spliced_s;
	s.down.spliced_s = splice->up.spliced_s;
	different += !is_same_splice(&s, splice);
}

static struct proxy *open_proxy(int count, int copies, int addrs)
{
	struct proxy *p = proxy_new(&servers, count, copies);

	p->config.snat_addrs = ours;
	p->config.snat_count = addrs;
	p->found = on_found;
	proxy_start(p);
	return p;
}

static void wait_up(struct proxy *p, int count)
{
	for (int i = 0; i < 1000 && proxy_servers_up(p) != count; i++)
		run_for(5);
	assert_int_equal(proxy_servers_up(p), count);
}

static void fill(int count, int copies)
{
	struct proxy *p = proxy_open(&servers, count, copies);

	for (unsigned int id = 0; id < OURS + THEIRS; id++) {
		struct sp_splice s = nth(id);
		int before = p->committed_count;

		sp_store_commit(p->store, &s, id);
		if (id % BATCH == BATCH - 1)
			for (int i = 0; i < 2000 && p->committed_count <= (int)id; i++)
				run_until_changed(&p->committed_count, before, 5);
	}
	assert_int_equal(p->committed_count, OURS + THEIRS);
	for (unsigned int id = 0; id < OURS + THEIRS; id++)
		assert_int_equal(p->committed[id].err, 0);
	run_for(100);	/* for copies that no commit waited for */
	proxy_close(p);
}

static void begin_scan(struct proxy *p, int is_paced)
{
	memset(seen, 0, sizeof(seen));
	others = 0;
	different = 0;
	p->found_count = 0;
	sp_store_scan(p->store, is_paced);
}

static int end_scan(struct proxy *p, int before)
{
	run_until_changed(&p->scanned_count, before, 10000);
	assert_int_equal(p->scanned_count, before + 1);
	assert_int_equal(different, 0);
	return p->scanned_err;
}

static int scan(struct proxy *p)
{
	int before = p->scanned_count;

	begin_scan(p, 0);
	return end_scan(p, before);
}

static void assert_all(int first, int end, int least, int most)
{
	for (int id = first; id < end; id++)
		assert_in_range(seen[id], least, most);
}

static void all_of_ours_are_found(void **state)
{
	struct proxy *p = open_proxy(3, 3, 2);

	/* the scan begins before any server is up */
	assert_int_equal(scan(p), 0);
	assert_all(0, OURS, 1, 3);
	assert_all(OURS, OURS + THEIRS, 0, 0);
	wait_up(p, 3);
	assert_int_equal(scan(p), 0);
	assert_all(0, OURS, 3, 3);
	assert_int_equal(p->store->counters.scans_ok, 2);
	proxy_close(p);
}

static void too_many_addresses_are_not_told_apart(void **state)
{
	struct proxy *p = open_proxy(3, 3, 200);

	wait_up(p, 3);
	assert_int_equal(scan(p), 0);
	assert_all(0, OURS + THEIRS, 3, 3);
	proxy_close(p);
}

static void a_slow_scan_leaves_room(void **state)
{
	struct proxy *p = open_proxy(3, 3, 2);
	double start;
	int before;

	wait_up(p, 3);
	start = now_ms();
	begin_scan(p, 1);
	before = p->scanned_count;
	begin_scan(p, 1);	/* ignored: a scan is running */
	assert_int_equal(end_scan(p, before), 0);
	assert_all(0, OURS, 3, 3);
	/* 10000 keys of 512 in a page, one page every 10 ms */
	assert_in_range(now_ms() - start, 150, 3000);
	proxy_close(p);
}

static void one_of_three_may_be_missing(void **state)
{
	struct proxy *p = open_proxy(3, 3, 2);

	wait_up(p, 3);
	server_kill(&servers, 0);
	assert_int_equal(scan(p), 0);
	assert_all(0, OURS, 2, 2);
	server_start(&servers, 0);
	proxy_close(p);
}

static void two_of_three_may_not(void **state)
{
	struct proxy *p = open_proxy(3, 3, 2);
	double start = now_ms();

	wait_up(p, 3);
	server_kill(&servers, 0);
	server_kill(&servers, 2);
	assert_int_equal(scan(p), -EAGAIN);
	assert_in_range(now_ms() - start, PATIENCE_MS, PATIENCE_MS + 1500);
	assert_all(0, OURS, 1, 1);	/* entries of the only server are reported all the same */
	assert_int_equal(p->store->counters.scans_again, 1);
	server_start(&servers, 0);
	server_start(&servers, 2);
	proxy_close(p);
}

static void a_frozen_one_is_not_waited_for(void **state)
{
	struct proxy *p = open_proxy(3, 3, 2);

	wait_up(p, 3);
	server_signal(&servers, 1, SIGSTOP);
	assert_int_equal(scan(p), 0);
	assert_all(0, OURS, 2, 2);
	server_signal(&servers, 1, SIGCONT);
	proxy_close(p);
}

static void drop_connections(int idx)
{
	redisContext *c = server_connect(&servers, idx);
	redisReply *reply = redisCommand(c, "CLIENT KILL TYPE normal SKIPME yes");

	assert_true(reply->integer > 0);
	freeReplyObject(reply);
	redisFree(c);
}

/* With a server gone for good, both of the rest are needed. */
static void a_broken_connection_goes_on_where_it_was(void **state)
{
	struct proxy *p = open_proxy(3, 3, 2);
	int before, page;

	wait_up(p, 3);
	server_kill(&servers, 2);
	run_for(50);
	before = p->scanned_count;
	begin_scan(p, 1);
	for (int i = 0; i < 2; i++) {
		page = p->found_count;
		assert_true(run_until_changed(&p->found_count, page, 2000));
		drop_connections(0);
		drop_connections(1);
		run_for(20);	/* to notice the loss */
		wait_up(p, 2);
	}
	assert_int_equal(p->scanned_count, before);
	assert_int_equal(end_scan(p, before), 0);
	assert_all(0, OURS, 2, 4);	/* a page may have been in flight */
	server_start(&servers, 2);
	proxy_close(p);
}

/*
 * A server restarted empty counts as missing. Some seconds later, after proxies have restored their
 * splices, its answers count again.
 */
static void one_restarted_empty_is_as_good_as_missing(void **state)
{
	struct proxy *p = open_proxy(3, 3, 2);
	int before = p->scanned_count, none = 0;

	wait_up(p, 3);
	begin_scan(p, 1);
	assert_true(run_until_changed(&p->found_count, none, 2000));
	server_kill(&servers, 1);
	server_start(&servers, 1);
	assert_int_equal(end_scan(p, before), 0);
	assert_all(0, OURS, 2, 3);

	wait_up(p, 3);
	server_kill(&servers, 0);	/* then two servers are of no use */
	run_for(50);
	assert_int_equal(scan(p), -EAGAIN);
	server_start(&servers, 0);
	proxy_close(p);
}

/* Any two of five servers hold a majority of some splice's three copies. */
static void of_five_with_three_copies_one_may_be_missing(void **state)
{
	struct proxy *p = open_proxy(5, 3, 2);

	wait_up(p, 5);
	assert_int_equal(scan(p), 0);
	assert_all(0, OURS, 3, 3);
	server_kill(&servers, 3);
	assert_int_equal(scan(p), 0);
	assert_all(0, OURS, 2, 3);
	server_kill(&servers, 4);
	assert_int_equal(scan(p), -EAGAIN);
	server_start(&servers, 3);
	server_start(&servers, 4);
	proxy_close(p);
}

static void with_commit_one_none_may_be_missing(void **state)
{
	struct proxy *p = proxy_new(&servers, 3, 3);

	p->config.store.commit = SP_COMMIT_ONE;
	p->config.snat_addrs = ours;
	p->config.snat_count = 2;
	p->found = on_found;
	proxy_start(p);
	wait_up(p, 3);
	assert_int_equal(scan(p), 0);
	server_kill(&servers, 0);
	assert_int_equal(scan(p), -EAGAIN);
	server_start(&servers, 0);
	proxy_close(p);
}

static void run_raw(int idx, const char *format, const struct sp_key *key, const void *value,
		    size_t len)
{
	redisContext *c = server_connect(&servers, idx);
	redisReply *reply = redisCommand(c, format, key->bytes, (size_t)key->len, value, len);

	assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
	freeReplyObject(reply);
	redisFree(c);
}

/* Write under the key of the @id-th splice. */
static void put_raw(unsigned int id, const char *format, const void *value, size_t len)
{
	struct sp_splice s = splice_of(id, 1);
	struct sp_key key = sp_key_make(SP_KEY_FRONT, &s.front);

	run_raw(0, format, &key, value, len);
}

static void rubbish_hides_nothing(void **state)
{
	struct proxy *p = open_proxy(3, 3, 2);
	struct sp_splice s = splice_of(9000, 1), moved = splice_of(9001, 1);
	struct sp_record record = sp_record_make(&test_seal, &s),
		other = sp_record_make(&test_seal, &moved);
	struct sp_key odd = { .len = 6, .bytes = "sf\xff\xff!!" };
	char value[300] = "P0100000000010100000000010";

	wait_up(p, 3);
	memset(value + 26, 'x', sizeof(value) - 26);
	run_raw(0, "SET %b %b", &odd, record.bytes, record.len);
	/* a different type: no record at all */
	put_raw(9100, "HSET %b field %b", "x", 1);
	put_raw(9101, "SET %b %b", value, sizeof(value));		/* too long */
	put_raw(9102, "SET %b %b", "", 0);
	value[0] = 'C';
	memcpy(value + 1, other.bytes, other.len);
	put_raw(9103, "SET %b %b", value, 1 + other.len);		/* moved from elsewhere */
	memcpy(value + 1, record.bytes, record.len);
	value[1 + 30] ^= 1;
	put_raw(9000, "SET %b %b", value, 1 + record.len);		/* damaged */
	assert_int_equal(scan(p), 0);
	assert_all(0, OURS, 3, 3);
	assert_int_equal(others, 0);
	assert_int_equal(p->store->counters.refused_forged, 2);

	/* a record in the middle of a ballot counts, too */
	memcpy(value, "P010000000001010000000001P", 26);
	memcpy(value + 26, record.bytes, record.len);
	put_raw(9000, "SET %b %b", value, 26 + record.len);
	assert_int_equal(scan(p), 0);
	assert_int_equal(others, 1);
	proxy_close(p);
}

static int setup(void **state)
{
	servers_start(&servers, 5, NULL);
	fill(3, 3);
	return 0;
}

static int setup_five(void **state)
{
	servers_start(&servers, 5, NULL);
	fill(5, 3);
	return 0;
}

static int teardown(void **state)
{
	servers_stop(&servers);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_of_ours_are_found),
		TEST(too_many_addresses_are_not_told_apart),
		TEST(a_slow_scan_leaves_room),
		TEST(one_of_three_may_be_missing),
		TEST(two_of_three_may_not),
		TEST(a_frozen_one_is_not_waited_for),
		TEST(a_broken_connection_goes_on_where_it_was),
		TEST(one_restarted_empty_is_as_good_as_missing),
		cmocka_unit_test_setup_teardown(of_five_with_three_copies_one_may_be_missing,
						setup_five, teardown),
		TEST(with_commit_one_none_may_be_missing),
		TEST(rubbish_hides_nothing),
	};

	uv_loop_init(&loop);
	ours[0] = sp_addr_v4(htonl(0x0a090001));
	ours[1] = (struct sp_addr){ .w = { htonl(0xfd000002), 0, 0, htonl(1) } };
	for (int i = 2; i < 200; i++)
		ours[i] = sp_addr_v4(htonl(0x0a0a0000 + i));
	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}

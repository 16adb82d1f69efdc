/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_faults.c - the engine redis while its servers are killed, stopped, or restarted empty */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "proxies.h"
#include "base/warnings.h"

#define BLANK_MS 5000	/* same as in store/redis/conn.c */

static struct servers servers;
static struct proxy *a, *b;
static long trials = 250, seed = 1;

static void wait_up(struct proxy *p, int count)
{
	settle();	/* so that lost connections are noticed */
	for (int i = 0; i < 800 && proxy_servers_up(p) != count; i++)
		run_for(5);
	assert_int_equal(proxy_servers_up(p), count);
}

/* Time of the slowest of some commits, in ms. All must succeed. */
static double commit_some(struct proxy *p, unsigned int first, int count)
{
	double longest = 0;

	for (int i = 0; i < count; i++) {
		struct sp_splice s = splice_of(first + i, 1);
		double start = now_ms();

		assert_int_equal(commit(p, &s, first + i), 0);
		longest = now_ms() - start > longest ? now_ms() - start : longest;
	}
	return longest;
}

static void one_killed_delays_nobody(void **state)
{
	struct sp_splice s = splice_of(1000, 1), unknown = splice_of(1, 1);

	server_kill(&servers, 0);
	assert_in_range(commit_some(a, 1000, 50), 0, 100);
	assert_int_equal(fetch(b, &s.front), 0);
	assert_int_equal(fetch(b, &unknown.front), -ENOENT);
}

static void one_stopped_delays_nobody(void **state)
{
	struct sp_splice s = splice_of(1100, 1), unknown = splice_of(1, 1);

	server_signal(&servers, 1, SIGSTOP);
	assert_in_range(commit_some(a, 1100, 50), 0, 100);
	assert_int_equal(fetch(b, &s.front), 0);
	assert_int_equal(fetch(b, &unknown.front), -ENOENT);
	run_for(500);
	assert_int_equal(proxy_servers_up(a), 2);
	server_signal(&servers, 1, SIGCONT);
	wait_up(a, 3);
}

static void two_killed(void **state)
{
	struct sp_splice kept = splice_of(1200, 1), claimed = splice_of(1201, 1),
		s = splice_of(1202, 1);
	double start;

	assert_int_equal(commit(a, &kept, 1200), 0);
	assert_int_equal(commit(a, &claimed, 1201), 0);
	sp_store_refresh(a->store, &kept);
	settle();
	server_kill(&servers, 0);
	server_kill(&servers, 2);
	settle();
	start = now_ms();
	assert_int_equal(commit(a, &s, 1202), -EAGAIN);
	assert_in_range(now_ms() - start, 0, 50);
	assert_int_equal(fetch(b, &s.front), -EAGAIN);
	/*
	 * one server with the splice, and with the word that it was chosen, is enough; a claim
	 * alone is not
	 */
	assert_int_equal(fetch(b, &kept.front), 0);
	assert_true(is_same_splice(&b->fetched.splice, &kept));
	assert_int_equal(fetch(b, &claimed.front), -EAGAIN);
}

static void two_stopped(void **state)
{
	struct sp_splice s = splice_of(1300, 1);
	double start = now_ms();

	server_signal(&servers, 0, SIGSTOP);
	server_signal(&servers, 1, SIGSTOP);
	assert_int_equal(commit(a, &s, 1300), -EAGAIN);
	assert_in_range(now_ms() - start, 250, 450);
	run_for(200);
	start = now_ms();
	assert_int_equal(commit(a, &s, 1300), -EAGAIN);
	assert_in_range(now_ms() - start, 0, 50);
}

/* Claims found in the sockets of servers that wake up late are not executed. */
static void late_claims_are_not_done(void **state)
{
	struct sp_splice s = splice_of(1400, 1), again = splice_of(1400, 2);

	for (int i = 0; i < 3; i++)
		server_signal(&servers, i, SIGSTOP);
	assert_int_equal(commit(a, &s, 1400), -EAGAIN);
	run_for(100);
	for (int i = 0; i < 3; i++)
		server_signal(&servers, i, SIGCONT);
	wait_up(a, 3);
	for (int i = 0; i < 3; i++)
		assert_false(server_has_splice(&servers, i, &s));
	assert_int_equal(commit(a, &again, 1400), 0);
}

/*
 * A has won the second and the third server, while the first was away. Then the second restarts
 * empty. If the yes of the second counted, B would win with the first.
 */
static void who_has_forgotten_has_no_say(void **state)
{
	struct sp_splice s = splice_of(1500, 1), other = splice_of(1500, 2);

	server_kill(&servers, 0);
	assert_int_equal(commit(a, &s, 1500), 0);
	server_start(&servers, 0);
	server_kill(&servers, 1);
	server_start(&servers, 1);
	wait_up(b, 3);
	assert_int_equal(b->emptied_count, 2);
	run_for(BLANK_MS);	/* the first server never had the splice: its vote counts */
	server_kill(&servers, 1);
	server_start(&servers, 1);
	wait_up(b, 3);
	assert_int_equal(commit(b, &other, 1500), -EEXIST);
	assert_true(is_same_splice(&b->committed[1500].splice, &s));
	assert_int_equal(fetch(b, &s.front), 0);
}

static void all_have_forgotten(void **state)
{
	struct sp_splice s = splice_of(1600, 1);
	struct sp_tuple down = down_of(&s);

	assert_int_equal(commit(a, &s, 1600), 0);
	for (int i = 0; i < 3; i++) {
		server_kill(&servers, i);
		server_start(&servers, i);
	}
	wait_up(a, 3);
	wait_up(b, 3);
	assert_int_equal(a->emptied_count, 3);
	assert_int_equal(fetch(b, &down), -EAGAIN);	/* not -ENOENT */
	sp_store_refresh(a->store, &s);
	settle();
	assert_int_equal(a->store->counters.put_back, 3);
	assert_int_equal(fetch(b, &down), 0);
	assert_true(is_same_splice(&b->fetched.splice, &s));
}

static void refused_claims_are_taken_back(void **state)
{
	struct sp_splice s = splice_of(1700, 1);
	struct proxy *p = proxy_new(&servers, 3, 0);

	p->config.store.loss = SP_LOSS_REFUSE;
	proxy_start(p);
	wait_up(p, 3);
	server_kill(&servers, 0);
	server_kill(&servers, 1);
	settle();
	assert_int_equal(commit(p, &s, 1700), -EAGAIN);
	settle();
	assert_false(server_has_splice(&servers, 2, &s));
	proxy_close(p);
}

/*
 * After a stop of this process the answers wait in its sockets. No server is given up for the stop.
 */
static void being_stopped_is_nobodys_fault(void **state)
{
	struct sp_store_server server;

	for (int i = 0; i < 20; i++) {
		struct sp_splice s = splice_of(1800 + i, 1);

		sp_store_commit(a->store, &s, 1800 + i);
	}
	uv_run(&loop, UV_RUN_NOWAIT);
	usleep(600000);
	settle();
	for (int i = 0; i < 20; i++)
		assert_int_equal(a->committed[1800 + i].err, 0);
	for (int i = 0; i < 3; i++) {
		sp_store_server(a->store, i, &server);
		assert_int_equal(server.reconnects, 1);
	}
}

/*
 * A server sends its time, and this process is stopped before it reads the time. A clock set from
 * the stale time would make all later requests late.
 */
static void being_stopped_does_not_turn_clocks(void **state)
{
	struct sp_splice mine = splice_of(1850, 1), its = splice_of(1851, 2);
	long long before, now = server_info(&servers, 0, "total_commands_processed");
	int tries = 0;

	do {	/* the commands counted include ours */
		before = now;
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(2000);
		now = server_info(&servers, 0, "total_commands_processed");
		assert_true(tries++ < 2000);
	} while (now - before < 3);
	usleep(1500000);
	settle();
	assert_int_equal(commit(a, &mine, 1850), 0);
	assert_int_equal(commit(b, &its, 1851), 0);
}

/* A server that accepts connections and never answers. */
static void mute_server(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), tries = 0;
	struct sp_store_server server;
	struct proxy *p;

	server_kill(&servers, 0);
	strcpy(at.sun_path, servers.at[0].path);
	unlink(at.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 16), 0);
	p = proxy_open(&servers, 3, 0);
	assert_in_range(commit_some(p, 1900, 20), 0, 100);
	run_for(1500);
	sp_store_server(p->store, 0, &server);
	assert_int_equal(server.reconnects, 0);
	assert_in_range(commit_some(p, 1920, 20), 0, 100);
	proxy_close(p);
	while (accept(fd, NULL, NULL) >= 0)
		tries++;
	/* a and b have connected as well: both once more after a second */
	assert_in_range(tries, 5, 8);
	close(fd);
}

static void set_maxmemory(const char *bytes)
{
	for (int i = 0; i < 3; i++) {
		redisContext *c = server_connect(&servers, i);

		freeReplyObject(redisCommand(c, "CONFIG SET maxmemory %s", bytes));
		redisFree(c);
	}
}

static int is_warned_of(enum sp_warning_kind kind)
{
	const struct sp_warning *w = NULL;

	while ((w = sp_warnings_next(w)))
		if (w->kind == kind)
			return 1;
	return 0;
}

static int count_warnings(void)
{
	return is_warned_of(SP_WARNING_STORE_SERVER) + is_warned_of(SP_WARNING_STORE_SHORT);
}

/* For 10 s: on a loaded machine probes of servers come later. */
static void await_warnings(int wanted)
{
	for (int i = 0; i < 50 && count_warnings() != wanted; i++)
		run_for(200);
	assert_int_equal(count_warnings(), wanted);
}

/* Full servers refuse new splices, and still answer fetches. */
static void full_servers_are_still_asked(void **state)
{
	struct sp_splice kept = splice_of(1950, 1), s = splice_of(1951, 1);
	struct sp_store_server server;
	double start;

	assert_int_equal(commit(a, &kept, 1950), 0);
	sp_store_refresh(a->store, &kept);
	settle();
	set_maxmemory("1");
	run_for(2200);
	await_warnings(2);
	sp_store_server(a->store, 0, &server);
	assert_string_equal(server.state, "refusing");
	assert_memory_equal(server.why, "OOM", 3);
	start = now_ms();
	assert_int_equal(commit(a, &s, 1951), -EAGAIN);
	assert_in_range(now_ms() - start, 0, 400);
	assert_int_equal(fetch(b, &kept.front), 0);
	set_maxmemory("0");
	run_for(1200);
	await_warnings(0);
	assert_int_equal(commit(a, &s, 1951), 0);
}

/* ---- random faults ---- */

struct contest {
	struct sp_splice	splices[3];
	struct sp_splice	relied;
	int			has_relied;
};

static void rely(struct contest *c, const struct sp_splice *s)
{
	if (c->has_relied && !is_same_splice(&c->relied, s))
		fail_msg("seed %ld: two splices of one connection are relied upon", seed);
	c->relied = *s;
	c->has_relied = 1;
}

/* Outcomes of the three proxies, counted. */
static struct {
	int	ok, adopted, again, fetched;
} seen;

static void look_at(struct contest *c, const struct proxy *p, unsigned int id, int own)
{
	int err = p->committed[id].err;

	seen.ok += err == 0;
	seen.adopted += err == -EEXIST;
	seen.again += err == -EAGAIN || err == -EBUSY;
	seen.fetched += p->fetched.err == 0;
	if (err == 0)
		rely(c, &c->splices[own]);
	if (err == -EEXIST)
		rely(c, &p->committed[id].splice);
	if (p->fetched.err == 0)
		rely(c, &p->fetched.splice);
}

static void any_fault(int stopped[3])
{
	int i = random() % 3, what = random() % 100;

	if (stopped[i]) {
		if (what < 60) {
			server_signal(&servers, i, SIGCONT);
			stopped[i] = 0;
		}
	} else if (servers.at[i].pid <= 0) {
		if (what < 60)
			server_start(&servers, i);
	} else if (what < 2) {
		server_kill(&servers, i);
	} else if (what < 30) {
		server_signal(&servers, i, SIGSTOP);
		stopped[i] = 1;
	}
}

static int is_waiting(struct proxy *const at[3], unsigned int id)
{
	for (int i = 0; i < 3; i++)
		if (at[i]->committed[id].err == NOT_YET && at[i]->fetched.err == NOT_YET)
			return 1;
	return 0;
}

static void contest(struct proxy *const at[3], long n, int stopped[3])
{
	unsigned int id = 2000 + n % 10000;
	struct contest c = { 0 };

	for (int i = 0; i < 3; i++) {
		c.splices[i] = splice_of(id, i + 1);
		c.splices[i].client_isn += n * 7;
		at[i]->committed[id].err = NOT_YET;
		at[i]->fetched.err = NOT_YET;
	}
	for (int i = 0; i < 3; i++) {
		if (random() % 3)
			sp_store_commit(at[i]->store, &c.splices[i], id);
		else
			sp_store_fetch(at[i]->store, &c.splices[i].front);
		if (random() % 2)
			run_for(random() % 3);
		if (random() % 10 == 0)
			any_fault(stopped);
	}
	for (int tries = 0; tries < 100 && is_waiting(at, id); tries++)
		run_for(5);
	for (int i = 0; i < 3; i++)
		look_at(&c, at[i], id, i);
}

static void whatever_happens(void **state)
{
	struct proxy *at[3] = { a, b, proxy_open(&servers, 3, 0) };
	int stopped[3] = { 0 };

	srandom(seed);
	for (long n = 0; n < trials; n++) {
		if (random() % 3 == 0)
			any_fault(stopped);
		contest(at, n, stopped);
		if (random() % 10 == 0)
			run_for(350);
	}
	print_message("ok %d, adopted %d, again %d, fetched %d\n", seen.ok, seen.adopted,
		      seen.again, seen.fetched);
	assert_true(seen.ok > trials / 10 && seen.adopted > trials / 20);
	proxy_close(at[2]);
}

static int begin(void **state)
{
	for (int i = 0; i < 3; i++) {
		server_signal(&servers, i, SIGCONT);
		if (servers.at[i].pid <= 0)
			server_start(&servers, i);
	}
	a = proxy_open(&servers, 3, 0);
	b = proxy_open(&servers, 3, 0);
	return 0;
}

static int finish(void **state)
{
	proxy_close(a);
	proxy_close(b);
	return 0;
}

#define FAULT(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FAULT(one_killed_delays_nobody), FAULT(one_stopped_delays_nobody),
		FAULT(two_killed), FAULT(two_stopped),
		FAULT(late_claims_are_not_done), FAULT(who_has_forgotten_has_no_say),
		FAULT(all_have_forgotten),
		FAULT(refused_claims_are_taken_back), FAULT(being_stopped_is_nobodys_fault),
		FAULT(being_stopped_does_not_turn_clocks), FAULT(mute_server),
		FAULT(full_servers_are_still_asked),
		FAULT(whatever_happens),
	};

	if (argc > 1)
		trials = atol(argv[1]);
	if (argc > 2)
		seed = atol(argv[2]);
	store_timeout_ns = STORE_TIMEOUT_USUAL_NS;	/* times below rely on the usual time-out */
	uv_loop_init(&loop);
	servers_start(&servers, 3, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

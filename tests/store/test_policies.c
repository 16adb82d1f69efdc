/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_policies.c - the engine redis with one, two and five servers, with commit: one, with a
 * password, and just started
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
#include <unistd.h>
#include <cmocka.h>

#include "proxies.h"

static struct servers servers;

static void one_copy(void **state)
{
	struct proxy *a = proxy_open(&servers, 1, 0), *b = proxy_open(&servers, 1, 0);
	struct sp_splice s = splice_of(1, 1), other = splice_of(1, 2);
	struct sp_tuple down = down_of(&s);

	assert_int_equal(commit(a, &s, 1), 0);
	assert_int_equal(commit(b, &other, 1), -EEXIST);
	assert_true(is_same_splice(&b->committed[1].splice, &s));
	assert_int_equal(fetch(b, &down), 0);
	server_kill(&servers, 0);
	settle();
	s = splice_of(2, 1);
	assert_int_equal(commit(a, &s, 2), -EAGAIN);
	assert_int_equal(fetch(b, &down), -EAGAIN);
	server_start(&servers, 0);
	proxy_close(a);
	proxy_close(b);
}

static void two_copies_need_both(void **state)
{
	struct proxy *a = proxy_open(&servers, 2, 0), *b = proxy_open(&servers, 2, 0);
	struct sp_splice s = splice_of(10, 1), other = splice_of(10, 2);

	assert_int_equal(commit(a, &s, 10), 0);
	assert_int_equal(commit(b, &other, 10), -EEXIST);
	assert_true(is_same_splice(&b->committed[10].splice, &s));
	for (unsigned int id = 11; id < 100; id++) {
		s = splice_of(id, 1);
		other = splice_of(id, 2);
		sp_store_commit(a->store, &s, id);
		sp_store_commit(b->store, &other, id);
		run_until_changed(&a->committed[id].err, NOT_YET, 2000);
		run_until_changed(&b->committed[id].err, NOT_YET, 2000);
		assert_int_equal(!a->committed[id].err + !b->committed[id].err, 1);
	}
	server_kill(&servers, 1);
	settle();
	s = splice_of(100, 1);
	assert_int_equal(commit(a, &s, 100), -EAGAIN);
	server_start(&servers, 1);
	proxy_close(a);
	proxy_close(b);
}

static struct proxy *open_one(int count)
{
	struct proxy *p = proxy_new(&servers, count, 0);

	p->config.store.commit = SP_COMMIT_ONE;
	proxy_start(p);
	for (int i = 0; i < 400 && proxy_servers_up(p) < count; i++)
		run_for(5);
	return p;
}

static void one_answer_is_enough(void **state)
{
	struct proxy *a = open_one(2), *b = open_one(2);
	struct sp_splice s = splice_of(200, 1), other = splice_of(200, 2);

	assert_int_equal(commit(a, &s, 200), 0);
	settle();
	assert_int_equal(commit(b, &other, 200), -EEXIST);
	assert_true(is_same_splice(&b->committed[200].splice, &s));
	server_kill(&servers, 0);
	settle();
	s = splice_of(201, 1);
	other = splice_of(201, 2);
	assert_int_equal(commit(a, &s, 201), 0);
	assert_int_equal(commit(b, &other, 201), -EEXIST);
	assert_int_equal(fetch(b, &s.front), 0);
	assert_true(is_same_splice(&b->fetched.splice, &s));
	server_kill(&servers, 1);
	settle();
	s = splice_of(202, 1);
	assert_int_equal(commit(a, &s, 202), -EAGAIN);
	server_start(&servers, 0);
	server_start(&servers, 1);
	proxy_close(a);
	proxy_close(b);
}

/*
 * Five servers have a share each, and a splice has three copies. The order of the list makes no
 * difference.
 */
static void five_servers(void **state)
{
	struct proxy *a = proxy_open(&servers, 5, 3), *b = proxy_new(&servers, 5, 3);
	struct sp_splice unknown = splice_of(600, 1);
	int share[5] = { 0 };

	for (int i = 0; i < 5; i++)
		b->servers[i].text = b->servers[i].path = servers.at[4 - i].path;
	proxy_start(b);
	for (int i = 0; i < 400 && proxy_servers_up(b) < 5; i++)
		run_for(5);
	for (unsigned int id = 300; id < 500; id++) {
		struct sp_splice s = splice_of(id, 1);
		struct sp_tuple down = down_of(&s);
		int copies = 0;

		assert_int_equal(commit(a, &s, id), 0);
		assert_int_equal(fetch(b, id & 1 ? &s.front : &down), 0);
		assert_true(is_same_splice(&b->fetched.splice, &s));
		for (int i = 0; i < 5; i++) {
			int has = server_has_splice(&servers, i, &s);

			copies += has;
			share[i] += has;
		}
		assert_int_equal(copies, 3);
	}
	for (int i = 0; i < 5; i++)
		assert_in_range(share[i], 90, 150);	/* 120 on average */
	/* not found takes the word of 5 - 3 + 2 servers */
	server_kill(&servers, 4);
	settle();
	assert_int_equal(fetch(a, &unknown.front), -ENOENT);
	server_kill(&servers, 3);
	settle();
	assert_int_equal(fetch(a, &unknown.front), -EAGAIN);
	server_start(&servers, 3);
	server_start(&servers, 4);
	proxy_close(a);
	proxy_close(b);
}

static struct proxy *open_with_password(struct servers *s, const char *text)
{
	struct proxy *p = proxy_new(s, 1, 0);
	char path[] = "/tmp/spliced-password-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	p->config.store.password_file = path;
	proxy_start(p);
	unlink(path);
	for (int i = 0; i < 100 && !proxy_servers_up(p); i++)
		run_for(5);
	return p;
}

static void passwords(void **state)
{
	struct sp_splice s = splice_of(700, 1);
	struct servers locked;
	struct proxy *p;

	servers_start(&locked, 1, "open sesame");
	p = open_with_password(&locked, "open sesame\n");
	assert_int_equal(commit(p, &s, 700), 0);
	proxy_close(p);
	p = open_with_password(&locked, "wrong\n");
	assert_int_equal(proxy_servers_up(p), 0);
	assert_int_equal(commit(p, &s, 700), -EAGAIN);
	proxy_close(p);
	servers_stop(&locked);
}

/* Commit before the loop has run. Return: err, and the time taken. */
static int commit_at_once(unsigned int id, double *ret_ms)
{
	struct proxy *p = proxy_new(&servers, 3, 0);
	struct sp_splice s = splice_of(id, 1);
	double begun_ms = now_ms();
	int err;

	proxy_start(p);
	err = commit(p, &s, id);
	*ret_ms = now_ms() - begun_ms;
	proxy_close(p);
	return err;
}

static void first_commits_await_the_first_greetings(void **state)
{
	struct sp_splice s = splice_of(800, 1);
	int copies = 0;
	double ms;

	assert_int_equal(commit_at_once(800, &ms), 0);
	for (int i = 0; i < 3; i++)
		copies += server_has_splice(&servers, i, &s);
	assert_in_range(copies, 2, 3);
}

static void servers_that_are_not_there_are_not_awaited(void **state)
{
	double ms;

	server_kill(&servers, 0);
	assert_int_equal(commit_at_once(801, &ms), 0);
	server_kill(&servers, 1);
	assert_int_equal(commit_at_once(802, &ms), -EAGAIN);
	assert_true(ms < 250);
	server_start(&servers, 0);
	server_start(&servers, 1);
}

/* The wait is the store's time-out, 300 ms, not the greeting's second. */
static void silent_servers_are_awaited_no_longer_than_answers(void **state)
{
	double ms;

	store_timeout_ns = STORE_TIMEOUT_USUAL_NS;
	server_signal(&servers, 0, SIGSTOP);
	assert_int_equal(commit_at_once(803, &ms), 0);
	server_signal(&servers, 1, SIGSTOP);
	assert_int_equal(commit_at_once(804, &ms), -EAGAIN);
	server_signal(&servers, 0, SIGCONT);
	server_signal(&servers, 1, SIGCONT);
	store_timeout_ns = STORE_TIMEOUT_NS;
	assert_true(ms >= 300 && ms < 700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_copy), cmocka_unit_test(two_copies_need_both),
		cmocka_unit_test(one_answer_is_enough), cmocka_unit_test(five_servers),
		cmocka_unit_test(passwords),
		cmocka_unit_test(first_commits_await_the_first_greetings),
		cmocka_unit_test(servers_that_are_not_there_are_not_awaited),
		cmocka_unit_test(silent_servers_are_awaited_no_longer_than_answers),
	};

	uv_loop_init(&loop);
	servers_start(&servers, 5, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

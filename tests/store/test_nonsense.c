/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_nonsense.c - a server that answers nonsense, beside two real servers, and alone. It may
 * delay no proxy and take no memory, and a warning names it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fake.h"
#include "proxies.h"
#include "base/warnings.h"

#define MEMORY_MAX (8 * 1024 * 1024)
#define COMMIT_MS 280		/* less than the time-out of a server */
#define GIVE_UP_MS 4000		/* far longer than the time-out of a greeting */

size_t __sanitizer_get_current_allocated_bytes(void);

/*
 * The expected end of a server: given up for nonsense; not up, or not any more; up, but not
 * writable; up.
 */
enum fate { NONSENSE, DOWN, REFUSING, UP };

#define NOTHING .say = NULL
#define STR(text) .say = text
#define BYTES(text) .say = text, .len = sizeof(text) - 1
#define MANY(text, count) .again = text, .times = count
#define ERROR(text) STR("-" text "\r\n")

static const struct {
	struct nonsense	how;
	enum fate	fate;
} cases[] = {
	/* a different protocol */
	{ { "hello", AT_CONNECT, INSTEAD, STR("+OK\r\n") }, NONSENSE },
	{ { "SSH", AT_CONNECT, INSTEAD, STR("SSH-2.0-OpenSSH_9.2\r\n") }, NONSENSE },
	{ { "TLS alert", AT_ANY, INSTEAD, BYTES("\x15\x03\x03\x00\x02\x02\x28") }, NONSENSE },
	{ { "HTTP", AT_ANY, INSTEAD, STR("HTTP/1.1 400 Bad Request\r\n\r\n") }, NONSENSE },
	{ { "binary", AT_ANY, INSTEAD, BYTES("\xde\xad\xbe\xef\0\0\0\0") }, NONSENSE },
	{ { "empty lines", AT_ANY, INSTEAD, STR("\r\n\r\n\r\n") }, NONSENSE },
	{ { "RESP3 map", AT_INFO, INSTEAD, STR("%1\r\n$1\r\na\r\n$1\r\nb\r\n") }, NONSENSE },
	{ { "RESP3 null", SP_SCRIPT_CLAIM, INSTEAD, STR("_\r\n") }, NONSENSE },
	{ { "RESP3 push", SP_SCRIPT_PROBE, BEHIND, STR(">2\r\n$10\r\ninvalidate\r\n$1\r\nk\r\n") },
	  NONSENSE },
	/* numbers */
	{ { "bulk of 2 GB", AT_ANY, INSTEAD, STR("$2147483647\r\n"), MANY("x", 64 << 20) },
	  NONSENSE },
	{ { "bulk of 2^63-1", AT_ANY, INSTEAD, STR("$9223372036854775807\r\n"),
	    MANY("x", 64 << 20) }, NONSENSE },
	{ { "bulk of 10^20", AT_ANY, INSTEAD, STR("$100000000000000000000\r\n") }, NONSENSE },
	{ { "bulk of -2", AT_ANY, INSTEAD, STR("$-2\r\n") }, NONSENSE },
	{ { "array of 10^9", AT_ANY, INSTEAD, STR("*1000000000\r\n") }, NONSENSE },
	{ { "array of 2^32", AT_ANY, INSTEAD, STR("*4294967296\r\n") }, NONSENSE },
	{ { "array of -2", AT_ANY, INSTEAD, STR("*-2\r\n") }, NONSENSE },
	{ { "arrays of arrays", AT_ANY, INSTEAD, STR("*8000\r\n"), MANY("*8000\r\n", 100000) },
	  NONSENSE },
	{ { "nested 10^5", AT_ANY, INSTEAD, MANY("*1\r\n", 100000) }, NONSENSE },
	{ { "array of 10^5 nils", SP_SCRIPT_CLAIM, INSTEAD, STR("*100000\r\n"),
	    MANY("$-1\r\n", 100000) }, NONSENSE },
	{ { "integer of 26 digits", AT_ANY, INSTEAD, STR(":99999999999999999999999999\r\n") },
	  NONSENSE },
	{ { "line without end", AT_ANY, INSTEAD, STR("+"), MANY("E", 8 << 20) }, NONSENSE },
	{ { "bulk of 20 MB", SP_SCRIPT_CLAIM, INSTEAD, STR("$20000000\r\n"), MANY("F", 20000000) },
	  NONSENSE },
	/* too many, too few, out of order */
	{ { "each twice", AT_ANY, BEFORE, STR("+OK\r\n") }, NONSENSE },
	{ { "one too many", SP_SCRIPT_PROBE, BEHIND, STR("+SURPRISE\r\n") }, NONSENSE },
	{ { "an error too many", SP_SCRIPT_PROBE, BEHIND, ERROR("ERR surprise") }, NONSENSE },
	{ { "a message", SP_SCRIPT_PROBE, BEHIND,
	    STR("*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\ny\r\n") }, NONSENSE },
	{ { "never", AT_ANY, INSTEAD, NOTHING }, DOWN },
	{ { "one too few", SP_SCRIPT_CLAIM, INSTEAD, NOTHING }, NONSENSE },
	{ { "silent in between", SP_SCRIPT_CLAIM, THEN_SILENT, NOTHING }, DOWN },
	{ { "other order", SP_SCRIPT_REFRESH, LATER, NOTHING }, NONSENSE },
	{ { "closed at once", AT_ANY, THEN_CLOSE, NOTHING }, DOWN },
	{ { "closed in between", SP_SCRIPT_CLAIM, THEN_CLOSE, STR("$100\r\nabc") }, DOWN },
	{ { "a byte at a time", AT_ANY, IN_PIECES, NOTHING }, DOWN },
	/* errors */
	{ { "LOADING", AT_ANY, INSTEAD, ERROR("LOADING Redis is loading the dataset in memory") },
	  DOWN },
	{ { "max clients", AT_ANY, THEN_CLOSE, ERROR("ERR max number of clients reached") }, DOWN },
	{ { "NOAUTH", AT_ANY, INSTEAD, ERROR("NOAUTH Authentication required.") }, DOWN },
	{ { "WRONGPASS", AT_ANY, INSTEAD, ERROR("WRONGPASS invalid username-password pair") },
	  DOWN },
	{ { "MASTERDOWN", SP_SCRIPT_PROBE, INSTEAD, ERROR("MASTERDOWN Link with MASTER is down") },
	  REFUSING },
	{ { "READONLY", SP_SCRIPT_PROBE, INSTEAD,
	    ERROR("READONLY You can't write against a read only replica.") }, REFUSING },
	{ { "OOM", SP_SCRIPT_PROBE, INSTEAD,
	    ERROR("OOM command not allowed when used memory > 'maxmemory'.") }, REFUSING },
	{ { "NOPERM", SP_SCRIPT_PROBE, INSTEAD, ERROR("NOPERM this user has no permissions") },
	  REFUSING },
	{ { "MOVED", SP_SCRIPT_PROBE, INSTEAD, ERROR("MOVED 3999 127.0.0.1:6381") }, REFUSING },
	{ { "BUSY", SP_SCRIPT_PROBE, INSTEAD, ERROR("BUSY Redis is busy running a script.") },
	  REFUSING },
	{ { "NOSCRIPT", SP_SCRIPT_CLAIM, INSTEAD, ERROR("NOSCRIPT No matching script.") }, DOWN },
	{ { "an error for a claim", SP_SCRIPT_CLAIM, INSTEAD,
	    ERROR("WRONGTYPE Operation against a key") }, UP },
	{ { "long error", SP_SCRIPT_CLAIM, INSTEAD, STR("-ERR \x1b[31m\a%n%s"),
	    MANY("E", 4 << 20) }, NONSENSE },
	/* answers to a different command */
	{ { "INFO: nil", AT_INFO, INSTEAD, STR("$-1\r\n") }, NONSENSE },
	{ { "INFO: integer", AT_INFO, INSTEAD, STR(":1\r\n") }, NONSENSE },
	{ { "INFO: no run_id", AT_INFO, INSTEAD, STR("$10\r\nrun_id:abc\r\n") }, NONSENSE },
	{ { "INFO: NUL", AT_INFO, INSTEAD, BYTES("$9\r\n\0run_id:a\r\n") }, NONSENSE },
	{ { "INFO: 50 MB", AT_INFO, INSTEAD, STR("$50000000\r\n"), MANY("x", 50000000) },
	  NONSENSE },
	{ { "SHA: nil", AT_LOAD, INSTEAD, STR("$-1\r\n") }, NONSENSE },
	{ { "SHA: short", AT_LOAD, INSTEAD, STR("$3\r\nabc\r\n") }, NONSENSE },
	{ { "probe: nil", SP_SCRIPT_PROBE, INSTEAD, STR("$-1\r\n") }, NONSENSE },
	{ { "probe: words", SP_SCRIPT_PROBE, INSTEAD,
	    STR("*3\r\n$16\r\n0123456789abcdef\r\n$5\r\nnever\r\n$4\r\never\r\n") }, NONSENSE },
	{ { "probe: no time of ours", SP_SCRIPT_PROBE, INSTEAD,
	    STR("*3\r\n$16\r\n0123456789abcdef\r\n$20\r\n99999999999999999999\r\n$1\r\n0\r\n") },
	    NONSENSE },
	{ { "probe: negative", SP_SCRIPT_PROBE, INSTEAD,
	    STR("*3\r\n$16\r\n0123456789abcdef\r\n$2\r\n-5\r\n$2\r\n-5\r\n") }, NONSENSE },
	{ { "probe: short marker", SP_SCRIPT_PROBE, INSTEAD,
	    STR("*3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n1\r\n") }, NONSENSE },
	{ { "claim: integer", SP_SCRIPT_CLAIM, INSTEAD, STR(":1\r\n") }, NONSENSE },
	{ { "claim: status", SP_SCRIPT_CLAIM, INSTEAD, STR("+OK\r\n") }, NONSENSE },
	{ { "claim: array", SP_SCRIPT_CLAIM, INSTEAD, STR("*2\r\n$1\r\nx\r\n*1\r\n$-1\r\n") },
	  NONSENSE },
	{ { "claim: empty", SP_SCRIPT_CLAIM, INSTEAD, STR("$0\r\n\r\n") }, UP },
	{ { "claim: late", SP_SCRIPT_CLAIM, INSTEAD, STR("$1\r\nL\r\n") }, UP },
	{ { "claim: a record of noise", SP_SCRIPT_CLAIM, INSTEAD, STR("$12\r\nFabcdefghijk\r\n") },
	  UP },
	{ { "claim: half a ballot", SP_SCRIPT_CLAIM, INSTEAD, STR("$8\r\nP0000000\r\n") }, UP },
	{ { "claim: 64 KB", SP_SCRIPT_CLAIM, INSTEAD, STR("$65536\r\n"), MANY("F", 65536) },
	  NONSENSE },
	{ { "look: string", SP_SCRIPT_FETCH, INSTEAD, STR("$1\r\nF\r\n") }, NONSENSE },
	{ { "look: nested", SP_SCRIPT_FETCH, INSTEAD, STR("*2\r\n*0\r\n*0\r\n") }, NONSENSE },
	{ { "look: noise", SP_SCRIPT_FETCH, INSTEAD, STR("*2\r\n$3\r\nFab\r\n$4\r\nabcd\r\n") },
	  UP },
	{ { "keep: string", SP_SCRIPT_REFRESH, INSTEAD, STR("$1\r\n1\r\n") }, NONSENSE },
	{ { "keep: another number", SP_SCRIPT_REFRESH, INSTEAD, STR(":-1\r\n") }, UP },
	{ { "scan: long cursor", SP_SCRIPT_SCAN, INSTEAD,
	    STR("*2\r\n$30\r\n000000000000000000000000000000\r\n*0\r\n") }, NONSENSE },
	{ { "scan: half a pair", SP_SCRIPT_SCAN, INSTEAD,
	    STR("*2\r\n$1\r\n0\r\n*1\r\n$1\r\nf\r\n") }, UP },
	{ { "scan: nested", SP_SCRIPT_SCAN, INSTEAD, STR("*2\r\n$1\r\n0\r\n*1\r\n*0\r\n") },
	  NONSENSE },
	{ { "members: nil", SP_SCRIPT_ANNOUNCE, INSTEAD, STR("$-1\r\n") }, NONSENSE },
	{ { "stash: array", SP_SCRIPT_STASH, INSTEAD, STR("*0\r\n") }, NONSENSE },
	{ { "heads: integers", SP_SCRIPT_ORPHANS, INSTEAD, STR("*2\r\n:1\r\n:2\r\n") }, NONSENSE },
};

static struct servers servers;	/* the first server's path is the fake's */
static size_t memory;		/* in use without nonsense */

/* Every request of the engine. */
static void ask_all(struct proxy *p, unsigned int id)
{
	static const struct sp_stash_offer offer = { .begun_ms = 1 };
	struct sp_splice s = splice_of(id, 1);

	sp_store_refresh(p->store, &s);
	sp_store_announce(p->store, "a", "b", 1);
	sp_store_scan(p->store, 0);
	sp_store_fetch(p->store, &s.front);
	sp_store_read_head(p->store, &s.front);
	sp_store_list_heads(p->store, "other", 0);
	sp_store_stash(p->store, &s.front, &offer, "abc", 0, 3, 1);
	sp_store_unstash(p->store, &s.front, &offer, 3);
	sp_store_forget(p->store, &s);
}

static struct sp_store_server fake_of(struct proxy *p)
{
	struct sp_store_server server;

	sp_store_server(p->store, 0, &server);
	return server;
}

/* Whether a warning names the server, in the log and in `status`. */
static int is_named(void)
{
	const struct sp_warning *w = NULL;

	while ((w = sp_warnings_next(w)))
		if (w->kind == SP_WARNING_STORE_SERVER && !strcmp(w->object, servers.at[0].path))
			return 1;
	return 0;
}

static int has_fate(struct proxy *p, enum fate fate)
{
	struct sp_store_server server = fake_of(p);
	int is_up = !strcmp(server.state, "up");

	switch (fate) {
	case NONSENSE: return server.nonsense > 0 && server.why[0] && !is_up;
	case DOWN: return !server.nonsense && server.why[0] && !is_up;
	case REFUSING:
		return !server.nonsense && server.why[0] && !strcmp(server.state, "refusing");
	case UP: return !server.nonsense && is_up;
	}
	return 0;
}

static void look_at_memory(const char *name)
{
	size_t now = __sanitizer_get_current_allocated_bytes();

	if (now > memory + MEMORY_MAX)
		fail_msg("%s: %zu bytes more than before", name, now - memory);
}

static int commits_soon(struct proxy *p, const struct sp_splice *s, unsigned int id)
{
	double start = now_ms();

	return !commit(p, s, id) && now_ms() - start < COMMIT_MS && !fetch(p, &s->front);
}

/*
 * Beside real servers a commit must not wait for the fake, though this machine may be late. Alone
 * the fake must lead to some result.
 */
static void commit_one(int i, struct proxy *p, unsigned int id, int is_alone)
{
	struct sp_splice s = splice_of(id, 1);
	int is_good = 0;

	if (is_alone)
		is_good = commit(p, &s, id) != NOT_YET;
	for (int tries = 0; tries < 3 && !is_good; tries++)
		is_good = commits_soon(p, &s, id);
	if (!is_good)
		fail_msg("%s: no commit in time", cases[i].how.name);
}

static void meet_fate(int i, struct proxy *p, int is_alone)
{
	unsigned int id = 100 * (i + 1);
	double start = now_ms(), least = cases[i].fate == UP ? 60 : 0, at;

	do {
		ask_all(p, id);
		commit_one(i, p, id++, is_alone);
		for (int ms = 0; ms < 20; ms++) {
			run_for(1);
			look_at_memory(cases[i].how.name);
		}
		at = now_ms() - start;
	} while (at < least || (at < GIVE_UP_MS && !has_fate(p, cases[i].fate)));
	if (!has_fate(p, cases[i].fate)) {
		struct sp_store_server server = fake_of(p);

		fail_msg("%s: is %s, nonsense %llu, why '%s'", cases[i].how.name, server.state,
			 server.nonsense, server.why);
	}
	if (is_named() != (cases[i].fate != UP))
		fail_msg("%s: %s", cases[i].how.name, cases[i].fate == UP ? "a warning" :
			 "no warning");
	commit_one(i, p, id, is_alone);
}

static int real_ones_up(struct proxy *p)
{
	struct sp_store_server server;
	int up = 0;

	for (int i = 1; !sp_store_server(p->store, i, &server); i++)
		up += !strcmp(server.state, "up");
	return up;
}

static struct proxy *open_proxy(int servers_count)
{
	struct proxy *p = proxy_new(&servers, servers_count, 0);

	proxy_start(p);
	for (int ms = 0; ms < 5000 && real_ones_up(p) < servers_count - 1; ms++)
		run_for(1);
	return p;
}

/* Memory of an engine whose first server is absent. */
static size_t usual_memory(int servers_count)
{
	size_t before = __sanitizer_get_current_allocated_bytes(), after;
	struct proxy *p = open_proxy(servers_count);

	after = __sanitizer_get_current_allocated_bytes();
	proxy_close(p);
	run_for(5);
	return after - before;
}

static void try_case(int i, int is_alone, size_t usual)
{
	struct proxy *p;

	memory = __sanitizer_get_current_allocated_bytes() + usual;
	fake_open(&loop, servers.at[0].path, &cases[i].how);
	p = open_proxy(is_alone ? 1 : 3);
	meet_fate(i, p, is_alone);
	print_message("%-24s %s\n", cases[i].how.name, fake_of(p).why);
	proxy_close(p);
	fake_close();
	run_for(5);
}

static void try_all(int is_alone)
{
	size_t usual;

	unlink(servers.at[0].path);
	usual = usual_memory(is_alone ? 1 : 3);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		try_case(i, is_alone, usual);
}

static void beside_two_real_ones(void **state)
{
	try_all(0);
}

static void alone(void **state)
{
	try_all(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(beside_two_real_ones),
					    cmocka_unit_test(alone) };

	store_timeout_ns = STORE_TIMEOUT_USUAL_NS;	/* times below rely on the usual time-out */
	uv_loop_init(&loop);
	servers_start(&servers, 3, NULL);
	server_kill(&servers, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

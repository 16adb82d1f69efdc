/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_log.c - src/base/log.c, by its output to a descriptor in the place of stderr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>

#include "base/log.c"

static char said[8192];

/*
 * Run @say with stderr in a pipe; the output is in @said. The pipe holds 64 KB, more than any test
 * writes.
 */
static void listen_at(enum sp_log_level level, void (*say)(void), int is_journal)
{
	int fds[2], old = dup(STDERR_FILENO);
	char stream[64];
	struct stat st;
	ssize_t n;

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	dup2(fds[1], STDERR_FILENO);
	fstat(fds[1], &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + !is_journal);
	setenv("JOURNAL_STREAM", stream, 1);
	sp_log_init("prog", level);
	say();
	sp_log_init("prog", SP_LOG_INFO);
	dup2(old, STDERR_FILENO);
	n = read(fds[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = 0;
	close(fds[0]);
	close(fds[1]);
	close(old);
}

static void listen_to(void (*say)(void), int is_journal)
{
	listen_at(SP_LOG_INFO, say, is_journal);
}

static void say_levels(void)
{
	log_err("one %d", 1);
	log_warn("two");
	log_info("three");
	log_debug("four");
}

static void levels_are_named_and_filtered(void **state)
{
	listen_to(say_levels, 0);
	assert_string_equal(said, "prog: error: one 1\nprog: warning: two\nprog: three\n");
}

static void the_journal_gets_priorities(void **state)
{
	listen_to(say_levels, 1);
	assert_string_equal(said, "<3>one 1\n<4>two\n<6>three\n");
}

static void say_errnos(void)
{
	errno = ENOENT;
	log_err_errno(-ECONNREFUSED, "backend %s", "b");
	log_warn_errno(ECONNREFUSED, "again");
	log_debug_errno(1, "not said");
	assert_int_equal(errno, ENOENT);
}

static void errnos_have_their_text(void **state)
{
	listen_to(say_errnos, 0);
	assert_string_equal(said, "prog: error: backend b: Connection refused\n"
				  "prog: warning: again: Connection refused\n");
}

static void say_controls(void)
{
	log_info("%s", "a\nprog: error: b\r\033[2J\177\303\251");
}

static void controls_are_masked(void **state)
{
	listen_to(say_controls, 0);
	assert_string_equal(said, "prog: a?prog: error: b??[2J?\303\251\n");
}

static void say_long(void)
{
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	log_info("%s", text);
	log_err_errno(-ECONNREFUSED, "%s", text);
}

static void long_messages_are_cut(void **state)
{
	char *second;

	listen_to(say_long, 0);
	second = strchr(said, '\n') + 1;
	assert_int_equal(second - said, LINE_MAX_BYTES - 1);
	assert_non_null(strstr(second, "xx: Connection refused\n"));
}

static void bursts_are_limited_and_counted(void **state)
{
	struct sp_log_limit limit = { 0 };
	unsigned int suppressed;

	for (int i = 0; i < 12; i++)
		assert_int_equal(sp_log_limit_pass(&limit, &suppressed), i < 5);
	limit.window_start_ns -= LIMIT_WINDOW_NS;
	assert_int_equal(sp_log_limit_pass(&limit, &suppressed), 1);
	assert_int_equal(suppressed, 7);
	assert_int_equal(sp_log_limit_pass(&limit, &suppressed), 1);
	assert_int_equal(suppressed, 0);
}

static int evaluated;

static const char *evaluate(void)
{
	evaluated++;
	return "seen";
}

static void say_debug(void)
{
	log_debug("%s", evaluate());
	log_debug_limited("%s, limited", evaluate());
	log_debug_errno(-ENOENT, "%s", evaluate());
}

static void debug_lines_cost_nothing_unless_printed(void **state)
{
	listen_to(say_debug, 0);
	assert_string_equal(said, "");
	assert_int_equal(evaluated, 0);
	listen_at(SP_LOG_DEBUG, say_debug, 0);
	assert_string_equal(said, "prog: debug: seen\nprog: debug: seen, limited\n"
				  "prog: debug: seen: No such file or directory\n");
	assert_int_equal(evaluated, 3);
}

static void a_burst_may_be_larger(void **state)
{
	struct sp_log_limit limit = { .burst = 100 };
	unsigned int suppressed;

	for (int i = 0; i < 120; i++)
		assert_int_equal(sp_log_limit_pass(&limit, &suppressed), i < 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_are_named_and_filtered),
		cmocka_unit_test(the_journal_gets_priorities),
		cmocka_unit_test(errnos_have_their_text),
		cmocka_unit_test(controls_are_masked),
		cmocka_unit_test(long_messages_are_cut),
		cmocka_unit_test(bursts_are_limited_and_counted),
		cmocka_unit_test(debug_lines_cost_nothing_unless_printed),
		cmocka_unit_test(a_burst_may_be_larger),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}

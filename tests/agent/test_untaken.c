/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_untaken.c - src/agent/untaken.c: listeners that are not offered, and for how long */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "agent/untaken.c"

#define MINUTE_NS	60000000000ULL

static struct sp_untaken u;
static int warned;

/* ---- doubles ---- */

void sp_warn(enum sp_warning_kind kind, __u64 now_ns, const char *object, const char *fmt, ...)
{
	assert_int_equal(kind, SP_WARNING_ADOPT_FILTERED);
	warned++;
}

char *sp_time_format(__u64 ns, char *buf)
{
	snprintf(buf, SP_QUANTITY_STRLEN, "%llu", (unsigned long long)ns);
	return buf;
}

/* ---- tests ---- */

static int begin(void **state)
{
	memset(&u, 0, sizeof(u));
	warned = 0;
	return 0;
}

static struct sp_endpoint at(int i)
{
	return (struct sp_endpoint){ sp_addr_v4(htonl(0x0a000000 + i)), htons(80) };
}

static int is_left_out(int i, __u64 now_ns)
{
	struct sp_endpoint one = at(i);

	return (int)sp_untaken_at(&u, &one, 1, now_ns);
}

static int note(int i, __u64 overflows, __u64 now_ns)
{
	struct sp_endpoint one = at(i);

	return sp_untaken_note(&u, &one, overflows, now_ns);
}

static void ever_longer(void **state)
{
	static const unsigned int minutes[] = { 1, 4, 16, 60, 60 };
	__u64 now_ns = 1;

	for (size_t i = 0; i < sizeof(minutes) / sizeof(minutes[0]); i++) {
		assert_int_equal(note(1, 0, now_ns), 1);
		assert_int_equal(note(1, 0, now_ns + 1), 1);	/* does not prolong the time */
		assert_int_equal(is_left_out(1, now_ns + minutes[i] * MINUTE_NS - 1), 1);
		now_ns += minutes[i] * MINUTE_NS;
		assert_int_equal(is_left_out(1, now_ns), 0);
		assert_int_equal(warned, i + 1);
	}
}

static void each_for_itself(void **state)
{
	const struct sp_endpoint owned[] = { at(1), at(2), at(3) };

	note(1, 0, 1);
	note(3, 0, 1);
	assert_int_equal(sp_untaken_at(&u, owned, 3, 2), 5);
}

static void a_full_queue_is_not_the_hosts_fault(void **state)
{
	u.overflows = 7;
	assert_int_equal(note(1, 8, 1), 0);
	assert_int_equal(is_left_out(1, 2), 0);
	assert_int_equal(note(1, 8, 3), 1);
	assert_int_equal(is_left_out(1, 4), 1);
}

static void a_full_table_forgets_the_soonest(void **state)
{
	for (int i = 0; i <= SP_MEMBER_OWNED_MAX; i++)
		note(i, 0, i + 1);
	assert_int_equal(is_left_out(0, 100), 0);
	for (int i = 1; i <= SP_MEMBER_OWNED_MAX; i++)
		assert_int_equal(is_left_out(i, 100), 1);
}

static void a_number_is_found_by_its_name(void **state)
{
	char names[] = "TcpExt: A ListenOverflows B\n", numbers[] = "TcpExt: 1 22 3\n",
		short_line[] = "TcpExt: 1\n";

	assert_int_equal(number_of(names, numbers, "ListenOverflows"), 22);
	assert_int_equal(number_of((char[]){ "TcpExt: A ListenOverflows\n" }, short_line,
				   "ListenOverflows"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ever_longer, begin),
		cmocka_unit_test_setup(each_for_itself, begin),
		cmocka_unit_test_setup(a_full_queue_is_not_the_hosts_fault, begin),
		cmocka_unit_test_setup(a_full_table_forgets_the_soonest, begin),
		cmocka_unit_test_setup(a_number_is_found_by_its_name, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_report_fate.c - src/node/report_fate.c: all reasons, and their text in splicectl drops */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "node/report_fate.c"

static const struct {
	const char	*name;
	const char	*at_proxy, *at_agent;
} golden[] = {
	{ "syn_answered", "answer", "-" },
	{ "head", "daemon", "-" },
	{ "from_backend", "daemon", "-" },
	{ "held", "daemon", "-" },
	{ "beyond", "daemon", "-" },
	{ "skipped", "answer", "-" },
	{ "skipped_ack", "drop", "-" },
	{ "syn_challenged", "daemon", "-" },
	{ "miss", "daemon", "-" },
	{ "too_big", "daemon", "daemon" },
	{ "pieces", "daemon", "stack" },
	{ "quote", "daemon", "-" },
	{ "daemon_stale", "drop", "stack out, drop in" },
	{ "ring_full", "drop", "stack out, drop in" },
	{ "rate_limited", "drop", "stack out, drop in" },
	{ "table_full", "drop", "-" },
	{ "denied", "drop", "-" },
	{ "source_rate", "drop", "-" },
	{ "source_full", "drop", "-" },
	{ "service_full", "drop", "-" },
	{ "ack_empty", "drop", "-" },
	{ "bad_syn", "drop", "-" },
	{ "martian", "drop", "-" },
	{ "bad_header", "drop", "stack" },
	{ "ttl_expired", "drop", "stack" },
	{ "ecn_mark", "drop", "stack" },
	{ "no_route", "drop", "stack" },
	{ "ipsec", "drop", "stack" },
	{ "rewrite_failed", "drop", "drop" },
	{ "other_host", "stack", "-" },
	{ "vlan_tag", "stack", "stack" },
	{ "broadcast", "stack", "-" },
	{ "icmp_short", "stack", "-" },
	{ "fragment", "stack", "-" },
	{ "ip_options", "stack", "-" },
	{ "asked", "-", "daemon" },
	{ "no_half", "-", "stack" },
	{ "left_whole", "-", "stack" },
	{ "intro_short", "-", "drop" },
	{ "intro_foreign", "-", "drop" },
	{ "intro_forged", "-", "drop" },
	{ "intro_malformed", "-", "drop" },
	{ "intro_elsewhere", "-", "drop" },
	{ "intro_old", "-", "drop" },
	{ "intro_known", "-", "drop" },
	{ "intro_outdated", "-", "drop" },
	{ "intro_full", "-", "drop" },
	{ "adopt_early", "-", "drop" },
	{ "adopt_asked", "-", "drop" },
	{ "adopt_occupied", "-", "drop" },
	{ "adopt_no_listener", "-", "stack" },
	{ "adopt_untaken", "-", "daemon" },
	{ "adopt_failed", "-", "stack" },
};

static const char *const reasons[] = {
#define X(up, low, proxy, out, in, why) #low,
	SP_DROP_REASONS(X)
#undef X
};

static void all_reasons_are_said(void **state)
{
	char fate[SP_REPORT_FATE_STRLEN];

	assert_int_equal(sizeof(golden) / sizeof(golden[0]), SP_DROP_COUNT - 1);
	for (int i = 1; i < SP_DROP_COUNT; i++) {
		assert_string_equal(golden[i - 1].name, reasons[i - 1]);
		assert_string_equal(sp_report_fate(i, 0, fate), golden[i - 1].at_proxy);
		assert_string_equal(sp_report_fate(i, 1, fate), golden[i - 1].at_agent);
	}
}

static void each_reason_has_one_fate_at_a_hook(void **state)
{
	for (int at = SP_DROP_AT_PROXY; at <= SP_DROP_AT_AGENT_IN; at++) {
		__u64 seen = 0;

		for (int fate = 0; fate < SP_FATE_COUNT; fate++) {
			assert_int_equal(seen & sp_drops_with_fate(at, fate), 0);
			seen |= sp_drops_with_fate(at, fate);
		}
		assert_int_equal(seen, (1ULL << SP_DROP_COUNT) - 2);
	}
}

static void no_reason_is_unused(void **state)
{
	for (int i = 1; i < SP_DROP_COUNT; i++)
		assert_true(sp_drop_fate(SP_DROP_AT_PROXY, i) ||
			    sp_drop_fate(SP_DROP_AT_AGENT_OUT, i) ||
			    sp_drop_fate(SP_DROP_AT_AGENT_IN, i));
	assert_int_equal(sp_drop_fate(SP_DROP_AT_PROXY, SP_DROP_COUNT), SP_FATE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_reasons_are_said),
		cmocka_unit_test(each_reason_has_one_fate_at_a_hook),
		cmocka_unit_test(no_reason_is_unused),
	};

	return cmocka_run_group_tests_name("report_fate", tests, NULL, NULL);
}

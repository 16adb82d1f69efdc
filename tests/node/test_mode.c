/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_mode.c - src/node/mode.c: the mode of a connection, by service and agent */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "node/mode.c"

enum { NOBODY = 0xff };

static const struct {
	const char		*what;
	enum sp_mode		wanted;
	enum sp_source		source;
	__u8			can;
	enum sp_mode		mode;
	enum sp_mode_reason	reason;
	enum sp_mode_reason	obstacle;
} cases[] = {
	{ "whole is whole, whoever lives there", SP_MODE_WHOLE, SP_SOURCE_SNAT, SP_CAN_ALL,
	  SP_MODE_WHOLE, SP_MODE_AS_ASKED,
	  SP_MODE_AS_ASKED },
	{ "and needs nobody", SP_MODE_WHOLE, SP_SOURCE_SNAT, NOBODY, SP_MODE_WHOLE,
	  SP_MODE_AS_ASKED, SP_MODE_AS_ASKED },
	{ "split", SP_MODE_SPLIT, SP_SOURCE_SNAT, SP_CAN_SPLIT, SP_MODE_SPLIT, SP_MODE_AS_ASKED,
	  SP_MODE_AS_ASKED },
	{ "and no more, though it could", SP_MODE_SPLIT, SP_SOURCE_SNAT, SP_CAN_ALL, SP_MODE_SPLIT,
	  SP_MODE_AS_ASKED,
	  SP_MODE_AS_ASKED },
	{ "under clients' addresses", SP_MODE_SPLIT, SP_SOURCE_CLIENT, SP_CAN_SPLIT, SP_MODE_SPLIT,
	  SP_MODE_AS_ASKED,
	  SP_MODE_AS_ASKED },
	{ "with nobody there", SP_MODE_SPLIT, SP_SOURCE_SNAT, NOBODY, SP_MODE_WHOLE,
	  SP_MODE_NO_AGENT, SP_MODE_AS_ASKED },
	{ "with one that can nothing", SP_MODE_SPLIT, SP_SOURCE_SNAT, 0, SP_MODE_WHOLE,
	  SP_MODE_AGENT_LACKS_SPLIT,
	  SP_MODE_AS_ASKED },
	{ "adopt", SP_MODE_ADOPT, SP_SOURCE_SNAT, SP_CAN_ALL, SP_MODE_ADOPT, SP_MODE_AS_ASKED,
	  SP_MODE_AS_ASKED },
	{ "an older kernel", SP_MODE_ADOPT, SP_SOURCE_SNAT, SP_CAN_SPLIT, SP_MODE_SPLIT,
	  SP_MODE_AGENT_LACKS_ADOPT,
	  SP_MODE_AS_ASKED },
	{ "nobody to adopt", SP_MODE_ADOPT, SP_SOURCE_SNAT, NOBODY, SP_MODE_WHOLE, SP_MODE_NO_AGENT,
	  SP_MODE_AS_ASKED },
	{ "the best is adopt", SP_MODE_AUTO, SP_SOURCE_SNAT, SP_CAN_ALL, SP_MODE_ADOPT,
	  SP_MODE_AS_ASKED, SP_MODE_AS_ASKED },
	{ "then split", SP_MODE_AUTO, SP_SOURCE_SNAT, SP_CAN_SPLIT, SP_MODE_SPLIT,
	  SP_MODE_AGENT_LACKS_ADOPT,
	  SP_MODE_AS_ASKED },
	{ "no clients' addresses are adopted", SP_MODE_AUTO, SP_SOURCE_CLIENT, SP_CAN_ALL,
	  SP_MODE_SPLIT, SP_MODE_SOURCE_CLIENT,
	  SP_MODE_AS_ASKED },
	{ "then whole", SP_MODE_AUTO, SP_SOURCE_CLIENT, NOBODY, SP_MODE_WHOLE, SP_MODE_NO_AGENT,
	  SP_MODE_AS_ASKED },
	{ "neither", SP_MODE_AUTO, SP_SOURCE_SNAT, 0, SP_MODE_WHOLE, SP_MODE_AGENT_LACKS_SPLIT,
	  SP_MODE_AS_ASKED },
	{ "what can't be adopted is split", SP_MODE_AUTO, SP_SOURCE_SNAT, SP_CAN_ALL, SP_MODE_SPLIT,
	  SP_MODE_SMALL_MSS,
	  SP_MODE_SMALL_MSS },
	{ "also where it was asked for", SP_MODE_ADOPT, SP_SOURCE_SNAT, SP_CAN_ALL, SP_MODE_SPLIT,
	  SP_MODE_NOT_IN_SYNC,
	  SP_MODE_NOT_IN_SYNC },
	{ "who can't split does it whole", SP_MODE_ADOPT, SP_SOURCE_SNAT, SP_CAN_ADOPT,
	  SP_MODE_WHOLE,
	  SP_MODE_AGENT_LACKS_SPLIT, SP_MODE_NOT_IN_SYNC },
	{ "what is in adopt's way is not in others'", SP_MODE_SPLIT, SP_SOURCE_SNAT, SP_CAN_ALL,
	  SP_MODE_SPLIT,
	  SP_MODE_AS_ASKED, SP_MODE_STORE_AWAY },
	{ "the best without the second best", SP_MODE_AUTO, SP_SOURCE_SNAT, SP_CAN_ADOPT,
	  SP_MODE_ADOPT, SP_MODE_AS_ASKED,
	  SP_MODE_AS_ASKED },
};

static void the_best_that_both_allow(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sp_member agent = { .state = SP_MEMBER_AGENT, .is_alive = 1,
					   .can = cases[i].can };
		struct sp_pool_conf pool = { .source = cases[i].source };
		enum sp_mode_reason reason = SP_MODE_REASON_COUNT;
		enum sp_mode mode = sp_mode_choose(cases[i].wanted, &pool, cases[i].can == NOBODY ?
						   NULL : &agent,
						   cases[i].obstacle, &reason);

		if (mode != cases[i].mode || reason != cases[i].reason)
			fail_msg("%s: %d, reason %d", cases[i].what, mode, reason);
	}
}

static void a_listener_for_each_port(void **state)
{
	struct sp_endpoint at[3] = { { sp_addr_v4(1), 1 }, { sp_addr_v4(1), 2 },
				     { sp_addr_v4(2), 1 } };
	struct sp_member agent = { .owned = { at[0], at[1] }, .owned_count = 2, .adopts = 2 };

	assert_int_equal(sp_mode_obstacle_at(&agent, &at[0]), SP_MODE_NO_LISTENER);
	assert_int_equal(sp_mode_obstacle_at(&agent, &at[1]), SP_MODE_AS_ASKED);
	assert_int_equal(sp_mode_obstacle_at(&agent, &at[2]), SP_MODE_NO_LISTENER);
	assert_int_equal(sp_mode_obstacle_at(NULL, &at[0]), SP_MODE_AS_ASKED);
	agent.ahead_ms = -SP_CLOCK_OFF_MS;
	assert_int_equal(sp_mode_obstacle_at(&agent, &at[1]), SP_MODE_CLOCK_OFF);
}

/* The flags say which halves an agent carries. */
static void halves_say_their_mode(void **state)
{
	assert_int_equal(sp_mode_flags(SP_MODE_WHOLE), 0);
	assert_int_equal(sp_mode_flags(SP_MODE_SPLIT), SP_HALF_F_SPLIT);
	assert_int_equal(sp_mode_flags(SP_MODE_ADOPT), SP_HALF_F_SPLIT | SP_HALF_F_ADOPTED);
}

static void all_have_names(void **state)
{
	for (int mode = 0; mode <= SP_MODE_AUTO; mode++)
		assert_non_null(sp_mode_name(mode));
	for (int reason = 1; reason < SP_MODE_REASON_COUNT; reason++) {
		assert_non_null(sp_mode_reason_name(reason));
		assert_non_null(sp_mode_reason_text(reason));
	}
	assert_null(sp_mode_reason_name(SP_MODE_AS_ASKED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_best_that_both_allow),
			cmocka_unit_test(a_listener_for_each_port),
		cmocka_unit_test(halves_say_their_mode),
		cmocka_unit_test(all_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

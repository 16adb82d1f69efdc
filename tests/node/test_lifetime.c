// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_lifetime.c - how long a splice may be quiet, by state */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/lifetime.c"

#define SECOND		1000000000ULL
#define CLIENT		1000	/* numbers of the streams, by the sender's count */
#define BACKEND		0xfffffff0U

static const struct sp_limits_conf limits = {
	.idle_ns = 7800 * SECOND, .transitory_ns = 300 * SECOND, .closed_ns = 40 * SECOND,
};

enum { NONE, FIN_UP = SP_STATE_FIN, FIN_DOWN = SP_STATE_PEER_FIN, BOTH = FIN_UP | FIN_DOWN,
       RESET = SP_STATE_RST };
enum { SHARED = 1, SPLIT = 2, AGENT = 4, SHORT = 8, NO_UP = 16 };

struct case_of {
	const char	*name;
	int		ends;		/* of the half up */
	int		client_lacks;	/* bytes sent to the client, not acknowledged */
	int		backend_lacks;
	int		where;
	__u64		seconds;
};

static const struct case_of cases[] = {
	{ "live",					NONE, 0, 0, 0, 7800 },
	{ "live, client silent",			NONE, 1, 0, 0, 300 },
	{ "live, client silent for megabytes",		NONE, 3000000, 0, 0, 300 },
	{ "live, backend silent",			NONE, 0, 100, 0, 300 },
	{ "live, more acknowledged than seen",		NONE, -5000, 0, 0, 7800 },
	{ "live, somebody else may know more",		NONE, 1, 1, SHARED, 7800 },
	{ "live, acknowledgements pass elsewhere",	NONE, 0, 100, SPLIT, 7800 },
	{ "live, an agent's",				NONE, 100, 100, SPLIT | AGENT, 7800 },
	{ "live, port reused",				NONE, 0, 0, NO_UP, 7800 },
	{ "half-closed by the client",			FIN_UP, 0, 0, 0, 300 },
	{ "half-closed by the backend",			FIN_DOWN, 0, 0, 0, 300 },
	{ "half-closed, the client silent",		FIN_DOWN, 1, 0, 0, 300 },
	{ "half-closed, split",				FIN_DOWN, 0, 0, SPLIT, 300 },
	{ "half-closed, an agent's",			FIN_DOWN, 0, 0, SPLIT | AGENT, 300 },
	{ "half-closed, shared",			FIN_DOWN, 0, 0, SHARED, 7800 },
	{ "closed",					BOTH, 0, 0, 0, 40 },
	{ "closed, client lacks the end",		BOTH, 1, 0, 0, 300 },
	{ "closed, backend lacks the end",		BOTH, 0, 1, 0, 300 },
	{ "closed, shared",				BOTH, 1, 0, SHARED, 40 },
	{ "closed, split",				BOTH, 1, 1, SPLIT, 40 },
	{ "closed, port reused",			BOTH, 0, 0, NO_UP, 40 },
	{ "reset",					RESET, 100, 100, 0, 40 },
	{ "short: live",				NONE, 0, 0, SHORT, 7800 },
	{ "short: client silent",			NONE, 1, 0, SHORT, 15 },
	{ "short: half-closed",				FIN_DOWN, 0, 0, SHORT, 30 },
	{ "short: half-closed, the client silent",	FIN_DOWN, 1, 0, SHORT, 6 },
	{ "short: half-closed, the backend silent",	FIN_UP, 0, 1, SHORT, 6 },
	{ "short: FIN acknowledged, other bytes not",	FIN_UP, 1, 0, SHORT, 15 },
	{ "short: half-closed and silent, split",	FIN_DOWN, 1, 1, SHORT | SPLIT, 30 },
	{ "short: half-closed, an agent's",		FIN_DOWN, 0, 0, SHORT | SPLIT | AGENT,
	  300 },
	{ "short: closed and settled",			BOTH, 0, 0, SHORT, 1 },
	{ "short: closed, not settled",			BOTH, 1, 0, SHORT, 6 },
	{ "short: closed, shared",			BOTH, 0, 0, SHORT | SHARED, 6 },
	{ "short: closed, an agent's",			BOTH, 0, 0, SHORT | SPLIT | AGENT, 11 },
	{ "short: reset",				RESET, 100, 100, SHORT, 1 },
};

static void lives_as_long_as(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct case_of *c = &cases[i];
		struct sp_half_state up = { .next_seq = CLIENT,
					    .last_ack = BACKEND - c->client_lacks, .pkts = 1,
				     .flags = c->ends };
		struct sp_half_state down = { .next_seq = BACKEND,
					      .last_ack = CLIENT - c->backend_lacks,
				       .pkts = 1, .flags = sp_ends_mirrored(c->ends) };
		struct sp_lifetime l = {
			.up = c->where & NO_UP ? NULL :
			&up, .down = &down, .is_shared = !!(c->where & SHARED),
			.is_split = !!(c->where & SPLIT), .is_agent = !!(c->where & AGENT),
			.is_short = !!(c->where & SHORT),
		};
		__u64 ns = sp_lifetime_ns(&limits, &l);

		if (ns / SECOND != c->seconds)
			fail_msg("%s: %llu s", c->name, ns / SECOND);
		l.up = NULL;
		if (sp_lifetime_least_ns(&limits, &l) > ns)
			fail_msg("%s: the least is %llu s", c->name,
				 sp_lifetime_least_ns(&limits, &l) / SECOND);
	}
}

/* A client gone after its request acknowledges no byte. A waiting client lacks no byte. */
static void nothing_was_acknowledged_yet(void **state)
{
	struct sp_half_state up = { .next_seq = CLIENT },
		down = { .next_seq = BACKEND, .last_ack = CLIENT, .pkts = 1 };
	struct sp_lifetime l = { .up = &up, .down = &down };

	assert_true(sp_lifetime_ns(&limits, &l) == limits.idle_ns);
	down.bytes = 1;
	assert_true(sp_lifetime_ns(&limits, &l) == limits.transitory_ns);
}

/* `closed` may be longer, and `idle` shorter. */
static void other_limits(void **state)
{
	const struct sp_limits_conf odd = { .idle_ns = 100 * SECOND, .transitory_ns = 200 * SECOND,
					    .closed_ns = 500 * SECOND };
	struct sp_half_state up = { .next_seq = CLIENT, .last_ack = BACKEND - 1 };
	struct sp_half_state down = { .next_seq = BACKEND, .last_ack = CLIENT };
	struct sp_lifetime l = { .up = &up, .down = &down };

	assert_true(sp_lifetime_ns(&odd, &l) == odd.idle_ns);
	down.flags = BOTH;
	assert_true(sp_lifetime_ns(&odd, &l) == odd.closed_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lives_as_long_as), cmocka_unit_test(nothing_was_acknowledged_yet),
		cmocka_unit_test(other_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

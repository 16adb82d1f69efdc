/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_member.c - src/cluster/member.c: members that live, homes of connections, refused records
 * and HELLOs
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>

#include "cluster/member.c"

#define MS 1000000ULL

static __u64 now_ns;
static struct sp_members ms;

static struct sp_member member(int number)
{
	struct sp_member m = {
		.relay = { sp_addr_v4(htonl(0x0a000000 + number)), htons(7946) },
		.started_ns = 1000 + number,
		.state = SP_MEMBER_READY, .owned_count = 1,
		.owned = { { sp_addr_v4(htonl(0x0a630000 + number)), 0 } },
	};

	snprintf(m.name, sizeof(m.name), "proxy%d", number);
	m.id = sp_member_id(m.name);
	return m;
}

static struct sp_member hello(int number, __u64 seq)
{
	struct sp_member m = member(number);

	m.seq = seq;
	return m;
}

static enum sp_member_verdict hear(const struct sp_member *m)
{
	return sp_members_hello(&ms, m, now_ns);
}

/* Proxy 1 is this node; proxies 2 to @count live. */
static void start(int count)
{
	struct sp_member m = member(1);

	now_ns = 1000 * MS;
	sp_members_init(&ms, &m);
	for (int i = 2; i <= count; i++) {
		m = hello(i, 1);
		assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_SAME);
		assert_int_equal(hear(&m), SP_MEMBER_NEWS);
	}
}

static int number_of(const struct sp_member *m)
{
	return m ? atoi(m->name + 5) : 1;
}

static int home(int port)
{
	struct sp_tuple t = { .saddr = sp_addr_v4(1), .daddr = sp_addr_v4(2), .sport = port,
			      .dport = 80 };

	return number_of(sp_members_choose(&ms, &t, sizeof(t)));
}

static void all_choose_the_same_home(void **state)
{
	enum { PORTS = 3000 };
	static int at_one[PORTS];
	int shares[4] = { 0 };
	struct sp_member m;

	start(3);
	for (int i = 0; i < PORTS; i++)
		shares[at_one[i] = home(i)]++;
	for (int i = 1; i <= 3; i++)
		assert_in_range(shares[i], PORTS / 3 - 150, PORTS / 3 + 150);
	/* the view of proxy 3, with members in a different order */
	m = member(3);
	sp_members_init(&ms, &m);
	for (int i = 1; i <= 2; i++) {
		m = hello(i, 1);
		sp_members_record(&ms, &m, now_ns);
		hear(&m);
	}
	for (int i = 0; i < PORTS; i++) {
		struct sp_tuple t = { .saddr = sp_addr_v4(1), .daddr = sp_addr_v4(2), .sport = i,
				      .dport = 80 };
		struct sp_member *to = sp_members_choose(&ms, &t, sizeof(t));

		assert_int_equal(to ? number_of(to) : 3, at_one[i]);
	}
}

static void a_dead_home_is_replaced_and_no_other(void **state)
{
	int before[1000], moved = 0;
	struct sp_member m;

	start(3);
	for (int i = 0; i < 1000; i++)
		before[i] = home(i);
	now_ns += 399 * MS;
	m = hello(3, 2);
	assert_int_equal(hear(&m), SP_MEMBER_SAME);
	assert_null(sp_members_tick(&ms, now_ns, 0));
	now_ns += 1 * MS;
	assert_int_equal(number_of(sp_members_tick(&ms, now_ns, 0)), 2);
	assert_null(sp_members_tick(&ms, now_ns, 0));
	for (int i = 0; i < 1000; i++) {
		moved += before[i] == 2;
		assert_true(before[i] == 2 ? home(i) != 2 : home(i) == before[i]);
	}
	assert_true(moved > 0);
	m = hello(2, 2);
	assert_int_equal(hear(&m), SP_MEMBER_NEWS);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(home(i), before[i]);
}

static void who_was_stopped_buries_nobody(void **state)
{
	start(3);
	now_ns += 5000 * MS;
	assert_null(sp_members_tick(&ms, now_ns, 1));
	now_ns += 399 * MS;
	assert_null(sp_members_tick(&ms, now_ns, 0));
	now_ns += 1 * MS;
	assert_non_null(sp_members_tick(&ms, now_ns, 0));
	assert_non_null(sp_members_tick(&ms, now_ns, 0));
	assert_null(sp_members_tick(&ms, now_ns, 0));
	for (int i = 0; i < 100; i++)
		assert_int_equal(home(i), 1);
}

static void homes_are_those_that_are_ready(void **state)
{
	struct sp_member m;

	start(3);
	m = hello(2, 2);
	m.state = SP_MEMBER_DRAINING;
	assert_int_equal(hear(&m), SP_MEMBER_NEWS);
	ms.self.state = SP_MEMBER_SYNCING;
	for (int i = 0; i < 100; i++)
		assert_int_equal(home(i), 3);
	m = hello(3, 2);
	m.state = SP_MEMBER_DRAINING;
	hear(&m);
	/* no proxy is ready: all living proxies may be home */
	for (int i = 0, seen = 0; i < 100; i++) {
		seen |= 1 << home(i);
		assert_true(i < 99 || seen == 0xe);
	}
}

/* A new daemon detects a replay by the clock, later by sequence numbers. */
static void the_first_hello_must_be_of_now(void **state)
{
	struct sp_member m = hello(2, 7);

	start(1);
	sp_members_record(&ms, &m, now_ns);
	for (int sign = -1; sign < 2; sign += 2) {
		m.ahead_ms = sign * (SP_HELLO_FRESH_MS + 1);
		assert_int_equal(hear(&m), SP_MEMBER_SKEWED);
		assert_false(ms.others[0].is_alive);
		assert_int_equal(ms.others[0].ahead_ms, m.ahead_ms);
	}
	m.ahead_ms = SP_HELLO_FRESH_MS;
	assert_int_equal(hear(&m), SP_MEMBER_NEWS);
	m.seq++;
	m.ahead_ms *= 2;
	assert_int_equal(hear(&m), SP_MEMBER_SAME);
	m.started_ns++;
	assert_int_equal(hear(&m), SP_MEMBER_SKEWED);
	m.ahead_ms = 0;
	assert_int_equal(hear(&m), SP_MEMBER_SAME);
}

static void a_hello_counts_once(void **state)
{
	struct sp_member m;

	start(2);
	m = hello(2, 1);
	assert_int_equal(hear(&m), SP_MEMBER_REPLAYED);
	m.seq = 7;
	assert_int_equal(hear(&m), SP_MEMBER_SAME);
	m.seq = 6;
	assert_int_equal(hear(&m), SP_MEMBER_REPLAYED);
	/* a replay revives no dead member */
	now_ns += 400 * MS;
	assert_non_null(sp_members_tick(&ms, now_ns, 0));
	m.seq = 7;
	assert_int_equal(hear(&m), SP_MEMBER_REPLAYED);
	assert_false(ms.others[0].is_alive);
	/* a HELLO of the member's former daemon is a replay, too */
	m.started_ns++;
	m.seq = 1;
	assert_int_equal(hear(&m), SP_MEMBER_NEWS);
	m.started_ns--;
	m.seq = 100;
	assert_int_equal(hear(&m), SP_MEMBER_REPLAYED);
}

static void strangers_are_not_heard(void **state)
{
	struct sp_member m = hello(3, 1);

	start(2);
	assert_int_equal(hear(&m), SP_MEMBER_UNKNOWN);
	assert_int_equal(ms.count, 1);
}

static void a_name_belongs_to_the_one_that_lives(void **state)
{
	struct sp_member m = member(2);

	start(2);
	m.relay.port_be = htons(1);
	m.started_ns += 10;
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_NAME_TAKEN);
	m.seq = 1;
	assert_int_equal(hear(&m), SP_MEMBER_NAME_TAKEN);
	assert_int_equal(ms.others[0].relay.port_be, htons(7946));
	/* the new endpoint counts after the member's death */
	now_ns += 400 * MS;
	assert_non_null(sp_members_tick(&ms, now_ns, 0));
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_SAME);
	assert_int_equal(hear(&m), SP_MEMBER_NEWS);
	/* the name is this node's own */
	m = member(1);
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_SAME);
	m.relay.port_be = htons(1);
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_NAME_TAKEN);
	assert_int_equal(ms.count, 1);
}

static void records_of_earlier_lives_change_nothing(void **state)
{
	struct sp_member m = member(2);

	start(2);
	m.started_ns--;
	m.owned_count = 0;
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_REPLAYED);
	assert_int_equal(ms.others[0].owned_count, 1);
}

static void a_full_table_forgets_who_is_dead_longest(void **state)
{
	struct sp_member m;

	start(1 + SP_MEMBERS_MAX);
	m = member(1000);
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_FULL);
	ms.others[5].is_alive = 0;
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_SAME);
	assert_string_equal(ms.others[5].name, "proxy1000");
	assert_false(ms.others[5].is_alive);
	assert_int_equal(ms.count, SP_MEMBERS_MAX);
}

static struct sp_member agent(int number)
{
	struct sp_member m = hello(number, 1);

	m.state = SP_MEMBER_AGENT;
	return m;
}

/* An agent is no home, even if no proxy is ready. */
static void agents_are_nobodys_home(void **state)
{
	struct sp_member m;

	start(3);
	for (int i = 4; i < 20; i++) {
		m = agent(i);
		assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_SAME);
		assert_int_equal(hear(&m), SP_MEMBER_NEWS);
	}
	for (int ready = 1; ready >= 0; ready--)
		for (int key = 0; key < 200; key++) {
			struct sp_member *chosen = sp_members_choose(&ms, &key, sizeof(key));

			ms.self.state = ready ? SP_MEMBER_READY : SP_MEMBER_SYNCING;
			for (int i = 0; i < 2; i++)
				ms.others[i].state = ms.self.state;
			assert_true(!chosen || chosen->state != SP_MEMBER_AGENT);
		}
}

static void agents_leave_room_for_proxies(void **state)
{
	struct sp_member m;

	start(1);
	for (int i = 2; i < 2 + SP_AGENTS_MAX; i++) {
		m = agent(i);
		assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_SAME);
		assert_int_equal(hear(&m), SP_MEMBER_NEWS);
	}
	m = agent(1000);
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_FULL);
	m = member(1001);
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_SAME);
}

static void owners_are_found_by_address(void **state)
{
	struct sp_addr theirs = member(3).owned[0].addr, nobodys = sp_addr_v4(1);

	start(3);
	assert_int_equal(number_of(sp_members_by_addr(&ms, &theirs)), 3);
	assert_null(sp_members_by_addr(&ms, &nobodys));
}

/* A client may share its address with an agent's servers: the agent does not own that address. */
static void an_agent_owns_no_client(void **state)
{
	struct sp_member m = agent(4);

	start(3);
	sp_members_record(&ms, &m, now_ns);
	hear(&m);
	assert_null(sp_members_by_addr(&ms, &m.owned[0].addr));
}

static void who_lives_and_serves_elsewhere_is_news(void **state)
{
	struct sp_member m = member(2);

	start(2);
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_SAME);
	m.owned[0].port_be = htons(81);
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_NEWS);
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_SAME);
	m.owned_count = 0;
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_NEWS);
	ms.others[0].is_alive = 0;
	m.owned_count = 1;
	assert_int_equal(sp_members_record(&ms, &m, now_ns), SP_MEMBER_SAME);
}

/* A record may be older than a HELLO. */
static void what_it_says_itself_is_newer_than_its_record(void **state)
{
	struct sp_member m = agent(4), record = m, *is;

	start(3);
	m.can = SP_CAN_ALL;
	record.can = SP_CAN_SPLIT;
	sp_members_record(&ms, &record, now_ns);
	hear(&m);
	is = &ms.others[ms.count - 1];
	assert_int_equal(is->can, SP_CAN_ALL);
	assert_int_equal(sp_members_record(&ms, &record, now_ns), SP_MEMBER_SAME);
	assert_int_equal(is->can, SP_CAN_ALL);
	is->is_alive = 0;
	assert_int_equal(sp_members_record(&ms, &record, now_ns), SP_MEMBER_SAME);
	assert_int_equal(is->can, SP_CAN_SPLIT);
}

/*
 * Agents are found by their servers' endpoints while alive. A dead agent with the same servers
 * does not matter.
 */
static void agents_are_found_by_what_they_serve(void **state)
{
	struct sp_endpoint at = { sp_addr_v4(htonl(0x0a050002)), htons(80) },
		other = { at.addr, htons(81) };
	struct sp_member before = agent(4), m = agent(5), proxy = member(2);

	start(3);
	before.owned[0] = m.owned[0] = at;
	m.can = SP_CAN_SPLIT;
	sp_members_record(&ms, &before, now_ns);
	sp_members_record(&ms, &m, now_ns);
	assert_null(sp_members_agent_at(&ms, &at));
	assert_int_equal(hear(&m), SP_MEMBER_NEWS);
	assert_int_equal(number_of(sp_members_agent_at(&ms, &at)), 5);
	assert_int_equal(sp_members_agent_at(&ms, &at)->can, SP_CAN_SPLIT);
	assert_null(sp_members_agent_at(&ms, &other));
	assert_null(sp_members_agent_at(&ms, &(struct sp_endpoint){ proxy.owned[0].addr, 0 }));
	m.seq++;
	m.can = SP_CAN_ALL;
	assert_int_equal(hear(&m), SP_MEMBER_NEWS);
	assert_int_equal(sp_members_agent_at(&ms, &at)->can, SP_CAN_ALL);
	m.seq++;
	m.adopts = 1;
	assert_int_equal(hear(&m), SP_MEMBER_NEWS);
	m.seq++;
	assert_int_equal(hear(&m), SP_MEMBER_SAME);
	now_ns += SP_HELLO_SILENT_NS;
	while (sp_members_tick(&ms, now_ns, 0))
		;
	assert_null(sp_members_agent_at(&ms, &at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_choose_the_same_home),
		cmocka_unit_test(a_dead_home_is_replaced_and_no_other),
		cmocka_unit_test(who_was_stopped_buries_nobody),
		cmocka_unit_test(homes_are_those_that_are_ready),
		cmocka_unit_test(the_first_hello_must_be_of_now),
		cmocka_unit_test(a_hello_counts_once),
		cmocka_unit_test(strangers_are_not_heard),
		cmocka_unit_test(a_name_belongs_to_the_one_that_lives),
		cmocka_unit_test(records_of_earlier_lives_change_nothing),
		cmocka_unit_test(a_full_table_forgets_who_is_dead_longest),
		cmocka_unit_test(agents_are_nobodys_home),
		cmocka_unit_test(agents_leave_room_for_proxies),
		cmocka_unit_test(owners_are_found_by_address),
		cmocka_unit_test(an_agent_owns_no_client),
		cmocka_unit_test(who_lives_and_serves_elsewhere_is_news),
		cmocka_unit_test(what_it_says_itself_is_newer_than_its_record),
		cmocka_unit_test(agents_are_found_by_what_they_serve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

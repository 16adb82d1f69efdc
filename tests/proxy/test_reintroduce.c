/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_reintroduce.c - src/proxy/reintroduce.c: repeated introductions, their rate and duration; on
 * a fake table
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>

#include "proxy/reintroduce.c"

#define MS		1000000ULL
#define START_NS	(1000000 * MS)
#define WINDOW		777

static struct sp_entry table[RING + 2];
static int is_there[RING + 2], introduced[RING + 2], relayed;
static struct sp_splice last;
static struct sp_segment ack;
static __u64 now_ns;
static struct sp_reintroductions *u;

static const struct sp_side client = {
	.isn_ours = 1000, .isn_theirs = 2000, .has_ts = 1, .tsval_ours = 3000, .tsval_theirs = 4000,
};

static unsigned int id_of(const struct sp_tuple *front)
{
	return ntohl(front->saddr.w[3]);
}

/* ---- fakes ---- */

int sp_datapath_get(struct sp_datapath *dp, const struct sp_tuple *key, struct sp_entry *ret_entry)
{
	if (!is_there[id_of(key)])
		return -ENOENT;
	*ret_entry = table[id_of(key)];
	return 0;
}

void sp_cluster_introduce(struct sp_cluster *c, const struct sp_splice *splice, __u32 refreshed_s)
{
	assert_int_equal(refreshed_s, splice->up.spliced_s);
	introduced[id_of(&splice->front)]++;
	last = *splice;
}

/* The relayed acknowledgement is useless to an agent that doesn't know the splice yet. */
void sp_relay(struct sp_wire *wire, const struct sp_half *half, const struct sp_segment *seg,
	      __u16 mss)
{
	assert_memory_equal(&last.front, &seg->tuple, sizeof(seg->tuple));
	assert_memory_equal(half, &last.up, sizeof(*half));
	assert_int_equal(mss, SP_RELAY_MSS);
	relayed++;
	ack = *seg;
}

/* ---- fixture ---- */

static int begin(void **state)
{
	memset(table, 0, sizeof(table));
	memset(is_there, 0, sizeof(is_there));
	memset(introduced, 0, sizeof(introduced));
	relayed = 0;
	now_ns = START_NS;
	u = sp_reintroductions_new();
	return !u;
}

static int end(void **state)
{
	sp_reintroductions_free(u);
	return 0;
}

static struct sp_entry *add_of(unsigned int id, int is_greeting)
{
	struct sp_splice s = {
		.front = { sp_addr_v4(htonl(id)), sp_addr_v4(0x01020304), 1, 2 },
		.client_isn = client.isn_theirs,
		.up = { .out.dport = 8000, .spliced_s = 5000 + id },
	};

	is_there[id] = 1;
	table[id] = (struct sp_entry){ .meta.client_isn = client.isn_theirs, .half = s.up };
	sp_reintroduce_add(u, &s, &client, WINDOW, is_greeting, now_ns);
	return &table[id];
}

static struct sp_entry *add(unsigned int id)
{
	return add_of(id, 0);
}

static unsigned int tick(unsigned int later_ms)
{
	now_ns += later_ms * MS;
	return sp_reintroduce_tick(u, NULL, NULL, NULL, now_ns);
}

/* ---- tests ---- */

static void ever_more_rarely_and_then_no_more(void **state)
{
	static const unsigned int at_ms[] = { 50, 250, 1050, 4250 };
	size_t seen = 0;

	add(1);
	for (unsigned int ms = 1; ms < 200000; ms++) {
		if (!tick(1))
			continue;
		assert_true(seen < sizeof(at_ms) / sizeof(at_ms[0]));
		assert_int_equal(ms, at_ms[seen++]);
		assert_int_equal(introduced[1], seen);
	}
	assert_int_equal(seen, sizeof(at_ms) / sizeof(at_ms[0]));
	assert_int_equal(relayed, 0);
	assert_int_equal(u->count, 0);
}

static void until_it_is_heard(void **state)
{
	struct sp_entry *up = add(1);

	assert_int_equal(tick(50), 1);
	up->state.last_ack = client.isn_ours + 1;	/* of the handshake */
	assert_int_equal(tick(200), 1);
	up->state.last_ack++;
	assert_int_equal(tick(800), 0);
	assert_int_equal(introduced[1], 2);
	assert_int_equal(u->count, 0);
	/* gone for good */
	up->state.last_ack = 0;
	assert_int_equal(tick(60000), 0);
}

static void not_when_nothing_is_left_to_hear_of(void **state)
{
	static const struct {
		int	is_gone;
		__u8	state, flags;
		__u32	isn_by;
		int	is_repeated;
	} cases[] = {
		{ .is_repeated = 1 },
		{ .is_gone = 1 },
		{ .state = SP_STATE_RST },
		{ .state = SP_STATE_PEER_RST },
		{ .state = SP_STATE_FIN | SP_STATE_PEER_FIN },
		{ .state = SP_STATE_FIN, .is_repeated = 1 },
		{ .state = SP_STATE_PEER_FIN, .is_repeated = 1 },
		{ .state = SP_STATE_REUSED },
		{ .flags = SP_HALF_F_TO_DAEMON },
		{ .flags = SP_HALF_F_SPLIT | SP_HALF_F_ADOPTED, .is_repeated = 1 },
		{ .isn_by = 1 },
	};
	const int n = sizeof(cases) / sizeof(cases[0]);

	for (int i = 0; i < n; i++) {
		struct sp_entry *up = add(i);

		is_there[i] = !cases[i].is_gone;
		up->state.flags = cases[i].state;
		up->half.flags = cases[i].flags;
		up->meta.client_isn += cases[i].isn_by;
	}
	tick(50);
	for (int i = 0; i < n; i++)
		assert_int_equal(introduced[i], cases[i].is_repeated);
	assert_int_equal(u->count, 4);
}

/* A peer with data retransmits. A peer that waits needs the greeting's acknowledgement. */
static void a_greeting_is_waited_for_by_its_ack(void **state)
{
	add_of(1, 1);
	add(2);
	assert_int_equal(tick(50), 2);
	assert_int_equal(relayed, 1);
	assert_int_equal(id_of(&ack.tuple), 1);
	assert_int_equal(ack.flags, SP_TCP_ACK);
	assert_int_equal(ack.seq, client.isn_theirs + 1);
	assert_int_equal(ack.ack, client.isn_ours + 1);
	assert_int_equal(ack.window, WINDOW);
	assert_int_equal(ack.wscale, -1);
	assert_int_equal(ack.has_ts, 1);
	assert_int_equal(ack.tsval, client.tsval_theirs);
	assert_int_equal(ack.tsecr, client.tsval_ours);
	assert_int_equal(ack.payload_len, 0);
	assert_int_equal(tick(200), 2);
	assert_int_equal(relayed, 2);
}

/*
 * Splices beyond one tick's share wait for the next ticks: all have a turn, and no splice has two.
 */
static void a_few_in_each_tick(void **state)
{
	for (unsigned int id = 0; id < 3 * PER_TICK + 1; id++)
		add(id);
	assert_int_equal(tick(49), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(tick(1), PER_TICK);
	assert_int_equal(tick(1), 1);
	assert_int_equal(tick(1), 0);
	for (unsigned int id = 0; id < 3 * PER_TICK + 1; id++)
		assert_int_equal(introduced[id], 1);
	assert_int_equal(u->count, 3 * PER_TICK + 1);
}

/* Splices already heard cost no turn: the rest have a turn at once. */
static void heard_ones_cost_nothing(void **state)
{
	for (unsigned int id = 0; id < 3 * PER_TICK; id++)
		add(id)->state.last_ack = client.isn_ours + 2;
	add(3 * PER_TICK);
	assert_int_equal(tick(50), 1);
	assert_int_equal(introduced[3 * PER_TICK], 1);
	assert_int_equal(u->count, 1);
}

static void a_full_ring_lets_the_oldest_go(void **state)
{
	for (unsigned int id = 0; id < RING + 2; id++)
		add(id);
	assert_int_equal(u->count, RING);
	tick(49);
	while (tick(1))
		;
	for (unsigned int id = 0; id < RING + 2; id++)
		assert_int_equal(introduced[id], id >= 2);
	memset(is_there, 0, sizeof(is_there));
	assert_int_equal(tick(60000), 0);
	assert_int_equal(u->count, 0);
	/* room again */
	add(0);
	assert_int_equal(u->count, 1);
	assert_int_equal(tick(50), 1);
}

static void what_never_was_is_given_back(void **state)
{
	struct sp_segment got;

	add_of(1, 1);
	add(2);
	assert_int_equal(sp_reintroduce_take(u, &u->ring[0].splice.front, client.isn_theirs + 1,
					     &got), -ENOENT);
	assert_int_equal(sp_reintroduce_take(u, &u->ring[0].splice.front, client.isn_theirs, &got),
			 0);
	assert_int_equal(got.seq, client.isn_theirs + 1);
	assert_int_equal(sp_reintroduce_take(u, &u->ring[1].splice.front, client.isn_theirs, &got),
			 -ENOENT);
	assert_int_equal(u->count, 0);
	assert_int_equal(tick(50), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ever_more_rarely_and_then_no_more, begin, end),
		cmocka_unit_test_setup_teardown(until_it_is_heard, begin, end),
		cmocka_unit_test_setup_teardown(not_when_nothing_is_left_to_hear_of, begin, end),
		cmocka_unit_test_setup_teardown(a_greeting_is_waited_for_by_its_ack, begin, end),
		cmocka_unit_test_setup_teardown(a_few_in_each_tick, begin, end),
		cmocka_unit_test_setup_teardown(heard_ones_cost_nothing, begin, end),
		cmocka_unit_test_setup_teardown(a_full_ring_lets_the_oldest_go, begin, end),
		cmocka_unit_test_setup_teardown(what_never_was_is_given_back, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_stray.c - src/tcp/stray.c: waiting segments, their order when taken, and overwriting */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tcp/stray.c"

#define MS	1000000ULL
#define START	(3600 * 1000 * MS)
#define ALL	(~0U)
#define MINE	SP_STRAY_F_MINE

static struct sp_strays *strays;
static struct {
	unsigned int count, cut;
	__u32 seqs[RING];
	char text[16];
} got;

static struct sp_tuple tuple(__u16 port)
{
	return (struct sp_tuple){ .sport = port };
}

/* Port and hash are independent: one chain holds many connections. */
static void add_text(__u64 hash, __u16 port, __u32 seq, __u8 flags, __u64 now_ns, const void *text,
		     size_t len)
{
	struct sp_segment seg = { .tuple = tuple(port), .seq = seq, .payload = text,
				  .payload_len = len };

	sp_stray_add(strays, hash, &seg, flags, now_ns);
}

static void add(__u64 hash, __u16 port, __u32 seq, __u64 now_ns)
{
	add_text(hash, port, seq, MINE, now_ns, NULL, 0);
}

static void take_one(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	got.seqs[got.count++] = seg->seq;
	got.cut += !!(flags & SP_STRAY_F_CUT);
	if (!(flags & SP_STRAY_F_CUT) && seg->payload_len && seg->payload_len < sizeof(got.text))
		memcpy(got.text, seg->payload, seg->payload_len);
}

static unsigned int take(__u64 hash, __u16 port, __u64 now_ns)
{
	struct sp_tuple t = tuple(port);

	memset(&got, 0, sizeof(got));
	sp_stray_take(strays, hash, &t, now_ns, take_one, NULL);
	return got.count;
}

static void add_again(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	got.count++;
	sp_stray_add(strays, 1, seg, flags, *(const __u64 *)ctx);
}

/* Age in ms; -1: no stray */
static long age_ms(__u64 hash, __u16 port, __u64 now_ns)
{
	struct sp_tuple t = tuple(port);
	__u64 came_ns;

	if (sp_stray_since(strays, hash, &t, now_ns, &came_ns))
		return -1;
	return (now_ns - came_ns) / MS;
}

static unsigned int young(__u64 now_ns, unsigned int max)
{
	memset(&got, 0, sizeof(got));
	sp_stray_young(strays, now_ns, max, take_one, NULL);
	return got.count;
}

static int begin(void **state)
{
	strays = sp_strays_new();
	return !strays;
}

static int end(void **state)
{
	sp_strays_free(strays);
	return 0;
}

static void oldest_first_and_only_its_own(void **state)
{
	add(7, 1, 10, START);
	add(7, 2, 20, START);
	add(7, 1, 11, START + MS);
	add(7 + RING, 1, 30, START);
	assert_int_equal(take(7, 1, START + 2 * MS), 2);
	assert_int_equal(got.seqs[0], 10);
	assert_int_equal(got.seqs[1], 11);
	assert_int_equal(take(7, 1, START + 2 * MS), 0);
	assert_int_equal(take(7, 2, START + 2 * MS), 1);
	assert_int_equal(take(7 + RING, 1, START + 2 * MS), 1);
	add(7, 3, 40, START + 3 * MS);
	assert_int_equal(take(7, 3, START + 3 * MS), 1);
}

static void late_ones_are_forgotten(void **state)
{
	add(7, 1, 10, START);
	add(7, 1, 11, START + MS);
	assert_int_equal(take(7, 1, START + SP_STRAY_EARLY_NS), 1);
	assert_int_equal(got.seqs[0], 11);
	assert_int_equal(take(7, 1, START + MS), 0);
}

static void the_ring_overwrites_the_oldest(void **state)
{
	add(0, 1, 1, START);
	add(0, 2, 2, START);
	for (unsigned int i = 0; i < RING - 1; i++)
		add(i, 9, i, START);
	assert_int_equal(take(0, 1, START), 0);
	assert_int_equal(take(0, 2, START), 1);
	assert_int_equal(take(0, 9, START), 1);
	for (unsigned int i = 1; i < RING - 1; i++)
		assert_int_equal(take(i, 9, START), 1);
	for (unsigned int i = 0; i < 3 * RING; i++)
		add(i % 3, 5, i, START);
	assert_int_equal(take(0, 5, START) + take(1, 5, START) + take(2, 5, START), RING);
}

static void payloads_last_as_long_as_there_is_room(void **state)
{
	static char big[BYTES_MAX + 1];

	add_text(1, 1, 0, MINE, START, "first", 5);
	assert_int_equal(take(1, 1, START), 1);
	assert_string_equal(got.text, "first");
	add_text(1, 1, 0, MINE, START, "second", 6);
	for (unsigned int i = 0; i < BYTES / BYTES_MAX - 1; i++)
		add_text(2, 2, i, MINE, START, big, BYTES_MAX);
	add_text(3, 3, 0, MINE, START, "third", 5);
	assert_int_equal(take(1, 1, START), 1);
	assert_int_equal(got.cut, 0);
	assert_string_equal(got.text, "second");
	add_text(1, 1, 0, MINE, START, "fourth", 6);
	for (unsigned int i = 0; i < BYTES / BYTES_MAX; i++)
		add_text(2, 2, i, MINE, START, big, BYTES_MAX);
	assert_int_equal(take(1, 1, START), 1);
	assert_int_equal(got.cut, 1);
	add_text(4, 4, 0, MINE, START, big, sizeof(big));
	assert_int_equal(take(4, 4, START), 1);
	assert_int_equal(got.cut, 1);
}

static void asked_again_while_young(void **state)
{
	struct sp_tuple t = tuple(2);

	assert_int_equal(young(START, ALL), 0);
	add_text(1, 1, 1, MINE | SP_STRAY_F_BACK, START, NULL, 0);
	add_text(1, 9, 9, 0, START, NULL, 0);
	add(2, 2, 2, START);
	add(3, 3, 3, START + MS);
	assert_int_equal(young(START + MS, 1), 1);
	assert_int_equal(got.seqs[0], 2);
	assert_int_equal(young(START + MS, ALL), 2);
	assert_int_equal(sp_stray_nobody(strays, 2, &t, START + MS), 0);
	assert_int_equal(young(START + YOUNG_NS, ALL), 1);
	assert_int_equal(got.seqs[0], 3);
	assert_int_equal(young(START + SP_STRAY_EARLY_NS, ALL), 1);
	assert_int_equal(take(3, 3, START + SP_STRAY_EARLY_NS), 1);
	assert_int_equal(young(START + SP_STRAY_EARLY_NS, ALL), 0);
}

static void dead_when_nobody_has_it_twice(void **state)
{
	struct sp_tuple t = tuple(1);
	__u8 flags;

	assert_int_equal(sp_stray_flags(strays, 1, &t, &flags), -ENOENT);
	add(1, 1, 1, START);
	assert_int_equal(sp_stray_nobody(strays, 1, &t, START), 0);
	add_text(1, 1, 2, 0, START + SP_STRAY_DEAD_NS, NULL, 0);
	assert_int_equal(sp_stray_flags(strays, 1, &t, &flags), 0);
	assert_int_equal(flags, 0);
	assert_int_equal(sp_stray_nobody(strays, 1, &t, START + SP_STRAY_DEAD_NS - 1), 0);
	assert_int_equal(sp_stray_nobody(strays, 1, &t, START + SP_STRAY_DEAD_NS), 1);
	assert_int_equal(sp_stray_nobody(strays, 1, &t, START + 2 * DEAD_MAX_NS), 0);
}

static int come(struct sp_strays *s, const struct sp_segment *seg, __u64 at_ns)
{
	sp_stray_add(s, 7, seg, SP_STRAY_F_MINE, at_ns);
	return sp_stray_nobody(s, 7, &seg->tuple, at_ns);
}

static void the_next_connection_of_a_port_is_not_dead(void **state)
{
	struct sp_segment old = { .seq = 1000, .ack = 0xfffffff0 },
		new = { .seq = 0x80000000, .ack = 0x90000000 };
	struct sp_strays *s = sp_strays_new();
	__u64 start_ns = 1000000000000ULL;

	assert_int_equal(come(s, &old, start_ns), 0);
	assert_int_equal(come(s, &new, start_ns + 5 * SP_STRAY_DEAD_NS), 0);
	assert_int_equal(come(s, &new, start_ns + 6 * SP_STRAY_DEAD_NS), 1);
	sp_strays_clear(s);
	assert_int_equal(come(s, &new, start_ns + 7 * SP_STRAY_DEAD_NS), 0);
	sp_strays_free(s);
}

/*
 * Strays of a connection whose numbers don't fit are put back during sp_stray_take(). The daemon
 * once looped forever.
 */
static void strays_that_come_back_stay(void **state)
{
	struct sp_tuple t = tuple(7);
	__u64 now_ns = START;

	add(1, 7, 100, START);
	add(1, 7, 200, START);
	memset(&got, 0, sizeof(got));
	sp_stray_take(strays, 1, &t, START, add_again, &now_ns);
	assert_int_equal(got.count, 2);
	assert_int_equal(take(1, 7, START), 2);
	assert_int_equal(got.seqs[0], 100);
}

static void age_is_of_the_oldest_young_one(void **state)
{
	assert_int_equal(age_ms(1, 1, START), -1);
	add(1, 1, 10, START);
	add(1, 2, 10, START);
	add(1, 1, 11, START + 700 * MS);
	assert_int_equal(age_ms(1, 1, START + 900 * MS), 900);
	assert_int_equal(age_ms(1, 1, START + 1200 * MS), 500);
	assert_int_equal(age_ms(1, 1, START + 1800 * MS), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_next_connection_of_a_port_is_not_dead, begin,
						end),
		cmocka_unit_test_setup_teardown(oldest_first_and_only_its_own, begin, end),
		cmocka_unit_test_setup_teardown(strays_that_come_back_stay, begin, end),
		cmocka_unit_test_setup_teardown(late_ones_are_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(the_ring_overwrites_the_oldest, begin, end),
		cmocka_unit_test_setup_teardown(payloads_last_as_long_as_there_is_room, begin, end),
		cmocka_unit_test_setup_teardown(asked_again_while_young, begin, end),
		cmocka_unit_test_setup_teardown(age_is_of_the_oldest_young_one, begin, end),
		cmocka_unit_test_setup_teardown(dead_when_nobody_has_it_twice, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

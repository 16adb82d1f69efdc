/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_ports.c - src/splice/ports.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "splice/ports.c"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FIRST 20000

static struct sp_addr v4(unsigned int n)
{
	return sp_addr_v4(htonl(0x0a000000 + n));
}

static struct sp_addr v6(unsigned int n)
{
	return (struct sp_addr){ .w = { htonl(0xfd000000), 0, 0, htonl(n) } };
}

static struct sp_endpoint backend(unsigned int n)
{
	return (struct sp_endpoint){ .addr = v4(0x10000 + n), .port_be = htons(80) };
}

static struct sp_ports *open_ports(size_t addr_count, unsigned int count)
{
	struct sp_addr addrs[64];
	struct sp_ports *ports;

	for (size_t i = 0; i < addr_count; i++)
		addrs[i] = v4(i);
	assert_int_equal(sp_ports_new(addrs, addr_count, FIRST, FIRST + count - 1, &ports), 0);
	return ports;
}

static unsigned int get_idx(struct sp_ports *ports, const struct sp_endpoint *to)
{
	struct sp_endpoint from;

	assert_int_equal(sp_port_alloc(ports, to, &from), 0);
	return ntohs(from.port_be) - FIRST;
}

static struct sp_endpoint source(unsigned int addr, unsigned int idx)
{
	return (struct sp_endpoint){ .addr = v4(addr), .port_be = htons(FIRST + idx) };
}

static void put_idx(struct sp_ports *ports, const struct sp_endpoint *to, unsigned int idx)
{
	struct sp_endpoint from = source(0, idx);

	sp_port_free(ports, to, &from);
}

static int take_idx(struct sp_ports *ports, const struct sp_endpoint *to, unsigned int idx)
{
	struct sp_endpoint from = source(0, idx);

	return sp_port_reserve(ports, to, &from);
}

static void every_port_is_given_once(void **state)
{
	struct sp_ports *ports = open_ports(1, 1000);
	struct sp_endpoint to = backend(1), from;
	__u8 seen[1000] = { 0 };

	for (int i = 0; i < 1000; i++) {
		unsigned int idx = get_idx(ports, &to);

		assert_in_range(idx, 0, 999);
		assert_int_equal(seen[idx]++, 0);
	}
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	sp_ports_free(ports);
}

static void all_65535_ports_and_one_port_are_ranges(void **state)
{
	struct sp_endpoint to = backend(1), from;
	struct sp_addr addr = v4(0);
	struct sp_ports *ports;

	assert_int_equal(sp_ports_new(&addr, 1, 1, 65535, &ports), 0);
	for (int i = 0; i < 65535; i++) {
		assert_int_equal(sp_port_alloc(ports, &to, &from), 0);
		assert_int_not_equal(from.port_be, 0);
	}
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	sp_ports_free(ports);

	ports = open_ports(1, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(get_idx(ports, &to), 0);
		assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
		put_idx(ports, &to, 0);
	}
	sp_ports_free(ports);
}

static void bad_ranges_are_refused(void **state)
{
	struct sp_addr addr = v4(0);
	struct sp_ports *ports;

	assert_int_equal(sp_ports_new(&addr, 1, 0, 10, &ports), -EINVAL);
	assert_int_equal(sp_ports_new(&addr, 1, 11, 10, &ports), -EINVAL);
	sp_ports_free(NULL);
}

static void the_longest_rested_port_is_next(void **state)
{
	struct sp_ports *ports = open_ports(1, 100);
	struct sp_endpoint to = backend(1);

	for (int i = 0; i < 100; i++)
		get_idx(ports, &to);
	for (int i = 0; i < 100; i++)
		put_idx(ports, &to, i * 37 % 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(get_idx(ports, &to), i * 37 % 100);
	sp_ports_free(ports);
}

static void fresh_ports_go_before_used_ones(void **state)
{
	struct sp_ports *ports = open_ports(1, 100);
	struct sp_endpoint to = backend(1);
	unsigned int first = get_idx(ports, &to);

	put_idx(ports, &to, first);
	for (int i = 1; i < 100; i++)
		assert_int_not_equal(get_idx(ports, &to), first);
	assert_int_equal(get_idx(ports, &to), first);
	sp_ports_free(ports);
}

static void processes_begin_at_different_places(void **state)
{
	unsigned int starts[8], different = 0;

	for (size_t i = 0; i < COUNT(starts); i++) {
		struct sp_ports *ports = open_ports(1, 40000);
		struct sp_endpoint to = backend(1);

		starts[i] = get_idx(ports, &to);
		different += starts[i] != starts[0];
		sp_ports_free(ports);
	}
	assert_in_range(different, 5, 7); /* equal neighbours: 1 of 40000 */
}

static void backends_do_not_share(void **state)
{
	struct sp_ports *ports = open_ports(1, 10);

	for (int n = 0; n < 5; n++) {
		struct sp_endpoint to = backend(n % 3), from;

		to.port_be = htons(80 + n / 3);
		for (int i = 0; i < 10; i++)
			get_idx(ports, &to);
		assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	}
	sp_ports_free(ports);

	/* nor do backends that share a bucket */
	ports = open_ports(1, 1);
	for (int n = 0; n < 2 * BUCKETS; n++) {
		struct sp_endpoint to = backend(n % 2);

		to.port_be = htons(80 + n / 2);
		assert_int_equal(get_idx(ports, &to), 0);
	}
	sp_ports_free(ports);
}

static void addresses_are_used_in_turn(void **state)
{
	struct sp_addr addrs[] = { v4(0), v6(0), v4(1), v4(2), v6(1) };
	struct sp_endpoint to4 = backend(1), to6 = { v6(77), htons(80) }, from;
	int used[5] = { 0 };
	struct sp_ports *ports;

	assert_int_equal(sp_ports_new(addrs, COUNT(addrs), FIRST, FIRST + 9, &ports), 0);
	for (int i = 0; i < 30 + 20; i++) {
		const struct sp_endpoint *to = i < 30 ? &to4 : &to6;

		assert_int_equal(sp_port_alloc(ports, to, &from), 0);
		for (size_t a = 0; a < COUNT(addrs); a++)
			used[a] += sp_addr_equal(&addrs[a], &from.addr);
		if (i == 14)
			assert_true(used[0] == 5 && used[2] == 5 && used[3] == 5);
	}
	for (size_t a = 0; a < COUNT(addrs); a++)
		assert_int_equal(used[a], 10);
	assert_int_equal(sp_port_alloc(ports, &to4, &from), -EADDRNOTAVAIL);
	assert_int_equal(sp_port_alloc(ports, &to6, &from), -EADDRNOTAVAIL);

	/* the only address with a free port is found, out of turn */
	from = (struct sp_endpoint){ v4(1), htons(FIRST + 3) };
	sp_port_free(ports, &to4, &from);
	assert_int_equal(sp_port_alloc(ports, &to4, &from), 0);
	assert_true(sp_addr_equal(&from.addr, &addrs[2]));
	sp_ports_free(ports);
}

static void a_family_without_addresses_is_told_apart(void **state)
{
	struct sp_endpoint to6 = { v6(77), htons(80) }, to4 = backend(1), from;
	struct sp_ports *ports = open_ports(2, 10);

	assert_int_equal(sp_port_alloc(ports, &to6, &from), -EAFNOSUPPORT);
	sp_ports_free(ports);
	ports = open_ports(0, 10);
	assert_int_equal(sp_port_alloc(ports, &to4, &from), -EAFNOSUPPORT);
	sp_ports_free(ports);
}

static void what_is_not_ours_is_not_put(void **state)
{
	struct sp_ports *ports = open_ports(1, 10);
	struct sp_endpoint to = backend(1), other = backend(2), from, stray;

	stray = source(0, 3);
	sp_port_free(ports, &to, &stray); /* backend never seen */
	for (int i = 0; i < 10; i++)
		get_idx(ports, &to);
	put_idx(ports, &other, 3);
	put_idx(ports, &to, 10);
	put_idx(ports, &to, -1);
	stray = source(1, 3);
	sp_port_free(ports, &to, &stray);
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);

	put_idx(ports, &to, 3);
	put_idx(ports, &to, 3); /* not in use any more */
	assert_int_equal(get_idx(ports, &to), 3);
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	sp_ports_free(ports);
}

static void taken_ports_are_not_given(void **state)
{
	struct sp_ports *ports = open_ports(1, 10);
	struct sp_endpoint to = backend(1), from, stray = source(1, 3);

	assert_int_equal(take_idx(ports, &to, 4), 0);
	assert_int_equal(take_idx(ports, &to, 4), -EEXIST);
	assert_int_equal(take_idx(ports, &to, 10), -ENOENT);
	assert_int_equal(sp_port_reserve(ports, &to, &stray), -ENOENT);
	for (int i = 0; i < 9; i++)
		assert_int_not_equal(get_idx(ports, &to), 4);
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	put_idx(ports, &to, 4);
	assert_int_equal(get_idx(ports, &to), 4);
	sp_ports_free(ports);
}

/* First, last and middle port of the list. A port freed again goes to the end. */
static void resting_ports_can_be_taken(void **state)
{
	static const unsigned int order[] = { 1, 2, 3, 5, 6, 7, 8, 4 };
	struct sp_ports *ports = open_ports(1, 10);
	struct sp_endpoint to = backend(1), from;

	for (int i = 0; i < 10; i++)
		get_idx(ports, &to);
	for (int i = 0; i < 10; i++)
		put_idx(ports, &to, i);
	assert_int_equal(take_idx(ports, &to, 0), 0);
	assert_int_equal(take_idx(ports, &to, 9), 0);
	assert_int_equal(take_idx(ports, &to, 4), 0);
	put_idx(ports, &to, 4);
	for (size_t i = 0; i < COUNT(order); i++)
		assert_int_equal(get_idx(ports, &to), order[i]);
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	sp_ports_free(ports);
}

/* A model with a date per port: 0 never used, -1 in use. */
static int model_oldest(const int *rested, int count)
{
	int best = -1;

	for (int i = 0; i < count; i++) {
		if (rested[i] >= 0 && (best < 0 || rested[i] < rested[best]))
			best = i;
	}
	return best;
}

static void agrees_with_a_plain_model(void **state)
{
	struct sp_ports *ports = open_ports(1, 13);
	struct sp_endpoint to = backend(1), from;
	int rested[13] = { 0 };

	srand(2);
	for (int now = 1; now < 200000; now++) {
		int idx = rand() % 13, oldest = model_oldest(rested, 13);

		if (rand() % 2) {
			put_idx(ports, &to, idx);
			if (rested[idx] < 0)
				rested[idx] = now;
		} else if (rand() % 3 == 0) {
			assert_int_equal(take_idx(ports, &to, idx), rested[idx] < 0 ? -EEXIST : 0);
			rested[idx] = -1;
		} else if (oldest < 0) {
			assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
		} else {
			idx = get_idx(ports, &to);
			assert_int_equal(rested[idx], rested[oldest]);
			rested[idx] = -1;
		}
	}
	sp_ports_free(ports);
}

/* Queries of a shortage. @over: ports that are not needed any more. */
struct asked {
	struct sp_ports	*ports;
	int		count;
	int		most;		/* 0: no bound */
	unsigned int	addr;		/* of the last query */
	__u8		over[1000];
	__u8		seen[1000];
};

static int on_ask(void *ctx, const struct sp_endpoint *to, const struct sp_endpoint *from)
{
	unsigned int idx = ntohs(from->port_be) - FIRST;
	struct asked *asked = ctx;

	if (asked->most && asked->count == asked->most)
		return -EBUSY;
	asked->count++;
	asked->seen[idx]++;
	asked->addr = ntohl(from->addr.w[3]) - 0x0a000000;
	if (asked->over[idx])
		sp_port_free(asked->ports, to, from);
	asked->over[idx] = 0;
	return 0;
}

static struct sp_ports *open_asking(struct asked *asked, size_t addr_count, unsigned int count)
{
	struct sp_endpoint to = backend(1);

	memset(asked, 0, sizeof(*asked));
	asked->ports = open_ports(addr_count, count);
	sp_ports_on_shortage(asked->ports, on_ask, asked);
	for (unsigned int i = 0; i < addr_count * count; i++)
		get_idx(asked->ports, &to);
	assert_int_equal(asked->count, 0);
	return asked->ports;
}

static void a_shortage_asks_the_oldest_first(void **state)
{
	struct asked asked;
	struct sp_ports *ports = open_ports(1, 100);
	struct sp_endpoint to = backend(1);
	unsigned int order[100];

	memset(&asked, 0, sizeof(asked));
	asked.ports = ports;
	for (int i = 0; i < 100; i++)
		order[i] = get_idx(ports, &to);
	put_idx(ports, &to, order[0]);
	assert_int_equal(get_idx(ports, &to), order[0]);	/* now the youngest */
	sp_ports_on_shortage(ports, on_ask, &asked);
	asked.over[order[0]] = asked.over[order[1]] = asked.over[order[4]] = 1;
	assert_int_equal(get_idx(ports, &to), order[1]);
	assert_int_equal(asked.count, 1);
	assert_int_equal(get_idx(ports, &to), order[4]);
	assert_int_equal(asked.count, 4);
	sp_ports_free(ports);
}

static void who_is_alive_is_asked_again_after_all_others(void **state)
{
	struct asked asked;
	struct sp_ports *ports = open_asking(&asked, 1, 10);
	struct sp_endpoint to = backend(1), from;

	/* 9 of 10 end again and again: the tenth costs one query per lap */
	for (int lap = 1; lap <= 50; lap++) {
		for (int i = 0; i < 9; i++) {
			memset(asked.over, 1, 10);
			asked.over[3] = 0;
			assert_int_not_equal(get_idx(ports, &to), 3);
		}
		assert_in_range(asked.seen[3], lap - 1, lap + 1);
		assert_in_range(asked.count, lap * 9, lap * 11);
	}
	memset(asked.over, 0, 10);
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	sp_ports_free(ports);
}

static void questions_are_bounded(void **state)
{
	struct asked asked;
	struct sp_ports *ports = open_asking(&asked, 1, 1000);
	struct sp_endpoint to = backend(1), from;

	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	assert_int_equal(asked.count, RECLAIM_LOOKS);
	for (int i = 0; i < 20; i++)
		assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	for (int i = 0; i < 1000; i++)
		assert_in_range(asked.seen[i], 1, 2);	/* different ports every time */
	asked.most = asked.count + 5;
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	assert_int_equal(asked.count, asked.most);
	asked.most = 0;
	memset(asked.over, 1, sizeof(asked.over));
	get_idx(ports, &to);
	sp_ports_free(ports);

	ports = open_asking(&asked, 64, 2);	/* of many addresses, too */
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	assert_in_range(asked.count, 1, RECLAIM_LOOKS);
	sp_ports_free(ports);
}

static void all_addresses_are_asked_about(void **state)
{
	struct asked asked;
	struct sp_ports *ports = open_asking(&asked, 4, 5);
	struct sp_endpoint to = backend(1), from;

	for (unsigned int addr = 0; addr < 4; addr++) {
		struct sp_endpoint over = source(addr, 2);

		for (int i = 0; i < 3; i++)
			assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
		asked.over[2] = 1;	/* of any address */
		assert_int_equal(sp_port_alloc(ports, &to, &from), 0);
		assert_int_equal(from.port_be, over.port_be);
		assert_int_equal(ntohl(from.addr.w[3]) - 0x0a000000, asked.addr);
	}
	sp_ports_free(ports);
}

static int mark_idx(struct sp_ports *ports, const struct sp_endpoint *to, unsigned int idx)
{
	struct sp_endpoint from = source(0, idx);

	return sp_port_seen(ports, to, &from);
}

static void leave_idx(struct sp_ports *ports, const struct sp_endpoint *to, unsigned int idx)
{
	struct sp_endpoint from = source(0, idx);

	sp_port_release(ports, to, &from);
}

static int is_needed(void *ctx, const struct sp_endpoint *to, const struct sp_endpoint *from)
{
	unsigned int idx = ntohs(from->port_be) - FIRST;
	struct asked *asked = ctx;

	asked->count++;
	asked->seen[idx]++;
	return !asked->over[idx];
}

static void end_round(struct sp_ports *ports, struct asked *asked)
{
	int steps = 1;

	memset(asked->seen, 0, sizeof(asked->seen));
	while (sp_ports_sweep(ports, is_needed, asked))
		steps++;
	assert_int_equal(steps, BUCKETS / SWEEP_BUCKETS);
}

static void marked_ports_come_back_a_round_later(void **state)
{
	struct sp_ports *ports = open_ports(1, 10);
	struct sp_endpoint to = backend(1), from, stray = source(1, 3);
	struct asked asked = { 0 };

	for (int i = 0; i < 4; i++)
		assert_int_equal(mark_idx(ports, &to, i), 0);
	assert_int_equal(mark_idx(ports, &to, 2), 0);	/* a second copy */
	assert_int_equal(mark_idx(ports, &to, 10), -ENOENT);
	assert_int_equal(sp_port_seen(ports, &to, &stray), -ENOENT);
	for (int i = 0; i < 6; i++)
		assert_in_range(get_idx(ports, &to), 4, 9);
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	memset(asked.over, 1, sizeof(asked.over));
	end_round(ports, &asked);
	assert_int_equal(asked.count, 0);

	mark_idx(ports, &to, 0);
	mark_idx(ports, &to, 3);
	end_round(ports, &asked);
	assert_int_equal(asked.count, 2);
	assert_true(asked.seen[1] == 1 && asked.seen[2] == 1);
	assert_int_equal(get_idx(ports, &to), 1);
	assert_int_equal(get_idx(ports, &to), 2);
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);

	end_round(ports, &asked);
	assert_int_equal(get_idx(ports, &to), 0);
	assert_int_equal(get_idx(ports, &to), 3);
	sp_ports_free(ports);
}

/*
 * Ports in use here are not released by a sweep: either they were never seen, or the callback keeps
 * them. A port that is kept is queried only once.
 */
static void what_is_used_here_is_not_swept(void **state)
{
	struct sp_ports *ports = open_ports(1, 10);
	struct sp_endpoint to = backend(1), from;
	struct asked asked = { 0 };

	for (int i = 0; i < 10; i++)
		get_idx(ports, &to);
	mark_idx(ports, &to, 5);
	end_round(ports, &asked);
	end_round(ports, &asked);
	end_round(ports, &asked);
	assert_int_equal(asked.count, 1);
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	sp_ports_free(ports);
}

static void who_leaves_a_marked_port_does_not_free_it(void **state)
{
	struct sp_ports *ports = open_ports(1, 3);
	struct sp_endpoint to = backend(1), from;
	struct asked asked = { 0 };

	for (int i = 0; i < 3; i++)
		get_idx(ports, &to);
	mark_idx(ports, &to, 0);
	mark_idx(ports, &to, 1);
	leave_idx(ports, &to, 0);
	/* the splice on port 1 is over, though the store may have it still */
	put_idx(ports, &to, 1);
	leave_idx(ports, &to, 2);
	leave_idx(ports, &to, 3);
	assert_int_equal(get_idx(ports, &to), 1);
	assert_int_equal(get_idx(ports, &to), 2);
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	end_round(ports, &asked);
	memset(asked.over, 1, sizeof(asked.over));
	end_round(ports, &asked);
	assert_int_equal(asked.count, 1);	/* the port freed is not seen any more */
	assert_int_equal(get_idx(ports, &to), 0);
	sp_ports_free(ports);
}

/*
 * The store may still have a splice that is over here. A splice that was missing for a round may be
 * there all the same.
 */
static void stale_splices_take_no_port(void **state)
{
	struct sp_ports *ports = open_ports(1, 4);
	struct sp_endpoint to = backend(1), from;
	struct asked asked = { 0 };

	memset(asked.over, 1, sizeof(asked.over));
	for (int i = 0; i < 4; i++)
		get_idx(ports, &to);
	put_idx(ports, &to, 0);
	assert_int_equal(mark_idx(ports, &to, 0), -ESTALE);
	leave_idx(ports, &to, 1);
	assert_int_equal(mark_idx(ports, &to, 1), 0);
	mark_idx(ports, &to, 2);
	end_round(ports, &asked);
	end_round(ports, &asked);
	assert_int_equal(asked.count, 2);
	assert_int_equal(mark_idx(ports, &to, 2), 0);
	assert_int_equal(get_idx(ports, &to), 0);
	assert_int_equal(mark_idx(ports, &to, 0), 0);
	assert_int_equal(get_idx(ports, &to), 1);
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	put_idx(ports, &to, 1);		/* no trace of the last round */
	assert_int_equal(mark_idx(ports, &to, 1), -ESTALE);
	sp_ports_free(ports);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* A daemon that finds a million splices. The bound is some fifty times the measured time. */
static void a_million_takes_are_quick(void **state)
{
	struct sp_ports *ports = open_ports(1, 40000);
	double began = seconds();

	for (int n = 0; n < 25; n++) {
		struct sp_endpoint to = backend(n), from;

		for (int i = 0; i < 39999; i++)
			assert_int_equal(take_idx(ports, &to, i * 7 % 40000), 0);
		assert_int_equal(get_idx(ports, &to), 39999 * 7 % 40000);
		assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	}
	assert_true(seconds() - began < 5);
	sp_ports_free(ports);
}

static void pairs_are_bounded_and_idle_ones_make_room(void **state)
{
	struct sp_ports *ports = open_ports(2, 4);
	struct sp_endpoint to, from, kept;

	for (int n = 0; n < QUEUES_MAX; n++) {
		to = backend(n / 2);
		assert_int_equal(sp_port_alloc(ports, &to, &from), 0);
		kept = n == 0 ? from : kept;
	}
	to = backend(QUEUES_MAX);
	assert_int_equal(sp_port_alloc(ports, &to, &from), -ENOMEM);
	assert_int_equal(take_idx(ports, &to, 0), -ENOMEM);

	/* backend 0 stays until its second port is free, too */
	to = backend(0);
	sp_port_free(ports, &to, &kept);
	to = backend(QUEUES_MAX);
	assert_int_equal(sp_port_alloc(ports, &to, &from), -ENOMEM);
	to = backend(0);
	for (unsigned int i = 0; i < 4; i++) {
		kept = source(1, i);
		sp_port_free(ports, &to, &kept);
	}
	to = backend(QUEUES_MAX);
	assert_int_equal(sp_port_alloc(ports, &to, &from), 0);
	assert_int_equal(sp_port_alloc(ports, &to, &from), 0);
	assert_int_equal(ports->queue_count, QUEUES_MAX);

	/* the other backends keep their ports in use */
	to = backend(1);
	for (int i = 0; i < 6; i++)
		assert_int_equal(sp_port_alloc(ports, &to, &from), 0);
	assert_int_equal(sp_port_alloc(ports, &to, &from), -EADDRNOTAVAIL);
	sp_ports_free(ports);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_port_is_given_once),
		cmocka_unit_test(all_65535_ports_and_one_port_are_ranges),
		cmocka_unit_test(bad_ranges_are_refused),
		cmocka_unit_test(the_longest_rested_port_is_next),
		cmocka_unit_test(fresh_ports_go_before_used_ones),
		cmocka_unit_test(processes_begin_at_different_places),
		cmocka_unit_test(backends_do_not_share),
		cmocka_unit_test(addresses_are_used_in_turn),
		cmocka_unit_test(a_family_without_addresses_is_told_apart),
		cmocka_unit_test(what_is_not_ours_is_not_put),
		cmocka_unit_test(taken_ports_are_not_given),
		cmocka_unit_test(resting_ports_can_be_taken),
		cmocka_unit_test(agrees_with_a_plain_model),
		cmocka_unit_test(a_shortage_asks_the_oldest_first),
		cmocka_unit_test(who_is_alive_is_asked_again_after_all_others),
		cmocka_unit_test(questions_are_bounded),
		cmocka_unit_test(all_addresses_are_asked_about),
		cmocka_unit_test(marked_ports_come_back_a_round_later),
		cmocka_unit_test(what_is_used_here_is_not_swept),
		cmocka_unit_test(who_leaves_a_marked_port_does_not_free_it),
		cmocka_unit_test(stale_splices_take_no_port),
		cmocka_unit_test(a_million_takes_are_quick),
		cmocka_unit_test(pairs_are_bounded_and_idle_ones_make_room),
	};

	return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}

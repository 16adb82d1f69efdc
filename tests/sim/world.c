// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* world.c - time, chance, and the C library's clocks as seen by daemons */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define COMING_MAX (1 << 16)

struct coming {
	__u64	at_ns, order;
	sim_fn	fn;
	void	*a;
	__u64	b;
};

__u64 sim_now_ns, sim_seed;
int sim_is_verbose;
static struct coming heap[COMING_MAX];
static unsigned int heap_count;
static __u64 order, chance[2];
static char failure[512];
static int is_guess;
static __u64 digest;

struct block {
	struct block	*prev, *next;
};
static struct block blocks = { &blocks, &blocks };

void *sim_alloc(unsigned long bytes)
{
	struct block *b = calloc(1, sizeof(*b) + bytes);

	if (!b)
		abort();
	b->next = blocks.next;
	b->prev = &blocks;
	b->next->prev = blocks.next = b;
	return b + 1;
}

void sim_free(void *memory)
{
	struct block *b;

	if (!memory)
		return;
	b = (struct block *)memory - 1;
	b->prev->next = b->next;
	b->next->prev = b->prev;
	free(b);
}

static __u64 splitmix(__u64 *x)
{
	__u64 z = (*x += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

void sim_begin(__u64 seed, int is_verbose)
{
	while (blocks.next != &blocks)
		sim_free(blocks.next + 1);
	sim_now_ns = 100 * SIM_S;
	sim_is_verbose = is_verbose;
	sim_seed = seed;
	heap_count = 0;
	order = 0;
	digest = 14695981039346656037ULL;
	failure[0] = 0;
	is_guess = 0;
	chance[0] = splitmix(&seed);
	chance[1] = splitmix(&seed);
}

static int is_before(const struct coming *a, const struct coming *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

void sim_at(__u64 at_ns, sim_fn fn, void *a, __u64 b)
{
	const struct coming c = { .at_ns = at_ns, .order = order++, .fn = fn, .a = a, .b = b };
	unsigned int i = heap_count++;

	if (heap_count > COMING_MAX) {
		heap_count--;
		sim_fail("more than %d things are to come: packets beget packets", COMING_MAX);
		return;
	}
	for (; i && is_before(&c, &heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = c;
}

void sim_in(__u64 in_ns, sim_fn fn, void *a, __u64 b)
{
	sim_at(sim_now_ns + in_ns, fn, a, b);
}

static struct coming pop(void)
{
	struct coming top = heap[0], last = heap[--heap_count];
	unsigned int i = 0, child;

	for (; (child = 2 * i + 1) < heap_count; i = child) {
		child += child + 1 < heap_count && is_before(&heap[child + 1], &heap[child]);
		if (is_before(&last, &heap[child]))
			break;
		heap[i] = heap[child];
	}
	heap[i] = last;
	return top;
}

int sim_step(__u64 until_ns)
{
	struct coming next;

	if (!heap_count || heap[0].at_ns > until_ns)
		return 0;
	next = pop();
	if (next.at_ns > sim_now_ns)
		sim_now_ns = next.at_ns;
	next.fn(next.a, next.b);
	return 1;
}

/* xorshift128+ */
__u64 sim_random(void)
{
	__u64 x = chance[0], y = chance[1];

	chance[0] = y;
	x ^= x << 23;
	chance[1] = x ^ y ^ (x >> 17) ^ (y >> 26);
	return chance[1] + y;
}

__u64 sim_below(__u64 n)
{
	return n ? sim_random() % n : 0;
}

int sim_chance(unsigned int per_mille)
{
	return sim_below(1000) < per_mille;
}

void sim_note(__u64 what)
{
	digest = (digest ^ what) * 1099511628211ULL;
}

__u64 sim_digest(void)
{
	return digest;
}

void sim_trace(const char *fmt, ...)
{
	va_list ap;

	if (!sim_is_verbose)
		return;
	printf("%10.6f  ", (sim_now_ns - 100 * SIM_S) / 1e9);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void sim_fail(const char *fmt, ...)
{
	char text[sizeof(failure)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sim_trace("FAULT: %s", text);
	if (!failure[0])
		memcpy(failure, text, sizeof(failure));
}

void sim_guess(void)
{
	sim_trace("a cookie is right by chance");
	is_guess = 1;
}

int sim_was_guess(void)
{
	return is_guess;
}

const char *sim_failure(void)
{
	return failure[0] ? failure : NULL;
}

/* ---- clocks read by daemons ---- */

__u64 sp_now_ns(void)
{
	return sim_now_ns;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	__u64 ns = sim_now_ns +
		(id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE ? SIM_EPOCH_NS : 0);

	ts->tv_sec = ns / SIM_S;
	ts->tv_nsec = ns % SIM_S;
	return 0;
}

time_t time(time_t *ret)
{
	time_t now = (sim_now_ns + SIM_EPOCH_NS) / SIM_S;

	if (ret)
		*ret = now;
	return now;
}

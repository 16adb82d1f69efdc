// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* balance.c - the choice by turns, by connections, by chance. See balance.h. */
#include "balance/balance.h"

#include <errno.h>

/* A backend with a share. */
struct contender {
	int		idx;
	unsigned int	share;
	__u32		connections;
};

static struct contender look_at(const struct sp_field *field, int idx)
{
	struct contender c = { .idx = idx, .share = field->share(field->ctx, idx) };

	if (c.share)
		c.connections = field->load(field->ctx, idx)->connections;
	return c;
}

/* With the new connection, @a has less for each unit of share than @b. */
static int is_less_loaded(const struct contender *a, const struct contender *b)
{
	return ((__u64)a->connections + 1) * b->share < ((__u64)b->connections + 1) * a->share;
}

/* @least: backends with more load have no turn; NULL: all have */
static int take_turn(const struct sp_field *field, const struct contender *least)
{
	int total = 0, most = 0, ret = -ENOENT;

	for (size_t i = 0; i < field->count; i++) {
		struct contender c = look_at(field, i);
		struct sp_load *load;

		if (!c.share || (least && is_less_loaded(least, &c)))
			continue;
		load = field->load(field->ctx, i);
		load->turn += c.share;
		total += c.share;
		if (ret >= 0 && load->turn <= most)
			continue;
		most = load->turn;
		ret = i;
	}
	if (ret >= 0)
		field->load(field->ctx, ret)->turn -= total;
	return ret;
}

int sp_balance_turn(const struct sp_field *field)
{
	return take_turn(field, NULL);
}

int sp_balance_least(const struct sp_field *field)
{
	struct contender best = { .idx = -ENOENT };

	for (size_t i = 0; i < field->count; i++) {
		struct contender c = look_at(field, i);

		if (c.share && (best.idx < 0 || is_less_loaded(&c, &best)))
			best = c;
	}
	return best.idx < 0 ? best.idx : take_turn(field, &best);
}

/* @not: left out; negative: none */
static struct contender draw_one(const struct sp_field *field, __u32 random, int not)
{
	__u64 total = 0, at;

	for (size_t i = 0; i < field->count; i++)
		total += (int)i == not ? 0 : field->share(field->ctx, i);
	at = total * random >> 32;
	for (size_t i = 0; total && i < field->count; i++) {
		struct contender c = look_at(field, i);

		if ((int)i == not)
			continue;
		if (at < c.share)
			return c;
		at -= c.share;
	}
	return (struct contender){ .idx = -ENOENT };
}

int sp_balance_two(const struct sp_field *field, __u64 random)
{
	struct contender a = draw_one(field, random >> 32, -1), b;

	if (a.idx < 0)
		return a.idx;
	b = draw_one(field, random, a.idx);
	return b.idx >= 0 && is_less_loaded(&b, &a) ? b.idx : a.idx;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * balance.h - the choice among the backends of a pool: by turns, by connections, by chance, by a
 * hash. No I/O, no clock, no configuration. Context: any; nothing blocks.
 */
#ifndef SP_BALANCE_BALANCE_H
#define SP_BALANCE_BALANCE_H

#include <stddef.h>
#include <linux/types.h>

/*
 * Theory of operation
 *
 * ROUND_ROBIN	turns by weight, smooth: 2:1 is a a b, not blocks of hundreds. Each backend gains
 *		its share; the backend with the most is chosen and pays the total
 * LEAST_CONNECTIONS the fewest connections for each unit of share; turns among equals
 * RANDOM_TWO	the less loaded of two that are drawn by share (Mitzenmacher, "The Power of Two
 *		Choices in Randomized Load Balancing", 2001): nearly as even as LEAST_CONNECTIONS,
 *		and proxies with counts of their own do not all run to the same empty backend
 * HASH		rendezvous (Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit
 *		Rates", 1998): the key draws a lot for each backend, the highest wins. Keys, names
 *		and weights alone decide: all proxies agree, also after a restart. If a
 *		backend goes, its keys alone move. Chosen over a Maglev table, for a measured
 *		reason: docs/decisions/2026-11-29-rendezvous.md
 */
#define SP_BALANCES(X) \
	X(ROUND_ROBIN, round_robin) X(LEAST_CONNECTIONS, least_connections) \
	X(RANDOM_TWO, random_two) X(HASH, hash)

enum sp_balance {
#define X(up, low) SP_BALANCE_##up,
	SP_BALANCES(X)
#undef X
};

/* Source of the hashed bytes. */
enum sp_hash_by { SP_HASH_BY_SOURCE, SP_HASH_BY_PATH, SP_HASH_BY_HEADER, SP_HASH_BY_COOKIE };

/**
 * struct sp_load - a backend in the eyes of the next choice
 * @turn:	sum of the skipped shares, minus the given ones
 * @connections: open and opening
 * @seed:	sp_balance_hash() of its name
 */
struct sp_load {
	int	turn;
	__u32	connections;
	__u64	seed;
};

/**
 * struct sp_field - backends that a choice is made among
 * @share:	share of backend @idx in new connections, at most SP_SHARE_MAX; 0: not to be chosen
 * @load:	of that backend, never NULL
 */
struct sp_field {
	size_t		count;
	void		*ctx;
	unsigned int	(*share)(void *ctx, size_t idx);
	struct sp_load	*(*load)(void *ctx, size_t idx);
};

#define SP_SHARE_MAX	(256 * 256)

/* Return: index of the backend; -ENOENT: no backend has a share. */
int sp_balance_turn(const struct sp_field *field);
int sp_balance_least(const struct sp_field *field);
int sp_balance_two(const struct sp_field *field, __u64 random);
int sp_balance_rendezvous(const struct sp_field *field, __u64 key);

/* A hash that is the same on every machine. */
__u64 sp_balance_hash(const void *bytes, size_t len);

#endif

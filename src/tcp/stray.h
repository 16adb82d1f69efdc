/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stray.h - segments of unknown connections: most are early (reordered before the head), some are
 * dead.
 */
#ifndef SP_TCP_STRAY_H
#define SP_TCP_STRAY_H

#include "tcp/segment.h"

/* A fixed ring: a new stray replaces the oldest, so a flood shortens the memory and costs none. */
struct sp_strays;

struct sp_strays *sp_strays_new(void);
void sp_strays_free(struct sp_strays *strays);
void sp_strays_clear(struct sp_strays *strays);

enum {
	SP_STRAY_F_BACK		= 1 << 0, /* of a backend, else of a client */
	/* for us to put in its place, or to answer; else for another proxy */
	SP_STRAY_F_MINE		= 1 << 1,
	SP_STRAY_F_CUT		= 1 << 2, /* its payload was too long to keep */
	SP_STRAY_F_FIRST	= 1 << 3, /* the first of its connection: it has the cookie */
};

/* Keep a segment. @hash: of its tuple; @flags: SP_STRAY_F_* */
void sp_stray_add(struct sp_strays *strays, __u64 hash, const struct sp_segment *seg, __u8 flags,
		  __u64 now_ns);

#define SP_STRAY_EARLY_NS	1000000000ULL
#define SP_STRAY_DEAD_NS	1000000000ULL

/* Of the latest segment of a connection. Return: 0; -ENOENT */
int sp_stray_flags(struct sp_strays *strays, __u64 hash, const struct sp_tuple *tuple,
		   __u8 *ret_flags);

/* First sequence number of the oldest stray younger than SP_STRAY_EARLY_NS. Return: 0; -ENOENT */
int sp_stray_isn(struct sp_strays *strays, __u64 hash, const struct sp_tuple *tuple, __u64 now_ns,
		 __u32 *ret_isn);

/**
 * sp_stray_nobody() - the store has not found this connection
 * Return: whether the store said so before, at least SP_STRAY_DEAD_NS ago: then the connection is
 * dead. In the meantime a head would have arrived and been committed.
 */
int sp_stray_nobody(struct sp_strays *strays, __u64 hash, const struct sp_tuple *tuple,
		    __u64 now_ns);

/* Arrival of the oldest stray younger than SP_STRAY_EARLY_NS. Return: 0; -ENOENT */
int sp_stray_since(struct sp_strays *strays, __u64 hash, const struct sp_tuple *tuple, __u64 now_ns,
		   __u64 *ret_came_ns);

/* Hand over a connection's segments of the last SP_STRAY_EARLY_NS, oldest first, and forget all. */
typedef void (*sp_stray_fn)(void *ctx, const struct sp_segment *seg, __u8 flags);
void sp_stray_take(struct sp_strays *strays, __u64 hash, const struct sp_tuple *tuple, __u64 now_ns,
		   sp_stray_fn fn, void *ctx);

/**
 * sp_stray_young() - strays of our clients, for another fetch, oldest first, @max at most
 *
 * After "not found" for 300 ms: another proxy may be committing the splice just now. Without an
 * answer of the store for SP_STRAY_EARLY_NS.
 */
void sp_stray_young(struct sp_strays *strays, __u64 now_ns, unsigned int max, sp_stray_fn fn,
		    void *ctx);

#endif

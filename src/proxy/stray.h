/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stray.h - segments of connections that nobody here knows: most are early (reordered before the
 * head), some are dead.
 */
#ifndef SP_PROXY_STRAY_H
#define SP_PROXY_STRAY_H

#include "segment.h"

/*
 * A fixed ring of the latest of them: the next one takes the oldest one's
 * place, so a flood shortens the memory and costs none.
 */
struct sp_strays;

struct sp_strays *sp_strays_new(void);
void sp_strays_free(struct sp_strays *strays);

/**
 * sp_stray_add() - keep a segment for SP_STRAY_EARLY_NS
 * @hash:	of its tuple
 * Return: whether the same connection was a stray before, at least SP_STRAY_DEAD_NS ago. Then it is dead: nobody
 * knew it in all that time, in which a head would have come in.
 */
int sp_stray_add(struct sp_strays *strays, __u64 hash, const struct sp_segment *seg, __u64 now_ns);

#define SP_STRAY_EARLY_NS	1000000000ULL
#define SP_STRAY_DEAD_NS	1000000000ULL

/* Hand over the segments that came early for a connection, oldest first, and forget them. */
typedef void (*sp_stray_fn)(void *ctx, const struct sp_segment *seg);
void sp_stray_take(struct sp_strays *strays, __u64 hash, const struct sp_tuple *tuple, __u64 now_ns,
		   sp_stray_fn fn, void *ctx);

#endif

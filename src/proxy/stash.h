/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* stash.h - bytes acknowledged before the splice are first stored (law 1's exception) */
#ifndef SP_PROXY_STASH_H
#define SP_PROXY_STASH_H

#include "proxy/connection.h"

/* An incomplete head grew: the client may wait for an acknowledgement. */
void sp_stash_grown(struct sp_proxy *p, struct sp_conn *c);
void sp_stash_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns);
/* The store answers: it was given bytes, or queried for bytes of another proxy. */
void sp_stash_done(struct sp_proxy *p, struct sp_conn *c, int err);
void sp_stash_asked(struct sp_proxy *p, struct sp_conn *c);
/* The store may have lost records: give it all bytes again. */
void sp_stash_again(struct sp_conn *c);
void sp_stash_emptied(struct sp_proxy *p);

/*
 * The store has a head of a connection that is here. After the splice it is too late: the owner of
 * the head has to deliver.
 */
void sp_stash_merge(struct sp_proxy *p, struct sp_conn *c, const struct sp_stash_offer *offer,
		    const char *bytes,
		    __u32 len);
/* Resume a head of a dead proxy, or of a former daemon, in state HEAD. Return: NULL: no room. */
struct sp_conn *sp_stash_resume(struct sp_proxy *p, const struct sp_tuple *front,
				const struct sp_stash_offer *offer,
				const char *bytes, __u32 len);

#endif

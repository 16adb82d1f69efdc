/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sprayed.h - a leg with packets at several proxies: one reads, and the others send it all bytes
 * beyond the boundary
 */
#ifndef SP_PROXY_SPRAYED_H
#define SP_PROXY_SPRAYED_H

#include "proxy/proxy.h"

/* Packets of the leg pass several proxies. */
void sp_sprayed_mark(struct sp_proxy *p, const struct sp_entry *down);
/* Return: whether another proxy has to read @seg. */
int sp_sprayed_is_of_reader(struct sp_proxy *p, const struct sp_entry *down,
			    const struct sp_segment *seg);
void sp_sprayed_send(struct sp_proxy *p, const struct sp_entry *down, const struct sp_segment *seg);

/* At the reader. Return: whether bytes before @seg are still with a peer. */
int sp_sprayed_is_early(struct sp_proxy *p, const struct sp_entry *down,
			const struct sp_segment *seg);
/* At the reader. Return: whether @seg ends with a part of a line: all peers need it. */
int sp_sprayed_is_unread(const struct sp_entry *down, const struct sp_segment *seg);
void sp_sprayed_tell(struct sp_proxy *p, const struct sp_tuple *key, const struct sp_entry *down);
void sp_sprayed_keep(struct sp_proxy *p, const struct sp_segment *seg);

/* Number behind the last byte that was read, or is kept as part of a line; 0: no such leg. */
__u32 sp_sprayed_read_end(struct sp_proxy *p, const struct sp_tuple *key);

/* More was read since @read_before: hand over kept segments. @fn may keep a segment again. */
void sp_sprayed_release(struct sp_proxy *p, const struct sp_tuple *key, __u32 read_before,
			sp_stray_fn fn);

#endif

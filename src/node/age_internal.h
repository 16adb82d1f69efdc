/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* age_internal.h - the parts of the ager: each file calls only files above. For age*.c. */
#ifndef SP_NODE_AGE_INTERNAL_H
#define SP_NODE_AGE_INTERNAL_H

#include "node/age.h"
#include "node/timeouts.h"

/*
 * A splice during one examination. @up is valid if @has_up: the client's port may have a newer
 * splice.
 */
struct sp_view {
	const struct sp_tuple	*down_key;
	const struct sp_entry	*down;
	struct sp_entry		up;
	int			has_up;
};

/* age_view.c: the halves, the clocks */
struct sp_tuple sp_view_front(const struct sp_view *view);
void sp_view_find_up(struct sp_ager *ager, struct sp_view *view);
/* A leg that was left: the connection goes on by another, so the end of the leg is no end. */
int sp_view_is_left(struct sp_ager *ager, const struct sp_view *view);
/* The splice as committed, with the boundary of today. */
struct sp_splice sp_entries_splice(struct sp_ager *ager, const struct sp_tuple *front,
				   const struct sp_entry *up, const struct sp_entry *down);
struct sp_splice sp_view_splice(struct sp_ager *ager, const struct sp_view *view);
__u64 sp_view_seen_ns(const struct sp_view *view);
/* A lower bound, as long as the half up is not known. */
enum sp_splice_kind sp_view_kind(const struct sp_view *view);
__s64 sp_view_ttl_ns(const struct sp_ager *ager, const struct sp_view *view);
/* Return: -ENOENT: @down_key names no half from a backend. @view points to @e. */
int sp_view_open(struct sp_ager *ager, const struct sp_tuple *down_key, struct sp_entry *e,
		 struct sp_view *view);
void sp_ager_read_clocks(struct sp_ager *ager);
__u64 sp_ager_quiet_ns(const struct sp_ager *ager, __u64 seen_ns);
int sp_ager_is_shared(const struct sp_ager *ager);
int sp_ager_is_nearly_full(struct sp_ager *ager);

/* age_send.c: ends for other nodes, refreshes for the store */
void sp_ager_send_ends(struct sp_ager *ager, const struct sp_view *view);
void sp_ager_check_ends(struct sp_ager *ager, struct sp_view *view);
void sp_ager_check_refreshed(struct sp_ager *ager, struct sp_view *view);

/* age_keepalive.c. The half up is read for sp_ager_find_lost(). */
enum sp_lost { SP_LOST_NONE, SP_LOST_CLIENT, SP_LOST_BACKEND };
void sp_ager_note_walk(struct sp_ager *ager);
int sp_ager_is_due(const struct sp_ager *ager, const struct sp_view *view);
enum sp_lost sp_ager_find_lost(const struct sp_ager *ager, const struct sp_view *view);
void sp_ager_count_lost(struct sp_ager *ager, enum sp_lost lost);
void sp_ager_check_quiet(struct sp_ager *ager, struct sp_view *view);

/* age_end.c. Return: whether the splice was removed. */
int sp_ager_check_over(struct sp_ager *ager, const struct sp_limits_conf *limits,
		       struct sp_view *view);
void sp_ager_expire(struct sp_ager *ager, struct sp_view *view);

/* age_yield.c: number of splices of each client */
void sp_ager_count_holder(struct sp_ager *ager, const struct sp_addr *client);

#endif

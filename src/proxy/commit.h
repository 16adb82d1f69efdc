/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* commit.h - the splice of a connection is committed (states COMMITTING, LATE). */
#ifndef SP_PROXY_COMMIT_H
#define SP_PROXY_COMMIT_H

#include "proxy/connection.h"

/* The backend is connected. The store's answer may come before this returns. */
void sp_commit_begin(struct sp_proxy *p, struct sp_conn *c, const char *why);
/* The same in mode adopt, where no SYN was sent. */
void sp_commit_adopted(struct sp_proxy *p, struct sp_conn *c);
struct sp_leg;
/* A further request stays: the same splice, with another boundary; then SP_NEXT_STAY. */
void sp_commit_stay(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg);

/* The store's answer, see sp_store_events; sp_commit_late(): to a connection in state LATE. */
struct sp_next sp_commit_answered(struct sp_proxy *p, struct sp_conn *c, int err,
				  const struct sp_splice *winner);
struct sp_next sp_commit_late(struct sp_proxy *p, struct sp_conn *c, int err,
			      const struct sp_splice *winner);

#endif

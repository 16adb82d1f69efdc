/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* stay.h - a further request, or more of its body, goes through the half of its leg */
#ifndef SP_PROXY_STAY_H
#define SP_PROXY_STAY_H

#include "proxy/leg.h"

/* The pool of a bare head, for the datapath: see abi/decision.h. */
void sp_stay_note(struct sp_proxy *p, const struct sp_conn *c);
/* Return: whether the request is for the pool, and by its key for the backend, of its leg. */
int sp_stay_is_own_backend(struct sp_proxy *p, const struct sp_conn *c);
/* The response before is complete, or does not matter: the backend keeps the order. */
struct sp_next sp_stay_begin(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg);
/* Held bytes up to c->request.bytes: committed first, but for a bare head. */
struct sp_next sp_stay_commit(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg);
/* The commit is answered. */
struct sp_next sp_stay_done(struct sp_proxy *p, struct sp_conn *c);
/* Forward the held bytes through the leg. */
struct sp_next sp_stay_forward(struct sp_conn *c, const char *why);

#endif

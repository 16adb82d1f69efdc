/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* turn.h - a further request waits for its turn, and then stays or moves */
#ifndef SP_PROXY_TURN_H
#define SP_PROXY_TURN_H

#include "proxy/leg.h"

/* The next step @next of a further request: only when the response before is complete. */
struct sp_next sp_turn_begin(struct sp_proxy *p, struct sp_conn *c, struct sp_next next);
/* WAITING: the response before may be complete by now. */
struct sp_next sp_turn_go(struct sp_proxy *p, struct sp_conn *c);
/* Leave @leg, whose response the client has: for another backend, or for a reply of our own. */
struct sp_next sp_turn_move(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg);

#endif

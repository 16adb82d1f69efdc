/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* leave.h - a leg is left although this proxy does not know where its response ends */
#ifndef SP_PROXY_LEAVE_H
#define SP_PROXY_LEAVE_H

#include "proxy/leg.h"

/* WAITING: our FIN goes to the leg, once it is quiet. */
struct sp_next sp_leave_begin(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg);
/* LEAVING: FIN or RST of the backend. */
struct sp_next sp_leave_end(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg);
struct sp_next sp_leave_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns);

#endif

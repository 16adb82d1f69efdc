/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* dispatch.h - the connection of a packet */
#ifndef SP_PROXY_DISPATCH_H
#define SP_PROXY_DISPATCH_H

#include "proxy/connection.h"

/* A client's segment of connection @c. */
void sp_dispatch_segment(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg);
/*
 * A client's first segment. @cookie: valid, or INVALID: read again. @is_home: the head is put
 * together here
 */
void sp_dispatch_first(struct sp_proxy *p, const struct sp_segment *seg, enum sp_cookie cookie,
		       int is_home);
/* A client's segment without a half or a cookie. */
void sp_dispatch_later(struct sp_proxy *p, const struct sp_segment *seg, int is_home);
/*
 * A segment whose half @e is here: it came up before the half was, or reaches beyond its boundary.
 */
void sp_dispatch_known(struct sp_proxy *p, const struct sp_entry *e, const struct sp_segment *seg);
/* A backend's segment of half @down. @is_copy: the datapath has carried it */
void sp_dispatch_response(struct sp_proxy *p, const struct sp_entry *down,
			  const struct sp_segment *seg, int is_copy);
/* A segment whose half is, or was, a trap of a former daemon. */
void sp_dispatch_trapped(struct sp_proxy *p, const struct sp_segment *seg);
/* A segment handled as if no trap had sent it here. */
void sp_dispatch_untrapped(struct sp_proxy *p, const struct sp_segment *seg);
/* A backend's segment without a half. @is_relayed: unknown to another proxy, too */
void sp_dispatch_back(struct sp_proxy *p, const struct sp_segment *seg, int is_relayed);

#endif

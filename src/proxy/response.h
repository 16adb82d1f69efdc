/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* response.h - the ends of responses, found in copies of a backend's packets */
#ifndef SP_PROXY_RESPONSE_H
#define SP_PROXY_RESPONSE_H

#include "proxy/proxy.h"

/*
 * A packet of a backend; the half has a boundary. @is_copy: the packet was carried; else FIN, RST,
 * or data beyond the boundary, to be forwarded or dropped here.
 */
void sp_response_segment(struct sp_proxy *p, const struct sp_segment *seg, int is_copy);

#endif

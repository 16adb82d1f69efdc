/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* response.h - the end of each response is found in copies of a backend's packets */
#ifndef SP_PROXY_RESPONSE_H
#define SP_PROXY_RESPONSE_H

#include "proxy/proxy.h"

/*
 * A packet of a backend, whose half has a boundary. @is_copy: it was carried; else it has FIN or
 * RST, or reaches beyond the boundary, and is forwarded or dropped here.
 */
void sp_response_segment(struct sp_proxy *p, const struct sp_segment *seg, int is_copy);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* response.h - the end of each response is found in copies of a backend's packets */
#ifndef SP_PROXY_RESPONSE_H
#define SP_PROXY_RESPONSE_H

#include "proxy/proxy.h"

struct sp_responses;

/* Responses whose head or size line is not whole yet: a fixed table. */
int sp_responses_new(struct sp_responses **ret_responses);
void sp_responses_free(struct sp_responses *responses);

/*
 * A packet of a backend, whose half has a boundary. @is_copy: it was carried; else it has FIN or
 * RST, or reaches beyond the boundary, and is forwarded or dropped here.
 */
void sp_response_segment(struct sp_proxy *p, const struct sp_segment *seg, int is_copy);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* dispatch_conn.h - a client's segment, handed to the phase of its connection */
#ifndef SP_PROXY_DISPATCH_CONN_H
#define SP_PROXY_DISPATCH_CONN_H

#include "proxy/connection.h"

/*
 * Return: 0; -EAGAIN: @c began at a wrong number, and has ended; @seg is to be dispatched as one
 * without a connection
 */
int sp_dispatch_conn(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg);
/* @c: of a further request (is_next) */
void sp_dispatch_next(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg);

#endif

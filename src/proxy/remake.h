/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* remake.h - a changed head, made a second time for a splice that is there */
#ifndef SP_PROXY_REMAKE_H
#define SP_PROXY_REMAKE_H

#include "proxy/connection.h"

/* The head is whole again. */
struct sp_next sp_remake_parsed(struct sp_proxy *p, struct sp_conn *c, int pool_idx);

/*
 * If acknowledged bytes of @c begin with a changed head, the head is read again before a byte is
 * sent. Return: whether so.
 */
int sp_remake_resume(struct sp_conn *c, const struct sp_entry *up);

#endif

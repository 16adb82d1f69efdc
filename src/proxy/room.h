/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * room.h - when limit `held` or `pending` is reached, another connection with an incomplete head
 * gives way.
 */
#ifndef SP_PROXY_ROOM_H
#define SP_PROXY_ROOM_H

#include "proxy/connection.h"

/* Return: whether there is room. @bytes: to come, beside those that @c holds */
int sp_room_for_bytes(struct sp_proxy *p, const struct sp_conn *c, __u32 bytes);
int sp_room_for_one(struct sp_proxy *p);

#endif

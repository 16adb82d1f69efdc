/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* machine.h - the life of all connections: takes each next step of a phase, and passes time. */
#ifndef SP_PROXY_MACHINE_H
#define SP_PROXY_MACHINE_H

#include "proxy/connection.h"

/* Perform @next and further steps, until the next step is to wait. @c may have ended afterwards. */
void sp_machine_go(struct sp_proxy *p, struct sp_conn *c, struct sp_next next);
/* Before each event, tick or answer: after a suspension most connections are left to others. */
void sp_machine_awake(struct sp_proxy *p);
/* A tick, after SP_TICK_MS. */
void sp_machine_tick(struct sp_proxy *p);

#endif

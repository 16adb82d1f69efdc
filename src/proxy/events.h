/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* events.h - what the store and the other members of the cluster say */
#ifndef SP_PROXY_EVENTS_H
#define SP_PROXY_EVENTS_H

#include "proxy/proxy.h"

/* From now on they call here. Once, when ports and configuration are there. */
void sp_events_subscribe(struct sp_proxy *p);

#endif

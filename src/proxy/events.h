/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* events.h - events of the store and of other members of the cluster */
#ifndef SP_PROXY_EVENTS_H
#define SP_PROXY_EVENTS_H

#include "proxy/proxy.h"

/* Subscribe to all events. Once, when ports and configuration are ready. */
void sp_events_subscribe(struct sp_proxy *p);

/* events_cluster.c */
extern const struct sp_cluster_events sp_events_of_cluster;

#endif

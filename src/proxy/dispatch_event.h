/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* dispatch_event.h - events of the datapath */
#ifndef SP_PROXY_DISPATCH_EVENT_H
#define SP_PROXY_DISPATCH_EVENT_H

#include "proxy/connection.h"

void sp_dispatch_event(struct sp_proxy *p, const struct sp_event *ev);

#endif

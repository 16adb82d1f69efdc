/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tracing.h - lines of traces: steps of connections, packets that left the fast path. */
#ifndef SP_PROXY_TRACING_H
#define SP_PROXY_TRACING_H

#include "node/trace.h"
#include "proxy/proxy.h"

/* Call only if sp_trace_is_on(). */
void sp_tracing_state(const struct sp_conn *c, const char *from, const char *to, const char *why);
/* An event of kind TRACE. */
void sp_tracing_packet(struct sp_proxy *p, const struct sp_event *ev);

#endif

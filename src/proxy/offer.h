/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * offer.h - promises to clients before the backend is known, reduced to the abilities of backends
 *
 * The configuration says how much every backend can take. If a backend can take less, the
 * connection that shows this must live with the promise. ICMP errors limit packets to the backend's
 * MSS, and options are missing on which a strict client insists (RFC 7323, 3.2). Later clients of
 * all services with this backend are promised less: the smallest MSS, and no option that a backend
 * lacks. Options without a promise are not offered to backends either, so a backend that learns an
 * option stays unnoticed: a reload forgets all.
 */
#ifndef SP_PROXY_OFFER_H
#define SP_PROXY_OFFER_H

#include "proxy/proxy.h"

/* @syn_ack: of the backend of @c */
void sp_offer_learn(struct sp_proxy *p, const struct sp_conn *c, const struct sp_segment *syn_ack);
/* Warn of missing options of backends, as long as they are missing. */
void sp_offer_tick(struct sp_proxy *p, __u64 now_ns);
/* Forget learned limits, before a reload. */
void sp_offer_forget(struct sp_proxy *p);

#endif

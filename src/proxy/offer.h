/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * offer.h - what clients are promised before their backend is known, brought down to what backends turned out to do
 *
 * The configuration says what every backend can take. Where one cannot, the connection that shows it must live with
 * what was promised: its packets are limited to the backend's MSS by errors to the client, and options are missing that
 * a strict client insists on (RFC 7323, 3.2). Later clients of all services that may lead there are promised less:
 * the smallest MSS, and no option that one of the backends lacks. What is not promised is not asked for, and so not
 * seen when it comes back: a reload forgets it all.
 */
#ifndef SP_PROXY_OFFER_H
#define SP_PROXY_OFFER_H

#include "proxy/proxy.h"

/* @syn_ack: of the backend of @c, which it was not before */
void sp_offer_learn(struct sp_proxy *p, const struct sp_conn *c, const struct sp_segment *syn_ack);
/* What lacks something is warned of as long as that is so. */
void sp_offer_tick(struct sp_proxy *p, __u64 now_ns);
/* Before a reload. */
void sp_offer_forget(struct sp_proxy *p);

#endif

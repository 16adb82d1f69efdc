/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * progress.h - progress of a response at peers, where packets of the leg may pass: queried by the
 * reader while a further request waits
 */
#ifndef SP_PROXY_PROGRESS_H
#define SP_PROXY_PROGRESS_H

#include "proxy/leg.h"

/* WAITING: query the peers about @leg, at most once in a while. */
void sp_progress_ask(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg);

/* The end of the response is unknown here. Return: whether answers of peers are on their way. */
int sp_progress_is_awaited(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg);

/*
 * A query gets an answer; an answer goes into the half here. @from: the proxy. Return: the
 * connection whose turn may have come, or NULL.
 */
struct sp_conn *sp_progress_heard(struct sp_proxy *p, __u64 from, const struct sp_progress *said);

#endif

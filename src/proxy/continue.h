/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* continue.h - a backend dies before its response: the request goes to a further backend */
#ifndef SP_PROXY_CONTINUE_H
#define SP_PROXY_CONTINUE_H

#include "proxy/kept.h"

/*
 * Whether a request is continued; if not, the counter of the reason.
 *
 * OTHER	no death of a backend with an outstanding request
 * YES		the request goes to a further backend
 * METHOD, BODY	as in enum sp_kept_reason
 * UNKEPT	the daemon has not read the request, or has forgotten it
 * DELIVERED	the client has a part of the response
 * TRIES	more deaths with this request than limit `tries` allows
 * AHEAD	the client's next request was acknowledged already
 */
enum sp_continue_verdict {
	SP_CONTINUE_OTHER, SP_CONTINUE_YES, SP_CONTINUE_METHOD, SP_CONTINUE_BODY,
	SP_CONTINUE_UNKEPT, SP_CONTINUE_DELIVERED, SP_CONTINUE_TRIES, SP_CONTINUE_AHEAD,
};

/**
 * sp_continue_judge() - a FIN or RST of a backend
 * @kept:	the client's last request; NULL: none
 * @tries:	limit `tries`
 */
enum sp_continue_verdict sp_continue_judge(const struct sp_kept *kept, const struct sp_entry *up,
					   const struct sp_entry *down,
					   const struct sp_segment *seg, unsigned int tries);

/**
 * sp_continue_begin() - the request of a dead backend
 * @seg:	FIN or RST of the backend, not sent on
 * @ret_next:	the next step
 * Return: a connection with the request; NULL: the request is not continued.
 */
struct sp_conn *sp_continue_begin(struct sp_proxy *p, const struct sp_entry *down,
				  const struct sp_segment *seg, struct sp_next *ret_next);

/*
 * The same of a silent backend, down by checks or by an order. @kept: no byte of the response has
 * come
 */
struct sp_conn *sp_continue_silent(struct sp_proxy *p, struct sp_kept *kept,
				   const struct sp_entry *up, const struct sp_entry *down,
				   struct sp_next *ret_next);

#endif

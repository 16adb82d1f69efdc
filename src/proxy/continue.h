/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* continue.h - a backend dies before the end of a response: the request goes to a further one */
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
 * DELIVERED	the client has a part of the response, whose head did not come in one segment, or
 *		was not here
 * NO_VALIDATOR	the client has a part of the response, and no other is known to be the same:
 *		sp_begun_read()
 * FAR		the client has more of the response than sequence numbers can tell
 * DIFFERS	the other backend's response is another representation
 * TRIES	more deaths with this request than limit `tries` allows
 * AHEAD	the client's next request was acknowledged already
 */
enum sp_continue_verdict {
	SP_CONTINUE_OTHER, SP_CONTINUE_YES, SP_CONTINUE_METHOD, SP_CONTINUE_BODY,
	SP_CONTINUE_UNKEPT, SP_CONTINUE_DELIVERED, SP_CONTINUE_TRIES, SP_CONTINUE_AHEAD,
	SP_CONTINUE_NO_VALIDATOR, SP_CONTINUE_FAR, SP_CONTINUE_DIFFERS,
};

/* Return: whether @seg is a FIN or RST behind all that the backend has sent. */
int sp_continue_is_end(const struct sp_entry *down, const struct sp_segment *seg);
/* Return: whether the client has a part of the response. */
int sp_continue_is_part(const struct sp_entry *down);
/* The counter of the reason. */
void sp_continue_count(struct sp_proxy *p, enum sp_continue_verdict v);

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

/* The same of a silent backend, down by checks or by an order. */
struct sp_conn *sp_continue_silent(struct sp_proxy *p, struct sp_kept *kept,
				   const struct sp_entry *up, const struct sp_entry *down,
				   struct sp_next *ret_next);

#endif

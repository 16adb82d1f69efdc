/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * leg.h - the back connection that serves a stretch of a client's requests: how far its response
 * is, and its end
 */
#ifndef SP_PROXY_LEG_H
#define SP_PROXY_LEG_H

#include "proxy/connection.h"

/*
 * BUSY		the response is not complete
 * DONE		it is, and its last byte went to the client
 * ENDED	the same, and the backend has closed or sent more: no request can stay
 * LAST		the connection ends with this response
 * UNKNOWN	this proxy does not know where the response ends
 * LOST		there is no such half any more
 */
enum sp_leg_state {
	SP_LEG_BUSY, SP_LEG_DONE, SP_LEG_ENDED, SP_LEG_LAST, SP_LEG_UNKNOWN, SP_LEG_LOST,
};

/**
 * struct sp_leg - a look at the leg of a connection
 * @down:	its half from the backend
 * @end:	with DONE and ENDED: the number behind the response, as the client counts
 * @tsval:	the last that the client has got, as far as is known
 * @is_acked:	the client has acknowledged all up to @end
 */
struct sp_leg {
	enum sp_leg_state	state;
	struct sp_entry		down;
	__u32			end;
	__u32			tsval;
	int			is_acked;
};

struct sp_leg sp_leg_look(struct sp_proxy *p, const struct sp_conn *c);

/* Have the daemon told when the response is complete. Return: 0; -ENOENT: the splice is gone. */
int sp_leg_wake(struct sp_proxy *p, const struct sp_conn *c, const struct sp_leg *leg);

/*
 * Leave the leg before @c, whose response the client has: its half down goes, its backend gets an
 * RST, its port is free.
 */
void sp_leg_leave(struct sp_proxy *p, struct sp_conn *c);

/* The client's last acknowledgement, which the datapath may have carried to the leg. */
void sp_leg_hear(struct sp_proxy *p, struct sp_conn *c);

/* Return: whether the backend has acknowledged all bytes before those that are held. */
int sp_leg_has_all(struct sp_proxy *p, const struct sp_conn *c);

/* Go on with a further request whose beginning another daemon has left: its leg is here. */
int sp_leg_resume(struct sp_proxy *p, struct sp_conn *c);

/* No more requests are read: the halves of @up's splice get no boundary. */
void sp_leg_open(struct sp_proxy *p, const struct sp_tuple *front, const struct sp_entry *up);

/* The leg has ended with what the client has acknowledged: its backend gets an RST. */
int sp_leg_end(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg);

/* The client's acknowledgement alone, while its data waits. */
void sp_leg_acknowledge(struct sp_proxy *p, const struct sp_conn *c, const struct sp_segment *seg);

#endif

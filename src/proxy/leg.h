/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * leg.h - the back connection for a stretch of a client's requests: the progress of a response, and
 * the end
 */
#ifndef SP_PROXY_LEG_H
#define SP_PROXY_LEG_H

#include "proxy/connection.h"

/*
 * BUSY		the response is not complete
 * DONE		the response is complete, and the last byte went to the client
 * ENDED	the same, and the backend has closed or sent more: no request can stay
 * LAST		the connection ends with the response
 * UNKNOWN	the end of the response is not known here
 * LOST		the half is gone
 */
enum sp_leg_state {
	SP_LEG_BUSY, SP_LEG_DONE, SP_LEG_ENDED, SP_LEG_LAST, SP_LEG_UNKNOWN, SP_LEG_LOST,
};

/**
 * struct sp_leg - a look at the leg of a connection
 * @down:	the half from the backend
 * @end:	with DONE and ENDED: the number behind the response, as the client counts
 * @tsval:	the last at the client, as far as is known
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

/* Return: whether other proxies may carry packets of the leg, too. */
int sp_leg_is_elsewhere(const struct sp_leg *leg);

/* Have the daemon told when the response is complete. Return: 0; -ENOENT: the splice is gone. */
int sp_leg_wake(struct sp_proxy *p, const struct sp_conn *c, const struct sp_leg *leg);

/*
 * Leave the leg before @c; the client has the whole response. The half down goes, the backend gets
 * an RST, the port is free.
 */
void sp_leg_leave(struct sp_proxy *p, struct sp_conn *c);

/*
 * The connection is over. A client that still sends would wait for acknowledgements: both ends get
 * an RST.
 */
void sp_leg_reset_both(struct sp_proxy *p, const struct sp_conn *c);
/* The backend has a part of a message, and can't get the rest: both ends get an RST. */
void sp_leg_break(struct sp_proxy *p, struct sp_conn *c);

/* The client's last acknowledgement; the datapath may have carried a later one to the leg. */
void sp_leg_hear(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg);

/*
 * Return: whether the backend has acknowledged all bytes before the held bytes, by a packet that
 * came here, or by the client's retransmissions.
 */
int sp_leg_has_all(struct sp_proxy *p, const struct sp_conn *c);

/* Go on with a further request, begun by a daemon that is gone: the leg is here. */
int sp_leg_resume(struct sp_proxy *p, struct sp_conn *c);

/* No more requests are read: the halves of @up's splice get no boundary. */
void sp_leg_open(struct sp_proxy *p, const struct sp_tuple *front, const struct sp_entry *up);

/* The leg has ended with the bytes that the client has acknowledged: the backend gets an RST. */
int sp_leg_end(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg);

/* The client's acknowledgement alone, while the data waits. */
void sp_leg_acknowledge(struct sp_proxy *p, const struct sp_conn *c, const struct sp_segment *seg);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * middle.h - a proxy that ends both connections and copies, to prove the laws of exchanges.h: as it
 * should be, or wrong in one way.
 */
#ifndef SP_SIM_MIDDLE_H
#define SP_SIM_MIDDLE_H

/*
 * MIX		the response goes on with another backend's bytes
 * DROP		a response is left out
 * DOUBLE	a request is sent to two backends
 * POOL		a request goes to another pool
 * EARLY	a request moves before the client has the response before
 * SWAP		a response arrives in the place of the next
 * IDLE		the end of an idle backend ends the client's connection
 * LATE_408	what an idle backend says reaches the client
 * LEAVE	the connection to the backend is closed in the middle of a response
 * CUT		a response is cut off, and the connection closed
 * SPOIL	a byte of the request is changed
 * AHEAD	a pipelined request is forwarded before the response
 */
#define SIM_WRONGS(X) \
	X(NONE, none) X(MIX, mix) X(DROP, drop) X(DOUBLE, double) X(POOL, pool) X(EARLY, early) \
	X(SWAP, swap) X(IDLE, idle) X(LATE_408, late_408) X(LEAVE, leave) X(CUT, cut) \
	X(SPOIL, spoil) X(AHEAD, ahead)

enum sim_wrong {
#define X(up, low) SIM_WRONG_##up,
	SIM_WRONGS(X)
#undef X
	SIM_WRONG_COUNT
};

extern const char *const sim_wrong_names[SIM_WRONG_COUNT];

/* Take the place of proxies in struct sim_net. */
void sim_middle_begin(enum sim_wrong wrong);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * exchanges.h - clients with many requests on a connection, the backends of three pools, and the
 * laws of both. Read by exchange_client.c, exchange_backend.c, exchange_plan.c and middle.c.
 *
 * Laws, as seen from both ends:
 *	- a response is complete, in order, and of a single backend in the pool of its request
 *	- a request reaches a single backend, and runs once if the client has the response
 *	- bytes acknowledged to the client are at a backend, or in the store (law 1)
 *	- bytes at a backend belong to a splice in the store (law 3)
 *	- no request moves to another backend before the client has the response before it (law 9)
 *	- a backend has a single exchange of a connection at a time
 *	- a client's connection ends by its own wish, by "Connection: close", or by a response that
 *	  its backend did not finish
 */
#ifndef SP_SIM_EXCHANGES_H
#define SP_SIM_EXCHANGES_H

#include "abi/tuple.h"
#include "base/endpoint.h"
#include "exchange.h"
#include "peers.h"

/**
 * struct sim_visit - plan of a client's connection
 * @count:	of @exchanges
 * @depth:	requests at once, without their responses: 1: no pipelining
 * @is_half_close: the FIN comes with the last request
 * @aborts_at:	the client resets soon after the request of this number, from 1 on; 0: never
 * @close_ns:	delay after the last response until the client closes
 * @to:		service, or a backend
 */
struct sim_visit {
	unsigned int		count, depth;
	int			is_half_close;
	unsigned int		aborts_at;
	__u64			close_ns;
	struct sp_endpoint	to;
	struct sim_exchange	exchanges[SIM_EXCHANGES_MAX];
};

/**
 * struct sim_fate - seen of a request
 * @taker:	first connection of a backend with a byte of the request, from 1 on; 0: none
 * @runs:	number of times that a backend had the whole request
 * @timed_out_by: connection whose 408 the client has in the place of a response; 0: none
 * @got:	bytes at the backend
 * @closed_ns:	the backend has closed the connection, idle since the request; 0: no
 * @is_failed:	the backend has reset the connection, as planned
 */
struct sim_fate {
	unsigned int	taker, runs, timed_out_by;
	__u32		got;
	__u64		closed_ns;
	int		is_failed;
};
extern struct sim_fate sim_fates[SIM_EXCHANGE_CLIENTS * SIM_EXCHANGES_MAX];

extern const struct sim_peers sim_exchange_peers;

void sim_visit_start(const struct sim_visit *visit);
/* Called when the first byte of a request is written. */
extern void (*sim_exchange_asked)(unsigned int nonce);

/**
 * struct sim_exchange_sums - of all runs
 * @moves:	requests at another connection than the one before
 * @excused:	connections that ended with a response missing, as its backend had failed or closed
 * @timeouts:	408 in the place of a response
 * @wait_ns, @wait_seed: longest time from the end of a request to the first byte of its response
 */
struct sim_exchange_sums {
	__u64	requests, responses, moves, excused, timeouts, wait_ns, wait_seed;
};
extern struct sim_exchange_sums sim_exchange_sums;

/* A client has reset a connection: a proxy on another path may not believe the RST. */
extern int sim_exchange_has_reset;

/* Daemons die or sleep in this run. */
int sim_exchange_has_faults(void);
/* Time until the end of an idle connection is known: later requests must not be lost. */
__u64 sim_exchange_patience_ns(int is_rst);

/* ---- between clients and backends ---- */

void sim_exchange_clients_begin(void);
void sim_exchange_clients_end(void);
void sim_exchange_client_receive(const struct sp_segment *seg);

void sim_exchange_backends_begin(void);
void sim_exchange_backends_end(void);
void sim_exchange_backend_receive(const struct sp_segment *seg);

/* NULL: there is no such request. */
const struct sim_exchange *sim_exchange_named(unsigned int nonce);
/* Bytes of the request; NULL: unknown */
const char *sim_exchange_bytes(unsigned int nonce, __u32 *ret_len);
/* Nonce of the request that begins with @bytes, or with part of @bytes; -1: none */
int sim_exchange_of_bytes(const char *bytes, __u32 len);
/* The client has the whole response. */
int sim_exchange_is_heard(unsigned int nonce);
/* The client writes no more; or has no connection any more. */
int sim_exchange_is_last(unsigned int nonce);
int sim_exchange_is_gone(unsigned int nonce);
/* Bytes of the request at a backend. */
__u32 sim_exchange_arrived(unsigned int nonce);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * exchange.h - a request and its response: the bytes of each are a function of the plan, those of
 * a response also of the backend. Clients and backends are exchange_client.c, exchange_backend.c.
 */
#ifndef SP_SIM_EXCHANGE_H
#define SP_SIM_EXCHANGE_H

#include "abi/ktypes.h"

#define SIM_POOLS		3
#define SIM_POOL_BACKENDS	2	/* of pool 0: 10.2.0.1 and 10.2.0.2, and so on */
#define SIM_BACKENDS		(SIM_POOLS * SIM_POOL_BACKENDS)
#define SIM_POOL_NONE		SIM_POOLS	/* no route leads there */
#define SIM_EXCHANGES_MAX	8	/* of a connection */
#define SIM_EXCHANGE_CLIENTS	4
#define SIM_REQUEST_MAX		(64 * 1024)
#define SIM_RESPONSE_MAX	(96 * 1024)

enum sim_method { SIM_METHOD_GET, SIM_METHOD_POST, SIM_METHOD_HEAD };
enum sim_body { SIM_BODY_NONE, SIM_BODY_LENGTH, SIM_BODY_CHUNKED, SIM_BODY_UNTIL_END };
/* Of a request: a refused one goes on as HTTP, an accepted one as a tunnel. */
enum sim_upgrade { SIM_UPGRADE_NONE, SIM_UPGRADE_REFUSED, SIM_UPGRADE_ACCEPTED };
/* Of a backend after its response, if no further request comes. */
enum sim_idle { SIM_IDLE_STAYS, SIM_IDLE_FIN, SIM_IDLE_RST, SIM_IDLE_408 };

/**
 * struct sim_exchange - plan of a request and its response
 * @nonce:	names the request
 * @pool:	of the path; SIM_POOL_NONE: the proxy itself replies 404
 * @head_bytes, @body_bytes: of the request, at least
 * @pieces:	the client writes the request in so many pieces, with at most @piece_ns between
 * @think_ns:	delay before the request
 * @is_expecting: the client awaits "100 Continue" for a second
 * @upgrade:	ACCEPTED: both bodies go through the tunnel, behind the 101
 * @is_old:	the request says HTTP/1.0, and "Connection: keep-alive" if the connection goes on
 * @status:	200, 204 or 304
 * @interims:	responses with status 1xx before
 * @response_head_bytes, @response_bytes: at least
 * @pause_at, @pause_ns: the backend pauses behind so many bytes; 0: never
 * @drip_bytes, @drip_ns: the backend writes so many bytes at once, and pauses; 0: all
 * @fails_at:	the backend resets behind so many bytes; 0: never
 * @is_early:	the backend responds at the end of the head, before the body
 * @is_close:	the response says "Connection: close"
 * @is_close_asked: the request says so, too
 * @idle, @idle_ns: end of an idle backend's connection
 */
struct sim_exchange {
	unsigned int		nonce;
	unsigned int		pool;
	enum sim_method		method;
	enum sim_body		request_body;
	__u32			head_bytes, body_bytes;
	unsigned int		pieces;
	__u64			piece_ns, think_ns;
	int			is_expecting, is_old;
	enum sim_upgrade	upgrade;
	unsigned int		status, interims;
	enum sim_body		response_body;
	__u32			response_head_bytes, response_bytes;
	__u32			pause_at;
	__u64			pause_ns;
	__u32			drip_bytes;
	__u64			drip_ns;
	__u32			fails_at;
	int			is_early, is_close, is_close_asked;
	enum sim_idle		idle;
	__u64			idle_ns;
};

/* Write the request to @to, at most SIM_REQUEST_MAX bytes. Return: its length. */
__u32 sim_exchange_request(const struct sim_exchange *x, char *to, __u32 *ret_head_bytes);
/*
 * Write the response of @backend to @to, at most SIM_RESPONSE_MAX bytes. Return: its length.
 * @ret_interim_bytes: of responses with status 1xx, at its beginning
 */
__u32 sim_exchange_response(const struct sim_exchange *x, unsigned int backend, char *to,
			    __u32 *ret_interim_bytes);
/* The backend's connection ends behind the response. */
int sim_exchange_closes(const struct sim_exchange *x);
int sim_exchange_is_of(const struct sim_exchange *x, unsigned int backend);

#endif

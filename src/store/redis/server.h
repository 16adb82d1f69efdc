/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* server.h - the floor of conn.c and greeting.c: a server's struct, and its ways up and down */
#ifndef SP_STORE_REDIS_SERVER_H
#define SP_STORE_REDIS_SERVER_H

#include "store/redis/conn.h"
#include "store/redis/link.h"

#define SP_SHA_LEN	40
#define SP_REDIS_BACKOFF_NS	50000000ULL
#define SP_MARKER_LEN	16

/* The asker of a command: the store, or greeting.c. */
enum sp_redis_asker { ASKED_BY_STORE, ASKED_AUTH, ASKED_INFO, ASKED_SCRIPT, ASKED_PROBE };

/**
 * struct sp_redis - a server
 * @latency_ns, @latency_left: time of a command that is measured, and replies until its own; 0:
 *		none
 * @probe_ns:	time of the probe, or of a suspension of this daemon
 * @probed_ns:	time of the probe
 * @clock_us:	the server's clock minus CLOCK_MONOTONIC
 * @blank_ns:	end of the time in which the server is blank
 * @next_marker: for a server without a marker; never used twice
 * @marker:	as last seen; "": not yet
 */
struct sp_redis {
	struct sp_redis_conf	conf;
	struct sp_redis_stats	stats;
	struct sp_redis_link	*link;
	__u64			again_ns, backoff_ns, connect_ns, up_ns;
	__u64			latency_ns, latency_left;
	__u64			probe_ns, probed_ns;
	int			is_probing, is_tried;
	__s64			clock_us;
	__u64			blank_ns;
	int			is_emptied;
	char			run_id[SP_SHA_LEN + 1];
	__u64			next_marker;
	char			marker[SP_MARKER_LEN + 1];
	char			sha[SP_SCRIPT_COUNT][SP_SHA_LEN + 1];
};

const char *sp_redis_name(const struct sp_redis *r);
/* The server has greeted. */
void sp_redis_mark_up(struct sp_redis *r, __u64 now_ns);
/* The server has no connection. @why NULL: no warning. */
void sp_redis_mark_down(struct sp_redis *r, const char *why);
/* Close the connection. Commands in flight are answered with NULL before the return. */
void sp_redis_give_up(struct sp_redis *r, const char *why);
/* The same, and the next attempt is in 10 s. */
void sp_redis_give_up_nonsense(struct sp_redis *r, const char *why);
/* Does an error say that the server has lost the scripts? */
int sp_redis_has_lost_scripts(const char *error);

#endif

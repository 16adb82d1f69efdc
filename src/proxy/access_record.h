/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * access_record.h - the logged connections of this proxy, one record each, and the line of a record
 *
 *	SP_ACCESS_IDLE		no request is under way
 *	SP_ACCESS_ASKED		a request was forwarded
 *	SP_ACCESS_ANSWERED	the head of the response went by
 */
#ifndef SP_PROXY_ACCESS_RECORD_H
#define SP_PROXY_ACCESS_RECORD_H

#include "node/access_line.h"
#include "proxy/connection.h"

enum sp_access_state { SP_ACCESS_IDLE, SP_ACCESS_ASKED, SP_ACCESS_ANSWERED };
enum { SP_ACCESS_FIN_CLIENT = 1, SP_ACCESS_FIN_BACKEND = 2, SP_ACCESS_FIN_BOTH = 3 };

/**
 * struct sp_access_record - a logged connection
 * @back:	proxy -> backend, of the present leg
 * @served:	the service. A reference to a configuration would keep all of it after a reload
 * @pool:	copy of the name; NULL: none
 * @begin_at:	first number of the response, as the client counts
 * @leg_bytes:	of the responses before on this leg
 * @end:	how the connection ends, as far as is known; NULL: not yet
 */
struct sp_access_record {
	struct sp_access_record		*next;
	struct sp_tuple			front, back;
	struct sp_served		*served;
	char				*pool;
	struct sp_access_text		*text;
	struct sp_endpoint		client;
	enum sp_access_state		state;
	enum sp_mode			mode;
	enum sp_access_format		format;
	int				status, target;
	__u64				asked_ns, connected_ns, first_ns;
	__u64				bytes_in, bytes_out, leg_bytes;
	__u32				begin_at, exchanges;
	const char			*end;
	__u8				fins, has_begin, reads_requests;
};

struct sp_access_slot {
	__u64			key;
	struct sp_access_text	*text;
};

/*
 * struct sp_access - both tables are NULL until the first entry
 * @real_offset_ms: CLOCK_REALTIME less CLOCK_MONOTONIC, at the last tick
 */
struct sp_access {
	__s64			start_s;
	unsigned int		count, ticks;
	__u64			lost, real_offset_ms;
	struct sp_access_record	**buckets;
	struct sp_access_slot	*texts;
};

struct sp_access_record *sp_access_find(struct sp_proxy *p, const struct sp_tuple *front);
/* Return: the record of @front, old or new; NULL: no memory, or too many, which is counted. */
struct sp_access_record *sp_access_add(struct sp_proxy *p, const struct sp_tuple *front,
				       const struct sp_service_conf *service);
void sp_access_del(struct sp_proxy *p, struct sp_access_record *r);
void sp_access_records_free(struct sp_access *a);

/* Copy the settings of @service to @r. Return: 0 or -ENOMEM. */
int sp_access_use(struct sp_proxy *p, struct sp_access_record *r,
		  const struct sp_service_conf *service);
void sp_access_use_pool(struct sp_access_record *r, const struct sp_pool_conf *pool);
/* A reply of the proxy itself. */
void sp_access_count_reply(struct sp_proxy *p, const struct sp_service_conf *service, int status,
			   __u64 bytes_in);
/* @r is SP_ACCESS_IDLE. @text: taken over. @asked_ns: sp_exact_ns() */
void sp_access_begin_exchange(struct sp_access_record *r, struct sp_access_text *text,
			      __u64 asked_ns);
/* Writes the line of an exchange, if one is under way. @end: how it ended */
void sp_access_end_exchange(struct sp_proxy *p, struct sp_access_record *r, __u64 last_ns,
			    const char *end);
/*
 * The connection has ended: its last line is written, and @r is freed. @up, @down: its halves as
 * they were last, NULL: not known
 */
void sp_access_finish(struct sp_proxy *p, struct sp_access_record *r, const struct sp_entry *up,
		      const struct sp_entry *down, __u64 last_ns);
/* The same, with the halves that the datapath has now. */
void sp_access_finish_now(struct sp_proxy *p, struct sp_access_record *r, __u64 last_ns);

void sp_access_write(struct sp_proxy *p, int target, const struct sp_access_line *line);
/* Return: CLOCK_REALTIME of @asked_ns, in ms. 0: now */
__u64 sp_access_begun_ms(const struct sp_access *a, __u64 asked_ns);

#endif

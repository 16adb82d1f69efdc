/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * traffic.h - requests, bytes and durations of each service, added up from the records of the
 * access log. A reload keeps the numbers. No I/O.
 */
#ifndef SP_NODE_TRAFFIC_H
#define SP_NODE_TRAFFIC_H

#include "base/histogram.h"
#include "config/config.h"

#define SP_TRAFFIC_CODES	6	/* hundreds of a status; [0]: not known */
#define SP_TRAFFIC_BUCKETS	256
#define SP_TRAFFIC_MAX		8192

/**
 * struct sp_served - a service since its first record
 * @refs:	connections with a record
 * @requests:	ended requests, by status, where requests are read
 * @connections: ended connections, where requests are not read
 * @bytes_in, @bytes_out: from clients, to clients
 * @first_byte:	from a request until the first byte of the response
 * @duration:	from a request until the last byte
 */
struct sp_served {
	struct sp_served	*next;
	char			name[SP_NAME_MAX + 1];
	unsigned int		refs;
	__u64			requests[SP_TRAFFIC_CODES];
	__u64			connections, bytes_in, bytes_out;
	struct sp_histogram	first_byte, duration;
};

/* Zeroed at first. */
struct sp_traffic {
	unsigned int		count;
	struct sp_served	*buckets[SP_TRAFFIC_BUCKETS];
};

/*
 * Find or make a service by name; takes a reference. NULL: no memory, or SP_TRAFFIC_MAX services
 * have records.
 */
struct sp_served *sp_traffic_get(struct sp_traffic *traffic, const char *name);
void sp_traffic_put(struct sp_served *served);
/* NULL: no record. */
const struct sp_served *sp_traffic_find(const struct sp_traffic *traffic, const char *name);
void sp_traffic_fini(struct sp_traffic *traffic);

static inline void sp_served_add_request(struct sp_served *served, int status)
{
	served->requests[status >= 100 && status < 600 ? status / 100 : 0]++;
}

#endif

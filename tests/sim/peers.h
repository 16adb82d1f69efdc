/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* peers.h - clients and backends: what they say, and whether what they hear is right. */
#ifndef SP_SIM_PEERS_H
#define SP_SIM_PEERS_H

#include "tcp/segment.h"

/*
 * A client that asks @requests times on one connection, thinking for @think_ns at most between
 * them: each request has
 * @head_bytes and @body_bytes. @again_ns: so long after its end it connects once more, from the same port; 0: never
 */
struct sim_plan {
	unsigned int	requests;
	__u32		head_bytes, body_bytes, answer_bytes;
	__u64		think_ns, again_ns;
	int		is_server_first_to_close;
};

void sim_peers_begin(void);
void sim_peers_end(void);
void sim_client_start(const struct sim_plan *plan);
/* Whether all clients are done. */
int sim_clients_are_done(void);
/* Faults of those who are not, or whose requests ran another number of times than once. */
void sim_peers_judge(void);

/* A segment has come to a client's, or a backend's, address. */
/* Whether a client has begun a connection @front with this ISN. */
int sim_client_has_begun(const struct sp_tuple *front, __u32 isn);
void sim_client_receive(const struct sp_segment *seg);
void sim_backend_receive(const struct sp_segment *seg);

#endif

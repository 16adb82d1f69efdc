/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* peers.h - clients and backends: their requests and answers, and whether both arrive right. */
#ifndef SP_SIM_PEERS_H
#define SP_SIM_PEERS_H

#include "tcp/segment.h"

/*
 * Plan of a client: @requests requests per connection, each of @head_bytes and @body_bytes, with at
 * most @think_ns between them. @again_ns: delay after the end until a second connection from the
 * same port; 0: never
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
/* Report clients that are not done, and requests run more or less than once. */
void sim_peers_judge(void);

/* Whether a client has begun a connection @front with this ISN. */
int sim_client_has_begun(const struct sp_tuple *front, __u32 isn);
/* Segments to the address of a client or a backend arrive here. */
void sim_client_receive(const struct sp_segment *seg);
void sim_backend_receive(const struct sp_segment *seg);

#endif

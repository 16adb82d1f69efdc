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

/**
 * struct sim_peers - a kind of clients and backends
 * @pools:	of the configuration, with the service; the same in all runs of the program
 * @begin:	forget those of the run before
 * @are_done:	whether all clients are done
 * @judge:	report clients that are not done, and requests run more or less than once
 * @has_begun:	whether a client has begun a connection @front with this ISN
 * @client_receive, @backend_receive: segments to the address of a client or a backend
 */
struct sim_peers {
	const char *pools;
	void	(*begin)(void);
	int	(*are_done)(void);
	void	(*judge)(void);
	int	(*has_begun)(const struct sp_tuple *front, __u32 isn);
	void	(*client_receive)(const struct sp_segment *seg);
	void	(*backend_receive)(const struct sp_segment *seg);
};
extern const struct sim_peers *sim_peers;		/* of the run under way */
extern const struct sim_peers sim_plain_peers;		/* peers.c: one pool */

void sim_client_start(const struct sim_plan *plan);

/* Letters that depend on @chance, eight of sixteen at a time. */
void sim_fill(char *to, __u32 len, __u64 chance);

#endif

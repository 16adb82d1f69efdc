/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* visitor.h - a client of many requests. Read by exchange_client.c and visitor.c. */
#ifndef SP_SIM_VISITOR_H
#define SP_SIM_VISITOR_H

#include "exchanges.h"
#include "framing.h"
#include "tcp.h"

/**
 * struct sim_visitor - a connection
 * @begin:	of each request in @out; the last is the end
 * @head_end:	of the request being written
 * @asked:	requests begun; @heard: complete responses
 * @is_writing:	the request asked last is not written to its end, or the next is due
 * @turn:	number of the write that is due: earlier writes are over
 * @written_ns:	end of the last request
 * @expected:	the response as either backend would send it
 * @candidates:	bits of the backends whose response begins with the @got bytes
 * @is_closing:	the connection ends with the response heard last
 * @is_timeout:	the response under way is a backend's 408
 */
struct sim_visitor {
	struct sim_tcp		tcp;
	struct sim_visit	plan;
	unsigned int		idx, asked, heard;
	char			*out;
	__u32			begin[SIM_EXCHANGES_MAX + 1], head_end;
	unsigned int		pieces_left;
	__u64			turn, asked_ns[SIM_EXCHANGES_MAX], written_ns;
	int			is_writing, is_expecting, is_closing, is_done, is_timeout;
	struct sim_framing	framing;
	char			*expected[SIM_POOL_BACKENDS];
	__u32			expected_len[SIM_POOL_BACKENDS], got;
	unsigned int		candidates;
};

/* In visitor.c: called by struct sim_tcp. */
void sim_visitor_data(void *visitor, const char *bytes, __u32 len);
void sim_visitor_ended(void *visitor, const char *why);
void sim_visitor_acked(void *visitor, __u32 bytes, const struct sp_segment *seg);
/* The response under way may stay incomplete: the backend has failed. */
int sim_visitor_is_excused(const struct sim_visitor *c);

/* In exchange_client.c: write the next request, if it is due; or close behind the last. */
void sim_visitor_ask(struct sim_visitor *c);
void sim_visitor_close(void *visitor, __u64 unused);
void sim_visitor_reset(struct sim_visitor *c);
/* The body is not held back any longer. */
void sim_visitor_go_on(struct sim_visitor *c);

#endif

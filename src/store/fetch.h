/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fetch.h - the splice under a tuple: all servers are asked, and their answers compared. No I/O. */
#ifndef SP_STORE_FETCH_H
#define SP_STORE_FETCH_H

#include "store/claim.h"

#define SP_FETCH_FOUND_MAX	4

/*
 * UP	the key is the client's tuple
 * DOWN	the key is the backend's, and a pointer has led to the splice
 * NONE	the pointer was of a leg that was left, or of an older connection
 */
enum sp_found_half { SP_FOUND_NONE, SP_FOUND_UP, SP_FOUND_DOWN };

/**
 * struct sp_found - a splice that was found; sets of servers are bits
 * @record:	as on the servers
 * @servers:	of its front tuple
 * @half:	which half is under the key that is fetched
 * @relied, @chosen, @seen: servers that have the splice relied upon ('T'), chosen ('C'), in any
 *		state
 */
struct sp_found {
	struct sp_splice	splice;
	struct sp_record	record;
	__u32			servers;
	__u32			relied;
	__u32			chosen;
	__u32			seen;
	enum sp_found_half	half;
};

/**
 * struct sp_fetch - the answers so far
 * @needed:	answers that include a majority of the copies, on any servers
 * @pending, @nothing: servers, as bits; servers in neither, and without any of @found, are absent
 */
struct sp_fetch {
	__u8		servers;
	__u8		needed;
	__u8		quorum;
	__u8		found_count;
	__u32		pending;
	__u32		nothing;
	__u64		start_ns;
	struct sp_found	found[SP_FETCH_FOUND_MAX];
};

/*
 * WAIT		more answers will come
 * FOUND	a splice that can be relied upon; it may lack a half under the key
 * UNSURE	a splice that may not have been chosen: a claim must ask (claim.h)
 * NOTHING	no splice
 * AGAIN	too few have answered
 */
enum sp_fetch_verdict {
	SP_FETCH_WAIT, SP_FETCH_FOUND, SP_FETCH_UNSURE, SP_FETCH_NOTHING, SP_FETCH_AGAIN,
};

void sp_fetch_start(struct sp_fetch *l, unsigned int servers, unsigned int copies,
		    unsigned int quorum, __u64 now_ns);
/* A server's answer. Only the first counts. */
void sp_fetch_absent(struct sp_fetch *l, unsigned int server_idx);
void sp_fetch_nothing(struct sp_fetch *l, unsigned int server_idx);
/*
 * @splice: of @vote's record, whose seal was verified; @half: see struct sp_found; @servers: of its
 * front tuple, as bits. A value on any other server counts as nothing.
 */
void sp_fetch_value(struct sp_fetch *l, unsigned int server_idx, const struct sp_vote *vote,
		    const struct sp_splice *splice, enum sp_found_half half, __u32 servers);

/* @is_over: wait for no more answers. @ret_found: with FOUND and UNSURE, borrowed from @l */
enum sp_fetch_verdict sp_fetch_go(const struct sp_fetch *l, __u64 now_ns, int is_over,
				  const struct sp_found **ret_found);

#endif

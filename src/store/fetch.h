/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* lookup.h - who has a splice under a tuple? All servers are asked; what follows from their answers. No I/O. */
#ifndef SP_STORE_LOOKUP_H
#define SP_STORE_LOOKUP_H

#include "store/claim.h"

#define SP_FETCH_FOUND_MAX	4

/**
 * struct sp_found - a splice that was found
 * @record:	as it lay there
 * @servers:	of its front tuple, as bits
 * @relied, @chosen, @seen: servers on which it is relied upon ('T'), chosen ('C'), or there at all, as bits
 */
struct sp_found {
	struct sp_splice	splice;
	struct sp_record	record;
	__u32			servers;
	__u32			relied;
	__u32			chosen;
	__u32			seen;
};

/**
 * struct sp_fetch - answers so far
 * @needed:	so many say nothing, or anything: then a majority of the copies has, wherever they are
 * @pending, @nothing: servers, as bits; those that are in none of these, and have none of @found, are absent
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

enum sp_fetch_verdict {
	SP_FETCH_WAIT,
	SP_FETCH_FOUND,	/* may be relied upon */
	SP_FETCH_UNSURE,	/* there is one, but whether it was chosen must be asked (claim.h) */
	SP_FETCH_NOTHING,
	SP_FETCH_AGAIN,	/* too few have answered */
};

void sp_fetch_start(struct sp_fetch *l, unsigned int servers, unsigned int copies, unsigned int quorum, __u64 now_ns);
void sp_fetch_absent(struct sp_fetch *l, unsigned int server_idx);
void sp_fetch_nothing(struct sp_fetch *l, unsigned int server_idx);
/* @splice: of @answer's record, which was checked; @servers: of its front tuple, as bits: on others it is nothing */
void sp_fetch_value(struct sp_fetch *l, unsigned int server_idx, const struct sp_vote *answer,
		     const struct sp_splice *splice, __u32 servers);

/* @is_over: don't wait any longer. @ret_found: with FOUND and UNSURE, borrowed from @l */
enum sp_fetch_verdict sp_fetch_go(const struct sp_fetch *l, __u64 now_ns, int is_over,
				    const struct sp_found **ret_found);

#endif

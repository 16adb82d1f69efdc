/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* any.h - random tuples and splices, for round trips */
#ifndef SP_TESTS_ANY_H
#define SP_TESTS_ANY_H

#include <arpa/inet.h>
#include <stdlib.h>

#include "splice/splice.h"

static inline __u32 any32(void)
{
	return (__u32)random() << 16 ^ (__u32)random();
}

static inline __u64 any64(void)
{
	return (__u64)any32() << 32 | any32();
}

static inline struct sp_addr any_addr(int is_v6)
{
	if (!is_v6)
		return sp_addr_v4(any32());
	return (struct sp_addr){ .w = { htonl(0xfd000000 | (any32() >> 8)), any32(), any32(),
					any32() } };
}

/* Both ports are nonzero. */
static inline struct sp_tuple any_tuple(int is_v6)
{
	return (struct sp_tuple){ any_addr(is_v6), any_addr(is_v6), any32() | 1, any32() | 1 };
}

/*
 * A splice as splice.c makes it from two handshakes. Deltas map the numbers of a connection to the
 * numbers of its peer connection.
 */
static inline struct sp_splice any_splice(int is_v6)
{
	__u32 client = any32(), to_client = any32(), backend = any32(), to_backend = any32();
	__u32 ts_client = any32(), ts_to_client = any32(), ts_backend = any32(),
		ts_to_backend = any32();
	struct sp_splice s = { .front = any_tuple(is_v6), .client_isn = client };

	s.up = (struct sp_half){
		.out = any_tuple(is_v6), .seq_delta = to_backend - client,
		.ack_delta = backend - to_client,
		.tsval_delta = ts_to_backend - ts_client, .tsecr_delta = ts_backend - ts_to_client,
		.window_shift = random() % 29 - 14, .version = any32(), .spliced_s = any32(),
		.pool_id = any32(),
		.mss = random() & 4 ? any32() : 0,
		.flags = any32() & SP_HALF_F_SHARED & ~SP_HALF_F_REQUESTS,
	};
	s.down = (struct sp_half){
		.out = sp_tuple_reverse(&s.front), .seq_delta = to_client - backend,
		.ack_delta = client - to_backend,
		.tsval_delta = ts_to_client - ts_backend, .tsecr_delta = ts_client - ts_to_backend,
		.window_shift = random() % 29 - 14, .version = s.up.version,
		.spliced_s = s.up.spliced_s,
		.pool_id = s.up.pool_id, .flags = SP_HALF_F_FROM_BACKEND | s.up.flags,
	};
	return s;
}

/* The same, with a boundary. */
static inline struct sp_splice any_splice_of_requests(int is_v6)
{
	struct sp_splice s = any_splice(is_v6);

	s.up.flags |= SP_HALF_F_REQUESTS;
	s.down.flags |= SP_HALF_F_REQUESTS;
	s.version = any32();
	if (random() & 1)
		s.boundary = (struct sp_boundary){ .until = any32(), .laps = any32(),
						   .bound = SP_BOUND_STOP };
	if (s.boundary.bound && random() & 1)
		s.response = (struct sp_boundary){ .until = any32(), .laps = any32(),
						   .bound = SP_BOUND_HEAD,
						   .reading = any32() & SP_READING_STORED };
	if (random() & 1)
		s.change = (struct sp_change){ .from = any32(), .bytes = any32() | 1,
					       .becomes = any32() };
	if (random() & 1)
		s.named = (struct sp_endpoint){ any_tuple(random() & 1).saddr, any32() };
	s.handshake = (struct sp_handshake){
		.mss = any32(), .wscale_ours = random() % 16 - 1,
		.wscale_theirs = random() % 16 - 1,
		.flags = random() & (SP_HANDSHAKE_TS | SP_HANDSHAKE_SACK | SP_HANDSHAKE_ECN),
	};
	return s;
}

#endif

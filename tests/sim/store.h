/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * store.h - what the proxies share, as one place that decides everything in some order. Requests
 * and answers take time; a proxy may be cut off from it, and the answer to a request that was
 * carried out may be lost.
 */
#ifndef SP_SIM_STORE_H
#define SP_SIM_STORE_H

#include "store/engine.h"

struct sim_machine;

/* @lost: answers of thousand that are lost; @slow_ns: the most that a request takes */
struct sim_store {
	unsigned int	lost;
	__u64		slow_ns;
};
extern struct sim_store sim_store;

void sim_store_begin(void);	/* nothing is in it */
void sim_store_end(void);

/* The engine of a machine's daemon. @local: taken over */
struct sp_store *sim_store_open(struct sim_machine *m, const char *owner,
				const struct sp_config *config,
				struct sp_store *local);

/* What it has, for the laws. */
const struct sp_splice *sim_store_by_front(const struct sp_tuple *front);
const struct sp_splice *sim_store_by_back(const struct sp_tuple *back);
/* Bytes of the head of this handshake that are safe. */
__u32 sim_store_head_bytes(const struct sp_tuple *front, __u32 client_isn);

#endif

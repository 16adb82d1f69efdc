/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * store.h - the store of all proxies, in a single place that decides in arrival order. Requests and
 * answers take time. A proxy may be cut off from the store. The answer to an executed request may
 * be lost.
 */
#ifndef SP_SIM_STORE_H
#define SP_SIM_STORE_H

#include "store/engine.h"

struct sim_machine;

/* @lost: lost answers, of 1000; @slow_ns: the longest time of a request */
struct sim_store {
	unsigned int	lost;
	__u64		slow_ns;
};
extern struct sim_store sim_store;

void sim_store_begin(void);	/* empty */
void sim_store_end(void);

/* The engine of a machine's daemon. @local: taken over */
struct sp_store *sim_store_open(struct sim_machine *m, const char *owner,
				const struct sp_config *config,
				struct sp_store *local);

/* Contents, for the laws. */
const struct sp_splice *sim_store_by_front(const struct sp_tuple *front);
const struct sp_splice *sim_store_by_back(const struct sp_tuple *back);
/* Safe bytes of this handshake's head. */
__u32 sim_store_head_bytes(const struct sp_tuple *front, __u32 client_isn);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * front.h - what comes up from the datapath, and the splices that are there: of a proxy (front.c: connections before
 * their splice: hold the head, choose, open the back connection, commit, forward), or of an agent (src/agent/agent.c).
 */
#ifndef SP_NODE_FRONT_H
#define SP_NODE_FRONT_H

#include "node/backends.h"
#include "node/carrier.h"
#include "node/shortfall.h"

struct sp_front;

/*
 * All borrowed but the configuration, of which a reference is taken. The store's and the cluster's events come here
 * from now on. @cluster: NULL: no other proxy
 */
int sp_front_new(struct sp_datapath *dp, struct sp_wire *wire, struct sp_store *store, struct sp_cluster *cluster,
		 struct sp_config *config, struct sp_front **ret_front);
void sp_front_free(struct sp_front *front);

/*
 * Once, when the splices that are there were adopted: go on with the heads that a daemon before us acknowledged, and
 * look for splices of ours in the store.
 */
void sp_front_recover(struct sp_front *front);

/* From now on new connections follow @config. */
int sp_front_configure(struct sp_front *front, struct sp_config *config);

#define SP_FRONT_TICK_MS 20
void sp_front_event(struct sp_front *front, const struct sp_event *ev);
void sp_front_tick(struct sp_front *front);

struct sp_carrier *sp_front_carrier(struct sp_front *front);
const struct sp_backends *sp_front_backends(const struct sp_front *front);
/* Services that get less than their mode asks for; NULL: of an agent. */
const struct sp_shortfalls *sp_front_shortfalls(const struct sp_front *front);
/* Whether the store's splices on our ports are known, or it could not be read for so long that we go on without. */
int sp_front_is_in_sync(const struct sp_front *front);
unsigned int sp_front_pending(const struct sp_front *front);

#endif

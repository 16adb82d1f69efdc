/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* exchange_plan.h - runs of many requests on a connection: kinds, features, and plans by chance. */
#ifndef SP_SIM_EXCHANGE_PLAN_H
#define SP_SIM_EXCHANGE_PLAN_H

#include "abi/ktypes.h"

/*
 * DIRECT	clients and backends alone
 * MIDDLE	middle.c between them, in the place of proxies
 * LONE		one proxy, a perfect wire, no fault
 * WIRE		one proxy; packets are lost, doubled, delayed
 * FAULTS	the same, and the daemon is killed or suspended
 * CLUSTER	two or three proxies, a perfect wire, no fault
 * SPRAY	the same, each packet by any proxy, also those of backends; SPRAY_FAULTS: all faults
 * ALL		all of these but DIRECT, MIDDLE and SPRAY, by chance
 */
#define SIM_KINDS(X) \
	X(DIRECT, direct) X(MIDDLE, middle) X(LONE, lone) X(WIRE, wire) X(FAULTS, faults) \
	X(CLUSTER, cluster) X(SPRAY, spray) X(SPRAY_FAULTS, spray_faults) \
	X(SPRAY_KILLS, spray_kills) X(ALL, all)

enum sim_kind {
	SIM_KIND_NONE,
#define X(up, low) SIM_KIND_##up,
	SIM_KINDS(X)
#undef X
};

#define SIM_FEATURES(X) \
	X(MOVES, moves) X(BODIES, bodies) X(CHUNKS, chunks) X(PIECES, pieces) X(DEPTH, depth) \
	X(BODILESS, bodiless) X(INTERIM, interim) X(PAUSES, pauses) X(CLOSE, close) \
	X(UNTIL_END, until_end) X(IDLE, idle) X(HALF_CLOSE, half_close) X(FAIL, fail) \
	X(UNROUTED, unrouted) X(EARLY, early) X(EXPECT, expect) X(ABORT, abort) X(LARGE, large) \
	X(THINK, think) X(TUNNEL, tunnel) X(OLD, old)

enum {
#define X(up, low) SIM_FEATURE_##up,
	SIM_FEATURES(X)
#undef X
	SIM_FEATURE_COUNT
};

/* @features: bits; default all; @wrong: enum sim_wrong of the middle */
struct sim_exchange_options {
	enum sim_kind	kind;
	__u32		features;
	unsigned int	wrong;
};
extern struct sim_exchange_options sim_exchange_options;

/* Return: 0; -EINVAL: no such kind, no such feature. "-idle" in @list: all but idle */
int sim_exchange_read_kind(const char *name);
int sim_exchange_read_features(const char *list);

/* Wire and store; and the number of machines. */
unsigned int sim_exchange_plan_ways(void);
/* Clients and faults. Return: when the last client has started. */
__u64 sim_exchange_plan_visits(__u64 from_ns);
/* Whether neither wire nor machine has a fault in this run. */
int sim_exchange_is_clean(void);

#endif

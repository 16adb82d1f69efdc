/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cluster.h - proxies, store servers and backends in the words of docs/ARCHITECTURE.md. Read by
 * src/plan/, its tests.
 *
 * Each kind is a group (group.h) with a repairman of its own; groups fail independently. A
 * proxy's failure is covered if the routers notice it within `detect`, else they go on sending it
 * its share until `reboot`. Of store servers and backends each failure is covered: a majority
 * answers without the dead one, and another backend is tried at once.
 */
#ifndef SP_PLAN_CLUSTER_H
#define SP_PLAN_CLUSTER_H

#include "group.h"

#define SP_PLAN_VRRP_HOSTS 2 /* what is put beside it */
#define SP_PLAN_STORES_MAX 16 /* of spliced.yaml(5), as are the copies */
#define SP_PLAN_COPIES_MAX 5

/*
 * `store_loss` of spliced.yaml(5): what becomes of new connections while most copies of their
 * splice can't be kept
 */
enum sp_store_loss { SP_STORE_LOSS_CONTINUE, SP_STORE_LOSS_REFUSE };

enum sp_plan_machine { SP_MACHINE_PROXY, SP_MACHINE_STORE, SP_MACHINE_BACKEND, SP_MACHINE_COUNT };

/**
 * struct sp_plan_cluster - what there is, and how it fails; times are hours, INFINITY is never
 * @proxies:		hosts that carry connections
 * @proxies_needed:	that carry the peak; 0: all but one
 * @stores:		store servers; 0: engine local
 * @copies:		of each splice, on as many of them; 0: 3, or all if there are fewer
 * @store_loss:		enum sp_store_loss
 * @backends:		0: not looked at
 * @backends_needed:	as for proxies
 * @connections:	open at once
 * @host_mtbf:		of any host, if not said otherwise: mean time between its failures
 * @store_mtbf:		0: @host_mtbf
 * @backend_mtbf:	0: @host_mtbf
 * @detect:		until routers leave out a dead proxy, when they notice
 * @coverage:		probability that they do
 * @reboot:		until they do after all
 * @repair:		of a host, by the one who repairs
 * @call_out:		until that one comes
 * @repairman_mtbf:	until the repair itself gets stuck
 * @repairman_repair:	until it goes on
 * @patience:		so long a client waits for its connection
 * @silence:		mean time between packets of a connection, after which a proxy knows it
 * @vrrp_detect:	until the backup of a VRRP pair takes over
 * @in_time:		a measured fault whose clients stalled no longer was detected in time
 * @target:		availability wanted of the service; 0: no search
 * @target_capacity:	and of full capacity; 0: any
 * @lost_at_most:	connections lost a year, in a search
 * @price:		of each machine, by enum sp_plan_machine
 * @measured:		faults that detect, coverage and reboot are of; 0: they are as said
 * @measured_in_time:	of them
 */
struct sp_plan_cluster {
	unsigned int	proxies, proxies_needed;
	unsigned int	stores, copies, store_loss;
	unsigned int	backends, backends_needed;
	unsigned int	connections;
	double		host_mtbf, store_mtbf, backend_mtbf;
	double		detect, coverage, reboot;
	double		repair, call_out, repairman_mtbf, repairman_repair;
	double		patience, silence;
	double		vrrp_detect;
	double		in_time;
	double		target, target_capacity, lost_at_most;
	double		price[SP_MACHINE_COUNT];
	unsigned int	measured, measured_in_time;
};

/**
 * struct sp_plan_worth - what it is worth in the long run
 * @service_lost:	share of clients' attempts that is not served
 * @not_for_all:	share of time in which some clients are not served
 * @capacity_lost:	share of time with fewer than are needed of some kind, or not for all
 * @lost:		of @service_lost, by enum sp_plan_machine
 * @lost_records:	connections a year whose splice nobody knows any more: see sp_lost_records()
 * @lost_waiting:	connections a year whose clients had to wait longer than their patience
 * @lost_backends:	connections a year that end with their backend; with any balancer
 * @deaths:		proxies that die in a year
 */
struct sp_plan_worth {
	double	service_lost, not_for_all, capacity_lost;
	double	lost[SP_MACHINE_COUNT];
	double	lost_records, lost_waiting, lost_backends;
	double	deaths;
};

void sp_plan_cluster_init(struct sp_plan_cluster *cluster);

/* Fills in what depends on something else. Return: 0; -EINVAL with what is wrong, by name. */
int sp_plan_cluster_check(struct sp_plan_cluster *cluster, char error[SP_PLAN_ERROR_MAX]);

/* @cluster: checked. Return: 0; -ENOMEM; -EDOM. */
int sp_plan_cluster_worth(const struct sp_plan_cluster *cluster, struct sp_plan_worth *ret_worth);

/*
 * HAProxy as a VRRP pair of the same hosts: each death of the active one ends all its connections.
 */
int sp_plan_vrrp_worth(const struct sp_plan_cluster *cluster, struct sp_plan_worth *ret_worth);

/*
 * Share of all connections most of whose copies belong on @failed store servers: they can't be
 * committed.
 */
double sp_no_majority(const struct sp_plan_cluster *cluster, unsigned int failed);

/* Share of all splices all of whose copies are on @failed store servers; 1 without any server. */
double sp_no_copy(const struct sp_plan_cluster *cluster, unsigned int failed);

/**
 * sp_lost_records() - share of all connections whose splice nobody knows any more, per hour
 * @cluster:	checked
 * @proxies:	solved
 * @stores:	solved; not used without store servers
 *
 * One proxy at a time is taken to know a splice, the one that carries it; after its death the
 * next packet, or its repetition, brings the splice to another one. So it is lost when
 * - its proxy dies while all servers with its copies are down, or most of them with `store_loss:
 * continue`, which keeps
 *   nothing new then: all connections are taken to be younger than that; or
 * - the last of these servers dies after the proxy has, and before the next packet.
 */
double sp_lost_records(const struct sp_plan_cluster *cluster, const struct sp_group *proxies,
		       const struct sp_group *stores);

/* Of the two: 1 minus the product of what is not lost, without that subtraction. */
static inline double sp_either(double a, double b)
{
	return a + b - a * b;
}

#endif

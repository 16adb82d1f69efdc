/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* backends.h - what runs behind each backend of the configuration: whose turn it is, what failed. No I/O, no clock. */
#ifndef SP_NODE_BACKENDS_H
#define SP_NODE_BACKENDS_H

#include "config/config.h"

/*
 * Theory of operation
 *
 *	UP -> DOWN	`failures` connections in a row were refused or not answered (0: never)
 *	DOWN -> DOWN	`retry` is over: one connection is sent there as a trial, the next one after another `retry`
 *	DOWN -> UP	a connection was answered
 *
 * New connections go to the pool's backends in turn, by weight, smoothly: 2:1 is a a b, not by blocks of hundreds.
 * Left out are those of weight 0 (draining) and of the other family; those that this connection has tried, unless it
 * has tried all; and those that are down, unless all are (then a backend that may be dead is better than none).
 *
 * A backend is the same one after a reload when its pool's name and its address are: its state stays. A connection
 * that began before a reload goes on with the pool that it began with, so calls take a pool and an index in it, of any
 * configuration that is still in memory. What such a connection says of a backend that is gone is ignored.
 */
enum sp_backend_failure { SP_BACKEND_REFUSED, SP_BACKEND_SILENT };

/**
 * struct sp_backend - what is known of a backend, beside its configuration
 * @failures:	connections in a row that failed
 * @connections, @refused, @silent: of all connections tried since the start, how they ended
 * @retry_at_ns: when a backend that is down may be tried again
 * @current:	for the turns (weights that were skipped, less what was given)
 * @mss:	in its last SYN-ACK; 0: none was seen
 * @lacks:	SP_SERVICE_F_*: asked for, and not had
 */
struct sp_backend {
	__u32			pool_id;
	struct sp_endpoint	at;
	int			is_down;
	int			current;
	__u32			failures;
	__u64			connections;
	__u64			refused;
	__u64			silent;
	__u64			retry_at_ns;
	__u16			mss;
	__u8			lacks;
};

struct sp_backends;

/* @config: as below. Return: 0; -ENOMEM. */
int sp_backends_new(const struct sp_config *config, struct sp_backends **ret_backends);
void sp_backends_free(struct sp_backends *backends);

/**
 * sp_backends_configure() - when a reload has been accepted
 * @config:	borrowed until the next call has returned
 * Return: 0; -ENOMEM, and nothing has changed.
 */
int sp_backends_configure(struct sp_backends *backends, const struct sp_config *config);

/**
 * sp_backends_choose() - whose turn it is
 * @is_v4:	family of the connection
 * @tried:	what this connection has tried before, 0 at its first call; the one chosen is added
 * Return: index in @pool; -ENOENT when no backend of that family has a weight.
 */
int sp_backends_choose(struct sp_backends *backends, const struct sp_pool_conf *pool, int is_v4, __u64 *tried,
		       __u64 now_ns);

/* How a connection to a chosen backend ended. Changes between up and down are logged. */
void sp_backends_failed(struct sp_backends *backends, const struct sp_pool_conf *pool, int idx,
			enum sp_backend_failure why, __u64 now_ns);
void sp_backends_connected(struct sp_backends *backends, const struct sp_pool_conf *pool, int idx);

/**
 * sp_backends_learn() - what a SYN-ACK tells of its backend's TCP, until a reload
 * @asked, @had: SP_SERVICE_F_* of the SYN and of the answer
 * Return: whether something is new
 */
int sp_backends_learn(struct sp_backends *backends, const struct sp_pool_conf *pool, int idx, __u16 mss, __u8 asked,
		      __u8 had);

/* For showing. NULL: the pool's backend is not in the configuration any more. */
const struct sp_backend *sp_backends_at(const struct sp_backends *backends, const struct sp_pool_conf *pool, int idx);

#endif

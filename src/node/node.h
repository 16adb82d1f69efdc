/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * node.h - the common part of a proxy and an agent: the datapath with its splices; store and
 * cluster, which share splices; the ager, which ends splices. First member of struct sp_proxy and
 * struct sp_agent.
 *
 * Context: event loop. Lost messages are counted, not returned as errors.
 */
#ifndef SP_NODE_NODE_H
#define SP_NODE_NODE_H

#include "base/histogram.h"
#include "node/age.h"
#include "cluster/cluster.h"
#include "config/config.h"
#include "datapath/datapath.h"
#include "node/traffic.h"
#include "splice/ports.h"
#include "store/store.h"
#include "tcp/stray.h"
#include "tcp/wire.h"

#define SP_NODE_COUNTERS(X) \
	X(spliced) X(spliced_whole) X(spliced_split) X(spliced_adopt) X(fell_back_no_agent) \
	X(fell_back_agent_lacks_split) X(fell_back_agent_lacks_adopt) \
	X(fell_back_no_listener) X(fell_back_filtered) X(fell_back_clock_off) \
	X(fell_back_source_client) X(fell_back_not_in_sync) X(fell_back_store_away) \
	X(fell_back_small_mss) X(fell_back_requests) X(fell_back_head_acked) X(unprotected) \
	X(answered_400) X(answered_404) X(answered_408) X(answered_431) X(answered_503) \
	X(reset_unknown) X(client_reset) X(syn_challenged) X(rst_challenged) \
	X(challenge_throttled) X(stray_kept) X(relayed) X(fetched) X(adopted) X(sent_home) \
	X(told_again) X(probes_answered) X(heads_late) X(expired) X(cookie_expired) \
	X(backend_refused) X(backend_silent) X(queued) X(queue_full) X(queue_timed_out) \
	X(ports_reclaimed) X(gave_way) X(share_full) X(ports_exhausted) X(ports_found) \
	X(ports_unmarked) X(ports_returned) X(ports_stale) X(ports_avoided) X(pending_full) \
	X(held_full) X(event_old) X(stopped) X(segment_bad) X(segment_foreign) \
	X(segment_gap) X(commit_failed) X(head_stashed) X(path_ambiguous) X(stash_failed) \
	X(stash_unprotected) X(heads_resumed) X(heads_owed) X(heads_outdated) \
	X(owed_repeated) X(owed_probed) X(owed_lost) X(owed_unseen) X(introduced_again) \
	X(answered_414) X(closed_empty) X(head_gave_way) X(reply_gave_way) X(quote_asked) \
	X(agent_asked) X(agent_no_half) X(agent_whole) X(agent_unanswered) X(agent_passed) \
	X(agent_untaken) X(adopted_in_vain) X(requests) X(requests_stayed) X(requests_moved) \
	X(requests_continued) X(requests_unkept) X(not_continued_method) \
	X(not_continued_body_not_kept) X(not_continued_not_kept) X(not_continued_delivered) \
	X(not_continued_no_validator) X(not_continued_differs) X(not_continued_far) \
	X(not_continued_tries) X(not_continued_ahead) X(requests_taken_back) \
	X(requests_refused) X(requests_ahead) X(requests_stale) \
	X(guesses_wrong) X(tunnels) X(legs_left) X(legs_parked) X(legs_unparked) \
	X(heads_again) X(changes_refused) X(origins_refused) X(sent_to_reader) \
	X(responses_unknown) X(responses_excess) X(responses_spoiled) X(reset_down) \
	X(keepalive_probes) X(keepalive_clients_lost) X(keepalive_backends_lost) \
	X(access_log_lines) X(access_log_dropped)

struct sp_node_counters {
#define X(name) __u64 name;
	SP_NODE_COUNTERS(X)
#undef X
};

/* X(name, duration of what) */
#define SP_NODE_DURATIONS(X) \
	X(connect, "from the first SYN to a backend until its SYN-ACK") \
	X(commit, "from a commit to the store until its answer") \
	X(stall, "that a segment of a connection new here waited for the splice, to some ms")

struct sp_node_durations {
#define X(name, what) struct sp_histogram name;
	SP_NODE_DURATIONS(X)
#undef X
};

struct sp_access_sink;
struct sp_names;
struct sp_orders;
struct sp_role;

/* All borrowed; @cluster is NULL without other members. */
struct sp_node_parts {
	struct sp_datapath	*dp;
	struct sp_wire		*wire;
	struct sp_store		*store;
	struct sp_cluster	*cluster;
};

/**
 * struct sp_node - owns @ports, @strays and a reference to @config
 * @ports:	an agent's has no address: the ager releases ports of splices
 * @strays:	segments that wait until their connection is known
 * @config:	in effect
 * @names:	borrowed; NULL: an agent's
 * @access:	lines of access logs; NULL: an agent's
 */
struct sp_node {
	const struct sp_role	*role;
	struct sp_datapath	*dp;
	struct sp_wire		*wire;
	struct sp_store		*store;
	struct sp_cluster	*cluster;
	struct sp_ports		*ports;
	struct sp_strays	*strays;
	struct sp_ager		ager;
	struct sp_config	*config;
	struct sp_names		*names;
	struct sp_orders	*orders;
	struct sp_access_sink	*access;
	struct sp_node_counters	counters;
	struct sp_node_durations durations;
	struct sp_traffic	traffic;
};

/* @parts are borrowed; @n is zeroed. Return: 0 or -ENOMEM; call sp_node_fini() in either case. */
int sp_node_init(struct sp_node *n, const struct sp_role *role, const struct sp_node_parts *parts);
void sp_node_fini(struct sp_node *n);

/* Use @config from now on; takes a reference. */
void sp_node_configure(struct sp_node *n, struct sp_config *config);

/*
 * Start the ager, and get the events of store and cluster. Once, after @ports and @config are set.
 */
void sp_node_subscribe(struct sp_node *n, const struct sp_store_events *of_store,
		       const struct sp_cluster_events *of_cluster);

/* Store and cluster use @keys from now on; records in the store are sealed again. */
void sp_node_rekey(struct sp_node *n, const struct sp_keys *keys);

/* Other proxies may have or make splices unknown here. Without a store, a cluster has one proxy. */
static inline int sp_node_is_shared(const struct sp_node *n)
{
	return sp_store_is_shared(n->store);
}

/* One turn of the ager. Return: ms until the next. */
unsigned int sp_node_age(struct sp_node *n);

/* Handlers of store and cluster events, for both roles; @node is their context. */
/* Without time-outs of services, as the store has been opened. */
__u64 sp_node_ttl(void *node, const struct sp_splice *splice);
void sp_node_emptied(void *node);
void sp_node_kept(void *node, const struct sp_tuple *front, __u32 client_isn, __u32 version);
void sp_node_outdated(void *node, const struct sp_tuple *front, __u32 client_isn, __u32 version);
void sp_node_member(void *node, const void *record, size_t len);
void sp_node_ends(void *node, const struct sp_tuple *front, __u32 client_isn, __u8 state);
__u32 sp_node_splices(void *node, __u32 *ret_live, __u32 *ret_survivable);

#endif

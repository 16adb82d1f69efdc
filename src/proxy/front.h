/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * front.h - what comes up from the datapath, and the splices that are there: of a proxy (front.c: connections before
 * their splice: hold the head, choose, open the back connection, commit, forward), or of an agent (src/agent/agent.c).
 */
#ifndef SP_PROXY_FRONT_H
#define SP_PROXY_FRONT_H

#include "backends.h"
#include "cluster.h"
#include "config.h"
#include "datapath.h"
#include "ports.h"
#include "shortfall.h"
#include "wire.h"
#include "store.h"

#define SP_FRONT_COUNTERS(X) \
	X(spliced) X(spliced_whole) X(spliced_split) X(spliced_adopt) \
	X(fell_back_no_agent) X(fell_back_agent_lacks_split) X(fell_back_agent_lacks_adopt) \
	X(fell_back_no_listener) X(fell_back_source_client) X(fell_back_not_in_sync) X(fell_back_store_away) \
	X(fell_back_small_mss) X(fell_back_head_acked) \
	X(unprotected) X(answered_400) X(answered_404) X(answered_408) X(answered_431) X(answered_503) \
	X(reset_unknown) X(syn_challenged) X(stray_kept) X(relayed) X(fetched) X(adopted) X(sent_home) X(told_again) \
	X(cookie_expired) X(backend_refused) X(backend_silent) X(ports_reclaimed) X(ports_exhausted) X(ports_found) \
	X(ports_unmarked) X(ports_returned) X(ports_stale) X(ports_avoided) X(pending_full) X(held_full) \
	X(event_old) X(stopped) X(segment_bad) X(segment_foreign) X(segment_gap) X(commit_failed) X(head_stashed) \
	X(stash_failed) X(stash_unprotected) X(heads_resumed) X(heads_owed) X(heads_outdated) \
	X(owed_repeated) X(owed_lost) X(owed_unseen) X(introduced_again) \
	X(agent_asked) X(agent_no_half) X(agent_whole) X(agent_unanswered) X(agent_passed)

struct sp_front_counters {
#define X(name) __u64 name;
	SP_FRONT_COUNTERS(X)
#undef X
};

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

/* From now on store and cluster use @keys, and what is there already is sealed anew. */
void sp_front_rekey(struct sp_front *front, const struct sp_keys *keys);

#define SP_FRONT_TICK_MS 20
void sp_front_event(struct sp_front *front, const struct sp_event *ev);
void sp_front_tick(struct sp_front *front);

/* A turn of ageing. Return: ms until the next. */
unsigned int sp_front_age(struct sp_front *front);

/* Splices that would go on without this machine. */
unsigned int sp_front_survivable(const struct sp_front *front);
const struct sp_backends *sp_front_backends(const struct sp_front *front);
/* Services that get less than their mode asks for; NULL: of an agent. */
const struct sp_shortfalls *sp_front_shortfalls(const struct sp_front *front);
struct sp_ports *sp_front_ports(struct sp_front *front);
struct sp_cluster *sp_front_cluster(const struct sp_front *front);
const struct sp_front_counters *sp_front_counters(const struct sp_front *front);
/* Whether the store's splices on our ports are known, or it could not be read for so long that we go on without. */
int sp_front_is_in_sync(const struct sp_front *front);
unsigned int sp_front_pending(const struct sp_front *front);

#endif

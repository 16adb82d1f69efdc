/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* internal.h - struct sp_datapath. For src/datapath/ only. */
#ifndef SP_DATAPATH_INTERNAL_H
#define SP_DATAPATH_INTERNAL_H

#include "datapath/attach.h"
#include "datapath/datapath.h"
#include "datapath/policy.h"
#include "datapath/programs.h"
#include "abi/decision.h"
#include "abi/response.h"
#include "proxy.skel.h"
#include "datapath/state.h"

/* @all: flags of @offer, as configured; @follows_mtu: the MSS is not configured */
struct sp_offered {
	struct sp_listen	at;
	struct sp_service	offer;
	__u8			all;
	__u8			follows_mtu;
};

/* A decision written lately. */
#define SP_NOTED_SLOTS	1024
struct sp_noted {
	struct sp_digest	digest;
	struct sp_decision	decision;
	__u64			at_ns;
};

/*
 * @offered: contents of map sp_services, in the order of its keys, read without a system call
 */
struct sp_datapath {
	struct proxy_bpf	*skel;
	struct sp_programs	programs;
	struct ring_buffer	*ring;
	struct sp_control	*control;
	sp_event_fn		fn;
	void			*ctx;
	int			events_left;
	struct ring_buffer	*accesses;
	sp_access_fn		access_fn;
	void			*access_ctx;
	int			accesses_left;
	struct sp_state		state;
	struct sp_keys		keys;
	struct sp_count		count;
	int			can_adopt;
	int			has_names;		/* sp_named is not empty, or was not */
	struct sp_hooks		hooks;
	struct sp_leavings	leavings;
	struct sp_policy_watch	*policies;
	__u64			forbidden_pkts;
	struct sp_offered		offered[SP_SERVICES_MAX];
	size_t			offered_count;
	struct sp_decision_key	decision_key;
	int			has_decisions;
	struct sp_noted		noted[SP_NOTED_SLOTS];
	int			has_admitted;		/* sp_admitted has had entries */
	int			list;			/* as in struct sp_limit */
	__u32			checked;		/* cursor in sp_admitted */
	int			is_checking;
	__u64			next_walk_ns;		/* of sp_admitted */
	__u16			mtu;			/* followed by the offered MSS */
};

/* policies.c: once, before programs are attached. Return: 0 or -errno. */
int sp_datapath_policies_open(struct sp_datapath *dp);

/* maps.c: delete the keys of a small map, except those of the new configuration. Sorts @keep. */
void sp_datapath_delete_others(int fd, size_t key_size, void *keep, size_t keep_count);

/* limits.c: lists and counts of @config, before its services. Return: 0 or -errno. */
int sp_datapath_apply_limits(struct sp_datapath *dp, const struct sp_config *config);
/* Flags and limits of a service. */
void sp_datapath_limit(const struct sp_datapath *dp, const struct sp_service_conf *service,
		       struct sp_service *offer);

/* Of the configuration before. Return: 0 or -errno. */
int sp_datapath_forget_decisions(struct sp_datapath *dp);

#endif

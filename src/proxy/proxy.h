/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* proxy.h - for front.c and the parts of a connection's life in the daemon. */
#ifndef SP_PROXY_PROXY_H
#define SP_PROXY_PROXY_H

#include "base/clock.h"
#include "node/role.h"
#include "proxy/conn.h"
#include "node/route_mtu.h"
#include "proxy/reintroduce.h"
#include "proxy/reused.h"
#include "proxy/synack.h"
#include "proxy/takeover.h"

/* sync.c - @is_sweeping: a round of the store is complete; @next_ns: the next one begins */
struct sp_sync {
	__u8	is_in_sync;
	__u8	is_scanning;
	__u8	is_sweeping;
	__u64	start_ns;
	__u64	next_ns;
};

struct sp_proxy {
	struct sp_node			node;
	struct sp_backends		*backends;
	struct sp_conns			*conns;
	struct sp_strays		*sent_home;	/* lately */
	struct sp_synacks		*synacks;
	struct sp_reintroductions	*reintroductions;
	struct sp_takeover		*takeover;
	struct sp_reused		reused;
	__u64				died_ns;	/* another proxy was last missed */
	__u64				awake_ns;	/* when anything was done the last time */
	__u64				store_away_until_ns;	/* it did not answer a commit */
	__u64				held_bytes;	/* memory behind all buffers, in whole pages */
	struct sp_sync			sync;
	struct sp_route_mtus		route_mtus;
	struct sp_degraded		degraded;
	__u64				offer_warned_ns;	/* of what backends lack */
	__u32				parse_budget;	/* bytes that this tick may still look at again */
	const struct sp_addr		*wanting;	/* the client for whom a port is sought */
	__u32				reclaim_budget;	/* splices that it may still look at for their ports */
	__u32				quote_budget;	/* ICMP errors that it may still ask the store about */
};

extern const struct sp_role sp_proxy_role;

/* proxy.c */
void sp_proxy_del(struct sp_proxy *p, struct sp_conn *c);
/* The packets of @c->front go up to the daemon from now on. */
void sp_proxy_trap(struct sp_proxy *p, struct sp_conn *c);
/* A segment from the service to the client, without payload; acknowledges what is safe to. */
struct sp_segment sp_proxy_segment(const struct sp_conn *c, __u8 flags, __u32 ack_bytes);

/*
 * A segment goes on by a half of a splice with this client ISN. The datapath does not see it, so its FIN is noted here,
 * and its RST if the datapath would count it.
 */
void sp_proxy_relay(struct sp_proxy *p, const struct sp_half *half, __u32 client_isn, const struct sp_segment *seg,
		    __u16 mss);

/* Each time that something happens: were we stopped before? See there. */
void sp_proxy_awake(struct sp_proxy *p);

/* front_events.c - from now on what the store and the cluster say comes here */
void sp_dispatch_subscribe(struct sp_proxy *p);

/*
 * What may belong to another proxy's connection comes with a flag. @is_home: it is put together here, whatever it is.
 * @is_relayed: another proxy did not know, either.
 */

/* head.c - the first bytes of a connection. @cookie: the valid one of @seg; SP_COOKIE_INVALID: not read yet */
void sp_head_begin(struct sp_proxy *p, const struct sp_segment *seg, enum sp_cookie cookie, int is_home);
/* A segment of a connection that is in the table. */
void sp_head_more(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg);
void sp_head_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns);
/* Has another proxy made the splice of @c? Once for what has come since. */
void sp_head_ask_store(struct sp_proxy *p, struct sp_conn *c);
/* Bytes of memory behind the connection's buffer. */
__u32 sp_head_pages(const struct sp_conn *c);

/* The home of its connection is elsewhere now. */
void sp_head_hand_over(struct sp_proxy *p, struct sp_conn *c);

/* miss.c - what belongs to no connection of ours */
void sp_miss_event(struct sp_proxy *p, const struct sp_segment *seg, int is_home);
/* Before sp_miss_event(): a client's RST, which any proxy may be waiting for. */
void sp_miss_rst(struct sp_proxy *p, const struct sp_segment *seg);
/* The same of another proxy. */
void sp_miss_rst_told(struct sp_proxy *p, const struct sp_segment *seg);
/* Ask the store what becomes of it. @flags: SP_STRAY_F_* */
void sp_miss_stray(struct sp_proxy *p, const struct sp_segment *seg, __u8 flags);
/* From a backend, and not the answer to a SYN of ours. */
void sp_miss_back(struct sp_proxy *p, const struct sp_segment *seg, int is_relayed);
/* It is put together elsewhere. @kind: FRONT, MISS */
void sp_miss_tell_home(struct sp_proxy *p, enum sp_event_kind kind, const struct sp_segment *seg);
/* A proxy is dead: what it was told as a home of late is lost. */
void sp_miss_home_died(struct sp_proxy *p);
/* Each tick: ask again about what has just come. */
void sp_miss_tick(struct sp_proxy *p);
/* The half says "to the daemon", but not to us. */
void sp_miss_left_behind(struct sp_proxy *p, const struct sp_segment *seg);
/* The splice @e was made while @seg was on its way up here. */
void sp_miss_overtaken(struct sp_proxy *p, const struct sp_entry *e, const struct sp_segment *seg);
/* An ICMP error quotes a packet that @key would answer. */
void sp_miss_quoted(struct sp_proxy *p, const struct sp_tuple *key);
/* No head was found in the store, either. */
void sp_miss_headless(struct sp_proxy *p, const struct sp_tuple *key, int err);
void sp_miss_fetched(void *ctx, const struct sp_tuple *key, int err, const struct sp_splice *splice);

/* answer.c - answers of our own, and resets. A status of HTTP, or a FIN alone for a client that has asked nothing. */
#define SP_REPLY_NOTHING	0
void sp_reply(struct sp_proxy *p, struct sp_conn *c, int status);
/* The store has said whether somebody else has made the splice: @err 0 never comes here. */
void sp_reply_now(struct sp_proxy *p, struct sp_conn *c, int err);
/* The client has repeated itself, or sends more, or closes. */
void sp_reply_again(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg);
/* The same for an answer of a daemon before us. */
void sp_reply_end(struct sp_proxy *p, const struct sp_segment *seg);
/* A keepalive probe from before the client's first byte. */
void sp_reply_probe(struct sp_proxy *p, const struct sp_segment *seg);
void sp_reply_reset(struct sp_proxy *p, const struct sp_segment *seg);

/* Say it once, and forget the connection: another one needs its place. */
void sp_reply_last(struct sp_proxy *p, struct sp_conn *c, int status);

/*
 * room.c - make room where `held` or `pending` is full: another connection, whose head is incomplete, gives way.
 * Return: whether there is room. @bytes: to come, beside what @c holds
 */
int sp_room_for_bytes(struct sp_proxy *p, const struct sp_conn *c, __u32 bytes);
int sp_room_for_one(struct sp_proxy *p);

/* back.c - the connection to the backend, until it is established or all tries are used up */
void sp_back_start(struct sp_proxy *p, struct sp_conn *c, int pool_idx);
void sp_back_event(struct sp_proxy *p, const struct sp_segment *seg, int is_relayed);
/* @ev: SP_EVENT_QUOTE */
void sp_back_quoted(struct sp_proxy *p, const struct sp_event *ev);
void sp_back_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns);
/* Give up the connection to the backend and its port. */
void sp_back_release(struct sp_proxy *p, struct sp_conn *c);
/* The same, and the backend hears of it. */
void sp_back_reset(struct sp_proxy *p, struct sp_conn *c);
void sp_back_committed(struct sp_proxy *p, struct sp_conn *c, int err, const struct sp_splice *winner);
/* Another proxy was first: what is held here goes the way of its splice, which is in the datapath. */
void sp_back_join(struct sp_proxy *p, struct sp_conn *c, const struct sp_half *up);

/* stash.c - bytes that have to be acknowledged before the splice (law 1's exception) */
void sp_stash_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns);
/* More bytes have come: should the client be told now, so that it can send on? */
void sp_stash_grown(struct sp_proxy *p, struct sp_conn *c);
void sp_stash_done(struct sp_proxy *p, struct sp_conn *c, int err);
void sp_stash_drop(struct sp_proxy *p, struct sp_conn *c);
/*
 * No splice came of @c. Return: 0 when bytes of it were acknowledged: they go through the splice that another proxy
 * has made, or all begins again.
 */
int sp_stash_owe(struct sp_proxy *p, struct sp_conn *c);
/* The store has a head of a connection that is here. */
void sp_stash_merge(struct sp_proxy *p, struct sp_conn *c, const struct sp_stash_offer *offer, const char *bytes,
		    __u32 len);
/* The store was asked for one. */
void sp_stash_looked(struct sp_proxy *p, struct sp_conn *c);
/* Go on with a head that another proxy has left, or a daemon before us. Return: NULL: no room. */
struct sp_conn *sp_stash_resume(struct sp_proxy *p, const struct sp_tuple *front, const struct sp_stash_offer *offer,
				const char *bytes, __u32 len);
/* The store may have forgotten something: give it all again. */
void sp_stash_again(struct sp_conn *c);
void sp_stash_emptied(struct sp_proxy *p);

/* owe.c - the splice is there: forward what is held, and stay with it until the backend has what we acknowledged */
#define SP_WINDOW_UNKNOWN	65535	/* of the backend: another proxy has had its SYN-ACK */
void sp_owe_forward(struct sp_proxy *p, struct sp_conn *c);
/* The same, from the next tick on. */
void sp_owe_begin(struct sp_conn *c);
void sp_owe_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns);

/* sync.c - which of our ports the store has splices on */
void sp_sync_start(struct sp_proxy *p);
/* See sp_role.is_in_sync. */
int sp_sync_is_done(const struct sp_proxy *p);
void sp_sync_tick(struct sp_proxy *p, __u64 now_ns);
void sp_sync_found(void *ctx, const struct sp_splice *splice);
/* A packet of it has come: its port is in use, whatever was known before. */
void sp_sync_fetched(struct sp_proxy *p, const struct sp_splice *splice);
void sp_sync_scanned(void *ctx, int err);

#endif

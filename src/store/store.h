/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * store.h - what proxies share: splices, and heads that were acknowledged before their splice
 *
 * No call blocks. Arguments are borrowed until the call returns. An engine bounds the requests
 * under way: beyond the bound, a request fails with -EAGAIN at once. Tuples are in network order,
 * like the keys of the maps; all other numbers are in host order.
 */
#ifndef SP_STORE_STORE_H
#define SP_STORE_STORE_H

#include <stddef.h>

#include "splice/splice.h"

struct sp_config;
struct sp_datapath;
struct sp_keys;
struct sp_store;
struct uv_loop_s;

/**
 * struct sp_stash_offer - the result of a handshake: enough for any proxy to continue a head
 * @client:	both ISNs and the options of the front connection
 * @mss:	bytes; the client's offer, or the service's if smaller
 * @is_sack:	both sides have offered SACK
 * @is_ecn:	ECN was negotiated with the client
 * @begun_ms:	CLOCK_REALTIME of the head's first bytes, in ms
 * @is_next:	of a further request: the ISNs are the numbers before its first byte, and before
 *		the first byte of its response
 */
struct sp_stash_offer {
	struct sp_side	client;
	__u16		mss;
	__u8		is_sack;
	__u8		is_ecn;
	__u8		is_next;
	__u64		begun_ms;
};

/**
 * struct sp_store_events - answers of a store
 * @committed:	@err: 0; -EEXIST with @winner, the splice that another proxy committed first, or one
 *		of a later version. Its back connection may be that of the splice which was
 *		committed: then only the boundary differs, or the version;
 *		-EAGAIN: the store is out of reach, and no other proxy was seen at this connection;
 *		-ESTALE: a majority has no earlier version, though the splice @follows one: the
 *		connection is over. Nothing may be forwarded;
 *		-EBUSY: the store is out of reach and another proxy was seen, so nothing may be
 *		forwarded until the client retransmits. @winner is NULL unless @err is -EEXIST.
 *		After -EAGAIN and -EBUSY other proxies may still find the splice, and rely on it
 * @fetched:	@err: 0 with the splice that has a half under @key; -ENOENT: a majority has no such
 *		splice; -EAGAIN: unknown (law 4: the client gets no answer)
 * @stashed:	@err: 0: the bytes are safe; -E2BIG: no room; -EAGAIN: only this machine has the
 *		bytes; -ESTALE: servers refuse, as they have more, a newer head, or were restarted
 * @head:	@err: 0 with a head that has at least the acknowledged bytes; -ENOENT: no proxy has
 *		to deliver it; -EAGAIN: unknown. @offer and @bytes count with 0 only
 * @heads:	heads that @owner (NULL: this proxy) has to deliver, each once; @err: 0: the list is
 *		complete; -EAGAIN: there may be more
 * @found:	a splice with a port of this proxy; called once for each copy
 * @scanned:	the scan is over; @err: 0: complete; -EAGAIN: too few servers were read
 * @emptied:	a server has lost its data: all local splices should be refreshed
 * @kept:	a refresh of this version has reached a majority
 * @outdated:	a majority has another splice of this connection, or a later version, or a newer
 *		connection of this tuple: the local splice with this client ISN and version rewrites
 *		packets wrongly
 * @member:	a server has this record of a proxy, see sp_store_announce()
 * @ttl:	longest life of a splice's entry from the last refresh, in ns; NULL: ttl_ns for all
 * @ctx, @ref:	as given to sp_store_subscribe(), and to the call
 *
 * Each event comes from the event loop, or before the call returns that it answers. Pointers are
 * borrowed until the event returns. @emptied, @kept, @outdated and @member may be NULL.
 */
struct sp_store_events {
	void (*committed)(void *ctx, __u64 ref, int err, const struct sp_splice *winner);
	void (*fetched)(void *ctx, const struct sp_tuple *key, int err,
			const struct sp_splice *splice);
	void (*stashed)(void *ctx, __u64 ref, int err);
	void (*found)(void *ctx, const struct sp_splice *splice);
	void (*scanned)(void *ctx, int err);
	void (*head)(void *ctx, const struct sp_tuple *front, int err,
		     const struct sp_stash_offer *offer, const char *bytes, __u32 len);
	void (*heads)(void *ctx, const char *owner, int err, const struct sp_tuple *fronts,
		      unsigned int count);
	void (*emptied)(void *ctx);
	void (*kept)(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u32 version);
	void (*outdated)(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u32 version);
	void (*member)(void *ctx, const void *record, size_t len);
	__u64 (*ttl)(void *ctx, const struct sp_splice *splice);
};

/* Of a shared store. "again": the store was out of reach. */
#define SP_STORE_COUNTERS(X) \
	X(commits_ok) X(commits_adopted) X(commits_again) X(commits_contested) \
	X(commits_stale) X(commits_by_ballot) X(fetch_hits) X(fetch_misses) X(fetch_again) \
	X(refreshed) \
	X(put_back) X(refresh_conflicts) X(refresh_outdated) X(scans_ok) X(scans_again) \
	X(heads_read) X(heads_unknown) X(heads_again) X(late) X(table_full) X(not_sent) \
	X(refused_length) X(refused_magic) X(refused_version) X(refused_foreign) \
	X(refused_forged) X(refused_pointer)

struct sp_store_counters {
#define X(name) __u64 name;
	SP_STORE_COUNTERS(X)
#undef X
};

/**
 * struct sp_store_server - state of a server; texts are borrowed from the store
 * @state:	"up", "down", "connecting", "refusing" (of writes)
 * @in_flight:	commands without an answer
 * @latency_us:	moving average of a command's round trip
 * @writes:	system calls that @commands took
 * @errors:	answers that were errors
 * @nonsense:	how often its connection was closed for an answer that made no sense
 * @why:	the reason of "down" and "refusing"; else ""
 */
struct sp_store_server {
	const char	*name;
	const char	*state;
	unsigned int	in_flight;
	unsigned int	latency_us;
	__u64		reconnects;
	__u64		commands;
	__u64		writes;
	__u64		errors;
	__u64		nonsense;
	const char	*why;
};

/* @bytes: the @len first bytes of a head; all is borrowed */
typedef void (*sp_stash_fn)(void *ctx, const struct sp_tuple *front,
			    const struct sp_stash_offer *offer, const char *bytes, __u32 len);

#define SP_ANNOUNCED_MS	2000

/**
 * struct sp_store - first member of an engine's struct
 * @ttl_ns:	limits.idle at opening: see sp_store_ttl_ns()
 * @events, @ctx: see sp_store_subscribe()
 */
struct sp_store {
	const struct sp_store_engine	*engine;
	__u64				ttl_ns;
	const struct sp_store_events	*events;
	void				*ctx;
	struct sp_store_counters	counters;
};

/* A text constant: "local", "redis" */
const char *sp_store_engine_name(const struct sp_store *store);
/*
 * Do other proxies read and write this store, too? If not, splices and heads stay on this machine,
 * and refresh, forget, list_heads, disown_head, announce and rekey do nothing.
 */
int sp_store_is_shared(const struct sp_store *store);
/* Answers go to @events, borrowed for the store's life, with @ctx. Needed before any call. */
void sp_store_subscribe(struct sp_store *store, const struct sp_store_events *events, void *ctx);
/* Requests under way get no answer. @store is freed at once, or after another turn of the loop. */
void sp_store_close(struct sp_store *store);

/* Lifetime of an entry of a shared store from its last refresh. */
__u64 sp_store_ttl_ns(const struct sp_store *store, const struct sp_splice *splice);

/*
 * Claim the client's tuple for @splice and store both halves, before any byte of the request is
 * forwarded (law 3); then @committed. A splice under the same tuple with another client ISN belongs
 * to an older connection, and is replaced. So is one with an earlier version: the next version may
 * be committed by any proxy that has the splice. Proxies that commit the very same splice all win.
 * Keep up.spliced_s of the first version: it tells which connection of a tuple is the newer.
 */
void sp_store_commit(struct sp_store *store, const struct sp_splice *splice, __u64 ref);
/* Find the splice with a half under @key: client -> service, or backend -> proxy; then @fetched. */
void sp_store_fetch(struct sp_store *store, const struct sp_tuple *key);
/*
 * Extend the life of a splice whose packets still flow; servers that lack the splice get it again.
 * Then
 * @kept, @outdated or nothing. Return: 0; -EAGAIN: nothing was sent.
 */
int sp_store_refresh(struct sp_store *store, const struct sp_splice *splice);
/* The splice is over: so are its earlier versions. A later version stays. */
void sp_store_forget(struct sp_store *store, const struct sp_splice *splice);
/* Meanwhile a proxy that was away and has an earlier version learns that it is over. */
void sp_store_forget_later(struct sp_store *store, const struct sp_splice *splice, __u64 after_ns);
/*
 * Report all splices whose back connection has an address of config->snat_addrs: @found for each,
 * then
 * @scanned. Does nothing during a scan. @is_paced: spare the servers.
 */
void sp_store_scan(struct sp_store *store, int is_paced);

/*
 * Store bytes [@from, @to) of a head, whose bytes before @from are stored already; then @stashed.
 * This proxy becomes the head's owner. @bytes: the whole head, from byte 0. After a failure all
 * bytes have to be given again, with @from 0.
 */
void sp_store_stash(struct sp_store *store, const struct sp_tuple *front,
		    const struct sp_stash_offer *offer, const char *bytes, __u32 from, __u32 to,
		    __u64 ref);
/* Forget a head, unless another proxy has stored more than @len bytes. */
void sp_store_unstash(struct sp_store *store, const struct sp_tuple *front,
		      const struct sp_stash_offer *offer, __u32 len);
/* Call @fn for each head on this machine, before the return. */
void sp_store_each_local_head(struct sp_store *store, sp_stash_fn fn, void *ctx);
/* Read a head; then @head. */
void sp_store_read_head(struct sp_store *store, const struct sp_tuple *front);
/* List the heads that @owner (NULL: this proxy) has not stored again for @age_ms; then @heads. */
void sp_store_list_heads(struct sp_store *store, const char *owner, __u64 age_ms);
/* @owner (NULL: this proxy) does not have to deliver that head any more. */
void sp_store_disown_head(struct sp_store *store, const char *owner, const struct sp_tuple *front);

/*
 * Leave a record of @len bytes on all servers for SP_ANNOUNCED_MS, in place of the last one under
 * @name; then @member for each record there.
 */
void sp_store_announce(struct sp_store *store, const char *name, const void *record, size_t len);
/* Seal new entries with the first of @keys, and open entries with any. */
void sp_store_rekey(struct sp_store *store, const struct sp_keys *keys);
/* The server number @idx. Return: 0; -ENOENT: there are fewer. */
int sp_store_server(struct sp_store *store, unsigned int idx, struct sp_store_server *ret_server);

/*
 * The store of a single machine: the pinned maps. @dp is borrowed for the store's life. Return: 0
 * or -ENOMEM.
 */
int sp_store_local_open(struct sp_datapath *dp, struct sp_store **ret_store);

/**
 * sp_store_redis_open() - the store of several machines, on the servers of config->store
 * @config:	referenced until close; the servers don't follow a new configuration
 * @local:	this machine's store, which becomes part of the new store: heads in it survive the
 *		daemon. A failure closes it, too
 * Return: 0 or -errno, logged. No server need be reachable. After close() the loop must run once
 * more.
 */
int sp_store_redis_open(struct uv_loop_s *loop, struct sp_config *config, struct sp_store *local,
			struct sp_store **ret_store);

#endif

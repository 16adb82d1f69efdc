/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * store.h - what the proxies share, behind one interface: splices, and the heads that were
 * acknowledged before their splice.
 */
#ifndef SP_STORE_STORE_H
#define SP_STORE_STORE_H

#include "datapath/datapath.h"
#include "splice/splice.h"

/**
 * struct sp_stash_offer - what a handshake agreed upon: enough for any proxy to go on with a head
 * @client:	both numbers of the front connection
 * @mss:	offered by the client, or the service's when less
 * @is_sack:	offered by the client, and to it
 * @is_ecn:	agreed upon with the client
 * @begun_ms:	CLOCK_REALTIME when its first bytes came
 */
struct sp_stash_offer {
	struct sp_side	client;
	__u16		mss;
	__u8		is_sack;
	__u8		is_ecn;
	__u64		begun_ms;
};

/**
 * struct sp_store_events - how an engine answers; each is called from the event loop, or before the call that asked
 * returns
 * @committed:	@err: 0; -EEXIST with @winner, the splice of the proxy that was first; -EAGAIN when the store is out of
 *		reach, and no other proxy was seen at this connection; -EBUSY when one was: then nothing may be
 *		forwarded, the client will repeat itself. @winner is borrowed; NULL with all but -EEXIST
 * @fetched:	@err: 0 with the splice that has a half under @key (borrowed); -ENOENT: nobody knows it, and a
 *		majority said so; -EAGAIN: not known whether anybody does (law 4: then nothing is answered)
 * @stashed:	@err: 0, the bytes are safe; -E2BIG: no room; -EAGAIN: this box alone has them
 * @head:	@err: 0 with a head, at least as much of it as was acknowledged (borrowed); -ENOENT: it is nobody's to
 *		deliver; -EAGAIN: not known
 * @heads:	heads that are @owner's to deliver, each once; @err: 0: no others than these; -EAGAIN: there may be
 * @found:	the store has this splice, whose port is one of ours (borrowed); once for each of its copies
 * @scanned:	the scan is over. @err: 0: no splice of ours was overlooked; -EAGAIN: too few servers could be read
 * @emptied:	a server has lost what it had: whatever splices are here should be refreshed (may be NULL)
 * @kept:	a refresh has reached a majority (may be NULL)
 * @outdated:	it has not, since a majority keeps another splice of this connection, or a newer connection of this
 *		tuple: what is here with this client ISN carries packets wrongly (may be NULL)
 * @member:	a server has this record of a proxy, see @announce (borrowed; may be NULL)
 * @ref:	as given to the call
 */
struct sp_store_events {
	void (*committed)(void *ctx, __u64 ref, int err, const struct sp_splice *winner);
	void (*fetched)(void *ctx, const struct sp_tuple *key, int err, const struct sp_splice *splice);
	void (*stashed)(void *ctx, __u64 ref, int err);
	void (*found)(void *ctx, const struct sp_splice *splice);
	void (*scanned)(void *ctx, int err);
	void (*head)(void *ctx, const struct sp_tuple *front, int err, const struct sp_stash_offer *offer,
		     const char *bytes, __u32 len);
	void (*heads)(void *ctx, const char *owner, int err, const struct sp_tuple *fronts, unsigned int count);
	void (*emptied)(void *ctx);
	void (*kept)(void *ctx, const struct sp_tuple *front, __u32 client_isn);
	void (*outdated)(void *ctx, const struct sp_tuple *front, __u32 client_isn);
	void (*member)(void *ctx, const void *record, size_t len);
};

/* Of a shared store. "again": it was out of reach. */
#define SP_STORE_COUNTERS(X) \
	X(commits_ok) X(commits_adopted) X(commits_again) X(commits_contested) X(commits_by_ballot) \
	X(fetch_hits) X(fetch_misses) X(fetch_again) X(refreshed) X(put_back) X(refresh_conflicts) X(refresh_outdated) \
	X(scans_ok) X(scans_again) X(heads_read) X(heads_unknown) X(heads_again) X(late) X(table_full) X(not_sent) \
	X(refused_length) X(refused_magic) X(refused_version) X(refused_foreign) X(refused_forged) X(refused_pointer)

struct sp_store_counters {
#define X(name) __u64 name;
	SP_STORE_COUNTERS(X)
#undef X
};

/**
 * struct sp_store_server - a server of a shared store
 * @latency_us:	moving average of a command's round trip
 * @writes:	system calls that @commands took
 * @nonsense:	how often it was left, because what it said was no answer
 * @why:	it is down, or refuses writes; else ""
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

typedef void (*sp_stash_fn)(void *ctx, const struct sp_tuple *front, const struct sp_stash_offer *offer,
			    const char *bytes, __u32 len);

#define SP_ANNOUNCED_MS	2000

struct sp_store;

/**
 * struct sp_store_engine - an engine
 * @is_shared:	other proxies read and write this store, too. If not, splices and heads stay on this machine, and
 *		@refresh, @forget, @announce, @heads, @disown, @rekey and @server may be NULL
 * @commit:	claim the client's tuple for a splice and keep both halves, before any byte of the request goes on
 *		(law 3). A splice under the same tuple with another client ISN is an older connection's, and is
 *		replaced.
 * @fetch:	look for the splice that has a half under @key: client -> service, or backend -> proxy
 * @refresh:	packets have moved: the splice lives on (and is put back where it is missing). Return: 0; -EAGAIN: not
 *		now. NULL where nothing is shared, as @forget
 * @forget:	the splice is over
 * @scan:	hand over all splices whose back connection has one of config->snat_addrs: to @found, then @scanned.
 *		@is_paced: slowly. Nothing, while a scan is under way
 * @announce:	leave a record with all servers for SP_ANNOUNCED_MS, in place of the one before it under @name, and
 *		ask for those of the others. NULL: there are none
 * @stash:	keep bytes [@from, @to) of a head whose bytes before @from are kept already; @bytes is the whole head.
 *		When it fails, all is to be given again. This proxy is its owner from now on
 * @unstash:	forget a head, unless another proxy has given more of it than @len bytes
 * @stashes:	hand over all heads that are kept on this machine
 * @head:	look for a head
 * @heads:	look for the heads that @owner (NULL: this proxy) has not given again for @age_ms. NULL: of no other
 *		proxy's heads anything is known
 * @disown:	@owner has not to deliver that head any more
 * @rekey:	what is written from now on is sealed with the first key, and read with each. NULL: nothing is sealed
 * @server:	the @idx-th server. Return: 0; -ENOENT: no more. NULL: there are none
 * No call blocks. Arguments are borrowed until the call returns. An engine bounds what is under way: what is too much
 * is answered with -EAGAIN at once.
 */
struct sp_store_engine {
	const char *name;
	int is_shared;
	void (*commit)(struct sp_store *store, const struct sp_splice *splice, __u64 ref);
	void (*fetch)(struct sp_store *store, const struct sp_tuple *key);
	int (*refresh)(struct sp_store *store, const struct sp_splice *splice);
	void (*forget)(struct sp_store *store, const struct sp_splice *splice);
	void (*stash)(struct sp_store *store, const struct sp_tuple *front, const struct sp_stash_offer *offer,
		      const char *bytes, __u32 from, __u32 to, __u64 ref);
	void (*unstash)(struct sp_store *store, const struct sp_tuple *front, const struct sp_stash_offer *offer,
			__u32 len);
	void (*stashes)(struct sp_store *store, sp_stash_fn fn, void *ctx);
	void (*scan)(struct sp_store *store, int is_paced);
	void (*announce)(struct sp_store *store, const char *name, const void *record, size_t len);
	void (*head)(struct sp_store *store, const struct sp_tuple *front);
	void (*heads)(struct sp_store *store, const char *owner, __u64 age_ms);
	void (*disown)(struct sp_store *store, const char *owner, const struct sp_tuple *front);
	void (*rekey)(struct sp_store *store, const struct sp_keys *keys);
	int (*server)(struct sp_store *store, unsigned int idx, struct sp_store_server *ret_server);
	void (*close)(struct sp_store *store);
};

/**
 * struct sp_store - first member of an engine's own struct; whoever opened it sets @events and @ctx
 * @ttl_ns:	how long a shared store keeps what is not refreshed: limits.idle when it was opened
 */
struct sp_store {
	const struct sp_store_engine	*engine;
	__u64				ttl_ns;
	const struct sp_store_events	*events;
	void				*ctx;
	struct sp_store_counters	counters;
};

int sp_store_is_shared(const struct sp_store *store);
/* Sends the store's answers to @events, which is borrowed, with @ctx. */
void sp_store_subscribe(struct sp_store *store, const struct sp_store_events *events, void *ctx);

/* The calls of struct sp_store_engine. A call that the engine lacks does nothing, and sp_store_server() finds nothing. */
void sp_store_commit(struct sp_store *store, const struct sp_splice *splice, __u64 ref);
void sp_store_fetch(struct sp_store *store, const struct sp_tuple *key);
int sp_store_refresh(struct sp_store *store, const struct sp_splice *splice);
void sp_store_forget(struct sp_store *store, const struct sp_splice *splice);
void sp_store_scan(struct sp_store *store, int is_paced);
void sp_store_stash(struct sp_store *store, const struct sp_tuple *front, const struct sp_stash_offer *offer,
		    const char *bytes, __u32 from, __u32 to, __u64 ref);
void sp_store_unstash(struct sp_store *store, const struct sp_tuple *front, const struct sp_stash_offer *offer,
		      __u32 len);
void sp_store_each_local_head(struct sp_store *store, sp_stash_fn fn, void *ctx);
void sp_store_read_head(struct sp_store *store, const struct sp_tuple *front);
void sp_store_list_heads(struct sp_store *store, const char *owner, __u64 age_ms);
void sp_store_disown_head(struct sp_store *store, const char *owner, const struct sp_tuple *front);
void sp_store_announce(struct sp_store *store, const char *name, const void *record, size_t len);
void sp_store_rekey(struct sp_store *store, const struct sp_keys *keys);
int sp_store_server(struct sp_store *store, unsigned int idx, struct sp_store_server *ret_server);
void sp_store_close(struct sp_store *store);

/* One box: the pinned maps are the store. @dp is borrowed. */
int sp_store_local_open(struct sp_datapath *dp, struct sp_store **ret_store);

struct uv_loop_s;

/**
 * sp_store_redis_open() - several boxes: config->store says which servers hold what they share
 * @local:	the store of this box, taken over: heads survive the daemon in it, and splices are there already
 * @config:	a reference is taken; the servers don't follow a new configuration
 * Return: 0 or -errno, logged. No server need be there yet. After close() the loop must run once more.
 */
int sp_store_redis_open(struct uv_loop_s *loop, struct sp_config *config, struct sp_store *local,
			struct sp_store **ret_store);

#endif

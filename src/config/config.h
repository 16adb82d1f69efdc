/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * config.h - the contents of the file (spliced.yaml(5)). Immutable once loaded; running connections
 * point into the configuration.
 */
#ifndef SP_CONFIG_CONFIG_H
#define SP_CONFIG_CONFIG_H

#include <stdio.h>
#include <string.h>

#include "abi/service.h"
#include "balance/balance.h"
#include "base/endpoint.h"
#include "base/prefix.h"
#include "l7/proxy_header.h"
#include "l7/rewrite.h"
#include "l7/route.h"

#define SP_CONFIG_INTERFACES_MAX 64
#define SP_NAME_MAX	63	/* of a pool, a service, a backend, a proxy */
#define SP_WEIGHT_MAX	256	/* of a backend */
#define SP_SERVERS_MAX	16	/* of the store */
#define SP_COPIES_MAX	5	/* of a splice, on different servers */

enum sp_protocol { SP_PROTOCOL_HTTP, SP_PROTOCOL_TLS, SP_PROTOCOL_TCP };
enum sp_source { SP_SOURCE_SNAT, SP_SOURCE_CLIENT };
/* What is routed: each request by its own head, or the connection by its first. */
enum sp_route_unit { SP_ROUTE_REQUEST, SP_ROUTE_CONNECTION };

/*
 * Place of the half from the backend: at the proxies; on the backend's host; nowhere, since its
 * kernel took over.
 */
#define SP_MODES(X) X(WHOLE, whole) X(SPLIT, split) X(ADOPT, adopt)

/* AUTO: of a service: the best possible mode */
enum sp_mode {
#define X(up, low) SP_MODE_##up,
	SP_MODES(X)
#undef X
	SP_MODE_AUTO,
	SP_MODE_COUNT = SP_MODE_AUTO,
};

/*
 * A server. A pool serves IPv4 services with its IPv4 backends and IPv6 services with its IPv6
 * backends.
 */
struct sp_backend_conf {
	char			*name;		/* defaults to the text of its address */
	struct sp_endpoint	at;
	unsigned int		weight;		/* default 1; 0: no new connections */
	int			is_backup;	/* only while no other can be chosen */
	unsigned int		max_connections; /* of this proxy; default 0: any number */
	char			*origin;	/* NULL: written; else see sp_config_extend() */
};

#define SP_NAMES_MAX		1024	/* in all pools */
#define SP_HOST_MAX		253	/* characters, without a dot at the end */
#define SP_RESOLVERS_MAX	8

enum sp_name_type { SP_NAME_HOST, SP_NAME_SRV };

/**
 * struct sp_name_conf - an entry of a pool's backends whose addresses are looked up: see src/names
 * @text:	as printed: "HOST:PORT", or the name of an SRV record
 * @host:	in lower case
 * @port_be:	of a host; SRV records have their own
 * @name:	begins the names of its backends; NULL: these are the texts of their addresses
 * @weight, @is_backup: of a host's backends; SRV records have their own
 */
struct sp_name_conf {
	enum sp_name_type	type;
	char			*text;
	char			*host;
	__be16			port_be;
	char			*name;
	unsigned int		weight;
	int			is_backup;
	unsigned int		max_connections;
};

/**
 * struct sp_resolvers_conf - where names are looked up, and for how long answers hold
 * @addresses:	none: those of /etc/resolv.conf
 * @timeout_ns:	of the first try; it doubles after each round of all resolvers
 * @ttl_min_ns, @ttl_max_ns: bounds of the TTL of answers
 * @hold_ns:	life of backends after the last good answer, while look-ups fail; 0: for ever
 */
struct sp_resolvers_conf {
	size_t			address_count;
	struct sp_endpoint	*addresses;
	__u64			timeout_ns;	/* default 1s */
	unsigned int		attempts;	/* default 2 */
	__u64			ttl_min_ns;	/* default 1s */
	__u64			ttl_max_ns;	/* default 1h */
	__u64			hold_ns;	/* default 0 */
};

/* Connections of a backend that goes down by its checks or by an order live on, or are reset. */
enum sp_on_down { SP_DOWN_KEEP, SP_DOWN_RESET };

/* A request whose backend dies fails with its connection, or goes to another backend. */
enum sp_on_death { SP_DEATH_CLOSE, SP_DEATH_CONTINUE };

#define SP_KEEP_BYTES_MIN	1024
#define SP_KEEP_BYTES_MAX	(64 * 1024)	/* a request that is kept */

#define SP_CHECKS_MAX	65536	/* backends with a check, in all pools */

enum sp_check_type { SP_CHECK_NONE, SP_CHECK_TCP, SP_CHECK_HTTP, SP_CHECK_HTTPS };

/* Statuses of HTTP, both included. */
struct sp_status_range {
	unsigned int	first, last;
};

/**
 * struct sp_check_conf - how the backends of a pool are checked; as in HAProxy by default
 * @method, @path: of http and https; default GET and /
 * @host:	of the header; NULL: address and port
 * @sni:	server name of TLS, also for the certificate; NULL: @host, if that is a name
 * @ca_file:	NULL: the system's authorities
 * @body:	the response contains this; NULL: any
 * @port, @address: where to, if not the backend's own; 0 and a zero address
 */
struct sp_check_conf {
	enum sp_check_type	type;
	char			*method;
	char			*path;
	char			*host;
	char			*sni;
	int			is_verified;
	char			*ca_file;
	char			*body;
	size_t			expect_count;
	struct sp_status_range	*expects;	/* default 200-399 */
	__u64			interval_ns;	/* default 2s */
	__u64			timeout_ns;	/* default: the interval */
	unsigned int		rise;		/* default 2 */
	unsigned int		fall;		/* default 3 */
	unsigned int		port;
	struct sp_addr		address;
};

/* "tcp", "http" or "https"; "none" */
const char *sp_check_type_name(enum sp_check_type type);

struct sp_pool_conf {
	char			*name;
	__u32			id;		/* sp_name_id(name) */
	enum sp_source		source;
	enum sp_proxy_protocol	proxy_protocol;	/* spoken to backends; default none */
	enum sp_balance		balance;	/* default round_robin */
	enum sp_hash_by		hash_by;	/* with SP_BALANCE_HASH */
	char			*hash_name;	/* of the header or cookie; else NULL */
	/* until a backend that came up has its full share; default 0 */
	__u64			slow_start_ns;
	__u64			queue_ns;	/* wait for a backend with room, default 1s */
	/* in a row, and a backend is down; default 3; 0: never */
	unsigned int		failures;
	__u64			retry_ns;	/* time without connections then, default 5s */
	struct sp_check_conf	check;		/* default none */
	enum sp_on_down		on_down;	/* default keep */
	enum sp_on_death	on_death;	/* default close */
	/* with SP_DEATH_CONTINUE: of a request, head and body; default 64KiB */
	unsigned int		keep_bytes;
	size_t			backend_count;
	struct sp_backend_conf	*backends;
	size_t			name_count;
	struct sp_name_conf	*names;
	char			*backends_file;	/* of further backends; NULL: none */
};

/* Whether backends come and go without a reload. */
static inline int sp_pool_is_open(const struct sp_pool_conf *pool)
{
	return pool->name_count || pool->backends_file;
}

/*
 * Clients that a service refuses at the SYN and at the first segment. 0: no limit. The longest
 * range decides; without one, a client is refused if there is an @allow.
 */
struct sp_admission_conf {
	unsigned int		connections;	/* at one time */
	unsigned int		source_connections;
	unsigned int		source_rate;	/* new connections a second */
	unsigned int		source_burst;	/* at once; default @source_rate */
	unsigned int		v4_bits;	/* of a source, default 32 */
	unsigned int		v6_bits;	/* default 64 */
	size_t			allow_count;
	struct sp_prefix	*allow;
	size_t			deny_count;
	struct sp_prefix	*deny;
};

/*
 * Longest silences of a service's splices. 0: as in limits; @tunnel_ns: as @idle_ns. A tunnel is a
 * connection of tls or tcp, or of an accepted Upgrade or CONNECT that was read.
 */
struct sp_timeouts_conf {
	__u64			idle_ns;
	__u64			half_closed_ns;
	__u64			tunnel_ns;
};

/**
 * struct sp_keepalive_conf - probes for quiet ends of a service's splices
 * @client_ns, @backend_ns: period; 0: none
 * @count:	probes without an answer, after which an end is lost; default 3
 */
struct sp_keepalive_conf {
	__u64			client_ns;
	__u64			backend_ns;
	unsigned int		count;
};

enum sp_access_format { SP_ACCESS_COMBINED, SP_ACCESS_JSON };

#define SP_ACCESS_PATH_MAX 200

/**
 * struct sp_access_conf - the access log of a service
 * @format:	default combined
 * @to:		journal, syslog, stderr or a path; none: records without lines; NULL: no log
 */
struct sp_access_conf {
	enum sp_access_format	format;
	char			*to;
};

int sp_access_has_lines(const struct sp_access_conf *access);

struct sp_service_conf {
	char			*name;
	enum sp_protocol	protocol;
	enum sp_mode		mode;		/* default auto */
	/* of http; default request. TLS and TCP: connection */
	enum sp_route_unit	route_unit;
	size_t			listen_count;
	struct sp_endpoint	*listens;
	struct sp_service	offer;		/* mss 0: from the MTU of the interfaces */
	enum sp_ambiguous_paths	ambiguous_paths; /* default reject */
	struct sp_rewrite	rewrite;	/* of http; default nothing */
	size_t			accept_proxy_count;
	/* clients that begin with a header of the PROXY protocol; not of tcp */
	struct sp_prefix	*accept_proxy;
	struct sp_admission_conf admission;
	struct sp_timeouts_conf	timeouts;
	struct sp_keepalive_conf keepalive;
	struct sp_access_conf	access;
	size_t			route_count;
	struct sp_route		*routes;
	int			default_pool_idx; /* -1: no default, no route means 404 */
	int			has_hashed_pool; /* sp_pool_hashes_requests() of a pool */
	int			has_continued_pool; /* SP_DEATH_CONTINUE of a pool */
};

/* Whether connections are counted; whether sources are looked up in lists. */
int sp_admission_is_limited(const struct sp_admission_conf *a);
int sp_admission_is_listed(const struct sp_admission_conf *a);

/* Where a service listens, for sp_config_service_at(). */
struct sp_listen_conf {
	struct sp_endpoint		at;
	const struct sp_service_conf	*service;
};

struct sp_limits_conf {
	unsigned int	splices;		/* default 1000000 */
	unsigned int	pending;		/* connections before their splice, default 16384 */
	unsigned int	sources;		/* of limited services, default 65536 */
	unsigned int	head_bytes;		/* default 64KiB, the most */
	/* of all pending connections together, default 128MiB */
	unsigned int	held_bytes;
	__u64		head_ns;		/* to send a head in, default 10s: 408 */
	__u64		connect_ns;		/* of one try of a backend, default 1s */
	unsigned int	tries;			/* backends asked before 503, default 3 */
	__u64		idle_ns;		/* without packets, default 130m */
	/* the same while half-closed or unacknowledged, default 5m */
	__u64		transitory_ns;
	__u64		closed_ns;		/* how long a closed splice stays, default 30s */
};

enum sp_store_kind { SP_STORE_LOCAL, SP_STORE_REDIS };
enum sp_commit_policy { SP_COMMIT_MAJORITY, SP_COMMIT_ONE };
enum sp_loss_policy { SP_LOSS_CONTINUE, SP_LOSS_REFUSE };

/* A server of the store: at an endpoint, or at a Unix socket. */
struct sp_store_server_conf {
	char			*text;		/* as printed */
	char			*path;		/* NULL: @at */
	struct sp_endpoint	at;
};

/* All members but @kind are only for SP_STORE_REDIS. */
struct sp_store_conf {
	enum sp_store_kind		kind;		/* default local */
	size_t				server_count;
	struct sp_store_server_conf	*servers;
	char				*password_file;	/* NULL: none */
	/* of each splice, default 3, or the number of servers if lower */
	unsigned int			copies;
	enum sp_commit_policy		commit;		/* default majority */
	enum sp_loss_policy		loss;		/* default continue */
	__u64				timeout_ns;	/* default 300ms */
};

#define SP_PEERS_MAX	96

/* A member named by the configuration, in a cluster without a store. */
struct sp_peer_conf {
	char			*name;
	struct sp_endpoint	at;		/* its relay */
};

/* This proxy as a member of the cluster. */
struct sp_cluster_conf {
	char			*name;		/* NULL: the name of the host */
	/* to which other proxies send our segments; port 0: none */
	struct sp_endpoint	relay;
	size_t			source_count;
	/* source addresses of all members; may include ours */
	struct sp_addr		*sources;
	/* only with SP_STORE_LOCAL: a proxy's agents, an agent's proxies */
	size_t			peer_count;
	struct sp_peer_conf	*peers;
};

struct sp_config {
	unsigned int		refs;		/* see sp_config_put() */
	struct sp_config	*written;	/* see sp_config_extend(); NULL: this one */
	size_t			interface_count;
	char			**interfaces;
	char			*key_file;
	char			*state_dir;	/* under a bpffs; default /sys/fs/bpf/spliced */
	char			*control;	/* Unix socket; default /run/spliced.sock */
	size_t			snat_count;
	struct sp_addr		*snat_addrs;
	__u16			snat_port_first;
	__u16			snat_port_last;
	struct sp_limits_conf	limits;
	struct sp_store_conf	store;
	struct sp_cluster_conf	cluster;
	struct sp_resolvers_conf resolvers;
	int			is_agent;	/* of spliced-agent: no pools, services, source */
	size_t			serve_count;
	/* endpoints of servers whose answers the agent carries */
	struct sp_endpoint	*serves;
	size_t			pool_count;
	struct sp_pool_conf	*pools;
	size_t			service_count;
	struct sp_service_conf	*services;
	int			has_timeouts;	/* of a service */
	int			has_keepalive;	/* the same */
	size_t			listen_count;
	/* of all services, in the order of sp_endpoint_compare() */
	struct sp_listen_conf	*listens;
};

#define SP_CONFIG_ERROR_MAX 512

/**
 * sp_config_load() - read, parse and validate a file
 * @path:	file
 * @error:	on failure one line: "FILE:LINE:COLUMN: found text, allowed values"
 * @ret_config:	taken over by the caller, with one reference: see sp_config_put(), sp_config_free()
 *
 * Return: 0; -EINVAL when the file is bad; another -errno when the file can't be read. @error is
 * set for all errors.
 */
int sp_config_load(const char *path, char error[SP_CONFIG_ERROR_MAX],
		   struct sp_config **ret_config);
/* Whether a file is missing, or has nothing but comments: nothing is configured yet. */
int sp_config_is_blank(const char *path);
/* Load from bytes; @path is for messages only. */
int sp_config_load_bytes(const char *path, const void *bytes, size_t size,
			 char error[SP_CONFIG_ERROR_MAX],
			 struct sp_config **ret_config);
/* Load the file of an agent, spliced-agent.yaml(5). */
int sp_config_load_agent(const char *path, char error[SP_CONFIG_ERROR_MAX],
			 struct sp_config **ret_config);
void sp_config_free(struct sp_config *config);

/*
 * A connection on its way to a splice keeps the configuration of its beginning. The last
 * sp_config_put() frees the configuration.
 */
struct sp_config *sp_config_get(struct sp_config *config);
void sp_config_put(struct sp_config *config);

/* Further backends of a pool; their order, names and origins are copied. */
struct sp_more_backends {
	size_t				count;
	const struct sp_backend_conf	*all;
};

/**
 * sp_config_extend() - a configuration with further backends, found by names and in files
 * @written:	of a file; the new configuration has a reference to it, and shares all but pools
 * @more:	for each pool. A backend whose address the pool has is left out
 * @ret_left_off: for each pool: backends for which there was no room
 *
 * The origin of a further backend is a text for reports. sp_config_print() leaves it out.
 * Return: 0 or -ENOMEM.
 */
int sp_config_extend(struct sp_config *written, const struct sp_more_backends *more,
		     unsigned int *ret_left_off, struct sp_config **ret_config);

/* The configuration as in its file (borrowed). */
static inline struct sp_config *sp_config_written(struct sp_config *config)
{
	return config->written ? config->written : config;
}

/* Whether both differ in further backends at most. */
static inline int sp_config_is_same_file(const struct sp_config *a, const struct sp_config *b)
{
	return (a->written ? a->written : a) == (b->written ? b->written : b);
}

/* Backends of a file, which lives as long as this. */
struct sp_backend_list {
	size_t			count;
	struct sp_backend_conf	*all;
};

#define SP_BACKENDS_FILE_BYTES_MAX	(1u << 20)

/**
 * sp_backend_list_load() - the contents of `backends_file`
 * @path:	for messages only
 * @pool:	of @config: neither its names nor its addresses are allowed again. Borrowed
 * Return: 0; -EINVAL or -ENOMEM with @error, a line as of sp_config_load().
 */
int sp_backend_list_load(const char *path, const void *bytes, size_t size,
			 const struct sp_config *config, const struct sp_pool_conf *pool,
			 char error[SP_CONFIG_ERROR_MAX], struct sp_backend_list **ret_list);
void sp_backend_list_free(struct sp_backend_list *list);

/* The normal form with every default, which parses again to the same configuration. */
void sp_config_print(const struct sp_config *config, FILE *out);

/*
 * The name of this proxy in the configuration, or the name of its machine: the same when the daemon
 * is started anew.
 */
void sp_config_own_name(const struct sp_cluster_conf *conf, char ret_name[SP_NAME_MAX + 1]);

/* Local ports that no splice uses; 0 and 0: all are in `source: ports`. */
void sp_config_other_ports(const struct sp_config *config, unsigned int *ret_first,
			   unsigned int *ret_last);

/* The service at the destination of a client's packet (borrowed from @config), or NULL. */
const struct sp_service_conf *sp_config_service_at(const struct sp_config *config,
						   const struct sp_tuple *front);

/*
 * @id: as in struct sp_half, a part of a hash of the name. Return: NULL: no pool has it, or several
 * have.
 */
const struct sp_pool_conf *sp_config_pool_of(const struct sp_config *config, __u16 id);

/* @back: proxy -> backend. Return: index of the first backend at that address, or -ENOENT. */
int sp_pool_find(const struct sp_pool_conf *pool, const struct sp_tuple *back);

/* Whether the backend of a pool follows from the head of a request. */
static inline int sp_pool_hashes_requests(const struct sp_pool_conf *pool)
{
	return pool->balance == SP_BALANCE_HASH && pool->hash_by != SP_HASH_BY_SOURCE;
}

/*
 * Whether each request of @service has to be read: its pool or backend is not decided by the
 * connection's first, or its head is changed.
 */
int sp_service_reads_requests(const struct sp_service_conf *service);

/*
 * Quantities as in the file, in the largest unit that fits. @buf: SP_QUANTITY_STRLEN bytes,
 * returned.
 */
#define SP_QUANTITY_STRLEN 32
char *sp_time_format(__u64 ns, char *buf);

/* FNV-1a of a name: a stable id that survives reloads and means the same on every proxy. */
__u32 sp_name_id(const char *name);

#endif

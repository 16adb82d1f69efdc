/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* control.h - control socket of the daemon: protocol and server. Read by src/proxy and src/ctl. */
#ifndef SP_CONTROL_CONTROL_H
#define SP_CONTROL_CONTROL_H

#include <jansson.h>

#include "abi/tuple.h"

/*
 * The protocol, version 1
 *
 * A stream socket in the file system (mode 0660). A connection carries one
 * request and its answer, then the daemon closes it. Both are lines of JSON
 * (UTF-8), each ended by one newline; what follows a request is not read.
 *
 * Request: one object of at most 4096 bytes with its newline.
 *	"version"	1; required
 *	"command"	"status", "connections", "drops", "cluster", "ready",
 *			"drain-self", "reload", "config", "backend", "events", "overview",
 *			"explain" or "trace"; required
 *	"limit"		connections, events, trace only: at most so many (events: the last), 0:
 *			all; default 100
 *	"since"		events only: those behind this number; default 0
 *	"filter"	connections and trace only: terms joined by blanks, all must hold:
 *			ADDRESS, PREFIX/BITS, ADDRESS:PORT, [ADDRESS]:PORT (any of the four
 *			ends), pool=NAME, service=NAME, backend=NAME, state=STATE
 *	"seconds"	trace only: it ends then; 1 to 600, default 60
 *	"undo"		drain-self only: true: stay after all; default false
 *	"file"		config only: absolute path of a file to compare with
 *	"name"		backend only: POOL/NAME of a backend; without it all are "auto"
 *			again
 *	"order"		backend only, with "name": "up", "drain", "down" or "auto", the
 *			state; "weight N" or "weight auto"
 *	"here"		backend only: true: an order of this proxy alone, or an end of those; default
 *			false: of the whole cluster
 *	"service"	explain only: name; required
 *	"head"		explain only: of a request, as sent to an http service
 *	"sni", "alpn"	explain only: of a client of a tls service; names joined by blanks
 *	"from"		explain only: the client's address
 * Any other key is an error, so that a misspelt one can't widen an answer.
 *
 * drain-self, reload, backend, and config with a file are for root and for the owner of the
 * socket's file (SO_PEERCRED). The others only ask, and are for everybody who can
 * open the socket.
 *
 *	{"version":1,"command":"connections","limit":100,"filter":"192.0.2.1 pool=web"}
 *
 * Answer to anything that can't be done, also in the middle of a list: the line
 *	{"error":"what was found, what is allowed"}
 *
 * Answer to "status": one line
 *	{"version":TEXT, "pid":N, "uptime_s":N, "config":TEXT, "proxy":TEXT|null,
 *	 "ready":BOOL, "reason":TEXT, "draining":BOOL, "in_sync":BOOL,
 *	 "splices":N, "splices_max":N, "connections_live":N, "connections_survivable":N,
 *	 "pending":N, "warnings":[TEXT...],
 *	 "warning_details":[{"kind":TEXT, "object":TEXT, "text":TEXT,
 *	   "remedy":TEXT, "since":N|null}...],
 *	 "store":{"engine":TEXT, "servers":[{"name":TEXT, "state":"up"|"down"|
 *	   "connecting"|"refusing", "why":TEXT, "latency_us":N, "in_flight":N, "commands":N,
 *	   "writes":N, "errors":N, "nonsense":N, "reconnects":N}...],
 *	   "counters":{NAME:N...}},
 *	 "checker":{"state":"off"|"starting"|"running"|"waiting"|"gone", "why":TEXT,
 *	   "pid":N, "checks":N, "starts":N, "results":N, "refused":N},
 *	 "services":[{"name":TEXT, "listen":[TEXT...], "protocol":TEXT,
 *	   "mode":MODE, "pools":[TEXT...], "connections":N|null, "max_connections":N|null,
 *	   "traffic":{"bytes_in":N, "bytes_out":N, "connections":N}|
 *	     {"bytes_in":N, "bytes_out":N, "requests":{NAME:N...},
 *	     "first_byte":HISTOGRAM, "duration":HISTOGRAM}|null}...],
 *	 "pools":[{"name":TEXT, "backends":[{"name":TEXT, "address":TEXT,
 *	   "weight":N, "state":"up"|"down"|"draining", "retry_ms":N,
 *	   "failures":N, "opening":N, "open":N, "connections":N, "refused":N, "silent":N,
 *	   "check":{"type":"tcp"|"http"|"https", "state":"unknown"|"up"|"down",
 *	     "reason":TEXT, "took_ms":N, "checked_ms":N|null, "changed_ms":N|null,
 *	     "passed":N, "failed":N, "changes":N}|null,
 *	   "order":"auto"|"up"|"drain"|"down", "ordered_weight":N|null,
 *	   "ordered":{"by":TEXT|null, "here":BOOL, "age_ms":N}|null,
 *	   "agent":TEXT|null, "from":TEXT|null,
 *	   "modes":{MODE:{"mode":MODE, "reason":TEXT|null}...}}...],
 *	   "names":[{"name":TEXT, "type":"host"|"srv", "state":"unknown"|"good"|"failing",
 *	     "error":TEXT, "addresses":N, "good_ms":N|null, "next_ms":N, "rounds":N,
 *	     "failed":N, "changes":N, "refused":N, "left_off":N}...],
 *	   "file":{"path":TEXT, "addresses":N, "error":TEXT, "good_ms":N|null,
 *	     "reads":N, "failed":N}|null, "keeps_old":BOOL, "left_off":N}...],
 *	 "counters":{NAME:N...},
 *	 "durations":{NAME:{"sum_us":N, "buckets":[{"end_us":N|null, "count":N}...]}...}}
 * durations count since the daemon's start: "connect" from the first SYN to a backend until its
 * SYN-ACK, "commit" from a commit to the store until its answer. A bucket has the durations of at
 * most end_us that the buckets before do not have; null: all longer ones.
 * A service's connections are those at this proxy that are not closed, where it has
 * limits; null: not counted, or no maximum.
 * "warnings" are the texts of "warning_details"; since is in s of Unix time, null
 * where a warning was found just now. A backend's failures are those in a row, and
 * retry_ms is the time until one that is down is tried again; open are its
 * connections through this proxy now; connections, refused
 * and silent count, since the daemon started, connections to it that were
 * answered, refused, and not answered; agent is the living agent on its host.
 * check has the last result of its checks: checked_ms and changed_ms are the time
 * since then, null where there was none; null in a pool without checks. checker is
 * spliced-check: waiting to be started again, or gone for good, with the reason.
 * from is the name or the file that a backend comes from, null where it is written in
 * the configuration. A name's look-ups are rounds, of which some failed; good_ms is the
 * time since the last good one. refused and left_off are records that are no
 * backends, by their address and by their number; a pool's left_off are backends
 * beyond its room. keeps_old: it has backends from before the reload, as a new name
 * or file has no answer so far.
 * modes has, for each mode in which a service asks for this pool, the mode that
 * its connections get, and why it is another one. connections_live counts splices that
 * are not closed, and connections_survivable those of them that the other proxies could
 * go on with if this machine were gone now.
 *
 * Answer to "cluster": one line
 *	{"members":[{"name":TEXT, "relay":TEXT, "state":"syncing"|"ready"|
 *	  "draining"|"agent"|"dead", "is_self":BOOL, "up_s":N, "heard_ms":N, "splices":N,
 *	  "live":N, "survivable":N, "clock_ahead_ms":N, "adopts_ecn":BOOL, "mtu":N}...]}
 * this proxy first; without a cluster the list is empty. live and survivable are as in
 * "status"; an agent's are 0. clock_ahead_ms is the
 * member's clock less ours; adopts_ecn and mtu are an agent's: whether it takes
 * over handshakes with ECN, and the MTU of its host, 0 where it said none.
 *
 * Answer to "ready": one line
 *	{"ready":BOOL, "reason":TEXT}
 * whether this proxy should be announced, and why (not).
 *
 * Answer to "drain-self": one line
 *	{"draining":BOOL}
 * From now on "ready" says no, until it is undone or the daemon ends; nothing
 * else changes.
 *
 * Answer to "reload": one line
 *	{"took_ms":N, "paused_ms":N}
 * as after SIGHUP; paused: the daemon had no time for packets, as the new configuration took its
 * place; or an error, with the place in the file if the file is bad.
 *
 * Answer to "config": one line
 *	{"file":TEXT, "config":TEXT, "next":TEXT, "needs_start":TEXT|null}
 * config is the normal form of the configuration in effect. With a file next is
 * the normal form of that, and needs_start the first setting for which a reload
 * would be refused; without these two are missing, and file is the daemon's own.
 *
 * Answer to "backend": one line
 *	{"backends":[{"pool":TEXT, "name":TEXT, "order":"auto"|"up"|"drain"|"down",
 *	  "weight":N|null}...], "told":N}
 * what was named, or all whose order has changed. State and weight are ordered apart;
 * weight null: as configured. told: to so many other proxies at once; the others hear of it
 * as they are back. An order is kept over restarts of the daemon.
 *
 * Answer to "events": one line
 *	{"events":[{"seq":N, "at_ms":N, "level":"error"|"warning"|"info", "text":TEXT}...],
 *	 "last":N}
 * lines of the daemon's log, which keeps the last 256; at_ms is in ms of Unix time, seq
 * rises from 1 at each start of the daemon, and last is the seq of the last line.
 *
 * Answer to "overview": one line
 *	{"status":OBJECT, "cluster":OBJECT, "drops":OBJECT, "events":OBJECT}
 * the answers to these commands, of one moment, with the last 50 events. Backends, here
 * and in "status", are listed a millisecond at a time, with other work between.
 *
 * Answer to "explain": one line
 *	{"service":TEXT, "route":N|null, "pool":TEXT|null, "status":N|null, "why":TEXT,
 *	 "backends":[{"name":TEXT, "gets":BOOL, "why":TEXT}...]}
 * what the daemon would do with such a request now: route counts from 1, null is the
 * default, or none; status is that of a reply by spliced itself. gets tells if a backend
 * may get the request; where the backend follows from a key, one alone does.
 *
 * Answer to "drops": one line
 *	{"reasons":[{"name":TEXT, "what":TEXT, "why":TEXT, "pkts":N}...]}
 * what is the packet's fate: "stack", "drop", "daemon" or "answer", see splicectl(1);
 * "stack out, drop in" where they differ in an agent's two programs; "-" for a reason
 * that the daemon's programs do not have.
 *
 * Answer to "connections": a line for each splice, in no order,
 *	{"front":{"from":CLIENT, "to":VIP}, "back":{"from":PROXY, "to":BACKEND},
 *	 "service":NAME|null, "pool":NAME|null, "backend":NAME|null, "state":STATE,
 *	 "age_ms":N, "idle_ms":N, "bytes_up":N, "bytes_down":N,
 *	 "pkts_up":N, "pkts_down":N, "exchanges":N|null}
 * where ends are "192.0.2.1:80" or "[2001:db8::1]:80"; null is a name that the
 * running configuration does not have any more; STATE is "open", "closing" or
 * "closed"; up is from the client to the backend; exchanges are known where the
 * service has an access log. Then one line
 *	{"end":true, "shown":N, "total_seen":N, "more":BOOL}
 * with the splices looked at, and whether others matched behind the limit.
 * Without that line the list is not complete. It is no snapshot: splices that
 * come and go while it is written may be in it or not.
 *
 * Answer to "trace", of a proxy: a line for each event of a connection that matches the filter, as
 * it comes,
 *	{"at_us":N, "from":END, "to":END, "what":"state"|"packet", "text":TEXT}
 * at_us is in us of Unix time. A state is a step of a connection in the daemon; a packet has
 * left the fast path of the datapath, with the reason of "drops". Packets that a half carries are
 * not shown, and packets of one moment may be left out. A filter is required, without state=. Then
 * one line
 *	{"end":true, "shown":N, "lost":N}
 * with the lines that found no room. 4 traces may be on.
 *
 * A client has 5 s for its request, and must take each piece (some 64 KiB) of
 * an answer within 30 s, else it is cut off. The daemon serves 16 at a time;
 * the next one is told so.
 *
 * History: 1, the first; cluster, ready, drain-self, reload, config, backend, events,
 * overview, explain and trace came later, and are not known to older daemons, which say so.
 */
#define SP_CONTROL_VERSION	1
#define SP_CONTROL_REQUEST_MAX	4096
#define SP_CONTROL_CLIENTS_MAX	16
#define SP_CONTROL_LIMIT	100
#define SP_CONTROL_TRACE_S	60
#define SP_CONTROL_PATH		"/run/spliced.sock"

/**
 * struct sp_connection_row - one splice, for "connections"
 * @front:	client -> service
 * @back:	proxy -> backend
 * @service:	name, or NULL
 * @pool:	name, or NULL
 * @backend:	name, or NULL
 * @age_ns:	since it was committed
 * @idle_ns:	since its last packet
 * @bytes_up:	TCP payload from the client to the backend
 * @bytes_down:	and back
 * @pkts_up:	packets likewise
 * @pkts_down:	packets likewise
 * @state:	"open", "closing" or "closed"
 * @exchanges:	requests so far; 0: not known
 */
struct sp_connection_row {
	struct sp_tuple	front;
	struct sp_tuple	back;
	const char	*service;
	const char	*pool;
	const char	*backend;
	__u64		age_ns;
	__u64		idle_ns;
	__u64		bytes_up;
	__u64		bytes_down;
	__u64		pkts_up;
	__u64		pkts_down;
	__u32		exchanges;
	const char	*state;
};

struct sp_control_request;
struct sp_control_output;

/* Place in an answer to "status" or "overview", zero at first; opaque to the server. */
struct sp_control_place {
	void		*held;
	size_t		pool, item;
	int		is_open;
};

#define SP_CONTROL_NAME_MAX	128	/* "pool/backend", both as long as a name may be */
#define SP_CONTROL_SNI_MAX	256
#define SP_CONTROL_FROM_MAX	64

/* A request whose way is to be explained; empty: absent */
struct sp_control_wish {
	char	service[SP_CONTROL_NAME_MAX];
	char	sni[SP_CONTROL_SNI_MAX];
	char	from[SP_CONTROL_FROM_MAX];
	char	head[SP_CONTROL_REQUEST_MAX];
	char	alpn[SP_CONTROL_REQUEST_MAX];
};

/**
 * struct sp_control_ops - what the server asks the daemon for
 * @status:	append the next part of the line of "status" or, with @is_overview, of "overview".
 *		Return: 1; 0: that was the last; -errno
 * @status_ends: the last part was made, or the client is gone
 * @drops:	a new JSON object, taken over by the server; NULL: out of memory
 * @cluster:	likewise
 * @ready:	likewise
 * @drain:	likewise; leave, or with @is_undo stay
 * @reload:	begin to read the file again. Return: a ticket; sp_control_reloaded() answers
 * @config:	begin to print the configuration; @file (copied): to compare with, or NULL. Return:
 *		a ticket; sp_control_configured() answers; 0: too many are asked for
 * @backend:	likewise; @name is empty: all are "auto"
 * @events:	likewise; lines behind @since, at most the last @max, 0: all
 * @explain:	likewise
 * @trace_begin: watch what matches @wanted (borrowed until @trace_end). Return: a number for the
 *		next two; -errno
 * @trace_next: the next line, taken over by the server; NULL: none for now
 * @trace_end:	Return: how many lines found no room
 * @connections: continue at *@cursor (opaque to the server, starts at 0) and fill up to @max of
 *		@rows. Return the rows filled, also 0, or -errno; set *@is_end when there are no
 *		more. Must come to an end although the table changes meanwhile. Strings in @rows are
 *		borrowed until the next call; lists of several clients are made in turns, so all
 *		that a list knows is in its cursor.
 *
 * Called from the event loop; must not block.
 */
struct sp_control_ops {
	int (*status)(void *ctx, int is_overview, struct sp_control_place *place,
		      struct sp_control_output *out);
	void (*status_ends)(void *ctx, struct sp_control_place *place);
	json_t *(*drops)(void *ctx);
	json_t *(*cluster)(void *ctx);
	json_t *(*ready)(void *ctx);
	json_t *(*drain)(void *ctx, int is_undo);
	__u64 (*reload)(void *ctx);
	__u64 (*config)(void *ctx, const char *file);
	json_t *(*backend)(void *ctx, const char *name, const char *order, int is_here);
	json_t *(*events)(void *ctx, __u64 since, __u64 max);
	json_t *(*explain)(void *ctx, const struct sp_control_wish *wish);
	int (*trace_begin)(void *ctx, const struct sp_control_request *wanted);
	json_t *(*trace_next)(void *ctx, int trace);
	__u64 (*trace_end)(void *ctx, int trace);
	int (*connections)(void *ctx, __u64 *cursor, struct sp_connection_row *rows, int max,
			   int *is_end);
};

typedef struct uv_loop_s uv_loop_t;
struct sp_control_server;

/**
 * sp_control_open() - listen on a socket and serve it from an event loop
 * @loop:	borrowed until the server is closed
 * @path:	of the socket (copied). A socket which is there already is replaced when nobody
 *		answers on it.
 * @ops:	borrowed until the server is closed
 * @ctx:	first argument of @ops (borrowed)
 *
 * From here on the process ignores SIGPIPE.
 *
 * Return: 0; -EADDRINUSE when another process answers at @path; -EEXIST when @path is something
 * else than a socket; -ENAMETOOLONG; another -errno of the system calls. On failure nothing is left
 * behind at @path.
 */
int sp_control_open(uv_loop_t *loop, const char *path, const struct sp_control_ops *ops, void *ctx,
		    struct sp_control_server **ret_server);

/* Cut off all clients, remove the socket. The memory goes in the next turns of the loop, which must still run:
 * @ops and @ctx are not used any more. NULL is ignored. */
void sp_control_close(struct sp_control_server *server);
/*
 * Not before @reload has returned: answer the clients with this ticket or an earlier one. @answer:
 * taken over.
 */
void sp_control_reloaded(struct sp_control_server *server, __u64 ticket, json_t *answer);
/* Likewise, the client with this ticket of @config. @answer: a line, taken over. */
void sp_control_configured(struct sp_control_server *server, __u64 ticket,
			   struct sp_control_output *answer);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * warnings.h - conditions that an operator should know while they last. Proxy and agent include
 * this file.
 *
 * A warning has a kind, with a remedy, and an object: a backend, an interface, an address. Code
 * that notices a condition calls sp_warn() each time; all calls make one warning. `splicectl
 * status` shows the warning, and the log has a line at its begin and end. Like the log, the table
 * is one for a process.
 *
 *	sp_warn(SP_WARNING_BACKEND_LACKS, now_ns, backend->name,
 *		"backend %s lacks timestamps, which clients were offered", backend->name);
 *
 * A warning ends by sp_warn_over(), or when the seconds of its kind have passed since the last
 * sp_warn().
 */
#ifndef SP_BASE_WARNINGS_H
#define SP_BASE_WARNINGS_H

#include "abi/ktypes.h"

/* X(up, low, seconds, remedy) - 0 seconds: until sp_warn_over() */
#define SP_WARNINGS(X) \
	X(MODE_SHORTFALL, mode_shortfall, 0, "see IN EFFECT and BECAUSE below; mode `auto` takes what can be had, silently") \
	X(CLOCK_OFF, clock_off, 0, "set the clocks by NTP, on all proxies and backends' hosts") \
	X(BACKEND_LACKS, backend_lacks, 600, "switch it on at the backend and reload, or promise less: `offer` of the service") \
	X(SMALL_WINDOW, small_window, 600, "enlarge the receive buffer of that server (SO_RCVBUF, tcp_rmem), or set " \
	  "`offer: {window_scale: 0}` of the service, which then shows no window above 64 KiB") \
	X(ADOPT_FILTERED, adopt_filtered, 4000, "on the backend's host, let packets from the proxies' source addresses to " \
	  "the server's port pass before rules of connection tracking: `ip saddr ... tcp dport ... notrack` in a chain of " \
	  "prerouting at priority raw, and `ct state untracked accept`; or set the service's mode to split") \
	X(FOREIGN_PROGRAM, foreign_program, 0, "attach that one behind ours, or restart spliced, which attaches first") \
	X(OLDER_PROGRAM, older_program, 0, "`spliced --unload --config FILE` with the file of that one (its state_dir)") \
	X(CHAIN_CHANGED, chain_changed, 120, "see `bpftool net` for who is there; what wants packets before us is no use") \
	X(DETACHED, detached, 0, "bring the interface back, or take it out of `interfaces`; else restart spliced") \
	X(LEAVING, leaving, 0, "wait, or end these connections; by a restart after `spliced --unload` all interfaces are let go") \
	X(BACKEND_LOCAL, backend_local, 0, "put the backend on another host, or into a network namespace of its own") \
	X(FORWARDING, forwarding, 3, "sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1, and both in /etc/sysctl.d") \
	X(SERVICE_LOCAL, service_local, 3, "take the address off this machine") \
	X(SERVICE_ROUTE, service_route, 3, "give the address a blackhole route") \
	X(NO_ROUTE, no_route, 3, "`ip route add` a route to it, or take it out of the pool") \
	X(IPSEC, ipsec, 60, "let the policies leave out what has the services' or the source addresses, and encrypt on another " \
	  "machine, or in another network namespace") \
	X(SEND_REFUSED, send_refused, 60, "exempt what this daemon sends from connection tracking, and let it pass") \
	X(CHECKER, checker, 0, "see the log; it is started again by itself, but where the text says that none can: restart spliced") \
	X(NAME, name, 0, "see whether a resolver knows the name: `dig NAME`; `resolvers` of the configuration, or /etc/resolv.conf, says whom is asked") \
	X(NAME_ANSWER, name_answer, 0, "correct the records of the name") \
	X(BACKENDS_FILE, backends_file, 0, "see what writes the file; the text has the place") \
	X(STORE_SERVER, store_server, 0, "the text says what the server does, or what it answered; see what runs there") \
	X(STORE_SHORT, store_short, 0, "bring store servers back, until a majority of each splice's copies is there")

enum sp_warning_kind {
#define X(up, low, seconds, remedy) SP_WARNING_##up,
	SP_WARNINGS(X)
#undef X
	SP_WARNING_KINDS
};

#define SP_WARNINGS_MAX		64
#define SP_WARNING_OBJECT_MAX	128	/* "pool/backend", both as long as a name may be */
#define SP_WARNING_TEXT_MAX	320
#define SP_WARNING_REMEDY_MAX	768

/**
 * struct sp_warning - a warning in force
 * @remedy:	of the kind, or its own
 * @since_s:	CLOCK_REALTIME
 * @until_ns:	CLOCK_MONOTONIC; 0: until sp_warn_over()
 */
struct sp_warning {
	enum sp_warning_kind	kind;
	int			is_set;
	char			object[SP_WARNING_OBJECT_MAX];
	char			text[SP_WARNING_TEXT_MAX];
	char			remedy[SP_WARNING_REMEDY_MAX];
	__s64			since_s;
	__u64			until_ns;
};

/**
 * sp_warn() - a condition holds, or still holds
 * @now_ns:	sp_now_ns()
 * @object:	copied, and cut off if too long; together with @kind it names the warning
 * @fmt:	a sentence that names the object and the consequence. Each call prints and keeps
 *		the sentence anew, so the warning has the last numbers; the log has the first
 *
 * Cheap enough for each tick, not for each packet. If the table is full, only the log has the
 * warning.
 */
void sp_warn(enum sp_warning_kind kind, __u64 now_ns, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same with a remedy of its own: lines to copy. */
void sp_warn_with(const char *remedy, enum sp_warning_kind kind, __u64 now_ns, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* The condition ended. Without a warning, nothing happens. */
void sp_warn_over(enum sp_warning_kind kind, const char *object);

/* End the warnings whose time has passed. A few times a second. */
void sp_warnings_tick(__u64 now_ns);

const char *sp_warning_kind_name(enum sp_warning_kind kind);
const char *sp_warning_kind_remedy(enum sp_warning_kind kind);

/* The next one behind @at, or the first behind NULL. Return: NULL: there are no more. */
const struct sp_warning *sp_warnings_next(const struct sp_warning *at);

#endif

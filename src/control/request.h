/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* request.h - a request line of the control socket: parsed, and matched against rows. No I/O. */
#ifndef SP_CONTROL_REQUEST_H
#define SP_CONTROL_REQUEST_H

#include <stddef.h>

#include "base/prefix.h"
#include "control/control.h"

#define SP_CONTROL_TERMS_MAX	8
#define SP_CONTROL_ORDER_MAX	16
#define SP_CONTROL_ERROR_MAX	256
#define SP_CONTROL_TRACE_MAX_S	600

enum sp_control_command {
	SP_CONTROL_STATUS,
	SP_CONTROL_CONNECTIONS,
	SP_CONTROL_DROPS,
	SP_CONTROL_CLUSTER,
	SP_CONTROL_READY,
	SP_CONTROL_DRAIN,
	SP_CONTROL_RELOAD,
	SP_CONTROL_CONFIG,
	SP_CONTROL_BACKEND,
	SP_CONTROL_EVENTS,
	SP_CONTROL_OVERVIEW,
	SP_CONTROL_EXPLAIN,
	SP_CONTROL_TRACE,
	SP_CONTROL_COMMAND_COUNT,
};

enum sp_control_term_kind {
	SP_CONTROL_TERM_ADDR,
	SP_CONTROL_TERM_PREFIX,
	SP_CONTROL_TERM_ENDPOINT,
	SP_CONTROL_TERM_POOL,
	SP_CONTROL_TERM_SERVICE,
	SP_CONTROL_TERM_BACKEND,
	SP_CONTROL_TERM_STATE,
};

/*
 * One condition. ADDR has @addr, PREFIX @prefix, ENDPOINT @addr and @port_be, the others @value,
 * which points into the request.
 */
struct sp_control_term {
	enum sp_control_term_kind	kind;
	struct sp_addr			addr;
	struct sp_prefix		prefix;
	__be16				port_be;
	const char			*value;
};

/**
 * struct sp_control_request - what a client asks for. Points into itself: not to be copied.
 * @is_undo:	of drain-self
 * @file:	of config; empty: none
 * @name, @order: of backend; empty: absent
 * @is_here:	of backend
 * @limit:	rows, 0: all
 * @since:	of events
 * @seconds:	of trace
 * @wish:	of explain
 * @terms:	all must hold
 * @filter:	text of the terms, cut at its blanks
 */
struct sp_control_request {
	enum sp_control_command	command;
	int			is_undo, is_here;
	char			name[SP_CONTROL_NAME_MAX];
	char			order[SP_CONTROL_ORDER_MAX];
	__u64			limit;
	__u64			since;
	__u64			seconds;
	struct sp_control_wish	wish;
	unsigned int		term_count;
	struct sp_control_term	terms[SP_CONTROL_TERMS_MAX];
	char			filter[SP_CONTROL_REQUEST_MAX];
	char			file[SP_CONTROL_REQUEST_MAX];
};

/**
 * sp_control_request_parse() - validate one line
 * @line:	without its newline; need not be terminated
 * @error:	on failure: what was found, what is allowed (printable ASCII)
 * @ret_request: undefined on failure
 *
 * Return: 0; -EINVAL.
 */
int sp_control_request_parse(const char *line, size_t len, char error[SP_CONTROL_ERROR_MAX],
			     struct sp_control_request *ret_request);

/* Whether a command changes or reads more than the daemon, and is not for everybody. */
int sp_control_request_changes(const struct sp_control_request *request);

/* Whether all terms hold for a row. */
int sp_control_request_match(const struct sp_control_request *request,
			     const struct sp_connection_row *row);

#endif

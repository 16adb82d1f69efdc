/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* request.c - the one validator between the clients of the control socket and the daemon. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "control/request.h"

#define COMMANDS_ALLOWED \
	"status, connections, drops, cluster, ready, drain-self, reload, config, backend, " \
	"events, overview, explain or trace"
#define TERMS_ALLOWED	 "ADDRESS, PREFIX/BITS, ADDRESS:PORT, pool=NAME, service=NAME, backend=NAME or state=STATE"
#define STATES_ALLOWED	 "open, closing or closed"

static const char *const command_names[SP_CONTROL_COMMAND_COUNT] = {
	[SP_CONTROL_STATUS] = "status",
	[SP_CONTROL_CONNECTIONS] = "connections",
	[SP_CONTROL_DROPS] = "drops",
	[SP_CONTROL_CLUSTER] = "cluster",
	[SP_CONTROL_READY] = "ready",
	[SP_CONTROL_DRAIN] = "drain-self",
	[SP_CONTROL_RELOAD] = "reload",
	[SP_CONTROL_CONFIG] = "config",
	[SP_CONTROL_BACKEND] = "backend",
	[SP_CONTROL_EVENTS] = "events",
	[SP_CONTROL_OVERVIEW] = "overview",
	[SP_CONTROL_EXPLAIN] = "explain",
	[SP_CONTROL_TRACE] = "trace",
};

static const struct {
	const char *prefix;
	enum sp_control_term_kind kind;
} named_terms[] = {
	{ "pool=", SP_CONTROL_TERM_POOL },
	{ "service=", SP_CONTROL_TERM_SERVICE },
	{ "backend=", SP_CONTROL_TERM_BACKEND },
	{ "state=", SP_CONTROL_TERM_STATE },
};

static const char *const states[] = { "open", "closing", "closed" };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The text goes back to a terminal, so only what is printable passes. */
static int refuse_request(char *error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse_request(char *error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, SP_CONTROL_ERROR_MAX, fmt, ap);
	va_end(ap);
	for (; *error; error++)
		if (*error < ' ' || *error > '~')
			*error = '?';
	return -EINVAL;
}

static int parse_state(const char *value, char *error)
{
	for (size_t i = 0; i < COUNT(states); i++)
		if (!strcmp(value, states[i]))
			return 0;
	return refuse_request(error, "filter: state '%.40s' is not known; allowed: " STATES_ALLOWED,
			      value);
}

static int parse_term(const char *text, char *error, struct sp_control_term *term)
{
	for (size_t i = 0; i < COUNT(named_terms); i++) {
		size_t len = strlen(named_terms[i].prefix);

		if (strncmp(text, named_terms[i].prefix, len))
			continue;
		term->kind = named_terms[i].kind;
		term->value = text + len;
		if (!*term->value)
			return refuse_request(error, "filter: '%s' has no value", text);
		return term->kind == SP_CONTROL_TERM_STATE ? parse_state(term->value, error) : 0;
	}
	term->kind = SP_CONTROL_TERM_ADDR;
	if (!sp_addr_parse(text, &term->addr))
		return 0;
	term->kind = SP_CONTROL_TERM_PREFIX;
	if (strchr(text, '/') && !sp_prefix_parse(text, &term->prefix))
		return 0;
	term->kind = SP_CONTROL_TERM_ENDPOINT;
	if (!sp_endpoint_parse(text, &term->addr, &term->port_be))
		return 0;
	return refuse_request(error, "filter: '%.40s' is not known; allowed: " TERMS_ALLOWED, text);
}

static int parse_filter(const json_t *value, char *error, struct sp_control_request *request)
{
	const char *text = json_string_value(value);
	char *save = NULL;
	int err;

	if (!text || strlen(text) >= sizeof(request->filter))
		return refuse_request(error,
				      "'filter' must be a string; allowed: terms joined by blanks");
	strcpy(request->filter, text);
	for (char *term = strtok_r(request->filter, " ", &save); term;
	     term = strtok_r(NULL, " ", &save)) {
		if (request->term_count == SP_CONTROL_TERMS_MAX)
			return refuse_request(error, "filter: more than %d terms",
					      SP_CONTROL_TERMS_MAX);
		err = parse_term(term, error, &request->terms[request->term_count++]);
		if (err)
			return err;
	}
	return 0;
}

static int parse_number(const char *key, const json_t *value, char *error, __u64 *ret_number)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return refuse_request(error, "'%s' must be a whole number, 0 for all", key);
	*ret_number = json_integer_value(value);
	return 0;
}

static int parse_seconds(const json_t *value, char *error, struct sp_control_request *request)
{
	json_int_t seconds = json_integer_value(value);

	if (seconds < 1 || seconds > SP_CONTROL_TRACE_MAX_S)
		return refuse_request(error, "'seconds' must be a whole number of 1 to %d",
				      SP_CONTROL_TRACE_MAX_S);
	request->seconds = seconds;
	return 0;
}

static int parse_flag(const char *key, const json_t *value, char *error, int *ret_flag)
{
	if (!json_is_boolean(value))
		return refuse_request(error, "'%s' must be true or false", key);
	*ret_flag = json_is_true(value);
	return 0;
}

static int parse_file(const json_t *value, char *error, struct sp_control_request *request)
{
	const char *path = json_string_value(value);

	if (!path || *path != '/')
		return refuse_request(error, "'file' must be an absolute path");
	strcpy(request->file, path);	/* no longer than the request */
	return 0;
}

static int parse_short(const char *key, const json_t *value, char *error, char *text, size_t size)
{
	const char *found = json_string_value(value);

	if (!found || !*found || strlen(found) >= size)
		return refuse_request(error, "'%s' must be a string of 1 to %zu characters", key,
				      size - 1);
	strcpy(text, found);
	return 0;
}

/* Texts that may be empty, and fit into a request. */
static int parse_wish(const char *key, const json_t *value, char *error,
		      struct sp_control_wish *wish)
{
	const struct {
		const char	*key;
		char		*text;
		size_t		size;
	} parts[] = {
		{ "service", wish->service, sizeof(wish->service) },
		{ "head", wish->head, sizeof(wish->head) },
		{ "sni", wish->sni, sizeof(wish->sni) },
		{ "alpn", wish->alpn, sizeof(wish->alpn) },
		{ "from", wish->from, sizeof(wish->from) },
	};
	const char *found = json_string_value(value);

	for (size_t i = 0; i < COUNT(parts); i++) {
		if (strcmp(key, parts[i].key))
			continue;
		if (!found || strlen(found) >= parts[i].size)
			return refuse_request(error, "'%s' must be a string of at most %zu characters",
					      key, parts[i].size - 1);
		strcpy(parts[i].text, found);
		return 0;
	}
	return refuse_request(error, "key '%.40s' is not known; allowed with explain: version, "
			      "command, service, head, sni, alpn, from", key);
}

static int parse_version(const json_t *value, char *error)
{
	if (!json_is_integer(value))
		return refuse_request(error, "'version' is missing or no whole number; allowed: %d",
				      SP_CONTROL_VERSION);
	if (json_integer_value(value) != SP_CONTROL_VERSION)
		return refuse_request(error,
				      "version %lld of the protocol is not known; allowed: %d",
				      (long long)json_integer_value(value), SP_CONTROL_VERSION);
	return 0;
}

static int parse_command(const json_t *value, char *error, struct sp_control_request *request)
{
	const char *name = json_string_value(value);

	if (!name)
		return refuse_request(error, "'command' is missing or no string; allowed: "
				      COMMANDS_ALLOWED);
	for (int i = 0; i < SP_CONTROL_COMMAND_COUNT; i++) {
		if (!strcmp(name, command_names[i])) {
			request->command = i;
			return 0;
		}
	}
	return refuse_request(error, "command '%.40s' is not known; allowed: " COMMANDS_ALLOWED,
			      name);
}

/* The keys besides "version" and "command". */
static int parse_option(const char *key, const json_t *value, char *error,
			struct sp_control_request *request)
{
	int is_list = request->command == SP_CONTROL_CONNECTIONS,
		is_drain = request->command == SP_CONTROL_DRAIN,
		is_config = request->command == SP_CONTROL_CONFIG,
		is_backend = request->command == SP_CONTROL_BACKEND,
		is_events = request->command == SP_CONTROL_EVENTS,
		is_trace = request->command == SP_CONTROL_TRACE;

	if (request->command == SP_CONTROL_EXPLAIN)
		return parse_wish(key, value, error, &request->wish);
	if (!strcmp(key, "limit") && (is_list || is_events || is_trace))
		return parse_number(key, value, error, &request->limit);
	if (!strcmp(key, "since") && is_events)
		return parse_number(key, value, error, &request->since);
	if (!strcmp(key, "filter") && (is_list || is_trace))
		return parse_filter(value, error, request);
	if (!strcmp(key, "seconds") && is_trace)
		return parse_seconds(value, error, request);
	if (!strcmp(key, "undo") && is_drain)
		return parse_flag(key, value, error, &request->is_undo);
	if (!strcmp(key, "file") && is_config)
		return parse_file(value, error, request);
	if (!strcmp(key, "name") && is_backend)
		return parse_short(key, value, error, request->name, sizeof(request->name));
	if (!strcmp(key, "order") && is_backend)
		return parse_short(key, value, error, request->order, sizeof(request->order));
	if (!strcmp(key, "here") && is_backend)
		return parse_flag(key, value, error, &request->is_here);
	return refuse_request(error,
			      "key '%.40s' is not known; allowed with %s: version, command%s%s%s%s%s%s",
			      key, command_names[request->command],
			      is_list ? ", limit, filter" : "", is_drain ? ", undo" : "",
			      is_config ? ", file" : "",
			      is_backend ? ", name, order, here" : "",
			      is_events ? ", limit, since" : "",
			      is_trace ? ", limit, filter, seconds" : "");
}

/* A connection without a splice is in no state of a splice. */
static int check_trace(const struct sp_control_request *request, char *error)
{
	if (!request->term_count)
		return refuse_request(error, "'filter' is missing");
	for (unsigned int i = 0; i < request->term_count; i++)
		if (request->terms[i].kind == SP_CONTROL_TERM_STATE)
			return refuse_request(error, "filter: 'state=' is not for trace");
	return 0;
}

static int parse_object(json_t *root, char *error, struct sp_control_request *request)
{
	const char *key;
	json_t *value;
	int err;

	/* The version first: it says what the other keys mean. */
	err = parse_version(json_object_get(root, "version"), error);
	if (!err)
		err = parse_command(json_object_get(root, "command"), error, request);
	if (err)
		return err;
	json_object_foreach(root, key, value) {
		if (!strcmp(key, "version") || !strcmp(key, "command"))
			continue;
		err = parse_option(key, value, error, request);
		if (err)
			return err;
	}
	if (request->command == SP_CONTROL_EXPLAIN && !*request->wish.service)
		return refuse_request(error, "'service' is missing");
	if (request->command == SP_CONTROL_TRACE && check_trace(request, error))
		return -EINVAL;
	if (!*request->name != !*request->order)
		return refuse_request(error, "'name' and 'order' belong together");
	return 0;
}

int sp_control_request_parse(const char *line, size_t len, char error[SP_CONTROL_ERROR_MAX],
			     struct sp_control_request *ret_request)
{
	json_error_t json_error;
	json_t *root;
	int err;

	ret_request->limit = SP_CONTROL_LIMIT;
	ret_request->since = 0;
	ret_request->seconds = SP_CONTROL_TRACE_S;
	ret_request->wish = (struct sp_control_wish){};
	ret_request->is_undo = ret_request->is_here = 0;
	ret_request->file[0] = 0;
	ret_request->term_count = 0;
	ret_request->name[0] = ret_request->order[0] = 0;
	root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &json_error);
	if (!root)
		return refuse_request(error, "request is not a line of JSON: %.160s (column %d)",
				      json_error.text, json_error.column);
	if (json_is_object(root))
		err = parse_object(root, error, ret_request);
	else
		err = refuse_request(error, "request must be a JSON object");
	json_decref(root);
	return err;
}

int sp_control_request_changes(const struct sp_control_request *request)
{
	return request->command == SP_CONTROL_DRAIN || request->command == SP_CONTROL_RELOAD ||
	       request->command == SP_CONTROL_BACKEND ||
	       (request->command == SP_CONTROL_CONFIG && *request->file);
}

static int match_addr(const struct sp_addr *addr, const struct sp_tuple *tuple)
{
	return sp_addr_equal(addr, &tuple->saddr) || sp_addr_equal(addr, &tuple->daddr);
}

static int match_prefix(const struct sp_prefix *prefix, const struct sp_tuple *tuple)
{
	return sp_prefix_has(prefix, &tuple->saddr) || sp_prefix_has(prefix, &tuple->daddr);
}

static int match_endpoint(const struct sp_control_term *term, const struct sp_tuple *tuple)
{
	return (sp_addr_equal(&term->addr, &tuple->saddr) && term->port_be == tuple->sport) ||
	       (sp_addr_equal(&term->addr, &tuple->daddr) && term->port_be == tuple->dport);
}

static int match_name(const char *wanted, const char *name)
{
	return name && !strcmp(wanted, name);
}

static int match_term(const struct sp_control_term *term, const struct sp_connection_row *row)
{
	switch (term->kind) {
	case SP_CONTROL_TERM_ADDR:
		return match_addr(&term->addr, &row->front) || match_addr(&term->addr, &row->back);
	case SP_CONTROL_TERM_PREFIX:
		return match_prefix(&term->prefix, &row->front) ||
		       match_prefix(&term->prefix, &row->back);
	case SP_CONTROL_TERM_ENDPOINT:
		return match_endpoint(term, &row->front) || match_endpoint(term, &row->back);
	case SP_CONTROL_TERM_POOL:
		return match_name(term->value, row->pool);
	case SP_CONTROL_TERM_SERVICE:
		return match_name(term->value, row->service);
	case SP_CONTROL_TERM_BACKEND:
		return match_name(term->value, row->backend);
	case SP_CONTROL_TERM_STATE:
		return match_name(term->value, row->state);
	}
	return 0;
}

int sp_control_request_match(const struct sp_control_request *request,
			     const struct sp_connection_row *row)
{
	for (unsigned int i = 0; i < request->term_count; i++)
		if (!match_term(&request->terms[i], row))
			return 0;
	return 1;
}

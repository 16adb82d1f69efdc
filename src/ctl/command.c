/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* command.c - see command.h */
#include "ctl/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/answer.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* For the end of a trace, behind its time. */
#define TRACE_GRACE_MS 10000

/* A health check of an announced proxy asks several times a second. */
#define READY_LIMIT_MS 250

static const struct sp_command commands[] = {
	{ "status", NULL, 0, SP_WORDS_NONE, 0, sp_command_status, "",
	  "the daemon, its services, pools, store and counters" },
	{ "top", "overview", SP_OPTION_LIMIT | SP_OPTION_BATCH, SP_WORDS_NONE, 0, sp_command_top,
	  "[--limit N] [--batch]", "the same in short, with rates, each second" },
	{ "events", NULL, SP_OPTION_LIMIT | SP_OPTION_FOLLOW | SP_OPTION_SINCE, SP_WORDS_NONE, 0,
	  sp_command_events, "[--follow]", "last lines of the daemon's log" },
	{ "checks", "status", 0, SP_WORDS_NONE, 0, sp_command_checks, "",
	  "results of the checks of backends" },
	{ "names", "status", 0, SP_WORDS_NONE, 0, sp_command_names, "",
	  "backends found by names and in files" },
	{ "connections", NULL, SP_OPTION_LIMIT, SP_WORDS_FILTER, 0, sp_command_connections,
	  "[--limit N] [FILTER...]", "spliced connections" },
	{ "explain", NULL, SP_OPTION_SERVICE | SP_OPTION_REQUEST, SP_WORDS_NONE, 0,
	  sp_command_explain, "--service S [...]", "which pool and backends a request would get" },
	{ "trace", NULL, SP_OPTION_LIMIT | SP_OPTION_SECONDS, SP_WORDS_FILTER, 0, sp_command_trace,
	  "[--seconds S] FILTER...", "what becomes of connections and of their packets, live" },
	{ "drops", NULL, SP_OPTION_ALL, SP_WORDS_NONE, 0, sp_command_drops, "[--all]",
	  "why packets left the fast path, and how many" },
	{ "cluster", NULL, 0, SP_WORDS_NONE, 0, sp_command_cluster, "",
	  "the proxies that share a store" },
	{ "ready", NULL, 0, SP_WORDS_NONE, READY_LIMIT_MS, sp_command_ready, "",
	  "should this proxy be announced?" },
	{ "drain-self", NULL, SP_OPTION_UNDO, SP_WORDS_NONE, 0, sp_command_drain, "[--undo]",
	  "ask this proxy to leave, or to stay" },
	{ "reload", NULL, 0, SP_WORDS_NONE, 0, sp_command_reload, "",
	  "read the configuration again, and wait for the end" },
	{ "config", NULL, SP_OPTION_DIFF, SP_WORDS_NONE, 0, sp_command_config, "[--diff FILE]",
	  "the configuration in effect; what FILE would change" },
	{ "backend", NULL, SP_OPTION_RESET, SP_WORDS_ORDER, 0, sp_command_backend,
	  "[--here] POOL/NAME ORDER, --reset",
	  "new connections of a backend, in the whole cluster: up, drain, down, auto, weight N, weight auto" },
	{ "orders", "status", 0, SP_WORDS_NONE, 0, sp_command_orders, "",
	  "orders in effect, by whom and how old" },
	{ "wait-drained", "status", SP_OPTION_TIMEOUT, SP_WORDS_BACKEND, 0,
	  sp_command_wait_drained, "POOL/NAME [--timeout S]",
	  "wait until a backend has no connection left" },
};

void sp_command_help(FILE *out)
{
	fputs("usage: splicectl [--socket PATH] [--json] COMMAND\n\ncommands:\n", out);
	for (size_t i = 0; i < COUNT(commands); i++)
		fprintf(out, "  %-12s %-24s %s\n", commands[i].name, commands[i].arguments,
			commands[i].help);
	fputs("\noptions:\n", out);
	sp_options_help(out);
	fputs("\nfilters (all given ones must hold):\n"
	      "  ADDRESS  PREFIX/BITS  ADDRESS:PORT  pool=NAME  service=NAME  backend=NAME  state=open|closing|closed\n"
	      "\nexit status: 0 done (of ready: yes; of --diff: no difference), 1 the daemon refused or broke off\n"
	      "(of ready: no; of --diff: a difference, or a bad FILE),\n"
	      "2 wrong usage, 3 no daemon reached, 4 it does not answer\n",
	      out);
}

static int print_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int print_usage(const char *fmt, ...)
{
	va_list ap;

	fputs("splicectl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("; see splicectl --help\n", stderr);
	return SP_EXIT_USAGE;
}

/* ---- the words behind a command ---- */

static int join_filter(char **terms, struct sp_options *options)
{
	size_t len = 0;

	for (; *terms; terms++) {
		size_t room = sizeof(options->filter) - len;
		int written = snprintf(options->filter + len, room, "%s%s", len ? " " : "", *terms);

		if ((size_t)written >= room)
			return print_usage("the filter is too long, from '%.40s' on", *terms);
		len += written;
	}
	return 0;
}

/* "POOL/NAME", and an order of one or two words, unless all are reset. */
static int take_backend(const struct sp_command *command, char **words,
			struct sp_options *options)
{
	int wanted = options->is_reset ? 0 : command->words == SP_WORDS_ORDER ? 2 : 1, count = 0;

	while (words[count])
		count++;
	if (wanted == 2 && count == 3 && !strcmp(words[1], "weight"))
		wanted = 3;
	if (count != wanted)
		return print_usage(wanted > 1 ? "'%s' takes POOL/NAME and up, drain, down, auto or weight N" :
				   wanted ? "'%s' takes POOL/NAME" :
				   "'%s --reset' takes no backend", command->name);
	options->name = words[0];
	if (wanted > 1)
		snprintf(options->order, sizeof(options->order), "%s%s%s", words[1],
			 wanted == 3 ? " " : "", wanted == 3 ? words[2] : "");
	return 0;
}

static int take_words(const struct sp_command *command, char **words, struct sp_options *options)
{
	switch (command->words) {
	case SP_WORDS_NONE:
		return *words ? print_usage("'%s' takes no filter", command->name) : 0;
	case SP_WORDS_FILTER:
		return join_filter(words, options);
	case SP_WORDS_BACKEND:
	case SP_WORDS_ORDER:
		return take_backend(command, words, options);
	}
	return SP_EXIT_USAGE;
}

/* ---- the request ---- */

static void add_file(json_t *request, const char *file)
{
	char *path = realpath(file, NULL);

	/* the daemon says what is wrong with the file */
	json_object_set_new(request, "file", json_string(path ?: file));
	free(path);
}

/* Without a host: of HTTP/1.0. Nonsense is for the daemon to refuse. */
static json_t *make_head(const struct sp_options *options)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	json_t *head;

	if (!out)
		return json_null();
	fprintf(out, "%s %s HTTP/1.%d\r\n", options->method ?: "GET", options->target ?: "/",
		!!options->host);
	if (options->host)
		fprintf(out, "Host: %s\r\n", options->host);
	for (size_t i = 0; i < options->headers.count; i++)
		fprintf(out, "%s\r\n", options->headers.all[i]);
	fputs("\r\n", out);
	head = fclose(out) ? json_null() : json_stringn(text, len);
	free(text);
	return head;
}

static void add_wish(json_t *request, const struct sp_options *options)
{
	char alpn[SP_CONTROL_REQUEST_MAX] = "";
	size_t len = 0;

	for (size_t i = 0; i < options->alpns.count && len < sizeof(alpn); i++)
		len += snprintf(alpn + len, sizeof(alpn) - len, "%s%s", i ? " " : "",
				options->alpns.all[i]);
	json_object_set_new(request, "service", json_string(options->service));
	json_object_set_new(request, "head", make_head(options));
	json_object_set_new(request, "sni", json_string(options->sni ?: ""));
	json_object_set_new(request, "alpn", json_string(alpn));
	json_object_set_new(request, "from", json_string(options->from ?: ""));
}

/* A trace is over by its time. */
static json_int_t limit_of(const struct sp_command *command, const struct sp_options *options)
{
	return command->takes & SP_OPTION_SECONDS && !(options->given & SP_OPTION_LIMIT) ? 0 :
	       options->limit;
}

static json_t *make_request(const struct sp_command *command, const struct sp_options *options)
{
	json_t *request = json_pack("{s:i, s:s}", "version", SP_CONTROL_VERSION, "command",
				    command->request ?: command->name);

	if (command->takes & SP_OPTION_LIMIT && !command->request)
		json_object_set_new(request, "limit", json_integer(limit_of(command, options)));
	if (command->takes & SP_OPTION_SECONDS)
		json_object_set_new(request, "seconds", json_integer(options->seconds));
	if (options->since)
		json_object_set_new(request, "since", json_integer(options->since));
	if (*options->order)
		json_object_update_new(request, json_pack("{s:s, s:s}", "name", options->name,
							  "order", options->order));
	if (options->is_here)
		json_object_set_new(request, "here", json_true());
	if (options->is_undo)
		json_object_set_new(request, "undo", json_true());
	if (options->diff)
		add_file(request, options->diff);
	if (command->words == SP_WORDS_FILTER && *options->filter)
		json_object_set_new(request, "filter", json_string(options->filter));
	if (command->takes & SP_OPTION_SERVICE)
		add_wish(request, options);
	return request;
}

static int ask_daemon(const struct sp_command *command, const struct sp_options *options)
{
	struct sp_client client = { 0 };
	json_t *request;
	int err, code, limit_ms = command->limit_ms;

	if (command->takes & SP_OPTION_SECONDS)
		limit_ms = options->seconds * 1000 + TRACE_GRACE_MS;
	err = sp_client_open(options->path, limit_ms, &client);
	if (err)
		return sp_fail_unreachable(options->path, err);
	request = make_request(command, options);
	err = sp_client_send(&client, request);
	json_decref(request);
	code = err ? sp_fail_unreachable(options->path, err) : command->run(&client, options);
	sp_client_close(&client);
	return code;
}

static const struct sp_command *find_command(const char *name)
{
	for (size_t i = 0; i < COUNT(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

int sp_command_run(char **words, struct sp_options *options)
{
	const struct sp_command *command;
	int code;

	if (!*words) {
		sp_command_help(stderr);
		return SP_EXIT_USAGE;
	}
	command = find_command(*words);
	if (!command)
		return print_usage("command '%s' is not known", *words);
	if (take_words(command, words + 1, options))
		return SP_EXIT_USAGE;
	if (options->given & ~command->takes)
		return print_usage("'%s' takes no --%s", command->name,
				   sp_option_name(options->given & ~command->takes));
	if (command->takes & SP_OPTION_SERVICE && !options->service)
		return print_usage("'%s' needs --service", command->name);
	code = ask_daemon(command, options);
	if (fflush(stdout) || ferror(stdout))
		return sp_fail(SP_EXIT_ANSWER, "writing the output: %s", strerror(errno));
	return code;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* main.c - splicectl(1): sends a request to a running daemon and prints the answer. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/config.h"
#include "ctl/drained.h"
#include "control/client.h"
#include "control/control.h"
#include "ctl/show.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum exit_code { EXIT_OK = 0, EXIT_ANSWER = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3,
		 EXIT_SILENT = 4 };

/* Options of some commands only. */
enum { COMMAND_LIMIT = 1, COMMAND_ALL = 2, COMMAND_FILTER = 4, COMMAND_UNDO = 8,
       COMMAND_OF_STATUS = 16, /* a view of the answer to "status" */
       COMMAND_DIFF = 32, COMMAND_RESET = 64, COMMAND_TIMEOUT = 128, COMMAND_NAME = 256,
       COMMAND_ORDER = 512 };

#define POLL_US 200000	/* between two looks of wait-drained */

/* A health check of an announced proxy asks several times a second. */
#define READY_LIMIT_MS 250

struct options {
	const char *path;
	int is_json;
	int is_all;
	int is_undo;
	const char *diff;   /* a file */
	int is_reset;
	json_int_t timeout_s; /* of wait-drained; negative: none */
	const char *name;
	char order[SP_CONTROL_REQUEST_MAX]; /* or empty */
	json_int_t limit;
	unsigned int given; /* COMMAND_* */
	char filter[SP_CONTROL_REQUEST_MAX];
};

struct command {
	const char *name;
	unsigned int takes; /* COMMAND_* */
	int limit_ms;	    /* 0: none */
	int (*show)(struct sp_client *client, const struct options *options);
	const char *arguments;
	const char *help;
};

static int show_status(struct sp_client *client, const struct options *options);
static int show_connections(struct sp_client *client, const struct options *options);
static int show_drops(struct sp_client *client, const struct options *options);
static int show_cluster(struct sp_client *client, const struct options *options);
static int show_ready(struct sp_client *client, const struct options *options);
static int show_drain(struct sp_client *client, const struct options *options);
static int show_checks(struct sp_client *client, const struct options *options);
static int show_reload(struct sp_client *client, const struct options *options);
static int show_config(struct sp_client *client, const struct options *options);
static int show_backend(struct sp_client *client, const struct options *options);
static int wait_drained(struct sp_client *client, const struct options *options);

static const struct command commands[] = {
	{ "status", 0, 0, show_status, "", "the daemon, its services, pools, store and counters" },
	{ "checks", COMMAND_OF_STATUS, 0, show_checks, "",
	  "results of the checks of backends" },
	{ "connections", COMMAND_LIMIT | COMMAND_FILTER, 0, show_connections,
	  "[--limit N] [FILTER...]",
	  "spliced connections" },
	{ "drops", COMMAND_ALL, 0, show_drops, "[--all]",
	  "why packets left the fast path, and how many" },
	{ "cluster", 0, 0, show_cluster, "", "the proxies that share a store" },
	{ "ready", 0, READY_LIMIT_MS, show_ready, "", "should this proxy be announced?" },
	{ "drain-self", COMMAND_UNDO, 0, show_drain, "[--undo]",
	  "ask this proxy to leave, or to stay" },
	{ "reload", 0, 0, show_reload, "", "read the configuration again, and wait for the end" },
	{ "config", COMMAND_DIFF, 0, show_config, "[--diff FILE]",
	  "the configuration in effect; what FILE would change" },
	{ "backend", COMMAND_NAME | COMMAND_ORDER | COMMAND_RESET, 0, show_backend,
	  "POOL/NAME up|drain|down|auto, POOL/NAME weight N|auto, --reset",
	  "which backends get new connections" },
	{ "wait-drained", COMMAND_NAME | COMMAND_TIMEOUT | COMMAND_OF_STATUS, 0, wait_drained,
	  "POOL/NAME [--timeout S]", "wait until a backend has no connection left" },
};

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "limit", required_argument, NULL, 'n' },
	{ "all", no_argument, NULL, 'a' },
	{ "undo", no_argument, NULL, 'u' },
	{ "diff", required_argument, NULL, 'd' },
	{ "reset", no_argument, NULL, 'r' },
	{ "timeout", required_argument, NULL, 't' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static void print_help(FILE *out)
{
	fputs("usage: splicectl [--socket PATH] [--json] COMMAND\n\ncommands:\n", out);
	for (size_t i = 0; i < COUNT(commands); i++)
		fprintf(out, "  %-12s %-24s %s\n", commands[i].name, commands[i].arguments,
			commands[i].help);
	fputs("\noptions:\n"
	      "  -s, --socket PATH   control socket of the daemon (" SP_CONTROL_PATH ")\n"
	      "  -j, --json          print JSON instead of text\n"
	      "  -n, --limit N       connections: at most N, 0 for all (100)\n"
	      "  -a, --all           drops: also reasons that never occurred\n"
	      "  -u, --undo          drain-self: stay after all\n"
	      "  -d, --diff FILE     config: compare with the configuration in FILE\n"
	      "  -r, --reset         backend: all are auto again\n"
	      "  -t, --timeout S     wait-drained: seconds to wait (no end)\n"
	      "  -h, --help          print this\n"
	      "  -V, --version       print the version\n"
	      "\nfilters (all given ones must hold):\n"
	      "  ADDRESS  ADDRESS:PORT  pool=NAME  service=NAME  backend=NAME  state=open|closing|closed\n"
	      "\nexit status: 0 done (of ready: yes; of --diff: no difference), 1 the daemon refused or broke off\n"
	      "(of ready: no; of --diff: a difference, or a bad FILE),\n"
	      "2 wrong usage, 3 no daemon reached, 4 it does not answer\n",
	      out);
}

static int print_failure(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int print_failure(int code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("splicectl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

/* An answer may quote a peer's bytes: control characters must not reach the terminal. */
static char *escape_json(const char *text)
{
	char *escaped = malloc(4 * strlen(text) + 1), *to = escaped;

	for (; escaped && *text; text++) {
		unsigned char c = *text;

		if (c < ' ' || c > '~')
			to += sprintf(to, "\\x%02x", c);
		else
			*to++ = c;
	}
	if (escaped)
		*to = 0;
	return escaped;
}

static int fail_as_said(const char *error)
{
	char *text = escape_json(error);
	int code = print_failure(EXIT_ANSWER, "%s", text ?: "out of memory");

	free(text);
	return code;
}

/* ---- answers ---- */

/* The next line of the answer. Prints its own errors. */
static int next_object(struct sp_client *client, json_t **ret_object)
{
	int err = sp_client_read(client, ret_object), code;
	const char *error;

	if (err == -ENODATA)
		return print_failure(EXIT_UNREACHABLE,
				     "the daemon closed the connection before its answer was complete");
	if (err == -EAGAIN)
		return print_failure(EXIT_SILENT, "the daemon does not answer; it may hang");
	if (err == -EBADMSG)
		return print_failure(EXIT_ANSWER,
				     "the answer is no JSON object; is that the socket of spliced?");
	if (err)
		return print_failure(EXIT_UNREACHABLE, "reading the answer: %s", strerror(-err));
	error = json_string_value(json_object_get(*ret_object, "error"));
	if (!error)
		return EXIT_OK;
	code = fail_as_said(error);
	json_decref(*ret_object);
	return code;
}

static int show_object(struct sp_client *client, const struct options *options,
		       void (*show)(const json_t *object, const struct options *options))
{
	json_t *object;
	int code = next_object(client, &object);

	if (code)
		return code;
	if (options->is_json) {
		json_dumpf(object, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		show(object, options);
	}
	json_decref(object);
	return EXIT_OK;
}

static void status_text(const json_t *object, const struct options *options)
{
	sp_show_status(object, stdout);
}

static void drops_text(const json_t *object, const struct options *options)
{
	sp_show_drops(object, options->is_all, stdout);
}

static int show_status(struct sp_client *client, const struct options *options)
{
	return show_object(client, options, status_text);
}

static int show_drops(struct sp_client *client, const struct options *options)
{
	return show_object(client, options, drops_text);
}

static void checks_text(const json_t *object, const struct options *options)
{
	sp_show_checks(object, stdout);
}

/* Of the status only the pools. */
static int show_checks(struct sp_client *client, const struct options *options)
{
	return show_object(client, options, checks_text);
}

static void cluster_text(const json_t *object, const struct options *options)
{
	sp_show_cluster(object, stdout);
}

static int show_cluster(struct sp_client *client, const struct options *options)
{
	return show_object(client, options, cluster_text);
}

static void drain_text(const json_t *object, const struct options *options)
{
	puts(json_is_true(json_object_get(object, "draining")) ? "draining" : "not draining");
}

static int show_drain(struct sp_client *client, const struct options *options)
{
	return show_object(client, options, drain_text);
}

static void reload_text(const json_t *object, const struct options *options)
{
	printf("reloaded in %" JSON_INTEGER_FORMAT " ms\n",
	       json_integer_value(json_object_get(object, "took_ms")));
}

static int show_reload(struct sp_client *client, const struct options *options)
{
	return show_object(client, options, reload_text);
}

/* Return: an exit code. */
static int show_diff(const json_t *object)
{
	const char *setting = json_string_value(json_object_get(object, "needs_start"));
	int ret = sp_config_diff(object);

	if (ret < 0)
		return print_failure(EXIT_ANSWER, "diff can't be run: %s", strerror(-ret));
	if (setting)
		print_failure(EXIT_ANSWER, "%s is read at the start alone: a reload would be refused, "
			      "a restart is needed", setting);
	return ret;
}

static int show_config(struct sp_client *client, const struct options *options)
{
	json_t *object;
	int code = next_object(client, &object);

	if (code)
		return code;
	if (options->is_json)
		json_dumpf(object, stdout, JSON_INDENT(2));
	else if (options->diff)
		code = show_diff(object);
	else
		fputs(json_string_value(json_object_get(object, "config")) ?: "", stdout);
	if (options->is_json)
		putchar('\n');
	json_decref(object);
	return code;
}

static void print_order(const json_t *row)
{
	const json_t *weight = json_object_get(row, "weight");

	printf("%s/%s: %s", json_string_value(json_object_get(row, "pool")) ?: "-",
	       json_string_value(json_object_get(row, "name")) ?: "-",
	       json_string_value(json_object_get(row, "order")) ?: "-");
	if (json_is_integer(weight))
		printf(", weight %" JSON_INTEGER_FORMAT, json_integer_value(weight));
	putchar('\n');
}

static void backend_text(const json_t *object, const struct options *options)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(object, "backends"), i, row)
		print_order(row);
}

static int show_backend(struct sp_client *client, const struct options *options)
{
	return show_object(client, options, backend_text);
}

static int fail_drained(const struct options *options, int err)
{
	if (err == -ENOENT)
		return print_failure(EXIT_ANSWER, "no backend '%s'; allowed: POOL/NAME, as in "
				     "splicectl status", options->name);
	if (err == -EAGAIN)
		return print_failure(EXIT_SILENT, "the daemon does not answer; it may hang");
	return print_failure(EXIT_UNREACHABLE, "reading the answer: %s", strerror(-err));
}

/* @client has asked for the status, to test that a daemon is there. */
static int wait_drained(struct sp_client *client, const struct options *options)
{
	time_t start = time(NULL);
	struct sp_drained d;
	json_t *object;
	int code = next_object(client, &object), err;

	if (code)
		return code;
	json_decref(object);
	while (!(err = sp_drained_count(options->path, options->name, &d)) && d.open) {
		if (d.takes_new)
			return print_failure(EXIT_ANSWER, "%s gets new connections; first: splicectl "
					     "backend %s drain", options->name, options->name);
		if (options->timeout_s >= 0 && time(NULL) - start >= options->timeout_s)
			return print_failure(EXIT_ANSWER, "%s has %" JSON_INTEGER_FORMAT
					     " connection%s left", options->name, d.open,
					     d.open == 1 ? "" : "s");
		usleep(POLL_US);
	}
	if (err)
		return fail_drained(options, err);
	printf("%s has no connection\n", options->name);
	return EXIT_OK;
}

/* A single line; the exit status says the same. */
static int show_ready(struct sp_client *client, const struct options *options)
{
	const char *reason;
	json_t *object;
	char *text;
	int code = next_object(client, &object);

	if (code)
		return code;
	code = json_is_true(json_object_get(object, "ready")) ? EXIT_OK : EXIT_ANSWER;
	reason = json_string_value(json_object_get(object, "reason"));
	if (options->is_json) {
		json_dumpf(object, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		text = escape_json(reason ?: "");
		printf("%s%s%s\n", code ? "not ready" : "ready", text && *text ? ": " : "", text ?:
		       "");
		free(text);
	}
	json_decref(object);
	return code;
}

static int is_end(const json_t *object)
{
	return json_is_true(json_object_get(object, "end"));
}

/* An array. A broken array stays open, so that no parser takes the part for the whole. */
static int connections_json(struct sp_client *client, json_t **ret_end)
{
	const char *separator = "[\n";
	json_t *object;
	int code;

	while (!(code = next_object(client, &object)) && !is_end(object)) {
		fputs(separator, stdout);
		json_dumpf(object, stdout, JSON_COMPACT);
		json_decref(object);
		separator = ",\n";
	}
	if (code)
		return code;
	puts(*separator == '[' ? "[]" : "\n]");
	*ret_end = object;
	return EXIT_OK;
}

static int connections_text(struct sp_client *client, json_t **ret_end)
{
	struct sp_table table;
	json_t *object;
	int code;

	sp_show_connections_init(&table);
	while (!(code = next_object(client, &object)) && !is_end(object)) {
		sp_show_connection(&table, object, stdout);
		json_decref(object);
	}
	sp_table_print(&table, stdout);
	if (!code)
		*ret_end = object;
	return code;
}

static int show_connections(struct sp_client *client, const struct options *options)
{
	json_t *end = NULL;
	int code = options->is_json ? connections_json(client, &end) :
		connections_text(client, &end);

	if (code)
		return code;
	fflush(stdout);
	sp_show_connections_end(end, stderr);
	json_decref(end);
	return EXIT_OK;
}

/* ---- the request ---- */

static json_t *make_request(const struct command *command, const struct options *options)
{
	json_t *request = json_pack("{s:i, s:s}", "version", SP_CONTROL_VERSION, "command",
				    command->takes & COMMAND_OF_STATUS ? "status" : command->name);

	if (command->takes & COMMAND_LIMIT)
		json_object_set_new(request, "limit", json_integer(options->limit));
	if (*options->order)
		json_object_update_new(request, json_pack("{s:s, s:s}", "name", options->name, "order",
							  options->order));
	if (options->is_undo)
		json_object_set_new(request, "undo", json_true());
	if (options->diff) {
		char *path = realpath(options->diff, NULL);

		/* the daemon says what is wrong with it */
		json_object_set_new(request, "file", json_string(path ?: options->diff));
		free(path);
	}
	if (*options->filter)
		json_object_set_new(request, "filter", json_string(options->filter));
	return request;
}

static int fail_unreachable(const char *path, int err)
{
	const char *what = "";

	if (err == -EAGAIN)
		return print_failure(EXIT_SILENT, "the daemon at %s takes no request; it may hang",
				     path);
	if (err == -ENOENT || err == -ECONNREFUSED)
		what = "; start spliced, or name the `control:` of its configuration with --socket";
	else if (err == -EACCES)
		what = "; become root, or a user who may write to that socket";
	return print_failure(EXIT_UNREACHABLE, "no daemon reached at %s: %s%s", path,
			     strerror(-err), what);
}

static int ask_daemon(const struct command *command, const struct options *options)
{
	struct sp_client client = { 0 };
	json_t *request;
	int err, code;

	err = sp_client_open(options->path, command->limit_ms, &client);
	if (err)
		return fail_unreachable(options->path, err);
	request = make_request(command, options);
	err = sp_client_send(&client, request);
	json_decref(request);
	code = err ? fail_unreachable(options->path, err) : command->show(&client, options);
	sp_client_close(&client);
	return code;
}

static int ask_and_flush(const struct command *command, const struct options *options)
{
	int code = ask_daemon(command, options);

	if (fflush(stdout) || ferror(stdout))
		return print_failure(EXIT_ANSWER, "writing the output: %s", strerror(errno));
	return code;
}

/* ---- the command line ---- */

static int print_usage(const char *fmt, const char *what)
{
	fputs("splicectl: ", stderr);
	fprintf(stderr, fmt, what);
	fputs("; see splicectl --help\n", stderr);
	return EXIT_USAGE;
}

static int parse_limit(const char *text, struct options *options)
{
	char *end;

	errno = 0;
	options->limit = strtoll(text, &end, 10);
	options->given |= COMMAND_LIMIT;
	if (*text < '0' || *text > '9' || *end || errno)
		return print_usage("--limit '%s' is no whole number", text);
	return 0;
}

static int parse_timeout(const char *text, struct options *options)
{
	char *end;

	errno = 0;
	options->timeout_s = strtoll(text, &end, 10);
	options->given |= COMMAND_TIMEOUT;
	if (*text < '0' || *text > '9' || *end || errno)
		return print_usage("--timeout '%s' is no whole number of seconds", text);
	return 0;
}

/* Return: 0 to go on; -1 done; else an exit code. */
static int parse_option(int letter, struct options *options)
{
	switch (letter) {
	case 's':
		options->path = optarg;
		return 0;
	case 'j':
		options->is_json = 1;
		return 0;
	case 'n':
		return parse_limit(optarg, options);
	case 'a':
		options->is_all = 1;
		options->given |= COMMAND_ALL;
		return 0;
	case 'u':
		options->is_undo = 1;
		options->given |= COMMAND_UNDO;
		return 0;
	case 'd':
		options->diff = optarg;
		options->given |= COMMAND_DIFF;
		return 0;
	case 'r':
		options->is_reset = 1;
		options->given |= COMMAND_RESET;
		return 0;
	case 't':
		return parse_timeout(optarg, options);
	case 'h':
		print_help(stdout);
		return -1;
	case 'V':
		puts("splicectl " SP_VERSION);
		return -1;
	}
	fputs("see splicectl --help\n", stderr);
	return EXIT_USAGE;
}

static int join_filter(char **terms, struct options *options)
{
	size_t len = 0;

	for (; *terms; terms++) {
		size_t room = sizeof(options->filter) - len;
		int written = snprintf(options->filter + len, room, "%s%s", len ? " " : "", *terms);

		if ((size_t)written >= room)
			return print_usage("the filter is too long, from '%.40s' on", *terms);
		len += written;
		options->given |= COMMAND_FILTER;
	}
	return 0;
}

/* "POOL/NAME", and an order of one or two words, unless all are reset. */
static int take_words(const struct command *command, char **words, struct options *options)
{
	int wanted = options->is_reset ? 0 : command->takes & COMMAND_ORDER ? 2 : 1, count = 0;

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

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COUNT(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int run_command(char **words, struct options *options)
{
	const struct command *command;
	unsigned int unwanted;

	if (!*words) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	command = find_command(*words);
	if (!command)
		return print_usage("command '%s' is not known", *words);
	if (command->takes & COMMAND_NAME ? take_words(command, words + 1, options) :
	    join_filter(words + 1, options))
		return EXIT_USAGE;
	unwanted = options->given & ~command->takes;
	if (unwanted & COMMAND_FILTER)
		return print_usage("'%s' takes no filter", command->name);
	if (unwanted & COMMAND_LIMIT)
		return print_usage("'%s' takes no --limit", command->name);
	if (unwanted & COMMAND_DIFF)
		return print_usage("'%s' takes no --diff", command->name);
	if (unwanted)
		return print_usage(unwanted & COMMAND_UNDO ? "'%s' takes no --undo" :
				   unwanted & COMMAND_RESET ? "'%s' takes no --reset" :
				   unwanted & COMMAND_TIMEOUT ? "'%s' takes no --timeout" :
				   "'%s' takes no --all", command->name);
	return ask_and_flush(command, options);
}

int main(int argc, char **argv)
{
	struct options options = { .path = SP_CONTROL_PATH, .limit = SP_CONTROL_LIMIT,
				   .timeout_s = -1 };
	int letter, code;

	while ((letter = getopt_long(argc, argv, "s:jn:aud:rt:hV", long_options, NULL)) >= 0) {
		code = parse_option(letter, &options);
		if (code)
			return code < 0 ? EXIT_OK : code;
	}
	return run_command(argv + optind, &options);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* options.c - see options.h */
#include "ctl/options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>

#include "ctl/answer.h"
#include "ctl/command.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define NO_LETTER	256	/* and above: options without a letter */
#define AT(member)	offsetof(struct sp_options, member)

enum kind { KIND_FLAG, KIND_NUMBER, KIND_TEXT, KIND_VALUES };

/**
 * struct definition - an option
 * @letter:	or 0
 * @of:		SP_OPTION_*; 0: each command takes it
 * @at:		offset of the member in struct sp_options
 */
struct definition {
	const char	*name;
	char		letter;
	unsigned int	of;
	enum kind	kind;
	size_t		at;
	const char	*argument, *help;
};

static const struct definition definitions[] = {
	{ "socket", 's', 0, KIND_TEXT, AT(path), "PATH",
	  "control socket of the daemon (" SP_CONTROL_PATH ")" },
	{ "json", 'j', 0, KIND_FLAG, AT(is_json), NULL, "print JSON instead of text" },
	{ "limit", 'n', SP_OPTION_LIMIT, KIND_NUMBER, AT(limit), "N",
	  "connections, events: at most N, 0 for all (100); trace: the same (all); top: N times (no end)" },
	{ "all", 'a', SP_OPTION_ALL, KIND_FLAG, AT(is_all), NULL,
	  "drops: also reasons that never occurred" },
	{ "undo", 'u', SP_OPTION_UNDO, KIND_FLAG, AT(is_undo), NULL,
	  "drain-self: stay after all" },
	{ "diff", 'd', SP_OPTION_DIFF, KIND_TEXT, AT(diff), "FILE",
	  "config: compare with the configuration in FILE" },
	{ "reset", 'r', SP_OPTION_RESET, KIND_FLAG, AT(is_reset), NULL,
	  "backend: all are auto again" },
	{ "here", 0, SP_OPTION_RESET, KIND_FLAG, AT(is_here), NULL,
	  "backend: at this proxy alone" },
	{ "timeout", 't', SP_OPTION_TIMEOUT, KIND_NUMBER, AT(timeout_s), "S",
	  "wait-drained: seconds to wait (no end)" },
	{ "follow", 'f', SP_OPTION_FOLLOW, KIND_FLAG, AT(is_follow), NULL,
	  "events: go on with those to come" },
	{ "since", 0, SP_OPTION_SINCE, KIND_NUMBER, AT(since), "SEQ",
	  "events: those behind this number" },
	{ "seconds", 0, SP_OPTION_SECONDS, KIND_NUMBER, AT(seconds), "S",
	  "trace: it ends then (60)" },
	{ "batch", 'b', SP_OPTION_BATCH, KIND_FLAG, AT(is_batch), NULL,
	  "top: without control of the terminal" },
	{ "service", 0, SP_OPTION_SERVICE, KIND_TEXT, AT(service), "NAME", "explain: the service" },
	{ "method", 0, SP_OPTION_REQUEST, KIND_TEXT, AT(method), "NAME",
	  "explain: of the request (GET)" },
	{ "host", 0, SP_OPTION_REQUEST, KIND_TEXT, AT(host), "NAME",
	  "explain: its Host (none: HTTP/1.0)" },
	{ "path", 0, SP_OPTION_REQUEST, KIND_TEXT, AT(target), "PATH",
	  "explain: its target (/)" },
	{ "header", 0, SP_OPTION_REQUEST, KIND_VALUES, AT(headers), "NAME:VALUE",
	  "explain: a header of it; may be repeated" },
	{ "sni", 0, SP_OPTION_REQUEST, KIND_TEXT, AT(sni), "NAME",
	  "explain: server name of a TLS client" },
	{ "alpn", 0, SP_OPTION_REQUEST, KIND_VALUES, AT(alpns), "NAME",
	  "explain: protocol that it offers; may be repeated" },
	{ "from", 0, SP_OPTION_REQUEST, KIND_TEXT, AT(from), "ADDRESS",
	  "explain: the client's address, where the backend follows from it" },
	{ "help", 'h', 0, KIND_FLAG, 0, NULL, "print this" },
	{ "version", 'V', 0, KIND_FLAG, 0, NULL, "print the version" },
};

void sp_options_help(FILE *out)
{
	for (size_t i = 0; i < COUNT(definitions); i++) {
		const struct definition *d = &definitions[i];
		char text[40];

		snprintf(text, sizeof(text), "--%s%s%s", d->name, d->argument ? " " : "",
			 d->argument ?: "");
		if (d->letter)
			fprintf(out, "  -%c, %-19s %s\n", d->letter, text, d->help);
		else
			fprintf(out, "      %-19s %s\n", text, d->help);
	}
}

const char *sp_option_name(unsigned int options)
{
	for (size_t i = 0; i < COUNT(definitions); i++)
		if (definitions[i].of & options)
			return definitions[i].name;
	return "";
}

static int take_number(const struct definition *d, const char *text, json_int_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoll(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno)
		return 0;
	fprintf(stderr, "splicectl: --%s '%s' is no whole number; see splicectl --help\n", d->name,
		text);
	return -EINVAL;
}

static int take_value(const struct definition *d, const char *text, struct sp_values *values)
{
	if (values->count == SP_OPTION_VALUES_MAX) {
		fprintf(stderr, "splicectl: --%s: at most %d\n", d->name, SP_OPTION_VALUES_MAX);
		return -EINVAL;
	}
	values->all[values->count++] = text;
	return 0;
}

/* Return: 0; -EINVAL, reported. */
static int take_option(const struct definition *d, const char *text, struct sp_options *options)
{
	void *member = (char *)options + d->at;

	options->given |= d->of;
	switch (d->kind) {
	case KIND_FLAG: *(int *)member = 1; return 0;
	case KIND_TEXT: *(const char **)member = text; return 0;
	case KIND_NUMBER: return take_number(d, text, member);
	case KIND_VALUES: return take_value(d, text, member);
	}
	return -EINVAL;
}

/* The forms that getopt_long() takes. */
static void make_tables(struct option *longs, char *letters)
{
	for (size_t i = 0; i < COUNT(definitions); i++) {
		const struct definition *d = &definitions[i];

		longs[i] = (struct option){ d->name, d->argument ? required_argument : no_argument,
					    NULL, d->letter ?: NO_LETTER + (int)i };
		if (d->letter)
			*letters++ = d->letter;
		if (d->letter && d->argument)
			*letters++ = ':';
	}
	longs[COUNT(definitions)] = (struct option){ 0 };
	*letters = 0;
}

static const struct definition *find_definition(int letter)
{
	for (size_t i = 0; i < COUNT(definitions); i++)
		if (letter == (definitions[i].letter ?: NO_LETTER + (int)i))
			return &definitions[i];
	return NULL;
}

int sp_options_parse(int argc, char **argv, struct sp_options *options, char ***ret_words)
{
	struct option longs[COUNT(definitions) + 1];
	char letters[2 * COUNT(definitions) + 1];
	const struct definition *d;
	int letter;

	*options = (struct sp_options){ .path = SP_CONTROL_PATH, .limit = SP_CONTROL_LIMIT,
					.timeout_s = -1, .seconds = SP_CONTROL_TRACE_S };
	make_tables(longs, letters);
	while ((letter = getopt_long(argc, argv, letters, longs, NULL)) >= 0) {
		d = find_definition(letter);
		if (!d)
			fputs("see splicectl --help\n", stderr);
		if (!d || (letter != 'h' && letter != 'V' && take_option(d, optarg, options)))
			return SP_EXIT_USAGE;
		if (letter == 'h')
			sp_command_help(stdout);
		else if (letter == 'V')
			puts("splicectl " SP_VERSION);
		if (letter == 'h' || letter == 'V')
			return SP_EXIT_OK;
	}
	*ret_words = argv + optind;
	return -1;
}

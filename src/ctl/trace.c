/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* trace.c - the command trace: events of connections, as they come */
#include <stdlib.h>
#include <time.h>

#include "ctl/answer.h"
#include "ctl/command.h"

static void print_line(const json_t *line)
{
	json_int_t at_us = sp_int_in(line, "at_us");
	time_t at = at_us / 1000000;
	char *text = sp_escape(sp_text_in(line, "text")), clock[32] = "-";
	struct tm tm;

	if (gmtime_r(&at, &tm))
		strftime(clock, sizeof(clock), "%T", &tm);
	printf("%s.%06dZ  %s > %s  %-6s  %s\n", clock, (int)(at_us % 1000000),
	       sp_text_in(line, "from"), sp_text_in(line, "to"), sp_text_in(line, "what"),
	       text ?: "");
	free(text);
}

static void print_json(const json_t *line)
{
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
}

static void print_end(const json_t *end, const struct sp_options *options)
{
	if (options->is_json)
		print_json(end);
	else
		fprintf(stderr, "%" JSON_INTEGER_FORMAT " lines; %" JSON_INTEGER_FORMAT " more found no room\n",
			sp_int_in(end, "shown"), sp_int_in(end, "lost"));
}

int sp_command_trace(struct sp_client *client, const struct sp_options *options)
{
	int code, is_end = 0;
	json_t *line;

	while (!is_end && !ferror(stdout)) {
		code = sp_answer_next(client, &line);
		if (code)
			return code;
		is_end = json_is_true(json_object_get(line, "end"));
		if (is_end)
			print_end(line, options);
		else if (options->is_json)
			print_json(line);
		else
			print_line(line);
		json_decref(line);
		fflush(stdout);
	}
	return SP_EXIT_OK;
}

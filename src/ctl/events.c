/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* events.c - the command events: the last lines of the daemon's log, and those to come */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "ctl/answer.h"
#include "ctl/command.h"

#define POLL_US 500000	/* between two looks of --follow */

static void print_event(const json_t *event)
{
	time_t at = json_integer_value(json_object_get(event, "at_ms")) / 1000;
	char *text = sp_escape(sp_text_in(event, "text")), clock[32] = "-";
	struct tm tm;

	if (gmtime_r(&at, &tm))
		strftime(clock, sizeof(clock), "%F %TZ", &tm);
	printf("%s  %-7s  %s\n", clock, sp_text_in(event, "level"), text ?: "");
	free(text);
}

static void print_events(const json_t *object, const struct sp_options *options)
{
	const json_t *event;
	size_t i;

	json_array_foreach(json_object_get(object, "events"), i, event) {
		if (options->is_json) {
			json_dumpf(event, stdout, JSON_COMPACT);
			putchar('\n');
		} else {
			print_event(event);
		}
	}
	fflush(stdout);
}

/* After a restart of the daemon numbers begin anew. Return: an exit code. */
static int follow_events(const struct sp_options *options, json_int_t last)
{
	json_t *object;
	int code;

	while (!ferror(stdout)) {
		usleep(POLL_US);
		code = sp_answer_ask(options, json_pack("{s:s, s:I, s:i}", "command", "events",
							"since", last, "limit", 0), &object);
		if (code)
			return code;
		if (sp_int_in(object, "last") < last) {
			last = 0;
		} else {
			print_events(object, options);
			last = sp_int_in(object, "last");
		}
		json_decref(object);
	}
	return SP_EXIT_OK;
}

int sp_command_events(struct sp_client *client, const struct sp_options *options)
{
	json_int_t last;
	json_t *object;
	int code;

	if (!options->is_follow && options->is_json)	/* whole */
		return sp_answer_show(client, options, print_events);
	code = sp_answer_next(client, &object);
	if (code)
		return code;
	print_events(object, options);
	last = sp_int_in(object, "last");
	json_decref(object);
	return options->is_follow ? follow_events(options, last) : SP_EXIT_OK;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report.c - commands that show the state of the daemon */
#include <stdlib.h>

#include "ctl/answer.h"
#include "ctl/command.h"
#include "ctl/names.h"
#include "ctl/show.h"

static void status_text(const json_t *object, const struct sp_options *options)
{
	sp_show_status(object, stdout);
}

static void drops_text(const json_t *object, const struct sp_options *options)
{
	sp_show_drops(object, options->is_all, stdout);
}

int sp_command_status(struct sp_client *client, const struct sp_options *options)
{
	return sp_answer_show(client, options, status_text);
}

int sp_command_drops(struct sp_client *client, const struct sp_options *options)
{
	return sp_answer_show(client, options, drops_text);
}

static void checks_text(const json_t *object, const struct sp_options *options)
{
	sp_show_checks(object, stdout);
}

/* Of the status only the pools. */
int sp_command_checks(struct sp_client *client, const struct sp_options *options)
{
	return sp_answer_show(client, options, checks_text);
}

static void names_text(const json_t *object, const struct sp_options *options)
{
	sp_show_names(object, stdout);
}

int sp_command_names(struct sp_client *client, const struct sp_options *options)
{
	return sp_answer_show(client, options, names_text);
}

static void cluster_text(const json_t *object, const struct sp_options *options)
{
	sp_show_cluster(object, stdout);
}

int sp_command_cluster(struct sp_client *client, const struct sp_options *options)
{
	return sp_answer_show(client, options, cluster_text);
}

/* A single line; the exit status says the same. */
int sp_command_ready(struct sp_client *client, const struct sp_options *options)
{
	const char *reason;
	json_t *object;
	char *text;
	int code = sp_answer_next(client, &object);

	if (code)
		return code;
	code = json_is_true(json_object_get(object, "ready")) ? SP_EXIT_OK : SP_EXIT_ANSWER;
	reason = json_string_value(json_object_get(object, "reason"));
	if (options->is_json) {
		json_dumpf(object, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		text = sp_escape(reason ?: "");
		printf("%s%s%s\n", code ? "not ready" : "ready", text && *text ? ": " : "", text ?:
		       "");
		free(text);
	}
	json_decref(object);
	return code;
}

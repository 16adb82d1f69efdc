/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* list.c - the command connections */
#include "ctl/answer.h"
#include "ctl/command.h"
#include "ctl/show.h"

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

	while (!(code = sp_answer_next(client, &object)) && !is_end(object)) {
		fputs(separator, stdout);
		json_dumpf(object, stdout, JSON_COMPACT);
		json_decref(object);
		separator = ",\n";
	}
	if (code)
		return code;
	puts(*separator == '[' ? "[]" : "\n]");
	*ret_end = object;
	return SP_EXIT_OK;
}

static int connections_text(struct sp_client *client, json_t **ret_end)
{
	struct sp_table table;
	json_t *object;
	int code;

	sp_show_connections_init(&table);
	while (!(code = sp_answer_next(client, &object)) && !is_end(object)) {
		sp_show_connection(&table, object, stdout);
		json_decref(object);
	}
	sp_table_print(&table, stdout);
	if (!code)
		*ret_end = object;
	return code;
}

int sp_command_connections(struct sp_client *client, const struct sp_options *options)
{
	json_t *end = NULL;
	int code = options->is_json ? connections_json(client, &end) :
		connections_text(client, &end);

	if (code)
		return code;
	fflush(stdout);
	sp_show_connections_end(end, stderr);
	json_decref(end);
	return SP_EXIT_OK;
}

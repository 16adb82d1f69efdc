/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* order.c - commands that change the daemon, or wait for a change; and its configuration */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/answer.h"
#include "ctl/command.h"
#include "ctl/config.h"
#include "ctl/drained.h"

#define POLL_US 200000	/* between two looks of wait-drained */

static void drain_text(const json_t *object, const struct sp_options *options)
{
	puts(json_is_true(json_object_get(object, "draining")) ? "draining" : "not draining");
}

int sp_command_drain(struct sp_client *client, const struct sp_options *options)
{
	return sp_answer_show(client, options, drain_text);
}

static void reload_text(const json_t *object, const struct sp_options *options)
{
	printf("reloaded in %" JSON_INTEGER_FORMAT " ms\n",
	       json_integer_value(json_object_get(object, "took_ms")));
}

int sp_command_reload(struct sp_client *client, const struct sp_options *options)
{
	return sp_answer_show(client, options, reload_text);
}

/* Return: an exit code. */
static int show_diff(const json_t *object)
{
	const char *setting = json_string_value(json_object_get(object, "needs_start"));
	int ret = sp_config_diff(object);

	if (ret < 0)
		return sp_fail(SP_EXIT_ANSWER, "diff can't be run: %s", strerror(-ret));
	if (setting)
		sp_fail(SP_EXIT_ANSWER, "%s is read at the start alone: a reload would be refused, "
			      "a restart is needed", setting);
	return ret;
}

int sp_command_config(struct sp_client *client, const struct sp_options *options)
{
	json_t *object;
	int code = sp_answer_next(client, &object);

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

static void backend_text(const json_t *object, const struct sp_options *options)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(object, "backends"), i, row)
		print_order(row);
}

int sp_command_backend(struct sp_client *client, const struct sp_options *options)
{
	return sp_answer_show(client, options, backend_text);
}

static int fail_drained(const struct sp_options *options, int err)
{
	if (err == -ENOENT)
		return sp_fail(SP_EXIT_ANSWER, "no backend '%s'; allowed: POOL/NAME, as in "
				     "splicectl status", options->name);
	if (err == -EAGAIN)
		return sp_fail(SP_EXIT_SILENT, "the daemon does not answer; it may hang");
	return sp_fail(SP_EXIT_UNREACHABLE, "reading the answer: %s", strerror(-err));
}

/* @client has asked for the status, to test that a daemon is there. */
int sp_command_wait_drained(struct sp_client *client, const struct sp_options *options)
{
	time_t start = time(NULL);
	struct sp_drained d;
	json_t *object;
	int code = sp_answer_next(client, &object), err;

	if (code)
		return code;
	json_decref(object);
	while (!(err = sp_drained_count(options->path, options->name, &d)) && d.open) {
		if (d.takes_new)
			return sp_fail(SP_EXIT_ANSWER, "%s gets new connections; first: splicectl "
					     "backend %s drain", options->name, options->name);
		if (options->timeout_s >= 0 && time(NULL) - start >= options->timeout_s)
			return sp_fail(SP_EXIT_ANSWER, "%s has %" JSON_INTEGER_FORMAT
					     " connection%s left", options->name, d.open,
					     d.open == 1 ? "" : "s");
		usleep(POLL_US);
	}
	if (err)
		return fail_drained(options, err);
	printf("%s has no connection\n", options->name);
	return SP_EXIT_OK;
}

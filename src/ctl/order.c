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
#include "ctl/show.h"
#include "ctl/table.h"

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
	json_int_t told = json_integer_value(json_object_get(object, "told"));
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(object, "backends"), i, row)
		print_order(row);
	if (told)
		printf("told to %" JSON_INTEGER_FORMAT " other prox%s\n", told,
		       told == 1 ? "y" : "ies");
}

int sp_command_backend(struct sp_client *client, const struct sp_options *options)
{
	return sp_answer_show(client, options, backend_text);
}

static void add_ordered(struct sp_table *table, const char *pool, const json_t *backend)
{
	const json_t *ordered = json_object_get(backend, "ordered"),
		     *weight = json_object_get(backend, "ordered_weight");
	char weight_text[SP_HUMAN_MAX], age[SP_HUMAN_MAX];
	const char *by = json_string_value(json_object_get(ordered, "by"));
	const char *cells[] = {
		pool, json_string_value(json_object_get(backend, "name")),
		json_string_value(json_object_get(backend, "order")),
		json_is_integer(weight) ? weight_text : NULL,
		json_is_true(json_object_get(ordered, "here")) ? "here" : "cluster",
		by, age,
	};

	snprintf(weight_text, sizeof(weight_text), "%" JSON_INTEGER_FORMAT,
		 json_integer_value(weight));
	sp_human_ms(json_integer_value(json_object_get(ordered, "age_ms")), age);
	sp_table_add(table, cells, stdout);
}

static void orders_text(const json_t *object, const struct sp_options *options)
{
	static const struct sp_column columns[] = {
		{ "POOL", 0 }, { "BACKEND", 0 }, { "ORDER", 0 }, { "WEIGHT", 1 }, { "FOR", 0 },
		{ "BY", 0 }, { "AGE", 1 },
	};
	const json_t *pool, *backend;
	struct sp_table table;
	size_t i, j;

	sp_table_init(&table, columns, sizeof(columns) / sizeof(*columns));
	json_array_foreach(json_object_get(object, "pools"), i, pool)
		json_array_foreach(json_object_get(pool, "backends"), j, backend)
			if (json_is_object(json_object_get(backend, "ordered")))
				add_ordered(&table, json_string_value(json_object_get(pool, "name")),
					    backend);
	sp_table_print(&table, stdout);
}

int sp_command_orders(struct sp_client *client, const struct sp_options *options)
{
	return sp_answer_show(client, options, orders_text);
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

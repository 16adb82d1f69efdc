/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* explain.c - the command explain: the way of a request, as the daemon decides */
#include "ctl/answer.h"
#include "ctl/command.h"
#include "ctl/table.h"

static void print_backends(const json_t *backends)
{
	static const struct sp_column columns[] = { { "BACKEND", 0 }, { "GETS IT", 0 },
						    { "BECAUSE", 0 } };
	struct sp_table table;
	const json_t *row;
	size_t i;

	sp_table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
	json_array_foreach(backends, i, row) {
		const char *cells[] = { sp_text_in(row, "name"),
					json_is_true(json_object_get(row, "gets")) ? "may" : "no",
					sp_text_in(row, "why") };

		sp_table_add(&table, cells, stdout);
	}
	sp_table_print(&table, stdout);
}

static void explain_text(const json_t *object, const struct sp_options *options)
{
	json_int_t status = sp_int_in(object, "status");

	printf("service  %s\nroute    %s\n", sp_text_in(object, "service"),
	       sp_text_in(object, "why"));
	if (status)
		printf("reply    %" JSON_INTEGER_FORMAT ", by spliced itself\n", status);
	else
		printf("pool     %s\n", sp_text_in(object, "pool"));
	if (json_array_size(json_object_get(object, "backends"))) {
		putchar('\n');
		print_backends(json_object_get(object, "backends"));
	}
}

int sp_command_explain(struct sp_client *client, const struct sp_options *options)
{
	return sp_answer_show(client, options, explain_text);
}

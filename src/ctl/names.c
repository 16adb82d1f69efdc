// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* names.c - see names.h */
#include "ctl/names.h"

#include <string.h>

#include "ctl/show.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && *text ? text : "-";
}

static const char *format_ms(const json_t *object, const char *key, char *buf)
{
	const json_t *ms = json_object_get(object, key);

	return json_is_integer(ms) ? sp_human_ms(json_integer_value(ms), buf) : NULL;
}

static const char *format_int(const json_t *object, const char *key, char *buf)
{
	snprintf(buf, SP_HUMAN_MAX, "%" JSON_INTEGER_FORMAT,
		 json_integer_value(json_object_get(object, key)));
	return buf;
}

static void add_row(struct sp_table *table, const char *pool, const char *name, const char *type,
		    const char *state, const json_t *object, FILE *out)
{
	char good[SP_HUMAN_MAX], next[SP_HUMAN_MAX], numbers[3][SP_HUMAN_MAX];
	const char *cells[] = {
		pool, name, type, state, format_int(object, "addresses", numbers[0]),
		format_ms(object, "good_ms", good), format_ms(object, "next_ms", next),
		format_int(object, "failed", numbers[1]), format_int(object, "refused", numbers[2]),
		text_of(object, "error"),
	};

	sp_table_add(table, cells, out);
}

static size_t add_pool(struct sp_table *table, const json_t *pool, FILE *out)
{
	const json_t *file = json_object_get(pool, "file"), *name;
	size_t i, count = 0;

	json_array_foreach(json_object_get(pool, "names"), i, name) {
		add_row(table, text_of(pool, "name"), text_of(name, "name"), text_of(name, "type"),
			text_of(name, "state"), name, out);
		count++;
	}
	if (!json_is_object(file))
		return count;
	add_row(table, text_of(pool, "name"), text_of(file, "path"), "file",
		strcmp(text_of(file, "error"), "-") ? "failing" : "good", file, out);
	return count + 1;
}

static void show_origins(const json_t *pools, FILE *out)
{
	static const struct sp_column columns[] = {
		{ "POOL", 0 }, { "BACKEND", 0 }, { "ADDRESS", 0 }, { "STATE", 0 }, { "FROM", 0 },
	};
	const json_t *pool, *backend;
	struct sp_table table;
	size_t i, j;

	sp_table_init(&table, columns, COUNT(columns));
	json_array_foreach(pools, i, pool)
		json_array_foreach(json_object_get(pool, "backends"), j, backend) {
			const char *cells[] = {
				text_of(pool, "name"), text_of(backend, "name"),
				text_of(backend, "address"), text_of(backend, "state"),
				text_of(backend, "from"),
			};

			if (json_is_string(json_object_get(backend, "from")))
				sp_table_add(&table, cells, out);
		}
	if (table.row_count)
		fputc('\n', out);
	sp_table_print(&table, out);
}

void sp_show_names(const json_t *object, FILE *out)
{
	static const struct sp_column columns[] = {
		{ "POOL", 0 }, { "NAME", 0 }, { "TYPE", 0 }, { "STATE", 0 }, { "ADDRESSES", 1 },
		{ "LAST GOOD", 1 }, { "NEXT", 1 }, { "FAILED", 1 }, { "REFUSED", 1 }, { "ERROR", 0 },
	};
	const json_t *pools = json_object_get(object, "pools"), *pool;
	struct sp_table table;
	size_t i, count = 0;

	sp_table_init(&table, columns, COUNT(columns));
	json_array_foreach(pools, i, pool)
		count += add_pool(&table, pool, out);
	sp_table_print(&table, out);
	if (count)
		show_origins(pools, out);
	else
		fputs("no pool has names or a file of backends\n", out);
}

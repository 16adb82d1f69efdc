/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* table.c - aligned columns of text. */
#include <assert.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/table.h"

/* In characters, not bytes: names may be UTF-8. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

void sp_table_init(struct sp_table *table, const struct sp_column *columns, size_t column_count)
{
	assert(column_count <= SP_TABLE_COLUMNS_MAX);
	memset(table, 0, sizeof(*table));
	table->columns = columns;
	table->column_count = column_count;
	for (size_t i = 0; i < column_count; i++)
		table->widths[i] = width_of(columns[i].title);
}

void sp_table_add(struct sp_table *table, const char *const *cells, FILE *out)
{
	if (table->row_count == SP_TABLE_ROWS_MAX)
		sp_table_print(table, out);
	for (size_t i = 0; i < table->column_count; i++) {
		char *cell = strdup(cells[i] ? cells[i] : "-");
		size_t width;

		if (!cell)
			err(1, "table");
		width = width_of(cell);
		if (width > table->widths[i])
			table->widths[i] = width;
		table->cells[table->row_count][i] = cell;
	}
	table->row_count++;
}

static void print_cell(const struct sp_table *table, size_t column, const char *text, FILE *out)
{
	int is_last = column + 1 == table->column_count;
	int is_right = table->columns[column].is_right;
	int pad = table->widths[column] - width_of(text);

	if (is_right)
		fprintf(out, "%*s", pad, "");
	fputs(text, out);
	if (!is_right && !is_last)
		fprintf(out, "%*s", pad, "");
	fputs(is_last ? "\n" : "  ", out);
}

void sp_table_print(struct sp_table *table, FILE *out)
{
	if (table->row_count && !table->has_title) {
		for (size_t i = 0; i < table->column_count; i++)
			print_cell(table, i, table->columns[i].title, out);
		table->has_title = 1;
	}
	for (size_t row = 0; row < table->row_count; row++) {
		for (size_t i = 0; i < table->column_count; i++) {
			print_cell(table, i, table->cells[row][i], out);
			free(table->cells[row][i]);
		}
	}
	table->row_count = 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* table.h - aligned columns of text. Only for splicectl. */
#ifndef SP_CTL_TABLE_H
#define SP_CTL_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define SP_TABLE_COLUMNS_MAX	13
#define SP_TABLE_ROWS_MAX	256

struct sp_column {
	const char	*title;
	int		is_right;	/* numbers stand at the right edge */
};

/*
 * Rows are kept until the next print, so that columns become as wide as they must be. Widths only
 * grow.
 */
struct sp_table {
	const struct sp_column	*columns;
	size_t			column_count;
	size_t			row_count;
	int			has_title;	/* printed already */
	size_t			widths[SP_TABLE_COLUMNS_MAX];
	char			*cells[SP_TABLE_ROWS_MAX][SP_TABLE_COLUMNS_MAX];
};

/* @columns: borrowed until the table is printed for the last time */
void sp_table_init(struct sp_table *table, const struct sp_column *columns, size_t column_count);

/*
 * Add a row. @cells: as many as columns (copied); NULL prints as "-". A full table is printed
 * first.
 */
void sp_table_add(struct sp_table *table, const char *const *cells, FILE *out);

/*
 * Print what was added since the last time; the titles once, and only when there are rows. Frees
 * the rows.
 */
void sp_table_print(struct sp_table *table, FILE *out);

#endif

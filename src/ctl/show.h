/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* show.h - the daemon's answers as text for people. Only for splicectl. */
#ifndef SP_CTL_SHOW_H
#define SP_CTL_SHOW_H

#include <jansson.h>
#include <stdio.h>

#include "ctl/table.h"

/* @object: the answer to "status" */
void sp_show_status(const json_t *object, FILE *out);
void sp_show_checks(const json_t *object, FILE *out);

/* @object: the answer to "cluster" */
void sp_show_cluster(const json_t *object, FILE *out);

/* @object: the answer to "drops"; @is_all: also reasons that never occurred */
void sp_show_drops(const json_t *object, int is_all, FILE *out);

/* A list is printed in pages: init, add each row, then print the table. */
void sp_show_connections_init(struct sp_table *table);
void sp_show_connection(struct sp_table *table, const json_t *row, FILE *out);

/* @end: the last line of the list. What it says about the rows that are not shown. */
void sp_show_connections_end(const json_t *end, FILE *out);

#define SP_HUMAN_MAX 24

/* "1.5MiB" and "3d04h", into @buf of SP_HUMAN_MAX bytes; return @buf. */
char *sp_human_bytes(json_int_t bytes, char *buf);
char *sp_human_ms(json_int_t ms, char *buf);

#endif

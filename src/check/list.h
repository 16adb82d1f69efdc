/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* list.h - the list of checks, as the daemon sends it. No I/O, no clock. */
#ifndef SP_CHECK_LIST_H
#define SP_CHECK_LIST_H

#include <stdint.h>

#include "check/record.h"

#define SP_CHECK_LIST_MAX	65536
#define SP_CHECK_AT_ONCE_MAX	4096

struct sp_probe;

/**
 * struct sp_check - a check of the list
 * @def:	points into @line
 * @line:	owned, cut into fields
 * @key, @len: @line from the type on, with the ends of its fields: equal bytes, equal checks
 * @due_ms:	of the next run; 0: not known
 * @started_ms:	of the run under way
 * @probe:	of the runs so far, or NULL
 */
struct sp_check {
	struct sp_check_def	def;
	char			*line;
	const char		*key;
	size_t			len;
	uint64_t		due_ms, started_ms;
	struct sp_probe		*probe;
};

/* @begin: its generation, size and limits. Zero it first. */
struct sp_check_list {
	struct sp_check_begin	begin;
	unsigned int		count;
	struct sp_check		*checks;
};

/* Return: NULL, or the reason of a refusal. */
const char *sp_check_list_begin(struct sp_check_list *list, const struct sp_record *record);
/* @line: copied */
const char *sp_check_list_add(struct sp_check_list *list, const char *line);
const char *sp_check_list_end(const struct sp_check_list *list, const struct sp_record *record);
void sp_check_list_fini(struct sp_check_list *list);

/*
 * Call @pair for each check of @from with its equal in @to, or with NULL. Return: 0 or -ENOMEM.
 */
int sp_check_list_compare(struct sp_check_list *from, struct sp_check_list *to,
			  void (*pair)(void *ctx, struct sp_check *old, struct sp_check *new),
			  void *ctx);

#endif

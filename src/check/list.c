// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* list.c - see list.h */
#include "check/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_FIELD	2

const char *sp_check_list_begin(struct sp_check_list *list, const struct sp_record *record)
{
	const char *why = sp_check_begin_parse(record, &list->begin);

	if (why)
		return why;
	if (list->begin.count > SP_CHECK_LIST_MAX)
		return "a list that is too long";
	if (!list->begin.at_once || list->begin.at_once > SP_CHECK_AT_ONCE_MAX)
		return "a bad number at once";
	list->checks = calloc(list->begin.count + 1, sizeof(*list->checks));
	return list->checks ? NULL : "out of memory";
}

const char *sp_check_list_add(struct sp_check_list *list, const char *line)
{
	struct sp_record record;
	struct sp_check *check;
	size_t len = strlen(line);
	const char *why;

	if (!list->checks || list->count == list->begin.count)
		return "a check beyond the list";
	check = &list->checks[list->count];
	check->line = strdup(line);
	if (!check->line)
		return "out of memory";
	why = sp_record_split(check->line, &record) ?: sp_check_def_parse(&record, &check->def);
	if (!why && check->def.id != list->count)
		why = "an id out of order";
	if (why) {
		free(check->line);
		check->line = NULL;
		return why;
	}
	check->key = record.fields[TYPE_FIELD];
	check->len = len - (check->key - check->line);
	list->count++;
	return NULL;
}

const char *sp_check_list_end(const struct sp_check_list *list, const struct sp_record *record)
{
	unsigned int generation;
	const char *why = sp_check_number_parse(record, &generation);

	if (why)
		return why;
	if (!list->checks || generation != list->begin.generation)
		return "the end of another list";
	return list->count == list->begin.count ? NULL : "a list that is too short";
}

void sp_check_list_fini(struct sp_check_list *list)
{
	for (unsigned int i = 0; i < list->count; i++)
		free(list->checks[i].line);
	free(list->checks);
	*list = (struct sp_check_list){};
}

static int compare_keys(const void *a, const void *b)
{
	const struct sp_check *x = *(struct sp_check *const *)a, *y = *(struct sp_check *const *)b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->key, y->key, x->len);
}

static struct sp_check **sort_checks(struct sp_check_list *list)
{
	struct sp_check **sorted = calloc(list->count + 1, sizeof(*sorted));

	for (unsigned int i = 0; sorted && i < list->count; i++)
		sorted[i] = &list->checks[i];
	if (sorted && list->count)
		qsort(sorted, list->count, sizeof(*sorted), compare_keys);
	return sorted;
}

/* Equal checks of both lists pair off in turn: two pools may check a backend alike. */
int sp_check_list_compare(struct sp_check_list *from, struct sp_check_list *to,
			  void (*pair)(void *ctx, struct sp_check *old, struct sp_check *new),
			  void *ctx)
{
	struct sp_check **old = sort_checks(from), **new = sort_checks(to);
	unsigned int i = 0, k = 0;

	if (!old || !new) {
		free(old);
		free(new);
		return -ENOMEM;
	}
	while (i < from->count) {
		int diff = k < to->count ? compare_keys(&old[i], &new[k]) : -1;

		if (diff > 0)
			k++;
		else
			pair(ctx, old[i++], diff ? NULL : new[k++]);
	}
	free(old);
	free(new);
	return 0;
}

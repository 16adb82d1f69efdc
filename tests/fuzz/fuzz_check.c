// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_check.c - messages between the daemon and spliced-check. A record that is accepted is equal
 * when written again, and a list takes no more checks than it has announced.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "check/list.h"

static void check_result(const struct sp_record *record)
{
	struct sp_check_result result, same;
	char line[SP_CHECK_LINE_MAX];
	struct sp_record again;
	int len;

	if (sp_check_result_parse(record, &result))
		return;
	len = sp_check_result_format(&result, line);
	PROMISE(len > 0 && line[len - 1] == '\n');
	line[len - 1] = 0;
	PROMISE(!sp_record_split(line, &again) && !sp_check_result_parse(&again, &same));
	PROMISE(same.id == result.id && same.generation == result.generation);
	PROMISE(same.is_passed == result.is_passed && same.took_ms == result.took_ms);
	PROMISE(!strcmp(same.reason, result.reason));
}

static void check_def(const struct sp_check_def *def)
{
	char line[SP_CHECK_LINE_MAX];
	struct sp_check_def same;
	struct sp_record again;
	int len = sp_check_def_format(def, line);

	if (len < 0)	/* a shorter spelling of a number or address has become longer */
		return;
	line[len - 1] = 0;
	PROMISE(!sp_record_split(line, &again) && !sp_check_def_parse(&again, &same));
	PROMISE(same.id == def->id && !sp_endpoint_compare(&same.at, &def->at));
	PROMISE(!strcmp(same.path, def->path) && !strcmp(same.body, def->body));
	sp_check_is_expected(def->expect, 200);
}

static void read_line(struct sp_check_list *list, char *line)
{
	struct sp_record record;

	if (!strncmp(line, "check\t", 6)) {
		if (!sp_check_list_add(list, line))
			check_def(&list->checks[list->count - 1].def);
		PROMISE(list->count <= list->begin.count);
		return;
	}
	if (sp_record_split(line, &record))
		return;
	if (sp_record_is(&record, "begin")) {
		sp_check_list_fini(list);
		if (sp_check_list_begin(list, &record))
			sp_check_list_fini(list);
	} else if (sp_record_is(&record, "end")) {
		PROMISE(sp_check_list_end(list, &record) || list->count == list->begin.count);
	} else {
		check_result(&record);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sp_check_list list = {};
	char *text, *at, *line;

	if (size > SP_CHECK_MESSAGE_MAX)
		return 0;
	text = at = calloc(1, size + 1);
	memcpy(text, data, size);
	while ((line = sp_record_next(&at)))
		read_line(&list, line);
	sp_check_list_fini(&list);
	free(text);
	return 0;
}

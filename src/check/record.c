// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* record.c - see record.h */
#include "check/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define BEGIN_FIELDS	6
#define CHECK_FIELDS	14
#define RESULT_FIELDS	6

char *sp_record_next(char **text)
{
	char *line = *text, *newline;

	if (!line || !*line)
		return NULL;
	newline = strchr(line, '\n');
	*text = newline ? newline + 1 : NULL;
	if (newline)
		*newline = 0;
	return line;
}

static int is_printable(const char *text)
{
	for (; *text; text++)
		if ((*text < ' ' || *text > '~') && *text != '\t')
			return 0;
	return 1;
}

const char *sp_record_split(char *line, struct sp_record *ret_record)
{
	ret_record->count = 0;
	if (strlen(line) >= SP_CHECK_LINE_MAX)
		return "the line is too long";
	if (!is_printable(line))
		return "a byte is not printable ASCII";
	for (char *field = line; field; ret_record->count++) {
		if (ret_record->count == SP_CHECK_FIELDS_MAX)
			return "there are too many fields";
		ret_record->fields[ret_record->count] = field;
		field = strchr(field, '\t');
		if (field)
			*field++ = 0;
	}
	return NULL;
}

int sp_record_is(const struct sp_record *record, const char *word)
{
	return !strcmp(record->fields[0], word);
}

static int parse_number(const char *text, unsigned int max, unsigned int *ret_number)
{
	char *end;
	unsigned long number;

	if (*text < '0' || *text > '9' || strlen(text) > 10)
		return -EINVAL;
	number = strtoul(text, &end, 10);
	if (*end || number > max)
		return -EINVAL;
	*ret_number = number;
	return 0;
}

const char *sp_check_number_parse(const struct sp_record *record, unsigned int *ret_number)
{
	if (record->count != 2)
		return "wrong number of fields";
	return parse_number(record->fields[1], ~0u, ret_number) ? "a bad number" : NULL;
}

const char *sp_check_begin_parse(const struct sp_record *record, struct sp_check_begin *ret_begin)
{
	struct {
		unsigned int *into, max;
	} numbers[] = {
		{ &ret_begin->generation, ~0u }, { &ret_begin->count, ~0u },
		{ &ret_begin->at_once, ~0u }, { &ret_begin->port_first, 65535 },
		{ &ret_begin->port_last, 65535 },
	};

	if (record->count != BEGIN_FIELDS)
		return "wrong number of fields";
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (parse_number(record->fields[i + 1], numbers[i].max, numbers[i].into))
			return "a bad number";
	if (ret_begin->port_first > ret_begin->port_last)
		return "a bad range of ports";
	return NULL;
}

static int is_type(const char *text)
{
	return !strcmp(text, "tcp") || !strcmp(text, "http") || !strcmp(text, "https");
}

const char *sp_check_def_parse(const struct sp_record *record, struct sp_check_def *ret_def)
{
	char *const *fields = record->fields;
	unsigned int is_verified;

	if (record->count != CHECK_FIELDS)
		return "wrong number of fields";
	if (!is_type(fields[2]))
		return "a bad type";
	if (sp_endpoint_parse(fields[3], &ret_def->at.addr, &ret_def->at.port_be))
		return "a bad endpoint";
	if (parse_number(fields[1], ~0u, &ret_def->id) ||
	    parse_number(fields[4], ~0u, &ret_def->interval_ms) || !ret_def->interval_ms ||
	    parse_number(fields[5], ~0u, &ret_def->timeout_ms) || !ret_def->timeout_ms ||
	    parse_number(fields[6], 1, &is_verified))
		return "a bad number";
	ret_def->type = fields[2];
	ret_def->is_verified = is_verified;
	ret_def->method = fields[7];
	ret_def->path = fields[8];
	ret_def->host = fields[9];
	ret_def->sni = fields[10];
	ret_def->ca_file = fields[11];
	ret_def->expect = fields[12];
	ret_def->body = fields[13];
	return NULL;
}

const char *sp_check_result_parse(const struct sp_record *record,
				  struct sp_check_result *ret_result)
{
	char *const *fields = record->fields;

	if (record->count != RESULT_FIELDS)
		return "wrong number of fields";
	if (parse_number(fields[1], ~0u, &ret_result->generation) ||
	    parse_number(fields[2], ~0u, &ret_result->id) ||
	    parse_number(fields[4], SP_CHECK_TOOK_MAX_MS, &ret_result->took_ms))
		return "a bad number";
	ret_result->is_passed = !strcmp(fields[3], "passed");
	if (!ret_result->is_passed && strcmp(fields[3], "failed"))
		return "a bad outcome";
	if (strlen(fields[5]) >= SP_CHECK_REASON_MAX)
		return "a reason that is too long";
	ret_result->reason = fields[5];
	return NULL;
}

/* @written: as of snprintf() */
static int line_length(int written)
{
	return written < 0 || written >= SP_CHECK_LINE_MAX ? -EMSGSIZE : written;
}

int sp_check_begin_format(const struct sp_check_begin *begin, char *buf)
{
	return line_length(snprintf(buf, SP_CHECK_LINE_MAX, "begin\t%u\t%u\t%u\t%u\t%u\n",
				    begin->generation, begin->count, begin->at_once,
				    begin->port_first, begin->port_last));
}

int sp_check_def_format(const struct sp_check_def *def, char *buf)
{
	char at[SP_ENDPOINT_STRLEN];

	sp_endpoint_format(&def->at.addr, def->at.port_be, at);
	return line_length(snprintf(buf, SP_CHECK_LINE_MAX,
				    "check\t%u\t%s\t%s\t%u\t%u\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
				    def->id, def->type, at, def->interval_ms, def->timeout_ms,
				    def->is_verified, def->method, def->path, def->host, def->sni,
				    def->ca_file, def->expect, def->body));
}

int sp_check_result_format(const struct sp_check_result *result, char *buf)
{
	char reason[SP_CHECK_REASON_MAX];

	snprintf(reason, sizeof(reason), "%.*s", SP_CHECK_REASON_MAX - 1, result->reason);
	for (char *c = reason; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return line_length(snprintf(buf, SP_CHECK_LINE_MAX, "result\t%u\t%u\t%s\t%u\t%s\n",
				    result->generation, result->id,
				    result->is_passed ? "passed" : "failed", result->took_ms,
				    reason));
}

int sp_check_is_expected(const char *expect, unsigned int status)
{
	while (*expect) {
		char *end;
		unsigned long first = strtoul(expect, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (first <= status && status <= last)
			return 1;
		expect = *end == ',' ? end + 1 : "";
	}
	return 0;
}

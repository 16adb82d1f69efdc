/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* record.h - records between the daemon and spliced-check, as text. No I/O. */
#ifndef SP_CHECK_RECORD_H
#define SP_CHECK_RECORD_H

#include <stddef.h>

#include "base/endpoint.h"

/*
 * The protocol, version 1
 *
 * A socket pair (AF_UNIX, SOCK_SEQPACKET). A message has one or more lines, and no line is in two
 * messages. A line is a record: a word and its fields, with a tab before each field. Fields are
 * printable ASCII, and may be empty. The numbers of fields are fixed.
 *
 * To spliced-check, at each start and reload, a list of checks:
 *	begin GENERATION COUNT AT_ONCE PORT_FIRST PORT_LAST
 *	check ID TYPE ENDPOINT INTERVAL_MS TIMEOUT_MS VERIFY METHOD PATH HOST SNI CA_FILE EXPECT
 *		BODY
 *	end GENERATION
 * IDs rise from 0. TYPE is tcp, http or https, EXPECT "200-399,404". Local ports of the checks are
 * in PORT_FIRST to PORT_LAST; 0: the kernel's choice. A list is in force at its end. A list that
 * ends with another number of checks, or had a bad record, is refused as a whole.
 *
 * To the daemon:
 *	hello VERSION		once at its start: the daemon sends the list
 *	result GENERATION ID passed|failed TOOK_MS REASON
 *	alive			each second
 *	refused REASON		a record or list was not understood
 *
 * A record that breaks these rules is refused by name, and its neighbours count.
 */
#define SP_CHECK_VERSION	1
#define SP_CHECK_MESSAGE_MAX	16384
#define SP_CHECK_LINE_MAX	8192
#define SP_CHECK_FIELDS_MAX	14
#define SP_CHECK_REASON_MAX	96	/* of a result; a longer reason is cut */
#define SP_CHECK_TOOK_MAX_MS	3600000

/**
 * struct sp_record - a line, split at its tabs
 * @count:	of fields, with the word
 * @fields:	point into the line
 */
struct sp_record {
	unsigned int	count;
	char		*fields[SP_CHECK_FIELDS_MAX];
};

/**
 * struct sp_check_def - a check of a backend, as in struct sp_check_conf
 * @expect:	"200-399,404"
 * Texts are borrowed; an empty text is an absent one.
 */
struct sp_check_def {
	unsigned int		id;
	const char		*type;
	struct sp_endpoint	at;
	unsigned int		interval_ms, timeout_ms;
	int			is_verified;
	const char		*method, *path, *host, *sni, *ca_file, *expect, *body;
};

/* @at_once, @port_first, @port_last: see above */
struct sp_check_begin {
	unsigned int	generation, count, at_once, port_first, port_last;
};

/* @reason: in the line */
struct sp_check_result {
	unsigned int	generation, id, took_ms;
	int		is_passed;
	const char	*reason;
};

/*
 * Cut the next line off *@text, which becomes NULL behind the last line.
 * Return: the line; NULL: no more.
 */
char *sp_record_next(char **text);

/**
 * sp_record_split() - split and check a line
 * @line:	changed: tabs become ends
 * Return: NULL, or the reason of a refusal
 */
const char *sp_record_split(char *line, struct sp_record *ret_record);
int sp_record_is(const struct sp_record *record, const char *word);

/* Each returns NULL, or the reason of a refusal; results are undefined then. */
const char *sp_check_begin_parse(const struct sp_record *record, struct sp_check_begin *ret_begin);
const char *sp_check_def_parse(const struct sp_record *record, struct sp_check_def *ret_def);
const char *sp_check_result_parse(const struct sp_record *record,
				  struct sp_check_result *ret_result);
/* The only field of `hello` and of `end`. */
const char *sp_check_number_parse(const struct sp_record *record, unsigned int *ret_number);

/*
 * Lines with their newline, into @buf of SP_CHECK_LINE_MAX bytes. Return: the length; -EMSGSIZE.
 * Bytes of @reason that are no printable ASCII become '?'.
 */
int sp_check_begin_format(const struct sp_check_begin *begin, char *buf);
int sp_check_def_format(const struct sp_check_def *def, char *buf);
int sp_check_result_format(const struct sp_check_result *result, char *buf);

/* Whether @status is in @expect, "200-399,404". */
int sp_check_is_expected(const char *expect, unsigned int status);

#endif

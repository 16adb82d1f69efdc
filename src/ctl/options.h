/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* options.h - options of the command line. Only for splicectl. */
#ifndef SP_CTL_OPTIONS_H
#define SP_CTL_OPTIONS_H

#include <jansson.h>
#include <stdio.h>

#include "control/control.h"

/* A bit for each option of some commands only. */
enum sp_option {
	SP_OPTION_LIMIT		= 1 << 0,
	SP_OPTION_ALL		= 1 << 1,
	SP_OPTION_UNDO		= 1 << 2,
	SP_OPTION_DIFF		= 1 << 3,
	SP_OPTION_RESET		= 1 << 4,	/* and --here */
	SP_OPTION_TIMEOUT	= 1 << 5,
	SP_OPTION_FOLLOW	= 1 << 6,
	SP_OPTION_BATCH		= 1 << 7,
	SP_OPTION_SERVICE	= 1 << 8,
	SP_OPTION_REQUEST	= 1 << 9,	/* --method and the like */
	SP_OPTION_SINCE		= 1 << 10,
	SP_OPTION_SECONDS	= 1 << 11,
};

#define SP_OPTION_VALUES_MAX	16

/* Values of a repeated option. */
struct sp_values {
	size_t		count;
	const char	*all[SP_OPTION_VALUES_MAX];
};

/**
 * struct sp_options - the command line
 * @given:	SP_OPTION_*
 * @timeout_s:	negative: none
 * @name, @order: words of `backend` and `wait-drained`; empty: absent
 * @filter:	words of `connections` and `trace`, joined by blanks
 */
struct sp_options {
	const char		*path;
	unsigned int		given;
	int			is_json, is_all, is_undo, is_here, is_reset, is_follow, is_batch;
	const char		*diff;
	json_int_t		timeout_s, limit, since, seconds;
	const char		*service, *method, *host, *target, *sni, *from;
	struct sp_values	headers, alpns;
	const char		*name;
	char			order[SP_CONTROL_REQUEST_MAX];
	char			filter[SP_CONTROL_REQUEST_MAX];
};

/**
 * sp_options_parse() - options in front of and behind the words
 * @ret_options: path, limit and timeout_s are set to their defaults
 * @ret_words:	the command and its words, in @argv
 * Return: -1: go on; else an exit code, after --help, --version, or a wrong option (reported).
 */
int sp_options_parse(int argc, char **argv, struct sp_options *ret_options, char ***ret_words);

/* Name of the first option among these bits. */
const char *sp_option_name(unsigned int options);

/* A line for each option. */
void sp_options_help(FILE *out);

#endif

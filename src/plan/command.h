/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* command.h - options and errors that both commands of spliced-plan share. Read by src/plan/. */
#ifndef SP_PLAN_COMMAND_H
#define SP_PLAN_COMMAND_H

#include "params.h"

enum sp_exit { SP_EXIT_OK = 0, SP_EXIT_FAILED = 1, SP_EXIT_USAGE = 2 };

/* Options of both commands. */
struct sp_command_options {
	int		is_json;
	int		is_large;
	const char	*plot;		/* NULL: none */
};

/* Prints a message on stderr. Return: @code. */
int sp_fail(enum sp_exit code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Prints why a model could not be solved. Return: SP_EXIT_FAILED. */
int sp_fail_errno(int err);

/*
 * Reads all that a command line has. Return: 0; enum sp_exit with a message; -1: done, it was
 * --help or --version.
 */
int sp_command_parse(int argc, char **argv, const struct sp_param *list, void *params,
		     const char *usage,
		     struct sp_command_options *ret_options);

/* argv[0] is the command. Return: enum sp_exit. */
int sp_command_model(int argc, char **argv);
int sp_command_cluster(int argc, char **argv);

#endif

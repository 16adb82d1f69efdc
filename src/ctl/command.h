/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* command.h - commands of splicectl: a table, and a file for each group of them */
#ifndef SP_CTL_COMMAND_H
#define SP_CTL_COMMAND_H

#include "control/client.h"
#include "ctl/options.h"

/* Words behind a command. */
enum sp_words { SP_WORDS_NONE, SP_WORDS_FILTER, SP_WORDS_BACKEND, SP_WORDS_ORDER };

/**
 * struct sp_command - a command
 * @request:	command of the control protocol; NULL: @name
 * @takes:	SP_OPTION_*
 * @limit_ms:	for the answer; 0: none
 * @run:	shows the answer to the request, which was sent. Return: an exit code
 */
struct sp_command {
	const char	*name, *request;
	unsigned int	takes;
	enum sp_words	words;
	int		limit_ms;
	int		(*run)(struct sp_client *client, const struct sp_options *options);
	const char	*arguments, *help;
};

/* Reports: report.c */
int sp_command_status(struct sp_client *client, const struct sp_options *options);
int sp_command_checks(struct sp_client *client, const struct sp_options *options);
int sp_command_names(struct sp_client *client, const struct sp_options *options);
int sp_command_drops(struct sp_client *client, const struct sp_options *options);
int sp_command_cluster(struct sp_client *client, const struct sp_options *options);
int sp_command_ready(struct sp_client *client, const struct sp_options *options);
/* list.c, events.c, explain.c, top.c, trace.c */
int sp_command_connections(struct sp_client *client, const struct sp_options *options);
int sp_command_events(struct sp_client *client, const struct sp_options *options);
int sp_command_explain(struct sp_client *client, const struct sp_options *options);
int sp_command_top(struct sp_client *client, const struct sp_options *options);
int sp_command_trace(struct sp_client *client, const struct sp_options *options);
/* Orders: order.c */
int sp_command_orders(struct sp_client *client, const struct sp_options *options);
int sp_command_drain(struct sp_client *client, const struct sp_options *options);
int sp_command_reload(struct sp_client *client, const struct sp_options *options);
int sp_command_config(struct sp_client *client, const struct sp_options *options);
int sp_command_backend(struct sp_client *client, const struct sp_options *options);
int sp_command_wait_drained(struct sp_client *client, const struct sp_options *options);

void sp_command_help(FILE *out);

/* Run the command of @words. Return: an exit code. */
int sp_command_run(char **words, struct sp_options *options);

#endif

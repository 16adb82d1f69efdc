/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* answer.h - answers of the daemon, and failures, with their exit codes. Only for splicectl. */
#ifndef SP_CTL_ANSWER_H
#define SP_CTL_ANSWER_H

#include "control/client.h"
#include "ctl/options.h"

enum sp_exit { SP_EXIT_OK = 0, SP_EXIT_ANSWER = 1, SP_EXIT_USAGE = 2, SP_EXIT_UNREACHABLE = 3,
	       SP_EXIT_SILENT = 4 };

/* Return: @code. */
int sp_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* No daemon at @path, by this error. Return: an exit code. */
int sp_fail_unreachable(const char *path, int err);

/* A peer's bytes without control characters, for a terminal: to be freed; NULL: out of memory */
char *sp_escape(const char *text);

/* The next line of the answer. Return: 0, or an exit code, reported. */
int sp_answer_next(struct sp_client *client, json_t **ret_object);

/* The only line of the answer: as JSON, or by @show. Return: an exit code. */
int sp_answer_show(struct sp_client *client, const struct sp_options *options,
		   void (*show)(const json_t *object, const struct sp_options *options));

/* Ask the daemon once more, in a connection of its own. Takes @request over. Return: as next. */
int sp_answer_ask(const struct sp_options *options, json_t *request, json_t **ret_object);

/* A text of an object, "-" if absent; a number, 0 if absent. */
const char *sp_text_in(const json_t *object, const char *key);
json_int_t sp_int_in(const json_t *object, const char *key);

void sp_answer_json(const json_t *object);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* answer.c - see answer.h */
#include "ctl/answer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS 5000

int sp_fail(int code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("splicectl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

/* An answer may quote a peer's bytes: control characters must not reach the terminal. */
char *sp_escape(const char *text)
{
	char *escaped = malloc(4 * strlen(text) + 1), *to = escaped;

	for (; escaped && *text; text++) {
		unsigned char c = *text;

		if (c < ' ' || c > '~')
			to += sprintf(to, "\\x%02x", c);
		else
			*to++ = c;
	}
	if (escaped)
		*to = 0;
	return escaped;
}

static int fail_as_said(const char *error)
{
	char *text = sp_escape(error);
	int code = sp_fail(SP_EXIT_ANSWER, "%s", text ?: "out of memory");

	free(text);
	return code;
}

/* The next line of the answer. Prints its own errors. */
int sp_answer_next(struct sp_client *client, json_t **ret_object)
{
	int err = sp_client_read(client, ret_object), code;
	const char *error;

	if (err == -ENODATA)
		return sp_fail(SP_EXIT_UNREACHABLE,
				     "the daemon closed the connection before its answer was complete");
	if (err == -EAGAIN)
		return sp_fail(SP_EXIT_SILENT, "the daemon does not answer; it may hang");
	if (err == -EBADMSG)
		return sp_fail(SP_EXIT_ANSWER,
				     "the answer is no JSON object; is that the socket of spliced?");
	if (err)
		return sp_fail(SP_EXIT_UNREACHABLE, "reading the answer: %s", strerror(-err));
	error = json_string_value(json_object_get(*ret_object, "error"));
	if (!error)
		return SP_EXIT_OK;
	code = fail_as_said(error);
	json_decref(*ret_object);
	return code;
}

void sp_answer_json(const json_t *object)
{
	json_dumpf(object, stdout, JSON_INDENT(2));
	putchar('\n');
}

int sp_answer_show(struct sp_client *client, const struct sp_options *options,
		       void (*show)(const json_t *object, const struct sp_options *options))
{
	json_t *object;
	int code = sp_answer_next(client, &object);

	if (code)
		return code;
	if (options->is_json) {
		sp_answer_json(object);
	} else {
		show(object, options);
	}
	json_decref(object);
	return SP_EXIT_OK;
}

int sp_fail_unreachable(const char *path, int err)
{
	const char *what = "";

	if (err == -EAGAIN)
		return sp_fail(SP_EXIT_SILENT, "the daemon at %s takes no request; it may hang",
				     path);
	if (err == -ENOENT || err == -ECONNREFUSED)
		what = "; start spliced, or name the `control:` of its configuration with --socket";
	else if (err == -EACCES)
		what = "; become root, or a user who may write to that socket";
	return sp_fail(SP_EXIT_UNREACHABLE, "no daemon reached at %s: %s%s", path,
			     strerror(-err), what);
}

int sp_answer_ask(const struct sp_options *options, json_t *request, json_t **ret_object)
{
	struct sp_client client = { 0 };
	int err = sp_client_open(options->path, ASK_MS, &client), code;

	if (!err) {
		json_object_set_new(request, "version", json_integer(SP_CONTROL_VERSION));
		err = sp_client_send(&client, request);
	}
	json_decref(request);
	code = err ? sp_fail_unreachable(options->path, err) : sp_answer_next(&client, ret_object);
	sp_client_close(&client);
	return code;
}

const char *sp_text_in(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "-";
}

json_int_t sp_int_in(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

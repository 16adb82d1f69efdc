// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* source.c - see source.h */
#include "web/source.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/client.h"
#include "control/control.h"
#include "web/metrics.h"

#define REFRESH_NS	1000000000ULL
#define REFRESH_TIMES	10	/* a daemon with many backends is not kept busy */
#define REFRESH_MAX_NS	3000000000ULL
#define LIMIT_MS	1000	/* for an answer: a daemon that hangs is away */

static int set_error(struct sp_source *source, const char *what, int err)
{
	snprintf(source->error, sizeof(source->error), "%s: %s", what, strerror(-err));
	return err;
}

static int read_answer(struct sp_source *source, struct sp_client *client, json_t **ret_object)
{
	json_t *request = json_pack("{s:i, s:s}", "version", SP_CONTROL_VERSION, "command",
				    "overview");
	int err = sp_client_send(client, request);
	const char *refusal;

	json_decref(request);
	err = err ?: sp_client_read(client, ret_object);
	if (err)
		return set_error(source, "no answer from the daemon", err);
	refusal = json_string_value(json_object_get(*ret_object, "error"));
	if (!refusal)
		return 0;
	snprintf(source->error, sizeof(source->error), "the daemon refuses: %s", refusal);
	json_decref(*ret_object);
	return -EPROTO;
}

/* Return: 0 or -errno, with the reason in @source->error. */
static int ask_daemon(struct sp_source *source, json_t **ret_object)
{
	struct sp_client client = { 0 };
	int err = sp_client_open(source->path, LIMIT_MS, &client);

	if (err)
		return set_error(source, source->path, err);
	err = read_answer(source, &client, ret_object);
	sp_client_close(&client);
	return err;
}

/* Takes @overview over; NULL: the daemon is away. */
static int set_json(struct sp_source *source, json_t *overview)
{
	json_t *body = json_pack("{s:b, s:I}", "up", !!overview, "taken_ms",
				 (json_int_t)sp_real_ms());

	if (overview)
		json_object_set_new(body, "overview", overview);
	else
		json_object_set_new(body, "error", json_string(source->error));
	free(source->json);
	source->json = json_dumps(body, JSON_COMPACT);
	source->json_len = source->json ? strlen(source->json) : 0;
	json_decref(body);
	return source->json ? 0 : -ENOMEM;
}

static int set_metrics(struct sp_source *source, const json_t *overview)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -ENOMEM;
	sp_metrics_print(overview, out);
	if (fclose(out)) {
		free(text);
		return -ENOMEM;
	}
	free(source->metrics);
	source->metrics = text;
	source->metrics_len = len;
	return 0;
}

static __u64 pause_ns(const struct sp_source *source)
{
	__u64 pause = REFRESH_TIMES * source->took_ns;

	if (!source->is_up || pause < REFRESH_NS)
		return REFRESH_NS;
	return pause < REFRESH_MAX_NS ? pause : REFRESH_MAX_NS;
}

int sp_source_refresh(struct sp_source *source)
{
	__u64 now_ns = sp_exact_ns();
	json_t *overview = NULL;
	int err;

	if (source->taken_ns && now_ns - source->taken_ns < pause_ns(source))
		return source->json && source->metrics ? 0 : -ENOMEM;
	source->is_up = !ask_daemon(source, &overview);
	source->taken_ns = sp_exact_ns();
	source->took_ns = source->taken_ns - now_ns;
	err = set_metrics(source, overview);
	return set_json(source, overview) ?: err;
}

void sp_source_fini(struct sp_source *source)
{
	free(source->json);
	free(source->metrics);
}

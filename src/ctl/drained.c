// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * drained.c - see drained.h
 *
 * The count of the status includes connections under way, and for a while closed connections. Once
 * the count is low, the list of connections gives the exact number.
 */
#include "ctl/drained.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/control.h"
#include "control/client.h"

#define ANSWER_MS	5000
#define LIST_BELOW	10000

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

static int send_request(const char *path, json_t *request, struct sp_client *ret_client)
{
	int err = sp_client_open(path, ANSWER_MS, ret_client);

	if (!err) {
		err = sp_client_send(ret_client, request);
		if (err)
			sp_client_close(ret_client);
	}
	json_decref(request);
	return err;
}

static int read_status(const char *path, json_t **ret_status)
{
	struct sp_client client = { 0 };
	int err = send_request(path, json_pack("{s:i, s:s}", "version", SP_CONTROL_VERSION,
					       "command", "status"), &client);

	if (err)
		return err;
	err = sp_client_read(&client, ret_status);
	sp_client_close(&client);
	return err;
}

static const json_t *find_named(const json_t *list, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (!strcmp(text_of(item, "name"), name))
			return item;
	return NULL;
}

/* Rows of @filter, without closed connections. */
static int count_rows(const char *path, const char *filter, json_int_t *ret_count)
{
	struct sp_client client = { 0 };
	json_int_t count = 0;
	int is_end = 0, err;

	err = send_request(path, json_pack("{s:i, s:s, s:i, s:s}", "version", SP_CONTROL_VERSION,
					   "command", "connections", "limit", 0, "filter", filter),
			   &client);
	if (err)
		return err;
	while (!err && !is_end) {
		json_t *row;

		err = sp_client_read(&client, &row);
		if (err)
			break;
		is_end = json_is_true(json_object_get(row, "end"));
		if (json_object_get(row, "error"))
			err = -EPROTO;
		count += !is_end && strcmp(text_of(row, "state"), "closed") != 0;
		json_decref(row);
	}
	sp_client_close(&client);
	*ret_count = count;
	return err;
}

static int count_backend(const char *path, const json_t *backend, struct sp_drained *d)
{
	json_int_t opening = json_integer_value(json_object_get(backend, "opening"));
	char filter[512];
	int err;

	d->takes_new = !strcmp(text_of(backend, "state"), "up");
	d->open = json_integer_value(json_object_get(backend, "open"));
	if (d->open >= LIST_BELOW)
		return 0;
	snprintf(filter, sizeof(filter), "pool=%s %s", d->pool, text_of(backend, "address"));
	err = count_rows(path, filter, &d->open);
	d->open += opening;
	return err;
}

int sp_drained_count(const char *path, const char *name, struct sp_drained *d)
{
	const char *slash = strchr(name, '/');
	const json_t *backend;
	json_t *status;
	int err;

	if (!slash || slash - name >= (int)sizeof(d->pool))
		return -ENOENT;
	memcpy(d->pool, name, slash - name);
	d->pool[slash - name] = 0;
	d->name = slash + 1;
	err = read_status(path, &status);
	if (err)
		return err;
	backend = find_named(json_object_get(find_named(json_object_get(status, "pools"), d->pool),
					     "backends"), d->name);
	err = backend ? count_backend(path, backend, d) : -ENOENT;
	json_decref(status);
	return err;
}

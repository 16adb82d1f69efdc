// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "status.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

/* Different addresses, as a backend may be in several pools. */
static unsigned int count_backends(const json_t *pools)
{
	json_t *seen = json_object(), *pool, *backend;
	unsigned int count;
	size_t i, j;

	json_array_foreach(pools, i, pool)
		json_array_foreach(json_object_get(pool, "backends"), j, backend) {
			const char *address = json_string_value(json_object_get(backend,
										"address"));

			if (address)
				json_object_set_new(seen, address, json_true());
		}
	count = json_object_size(seen);
	json_decref(seen);
	return count;
}

static void read_status(const json_t *status, struct sp_plan_cluster *c)
{
	const json_t *store = json_object_get(status, "store");
	const char *engine = json_string_value(json_object_get(store, "engine"));

	c->stores = engine && !strcmp(engine, "local") ? 0 :
		json_array_size(json_object_get(store, "servers"));
	if (!c->stores)
		c->proxies = 1;
	c->backends = count_backends(json_object_get(status, "pools"));
	c->connections = json_integer_value(json_object_get(status, "splices"));
}

/* Each connection is in the table of the one proxy that carries it, at least. */
static void read_members(const json_t *members, struct sp_plan_cluster *c)
{
	json_t *member;
	size_t i;

	c->proxies = c->connections = 0;
	json_array_foreach(members, i, member) {
		const char *state = json_string_value(json_object_get(member, "state"));

		if (state && !strcmp(state, "agent"))
			continue;
		c->proxies++;
		c->connections += json_integer_value(json_object_get(member, "splices"));
	}
}

int sp_status_read(const char *path, void *params, char error[SP_PLAN_ERROR_MAX])
{
	json_error_t why;
	json_t *said = json_load_file(path, 0, &why);
	int err = 0;

	if (!said) {
		snprintf(error, SP_PLAN_ERROR_MAX, "%.120s:%d: %.100s", path, why.line, why.text);
		return -EINVAL;
	}
	if (json_is_array(json_object_get(said, "members")))
		read_members(json_object_get(said, "members"), params);
	else if (json_is_object(json_object_get(said, "store")) &&
		 json_is_integer(json_object_get(said, "splices")))
		read_status(said, params);
	else
		err = -EINVAL;
	if (err)
		snprintf(error, SP_PLAN_ERROR_MAX,
			 "%.150s: neither the status nor the cluster of splicectl --json", path);
	json_decref(said);
	return err;
}

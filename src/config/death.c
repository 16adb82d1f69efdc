// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* death.c - `on_death` and `continue` of a pool: requests of a backend that dies. */
#include "config/section.h"

#include "config/value.h"

static const char *const words[] = { [SP_DEATH_CLOSE] = "close", [SP_DEATH_CONTINUE] = "continue",
				     NULL };

int sp_value_on_death(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into)
{
	int word = sp_value_word(doc, key, node, words);

	if (word < 0)
		return word;
	*(enum sp_on_death *)into = word;
	return 0;
}

static const struct sp_doc_key continue_keys[] = {
	{ .name = "keep", .parse = sp_value_size,
	  .offset = offsetof(struct sp_pool_conf, keep_bytes), .min = SP_KEEP_BYTES_MIN,
	  .max = SP_KEEP_BYTES_MAX },
	{ 0 }
};

/* @into: struct sp_pool_conf */
int sp_value_continue(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into)
{
	const struct sp_pool_conf *pool = into;

	if (pool->on_death != SP_DEATH_CONTINUE)
		return sp_doc_refuse(doc, node, "continue: found without \"on_death: continue\"; "
				     "required: both");
	return sp_doc_map(doc, node, key->name, continue_keys, into);
}

int sp_pool_check_death(struct sp_doc *doc, const yaml_node_t *at, struct sp_service_conf *service,
			int pool_idx)
{
	const struct sp_pool_conf *pool = &doc->config->pools[pool_idx];

	if (pool->on_death != SP_DEATH_CONTINUE)
		return 0;
	service->has_continued_pool = 1;
	if (service->protocol == SP_PROTOCOL_HTTP && service->route_unit == SP_ROUTE_REQUEST)
		return 0;
	return sp_doc_refuse(doc, at, "pool \"%s\": found \"on_death: continue\", but service \"%s\" reads "
			     "no requests; required: \"protocol: http\" and \"route: request\", or "
			     "\"on_death: close\"", pool->name, service->name);
}

/* A request is kept in the memory of a daemon. */
int sp_death_check(struct sp_doc *doc, const yaml_node_t *root, const struct sp_config *config)
{
	for (size_t i = 0; config->store.kind != SP_STORE_LOCAL && i < config->pool_count; i++)
		if (config->pools[i].on_death == SP_DEATH_CONTINUE)
			return sp_doc_refuse(doc, root, "pool \"%s\": found \"on_death: continue\" "
					     "beside \"engine: redis\"; required: \"engine: local\", as "
					     "a request is kept by one proxy", config->pools[i].name);
	return 0;
}

/* With a comment for the reader of the file. */
void sp_print_death(const struct sp_pool_conf *pool, FILE *out)
{
	char text[SP_QUANTITY_STRLEN];

	if (pool->on_death != SP_DEATH_CONTINUE)
		fputs("    on_death: close\n", out);
	else
		fprintf(out, "    on_death: continue  # costs: the daemon reads each request and "
			"each response's head, and keeps both\n    continue: {keep: %s}\n",
			sp_size_format(pool->keep_bytes, text));
}

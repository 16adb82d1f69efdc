/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* pool.c - pools and their backends: tables and checks. */
#include "config/check.h"
#include "config/section.h"
#include "config/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

#define FAILURES_DEFAULT 3
#define FAILURES_MAX	1000
#define RETRY_DEFAULT_NS (5 * SP_SECOND_NS)
#define QUEUE_DEFAULT_NS SP_SECOND_NS
#define MAX_CONNECTIONS_MAX 1000000

/* A text or an address is a name, since an address is the default name of a backend. */
static int is_backend_name(const char *text)
{
	return strchr(SP_ALNUM "[", text[0]) && !text[strspn(text, SP_ALNUM "-_.:[]")];
}

static const struct sp_doc_key backend_keys[] = {
	{ .name = "address", .parse = sp_value_endpoint,
	  .offset = offsetof(struct sp_backend_conf, at),
	  .is_required = 1, .allowed = SP_ENDPOINT_ALLOWED },
	{ .name = "name", .parse = sp_value_text, .offset = offsetof(struct sp_backend_conf, name),
	  .min = 1,
	  .max = SP_NAME_MAX, .is_valid = is_backend_name,
	  .allowed = "letters, digits, and - _ . : [ ] between them" },
	{ .name = "weight", .parse = sp_value_uint,
	  .offset = offsetof(struct sp_backend_conf, weight),
	  .min = 0, .max = SP_WEIGHT_MAX },
	{ .name = "backup", .parse = sp_value_bool,
	  .offset = offsetof(struct sp_backend_conf, is_backup), .allowed = "true or false" },
	{ .name = "max_connections", .parse = sp_value_uint,
	  .offset = offsetof(struct sp_backend_conf, max_connections),
	  .min = 0, .max = MAX_CONNECTIONS_MAX },
	{ 0 }
};

#define BACKENDS_ALLOWED "a list of backends, as in {address: \"192.0.2.1:80\", name: a, weight: 1}"

#define FIELD(field) offsetof(struct sp_name_conf, field)
/* The rows of names that are those of backends, too. */
#define NAME_KEYS \
	{ .name = "name", .parse = sp_value_text, .offset = FIELD(name), .min = 1, \
	  .max = SP_NAME_MAX, .is_valid = is_backend_name, \
	  .allowed = "letters, digits, and - _ . : [ ] between them" }, \
	{ .name = "max_connections", .parse = sp_value_uint, .offset = FIELD(max_connections), \
	  .min = 0, .max = MAX_CONNECTIONS_MAX }

static const struct sp_doc_key host_keys[] = {
	{ .name = "address", .parse = sp_value_host_port, .is_required = 1,
	  .allowed = SP_ENDPOINT_ALLOWED },
	{ .name = "weight", .parse = sp_value_uint, .offset = FIELD(weight), .min = 0,
	  .max = SP_WEIGHT_MAX },
	{ .name = "backup", .parse = sp_value_bool, .offset = FIELD(is_backup),
	  .allowed = "true or false" },
	NAME_KEYS,
	{ 0 }
};

/* Weight and backup are in the records. */
static const struct sp_doc_key srv_keys[] = {
	{ .name = "srv", .parse = sp_value_srv, .is_required = 1, .allowed = SP_SRV_ALLOWED },
	NAME_KEYS,
	{ 0 }
};
#undef FIELD

static int has_snat(const struct sp_config *config, int is_v4)
{
	for (size_t i = 0; i < config->snat_count; i++)
		if (sp_addr_is_v4(&config->snat_addrs[i]) == is_v4)
			return 1;
	return 0;
}

int sp_backend_check_source(struct sp_doc *doc, yaml_node_t *at, const struct sp_pool_conf *pool,
			    const struct sp_backend_conf *backend)
{
	int is_v4 = sp_addr_is_v4(&backend->at.addr);

	if (pool->source != SP_SOURCE_SNAT || has_snat(doc->config, is_v4))
		return 0;
	return sp_doc_refuse(doc, at,
			     "address: found an %s backend in pool \"%s\" with \"source: snat\"; required: an "
			     "%s address in \"addresses\" of the top level's \"source\"",
			     is_v4 ? "IPv4" : "IPv6", pool->name, is_v4 ? "IPv4" : "IPv6");
}

/* Compare with the earlier backends of the pool. */
static int refuse_twin(struct sp_doc *doc, yaml_node_t *node, const struct sp_pool_conf *pool,
		       const struct sp_backend_conf *backend)
{
	int is_map = node->type == YAML_MAPPING_NODE;
	yaml_node_t *address = is_map ? sp_doc_get(doc, node, "address") : node,
		*name = is_map ? sp_doc_get(doc, node, "name") : NULL;

	for (const struct sp_backend_conf *other = pool->backends; other < backend; other++) {
		if (!sp_endpoint_compare(&other->at, &backend->at))
			return sp_doc_refuse(doc, address,
					     "address: found %s again, backend \"%s\" has it; allowed: "
					     "each one once in a pool", sp_scalar_text(address),
						     other->name);
		if (!strcmp(other->name, backend->name))
			return sp_doc_refuse(doc, name ? name :
					     address, "name: found a second backend \"%s\"; "
					     "allowed: each name once in a pool", backend->name);
	}
	return 0;
}

static int compare_at(const void *a, const void *b)
{
	const struct sp_backend_conf *const *x = a, *const *y = b;

	return sp_endpoint_compare(&(*x)->at, &(*y)->at);
}

static int compare_name(const void *a, const void *b)
{
	const struct sp_backend_conf *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int has_twins(const struct sp_backend_conf **sorted, size_t count,
		     int (*compare)(const void *a, const void *b))
{
	qsort(sorted, count, sizeof(*sorted), compare);
	for (size_t i = 1; i < count; i++)
		if (!compare(&sorted[i - 1], &sorted[i]))
			return 1;
	return 0;
}

/* Names stand between backends. */
static yaml_node_t *node_of_backend(struct sp_doc *doc, yaml_node_t *list, size_t idx)
{
	for (yaml_node_item_t *item = list->data.sequence.items.start;; item++) {
		yaml_node_t *node = yaml_document_get_node(&doc->tree, *item);

		if (!sp_node_is_name(doc, node) && !idx--)
			return node;
	}
}

/* Twins stand side by side in a sorted list: the work is not quadratic, but for the message. */
int sp_backends_check_twins(struct sp_doc *doc, yaml_node_t *list, const struct sp_pool_conf *pool)
{
	const struct sp_backend_conf **sorted = calloc(pool->backend_count, sizeof(*sorted));
	int is_unique, err = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < pool->backend_count; i++)
		sorted[i] = &pool->backends[i];
	is_unique = !has_twins(sorted, pool->backend_count, compare_at) &&
		    !has_twins(sorted, pool->backend_count, compare_name);
	free(sorted);
	for (size_t i = 0; !is_unique && !err && i < pool->backend_count; i++)
		err = refuse_twin(doc, node_of_backend(doc, list, i), pool, &pool->backends[i]);
	return err;
}

int sp_backend_read(struct sp_doc *doc, yaml_node_t *node, const struct sp_pool_conf *pool,
		    struct sp_backend_conf *backend)
{
	char text[SP_ENDPOINT_STRLEN];
	int err;

	backend->weight = 1;
	err = sp_doc_map(doc, node, "a backend", backend_keys, backend);
	if (err)
		return err;
	if (!backend->name)
		backend->name = sp_doc_strdup(doc,
					      sp_endpoint_format(&backend->at.addr,
								 backend->at.port_be, text));
	if (!backend->name)
		return -ENOMEM;
	return sp_backend_check_source(doc, sp_doc_get(doc, node, "address"), pool, backend);
}

static int name_read(struct sp_doc *doc, yaml_node_t *node, const struct sp_pool_conf *pool,
		     struct sp_name_conf *name)
{
	int is_srv = !!sp_doc_get(doc, node, "srv");
	int err;

	name->weight = 1;
	err = sp_doc_map(doc, node, "a backend", is_srv ? srv_keys : host_keys, name);
	for (const struct sp_name_conf *other = pool->names; !err && other < name; other++)
		if (!strcmp(other->text, name->text))
			err = sp_doc_refuse(doc, node, "backends: found the name \"%s\" again; allowed: "
					    "each one once in a pool", name->text);
	if (err || pool->source != SP_SOURCE_SNAT || doc->config->snat_count)
		return err;
	return sp_doc_refuse(doc, node, "backends: found the name \"%s\" in pool \"%s\" with \"source: snat\"; "
			     "required: an address in \"addresses\" of the top level's \"source\"",
			     name->text, pool->name);
}

/* @into: struct sp_pool_conf */
static int value_backends(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			  void *into)
{
	struct sp_pool_conf *pool = into;
	struct sp_doc_items list;
	int err = sp_doc_list(doc, key, node, &list);

	if (err)
		return err;
	pool->backends = sp_doc_alloc(doc, list.count, sizeof(*pool->backends));
	pool->names = sp_doc_alloc(doc, list.count, sizeof(*pool->names));
	if (!pool->backends || !pool->names)
		return -ENOMEM;
	for (size_t i = 0; !err && i < list.count; i++) {
		yaml_node_t *item = sp_doc_item(doc, &list, i);

		if (sp_node_is_name(doc, item))
			err = name_read(doc, item, pool, &pool->names[pool->name_count++]);
		else
			err = sp_backend_read(doc, item, pool,
					      &pool->backends[pool->backend_count++]);
	}
	return err;
}

static int value_source(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			void *into)
{
	static const char *const words[] = { [SP_SOURCE_SNAT] = "snat",
					     [SP_SOURCE_CLIENT] = "client", NULL };
	int word = sp_value_word(doc, key, node, words);

	if (word < 0)
		return word;
	*(enum sp_source *)into = word;
	return 0;
}

static int value_on_down(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			 void *into)
{
	static const char *const words[] = { [SP_DOWN_KEEP] = "keep", [SP_DOWN_RESET] = "reset",
					     NULL };
	int word = sp_value_word(doc, key, node, words);

	if (word < 0)
		return word;
	*(enum sp_on_down *)into = word;
	return 0;
}

static int value_proxy_protocol(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
				void *into)
{
	static const char *const words[] = {
		[SP_PROXY_PROTOCOL_NONE] = "none", [SP_PROXY_PROTOCOL_V1] = "v1",
		[SP_PROXY_PROTOCOL_V2] = "v2", NULL,
	};
	int word = sp_value_word(doc, key, node, words);

	if (word < 0)
		return word;
	*(enum sp_proxy_protocol *)into = word;
	return 0;
}

static const struct sp_doc_key pool_keys[] = {
	{ .name = "name", .parse = sp_value_text, .offset = offsetof(struct sp_pool_conf, name),
	  .min = 1,
	  .max = SP_NAME_MAX, .is_valid = sp_text_is_name, .allowed = SP_NAME_ALLOWED,
	  .is_required = 1 },
	{ .name = "source", .parse = value_source, .offset = offsetof(struct sp_pool_conf, source),
	  .allowed = "snat or client" },
	{ .name = "proxy_protocol", .parse = value_proxy_protocol,
	  .offset = offsetof(struct sp_pool_conf, proxy_protocol), .allowed = "v1, v2 or none" },
	{ .name = "balance", .parse = sp_value_balance,
	  .allowed = "round_robin, least_connections, random_two, or {hash: source}" },
	{ .name = "slow_start", .parse = sp_value_time,
	  .offset = offsetof(struct sp_pool_conf, slow_start_ns), .min = 0, .max = SP_HOUR_NS },
	{ .name = "queue_time", .parse = sp_value_time,
	  .offset = offsetof(struct sp_pool_conf, queue_ns), .min = 0, .max = SP_MINUTE_NS },
	{ .name = "failures", .parse = sp_value_uint,
	  .offset = offsetof(struct sp_pool_conf, failures),
	  .min = 0, .max = FAILURES_MAX },
	{ .name = "retry", .parse = sp_value_time,
	  .offset = offsetof(struct sp_pool_conf, retry_ns),
	  .min = SP_TIME_MIN_NS, .max = SP_HOUR_NS },
	{ .name = "on_down", .parse = value_on_down,
	  .offset = offsetof(struct sp_pool_conf, on_down), .allowed = "keep or reset" },
	{ .name = "on_death", .parse = sp_value_on_death,
	  .offset = offsetof(struct sp_pool_conf, on_death), .allowed = "close or continue" },
	{ .name = "continue", .parse = sp_value_continue,
	  .allowed = "a mapping, as in {keep: 64KiB}" },
	{ .name = "check", .parse = sp_value_check, .offset = offsetof(struct sp_pool_conf, check),
	  .allowed = "a mapping, as in {type: http, path: /health}" },
	{ .name = "backends", .parse = value_backends, .min = 1, .max = SP_CONFIG_BACKENDS_MAX,
	  .allowed = BACKENDS_ALLOWED },
	{ .name = "backends_file", .parse = sp_value_text,
	  .offset = offsetof(struct sp_pool_conf, backends_file), .min = 1,
	  .max = SP_CONFIG_TEXT_MAX, .is_valid = sp_text_is_absolute,
	  .allowed = "an absolute path" },
	{ 0 }
};

static int weights_check(struct sp_doc *doc, yaml_node_t *node, const struct sp_pool_conf *pool)
{
	if (sp_pool_is_open(pool))
		return 0;
	for (size_t i = 0; i < pool->backend_count; i++)
		if (pool->backends[i].weight)
			return 0;
	return sp_doc_refuse(doc, sp_doc_get(doc, node, "backends"),
			     "backends: found none with a weight above 0 in "
			     "pool \"%s\"; required: at least one", pool->name);
}

/*
 * Ids stand for names in maps and on other proxies: two names with the same id would be one pool.
 */
static int pool_check(struct sp_doc *doc, yaml_node_t *node, const struct sp_pool_conf *pool)
{
	for (const struct sp_pool_conf *other = doc->config->pools; other < pool; other++) {
		if (other->id != pool->id)
			continue;
		node = sp_doc_get(doc, node, "name");
		if (!strcmp(other->name, pool->name))
			return sp_doc_refuse(doc, node,
					     "name: found a second pool \"%s\"; allowed: each name once",
					     pool->name);
		return sp_doc_refuse(doc, node,
				     "name: found \"%s\", whose id is that of pool \"%s\"; allowed: another "
				     "name", pool->name, other->name);
	}
	return 0;
}

int sp_pool_read(struct sp_doc *doc, yaml_node_t *node, void *base, void *item)
{
	struct sp_pool_conf *pool = item;
	int err;

	pool->failures = FAILURES_DEFAULT;
	pool->retry_ns = RETRY_DEFAULT_NS;
	pool->queue_ns = QUEUE_DEFAULT_NS;
	pool->keep_bytes = SP_KEEP_BYTES_MAX;
	err = sp_doc_map(doc, node, "a pool", pool_keys, pool);
	if (err)
		return err;
	pool->id = sp_name_id(pool->name);
	if (!sp_doc_get(doc, node, "backends") && !pool->backends_file)
		return sp_doc_refuse(doc, node, "a pool: found no \"backends\"; required: "
				     BACKENDS_ALLOWED ", or \"backends_file\"");
	err = sp_backends_check_twins(doc, sp_doc_get(doc, node, "backends"), pool);
	err = err ?: weights_check(doc, node, pool);
	err = err ?: sp_names_check_count(doc, node, pool);
	err = err ?: sp_check_count(doc, node, pool);
	return err ? err : pool_check(doc, node, pool);
}

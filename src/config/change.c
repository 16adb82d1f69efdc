/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* change.c - changes of heads, and clients that speak the PROXY protocol: tables and checks. */
#include "config/section.h"
#include "config/value.h"

#include <errno.h>
#include <string.h>

#include "base/prefix.h"

#define NAME_ALLOWED	"a header's name, as in X-Tier (RFC 9110: letters, digits and !#$%&'*+-.^_`|~)"

static int refuse_protocol(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			   const struct sp_service_conf *service)
{
	return sp_doc_refuse(doc, node, "%s: found in service \"%s\", which is not of protocol http "
			     "and changes no head", key->name, service->name);
}

int sp_value_forwarded(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		       void *into)
{
	static const char *const words[] = {
		[SP_FORWARDED_NONE] = "none", [SP_FORWARDED_X_FORWARDED_FOR] = "x-forwarded-for",
		[SP_FORWARDED_FORWARDED] = "forwarded", NULL,
	};
	struct sp_service_conf *service = into;
	int word = sp_value_word(doc, key, node, words);

	if (word < 0)
		return word;
	if (service->protocol != SP_PROTOCOL_HTTP)
		return refuse_protocol(doc, key, node, service);
	service->rewrite.forwarded = word;
	return 0;
}

int sp_value_forwarded_trust(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			     void *into)
{
	struct sp_service_conf *service = into;
	struct sp_rewrite *rules = &service->rewrite;

	if (rules->forwarded == SP_FORWARDED_NONE)
		return sp_doc_refuse(doc, node, "forwarded_trust: found in service \"%s\", which adds no "
				     "header with the client's address; required: \"forwarded\"",
				     service->name);
	return sp_value_prefixes(doc, key, node, 1, &rules->trusts, &rules->trust_count);
}

int sp_value_accept_proxy(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			  void *into)
{
	struct sp_service_conf *service = into;

	if (service->protocol == SP_PROTOCOL_TCP)
		return sp_doc_refuse(doc, node, "accept_proxy: found in service \"%s\", of protocol tcp, which "
				     "reads no first bytes; allowed: in services of protocol http or tls",
				     service->name);
	return sp_value_prefixes(doc, key, node, 1, &service->accept_proxy,
				 &service->accept_proxy_count);
}

/* A name that rules may name, and no earlier name of the same list. */
static int name_check(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      const struct sp_rewrite *rules, const char *name)
{
	struct sp_str str = { name, strlen(name) };
	const char *forwarded = sp_rewrite_forwarded_name(rules->forwarded);

	if (sp_rewrite_is_protected(name))
		return sp_doc_refuse(doc, node, "%s: found \"%s\", which frames the request, belongs to the "
				     "connection or has decided the route; allowed: other headers",
				     key->name, name);
	if (forwarded && sp_rewrite_is_same_name(str, forwarded))
		return sp_doc_refuse(doc, node, "%s: found \"%s\", which \"forwarded\" writes; "
				     "allowed: other headers", key->name, name);
	for (size_t i = 0; i < rules->set_count; i++)
		if (sp_rewrite_is_same_name(str, rules->sets[i].name))
			return sp_doc_refuse(doc, node, "%s: found \"%s\" again, \"%s\" is set (neither case "
					     "nor _ for - makes a difference); allowed: each one once",
					     key->name, name, rules->sets[i].name);
	for (size_t i = 0; i < rules->remove_count; i++)
		if (sp_rewrite_is_same_name(str, rules->removes[i]))
			return sp_doc_refuse(doc, node, "%s: found \"%s\" again (neither case nor _ for - "
					     "makes a difference); allowed: each one once", key->name, name);
	return 0;
}

static const struct sp_doc_key set_name_key = {
	.name = "set", .parse = sp_value_text, .min = 1, .max = SP_TOKEN_MAX,
	.is_valid = sp_text_is_token, .allowed = NAME_ALLOWED,
};

static const struct sp_doc_key set_value_key = {
	.name = "set", .parse = sp_value_text, .min = 0, .max = SP_CONFIG_HEADER_VALUE_MAX,
	.is_valid = sp_text_is_trimmed,
	.allowed = "text without blanks around it (\"\" for an empty one)",
};

static const struct sp_doc_key remove_name_key = {
	.name = "remove", .parse = sp_value_text, .min = 1, .max = SP_TOKEN_MAX,
	.is_valid = sp_text_is_token, .allowed = NAME_ALLOWED,
};

static int set_read(struct sp_doc *doc, const yaml_node_pair_t *pair, struct sp_rewrite *rules)
{
	yaml_node_t *name = yaml_document_get_node(&doc->tree, pair->key);
	yaml_node_t *value = yaml_document_get_node(&doc->tree, pair->value);
	struct sp_rewrite_header *header = &rules->sets[rules->set_count];
	int err = sp_value_text(doc, &set_name_key, name, &header->name);

	err = err ? err : name_check(doc, &set_name_key, name, rules, header->name);
	err = err ? err : sp_value_text(doc, &set_value_key, value, &header->value);
	if (!err)
		rules->set_count++;
	return err;
}

static int value_set(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		     void *into)
{
	struct sp_rewrite *rules = into;
	size_t count;
	int err = 0;

	if (node->type != YAML_MAPPING_NODE)
		return sp_doc_refuse_value(doc, key, node, key->allowed);
	count = node->data.mapping.pairs.top - node->data.mapping.pairs.start;
	if (count > key->max)
		return sp_doc_refuse(doc, node, "set: found %zu headers; allowed: 0 to %llu", count,
				     key->max);
	rules->sets = sp_doc_alloc(doc, count, sizeof(*rules->sets));
	if (!rules->sets)
		return -ENOMEM;
	for (size_t i = 0; !err && i < count; i++)
		err = set_read(doc, &node->data.mapping.pairs.start[i], rules);
	return err;
}

static int value_remove(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			void *into)
{
	struct sp_rewrite *rules = into;
	struct sp_doc_items list;
	int err = sp_doc_list(doc, key, node, &list);

	if (err)
		return err;
	rules->removes = sp_doc_alloc(doc, list.count, sizeof(*rules->removes));
	if (!rules->removes)
		return -ENOMEM;
	for (size_t i = 0; !err && i < list.count; i++) {
		yaml_node_t *item = sp_doc_item(doc, &list, i);

		err = sp_value_text(doc, &remove_name_key, item, &rules->removes[i]);
		err = err ? err : name_check(doc, key, item, rules, rules->removes[i]);
		rules->remove_count += !err;
	}
	return err;
}

static const struct sp_doc_key header_keys[] = {
	{ .name = "set", .parse = value_set, .max = SP_CONFIG_HEADERS_MAX,
	  .allowed = "a mapping of names to values, as in {X-Tier: front}" },
	{ .name = "remove", .parse = value_remove, .max = SP_CONFIG_HEADERS_MAX,
	  .allowed = "a list of names, as in [X-Debug]" },
	{ 0 }
};

int sp_value_request_headers(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			     void *into)
{
	struct sp_service_conf *service = into;

	if (service->protocol != SP_PROTOCOL_HTTP)
		return refuse_protocol(doc, key, node, service);
	return sp_doc_map(doc, node, key->name, header_keys, &service->rewrite);
}

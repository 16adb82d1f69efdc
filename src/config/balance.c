/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* balance.c - how a pool chooses among its backends: the key "balance", and its normal form. */
#include "config/section.h"
#include "config/value.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define HASH_ALLOWED "source, path, \"header NAME\" or \"cookie NAME\""

static const char *const balance_words[] = {
#define X(up, low) [SP_BALANCE_##up] = #low,
	SP_BALANCES(X)
#undef X
};

static const char *const hash_words[] = {
	[SP_HASH_BY_SOURCE] = "source", [SP_HASH_BY_PATH] = "path",
	[SP_HASH_BY_HEADER] = "header", [SP_HASH_BY_COOKIE] = "cookie", NULL,
};

/* @blank: before the name, or the end of @text */
static int read_hash_by(const char *text, const char *blank, enum sp_hash_by *ret_by)
{
	for (int i = 0; hash_words[i]; i++) {
		int takes_name = i == SP_HASH_BY_HEADER || i == SP_HASH_BY_COOKIE;
		size_t len = strlen(hash_words[i]);

		if (len != (size_t)(blank - text) || memcmp(text, hash_words[i], len) ||
		    takes_name != (*blank == ' '))
			continue;
		*ret_by = i;
		return 0;
	}
	return -EINVAL;
}

static int value_hash(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into)
{
	const char *text = sp_scalar_text(node), *blank = text ? strchrnul(text, ' ') : NULL;
	struct sp_pool_conf *pool = into;

	if (!text || read_hash_by(text, blank, &pool->hash_by))
		return sp_doc_refuse_value(doc, key, node, key->allowed);
	pool->balance = SP_BALANCE_HASH;
	if (!*blank)
		return 0;
	if (!sp_text_is_token(blank + 1) || strlen(blank + 1) > SP_TOKEN_MAX)
		return sp_doc_refuse_value(doc, key, node, "a name of letters, digits and "
					   "!#$%&'*+-.^_`|~ (RFC 9110) behind one blank");
	pool->hash_name = sp_doc_strdup(doc, blank + 1);
	return pool->hash_name ? 0 : -ENOMEM;
}

static const struct sp_doc_key hash_keys[] = {
	{ .name = "hash", .parse = value_hash, .allowed = HASH_ALLOWED, .is_required = 1 },
	{ 0 }
};

int sp_value_balance(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		     void *into)
{
	const char *text = sp_scalar_text(node);
	struct sp_pool_conf *pool = into;

	if (node->type == YAML_MAPPING_NODE)
		return sp_doc_map(doc, node, "balance", hash_keys, pool);
	for (int i = 0; text && i < SP_BALANCE_HASH; i++) {
		if (strcmp(text, balance_words[i]))
			continue;
		pool->balance = i;
		return 0;
	}
	return sp_doc_refuse_value(doc, key, node, key->allowed);
}

int sp_pool_check_hash(struct sp_doc *doc, const yaml_node_t *at, struct sp_service_conf *service,
		       int pool_idx)
{
	const struct sp_pool_conf *pool = &doc->config->pools[pool_idx];

	if (!sp_pool_hashes_requests(pool))
		return 0;
	service->has_hashed_pool = 1;
	if (service->protocol == SP_PROTOCOL_HTTP)
		return 0;
	return sp_doc_refuse(doc, at, "pool \"%s\": found \"hash: %s\", but service \"%s\" is not of protocol "
			     "http and reads no requests; required: \"hash: source\", or another balance",
			     pool->name, hash_words[pool->hash_by], service->name);
}

/* With a comment for the reader of the file. */
void sp_print_balance(const struct sp_pool_conf *pool, FILE *out)
{
	if (pool->balance != SP_BALANCE_HASH)
		fprintf(out, "    balance: %s%s\n", balance_words[pool->balance],
			pool->balance == SP_BALANCE_LEAST_CONNECTIONS ?
			"  # of this proxy: each counts its own connections" : "");
	else if (pool->hash_name)
		fprintf(out, "    balance: {hash: \"%s %s\"}\n", hash_words[pool->hash_by],
			pool->hash_name);
	else
		fprintf(out, "    balance: {hash: %s}\n", hash_words[pool->hash_by]);
}

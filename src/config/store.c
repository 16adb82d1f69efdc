/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* store.c - the store that proxies share, and this proxy's place among them: tables and checks. */
#include "config/section.h"
#include "config/value.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "base/addr.h"

#define UNIX_PREFIX	"unix:"
#define UNIX_PATH_MAX	(sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define COPIES_DEFAULT	3
#define TIMEOUT_MAX_NS	(10 * SP_SECOND_NS)
#define SERVER_ALLOWED	SP_ENDPOINT_ALLOWED ", or \"unix:/PATH\""

static int value_engine(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			void *into)
{
	static const char *const words[] = { [SP_STORE_LOCAL] = "local", [SP_STORE_REDIS] = "redis",
					     NULL };
	int word = sp_value_word(doc, key, node, words);

	if (word < 0)
		return word;
	*(enum sp_store_kind *)into = word;
	return 0;
}

static int value_commit(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			void *into)
{
	static const char *const words[] = { [SP_COMMIT_MAJORITY] = "majority",
					     [SP_COMMIT_ONE] = "one", NULL };
	int word = sp_value_word(doc, key, node, words);

	if (word < 0)
		return word;
	*(enum sp_commit_policy *)into = word;
	return 0;
}

static int value_loss(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into)
{
	static const char *const words[] = { [SP_LOSS_CONTINUE] = "continue",
					     [SP_LOSS_REFUSE] = "refuse", NULL };
	int word = sp_value_word(doc, key, node, words);

	if (word < 0)
		return word;
	*(enum sp_loss_policy *)into = word;
	return 0;
}

static const struct sp_doc_key server_key = { .name = "servers", .allowed = SERVER_ALLOWED };

static int server_parse(struct sp_doc *doc, yaml_node_t *node, struct sp_store_server_conf *server)
{
	const char *text = sp_scalar_text(node);
	char buf[SP_ENDPOINT_STRLEN];
	int err;

	if (text && !strncmp(text, UNIX_PREFIX "/", sizeof(UNIX_PREFIX)) &&
	    strlen(text) <= UNIX_PATH_MAX + sizeof(UNIX_PREFIX) - 1) {
		server->text = sp_doc_strdup(doc, text);
		server->path = server->text ? server->text + sizeof(UNIX_PREFIX) - 1 : NULL;
		return server->text ? 0 : -ENOMEM;
	}
	err = sp_value_endpoint(doc, &server_key, node, &server->at);
	if (err)
		return err;
	server->text = sp_doc_strdup(doc,
				     sp_endpoint_format(&server->at.addr, server->at.port_be, buf));
	return server->text ? 0 : -ENOMEM;
}

static int server_read(struct sp_doc *doc, yaml_node_t *node, void *base, void *item)
{
	const struct sp_store_server_conf *servers = ((struct sp_store_conf *)base)->servers,
		*server = item;
	int err = server_parse(doc, node, item);

	for (; !err && servers < server; servers++)
		if (!strcmp(servers->text, server->text))
			err = sp_doc_refuse(doc, node,
					    "servers: found \"%s\" again; allowed: each one once",
					    sp_scalar_text(node));
	return err;
}

#define STORE(field) offsetof(struct sp_store_conf, field)
static const struct sp_doc_key store_keys[] = {
	{ .name = "engine", .parse = value_engine, .offset = STORE(kind),
	  .allowed = "local or redis" },
	{ .name = "servers", .parse = sp_value_array, .offset = STORE(servers),
	  .count = STORE(server_count),
	  .size = sizeof(struct sp_store_server_conf), .read = server_read, .min = 1,
	  .max = SP_SERVERS_MAX,
	  .is_scalar_enough = 1, .allowed = SERVER_ALLOWED },
	{ .name = "password_file", .parse = sp_value_text, .offset = STORE(password_file), .min = 1,
	  .max = SP_CONFIG_TEXT_MAX, .is_valid = sp_text_is_absolute,
	  .allowed = "an absolute path" },
	{ .name = "copies", .parse = sp_value_uint, .offset = STORE(copies), .min = 1,
	  .max = SP_COPIES_MAX },
	{ .name = "commit", .parse = value_commit, .offset = STORE(commit),
	  .allowed = "majority or one" },
	{ .name = "store_loss", .parse = value_loss, .offset = STORE(loss),
	  .allowed = "continue or refuse" },
	{ .name = "timeout", .parse = sp_value_time, .offset = STORE(timeout_ns),
	  .min = SP_TIME_MIN_NS,
	  .max = TIMEOUT_MAX_NS },
	{ 0 }
};

int sp_value_store(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into)
{
	struct sp_store_conf *store = into;
	int err = sp_doc_map(doc, node, "store", store_keys, store);

	if (err)
		return err;
	if (store->kind == SP_STORE_LOCAL && store->server_count)
		return sp_doc_refuse(doc, sp_doc_get(doc, node, "servers"),
				     "servers: found with the engine local; allowed: with \"engine: redis\"");
	if (store->kind == SP_STORE_LOCAL)
		return 0;
	if (!store->server_count)
		return sp_doc_refuse(doc, node,
				     "store: found no \"servers\"; required with \"engine: redis\": a list of %s",
				     SERVER_ALLOWED);
	if (!store->copies)
		store->copies = store->server_count < COPIES_DEFAULT ? store->server_count :
			COPIES_DEFAULT;
	if (store->copies > store->server_count)
		return sp_doc_refuse(doc, sp_doc_get(doc, node, "copies"),
				     "copies: found %u, and %zu servers; allowed: "
				     "as many as there are servers", store->copies,
					     store->server_count);
	return 0;
}

static const struct sp_doc_key source_key = {
	.name = "sources",
	.allowed = "an address, as in 192.0.2.1 or \"2001:db8::1\"",
};

static int source_read(struct sp_doc *doc, yaml_node_t *node, void *base, void *item)
{
	const struct sp_addr *addrs = ((struct sp_cluster_conf *)base)->sources, *addr = item;
	int err = sp_value_addr(doc, &source_key, node, item);

	for (; !err && addrs < addr; addrs++)
		if (sp_addr_equal(addrs, addr))
			err = sp_doc_refuse(doc, node,
					    "sources: found \"%s\" again; allowed: each one once",
					    sp_scalar_text(node));
	return err;
}

static const struct sp_doc_key peer_keys[] = {
	{ .name = "name", .parse = sp_value_text, .offset = offsetof(struct sp_peer_conf, name),
	  .min = 1,
	  .max = SP_NAME_MAX, .is_valid = sp_text_is_name, .allowed = SP_NAME_ALLOWED,
	  .is_required = 1 },
	{ .name = "at", .parse = sp_value_endpoint, .offset = offsetof(struct sp_peer_conf, at),
	  .allowed = SP_ENDPOINT_ALLOWED, .is_required = 1 },
	{ 0 }
};

static int peer_read(struct sp_doc *doc, yaml_node_t *node, void *base, void *item)
{
	const struct sp_peer_conf *peer = item;
	int err = sp_doc_map(doc, node, "a member", peer_keys, item);

	if (err)
		return err;
	for (const struct sp_peer_conf *other = ((struct sp_cluster_conf *)base)->peers;
	     other < peer; other++) {
		if (!strcmp(other->name, peer->name))
			return sp_doc_refuse(doc, sp_doc_get(doc, node, "name"),
					     "name: found a second member \"%s\"; "
					     "allowed: each name once", peer->name);
		if (!sp_endpoint_compare(&other->at, &peer->at))
			return sp_doc_refuse(doc, sp_doc_get(doc, node, "at"),
					     "at: found that of member \"%s\" again; "
					     "allowed: each one once", other->name);
	}
	return 0;
}

#define CLUSTER(field) offsetof(struct sp_cluster_conf, field)
static const struct sp_doc_key cluster_keys[] = {
	{ .name = "name", .parse = sp_value_text, .offset = CLUSTER(name), .min = 1,
	  .max = SP_NAME_MAX,
	  .is_valid = sp_text_is_name, .allowed = SP_NAME_ALLOWED },
	{ .name = "relay", .parse = sp_value_endpoint, .offset = CLUSTER(relay),
	  .allowed = SP_ENDPOINT_ALLOWED,
	  .is_required = 1 },
	{ .name = "sources", .parse = sp_value_array, .offset = CLUSTER(sources),
	  .count = CLUSTER(source_count),
	  .size = sizeof(struct sp_addr), .read = source_read, .max = SP_CONFIG_SNAT_ADDRS_MAX,
	  .allowed = "a list of addresses, as in 192.0.2.1 or \"2001:db8::1\"" },
	{ .name = "members", .parse = sp_value_array, .offset = CLUSTER(peers),
	  .count = CLUSTER(peer_count),
	  .size = sizeof(struct sp_peer_conf), .read = peer_read, .min = 1, .max = SP_PEERS_MAX,
	  .allowed = "a list of members, as in {name: host1, at: \"192.0.2.1:7946\"}" },
	{ 0 }
};

static int own_name_check(struct sp_doc *doc, yaml_node_t *at,
			  const struct sp_cluster_conf *cluster)
{
	for (size_t i = 0; i < cluster->peer_count; i++)
		if ((cluster->name && !strcmp(cluster->peers[i].name, cluster->name)) ||
		    !sp_endpoint_compare(&cluster->peers[i].at, &cluster->relay))
			return sp_doc_refuse(doc, at,
					     "members: found the name or the relay of this machine itself (\"%s\"); "
					     "allowed: those of others", cluster->peers[i].name);
	return 0;
}

int sp_value_cluster(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		     void *into)
{
	yaml_node_t *members;
	int err = sp_doc_map(doc, node, "cluster", cluster_keys, into);

	if (err)
		return err;
	members = sp_doc_get(doc, node, "members");
	if (members && doc->config->store.kind != SP_STORE_LOCAL)
		return sp_doc_refuse(doc, members,
				     "members: found with the engine redis; allowed: with \"engine: local\", "
				     "since members find one another through a store that they share");
	return own_name_check(doc, members, into);
}

int sp_cluster_check(struct sp_doc *doc, const yaml_node_t *root, const struct sp_config *config)
{
	if (config->store.kind == SP_STORE_LOCAL || config->cluster.relay.port_be)
		return 0;
	return sp_doc_refuse(doc, root,
			     "the configuration: found no \"cluster\"; required with \"engine: redis\": "
			     "{name: proxy1, relay: \"192.0.2.1:7946\"}");
}

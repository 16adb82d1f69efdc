/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * config.c - spliced.yaml from the file to a checked configuration: the top level, and sections
 * that are no lists.
 */
#include "config/section.h"
#include "config/value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define INTERFACE_NAME_MAX	15	/* IFNAMSIZ without the NUL */
#define SOCKET_PATH_MAX		(sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define SNAT_PORT_MIN		1024
#define PORT_MAX		65535

static const struct sp_config defaults = {
	.state_dir = "/sys/fs/bpf/spliced",
	.control = "/run/spliced.sock",
	.snat_port_first = 20000,
	.snat_port_last = 59999,
	.limits = {
		.splices = 1000000,
		.pending = 16384,
		.sources = 65536,
		.head_bytes = 64 << 10,
		.held_bytes = 128 << 20,
		.head_ns = 10 * SP_SECOND_NS,
		.connect_ns = SP_SECOND_NS,
		.tries = 3,
		.idle_ns = 130 * SP_MINUTE_NS,
		.transitory_ns = 5 * SP_MINUTE_NS,
		.closed_ns = 30 * SP_SECOND_NS,
	},
	.store.timeout_ns = 3 * SP_SECOND_NS / 10,
	.resolvers = {
		.timeout_ns = SP_SECOND_NS,
		.attempts = 2,
		.ttl_min_ns = SP_SECOND_NS,
		.ttl_max_ns = SP_HOUR_NS,
	},
};

/* The checks of the kernel's dev_valid_name(). */
static int is_interface(const char *text)
{
	return strcmp(text, ".") && strcmp(text, "..") && !strpbrk(text, "/: ");
}

static const struct sp_doc_key interface_key = {
	.name = "interfaces", .parse = sp_value_text, .min = 1, .max = INTERFACE_NAME_MAX,
	.is_valid = is_interface,
	.allowed = "the name of a network interface",
};

static int value_interfaces(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			    void *into)
{
	struct sp_config *config = into;
	struct sp_doc_items list;
	int err;

	err = sp_doc_list(doc, key, node, &list);
	if (!err)
		err = sp_value_texts(doc, &interface_key, &list, &config->interfaces);
	if (!err)
		config->interface_count = list.count;
	return err;
}

static const struct sp_doc_key address_key = {
	.name = "addresses",
	.allowed = "an address, as in 192.0.2.1 or \"2001:db8::1\"",
};

static int addr_read(struct sp_doc *doc, yaml_node_t *node, void *base, void *item)
{
	const struct sp_addr *addrs = ((struct sp_config *)base)->snat_addrs, *addr = item;
	int err = sp_value_addr(doc, &address_key, node, item);

	for (; !err && addrs < addr; addrs++)
		if (sp_addr_equal(addrs, addr))
			err = sp_doc_refuse(doc, node,
					    "addresses: found \"%s\" again; allowed: each one once",
					    sp_scalar_text(node));
	return err;
}

static int ports_parse(const char *text, __u64 *ret_first, __u64 *ret_last)
{
	const char *dash = strchr(text, '-');

	if (!dash || sp_uint_parse(text, dash - text, 65535, ret_first))
		return -EINVAL;
	return sp_uint_parse(dash + 1, strlen(dash + 1), 65535, ret_last);
}

static int value_ports(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		       void *into)
{
	const char *text = sp_scalar_text(node);
	struct sp_config *config = into;
	__u64 first, last;

	if (!text || ports_parse(text, &first, &last))
		return sp_doc_refuse_value(doc, key, node, key->allowed);
	if (first > last)
		return sp_doc_refuse_value(doc, key, node, "the lower port first");
	if (first < SNAT_PORT_MIN)
		return sp_doc_refuse_value(doc, key, node, key->allowed);
	config->snat_port_first = first;
	config->snat_port_last = last;
	return 0;
}

static const struct sp_doc_key source_keys[] = {
	{ .name = "addresses", .parse = sp_value_array,
	  .offset = offsetof(struct sp_config, snat_addrs),
	  .count = offsetof(struct sp_config, snat_count), .size = sizeof(struct sp_addr),
	  .read = addr_read,
	  .max = SP_CONFIG_SNAT_ADDRS_MAX,
	  .allowed = "a list of addresses, as in 192.0.2.1 or \"2001:db8::1\"" },
	{ .name = "ports", .parse = value_ports,
	  .allowed = "FIRST-LAST between 1024 and 65535, as in 20000-59999" },
	{ 0 }
};

static int value_source(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			void *into)
{
	return sp_doc_map(doc, node, "source", source_keys, into);
}

#define LIMIT(field) offsetof(struct sp_limits_conf, field)
static const struct sp_doc_key limit_keys[] = {
	{ .name = "splices", .parse = sp_value_uint, .offset = LIMIT(splices), .min = 1,
	  .max = 1 << 24 },
	{ .name = "pending", .parse = sp_value_uint, .offset = LIMIT(pending), .min = 1,
	  .max = 1 << 20 },
	{ .name = "sources", .parse = sp_value_uint, .offset = LIMIT(sources), .min = 1024,
	  .max = 1 << 22 },
	{ .name = "head_size", .parse = sp_value_size, .offset = LIMIT(head_bytes), .min = 1 << 10,
	  .max = 64 << 10 },
	{ .name = "held", .parse = sp_value_size, .offset = LIMIT(held_bytes), .min = 64 << 10,
	  .max = 2ULL << 30 },
	{ .name = "head_time", .parse = sp_value_time, .offset = LIMIT(head_ns),
	  .min = SP_TIME_MIN_NS,
	  .max = 10 * SP_MINUTE_NS },
	{ .name = "connect_time", .parse = sp_value_time, .offset = LIMIT(connect_ns),
	  .min = SP_TIME_MIN_NS,
	  .max = SP_MINUTE_NS },
	{ .name = "tries", .parse = sp_value_uint, .offset = LIMIT(tries), .min = 1, .max = 16 },
	{ .name = "idle", .parse = sp_value_time, .offset = LIMIT(idle_ns), .min = SP_TIME_MIN_NS,
	  .max = 30 * SP_DAY_NS },
	{ .name = "transitory", .parse = sp_value_time, .offset = LIMIT(transitory_ns),
	  .min = SP_TIME_MIN_NS,
	  .max = SP_DAY_NS },
	{ .name = "closed", .parse = sp_value_time, .offset = LIMIT(closed_ns),
	  .min = SP_TIME_MIN_NS,
	  .max = SP_HOUR_NS },
	{ 0 }
};
#undef LIMIT

static int value_limits(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			void *into)
{
	return sp_doc_map(doc, node, "limits", limit_keys, into);
}

/* Keys may refer to earlier keys: services to pools, pools to source. */
static const struct sp_doc_key top_keys[] = {
	{ .name = "interfaces", .parse = value_interfaces, .min = 1,
	  .max = SP_CONFIG_INTERFACES_MAX,
	  .is_required = 1, .allowed = "a list of network interfaces, as in [eth0, eth1]" },
	{ .name = "key_file", .parse = sp_value_text,
	  .offset = offsetof(struct sp_config, key_file), .min = 1,
	  .max = SP_CONFIG_TEXT_MAX, .is_valid = sp_text_is_absolute, .allowed = "an absolute path",
	  .is_required = 1 },
	{ .name = "state_dir", .parse = sp_value_text,
	  .offset = offsetof(struct sp_config, state_dir),
	  .min = 1, .max = SP_CONFIG_TEXT_MAX, .is_valid = sp_text_is_absolute,
	  .allowed = "an absolute path" },
	{ .name = "control", .parse = sp_value_text, .offset = offsetof(struct sp_config, control),
	  .min = 1,
	  .max = SOCKET_PATH_MAX, .is_valid = sp_text_is_absolute, .allowed = "an absolute path" },
	{ .name = "source", .parse = value_source },
	{ .name = "limits", .parse = value_limits, .offset = offsetof(struct sp_config, limits) },
	{ .name = "store", .parse = sp_value_store, .offset = offsetof(struct sp_config, store) },
	{ .name = "cluster", .parse = sp_value_cluster,
	  .offset = offsetof(struct sp_config, cluster) },
	{ .name = "resolvers", .parse = sp_value_resolvers,
	  .offset = offsetof(struct sp_config, resolvers) },
	{ .name = "pools", .parse = sp_value_array, .offset = offsetof(struct sp_config, pools),
	  .count = offsetof(struct sp_config, pool_count), .size = sizeof(struct sp_pool_conf),
	  .read = sp_pool_read,
	  .min = 1, .max = SP_CONFIG_POOLS_MAX, .is_required = 1,
	  .allowed = "a list of pools, mappings of name, source, failures, retry, backends" },
	{ .name = "services", .parse = sp_value_array,
	  .offset = offsetof(struct sp_config, services),
	  .count = offsetof(struct sp_config, service_count),
	  .size = sizeof(struct sp_service_conf),
	  .read = sp_service_read, .min = 1, .max = SP_CONFIG_SERVICES_MAX, .is_required = 1,
	  .allowed = "a list of services, mappings of name, protocol, listen, mode, offer, routes, default" },
	{ 0 }
};

static int is_first(const struct sp_endpoint *serves, const struct sp_endpoint *at)
{
	for (; serves < at; serves++)
		if (!sp_endpoint_compare(serves, at))
			return 0;
	return 1;
}

static const struct sp_doc_key serve_key = { .name = "serves", .allowed = SP_ENDPOINT_ALLOWED };

static int serve_read(struct sp_doc *doc, yaml_node_t *node, void *base, void *item)
{
	int err = sp_value_endpoint(doc, &serve_key, node, item);

	if (!err && !is_first(((struct sp_config *)base)->serves, item))
		err = sp_doc_refuse(doc, node, "serves: found \"%s\" again; allowed: each one once",
				    sp_scalar_text(node));
	return err;
}

static const struct sp_doc_key serves_key = {
	.name = "serves", .parse = sp_value_array, .offset = offsetof(struct sp_config, serves),
	.count = offsetof(struct sp_config, serve_count), .size = sizeof(struct sp_endpoint),
	.read = serve_read,
	.min = 1, .max = SP_ORIGINS_MAX, .is_required = 1,
	.allowed = "a list of " SP_ENDPOINT_ALLOWED,
};

static const char *const shared_keys[] = { "interfaces", "key_file", "state_dir", "control",
					   "limits", "store", "cluster" };
#define SHARED_KEYS	(sizeof(shared_keys) / sizeof(shared_keys[0]))
#define AGENT_KEYS	(SHARED_KEYS + 2)

/* Keys that an agent shares with a proxy are rows of the proxy's table. */
static const struct sp_doc_key *keys_of_agent(struct sp_doc_key keys[AGENT_KEYS])
{
	size_t n = 0;

	for (const struct sp_doc_key *key = top_keys; key->name; key++)
		for (size_t i = 0; i < SHARED_KEYS; i++)
			if (!strcmp(key->name, shared_keys[i]))
				keys[n++] = *key;
	keys[n++] = serves_key;
	keys[n] = (struct sp_doc_key){ 0 };
	return keys;
}

static int agent_check(struct sp_doc *doc, const yaml_node_t *root, const struct sp_config *config)
{
	if (config->store.kind != SP_STORE_LOCAL || config->cluster.peer_count)
		return 0;
	return sp_doc_refuse(doc, root,
			     "the configuration: found no \"store\" with \"engine: redis\"; required: the one "
			     "that the proxies share, or a \"cluster\" whose \"members\" are the proxies");
}

static int listen_compare(const void *a, const void *b)
{
	return sp_endpoint_compare(&((const struct sp_listen_conf *)a)->at,
				   &((const struct sp_listen_conf *)b)->at);
}

static int listens_sort(struct sp_doc *doc, struct sp_config *config)
{
	const struct sp_service_conf *services = config->services, *s;
	size_t count = 0;

	for (s = services; s < services + config->service_count; s++)
		count += s->listen_count;
	config->listens = sp_doc_alloc(doc, count, sizeof(*config->listens));
	if (!config->listens)
		return -ENOMEM;
	for (s = services; s < services + config->service_count; s++)
		for (size_t i = 0; i < s->listen_count; i++)
			config->listens[config->listen_count++] =
				(struct sp_listen_conf){ s->listens[i], s };
	qsort(config->listens, count, sizeof(*config->listens), listen_compare);
	return 0;
}

static int tree_read(struct sp_doc *doc)
{
	struct sp_doc_key of_agent[AGENT_KEYS];
	const struct sp_doc_key *keys = doc->config->is_agent ? keys_of_agent(of_agent) : top_keys;
	yaml_node_t *root = yaml_document_get_root_node(&doc->tree);
	char allowed[SP_KEYS_STRLEN];
	int err;

	if (!root)
		return sp_doc_refuse_mark(doc, (yaml_mark_t){ 0 },
					  "found nothing; allowed: a mapping of %s",
					  sp_keys_format(keys, allowed, sizeof(allowed)));
	err = sp_doc_map(doc, root, "the configuration", keys, doc->config);
	if (!err && doc->config->is_agent)
		err = agent_check(doc, root, doc->config);
	err = err ? err : sp_cluster_check(doc, root, doc->config);
	err = err ? err : sp_death_check(doc, root, doc->config);
	return err ? err : listens_sort(doc, doc->config);
}

static int load_bytes(const char *path, const void *bytes, size_t size,
		      const struct sp_config *before,
		      char error[SP_CONFIG_ERROR_MAX], struct sp_config **ret_config)
{
	struct sp_loaded *loaded = calloc(1, sizeof(*loaded));
	struct sp_doc doc = { .path = path, .error = error, .config = loaded ? &loaded->config :
			      NULL };
	int err;

	if (!loaded) {
		snprintf(error, SP_CONFIG_ERROR_MAX, "%s: out of memory", path);
		return -ENOMEM;
	}
	loaded->config = *before;
	loaded->config.refs = 1;
	err = sp_doc_open(&doc, bytes, size);
	if (!err) {
		err = tree_read(&doc);
		sp_doc_close(&doc);
	}
	loaded->chunks = doc.chunks;
	if (err)
		sp_config_free(&loaded->config);
	else
		*ret_config = &loaded->config;
	return err;
}

int sp_config_load_bytes(const char *path, const void *bytes, size_t size,
			 char error[SP_CONFIG_ERROR_MAX],
			 struct sp_config **ret_config)
{
	return load_bytes(path, bytes, size, &defaults, error, ret_config);
}

void sp_config_free(struct sp_config *config)
{
	struct sp_loaded *loaded = (struct sp_loaded *)config; /* its first member */

	if (!loaded)
		return;
	sp_config_put(config->written);
	sp_chunks_free(loaded->chunks);
	free(loaded);
}

/* Read up to @size bytes: a pipe has no length to query. */
static ssize_t file_read(const char *path, char *bytes, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got = 0;
	int err = 0;

	if (fd < 0)
		return -errno;
	while (used < size && (got = read(fd, bytes + used, size - used)) > 0)
		used += got;
	if (got < 0)
		err = -errno;
	close(fd);
	return err ? err : (ssize_t)used;
}

int sp_config_is_blank(const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	int is_blank = 1;

	if (!file)
		return errno == ENOENT;
	while (is_blank && getline(&line, &size, file) >= 0) {
		const char *at = line + strspn(line, " \t\r\n");

		is_blank = !*at || *at == '#';
	}
	free(line);
	fclose(file);
	return is_blank;
}

static int load_file(const char *path, const struct sp_config *before,
		     char error[SP_CONFIG_ERROR_MAX],
		struct sp_config **ret_config)
{
	char *bytes = malloc(SP_CONFIG_FILE_BYTES_MAX + 1);
	ssize_t size = bytes ? file_read(path, bytes, SP_CONFIG_FILE_BYTES_MAX + 1) : -ENOMEM;
	int err;

	if (size < 0) {
		snprintf(error, SP_CONFIG_ERROR_MAX, "%s: can't be read: %s", path,
			 strerror(-size));
		err = size;
	} else if (size > SP_CONFIG_FILE_BYTES_MAX) {
		snprintf(error, SP_CONFIG_ERROR_MAX, "%s: found more than %u bytes; allowed: %u",
			 path,
			 SP_CONFIG_FILE_BYTES_MAX, SP_CONFIG_FILE_BYTES_MAX);
		err = -EFBIG;
	} else {
		err = load_bytes(path, bytes, size, before, error, ret_config);
	}
	free(bytes);
	return err;
}

int sp_config_load(const char *path, char error[SP_CONFIG_ERROR_MAX], struct sp_config **ret_config)
{
	return load_file(path, &defaults, error, ret_config);
}

int sp_config_load_agent(const char *path, char error[SP_CONFIG_ERROR_MAX],
			 struct sp_config **ret_config)
{
	struct sp_config before = defaults;

	before.is_agent = 1;
	before.state_dir = "/sys/fs/bpf/spliced-agent";
	before.control = "/run/spliced-agent.sock";
	return load_file(path, &before, error, ret_config);
}

/* A pool of -1 answers 404. */
int sp_service_reads_requests(const struct sp_service_conf *service)
{
	if (service->protocol != SP_PROTOCOL_HTTP)
		return 0;
	if (sp_rewrite_is_needed(&service->rewrite))
		return 1;
	if (service->route_unit != SP_ROUTE_REQUEST)
		return 0;
	if (service->has_hashed_pool || service->has_continued_pool || service->access.to)
		return 1;
	for (size_t i = 0; i < service->route_count; i++)
		if (service->routes[i].pool_idx != service->default_pool_idx)
			return 1;
	return 0;
}

const struct sp_service_conf *sp_config_service_at(const struct sp_config *config,
						   const struct sp_tuple *front)
{
	struct sp_listen_conf key = { .at = { front->daddr, front->dport } }, *found;

	found = bsearch(&key, config->listens, config->listen_count, sizeof(key), listen_compare);
	return found ? found->service : NULL;
}

const struct sp_pool_conf *sp_config_pool_of(const struct sp_config *config, __u16 id)
{
	const struct sp_pool_conf *found = NULL;

	for (size_t i = 0; i < config->pool_count; i++) {
		if ((__u16)config->pools[i].id != id)
			continue;
		if (found)
			return NULL;
		found = &config->pools[i];
	}
	return found;
}

int sp_pool_find(const struct sp_pool_conf *pool, const struct sp_tuple *back)
{
	const struct sp_endpoint at = { back->daddr, back->dport };

	for (size_t i = 0; i < pool->backend_count; i++)
		if (!sp_endpoint_compare(&pool->backends[i].at, &at))
			return i;
	return -ENOENT;
}

void sp_config_other_ports(const struct sp_config *config, unsigned int *ret_first,
			   unsigned int *ret_last)
{
	unsigned int first = config->snat_port_first, last = config->snat_port_last;

	*ret_first = *ret_last = 0;
	if (first > SNAT_PORT_MIN) {
		*ret_first = SNAT_PORT_MIN;
		*ret_last = first - 1;
	}
	if (last < PORT_MAX && PORT_MAX - last > *ret_last - *ret_first) {
		*ret_first = last + 1;
		*ret_last = PORT_MAX;
	}
}

struct sp_config *sp_config_get(struct sp_config *config)
{
	config->refs++;
	return config;
}

void sp_config_put(struct sp_config *config)
{
	if (config && !--config->refs)
		sp_config_free(config);
}

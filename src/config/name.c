/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * name.c - backends by name: hosts and SRV records in the place of addresses, and the section
 * `resolvers`.
 */
#include "config/section.h"
#include "config/value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/addr.h"

#define LABEL_MAX	63
#define DNS_PORT	53
#define PORT_MAX	65535
#define TEXT_MAX	(SP_HOST_MAX + 1 + sizeof("65535"))
#define FOREVER		"forever"

/* RFC 1035, 2.3.1, and the underscores of SRV records. */
static int is_label(const char *text, size_t len)
{
	return len && len <= LABEL_MAX && text[0] != '-' && strspn(text, SP_ALNUM "-_") >= len;
}

/* A last label of digits alone would be that of an address. */
static int is_host(const char *text, size_t len)
{
	size_t at = 0, label = 0;

	if (!len || len > SP_HOST_MAX)
		return 0;
	for (; at < len; at += label + 1) {
		label = strcspn(text + at, ".:");
		label = label < len - at ? label : len - at;
		if (!is_label(text + at, label))
			return 0;
	}
	return at == len + 1 && strspn(text + len - label, "0123456789") < label;
}

/* Length of the host in "HOST:PORT"; 0: @text is another. */
static size_t host_len(const char *text)
{
	const char *colon = text ? strchr(text, ':') : NULL;
	size_t len = colon ? colon - text : 0;

	if (len && text[len - 1] == '.')
		len--;
	return is_host(text, len) ? len : 0;
}

int sp_node_is_name(struct sp_doc *doc, yaml_node_t *node)
{
	yaml_node_t *address;

	if (node->type != YAML_MAPPING_NODE)
		return 0;
	address = sp_doc_get(doc, node, "address");
	return sp_doc_get(doc, node, "srv") || (address && host_len(sp_scalar_text(address)));
}

/* In lower case: names are equal in any, and the same name is looked up once. */
static char *copy_host(struct sp_doc *doc, const char *text, size_t len)
{
	char *host = sp_doc_alloc(doc, 1, len + 1);

	for (size_t i = 0; host && i < len; i++)
		host[i] = tolower((unsigned char)text[i]);
	return host;
}

int sp_value_host_port(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		       void *into)
{
	const char *text = sp_scalar_text(node), *port_text = strchr(text, ':') + 1;
	struct sp_name_conf *name = into;
	char copy[TEXT_MAX];
	__u64 port;

	if (sp_uint_parse(port_text, strlen(port_text), PORT_MAX, &port) || !port)
		return sp_doc_refuse_value(doc, key, node, "HOST:PORT, with a port from 1 to 65535");
	name->type = SP_NAME_HOST;
	name->port_be = htons(port);
	name->host = copy_host(doc, text, host_len(text));
	if (!name->host)
		return -ENOMEM;
	snprintf(copy, sizeof(copy), "%s:%llu", name->host, port);
	name->text = sp_doc_strdup(doc, copy);
	return name->text ? 0 : -ENOMEM;
}

int sp_value_srv(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into)
{
	const char *text = sp_scalar_text(node);
	size_t len = text ? strlen(text) : 0;
	struct sp_name_conf *name = into;

	if (len && text[len - 1] == '.')
		len--;
	if (!is_host(text, len))
		return sp_doc_refuse_value(doc, key, node, key->allowed);
	name->type = SP_NAME_SRV;
	name->host = name->text = copy_host(doc, text, len);
	return name->host ? 0 : -ENOMEM;
}

int sp_names_check_count(struct sp_doc *doc, const yaml_node_t *at, const struct sp_pool_conf *pool)
{
	size_t count = 0;

	for (const struct sp_pool_conf *p = doc->config->pools; p <= pool; p++)
		count += p->name_count;
	if (count <= SP_NAMES_MAX)
		return 0;
	return sp_doc_refuse(doc, at, "backends: found %zu names so far; allowed: %d", count,
			     SP_NAMES_MAX);
}

void sp_print_names(const struct sp_pool_conf *pool, FILE *out)
{
	for (const struct sp_name_conf *n = pool->names; n < pool->names + pool->name_count; n++) {
		sp_print_key(n->type == SP_NAME_SRV ? "      - {srv" : "      - {address", n->text, out);
		if (n->name)
			sp_print_key(", name", n->name, out);
		if (n->type == SP_NAME_HOST)
			fprintf(out, ", weight: %u", n->weight);
		if (n->is_backup)
			fputs(", backup: true", out);
		if (n->max_connections)
			fprintf(out, ", max_connections: %u", n->max_connections);
		fputs("}\n", out);
	}
	if (!pool->backends_file)
		return;
	sp_print_key("    backends_file", pool->backends_file, out);
	fputc('\n', out);
}

/* ---- resolvers ---- */

static const struct sp_doc_key address_key = {
	.name = "addresses",
	.allowed = "an address, as in 192.0.2.53, or ADDRESS:PORT in quotes",
};

static int address_read(struct sp_doc *doc, yaml_node_t *node, void *base, void *item)
{
	const struct sp_endpoint *all = ((struct sp_resolvers_conf *)base)->addresses;
	const char *text = sp_scalar_text(node);
	struct sp_endpoint *at = item;
	struct sp_addr addr;
	int err;

	if (text && !sp_addr_parse(text, &addr)) {
		at->port_be = htons(DNS_PORT);
		err = sp_value_addr(doc, &address_key, node, &at->addr);
	} else {
		err = sp_value_endpoint(doc, &address_key, node, at);
	}
	for (; !err && all < at; all++)
		if (!sp_endpoint_compare(all, at))
			err = sp_doc_refuse(doc, node, "addresses: found \"%s\" again; allowed: each "
					    "one once", text);
	return err;
}

static int value_hold(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into)
{
	const char *text = sp_scalar_text(node);

	if (!text || strcmp(text, FOREVER))
		return sp_value_time(doc, key, node, into);
	*(__u64 *)into = 0;
	return 0;
}

#define FIELD(field) offsetof(struct sp_resolvers_conf, field)
static const struct sp_doc_key resolver_keys[] = {
	{ .name = "addresses", .parse = sp_value_array, .offset = FIELD(addresses),
	  .count = FIELD(address_count), .size = sizeof(struct sp_endpoint), .read = address_read,
	  .min = 1, .max = SP_RESOLVERS_MAX, .is_scalar_enough = 1,
	  .allowed = "a list of addresses, as in [192.0.2.53, \"[2001:db8::53]:5353\"]" },
	{ .name = "timeout", .parse = sp_value_time, .offset = FIELD(timeout_ns),
	  .min = SP_SECOND_NS / 10, .max = 10 * SP_SECOND_NS },
	{ .name = "attempts", .parse = sp_value_uint, .offset = FIELD(attempts), .min = 1,
	  .max = 10 },
	{ .name = "ttl_min", .parse = sp_value_time, .offset = FIELD(ttl_min_ns),
	  .min = SP_SECOND_NS, .max = SP_HOUR_NS },
	{ .name = "ttl_max", .parse = sp_value_time, .offset = FIELD(ttl_max_ns),
	  .min = SP_SECOND_NS, .max = SP_DAY_NS },
	{ .name = "hold", .parse = value_hold, .offset = FIELD(hold_ns), .min = SP_SECOND_NS,
	  .max = 30 * SP_DAY_NS },
	{ 0 }
};
#undef FIELD

int sp_value_resolvers(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		       void *into)
{
	struct sp_resolvers_conf *resolvers = into;
	int err = sp_doc_map(doc, node, "resolvers", resolver_keys, resolvers);

	if (err || resolvers->ttl_min_ns <= resolvers->ttl_max_ns)
		return err;
	return sp_doc_refuse(doc, node, "resolvers: found \"ttl_min\" above \"ttl_max\"; allowed: at "
			     "most as long");
}

static int has_names(const struct sp_config *config)
{
	for (size_t i = 0; i < config->pool_count; i++)
		if (config->pools[i].name_count)
			return 1;
	return 0;
}

/* No word of them in a file without names. */
void sp_print_resolvers(const struct sp_config *config, FILE *out)
{
	const struct sp_resolvers_conf *r = &config->resolvers;
	char text[SP_ENDPOINT_STRLEN], quantity[SP_QUANTITY_STRLEN];

	if (!has_names(config))
		return;
	fprintf(out, "resolvers:%s\n", r->address_count ? "" : "  # at the addresses in /etc/resolv.conf");
	for (size_t i = 0; i < r->address_count; i++) {
		const struct sp_endpoint *at = &r->addresses[i];

		fputs(i ? ", " : "  addresses: [", out);
		sp_print_text(sp_endpoint_format(&at->addr, at->port_be, text), out);
	}
	fputs(r->address_count ? "]\n" : "", out);
	fprintf(out, "  timeout: %s\n  attempts: %u\n", sp_time_format(r->timeout_ns, quantity),
		r->attempts);
	fprintf(out, "  ttl_min: %s\n", sp_time_format(r->ttl_min_ns, quantity));
	fprintf(out, "  ttl_max: %s\n", sp_time_format(r->ttl_max_ns, quantity));
	fprintf(out, "  hold: %s\n", r->hold_ns ? sp_time_format(r->hold_ns, quantity) : FOREVER);
}

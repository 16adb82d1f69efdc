/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* admission.c - clients that a service refuses: tables and checks. */
#include "config/section.h"
#include "config/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX	(1 << 24)	/* as many as splices */
#define RATE_MAX	1000000
#define V4_BITS_DEFAULT	32
#define V6_BITS_DEFAULT	64	/* of a site, RFC 4291, 2.5.4 */

static const struct sp_doc_key source_keys[] = {
	{ .name = "max_connections", .parse = sp_value_uint,
	  .offset = offsetof(struct sp_admission_conf, source_connections),
	  .min = 1, .max = CONNECTIONS_MAX },
	{ .name = "rate", .parse = sp_value_uint,
	  .offset = offsetof(struct sp_admission_conf, source_rate), .min = 1, .max = RATE_MAX },
	{ .name = "burst", .parse = sp_value_uint,
	  .offset = offsetof(struct sp_admission_conf, source_burst), .min = 1, .max = RATE_MAX },
	{ .name = "prefix_ipv4", .parse = sp_value_uint,
	  .offset = offsetof(struct sp_admission_conf, v4_bits), .min = 1, .max = 32 },
	{ .name = "prefix_ipv6", .parse = sp_value_uint,
	  .offset = offsetof(struct sp_admission_conf, v6_bits), .min = 1, .max = 128 },
	{ 0 }
};

int sp_value_per_source(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			void *into)
{
	struct sp_admission_conf *a = into;
	int err = sp_doc_map(doc, node, key->name, source_keys, a);

	if (err)
		return err;
	if (!a->source_rate && !a->source_connections)
		return sp_doc_refuse(doc, node, "per_source: found no limit; required: \"rate\" or "
				     "\"max_connections\"");
	if (a->source_burst && !a->source_rate)
		return sp_doc_refuse(doc, node, "burst: found without a rate; required: \"rate\"");
	if (!a->source_burst)
		a->source_burst = a->source_rate;
	return 0;
}

/* Ranges of the services before. */
static size_t count_before(const struct sp_config *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->service_count; i++)
		count += config->services[i].admission.allow_count +
			 config->services[i].admission.deny_count;
	return count;
}

int sp_value_allow(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into)
{
	struct sp_admission_conf *a = into;

	return sp_value_prefixes(doc, key, node, 0, &a->allow, &a->allow_count);
}

int sp_value_deny(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into)
{
	struct sp_admission_conf *a = into;

	return sp_value_prefixes(doc, key, node, 0, &a->deny, &a->deny_count);
}

static int compare_ranges(const void *a, const void *b)
{
	const struct sp_prefix *x = *(const struct sp_prefix *const *)a;
	const struct sp_prefix *y = *(const struct sp_prefix *const *)b;
	int order = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return order ? order : (x->bits > y->bits) - (x->bits < y->bits);
}

/* Return: a range that both lists have, or a list has twice; NULL: none. */
static const struct sp_prefix *find_repeated(const struct sp_admission_conf *a,
					     const struct sp_prefix **all)
{
	size_t n = 0;

	for (size_t i = 0; i < a->allow_count; i++)
		all[n++] = &a->allow[i];
	for (size_t i = 0; i < a->deny_count; i++)
		all[n++] = &a->deny[i];
	qsort(all, n, sizeof(*all), compare_ranges);
	for (size_t i = 1; i < n; i++)
		if (sp_prefix_equal(all[i - 1], all[i]))
			return all[i];
	return NULL;
}

/* Lists may be long: sorted, not compared in pairs. */
static int check_repeated(struct sp_doc *doc, yaml_node_t *node,
			  const struct sp_service_conf *service)
{
	const struct sp_admission_conf *a = &service->admission;
	const struct sp_prefix **all = calloc(a->allow_count + a->deny_count + 1, sizeof(*all));
	const struct sp_prefix *repeated = all ? find_repeated(a, all) : NULL;
	char text[SP_PREFIX_STRLEN];

	if (!all)
		return -ENOMEM;
	free(all);
	if (!repeated)
		return 0;
	return sp_doc_refuse(doc, sp_doc_get(doc, node, a->deny_count ? "deny" : "allow"),
			     "allow and deny: found %s twice in service \"%s\"; allowed: each one once",
			     sp_prefix_format(repeated, text), service->name);
}

int sp_admission_check(struct sp_doc *doc, yaml_node_t *node, const struct sp_service_conf *service)
{
	const struct sp_admission_conf *a = &service->admission;
	size_t count = count_before(doc->config) + a->allow_count + a->deny_count;

	if (count > SP_CONFIG_SOURCES_MAX)
		return sp_doc_refuse(doc, node, "allow and deny: found %zu ranges in all services; "
				     "allowed: %u", count, SP_CONFIG_SOURCES_MAX);
	return check_repeated(doc, node, service);
}

struct sp_admission_conf sp_admission_default(void)
{
	return (struct sp_admission_conf){
		.v4_bits = V4_BITS_DEFAULT, .v6_bits = V6_BITS_DEFAULT,
	};
}

int sp_admission_is_limited(const struct sp_admission_conf *a)
{
	return a->connections || a->source_connections || a->source_rate;
}

int sp_admission_is_listed(const struct sp_admission_conf *a)
{
	return a->allow_count || a->deny_count;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* check_list.c - see check_list.h */
#include "node/check_list.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check/record.h"

#define EXPECT_MAX	256
#define NS_PER_MS	1000000

static unsigned int count_checks(const struct sp_config *config)
{
	unsigned int count = 0;

	for (size_t i = 0; i < config->pool_count; i++)
		if (config->pools[i].check.type != SP_CHECK_NONE)
			count += config->pools[i].backend_count;
	return count;
}

int sp_check_targets_fill(struct sp_check_targets *list, const struct sp_config *config,
			  unsigned int generation, unsigned int at_once)
{
	unsigned int count = count_checks(config), n = 0;

	free(list->targets);
	*list = (struct sp_check_targets){ .generation = generation, .at_once = at_once };
	list->targets = calloc(count + 1, sizeof(*list->targets));
	if (!list->targets)
		return -ENOMEM;
	for (__u32 i = 0; i < config->pool_count; i++)
		for (__u32 k = 0; n < count && config->pools[i].check.type != SP_CHECK_NONE &&
		     k < config->pools[i].backend_count; k++)
			list->targets[n++] = (struct sp_check_target){ i, k };
	list->count = n;
	return 0;
}

unsigned int sp_check_targets_lines(const struct sp_check_targets *list)
{
	return list->count + 2;
}

static const char *format_expect(const struct sp_check_conf *check, char buf[EXPECT_MAX])
{
	size_t used = 0;

	buf[0] = 0;
	for (size_t i = 0; i < check->expect_count && used < EXPECT_MAX; i++) {
		const struct sp_status_range *range = &check->expects[i];

		used += snprintf(buf + used, EXPECT_MAX - used, "%s%u", i ? "," : "", range->first);
		if (range->last != range->first && used < EXPECT_MAX)
			used += snprintf(buf + used, EXPECT_MAX - used, "-%u", range->last);
	}
	return buf;
}

static struct sp_endpoint endpoint_of(const struct sp_check_conf *check,
				      const struct sp_backend_conf *backend)
{
	static const struct sp_addr none;
	struct sp_endpoint at = backend->at;

	if (check->port)
		at.port_be = htons(check->port);
	if (!sp_addr_equal(&check->address, &none))
		at.addr = check->address;
	return at;
}

static int format_check(const struct sp_check_targets *list, const struct sp_config *config,
			unsigned int id, char *buf)
{
	const struct sp_check_target *target = &list->targets[id];
	const struct sp_pool_conf *pool = &config->pools[target->pool_idx];
	const struct sp_check_conf *check = &pool->check;
	char expect[EXPECT_MAX];
	struct sp_check_def def = {
		.id = id, .type = sp_check_type_name(check->type),
		.at = endpoint_of(check, &pool->backends[target->backend_idx]),
		.interval_ms = check->interval_ns / NS_PER_MS,
		.timeout_ms = check->timeout_ns / NS_PER_MS, .is_verified = check->is_verified,
		.method = check->method ?: "", .path = check->path ?: "",
		.host = check->host ?: "", .sni = check->sni ?: "",
		.ca_file = check->ca_file ?: "", .expect = format_expect(check, expect),
		.body = check->body ?: "",
	};

	return sp_check_def_format(&def, buf);
}

int sp_check_targets_format(const struct sp_check_targets *list, const struct sp_config *config,
			    unsigned int idx, char *buf)
{
	struct sp_check_begin begin = {
		.generation = list->generation, .count = list->count, .at_once = list->at_once,
	};

	sp_config_other_ports(config, &begin.port_first, &begin.port_last);
	if (!idx)
		return sp_check_begin_format(&begin, buf);
	if (idx <= list->count)
		return format_check(list, config, idx - 1, buf);
	return sprintf(buf, "end\t%u\n", list->generation);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* places.c - the places of a name, out of what was looked up; and the backends of a pool */
#include "names/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/log.h"

#define KEPT_ORIGIN	"before the reload"
#define BACKEND_NAME_MAX (SP_NAME_MAX + 1 + SP_ENDPOINT_STRLEN)

/* A list of places that is being made. */
struct making {
	size_t		count;
	unsigned int	left_off;
	struct sp_place	places[SP_PLACES_MAX];
};

static void add_place(struct making *m, const struct sp_place *place)
{
	for (size_t i = 0; i < m->count; i++)
		if (!sp_endpoint_compare(&m->places[i].at, &place->at))
			return;
	if (m->count == SP_PLACES_MAX)
		m->left_off++;
	else
		m->places[m->count++] = *place;
}

static void add_host(struct making *m, const struct sp_lookup *host, struct sp_place place)
{
	for (int family = 0; family < 2; family++) {
		const struct sp_found *found = &host->questions[family].now;

		for (size_t i = 0; i < found->count; i++) {
			place.at.addr = found->records[i].addr;
			add_place(m, &place);
		}
	}
}

/* RFC 2782: 0 is the least of all, and here at least 1. */
static unsigned int scale_weight(unsigned int weight, unsigned int most)
{
	if (most > SP_WEIGHT_MAX)
		weight = (weight * SP_WEIGHT_MAX + most / 2) / most;
	return weight ? weight : 1;
}

/* Return: 0; -EAGAIN: a target was not looked up so far. */
static int add_service(struct sp_names *n, struct making *m, const struct sp_found *found)
{
	unsigned int most = 0, lowest = ~0u;
	int err = 0;

	for (size_t i = 0; i < found->count; i++) {
		const struct sp_dns_record *r = &found->records[i];

		most = r->weight > most ? r->weight : most;
		lowest = r->priority < lowest ? r->priority : lowest;
	}
	for (size_t i = 0; i < found->count; i++) {
		const struct sp_dns_record *r = &found->records[i];
		struct sp_lookup *target = sp_names_lookup(n, SP_NAME_HOST, r->target);

		if (!target)
			continue;
		if (!target->is_tried)
			err = -EAGAIN;
		add_host(m, target, (struct sp_place){ .at.port_be = htons(r->port),
						       .weight = scale_weight(r->weight, most),
						       .is_backup = r->priority > lowest });
	}
	return err;
}

static int make_places(struct sp_names *n, const struct sp_name *named, struct making *m)
{
	const struct sp_lookup *l = named->lookup;

	m->count = m->left_off = 0;
	if (l->type == SP_NAME_SRV)
		return add_service(n, m, &l->questions[0].now);
	add_host(m, l, (struct sp_place){ .at.port_be = named->conf->port_be,
					  .weight = named->conf->weight,
					  .is_backup = named->conf->is_backup });
	return 0;
}

static int is_same_places(const struct sp_name *named, const struct making *m)
{
	if (named->count != m->count)
		return 0;
	for (size_t i = 0; i < m->count; i++) {
		const struct sp_place *a = &named->places[i], *b = &m->places[i];

		if (sp_endpoint_compare(&a->at, &b->at) || a->weight != b->weight ||
		    a->is_backup != b->is_backup)
			return 0;
	}
	return 1;
}

static int use_places(struct sp_name *named, const struct making *m)
{
	struct sp_place *places = calloc(m->count + 1, sizeof(*places));

	if (!places)
		return 0;
	memcpy(places, m->places, m->count * sizeof(*places));
	sp_log_limited(SP_LOG_INFO, SP_LOG_BURST, "name %s: %zu address%s, was %zu",
		       named->conf->text, m->count, m->count == 1 ? "" : "es", named->count);
	free(named->places);
	named->places = places;
	named->count = m->count;
	return 1;
}

/* Targets without any address are a failure, and change nothing. */
int sp_name_update(struct sp_names *n, struct sp_name *named)
{
	static struct making m;
	struct sp_lookup *l = named->lookup;

	if (!l || make_places(n, named, &m))
		return 0;
	if (l->type == SP_NAME_SRV && !m.count && l->questions[0].now.count) {
		l->end = SP_LOOKUP_NO_TARGET;
		return 0;
	}
	named->left_off = m.left_off;
	return is_same_places(named, &m) ? 0 : use_places(named, &m);
}

/* ---- the backends of a pool ---- */

/* @texts: names of the backends; @room: of both */
struct backends {
	size_t			count, room;
	struct sp_backend_conf	*all;
	char			(*texts)[BACKEND_NAME_MAX];
};

static int can_reach(const struct sp_config *config, const struct sp_pool_conf *pool,
		     const struct sp_addr *addr)
{
	if (pool->source == SP_SOURCE_CLIENT)
		return 1;
	for (size_t i = 0; i < config->snat_count; i++)
		if (sp_addr_is_v4(&config->snat_addrs[i]) == sp_addr_is_v4(addr))
			return 1;
	return 0;
}

/* After a reload with other services, too. */
static int is_allowed(const struct sp_config *config, const struct sp_pool_conf *pool,
		      const struct sp_addr *addr)
{
	return can_reach(config, pool, addr) && sp_address_refuse(config, addr) == SP_ADDRESS_NONE;
}

static struct sp_backend_conf *add_backend(struct backends *b, const struct sp_endpoint *at,
					   const char *name, char *origin)
{
	struct sp_backend_conf *to = &b->all[b->count];

	snprintf(b->texts[b->count], sizeof(b->texts[0]), "%s", name);
	*to = (struct sp_backend_conf){ .name = b->texts[b->count], .at = *at, .origin = origin };
	b->count++;
	return to;
}

static void add_named(struct backends *b, const struct sp_config *config,
		      const struct sp_open_pool *pool, const struct sp_name *named)
{
	const struct sp_name_conf *conf = named->conf;
	char at[SP_ENDPOINT_STRLEN], name[BACKEND_NAME_MAX];

	for (size_t i = 0; i < named->count; i++) {
		const struct sp_place *place = &named->places[i];
		struct sp_backend_conf *to;

		if (!is_allowed(config, pool->conf, &place->at.addr))
			continue;
		sp_endpoint_format(&place->at.addr, place->at.port_be, at);
		snprintf(name, sizeof(name), "%s%s%s", conf->name ?: "", conf->name ? "-" : "", at);
		to = add_backend(b, &place->at, name, conf->text);
		to->weight = place->weight;
		to->is_backup = place->is_backup;
		to->max_connections = conf->max_connections;
	}
}

/* Backends of a list in another configuration, or of a file. */
static void add_list(struct backends *b, const struct sp_backend_conf *from, size_t count,
		     char *origin)
{
	for (size_t i = 0; i < count; i++) {
		struct sp_backend_conf *to = add_backend(b, &from[i].at, from[i].name, origin);

		to->weight = from[i].weight;
		to->is_backup = from[i].is_backup;
		to->max_connections = from[i].max_connections;
	}
}

static size_t count_room(const struct sp_open_pool *pool)
{
	size_t room = pool->kept ? pool->kept->backend_count : 0;

	for (size_t i = 0; i < pool->conf->name_count; i++)
		room += pool->names[i].count;
	return room + (pool->file && pool->file->list ? pool->file->list->count : 0);
}

static int fill_backends(struct backends *b, const struct sp_config *config,
			 const struct sp_open_pool *pool)
{
	size_t room = pool->conf ? count_room(pool) : 0;

	*b = (struct backends){ .room = room };
	if (!room)
		return 0;
	b->all = calloc(room, sizeof(*b->all));
	b->texts = calloc(room, sizeof(*b->texts));
	if (!b->all || !b->texts)
		return -ENOMEM;
	for (size_t i = 0; i < pool->conf->name_count; i++)
		add_named(b, config, pool, &pool->names[i]);
	if (pool->file && pool->file->list)
		add_list(b, pool->file->list->all, pool->file->list->count,
			 pool->conf->backends_file);
	if (pool->kept)
		add_list(b, pool->kept->backends, pool->kept->backend_count, KEPT_ORIGIN);
	return 0;
}

int sp_names_extend(struct sp_names *n, struct sp_config **ret_config)
{
	struct sp_more_backends *more = calloc(n->pool_count, sizeof(*more));
	struct backends *all = calloc(n->pool_count, sizeof(*all));
	unsigned int *left_off = calloc(n->pool_count, sizeof(*left_off));
	int err = more && all && left_off ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < n->pool_count; i++) {
		err = fill_backends(&all[i], n->written, &n->pools[i]);
		more[i] = (struct sp_more_backends){ all[i].count, all[i].all };
	}
	err = err ?: sp_config_extend(n->written, more, left_off, ret_config);
	for (size_t i = 0; all && i < n->pool_count; i++) {
		free(all[i].all);
		free(all[i].texts);
		if (!err)
			n->pools[i].left_off = left_off[i];
	}
	free(left_off);
	free(all);
	free(more);
	return err;
}

/* ---- backends from before a reload ---- */

static int waits_for(const struct sp_name *named)
{
	const struct sp_lookup *l = named->lookup;

	if (!l || !l->is_new)
		return 0;
	return !l->has_answer || (l->type == SP_NAME_SRV && !named->count);
}

int sp_open_pool_waits(const struct sp_open_pool *pool)
{
	if (pool->file && pool->file->is_new && !pool->file->list)
		return 1;
	for (size_t i = 0; i < pool->conf->name_count; i++)
		if (waits_for(&pool->names[i]))
			return 1;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * names.h - backends that come and go without reload: found by names, and in files. Context: event
 * loop; nothing blocks.
 */
#ifndef SP_NAMES_NAMES_H
#define SP_NAMES_NAMES_H

#include <uv.h>

#include "names/file.h"
#include "names/lookup.h"

/*
 * Theory of operation. A name of a pool is a host, or a service with SRV records whose targets are
 * hosts; hosts and services are looked up once for all pools. The addresses of a name are its
 * places; all places are backends of the pool:
 *
 *	host	all addresses, with port, weight and backup of the entry
 *	service	all addresses of all targets, with the record's port. Weights above 256 are scaled;
 *		0 is 1. Records of the lowest priority are primary, all others backups. Places stay
 *		until each new target was looked up once
 *
 * Changes are gathered for a tick, and then sp_names_on_change() is told. The owner makes a
 * configuration by sp_names_extend() and uses it like that of a reload.
 *
 * A reload brings new names and files. Until all new ones of a pool have had a first good answer,
 * the pool keeps the backends from before the reload.
 */
#define SP_NAMES_TICK_MS	100
#define SP_LOOKUPS_MAX		2048	/* hosts and services */
#define SP_ASKED_MAX		64	/* rounds at one time */
#define SP_PLACES_MAX		256	/* of a name */

struct sp_place {
	struct sp_endpoint	at;
	unsigned int		weight;
	int			is_backup;
};

/* @left_off: addresses beyond SP_PLACES_MAX */
struct sp_name {
	const struct sp_name_conf	*conf;
	struct sp_lookup		*lookup;	/* NULL: no room */
	size_t				count;
	struct sp_place			*places;
	unsigned int			left_off;
};

/* @kept: backends from before the reload. @left_off: backends without room in the pool */
struct sp_open_pool {
	const struct sp_pool_conf	*conf;		/* as written */
	struct sp_name			*names;
	struct sp_file			*file;		/* NULL: none */
	struct sp_config		*kept_config;
	const struct sp_pool_conf	*kept;
	unsigned int			left_off;
};

struct sp_names;

/* Return: 0 or -ENOMEM. */
int sp_names_open(uv_loop_t *loop, struct sp_names **ret_names);
/* The loop turns once more. NULL is ignored. */
void sp_names_close(struct sp_names *names);

typedef void (*sp_names_fn)(void *ctx);
void sp_names_on_change(struct sp_names *names, sp_names_fn fn, void *ctx);

/**
 * sp_names_configure() - use the names and files of a configuration, and begin to look up
 * @written:	gets a reference
 * @running:	in effect until now, for backends to keep; NULL: none
 * Return: 0 or -ENOMEM.
 */
int sp_names_configure(struct sp_names *names, struct sp_config *written,
		       struct sp_config *running);

/* A configuration with all backends of now. Return: 0 or -ENOMEM. */
int sp_names_extend(struct sp_names *names, struct sp_config **ret_config);

/* Before the loop runs: wait for the first look-up of all names, @ms at most. */
void sp_names_wait(struct sp_names *names, unsigned int ms);

/* For reports; borrowed. NULL: the pool has neither names nor a file. */
const struct sp_open_pool *sp_names_pool(const struct sp_names *names, size_t pool_idx);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* internal.h - the table of names. Only for names*.c and their test. */
#ifndef SP_NAMES_INTERNAL_H
#define SP_NAMES_INTERNAL_H

#include "names/names.h"
#include "names/resolver.h"

#define SP_LOOKUP_LISTS	1024

/**
 * struct sp_names - all names of a configuration
 * @written:	a reference
 * @lookups:	SP_LOOKUPS_MAX in all, in lists by the hash of their hosts
 * @families:	see sp_lookup_begin()
 * @asked:	rounds at this time; @untried: look-ups without a first answer
 * @is_answered: since places were reckoned; @is_changed: since the owner was told
 */
struct sp_names {
	uv_loop_t		*loop;
	struct sp_config	*written;
	struct sp_resolver	*resolver;
	int			resolver_err;
	uv_timer_t		tick;
	uv_poll_t		watch;
	int			inotify;
	int			is_answered, is_changed;
	unsigned int		families, asked, untried;
	size_t			lookup_count;
	struct sp_lookup	*lookups[SP_LOOKUP_LISTS];
	size_t			pool_count;
	struct sp_open_pool	*pools;
	__u64			told_ns;
	sp_names_fn		changed;
	void			*ctx;
};

/* The look-up of @host, made if it is new. Return: NULL: no room, or out of memory. */
struct sp_lookup *sp_names_lookup(struct sp_names *names, enum sp_name_type type, const char *host);

/* rounds.c: all look-ups; unused ones are deleted; a round, if it is due. */
typedef void (*sp_lookup_fn)(struct sp_names *names, struct sp_lookup *lookup);
void sp_names_each(struct sp_names *names, sp_lookup_fn fn);
void sp_names_sweep(struct sp_names *names);
void sp_names_begin_round(struct sp_names *names, struct sp_lookup *lookup);
/* Open rounds are abandoned; then the configured resolvers are in use. */
void sp_names_drop_resolver(struct sp_names *names);
void sp_names_renew_resolver(struct sp_names *names);

/* Reckon the places anew from the answers. Return: whether they have changed. */
int sp_name_update(struct sp_names *names, struct sp_name *named);

/* Whether a new name or file has no answer so far. */
int sp_open_pool_waits(const struct sp_open_pool *pool);

#endif

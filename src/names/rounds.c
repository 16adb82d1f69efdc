// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* rounds.c - look-ups: the table, questions of a round, and warnings of failed rounds */
#include "names/internal.h"

#include <errno.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/warnings.h"

#define FAMILY_V4	1u
#define FAMILY_V6	2u

static struct sp_lookup **find_list(struct sp_names *n, const char *host)
{
	return &n->lookups[sp_name_id(host) % SP_LOOKUP_LISTS];
}

struct sp_lookup *sp_names_lookup(struct sp_names *n, enum sp_name_type type, const char *host)
{
	struct sp_lookup **list = find_list(n, host), *l;

	for (l = *list; l; l = l->chain)
		if (l->type == type && !strcmp(l->host, host))
			return l;
	l = n->lookup_count < SP_LOOKUPS_MAX ? sp_lookup_new(type, host, n) : NULL;
	if (!l) {
		log_warn_limited("name %s: no room to look it up; %d are", host, SP_LOOKUPS_MAX);
		return NULL;
	}
	l->chain = *list;
	*list = l;
	n->lookup_count++;
	return l;
}

void sp_names_each(struct sp_names *n, sp_lookup_fn fn)
{
	for (size_t i = 0; i < SP_LOOKUP_LISTS; i++)
		for (struct sp_lookup *l = n->lookups[i]; l; l = l->chain)
			fn(n, l);
}

/* A look-up with open questions is deleted later. */
static void delete_unused(struct sp_names *n)
{
	for (size_t i = 0; i < SP_LOOKUP_LISTS; i++)
		for (struct sp_lookup **at = &n->lookups[i], *l = *at; l; l = *at) {
			if (l->is_used || l->open) {
				at = &l->chain;
				continue;
			}
			*at = l->chain;
			n->lookup_count--;
			sp_warn_over(SP_WARNING_NAME, l->host);
			sp_warn_over(SP_WARNING_NAME_ANSWER, l->host);
			sp_lookup_free(l);
		}
}

static void clear_used(struct sp_names *n, struct sp_lookup *l)
{
	l->is_used = 0;
}

static void mark_targets(struct sp_names *n, const struct sp_lookup *l)
{
	const struct sp_found *found = &l->questions[0].now;

	for (size_t i = 0; i < found->count; i++) {
		struct sp_lookup *target = sp_names_lookup(n, SP_NAME_HOST,
							   found->records[i].target);

		if (target)
			target->is_used = 1;
	}
}

void sp_names_sweep(struct sp_names *n)
{
	sp_names_each(n, clear_used);
	for (size_t i = 0; i < n->pool_count; i++)
		for (size_t k = 0; n->pools[i].conf && k < n->pools[i].conf->name_count; k++) {
			struct sp_lookup *l = n->pools[i].names[k].lookup;

			if (l)
				l->is_used = 1;
			if (l && l->type == SP_NAME_SRV)
				mark_targets(n, l);
		}
	delete_unused(n);
}

static void warn_of_round(const struct sp_lookup *l, __u64 now_ns)
{
	char at[SP_ADDR_STRLEN];

	if (l->end == SP_LOOKUP_GOOD)
		sp_warn_over(SP_WARNING_NAME, l->host);
	else
		sp_warn(SP_WARNING_NAME, now_ns, l->host, "name %s: %s, %u time%s in a row: %s",
			l->host, sp_lookup_end_text(l->end), l->failures,
			l->failures == 1 ? "" : "s", l->has_answer ?
			"its backends stay as they were" : "it has no backends so far");
	if (l->refusal != SP_ADDRESS_NONE)
		sp_warn(SP_WARNING_NAME_ANSWER, now_ns, l->host, "name %s: the answer has %s, %s: it is "
			"no backend", l->host, sp_addr_format(&l->refused, at),
			sp_address_refusal_text(l->refusal));
	else if (l->left_off)
		sp_warn(SP_WARNING_NAME_ANSWER, now_ns, l->host, "name %s: %u records more than %d are "
			"left off", l->host, l->left_off, SP_LOOKUP_RECORDS_MAX);
	else
		sp_warn_over(SP_WARNING_NAME_ANSWER, l->host);
}

static void finish_round(struct sp_names *n, struct sp_lookup *l)
{
	__u64 now_ns = sp_now_ns();

	n->asked--;
	sp_lookup_finish(l, &n->written->resolvers, now_ns);
	n->is_answered = 1;
	warn_of_round(l, now_ns);
}

static void on_answer(void *ctx, enum sp_lookup_end end, const void *bytes, size_t size)
{
	static struct sp_answer answer;
	struct sp_question *q = ctx;
	struct sp_names *n = q->owner;

	if (end == SP_LOOKUP_GOOD &&
	    sp_answer_parse(bytes, size, q->lookup->host, q->type, &answer))
		end = SP_LOOKUP_BAD_ANSWER;
	if (sp_lookup_answer(q->lookup, q->type, end, &answer, n->written))
		finish_round(n, q->lookup);
}

static void ask_question(struct sp_names *n, struct sp_question *q)
{
	if (n->resolver)
		sp_resolver_ask(n->resolver, q->lookup->host, q->type, on_answer, q);
	else
		on_answer(q, SP_LOOKUP_UNREACHABLE, NULL, 0);
}

void sp_names_begin_round(struct sp_names *n, struct sp_lookup *l)
{
	if (l->open || l->next_ns > sp_now_ns() || n->asked == SP_ASKED_MAX)
		return;
	n->asked++;
	sp_lookup_begin(l, n->families);
	for (int i = 0; i < 2; i++)
		if (l->questions[i].is_open)
			ask_question(n, &l->questions[i]);
}

static void abandon_round(struct sp_names *n, struct sp_lookup *l)
{
	if (l->open)
		sp_lookup_abandon(l, sp_now_ns());
}

/* Families that a pool with names can reach. */
static unsigned int find_families(const struct sp_config *config)
{
	unsigned int families = 0;

	for (size_t i = 0; i < config->snat_count; i++)
		families |= sp_addr_is_v4(&config->snat_addrs[i]) ? FAMILY_V4 : FAMILY_V6;
	for (size_t i = 0; i < config->pool_count; i++)
		if (config->pools[i].name_count && config->pools[i].source == SP_SOURCE_CLIENT)
			families = FAMILY_V4 | FAMILY_V6;
	return families;
}

void sp_names_drop_resolver(struct sp_names *n)
{
	sp_names_each(n, abandon_round);
	n->asked = 0;
	sp_resolver_close(n->resolver);
	n->resolver = NULL;
}

/* Also after a change of /etc/resolv.conf alone. */
void sp_names_renew_resolver(struct sp_names *n)
{
	n->families = find_families(n->written);
	if (!n->lookup_count)
		return;
	n->resolver_err = sp_resolver_open(n->loop, n->written, &n->resolver);
	if (n->resolver_err)
		log_err_errno(n->resolver_err, "no resolver: names are not looked up until a reload");
}

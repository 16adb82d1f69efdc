// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* lookup.c - see lookup.h */
#include "names/lookup.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/addr.h"

#define SECOND_NS	1000000000ULL
#define RETRY_MAX_S	30u
#define RETRY_SHIFT_MAX	5

const char *sp_lookup_end_text(enum sp_lookup_end end)
{
	static const char *const texts[] = {
#define X(up, text) text,
		SP_LOOKUP_ENDS(X)
#undef X
	};

	return texts[end];
}

const char *sp_address_refusal_text(enum sp_address_refusal refusal)
{
	static const char *const texts[] = {
#define X(up, text) text,
		SP_ADDRESS_REFUSALS(X)
#undef X
	};

	return texts[refusal];
}

/* ---- addresses ---- */

static enum sp_address_refusal refuse_v4(__u32 addr)
{
	if (addr >> 24 == 0 || addr >> 28 >= 14)
		return SP_ADDRESS_NOT_ONE_MACHINE;
	if (addr >> 24 == IN_LOOPBACKNET)
		return SP_ADDRESS_LOOPBACK;
	return addr >> 16 == 0xa9fe ? SP_ADDRESS_LINK_LOCAL : SP_ADDRESS_NONE;
}

static enum sp_address_refusal refuse_v6(const struct sp_addr *addr)
{
	__u32 first = ntohl(addr->w[0]);

	if (!first && !addr->w[1] && !addr->w[2])
		return ntohl(addr->w[3]) == 1 ? SP_ADDRESS_LOOPBACK : SP_ADDRESS_NOT_ONE_MACHINE;
	if (first >> 24 == 0xff)
		return SP_ADDRESS_NOT_ONE_MACHINE;
	return first >> 22 == 0xfe80 >> 6 ? SP_ADDRESS_LINK_LOCAL : SP_ADDRESS_NONE;
}

static int is_among(const struct sp_addr *addrs, size_t count, const struct sp_addr *addr)
{
	for (size_t i = 0; i < count; i++)
		if (sp_addr_equal(&addrs[i], addr))
			return 1;
	return 0;
}

enum sp_address_refusal sp_address_refuse(const struct sp_config *config,
					  const struct sp_addr *addr)
{
	enum sp_address_refusal refusal = sp_addr_is_v4(addr) ? refuse_v4(ntohl(addr->w[3])) :
		refuse_v6(addr);

	if (refusal != SP_ADDRESS_NONE)
		return refusal;
	for (size_t i = 0; i < config->listen_count; i++)
		if (sp_addr_equal(&config->listens[i].at.addr, addr))
			return SP_ADDRESS_SERVICE;
	return is_among(config->snat_addrs, config->snat_count, addr) ||
	       is_among(config->cluster.sources, config->cluster.source_count, addr) ?
		SP_ADDRESS_SOURCE : SP_ADDRESS_NONE;
}

/* ---- the record ---- */

static int alloc_found(struct sp_found *found)
{
	found->records = calloc(SP_LOOKUP_RECORDS_MAX, sizeof(*found->records));
	return found->records ? 0 : -1;
}

static unsigned int count_questions(const struct sp_lookup *l)
{
	return l->type == SP_NAME_SRV ? 1 : 2;
}

struct sp_lookup *sp_lookup_new(enum sp_name_type type, const char *host, void *owner)
{
	struct sp_lookup *l = calloc(1, sizeof(*l));
	int err = 0;

	if (!l)
		return NULL;
	l->type = type;
	l->is_new = 1;
	snprintf(l->host, sizeof(l->host), "%s", host);
	l->questions[0].type = type == SP_NAME_SRV ? SP_DNS_SRV : SP_DNS_A;
	l->questions[1].type = SP_DNS_AAAA;
	for (unsigned int i = 0; !err && i < count_questions(l); i++) {
		l->questions[i].lookup = l;
		l->questions[i].owner = owner;
		err = alloc_found(&l->questions[i].now) ?: alloc_found(&l->questions[i].next);
	}
	if (!err)
		return l;
	sp_lookup_free(l);
	return NULL;
}

void sp_lookup_free(struct sp_lookup *l)
{
	if (!l)
		return;
	for (unsigned int i = 0; i < count_questions(l); i++) {
		free(l->questions[i].now.records);
		free(l->questions[i].next.records);
	}
	free(l);
}

/* ---- a round ---- */

void sp_lookup_begin(struct sp_lookup *l, unsigned int families)
{
	l->open = 0;
	l->left_off = 0;
	l->rounds++;
	for (unsigned int i = 0; i < count_questions(l); i++) {
		struct sp_question *q = &l->questions[i];

		q->is_asked = q->is_open = l->type == SP_NAME_SRV || families & 1u << i;
		l->open += q->is_open;
	}
}

static struct sp_question *find_question(struct sp_lookup *l, enum sp_dns_type type)
{
	for (unsigned int i = 0; i < count_questions(l); i++)
		if (l->questions[i].type == type)
			return &l->questions[i];
	return NULL;
}

static int compare_records(const void *a, const void *b)
{
	const struct sp_dns_record *x = a, *y = b;
	int diff = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	if (diff)
		return diff;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	diff = strcmp(x->target, y->target);
	if (diff)
		return diff;
	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return (x->weight > y->weight) - (x->weight < y->weight);
}

static int is_refused(struct sp_lookup *l, const struct sp_dns_record *record,
		      const struct sp_config *config)
{
	enum sp_address_refusal refusal;

	if (l->type == SP_NAME_SRV)
		return 0;
	refusal = sp_address_refuse(config, &record->addr);
	if (refusal == SP_ADDRESS_NONE)
		return 0;
	l->refusal = refusal;
	l->refused = record->addr;
	l->refused_records++;
	return 1;
}

/* Many records: all proxies take the lowest, in any order of the answer. */
static void take_records(struct sp_lookup *l, struct sp_question *q, struct sp_answer *answer,
			 const struct sp_config *config)
{
	q->next.count = 0;
	qsort(answer->records, answer->count, sizeof(answer->records[0]), compare_records);
	for (size_t i = 0; i < answer->count; i++) {
		const struct sp_dns_record *record = &answer->records[i];

		if ((i && !compare_records(record, record - 1)) || is_refused(l, record, config))
			continue;
		if (q->next.count == SP_LOOKUP_RECORDS_MAX)
			l->left_off++;
		else
			q->next.records[q->next.count++] = *record;
	}
	l->left_off += answer->left_off;
	l->refused_records += answer->bad;
	q->ttl_s = answer->ttl_s;
}

int sp_lookup_answer(struct sp_lookup *l, enum sp_dns_type type, enum sp_lookup_end end,
		     struct sp_answer *answer, const struct sp_config *config)
{
	struct sp_question *q = find_question(l, type);

	if (!q || !q->is_open)
		return 0;
	q->is_open = 0;
	q->end = end;
	if (end == SP_LOOKUP_GOOD) {
		take_records(l, q, answer, config);
		if (!q->next.count)
			q->end = SP_LOOKUP_NO_RECORDS;
	}
	return !--l->open;
}

static int is_same(const struct sp_found *a, const struct sp_found *b)
{
	if (a->count != b->count)
		return 0;
	for (size_t i = 0; i < a->count; i++)
		if (compare_records(&a->records[i], &b->records[i]))
			return 0;
	return 1;
}

/* Return: whether records have changed. */
static int use_answer(struct sp_question *q)
{
	struct sp_found before = q->now;

	if (q->end == SP_LOOKUP_NO_RECORDS)
		q->next.count = 0;
	else if (q->end != SP_LOOKUP_GOOD)
		return 0;
	if (is_same(&q->now, &q->next))
		return 0;
	q->now = q->next;
	q->next = before;
	return 1;
}

/* A family without records is a failure only if no family has records. */
static enum sp_lookup_end judge_round(const struct sp_lookup *l, int *ret_has_records)
{
	enum sp_lookup_end end = SP_LOOKUP_GOOD;
	int has_records = 0, is_empty = 0;

	for (unsigned int i = 0; i < count_questions(l); i++) {
		const struct sp_question *q = &l->questions[i];

		if (!q->is_asked)
			continue;
		has_records |= q->end == SP_LOOKUP_GOOD;
		if (q->end == SP_LOOKUP_NO_RECORDS)
			is_empty = 1;
		else if (q->end != SP_LOOKUP_GOOD)
			end = q->end;
	}
	if (end == SP_LOOKUP_GOOD && !has_records && is_empty)
		end = SP_LOOKUP_NO_RECORDS;
	*ret_has_records = has_records;
	return end;
}

static __u64 pause_of(const struct sp_lookup *l, const struct sp_resolvers_conf *conf)
{
	__u64 ttl_ns = conf->ttl_max_ns;

	for (unsigned int i = 0; i < count_questions(l); i++) {
		const struct sp_question *q = &l->questions[i];

		if (q->is_asked && q->end == SP_LOOKUP_GOOD && q->ttl_s * SECOND_NS < ttl_ns)
			ttl_ns = q->ttl_s * SECOND_NS;
	}
	return ttl_ns < conf->ttl_min_ns ? conf->ttl_min_ns : ttl_ns;
}

static __u64 retry_ns(const struct sp_lookup *l)
{
	unsigned int shift = l->failures - 1 < RETRY_SHIFT_MAX ? l->failures - 1 : RETRY_SHIFT_MAX;
	unsigned int pause_s = 1u << shift;

	return (pause_s < RETRY_MAX_S ? pause_s : RETRY_MAX_S) * SECOND_NS;
}

/* The last good answer is too old. */
static int drop_records(struct sp_lookup *l)
{
	int has_changed = 0;

	for (unsigned int i = 0; i < count_questions(l); i++) {
		has_changed |= l->questions[i].now.count > 0;
		l->questions[i].now.count = 0;
	}
	return has_changed;
}

int sp_lookup_fail(struct sp_lookup *l, enum sp_lookup_end why,
		   const struct sp_resolvers_conf *conf, __u64 now_ns)
{
	int has_changed = 0;

	l->end = why;
	l->is_tried = 1;
	l->failures++;
	l->failed_rounds++;
	l->next_ns = now_ns + retry_ns(l);
	if (conf->hold_ns && l->has_answer && now_ns - l->good_ns >= conf->hold_ns)
		has_changed = drop_records(l);
	l->changes += has_changed;
	return has_changed;
}

int sp_lookup_finish(struct sp_lookup *l, const struct sp_resolvers_conf *conf, __u64 now_ns)
{
	int has_records, has_changed = 0;
	enum sp_lookup_end end = judge_round(l, &has_records);

	if (!has_records)
		return sp_lookup_fail(l, end == SP_LOOKUP_GOOD ? SP_LOOKUP_NO_RECORDS : end, conf,
				      now_ns);
	for (unsigned int i = 0; i < count_questions(l); i++)
		if (l->questions[i].is_asked)
			has_changed |= use_answer(&l->questions[i]);
	l->end = end;
	l->is_tried = 1;
	l->has_answer = 1;
	l->changes += has_changed;
	l->failures = end == SP_LOOKUP_GOOD ? 0 : l->failures + 1;
	l->failed_rounds += end != SP_LOOKUP_GOOD;
	l->good_ns = now_ns;
	l->next_ns = now_ns + pause_of(l, conf);
	if (end != SP_LOOKUP_GOOD && l->next_ns > now_ns + retry_ns(l))
		l->next_ns = now_ns + retry_ns(l);
	return has_changed;
}

void sp_lookup_abandon(struct sp_lookup *l, __u64 now_ns)
{
	for (unsigned int i = 0; i < count_questions(l); i++)
		l->questions[i].is_open = 0;
	l->open = 0;
	l->next_ns = now_ns;
}

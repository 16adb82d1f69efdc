// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* order_table.c - see order_table.h */
#include "node/order_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define STAMP_SHIFT 16	/* of the milliseconds */

/* Fixed, because all proxies compute the same digest. */
static const __u64 digest_key[2] = { 0x73702d6f72646572, 0x746865206c617374 };

int sp_order_table_init(struct sp_order_table *t, sp_order_save_fn save, void *ctx)
{
	*t = (struct sp_order_table){ .save = save, .ctx = ctx };
	t->entries = calloc(SP_ORDERS_MAX, sizeof(*t->entries));
	return t->entries ? 0 : -ENOMEM;
}

void sp_order_table_fini(struct sp_order_table *t)
{
	free(t->entries);
}

__u64 sp_order_table_stamp(struct sp_order_table *t, __u64 now_ms)
{
	__u64 stamp = now_ms << STAMP_SHIFT;

	return stamp > t->latest ? stamp : t->latest + 1;
}

/* The place of @key, or where it belongs. */
static unsigned int find_place(const struct sp_order_table *t, const struct sp_order_key *key)
{
	unsigned int low = 0, high = t->count;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (memcmp(&t->entries[mid].key, key, sizeof(*key)) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct sp_order_entry *find_entry(const struct sp_order_table *t,
					 const struct sp_order_key *key)
{
	unsigned int at = find_place(t, key);

	return at < t->count && !memcmp(&t->entries[at].key, key, sizeof(*key)) ?
	       &t->entries[at] : NULL;
}

static __u64 hash_entry(const struct sp_order_entry *e)
{
	return e->key.what & SP_ORDER_F_HERE ? 0 : sp_siphash_bytes(digest_key, e, sizeof(*e));
}

/* Return: 0 or the -errno of the save. */
static int drop_entry(struct sp_order_table *t, unsigned int at)
{
	struct sp_order_entry *e = &t->entries[at];
	int err = t->save(t->ctx, &e->key, NULL);

	if (err)
		return err;
	t->digest -= hash_entry(e);
	t->count--;
	memmove(e, e + 1, (t->count - at) * sizeof(*e));
	return 0;
}

void sp_order_table_remove(struct sp_order_table *t, const struct sp_order_key *key)
{
	const struct sp_order_entry *e = find_entry(t, key);

	if (e)
		drop_entry(t, e - t->entries);
}

static int put_entry(struct sp_order_table *t, const struct sp_order_entry *said)
{
	unsigned int at = find_place(t, &said->key);
	struct sp_order_entry *e = &t->entries[at];
	int is_new = at == t->count || memcmp(&e->key, &said->key, sizeof(e->key)), err;

	if (is_new && t->count == SP_ORDERS_MAX)
		return -E2BIG;
	err = t->save(t->ctx, &said->key, &said->order);
	if (err)
		return err;
	if (is_new)
		memmove(e + 1, e, (t->count++ - at) * sizeof(*e));
	else
		t->digest -= hash_entry(e);
	*e = *said;
	t->digest += hash_entry(e);
	return 0;
}

/* Equal stamps of a member with different values are a fault: even then all proxies agree. */
static int is_later(const struct sp_order *a, const struct sp_order *b)
{
	if (a->stamp != b->stamp)
		return a->stamp > b->stamp;
	return a->from != b->from ? a->from > b->from : a->value > b->value;
}

static struct sp_order_key reset_key(void)
{
	return (struct sp_order_key){ .what = SP_ORDER_RESET };
}

static int is_void(const struct sp_order_table *t, const struct sp_order_entry *said)
{
	struct sp_order_key key = reset_key();
	const struct sp_order_entry *reset = find_entry(t, &key);

	return reset && said->order.stamp < reset->order.stamp;
}

static int is_forgotten(const struct sp_order_entry *e, __u64 now_ms)
{
	return e->key.what < SP_ORDER_RESET && !e->order.value &&
	       (e->order.stamp >> STAMP_SHIFT) + SP_ORDER_AUTO_KEPT_MS < now_ms;
}

/* Backwards, because a removal moves the later entries. */
static void drop_void(struct sp_order_table *t)
{
	for (unsigned int i = t->count; i-- > 0;)
		if (is_void(t, &t->entries[i]))
			drop_entry(t, i);
}

/* A later order of the cluster ends an order of this proxy alone. */
static void drop_here(struct sp_order_table *t, const struct sp_order_entry *said)
{
	struct sp_order_key key = said->key;
	const struct sp_order_entry *here;

	if (key.what & SP_ORDER_F_HERE)
		return;
	key.what |= SP_ORDER_F_HERE;
	here = find_entry(t, &key);
	if (here && is_later(&said->order, &here->order))
		sp_order_table_remove(t, &key);
}

int sp_order_table_merge(struct sp_order_table *t, const struct sp_order_entry *said, __u64 now_ms)
{
	const struct sp_order_entry *old = find_entry(t, &said->key);
	int err;

	if (said->order.stamp >> STAMP_SHIFT > now_ms + SP_ORDER_AHEAD_MS)
		return -ERANGE;
	if (said->order.stamp > t->latest)
		t->latest = said->order.stamp;
	if ((old && !is_later(&said->order, &old->order)) || is_void(t, said) ||
	    is_forgotten(said, now_ms))
		return 0;
	err = put_entry(t, said);
	if (err)
		return err;
	drop_here(t, said);
	if (said->key.what == SP_ORDER_RESET)
		drop_void(t);
	return 1;
}

void sp_order_table_expire(struct sp_order_table *t, __u64 now_ms)
{
	for (unsigned int i = t->count; i-- > 0;)
		if (is_forgotten(&t->entries[i], now_ms))
			drop_entry(t, i);
}

const struct sp_order_entry *sp_order_table_get(const struct sp_order_table *t,
						const struct sp_order_key *key)
{
	struct sp_order_key here = *key;

	here.what |= SP_ORDER_F_HERE;
	return find_entry(t, &here) ?: find_entry(t, key);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* report_names.c - see report_names.h */
#include "node/report_names.h"

#include "base/clock.h"
#include "names/names.h"

#define NS_PER_MS 1000000

/* null: never */
static json_t *make_age(__u64 at_ns, __u64 now_ns)
{
	if (!at_ns)
		return json_null();
	return json_integer(now_ns > at_ns ? (now_ns - at_ns) / NS_PER_MS : 0);
}

static const char *state_of(const struct sp_lookup *l)
{
	if (!l->is_tried)
		return "unknown";
	return l->end == SP_LOOKUP_GOOD ? "good" : "failing";
}

static json_t *make_name(const struct sp_name *named, __u64 now_ns)
{
	static const struct sp_lookup none = { .is_tried = 1, .end = SP_LOOKUP_NO_ROOM };
	const struct sp_lookup *l = named->lookup ?: &none;
	__u64 next_ns = l->next_ns > now_ns ? l->next_ns - now_ns : 0;

	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:I, s:I, s:I, s:I, s:I, s:i}",
			 "name", named->conf->text, "type",
			 named->conf->type == SP_NAME_SRV ? "srv" : "host", "state", state_of(l),
			 "error", sp_lookup_end_text(l->end), "addresses", (int)named->count,
			 "good_ms", make_age(l->good_ns, now_ns),
			 "next_ms", (json_int_t)(next_ns / NS_PER_MS),
			 "rounds", (json_int_t)l->rounds, "failed", (json_int_t)l->failed_rounds,
			 "changes", (json_int_t)l->changes,
			 "refused", (json_int_t)l->refused_records,
			 "left_off", (int)(l->left_off + named->left_off));
}

static json_t *list_names(const struct sp_open_pool *pool, __u64 now_ns)
{
	json_t *list = json_array();

	for (size_t i = 0; i < pool->conf->name_count; i++)
		json_array_append_new(list, make_name(&pool->names[i], now_ns));
	return list;
}

static json_t *make_file(const struct sp_file *f, __u64 now_ns)
{
	if (!f)
		return json_null();
	return json_pack("{s:s, s:i, s:s, s:o, s:I, s:I}", "path", f->pool->backends_file,
			 "addresses", f->list ? (int)f->list->count : 0, "error", f->error,
			 "good_ms", make_age(f->read_ns, now_ns), "reads", (json_int_t)f->reads,
			 "failed", (json_int_t)f->failed_reads);
}

static int is_unanswered(const struct sp_open_pool *pool)
{
	for (size_t i = 0; pool && i < pool->conf->name_count; i++)
		if (!pool->names[i].lookup || !pool->names[i].lookup->has_answer)
			return 1;
	return 0;
}

int sp_report_names_wanted(const struct sp_node *n)
{
	for (size_t i = 0; n->names && i < n->config->pool_count; i++)
		if (!n->config->pools[i].backend_count && is_unanswered(sp_names_pool(n->names, i)))
			return 1;
	return 0;
}

void sp_report_names(const struct sp_node *n, size_t pool_idx, json_t *object)
{
	const struct sp_open_pool *pool = sp_names_pool(n->names, pool_idx);
	__u64 now_ns = sp_now_ns();

	json_object_set_new(object, "names", pool ? list_names(pool, now_ns) : json_array());
	json_object_set_new(object, "file", pool ? make_file(pool->file, now_ns) : json_null());
	json_object_set_new(object, "keeps_old", json_boolean(pool && pool->kept));
	json_object_set_new(object, "left_off", json_integer(pool ? pool->left_off : 0));
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* doc.c - a YAML document read by tables of keys. */
#include "config/doc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_SHOWN_MAX	160
#define EDITS_TEXT_MAX	64

struct sp_doc_chunk {
	struct sp_doc_chunk		*next;
	_Alignas(max_align_t) char	bytes[];
};

void *sp_doc_alloc(struct sp_doc *doc, size_t count, size_t size)
{
	struct sp_doc_chunk *chunk = calloc(1, sizeof(*chunk) + count * size);

	if (!chunk) {
		snprintf(doc->error, SP_CONFIG_ERROR_MAX, "%s: out of memory", doc->path);
		return NULL;
	}
	chunk->next = doc->chunks;
	doc->chunks = chunk;
	return chunk->bytes;
}

char *sp_doc_strdup(struct sp_doc *doc, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = sp_doc_alloc(doc, 1, size);

	return copy ? memcpy(copy, text, size) : NULL;
}

void sp_chunks_free(struct sp_doc_chunk *chunks)
{
	while (chunks) {
		struct sp_doc_chunk *next = chunks->next;

		free(chunks);
		chunks = next;
	}
}

/* The end of a long path is shown, as the more specific part. */
static int refuse_at(struct sp_doc *doc, yaml_mark_t mark, const char *fmt, va_list ap)
{
	size_t len = strlen(doc->path);
	size_t skip = len > PATH_SHOWN_MAX ? len - PATH_SHOWN_MAX : 0;
	int used = snprintf(doc->error, SP_CONFIG_ERROR_MAX, "%s%s:%zu:%zu: ", skip ? "..." : "",
			    doc->path + skip, mark.line + 1, mark.column + 1);

	if (vsnprintf(doc->error + used, SP_CONFIG_ERROR_MAX - used, fmt,
		      ap) >= SP_CONFIG_ERROR_MAX - used)
		strcpy(doc->error + SP_CONFIG_ERROR_MAX - 4, "...");
	return -EINVAL;
}

int sp_doc_refuse_mark(struct sp_doc *doc, yaml_mark_t mark, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse_at(doc, mark, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int sp_doc_refuse(struct sp_doc *doc, const yaml_node_t *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse_at(doc, at->start_mark, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

char *sp_found_format(const char *text, size_t len, char *buf)
{
	size_t used = 1;

	buf[0] = '"';
	for (size_t i = 0; i < len; i++) {
		unsigned char c = text[i];

		if (used > SP_FOUND_STRLEN - 16) {
			used += sprintf(buf + used, "...");
			break;
		}
		if (c < ' ' || c > '~')
			used += sprintf(buf + used, "\\x%02x", c);
		else
			buf[used++] = c;
	}
	strcpy(buf + used, "\"");
	return buf;
}

static const char *node_format(const yaml_node_t *node, char *buf)
{
	if (node->type == YAML_SEQUENCE_NODE)
		return "a list";
	if (node->type == YAML_MAPPING_NODE)
		return "a mapping";
	if (node->data.scalar.length == 0 && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		return "nothing";
	return sp_found_format((const char *)node->data.scalar.value, node->data.scalar.length,
			       buf);
}

int sp_doc_refuse_value(struct sp_doc *doc, const struct sp_doc_key *key, const yaml_node_t *at,
			const char *allowed)
{
	char found[SP_FOUND_STRLEN];

	return sp_doc_refuse(doc, at, "%s: found %s; allowed: %s", key->name,
			     node_format(at, found), allowed);
}

const char *sp_scalar_text(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

char *sp_keys_format(const struct sp_doc_key *keys, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = 0;
	for (const struct sp_doc_key *key = keys; key->name && used < size; key++)
		used += snprintf(buf + used, size - used, "%s%s", key == keys ? "" :
				 ", ", key->name);
	return buf;
}

/* Levenshtein's distance, row by row. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[EDITS_TEXT_MAX + 1], len = strlen(b);

	for (size_t i = 0; i <= len; i++)
		row[i] = i;
	for (size_t y = 1; *a; a++, y++) {
		size_t diagonal = row[0];

		row[0] = y;
		for (size_t x = 1; x <= len; x++) {
			size_t best = diagonal + (*a != b[x - 1]);

			diagonal = row[x];
			if (row[x] + 1 < best)
				best = row[x] + 1;
			if (row[x - 1] + 1 < best)
				best = row[x - 1] + 1;
			row[x] = best;
		}
	}
	return row[len];
}

void sp_nearest_try(struct sp_nearest *nearest, const char *candidate)
{
	size_t found;

	if (strlen(nearest->text) > EDITS_TEXT_MAX || strlen(candidate) > EDITS_TEXT_MAX)
		return;
	found = edit_distance(nearest->text, candidate);
	if (found > 1 + strlen(candidate) / 3 || found >= strlen(candidate))
		return;
	if (nearest->best && found >= nearest->best_edits)
		return;
	nearest->best = candidate;
	nearest->best_edits = found;
}

static int refuse_unknown(struct sp_doc *doc, const yaml_node_t *at, const char *what,
			  const struct sp_doc_key *keys)
{
	struct sp_nearest nearest = { .text = sp_scalar_text(at) };
	char found[SP_FOUND_STRLEN], allowed[SP_KEYS_STRLEN], hint[EDITS_TEXT_MAX + 32] = "";

	if (nearest.text && !strcmp(nearest.text, "<<"))
		return sp_doc_refuse(doc, at,
				     "found the merge key \"<<\"; allowed: values written out");
	for (const struct sp_doc_key *key = keys; nearest.text && key->name; key++)
		sp_nearest_try(&nearest, key->name);
	if (nearest.best)
		snprintf(hint, sizeof(hint), " (did you mean \"%s\"?)", nearest.best);
	return sp_doc_refuse(doc, at, "%s: found %s%s%s; allowed: %s", what, nearest.text ?
			     "the unknown key " : "",
			     node_format(at, found), nearest.text ? hint : " as a key",
			     sp_keys_format(keys, allowed, sizeof(allowed)));
}

static const struct sp_doc_key *key_find(const struct sp_doc_key *keys, const yaml_node_t *node)
{
	const char *name = sp_scalar_text(node);

	for (const struct sp_doc_key *key = keys; name && key->name; key++)
		if (!strcmp(key->name, name))
			return key;
	return NULL;
}

/* Known keys are few, so a mapping that gets past the first few pairs has repeated a key. */
static int keys_check(struct sp_doc *doc, yaml_node_t *map, const char *what,
		      const struct sp_doc_key *keys)
{
	yaml_node_pair_t *start = map->data.mapping.pairs.start;

	for (yaml_node_pair_t *pair = start; pair < map->data.mapping.pairs.top; pair++) {
		yaml_node_t *node = yaml_document_get_node(&doc->tree, pair->key);
		const struct sp_doc_key *key = key_find(keys, node);

		if (!key)
			return refuse_unknown(doc, node, what, keys);
		for (yaml_node_pair_t *before = start; before < pair; before++) {
			yaml_node_t *first = yaml_document_get_node(&doc->tree, before->key);

			if (key_find(keys, first) == key)
				return sp_doc_refuse(doc, node,
						     "%s: found \"%s\" again, first at line %zu column %zu; "
						     "allowed: once", what, key->name,
							     first->start_mark.line + 1,
						     first->start_mark.column + 1);
		}
	}
	return 0;
}

yaml_node_t *sp_doc_get(struct sp_doc *doc, yaml_node_t *map, const char *name)
{
	for (yaml_node_pair_t *pair = map->data.mapping.pairs.start;
	     pair < map->data.mapping.pairs.top; pair++) {
		const char *key = sp_scalar_text(yaml_document_get_node(&doc->tree, pair->key));

		if (key && !strcmp(key, name))
			return yaml_document_get_node(&doc->tree, pair->value);
	}
	return NULL;
}

static int map_refuse_type(struct sp_doc *doc, const yaml_node_t *node, const char *what,
			   const struct sp_doc_key *keys)
{
	char found[SP_FOUND_STRLEN], allowed[SP_KEYS_STRLEN];

	return sp_doc_refuse(doc, node, "%s: found %s; allowed: a mapping of %s", what,
			     node_format(node, found),
			     sp_keys_format(keys, allowed, sizeof(allowed)));
}

int sp_doc_map(struct sp_doc *doc, yaml_node_t *node, const char *what,
	       const struct sp_doc_key *keys, void *base)
{
	yaml_node_t *value;
	int err;

	if (node->type != YAML_MAPPING_NODE)
		return map_refuse_type(doc, node, what, keys);
	err = keys_check(doc, node, what, keys);
	for (const struct sp_doc_key *key = keys; !err && key->name; key++) {
		value = sp_doc_get(doc, node, key->name);
		if (value)
			err = key->parse(doc, key, value, (char *)base + key->offset);
		else if (key->is_required)
			err = sp_doc_refuse(doc, node, "%s: found no \"%s\"; required: %s", what,
					    key->name,
					    key->allowed);
	}
	return err;
}

int sp_doc_list(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		struct sp_doc_items *ret_list)
{
	struct sp_doc_items list = { 0 };

	if (node->type != YAML_SEQUENCE_NODE)
		return sp_doc_refuse_value(doc, key, node, key->allowed);
	list.items = node->data.sequence.items.start;
	list.count = node->data.sequence.items.top - list.items;
	if (list.count < key->min || list.count > key->max)
		return sp_doc_refuse(doc, node,
				     "%s: found a list of %zu; allowed: %llu to %llu entries",
				     key->name,
				     list.count, key->min, key->max);
	*ret_list = list;
	return 0;
}

int sp_doc_list_or_one(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		       struct sp_doc_items *ret_list)
{
	if (node->type != YAML_SCALAR_NODE)
		return sp_doc_list(doc, key, node, ret_list);
	*ret_list = (struct sp_doc_items){ .count = 1, .only = node };
	return 0;
}

yaml_node_t *sp_doc_item(struct sp_doc *doc, const struct sp_doc_items *list, size_t idx)
{
	return list->only ? list->only : yaml_document_get_node(&doc->tree, list->items[idx]);
}

__u32 sp_name_id(const char *name)
{
	__u32 id = 2166136261u;

	for (; *name; name++)
		id = (id ^ (unsigned char)*name) * 16777619u;
	return id;
}

void sp_config_own_name(const struct sp_cluster_conf *conf, char ret_name[SP_NAME_MAX + 1])
{
	memset(ret_name, 0, SP_NAME_MAX + 1);
	if (conf->name)
		memcpy(ret_name, conf->name, strnlen(conf->name, SP_NAME_MAX));
	else
		gethostname(ret_name, SP_NAME_MAX);
}

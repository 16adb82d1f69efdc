/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* doc.h - a YAML document read by tables of keys. Only for src/config and its tests. */
#ifndef SP_CONFIG_DOC_H
#define SP_CONFIG_DOC_H

#include <stddef.h>
#include <yaml.h>

#include "config/config.h"

#define SP_SECOND_NS	1000000000ULL
#define SP_MINUTE_NS	(60 * SP_SECOND_NS)
#define SP_HOUR_NS	(60 * SP_MINUTE_NS)
#define SP_DAY_NS	(24 * SP_HOUR_NS)
#define SP_TIME_MIN_NS	(SP_SECOND_NS / 100)

#define SP_CONFIG_FILE_BYTES_MAX	(4u << 20)
#define SP_CONFIG_NODES_MAX		(1u << 20)
#define SP_CONFIG_DEPTH_MAX		8
#define SP_CONFIG_SNAT_ADDRS_MAX	256
#define SP_CONFIG_POOLS_MAX		1024
#define SP_CONFIG_BACKENDS_MAX		4096	/* per pool */
#define SP_CONFIG_SERVICES_MAX		256
#define SP_CONFIG_LISTENS_MAX		64	/* per service */
#define SP_CONFIG_ROUTES_MAX		1024	/* per service */
#define SP_CONFIG_METHODS_MAX		32	/* per route */
#define SP_CONFIG_ALPNS_MAX		16	/* per route */
#define SP_CONFIG_RANGES_MAX		256	/* of addresses, per service */
#define SP_CONFIG_SOURCES_MAX		(SP_RANGES_MAX - SP_CONFIG_SERVICES_MAX)
#define SP_CONFIG_HEADERS_MAX		32	/* set, and as many removed; per service */
#define SP_CONFIG_HEADER_VALUE_MAX	1024
#define SP_CONFIG_TEXT_MAX		4095

/**
 * struct sp_doc - the document, and the configuration that is read from it
 * @path:	for messages (borrowed)
 * @error:	SP_CONFIG_ERROR_MAX bytes (borrowed) for the first refusal
 * @tree:	libyaml's nodes, each with its position
 * @chunks:	all memory of @config, for sp_chunks_free()
 * @config:	being filled
 */
struct sp_doc {
	const char		*path;
	char			*error;
	yaml_document_t		tree;
	struct sp_doc_chunk		*chunks;
	struct sp_config	*config;
};

/* A configuration and its memory. */
struct sp_loaded {
	struct sp_config	config;
	struct sp_doc_chunk	*chunks;
};

/**
 * struct sp_doc_key - a key that a mapping may have; a table ends with a NULL @name
 * @name:	as in the file
 * @parse:	parses the key's value into @into; 0 or a negative errno after sp_doc_refuse()
 * @offset:	of the field in the structure of the mapping
 * @min, @max:	of numbers, of texts' lengths, of lists' lengths; for use by @parse
 * @is_valid:	of texts
 * @allowed:	for messages: the allowed values
 * @is_required: the mapping can't do without
 * @size, @count, @read: of sp_value_array(): size of an item; offset of their number; fills an
 *		item, @base is the structure of the mapping, with earlier items
 * @is_scalar_enough: of sp_value_array(): a scalar may stand for a list of length 1
 */
struct sp_doc_key {
	const char	*name;
	int		(*parse)(struct sp_doc *doc, const struct sp_doc_key *key,
				 yaml_node_t *node, void *into);
	size_t		offset;
	__u64		min;
	__u64		max;
	int		(*is_valid)(const char *text);
	const char	*allowed;
	int		is_required;
	size_t		size;
	size_t		count;
	int		(*read)(struct sp_doc *doc, yaml_node_t *node, void *base, void *item);
	int		is_scalar_enough;
};

/* A list, or a scalar in the place of a list of length 1. */
struct sp_doc_items {
	size_t			count;
	yaml_node_t		*only;
	yaml_node_item_t	*items;
};

/**
 * sp_doc_open() - check that @bytes are one plain YAML document, and load it
 * @doc:	@path and @error are set, the rest is zero
 *
 * Plain: no anchors, aliases, tags, NULs in texts; bounded in nodes and depth.
 * Return: 0; -EINVAL; -ENOMEM.
 */
int sp_doc_open(struct sp_doc *doc, const void *bytes, size_t size);
void sp_doc_close(struct sp_doc *doc);

/* Zeroed memory that lives as long as the configuration. NULL: refused already. */
void *sp_doc_alloc(struct sp_doc *doc, size_t count, size_t size);
char *sp_doc_strdup(struct sp_doc *doc, const char *text);
void sp_chunks_free(struct sp_doc_chunk *chunks);

/*
 * The text in the file, quoted, on one line and not too long. @buf: SP_FOUND_STRLEN bytes,
 * returned.
 */
#define SP_FOUND_STRLEN 112
char *sp_found_format(const char *text, size_t len, char *buf);

/* Writes "FILE:LINE:COLUMN: message" and returns -EINVAL. */
int sp_doc_refuse(struct sp_doc *doc, const yaml_node_t *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int sp_doc_refuse_mark(struct sp_doc *doc, yaml_mark_t mark, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The usual refusal: "KEY: found VALUE; allowed: @allowed". */
int sp_doc_refuse_value(struct sp_doc *doc, const struct sp_doc_key *key, const yaml_node_t *at,
			const char *allowed);

/**
 * sp_doc_map() - read a mapping by its table
 * @what:	name of the mapping for messages: "a backend"
 * @base:	structure that the keys' offsets are in
 *
 * Unknown and repeated keys are refused first, in the order of the file. Then the values are read
 * in the order of the table: a key can build upon earlier keys.
 */
int sp_doc_map(struct sp_doc *doc, yaml_node_t *node, const char *what,
	       const struct sp_doc_key *keys, void *base);
/* Value of @name in a mapping, or NULL. */
yaml_node_t *sp_doc_get(struct sp_doc *doc, yaml_node_t *map, const char *name);
#define SP_KEYS_STRLEN 256
/* The table's names with commas between, into @buf; returns @buf. */
char *sp_keys_format(const struct sp_doc_key *keys, char *buf, size_t size);

/* @key->min and max bound the number of items. */
int sp_doc_list(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		struct sp_doc_items *ret_list);
int sp_doc_list_or_one(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		       struct sp_doc_items *ret_list);
yaml_node_t *sp_doc_item(struct sp_doc *doc, const struct sp_doc_items *list, size_t idx);

const char *sp_scalar_text(const yaml_node_t *node); /* NULL: no scalar */

/* The candidate nearest to a misspelt @text, or NULL if no candidate is near. */
struct sp_nearest {
	const char	*text;
	const char	*best;
	size_t		best_edits;
};
void sp_nearest_try(struct sp_nearest *nearest, const char *candidate);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* value.h - parsers of single values, for tables of keys. Only for src/config and its tests. */
#ifndef SP_CONFIG_VALUE_H
#define SP_CONFIG_VALUE_H

#include "config/doc.h"

#define SP_ALNUM		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define SP_NAME_ALLOWED		"a letter or digit, then letters, digits, '-', '_' and '.'"
#define SP_ENDPOINT_ALLOWED	"ADDRESS:PORT in quotes, as in \"192.0.2.1:80\" or \"[2001:db8::1]:80\""
#define SP_TOKEN_MAX		255
#define SP_PREFIXES_ALLOWED	"a list of ranges, as in [192.0.2.0/24, \"2001:db8::/32\"]"

/* Parsers of values, for tables; the type of @into is in the name of each, or stated. */
/* char * */
int sp_value_text(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into);
/* Return: whether @text is allowed as name of a pool or service. */
int sp_text_is_name(const char *text);
/* RFC 9110, 5.6.2: names of headers, methods */
int sp_text_is_token(const char *text);
int sp_text_is_trimmed(const char *text);
int sp_text_is_absolute(const char *text);
/* All items of @list; NULL-terminated, without duplicates. @item_key: for an item. */
int sp_value_texts(struct sp_doc *doc, const struct sp_doc_key *item_key,
		   const struct sp_doc_items *list,
		   char ***ret_texts);
/* A list into an array. @into: pointer to the first item */
int sp_value_array(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into);
int sp_value_uint(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into);
/* unsigned int */
int sp_value_size(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into);
/* __u64 of ns */
int sp_value_time(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into);
int sp_value_addr(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		  struct sp_addr *ret_addr);
/* Without bits behind the prefix. */
int sp_value_prefix(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		    struct sp_prefix *ret_prefix);
int sp_value_endpoint(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into);
/* A list of prefixes; with @is_once none of them twice. */
int sp_value_prefixes(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      int is_once, struct sp_prefix **ret_prefixes, size_t *ret_count);
/* @words ends with NULL. Return: index in it, or -EINVAL */
int sp_value_word(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		  const char *const *words);
/* int: true or false */
int sp_value_bool(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into);
/*
 * Parse a plain decimal number, without sign or needless zero, up to @max. 0 or -EINVAL, without a
 * message.
 */
int sp_uint_parse(const char *text, size_t len, __u64 max, __u64 *ret_number);

/* In quotes where YAML needs them. */
void sp_print_text(const char *text, FILE *out);
/* "KEY: TEXT" */
void sp_print_key(const char *key, const char *text, FILE *out);
char *sp_size_format(__u64 bytes, char *buf);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* plain.c - bytes to a tree of nodes: YAML without features beyond plain text. */
#include "config/doc.h"

#include <errno.h>
#include <string.h>

/* libyaml reports a bad encoding by its byte offset, not by line and column. */
static yaml_mark_t mark_of_offset(const char *bytes, size_t size, size_t offset)
{
	yaml_mark_t mark = { 0 };

	for (size_t i = 0; i < offset && i < size; i++) {
		if (bytes[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if ((bytes[i] & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

static int refuse_syntax(struct sp_doc *doc, const yaml_parser_t *parser, const char *bytes,
			 size_t size)
{
	yaml_mark_t mark = parser->problem_mark, since = parser->context_mark;

	switch (parser->error) {
	case YAML_MEMORY_ERROR:
		snprintf(doc->error, SP_CONFIG_ERROR_MAX, "%s: out of memory", doc->path);
		return -ENOMEM;
	case YAML_READER_ERROR:
		mark = mark_of_offset(bytes, size, parser->problem_offset);
		return sp_doc_refuse_mark(doc, mark,
					  "found a byte that can't be read (%s); allowed: UTF-8 text "
					  "without control characters", parser->problem);
	default:
		break;
	}
	if (!parser->context)
		return sp_doc_refuse_mark(doc, mark, "bad YAML: %s", parser->problem);
	return sp_doc_refuse_mark(doc, mark, "bad YAML: %s, %s from line %zu column %zu on",
				  parser->problem,
				  parser->context, since.line + 1, since.column + 1);
}

/* How far the check of a document has come. */
struct plainness {
	unsigned int	documents;
	unsigned int	depth;
	unsigned int	nodes;
};

static const yaml_char_t *event_anchor(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return event->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor;
	default:
		return NULL;
	}
}

static const yaml_char_t *event_tag(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return event->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.tag;
	default:
		return NULL;
	}
}

static void plainness_count(struct plainness *p, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		p->documents++;
		break;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		p->depth++;
		p->nodes++;
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		p->depth--;
		break;
	case YAML_SCALAR_EVENT:
		p->nodes++;
		break;
	default:
		break;
	}
}

static int refuse_named(struct sp_doc *doc, const yaml_event_t *event, const char *kind,
			const yaml_char_t *name,
			const char *allowed)
{
	char found[SP_FOUND_STRLEN];

	sp_found_format((const char *)name, strlen((const char *)name), found);
	return sp_doc_refuse_mark(doc, event->start_mark, "found the %s %s; allowed: %s", kind,
				  found, allowed);
}

static int event_check(struct sp_doc *doc, struct plainness *p, const yaml_event_t *event)
{
	yaml_mark_t mark = event->start_mark;

	plainness_count(p, event);
	if (event->type == YAML_ALIAS_EVENT)
		return refuse_named(doc, event, "alias", event->data.alias.anchor,
				    "values written out");
	if (event_anchor(event))
		return refuse_named(doc, event, "anchor", event_anchor(event),
				    "values without anchors");
	if (event_tag(event))
		return refuse_named(doc, event, "tag", event_tag(event), "values without tags");
	if (event->type == YAML_SCALAR_EVENT &&
	    memchr(event->data.scalar.value, 0, event->data.scalar.length))
		return sp_doc_refuse_mark(doc, mark,
					  "found a NUL in a text; allowed: texts without");
	if (p->documents > 1)
		return sp_doc_refuse_mark(doc, mark, "found a second document; allowed: one");
	if (p->depth > SP_CONFIG_DEPTH_MAX)
		return sp_doc_refuse_mark(doc, mark,
					  "found lists and mappings %u deep; allowed: %u", p->depth,
					  SP_CONFIG_DEPTH_MAX);
	if (p->nodes > SP_CONFIG_NODES_MAX)
		return sp_doc_refuse_mark(doc, mark, "found more than %u values; allowed: %u",
					  SP_CONFIG_NODES_MAX,
					  SP_CONFIG_NODES_MAX);
	return 0;
}

static int parser_start(struct sp_doc *doc, yaml_parser_t *parser, const void *bytes, size_t size)
{
	if (!yaml_parser_initialize(parser)) {
		snprintf(doc->error, SP_CONFIG_ERROR_MAX, "%s: out of memory", doc->path);
		return -ENOMEM;
	}
	yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(parser, bytes, size);
	return 0;
}

/*
 * Plainness needs a pass of its own: the tree no longer shows aliases and tags, and would be built
 * before its depth is checked.
 */
static int plainness_check(struct sp_doc *doc, const void *bytes, size_t size)
{
	struct plainness plainness = { 0 };
	yaml_parser_t parser;
	yaml_event_t event;
	int is_last, err;

	err = parser_start(doc, &parser, bytes, size);
	if (err)
		return err;
	do {
		if (!yaml_parser_parse(&parser, &event)) {
			err = refuse_syntax(doc, &parser, bytes, size);
			break;
		}
		is_last = event.type == YAML_STREAM_END_EVENT;
		err = event_check(doc, &plainness, &event);
		yaml_event_delete(&event);
	} while (!err && !is_last);
	yaml_parser_delete(&parser);
	return err;
}

int sp_doc_open(struct sp_doc *doc, const void *bytes, size_t size)
{
	static const char bom[] = "\xef\xbb\xbf";
	size_t bom_len = size >= strlen(bom) && !memcmp(bytes, bom, strlen(bom)) ? strlen(bom) : 0;
	yaml_parser_t parser;
	int err;

	bytes = (const char *)bytes + bom_len;
	size -= bom_len;
	err = plainness_check(doc, bytes, size);
	if (!err)
		err = parser_start(doc, &parser, bytes, size);
	if (err)
		return err;
	if (!yaml_parser_load(&parser, &doc->tree))
		err = refuse_syntax(doc, &parser, bytes, size);
	yaml_parser_delete(&parser);
	return err;
}

void sp_doc_close(struct sp_doc *doc)
{
	yaml_document_delete(&doc->tree);
}

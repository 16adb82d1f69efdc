/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* access.c - the access log of a service */
#include "config/section.h"
#include "config/value.h"

#include <errno.h>
#include <string.h>

static const char *const formats[] = {
	[SP_ACCESS_COMBINED] = "combined", [SP_ACCESS_JSON] = "json", NULL,
};

static int value_format(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			void *into)
{
	int word = sp_value_word(doc, key, node, formats);

	if (word < 0)
		return word;
	*(enum sp_access_format *)into = word;
	return 0;
}

static int is_target(const char *text)
{
	return !strcmp(text, "journal") || !strcmp(text, "syslog") || !strcmp(text, "stderr") ||
	       !strcmp(text, "none") || sp_text_is_absolute(text);
}

static const struct sp_doc_key access_keys[] = {
	{ .name = "format", .parse = value_format,
	  .offset = offsetof(struct sp_access_conf, format), .allowed = "combined or json" },
	{ .name = "to", .parse = sp_value_text, .offset = offsetof(struct sp_access_conf, to),
	  .min = 1, .max = SP_ACCESS_PATH_MAX, .is_valid = is_target,
	  .allowed = "journal, syslog, stderr, none or an absolute path", .is_required = 1 },
	{ 0 }
};

int sp_value_access_log(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			void *into)
{
	struct sp_access_conf *access = into;

	access->format = SP_ACCESS_COMBINED;
	return sp_doc_map(doc, node, key->name, access_keys, access);
}

int sp_access_has_lines(const struct sp_access_conf *access)
{
	return access->to && strcmp(access->to, "none");
}

/* A status is known only if each response is read. */
int sp_access_check(struct sp_doc *doc, yaml_node_t *node, const struct sp_service_conf *service)
{
	if (!sp_access_has_lines(&service->access) ||
	    service->access.format != SP_ACCESS_COMBINED ||
	    service->route_unit == SP_ROUTE_REQUEST)
		return 0;
	return sp_doc_refuse(doc, sp_doc_get(doc, node, "access_log"),
			     "access_log: found \"format: combined\" in service \"%s\", whose "
			     "requests are not read; required: \"format: json\"", service->name);
}

/* A comment for the reader of the file: a line is of an exchange, or of a connection. */
void sp_print_access_log(const struct sp_service_conf *service, FILE *out)
{
	const struct sp_access_conf *access = &service->access;

	if (!access->to)
		return;
	fprintf(out, "    access_log: {format: %s, ", formats[access->format]);
	sp_print_key("to", access->to, out);
	fprintf(out, "}  # %s for each %s\n",
		sp_access_has_lines(access) ? "a line" : "numbers alone",
		service->route_unit == SP_ROUTE_REQUEST ? "request" : "connection");
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* check.c - the section `check` of a pool. */
#include "config/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "config/value.h"

#define PATH_MAX_LEN	1024
#define BODY_MAX_LEN	256
#define HOST_MAX_LEN	255
#define RANGES_MAX	16
#define STREAK_MAX	1000
#define STATUS_MIN	100
#define STATUS_MAX	599
#define INTERVAL_DEFAULT_NS (2 * SP_SECOND_NS)
#define INTERVAL_MIN_NS	(SP_SECOND_NS / 10)
#define STATUS_ALLOWED	"a status or a range, as in 200 or \"200-399\", from 100 to 599"

static const char *const types[] = {
	[SP_CHECK_NONE] = "none", [SP_CHECK_TCP] = "tcp", [SP_CHECK_HTTP] = "http",
	[SP_CHECK_HTTPS] = "https", NULL,
};

static int is_request_path(const char *text)
{
	return text[0] == '/' && !strpbrk(text, " #");
}

static int is_host(const char *text)
{
	return !text[strspn(text, SP_ALNUM "-_.:[]")];
}

static int is_server_name(const char *text)
{
	struct in_addr addr;

	return strchr(SP_ALNUM, text[0]) && !text[strspn(text, SP_ALNUM "-_.")] &&
	       !inet_aton(text, &addr);
}

static int value_type(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into)
{
	int word = sp_value_word(doc, key, node, types + SP_CHECK_TCP);

	if (word < 0)
		return word;
	*(enum sp_check_type *)into = SP_CHECK_TCP + word;
	return 0;
}

static int value_address(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			 void *into)
{
	return sp_value_addr(doc, key, node, into);
}

static int parse_status(const char *text, size_t len, unsigned int *ret_status)
{
	__u64 number;

	if (sp_uint_parse(text, len, STATUS_MAX, &number) || number < STATUS_MIN)
		return -EINVAL;
	*ret_status = number;
	return 0;
}

static int read_range(struct sp_doc *doc, yaml_node_t *node, void *base, void *item)
{
	const char *text = sp_scalar_text(node) ?: "";
	size_t first_len = strcspn(text, "-");
	const char *last = text[first_len] ? text + first_len + 1 : text;
	struct sp_status_range *range = item;

	if (!parse_status(text, first_len, &range->first) &&
	    !parse_status(last, strlen(last), &range->last) && range->first <= range->last)
		return 0;
	return sp_doc_refuse_value(doc, &(struct sp_doc_key){ .name = "expect" }, node,
				   STATUS_ALLOWED);
}

#define FIELD(field) .offset = offsetof(struct sp_check_conf, field)

static const struct sp_doc_key check_keys[] = {
	{ .name = "type", .parse = value_type, FIELD(type), .allowed = "tcp, http or https",
	  .is_required = 1 },
	{ .name = "method", .parse = sp_value_text, FIELD(method), .min = 1, .max = 31,
	  .is_valid = sp_text_is_token, .allowed = "a method of HTTP, as in GET" },
	{ .name = "path", .parse = sp_value_text, FIELD(path), .min = 1, .max = PATH_MAX_LEN,
	  .is_valid = is_request_path, .allowed = "a path, as in /health?full=1" },
	{ .name = "host", .parse = sp_value_text, FIELD(host), .min = 1, .max = HOST_MAX_LEN,
	  .is_valid = is_host, .allowed = "a host, as in example.org or \"example.org:8080\"" },
	{ .name = "sni", .parse = sp_value_text, FIELD(sni), .min = 1, .max = HOST_MAX_LEN,
	  .is_valid = is_server_name, .allowed = "a host name, as in example.org" },
	{ .name = "verify", .parse = sp_value_bool, FIELD(is_verified),
	  .allowed = "true or false" },
	{ .name = "ca_file", .parse = sp_value_text, FIELD(ca_file), .min = 1,
	  .max = SP_CONFIG_TEXT_MAX, .is_valid = sp_text_is_absolute,
	  .allowed = "an absolute path" },
	{ .name = "expect", .parse = sp_value_array, FIELD(expects),
	  .count = offsetof(struct sp_check_conf, expect_count),
	  .size = sizeof(struct sp_status_range), .read = read_range, .min = 1, .max = RANGES_MAX,
	  .is_scalar_enough = 1, .allowed = STATUS_ALLOWED ", or a list of these" },
	{ .name = "body", .parse = sp_value_text, FIELD(body), .min = 1, .max = BODY_MAX_LEN,
	  .allowed = "a text that the response contains" },
	{ .name = "interval", .parse = sp_value_time, FIELD(interval_ns), .min = INTERVAL_MIN_NS,
	  .max = SP_HOUR_NS },
	{ .name = "timeout", .parse = sp_value_time, FIELD(timeout_ns), .min = SP_TIME_MIN_NS,
	  .max = 10 * SP_MINUTE_NS },
	{ .name = "rise", .parse = sp_value_uint, FIELD(rise), .min = 1, .max = STREAK_MAX },
	{ .name = "fall", .parse = sp_value_uint, FIELD(fall), .min = 1, .max = STREAK_MAX },
	{ .name = "port", .parse = sp_value_uint, FIELD(port), .min = 1, .max = 65535 },
	{ .name = "address", .parse = value_address, FIELD(address),
	  .allowed = "an address, as in 192.0.2.1" },
	{ 0 }
};

static int refuse_keys(struct sp_doc *doc, yaml_node_t *node, const char *const *keys,
		       const char *type, const char *allowed)
{
	for (; *keys; keys++) {
		yaml_node_t *value = sp_doc_get(doc, node, *keys);

		if (value)
			return sp_doc_refuse(doc, value, "%s: found in a check of type %s; allowed "
					     "with type %s", *keys, type, allowed);
	}
	return 0;
}

/* A key of another type is a mistake about the type. */
static int check_type(struct sp_doc *doc, yaml_node_t *node, const struct sp_check_conf *check)
{
	static const char *const of_http[] = { "method", "path", "host", "expect", "body", NULL };
	static const char *const of_https[] = { "sni", "verify", "ca_file", NULL };
	int err = 0;

	if (check->type == SP_CHECK_TCP)
		err = refuse_keys(doc, node, of_http, "tcp", "http or https");
	if (!err && check->type != SP_CHECK_HTTPS)
		err = refuse_keys(doc, node, of_https, types[check->type], "https");
	return err;
}

/* The name in `host`, without the port; an address is no name. */
static int fill_sni(struct sp_doc *doc, struct sp_check_conf *check)
{
	char name[HOST_MAX_LEN + 1];

	if (check->type != SP_CHECK_HTTPS || check->sni || !check->host)
		return 0;
	snprintf(name, sizeof(name), "%s", check->host);
	name[strcspn(name, ":")] = 0;
	if (!is_server_name(name))
		return 0;
	check->sni = sp_doc_strdup(doc, name);
	return check->sni ? 0 : -ENOMEM;
}

static int fill_defaults(struct sp_doc *doc, struct sp_check_conf *check)
{
	if (!check->timeout_ns)
		check->timeout_ns = check->interval_ns;
	if (check->type == SP_CHECK_TCP)
		return 0;
	if (!check->method)
		check->method = sp_doc_strdup(doc, "GET");
	if (!check->path)
		check->path = sp_doc_strdup(doc, "/");
	if (!check->method || !check->path || fill_sni(doc, check))
		return -ENOMEM;
	if (check->expect_count)
		return 0;
	check->expects = sp_doc_alloc(doc, 1, sizeof(*check->expects));
	if (!check->expects)
		return -ENOMEM;
	check->expects[0] = (struct sp_status_range){ 200, 399 };
	check->expect_count = 1;
	return 0;
}

int sp_value_check(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into)
{
	struct sp_check_conf *check = into;
	int err;

	*check = (struct sp_check_conf){
		.is_verified = 1, .interval_ns = INTERVAL_DEFAULT_NS, .rise = 2, .fall = 3,
	};
	err = sp_doc_map(doc, node, "a check", check_keys, check);
	err = err ?: check_type(doc, node, check);
	return err ?: fill_defaults(doc, check);
}

int sp_check_count(struct sp_doc *doc, const yaml_node_t *at, const struct sp_pool_conf *pool)
{
	size_t count = 0;

	for (const struct sp_pool_conf *p = doc->config->pools; p <= pool; p++)
		count += p->check.type == SP_CHECK_NONE ? 0 : p->backend_count;
	if (count <= SP_CHECKS_MAX)
		return 0;
	return sp_doc_refuse(doc, at, "check: found %zu backends with checks so far; allowed: %d",
			     count, SP_CHECKS_MAX);
}

const char *sp_check_type_name(enum sp_check_type type)
{
	return types[type];
}

static void print_expects(const struct sp_check_conf *check, FILE *out)
{
	fputs(", expect: [", out);
	for (size_t i = 0; i < check->expect_count; i++) {
		const struct sp_status_range *range = &check->expects[i];

		fputs(i ? ", " : "", out);
		if (range->first == range->last)
			fprintf(out, "%u", range->first);
		else
			fprintf(out, "\"%u-%u\"", range->first, range->last);
	}
	fputs("]", out);
}

static void print_optional(const char *key, const char *text, FILE *out)
{
	if (text)
		sp_print_key(key, text, out);
}

static void print_http(const struct sp_check_conf *check, FILE *out)
{
	sp_print_key(", method", check->method, out);
	sp_print_key(", path", check->path, out);
	print_optional(", host", check->host, out);
	if (check->type == SP_CHECK_HTTPS) {
		print_optional(", sni", check->sni, out);
		fprintf(out, ", verify: %s", check->is_verified ? "true" : "false");
		print_optional(", ca_file", check->ca_file, out);
	}
	print_expects(check, out);
	print_optional(", body", check->body, out);
}

void sp_check_print(const struct sp_check_conf *check, FILE *out)
{
	static const struct sp_addr none;
	char interval[SP_QUANTITY_STRLEN], timeout[SP_QUANTITY_STRLEN], address[SP_ADDR_STRLEN];

	if (check->type == SP_CHECK_NONE)
		return;
	fprintf(out, "    check: {type: %s", types[check->type]);
	if (check->type != SP_CHECK_TCP)
		print_http(check, out);
	fprintf(out, ", interval: %s, timeout: %s, rise: %u, fall: %u",
		sp_time_format(check->interval_ns, interval),
		sp_time_format(check->timeout_ns, timeout), check->rise, check->fall);
	if (check->port)
		fprintf(out, ", port: %u", check->port);
	if (!sp_addr_equal(&check->address, &none))
		sp_print_key(", address", sp_addr_format(&check->address, address), out);
	fputs("}\n", out);
}

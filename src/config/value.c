/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* value.c - scalars of the configuration: texts, numbers, times, sizes, addresses. */
#include "config/value.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"

#define ALLOWED_STRLEN	160
#define TOKEN_CHARS	SP_ALNUM "!#$%&'*+-.^_`|~"

struct unit {
	const char	*name;
	__u64		factor;
};

/* Largest first: a quantity is printed in the first unit that divides it. */
static const struct unit time_units[] = {
	{ "d", 86400 * 1000000000ULL }, { "h", 3600 * 1000000000ULL }, { "m", 60 * 1000000000ULL },
	{ "s", 1000000000ULL },         { "ms", 1000000ULL },          { NULL, 0 },
};
static const struct unit size_units[] = {
	{ "GiB", 1 << 30 },
	{ "MiB", 1 << 20 },
	{ "KiB", 1 << 10 },
	{ NULL, 0 },
};

/*
 * Printable ASCII: such texts can be printed again, and compared with input bytes, without a second
 * meaning.
 */
static int is_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return 0;
	return 1;
}

int sp_text_is_name(const char *text)
{
	return strchr(SP_ALNUM, text[0]) && !text[strspn(text, SP_ALNUM "-_.")];
}

int sp_text_is_token(const char *text)
{
	return !text[strspn(text, TOKEN_CHARS)];
}

int sp_text_is_trimmed(const char *text)
{
	return text[0] != ' ' && (!text[0] || text[strlen(text) - 1] != ' ');
}

int sp_text_is_absolute(const char *text)
{
	return text[0] == '/';
}

static int is_nothing(const yaml_node_t *node)
{
	return node->data.scalar.length == 0 && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

int sp_value_text(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into)
{
	const char *text = sp_scalar_text(node);
	size_t len;
	char *copy;

	if (!text || is_nothing(node))
		return sp_doc_refuse_value(doc, key, node, key->allowed);
	len = node->data.scalar.length;
	if (!is_printable(text, len))
		return sp_doc_refuse_value(doc, key, node, "printable ASCII characters");
	if (len < key->min || len > key->max)
		return sp_doc_refuse(doc, node, "%s: found %zu characters; allowed: %llu to %llu",
				     key->name, len,
				     key->min, key->max);
	if (key->is_valid && !key->is_valid(text))
		return sp_doc_refuse_value(doc, key, node, key->allowed);
	copy = sp_doc_strdup(doc, text);
	if (!copy)
		return -ENOMEM;
	*(char **)into = copy;
	return 0;
}

int sp_value_texts(struct sp_doc *doc, const struct sp_doc_key *item_key,
		   const struct sp_doc_items *list,
		   char ***ret_texts)
{
	char **texts = sp_doc_alloc(doc, list->count + 1, sizeof(*texts));

	if (!texts)
		return -ENOMEM;
	for (size_t i = 0; i < list->count; i++) {
		yaml_node_t *node = sp_doc_item(doc, list, i);
		int err = sp_value_text(doc, item_key, node, &texts[i]);

		if (err)
			return err;
		for (size_t before = 0; before < i; before++)
			if (!strcmp(texts[before], texts[i]))
				return sp_doc_refuse(doc, node,
						     "%s: found \"%s\" again; allowed: each one once",
						     item_key->name, texts[i]);
	}
	*ret_texts = texts;
	return 0;
}

int sp_value_array(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into)
{
	char *base = (char *)into - key->offset, *items;
	size_t *count = (size_t *)(base + key->count);
	struct sp_doc_items list;
	int err;

	err = (key->is_scalar_enough ? sp_doc_list_or_one : sp_doc_list)(doc, key, node, &list);
	if (err)
		return err;
	items = sp_doc_alloc(doc, list.count, key->size);
	if (!items)
		return -ENOMEM;
	memcpy(into, &items, sizeof(items));
	for (; !err && *count < list.count; ++*count)
		err = key->read(doc, sp_doc_item(doc, &list, *count), base,
				items + *count * key->size);
	return err;
}

int sp_uint_parse(const char *text, size_t len, __u64 max, __u64 *ret_number)
{
	__u64 number = 0;

	if (len == 0 || (len > 1 && text[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned int digit = text[i] - '0';

		if (digit > 9 || digit > max || number > (max - digit) / 10)
			return -EINVAL;
		number = number * 10 + digit;
	}
	*ret_number = number;
	return 0;
}

int sp_value_uint(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into)
{
	const char *text = sp_scalar_text(node);
	int is_quoted = text && node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	char allowed[ALLOWED_STRLEN];
	__u64 number;

	if (text && !is_quoted &&
	    !sp_uint_parse(text, node->data.scalar.length, key->max, &number) &&
	    number >= key->min) {
		*(unsigned int *)into = number;
		return 0;
	}
	snprintf(allowed, sizeof(allowed), "a whole number from %llu to %llu%s", key->min, key->max,
		 is_quoted ? ", without quotes" : "");
	return sp_doc_refuse_value(doc, key, node, allowed);
}

/* Number and unit, without a blank. -ERANGE: a unit is missing. */
static int quantity_parse(const char *text, size_t len, const struct unit *units, __u64 max,
			  __u64 *ret_quantity)
{
	size_t digits = strspn(text, "0123456789");
	__u64 number;

	if (digits && digits == len)
		return -ERANGE;
	for (; units->name; units++) {
		if (strlen(units->name) != len - digits || strcmp(text + digits, units->name))
			continue;
		if (sp_uint_parse(text, digits, max / units->factor, &number))
			return -EINVAL;
		*ret_quantity = number * units->factor;
		return 0;
	}
	return -EINVAL;
}

static char *quantity_format(__u64 quantity, const struct unit *unit, char *buf)
{
	while (unit[1].name && (quantity == 0 || quantity % unit->factor))
		unit++;
	snprintf(buf, SP_QUANTITY_STRLEN, "%llu%s", quantity / unit->factor, unit->name);
	return buf;
}

char *sp_time_format(__u64 ns, char *buf)
{
	return quantity_format(ns, time_units, buf);
}

char *sp_size_format(__u64 bytes, char *buf)
{
	return quantity_format(bytes, size_units, buf);
}

static int value_quantity(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			  const struct unit *units,
			  const char *unit_names, __u64 *ret_quantity)
{
	char allowed[ALLOWED_STRLEN], min[SP_QUANTITY_STRLEN], max[SP_QUANTITY_STRLEN],
		found[SP_FOUND_STRLEN];
	const char *text = sp_scalar_text(node);
	__u64 quantity;
	int err = -EINVAL;

	if (text)
		err = quantity_parse(text, node->data.scalar.length, units, key->max, &quantity);
	if (!err && quantity >= key->min) {
		*ret_quantity = quantity;
		return 0;
	}
	snprintf(allowed, sizeof(allowed), "a whole number and its unit (%s), from %s to %s",
		 unit_names,
		 quantity_format(key->min, units, min), quantity_format(key->max, units, max));
	if (err != -ERANGE)
		return sp_doc_refuse_value(doc, key, node, allowed);
	return sp_doc_refuse(doc, node, "%s: found %s, a number without a unit; allowed: %s",
			     key->name,
			     sp_found_format(text, node->data.scalar.length, found), allowed);
}

int sp_value_time(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into)
{
	return value_quantity(doc, key, node, time_units, "ms, s, m, h or d", into);
}

int sp_value_size(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into)
{
	__u64 bytes = 0;
	int err;

	err = value_quantity(doc, key, node, size_units, "KiB, MiB or GiB", &bytes);
	if (!err)
		*(unsigned int *)into = bytes;
	return err;
}

int sp_value_word(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		  const char *const *words)
{
	const char *text = sp_scalar_text(node);

	for (int i = 0; text && words[i]; i++)
		if (!strcmp(text, words[i]))
			return i;
	return sp_doc_refuse_value(doc, key, node, key->allowed);
}

int sp_value_bool(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into)
{
	static const char *const words[] = { "false", "true", NULL };
	int word = sp_value_word(doc, key, node, words);

	if (word < 0)
		return word;
	*(int *)into = word;
	return 0;
}

/* An address of one machine: neither "any", nor a group, nor IPv4 broadcast. */
static int addr_is_usable(const struct sp_addr *addr)
{
	const unsigned char *bytes = (const unsigned char *)addr->w;

	if (sp_addr_is_v4(addr))
		return bytes[12] != 0 && bytes[12] < 224;
	return bytes[0] != 0xff && (addr->w[0] || addr->w[1] || addr->w[2] || addr->w[3]);
}

/* An IPv4 address has a single spelling; ::ffff:192.0.2.1 would be IPv4 where IPv6 is read. */
static int addr_check(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      const struct sp_addr *addr,
		      int is_v6_text)
{
	char found[SP_FOUND_STRLEN], text[SP_ADDR_STRLEN];

	sp_found_format(sp_scalar_text(node), node->data.scalar.length, found);
	if (sp_addr_is_v4(addr) && is_v6_text)
		return sp_doc_refuse(doc, node,
				     "%s: found %s, IPv4 written as IPv6; allowed: %s as such",
				     key->name,
				     found, sp_addr_format(addr, text));
	if (!addr_is_usable(addr))
		return sp_doc_refuse(doc, node, "%s: found %s; allowed: the address of one machine",
				     key->name, found);
	return 0;
}

int sp_value_addr(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		  struct sp_addr *ret_addr)
{
	const char *text = sp_scalar_text(node);
	struct sp_addr addr;
	int err;

	if (!text || sp_addr_parse(text, &addr))
		return sp_doc_refuse_value(doc, key, node, key->allowed);
	err = addr_check(doc, key, node, &addr, !!strchr(text, ':'));
	if (!err)
		*ret_addr = addr;
	return err;
}

int sp_value_endpoint(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into)
{
	const char *text = sp_scalar_text(node);
	struct sp_endpoint at = { 0 };
	int err;

	if (!text || sp_endpoint_parse(text, &at.addr, &at.port_be))
		return sp_doc_refuse_value(doc, key, node, key->allowed);
	err = addr_check(doc, key, node, &at.addr, text[0] == '[');
	if (!err)
		*(struct sp_endpoint *)into = at;
	return err;
}

/* An IPv4 range has a single spelling, too. */
int sp_value_prefix(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		    struct sp_prefix *ret_prefix)
{
	char found[SP_FOUND_STRLEN], range[SP_PREFIX_STRLEN];
	const char *text = sp_scalar_text(node);
	struct sp_prefix prefix;
	int err = text ? sp_prefix_parse(text, &prefix) : -EINVAL;

	if (err == -EINVAL)
		return sp_doc_refuse_value(doc, key, node, key->allowed);
	sp_found_format(text, node->data.scalar.length, found);
	sp_prefix_format(&prefix, range);
	if (err == -ERANGE)
		return sp_doc_refuse(doc, node, "%s: found %s, with bits behind the prefix; "
				     "allowed: %s", key->name, found, range);
	if (strchr(text, ':') && !strchr(range, ':'))
		return sp_doc_refuse(doc, node, "%s: found %s, IPv4 written as IPv6; allowed: %s "
				     "as such", key->name, found, range);
	*ret_prefix = prefix;
	return 0;
}

static int refuse_repeated(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			   const struct sp_prefix *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (sp_prefix_equal(&prefixes[i], &prefixes[count]))
			return sp_doc_refuse(doc, node, "%s: found \"%s\" again; allowed: each one "
					     "once", key->name, sp_scalar_text(node));
	return 0;
}

int sp_value_prefixes(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      int is_once, struct sp_prefix **ret_prefixes, size_t *ret_count)
{
	struct sp_prefix *prefixes;
	struct sp_doc_items list;
	int err = sp_doc_list(doc, key, node, &list);

	if (err)
		return err;
	prefixes = sp_doc_alloc(doc, list.count, sizeof(*prefixes));
	if (!prefixes)
		return -ENOMEM;
	for (size_t i = 0; !err && i < list.count; i++) {
		yaml_node_t *item = sp_doc_item(doc, &list, i);

		err = sp_value_prefix(doc, key, item, &prefixes[i]);
		if (!err && is_once)
			err = refuse_repeated(doc, key, item, prefixes, i);
	}
	*ret_prefixes = prefixes;
	*ret_count = list.count;
	return err;
}

/* A text stays without quotes only if every YAML reader takes it for a text. */
static int is_plain(const char *text)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "null", "y",
					     "n", NULL };

	if (!strchr(SP_ALNUM "/", text[0]) || !text[0] || (text[0] >= '0' && text[0] <= '9'))
		return 0;
	if (text[strspn(text, SP_ALNUM "/_.-")])
		return 0;
	for (const char *const *word = words; *word; word++)
		if (!strcasecmp(text, *word))
			return 0;
	return 1;
}

void sp_print_text(const char *text, FILE *out)
{
	if (is_plain(text)) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

void sp_print_key(const char *key, const char *text, FILE *out)
{
	fprintf(out, "%s: ", key);
	sp_print_text(text, out);
}

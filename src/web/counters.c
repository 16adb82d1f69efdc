// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* counters.c - see counters.h */
#include "web/counters.h"

#include <string.h>

#include "web/sample.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define NAME_MAX_BYTES	96

/* A family of counters with a common beginning; the rest of a counter's name is the label's value. */
struct kind {
	const char	*begins, *family, *label, *help;
	const char	*only[4];	/* empty: all values */
};

static const struct kind families[] = {
	{ "answered_", "spliced_replies_total", "status",
	  "Requests that this proxy has answered by itself, by status.", {} },
	{ "fell_back_", "spliced_mode_fallbacks_total", "reason",
	  "Connections that got a lower mode than asked for, by reason.", {} },
	{ "spliced_", "spliced_connections_made_total", "mode",
	  "Connections that this proxy has spliced, by mode.", { "whole", "split", "adopt" } },
	{ "requests_", "spliced_requests_total", "way",
	  "Further requests of kept connections: carried by the datapath, or read here, and then "
	  "stayed with their backend or moved to another.", { "carried", "stayed", "moved" } },
	{ "relay_refused_", "spliced_relay_refused_total", "reason",
	  "Messages of members that were refused, by reason.", {} },
	{ "member_refused_", "spliced_members_refused_total", "reason",
	  "Records of members that were refused, by reason.", {} },
};

/* Names of too few words. Without @family: the sum of a family above. */
static const struct {
	const char	*counter, *family, *help;
} renamed[] = {
	{ "spliced", NULL, NULL },
	{ "spliced_pkts", "spliced_carried_packets_total",
	  "Packets that the datapath has carried." },
	{ "spliced_bytes", "spliced_carried_bytes_total",
	  "Payload of TCP that the datapath has carried." },
	{ "requests", "spliced_requests_read_total",
	  "Further requests of kept connections that this daemon has read." },
};

/* NULL: the counter is of another kind. */
static const char *value_of(const struct kind *kind, const char *counter)
{
	size_t len = strlen(kind->begins);

	if (strncmp(counter, kind->begins, len))
		return NULL;
	if (!kind->only[0])
		return counter + len;
	for (size_t i = 0; i < COUNT(kind->only) && kind->only[i]; i++)
		if (!strcmp(kind->only[i], counter + len))
			return counter + len;
	return NULL;
}

static void print_kind(const json_t *counters, const struct kind *kind, FILE *out)
{
	const char *counter, *value;
	int has_head = 0;
	json_t *number;

	json_object_foreach((json_t *)counters, counter, number) {
		value = value_of(kind, counter);
		if (!value)
			continue;
		if (!has_head++)
			sp_family_print(out, kind->family, "counter", kind->help);
		sp_sample_print(out, kind->family, SP_LABELS(kind->label, value),
				json_number_value(number));
	}
}

static int is_of_kind(const char *counter)
{
	for (size_t i = 0; i < COUNT(families); i++)
		if (value_of(&families[i], counter))
			return 1;
	return 0;
}

static void print_counter(FILE *out, const char *family, const char *help, double number)
{
	sp_family_print(out, family, "counter", help);
	sp_sample_print(out, family, SP_NO_LABELS, number);
}

/* Return: whether the counter has a name of its own. */
static int print_renamed(const char *counter, double number, FILE *out)
{
	for (size_t i = 0; i < COUNT(renamed); i++) {
		if (strcmp(renamed[i].counter, counter))
			continue;
		if (renamed[i].family)
			print_counter(out, renamed[i].family, renamed[i].help, number);
		return 1;
	}
	return 0;
}

/* "_pkts" is written out. */
static void print_other(const char *prefix, const char *counter, double number, FILE *out)
{
	char family[NAME_MAX_BYTES], help[NAME_MAX_BYTES];
	size_t len = strlen(counter);
	int is_packets = len > 5 && !strcmp(counter + len - 5, "_pkts");

	snprintf(family, sizeof(family), "%s_%.*s%s_total", prefix,
		 (int)(is_packets ? len - 5 : len), counter, is_packets ? "_packets" : "");
	snprintf(help, sizeof(help), "Counter %s of splicectl status.", counter);
	print_counter(out, family, help, number);
}

void sp_counters_print(const json_t *counters, const char *prefix, FILE *out)
{
	const char *counter;
	json_t *number;

	for (size_t i = 0; i < COUNT(families); i++)
		print_kind(counters, &families[i], out);
	json_object_foreach((json_t *)counters, counter, number)
		if (!is_of_kind(counter) && !print_renamed(counter, json_number_value(number), out))
			print_other(prefix, counter, json_number_value(number), out);
}

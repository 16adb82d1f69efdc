// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* traffic.c - see traffic.h. A service that left the configuration gives way to a new service. */
#include "node/traffic.h"

#include <stdlib.h>
#include <string.h>

static unsigned int hash_name(const char *name)
{
	unsigned int hash = 2166136261;	/* FNV-1a: names are the operator's */

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619;
	return hash % SP_TRAFFIC_BUCKETS;
}

static struct sp_served **find_place(struct sp_traffic *t, const char *name)
{
	struct sp_served **at = &t->buckets[hash_name(name)];

	while (*at && strcmp((*at)->name, name))
		at = &(*at)->next;
	return at;
}

static void drop_unused(struct sp_traffic *t)
{
	for (unsigned int i = 0; i < SP_TRAFFIC_BUCKETS; i++)
		for (struct sp_served **at = &t->buckets[i], *s; (s = *at);) {
			if (s->refs) {
				at = &s->next;
				continue;
			}
			*at = s->next;
			t->count--;
			free(s);
		}
}

struct sp_served *sp_traffic_get(struct sp_traffic *t, const char *name)
{
	struct sp_served **at, *s;

	at = find_place(t, name);
	if (!*at && t->count >= SP_TRAFFIC_MAX) {
		drop_unused(t);
		at = find_place(t, name);
	}
	s = *at;
	if (!s) {
		s = t->count < SP_TRAFFIC_MAX ? calloc(1, sizeof(*s)) : NULL;
		if (!s)
			return NULL;
		strncpy(s->name, name, SP_NAME_MAX);
		*at = s;
		t->count++;
	}
	s->refs++;
	return s;
}

void sp_traffic_put(struct sp_served *s)
{
	s->refs--;
}

const struct sp_served *sp_traffic_find(const struct sp_traffic *t, const char *name)
{
	const struct sp_served *s = t->buckets[hash_name(name)];

	while (s && strcmp(s->name, name))
		s = s->next;
	return s;
}

void sp_traffic_fini(struct sp_traffic *t)
{
	for (unsigned int i = 0; i < SP_TRAFFIC_BUCKETS; i++)
		for (struct sp_served *s = t->buckets[i], *next; s; s = next) {
			next = s->next;
			free(s);
		}
	*t = (struct sp_traffic){ 0 };
}

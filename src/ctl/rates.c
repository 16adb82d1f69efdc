/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* rates.c - see rates.h */
#include "ctl/rates.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/answer.h"

static const json_t *status_of(const json_t *overview)
{
	return json_object_get(overview, "status");
}

static json_int_t counter_of(const json_t *overview, const char *name)
{
	return sp_int_in(json_object_get(status_of(overview), "counters"), name);
}

static json_int_t count_requests(const json_t *overview)
{
	return counter_of(overview, "spliced") + counter_of(overview, "requests") +
	       counter_of(overview, "requests_carried");
}

/* The third segment of each handshake is dropped, and no loss. */
static json_int_t count_lost(const json_t *overview)
{
	const json_t *row, *drops = json_object_get(overview, "drops"), *number;
	json_t *counters = json_object_get(status_of(overview), "counters");
	json_int_t lost = 0;
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(drops, "reasons"), i, row)
		if (!strcmp(sp_text_in(row, "what"), "drop") &&
		    strcmp(sp_text_in(row, "name"), "ack_empty"))
			lost += sp_int_in(row, "pkts");
	json_object_foreach(counters, name, number)
		if (!strncmp(name, "answered_", strlen("answered_")))
			lost += json_integer_value(number);
	return lost;
}

/* ---- the time of connects ---- */

static const json_t *connects_of(const json_t *overview)
{
	const json_t *durations = json_object_get(status_of(overview), "durations");

	return json_object_get(json_object_get(durations, "connect"), "buckets");
}

static json_int_t count_bucket(const json_t *before, const json_t *now, size_t i)
{
	return sp_int_in(json_array_get(now, i), "count") -
	       sp_int_in(json_array_get(before, i), "count");
}

/*
 * @before, @now: buckets; @share: of all; within a bucket durations are taken for even. The last
 * bucket has no end. Return: negative: no duration has come.
 */
static double find_percentile(const json_t *before, const json_t *now, double share)
{
	double seen = 0, all = 0, low = 0, high, count;
	size_t i, buckets = json_array_size(now);

	for (i = 0; i < buckets; i++)
		all += count_bucket(before, now, i);
	for (i = 0; all > 0 && i < buckets; i++) {
		high = sp_int_in(json_array_get(now, i), "end_us") ?: 2 * low;
		count = count_bucket(before, now, i);
		if (count > 0 && seen + count >= all * share)
			return low + (high - low) * (all * share - seen) / count;
		seen += count;
		low = high;
	}
	return -1;
}

void sp_rates_take(struct sp_rates *r, const json_t *before, const json_t *now, unsigned int us)
{
	*r = (struct sp_rates){ .before = before, .now = now, .seconds = us / 1e6,
				.p50_us = -1, .p99_us = -1 };
	if (sp_int_in(status_of(before), "pid") != sp_int_in(status_of(now), "pid")) {
		r->before = now;
		return;
	}
	r->requests = (count_requests(now) - count_requests(before)) / r->seconds;
	r->bytes = (counter_of(now, "spliced_bytes") - counter_of(before, "spliced_bytes")) /
		r->seconds;
	r->lost = (count_lost(now) - count_lost(before)) / r->seconds;
	r->p50_us = find_percentile(connects_of(before), connects_of(now), 0.5);
	r->p99_us = find_percentile(connects_of(before), connects_of(now), 0.99);
}

/* ---- services ---- */

static const json_t *traffic_of(const json_t *overview, const char *name)
{
	const json_t *service;
	size_t i;

	json_array_foreach(json_object_get(status_of(overview), "services"), i, service)
		if (!strcmp(sp_text_in(service, "name"), name))
			return json_object_get(service, "traffic");
	return NULL;
}

/* Requests, or connections of a service whose requests are not read. */
static json_int_t count_served(const json_t *traffic)
{
	json_t *codes = json_object_get(traffic, "requests"), *number;
	json_int_t served = sp_int_in(traffic, "connections");
	const char *code;

	json_object_foreach(codes, code, number)
		served += json_integer_value(number);
	return served;
}

static json_int_t count_bytes(const json_t *traffic)
{
	return sp_int_in(traffic, "bytes_in") + sp_int_in(traffic, "bytes_out");
}

int sp_rates_of_service(const struct sp_rates *r, const char *name,
			struct sp_service_rates *ret_rates)
{
	const json_t *before = traffic_of(r->before, name), *now = traffic_of(r->now, name),
		*first_before = json_object_get(json_object_get(before, "first_byte"), "buckets"),
		*first_now = json_object_get(json_object_get(now, "first_byte"), "buckets");

	if (!json_is_object(now))
		return -ENOENT;
	*ret_rates = (struct sp_service_rates){
		.served = (count_served(now) - count_served(before)) / r->seconds,
		.bytes = (count_bytes(now) - count_bytes(before)) / r->seconds,
		.p50_us = find_percentile(first_before, first_now, 0.5),
		.p99_us = find_percentile(first_before, first_now, 0.99),
	};
	return 0;
}

/* ---- backends ---- */

static json_int_t count_connects(const json_t *overview, const char *name)
{
	const json_t *pool, *b, *pools = json_object_get(status_of(overview), "pools");
	size_t i, k, len;

	json_array_foreach(pools, i, pool) {
		len = strlen(sp_text_in(pool, "name"));
		if (strncmp(name, sp_text_in(pool, "name"), len) || name[len] != '/')
			continue;
		json_array_foreach(json_object_get(pool, "backends"), k, b)
			if (!strcmp(name + len + 1, sp_text_in(b, "name")))
				return sp_int_in(b, "connections");
	}
	return 0;
}

double sp_rates_of_backend(const struct sp_rates *r, const char *name)
{
	json_int_t before = count_connects(r->before, name);

	return (count_connects(r->now, name) - before) / r->seconds;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* report_traffic.c - see report_traffic.h */
#include "node/report_traffic.h"

json_t *sp_report_histogram(const struct sp_histogram *h)
{
	json_t *buckets = json_array();

	for (unsigned int i = 0; i < SP_HISTOGRAM_BUCKETS; i++) {
		__u32 end_us = sp_histogram_end_us(i);

		json_array_append_new(buckets, json_pack("{s:o, s:I}", "end_us", end_us ?
							 json_integer(end_us) : json_null(),
							 "count", (json_int_t)h->counts[i]));
	}
	return json_pack("{s:I, s:o}", "sum_us", (json_int_t)(h->sum_ns / 1000), "buckets",
			 buckets);
}

static json_t *list_codes(const struct sp_served *s)
{
	static const char *const names[SP_TRAFFIC_CODES] = { "unknown", "1xx", "2xx", "3xx", "4xx",
							     "5xx" };
	json_t *codes = json_object();

	for (unsigned int i = 0; i < SP_TRAFFIC_CODES; i++)
		json_object_set_new(codes, names[i], json_integer(s->requests[i]));
	return codes;
}

/* Of connections alone, durations are not known. */
json_t *sp_report_traffic(const struct sp_traffic *traffic, const struct sp_service_conf *service)
{
	static const struct sp_served nothing;
	const struct sp_served *s = sp_traffic_find(traffic, service->name) ?: &nothing;
	json_t *o;

	if (!service->access.to)
		return json_null();
	o = json_pack("{s:I, s:I}", "bytes_in", (json_int_t)s->bytes_in, "bytes_out",
		      (json_int_t)s->bytes_out);
	if (service->route_unit == SP_ROUTE_CONNECTION) {
		json_object_set_new(o, "connections", json_integer(s->connections));
		return o;
	}
	json_object_set_new(o, "requests", list_codes(s));
	json_object_set_new(o, "first_byte", sp_report_histogram(&s->first_byte));
	json_object_set_new(o, "duration", sp_report_histogram(&s->duration));
	return o;
}

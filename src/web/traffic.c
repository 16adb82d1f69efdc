// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* traffic.c - see traffic.h */
#include "web/traffic.h"

#include "web/sample.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

/* @key: in the traffic of a service */
struct family {
	const char	*name, *type, *key, *help;
	void		(*print)(FILE *out, const struct family *family, const char *service,
				 const json_t *value);
};

static void print_total(FILE *out, const struct family *f, const char *service,
			const json_t *value)
{
	sp_sample_print(out, f->name, SP_LABELS("service", service), json_number_value(value));
}

static void print_codes(FILE *out, const struct family *f, const char *service,
			const json_t *value)
{
	json_t *codes = (json_t *)value, *count;
	const char *code;

	json_object_foreach(codes, code, count)
		sp_sample_print(out, f->name, SP_LABELS("service", service, "code", code),
				json_number_value(count));
}

static void print_buckets(FILE *out, const struct family *f, const char *service,
			  const json_t *value)
{
	sp_histogram_print(out, f->name, value, service);
}

static const struct family traffic_families[] = {
	{ "spliced_service_requests_total", "counter", "requests",
	  "Requests that have ended, by the first digit of their status.", print_codes },
	{ "spliced_service_ended_connections_total", "counter", "connections",
	  "Connections that have ended, of a service whose requests are not read.", print_total },
	{ "spliced_service_received_bytes_total", "counter", "bytes_in",
	  "Bytes from clients, in requests and connections that have ended.", print_total },
	{ "spliced_service_sent_bytes_total", "counter", "bytes_out",
	  "Bytes to clients, in requests and connections that have ended.", print_total },
	{ "spliced_service_first_byte_seconds", "histogram", "first_byte",
	  "Time from a request until the first byte of its response.", print_buckets },
	{ "spliced_service_request_duration_seconds", "histogram", "duration",
	  "Time from a request until the last byte of its response.", print_buckets },
};

void sp_traffic_print(const json_t *services, FILE *out)
{
	const json_t *service;
	size_t k;

	for (size_t i = 0; i < COUNT(traffic_families); i++) {
		const struct family *f = &traffic_families[i];
		int has_head = 0;

		json_array_foreach(services, k, service) {
			const json_t *value = json_object_get(json_object_get(service, "traffic"),
							      f->key);

			if (!value)
				continue;
			if (!has_head++)
				sp_family_print(out, f->name, f->type, f->help);
			f->print(out, f, sp_text_of(service, "name"), value);
		}
	}
}

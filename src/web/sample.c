// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* sample.c - see sample.h */
#include "web/sample.h"

#define US_PER_S	1e6

void sp_family_print(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_value(FILE *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
}

void sp_sample_print(FILE *out, const char *name, const struct sp_labels *labels, double value)
{
	const char *separator = "{";

	fputs(name, out);
	for (const char *const *pair = labels->pairs; *pair; pair += 2) {
		fprintf(out, "%s%s=\"", separator, pair[0]);
		print_value(out, pair[1] ?: "");
		fputc('"', out);
		separator = ",";
	}
	/* as many digits as a double has for whole numbers */
	fprintf(out, "%s %.16g\n", *separator == ',' ? "}" : "", value);
}

static void print_part(FILE *out, const char *name, const char *suffix, const char *service,
		       const char *le, double value)
{
	struct sp_labels labels = { 0 };
	char whole[96];
	int n = 0;

	if (service) {
		labels.pairs[n++] = "service";
		labels.pairs[n++] = service;
	}
	if (le) {
		labels.pairs[n++] = "le";
		labels.pairs[n++] = le;
	}
	snprintf(whole, sizeof(whole), "%s%s", name, suffix);
	sp_sample_print(out, whole, &labels, value);
}

void sp_histogram_print(FILE *out, const char *name, const json_t *histogram, const char *service)
{
	const json_t *bucket;
	double count = 0;
	char end[32];
	size_t i;

	json_array_foreach(json_object_get(histogram, "buckets"), i, bucket) {
		double end_us = sp_number_of(bucket, "end_us");

		count += sp_number_of(bucket, "count");
		snprintf(end, sizeof(end), "%g", end_us / US_PER_S);
		print_part(out, name, "_bucket", service, end_us ? end : "+Inf", count);
	}
	print_part(out, name, "_sum", service, NULL, sp_number_of(histogram, "sum_us") / US_PER_S);
	print_part(out, name, "_count", service, NULL, count);
}

void sp_gauge_print(FILE *out, const char *name, const char *help, double value)
{
	sp_family_print(out, name, "gauge", help);
	sp_sample_print(out, name, SP_NO_LABELS, value);
}

double sp_number_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
}

const char *sp_text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

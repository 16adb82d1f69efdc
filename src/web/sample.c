// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* sample.c - see sample.h */
#include "web/sample.h"

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

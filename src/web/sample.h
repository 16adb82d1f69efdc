/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sample.h - families of metrics and their samples, in Prometheus' text format */
#ifndef SP_WEB_SAMPLE_H
#define SP_WEB_SAMPLE_H

#include <jansson.h>
#include <stdio.h>

#define SP_SAMPLE_LABELS_MAX	4

/* Labels of a sample: names and values by turns, NULL at the end. A value of NULL is empty. */
struct sp_labels {
	const char	*pairs[2 * SP_SAMPLE_LABELS_MAX + 1];
};

#define SP_LABELS(...)	(&(struct sp_labels){ .pairs = { __VA_ARGS__ } })
#define SP_NO_LABELS	(&(struct sp_labels){ .pairs = { NULL } })

/* Head of a family; all its samples follow. @type: "gauge", "counter" or "histogram" */
void sp_family_print(FILE *out, const char *name, const char *type, const char *help);
void sp_sample_print(FILE *out, const char *name, const struct sp_labels *labels, double value);

/*
 * Samples of a histogram in JSON: the daemon's buckets do not count shorter durations, Prometheus'
 * do. @service: the value of a label; NULL: without
 */
void sp_histogram_print(FILE *out, const char *name, const json_t *histogram, const char *service);

/* A family of one sample. */
void sp_gauge_print(FILE *out, const char *name, const char *help, double value);

/* A member of an object as a number; true is 1, and all that is no number 0. */
double sp_number_of(const json_t *object, const char *key);
/* A member of an object as a text; "": absent. */
const char *sp_text_of(const json_t *object, const char *key);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* metrics.h - the daemon's overview as text for Prometheus. No I/O but the stream. */
#ifndef SP_WEB_METRICS_H
#define SP_WEB_METRICS_H

#include <jansson.h>
#include <stdio.h>

#define SP_METRICS_TYPE	"text/plain; version=0.0.4; charset=utf-8"

/* @overview: the answer to "overview"; NULL: the daemon is away, and `spliced_up` is 0 */
void sp_metrics_print(const json_t *overview, FILE *out);

#endif

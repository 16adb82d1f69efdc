/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* counters.h - the daemon's counters as families of metrics; a family for each kind */
#ifndef SP_WEB_COUNTERS_H
#define SP_WEB_COUNTERS_H

#include <jansson.h>
#include <stdio.h>

/* @counters: name and number; @prefix: of each family's name */
void sp_counters_print(const json_t *counters, const char *prefix, FILE *out);

#endif

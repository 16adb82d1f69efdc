/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * print_cluster.h - what a cluster is worth, for people and for programs. Read by src/plan/ and
 * its tests.
 */
#ifndef SP_PLAN_PRINT_CLUSTER_H
#define SP_PLAN_PRINT_CLUSTER_H

#include <jansson.h>
#include <stdio.h>

#include "cluster.h"
#include "improve.h"

/* All that is known of one. */
struct sp_cluster_result {
	struct sp_plan_cluster	cluster;
	struct sp_plan_worth	worth;
	struct sp_plan_worth	vrrp;
	struct sp_improvement	improvement[SP_IMPROVEMENTS];
};

void sp_print_cluster(const struct sp_cluster_result *result, FILE *out);

/* Owned by the caller. */
json_t *sp_json_cluster(const struct sp_cluster_result *result);

#define SP_TEXT_MAX 32

/* "150 ms", "2 min", "4 h": three digits. */
const char *sp_text_hours(double hours, char text[SP_TEXT_MAX]);

/* "99.9995 %": two digits of what is missing to 100. */
const char *sp_text_available(double lost, char text[SP_TEXT_MAX]);

#endif

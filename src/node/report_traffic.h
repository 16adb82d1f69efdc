/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report_traffic.h - histograms, and the traffic of services, as JSON for report.c */
#ifndef SP_NODE_REPORT_TRAFFIC_H
#define SP_NODE_REPORT_TRAFFIC_H

#include <jansson.h>

#include "node/traffic.h"

json_t *sp_report_histogram(const struct sp_histogram *histogram);
/* Of a service; null: no records are made of it. */
json_t *sp_report_traffic(const struct sp_traffic *traffic, const struct sp_service_conf *service);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* traffic.h - requests, bytes and durations of services, as metrics */
#ifndef SP_WEB_TRAFFIC_H
#define SP_WEB_TRAFFIC_H

#include <jansson.h>
#include <stdio.h>

/* @services: of "status". A service without an access log has none. */
void sp_traffic_print(const json_t *services, FILE *out);

#endif

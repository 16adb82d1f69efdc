/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * report_mode.h - services and the modes of their backends, as JSON. For report.c. The caller owns
 * the results.
 */
#ifndef SP_NODE_REPORT_MODE_H
#define SP_NODE_REPORT_MODE_H

#include <jansson.h>

#include "node/role.h"

/* Services; the connections of limited services, the traffic of services with a log. */
json_t *sp_report_services(const struct sp_node *node);
/* The modes of all services that use a pool: bits 1 << enum sp_mode. */
unsigned int sp_report_wanted(const struct sp_config *config, size_t pool_idx);
/*
 * For each wanted mode, the mode in effect at @backend: {mode, reason}. @agent: the backend's, or
 * NULL
 */
json_t *sp_report_modes(unsigned int wanted, const struct sp_pool_conf *pool,
			const struct sp_member *agent, const struct sp_endpoint *backend);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report_mode.h - services, their modes, and what their backends get of them, as JSON. Only for report.c. */
#ifndef SP_NODE_REPORT_MODE_H
#define SP_NODE_REPORT_MODE_H

#include <jansson.h>

#include "node/role.h"

json_t *sp_report_services(const struct sp_config *config);
/* The modes of all services that reach a pool: bits 1 << enum sp_mode. */
unsigned int sp_report_wanted(const struct sp_config *config, size_t pool_idx);
/* For each of those, what is in effect at a backend: {mode, reason}. @agent: there, or NULL */
json_t *sp_report_modes(unsigned int wanted, const struct sp_pool_conf *pool, const struct sp_member *agent,
			const struct sp_endpoint *backend);

#endif

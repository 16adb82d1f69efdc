/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report_warnings.h - the warnings, as JSON. For report.c. The caller owns the results. */
#ifndef SP_NODE_REPORT_WARNINGS_H
#define SP_NODE_REPORT_WARNINGS_H

#include <jansson.h>

#include "node/role.h"

/*
 * A list of {kind, object, text, remedy, since}; since: seconds of CLOCK_REALTIME, null if not
 * known.
 */
json_t *sp_report_warnings(struct sp_node *node);

/* The texts of @details alone. */
json_t *sp_report_warning_texts(const json_t *details);

#endif

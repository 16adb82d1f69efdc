/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report_events.h - the last lines of the log, as the answer to "events" */
#ifndef SP_NODE_REPORT_EVENTS_H
#define SP_NODE_REPORT_EVENTS_H

#include <jansson.h>

#include "abi/ktypes.h"

/* Lines behind @since, at most the last @max. Operation of struct sp_control_ops. */
json_t *sp_report_events(void *ctx, __u64 since, __u64 max);

#endif

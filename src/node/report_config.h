/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report_config.h - the configuration in effect, what a file would change, and a reload. */
#ifndef SP_NODE_REPORT_CONFIG_H
#define SP_NODE_REPORT_CONFIG_H

#include "node/report.h"

/* Begin to read the file again. Return: a ticket, see node/loader.h. */
__u64 sp_report_reload(void *ctx);
/* The end: use @next, taken over, or log @reason for @err. Return: the answer to "reload". */
json_t *sp_report_reloaded(struct sp_report *report, int err, const char *reason,
			   struct sp_config *next);

/* Operation of struct sp_control_ops. */
__u64 sp_report_config(void *ctx, const char *file);

#endif

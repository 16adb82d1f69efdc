/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report_config.h - the configuration in effect, what a file would change, and a reload. */
#ifndef SP_NODE_REPORT_CONFIG_H
#define SP_NODE_REPORT_CONFIG_H

#include "node/report.h"

/* Read the file again and use it. Return: ms, or -errno, logged; then @error has the reason. */
int sp_report_reload(struct sp_report *report, char error[SP_CONFIG_ERROR_MAX]);

/* The answers of struct sp_control_ops. */
json_t *sp_report_reloaded(void *ctx);
json_t *sp_report_config(void *ctx, const char *file);

#endif

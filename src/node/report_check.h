/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report_check.h - results of checks, as JSON. For report.c. The caller owns the results. */
#ifndef SP_NODE_REPORT_CHECK_H
#define SP_NODE_REPORT_CHECK_H

#include <jansson.h>

#include "node/checker.h"

/* Of a backend; null in a pool without checks. @backend: NULL during a reload */
json_t *sp_report_check(const struct sp_pool_conf *pool, const struct sp_backend *backend,
			__u64 now_ns);
/* Of spliced-check. */
json_t *sp_report_checker(const struct sp_checker *checker);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report.h - what the control socket shows of the daemon. */
#ifndef SP_NODE_REPORT_H
#define SP_NODE_REPORT_H

#include "control/control.h"
#include "node/role.h"
#include "splice/splice.h"

/*
 * All borrowed. @is_draining: asked to leave; for as long as the daemon lives, whatever is reloaded. @detached: an
 * interface without our program, see sp_attach_check()
 */
struct sp_report {
	struct sp_node		*node;
	const char		*config_path;
	__u64			start_ns;
	int			is_draining;
	const char		*detached;
};

/* Tell the other proxies whether this one is ready: now and then. */
void sp_report_tell(const struct sp_report *report);

/* With a struct sp_report as context. */
extern const struct sp_control_ops sp_report_ops;

#endif

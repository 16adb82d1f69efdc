/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report.h - the daemon's state for the control socket, as JSON. Context: event loop. */
#ifndef SP_NODE_REPORT_H
#define SP_NODE_REPORT_H

#include "control/control.h"
#include "node/checker.h"
#include "node/role.h"
#include "splice/splice.h"

/*
 * All borrowed. @start_ns: CLOCK_BOOTTIME. @is_draining: by splicectl drain-self, kept by reloads.
 * @detached: an interface without our program, see sp_attach_check(); NULL: none
 * @checker: NULL: an agent's. @control: gets the answers to reloads and prints
 * @print_ticket: of the last print of a configuration; @prints: under way
 */
struct sp_report {
	struct sp_node		*node;
	const char		*config_path;
	__u64			start_ns;
	int			is_draining;
	const char		*detached;
	struct sp_checker	*checker;
	struct sp_worker	*worker;
	struct sp_loader	*loader;
	__u64			reload_ns;
	struct sp_control_server *control;
	__u64			print_ticket;
	unsigned int		prints;
};

/* Tell all members whether this proxy is ready, at each heartbeat. */
void sp_report_send_state(const struct sp_report *report);

/* Context of the operations: a struct sp_report. */
extern const struct sp_control_ops sp_report_ops;

#endif

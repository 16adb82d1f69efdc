/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * resets.h - `on_down: reset`: connections of a backend that went down get an RST at both ends.
 * Context: event loop.
 */
#ifndef SP_NODE_RESETS_H
#define SP_NODE_RESETS_H

#include "node/role.h"

/*
 * Theory of operation. The backend is marked when it goes down. Walks over the table of splices
 * reset the splices of marked backends: a walk at once, and another 1 s later, since connections to
 * the backend may have been under way. A tick looks at some thousand halves, so that packets do
 * not wait.
 *
 * @at_ns: of the next walk; @cursor: of the walk under way
 */
struct sp_resets {
	int	is_walking, is_first;
	__u32	cursor;
	__u64	at_ns;
};

/* Call it each SP_TICK_MS. @node: of a role with backends */
void sp_resets_tick(struct sp_resets *resets, struct sp_node *node, __u64 now_ns);

#endif

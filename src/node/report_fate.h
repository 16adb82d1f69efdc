/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report_fate.h - the fate of a packet that left the fast path, as the control socket names it. */
#ifndef SP_NODE_REPORT_FATE_H
#define SP_NODE_REPORT_FATE_H

#include "abi/drop.h"

#define SP_REPORT_FATE_STRLEN 32

/* The fate in @buf, which is returned. If an agent's two programs differ, both fates are named. */
const char *sp_report_fate(enum sp_drop reason, int is_agent, char buf[SP_REPORT_FATE_STRLEN]);

#endif

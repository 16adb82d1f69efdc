// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "node/report_fate.h"

#include <stdio.h>

static const char *const names[SP_FATE_COUNT] = {
#define X(up, low) [SP_FATE_##up] = #low,
	SP_FATES(X)
#undef X
};

const char *sp_report_fate(enum sp_drop reason, int is_agent, char buf[SP_REPORT_FATE_STRLEN])
{
	enum sp_fate out = sp_drop_fate(is_agent ? SP_DROP_AT_AGENT_OUT : SP_DROP_AT_PROXY, reason);
	enum sp_fate in = is_agent ? sp_drop_fate(SP_DROP_AT_AGENT_IN, reason) : out;

	if (out && in && out != in)
		snprintf(buf, SP_REPORT_FATE_STRLEN, "%s out, %s in", names[out], names[in]);
	else
		snprintf(buf, SP_REPORT_FATE_STRLEN, "%s", names[out ? out : in]);
	return buf;
}

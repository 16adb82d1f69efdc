// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mode.c - see mode.h */
#include "node/mode.h"

#include <stdlib.h>

#include "abi/half.h"

enum sp_mode sp_mode_choose(enum sp_mode wanted, const struct sp_pool_conf *pool,
			    const struct sp_member *agent, enum sp_mode_reason obstacle,
			    enum sp_mode_reason *ret_reason)
{
	*ret_reason = SP_MODE_AS_ASKED;
	if (wanted == SP_MODE_WHOLE)
		return SP_MODE_WHOLE;
	if (!agent) {
		*ret_reason = SP_MODE_NO_AGENT;
		return SP_MODE_WHOLE;
	}
	if (wanted != SP_MODE_SPLIT) {
		if (pool->source == SP_SOURCE_CLIENT)
			*ret_reason = SP_MODE_SOURCE_CLIENT;
		else if (!(agent->can & SP_CAN_ADOPT))
			*ret_reason = SP_MODE_AGENT_LACKS_ADOPT;
		else if (obstacle)
			*ret_reason = obstacle;
		else
			return SP_MODE_ADOPT;
	}
	if (agent->can & SP_CAN_SPLIT)
		return SP_MODE_SPLIT;
	*ret_reason = SP_MODE_AGENT_LACKS_SPLIT;
	return SP_MODE_WHOLE;
}

static int adopts_at(const struct sp_member *agent, const struct sp_endpoint *at)
{
	for (unsigned int i = 0; i < agent->owned_count; i++)
		if (!sp_endpoint_compare(&agent->owned[i], at))
			return agent->adopts >> i & 1;
	return 0;
}

enum sp_mode_reason sp_mode_obstacle_at(const struct sp_member *agent,
					const struct sp_endpoint *backend)
{
	if (!agent)
		return SP_MODE_AS_ASKED;
	if (llabs(agent->ahead_ms) >= SP_CLOCK_OFF_MS)
		return SP_MODE_CLOCK_OFF;
	if (adopts_at(agent, backend))
		return SP_MODE_AS_ASKED;
	return agent->can & SP_CAN_NOT_ALL ? SP_MODE_FILTERED : SP_MODE_NO_LISTENER;
}

__u8 sp_mode_flags(enum sp_mode mode)
{
	static const __u8 flags[SP_MODE_COUNT] = {
		[SP_MODE_SPLIT] = SP_HALF_F_SPLIT,
		[SP_MODE_ADOPT] = SP_HALF_F_SPLIT | SP_HALF_F_ADOPTED,
	};

	return flags[mode];
}

const char *sp_mode_name(enum sp_mode mode)
{
	static const char *const names[] = {
#define X(up, low) [SP_MODE_##up] = #low,
		SP_MODES(X)
#undef X
		[SP_MODE_AUTO] = "auto",
	};

	return names[mode];
}

const char *sp_mode_reason_name(enum sp_mode_reason reason)
{
	static const char *const names[SP_MODE_REASON_COUNT] = {
#define X(up, low, why) [SP_MODE_##up] = #low,
		SP_MODE_REASONS(X)
#undef X
	};

	return names[reason];
}

const char *sp_mode_reason_text(enum sp_mode_reason reason)
{
	static const char *const texts[SP_MODE_REASON_COUNT] = {
#define X(up, low, why) [SP_MODE_##up] = (why),
		SP_MODE_REASONS(X)
#undef X
	};

	return texts[reason];
}

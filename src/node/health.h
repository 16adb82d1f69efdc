/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * health.h - a backend's state by its checks: `rise` and `fall`. No I/O, no clock: times are passed
 * in, in ns.
 */
#ifndef SP_NODE_HEALTH_H
#define SP_NODE_HEALTH_H

#include "abi/ktypes.h"

#define SP_HEALTH_REASON_MAX	96	/* a longer reason is cut */

/*
 * Theory of operation, as in HAProxy
 *
 *	UP -> DOWN	`fall` checks in a row have failed; the very first check is enough
 *	DOWN -> UP	`rise` checks in a row have passed
 *
 * A backend is up until its first check, so a daemon without a checker serves as one without
 * checks. No result changes nothing: a checker that has died leaves the last state.
 */

/**
 * struct sp_health - state by checks
 * @is_known:	a check has ended
 * @streak:	results in a row that contradict @is_down
 * @took_ms:	duration of the last check
 * @passed, @failed: results since the daemon's start, or since the backend was added
 * @changes:	between up and down
 * @checked_ns, @changed_ns: times of the last result and of the last change; 0: none
 * @reason:	of the last failure, or the status of the last success
 */
struct sp_health {
	__u8	is_down;
	__u8	is_known;
	__u32	streak;
	__u32	took_ms;
	__u64	passed;
	__u64	failed;
	__u64	changes;
	__u64	checked_ns;
	__u64	changed_ns;
	char	reason[SP_HEALTH_REASON_MAX];
};

/* @reason: copied */
struct sp_health_result {
	int		is_passed;
	__u32		took_ms;
	const char	*reason;
};

/* Return: whether the state has changed. */
int sp_health_add(struct sp_health *health, const struct sp_health_result *result,
		  unsigned int rise, unsigned int fall, __u64 now_ns);

#endif

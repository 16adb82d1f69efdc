/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* source.h - the daemon's overview, asked for at most once a second. Context: one thread. */
#ifndef SP_WEB_SOURCE_H
#define SP_WEB_SOURCE_H

#include <stddef.h>

#include "abi/ktypes.h"

#define SP_SOURCE_ERROR_MAX	192

/**
 * struct sp_source - the answer of the daemon, for all clients of a second
 * @path:	of the control socket (borrowed)
 * @taken_ns:	sp_exact_ns() of the last answer; 0: none so far
 * @took_ns:	time until that answer
 * @json, @json_len: body of /api/status
 * @metrics, @metrics_len: body of /metrics
 * @is_up:	the daemon has answered
 * @error:	otherwise: the reason
 */
struct sp_source {
	const char	*path;
	__u64		taken_ns, took_ns;
	char		*json;
	size_t		json_len;
	char		*metrics;
	size_t		metrics_len;
	int		is_up;
	char		error[SP_SOURCE_ERROR_MAX];
};

/*
 * Ask the daemon again if a second has passed, and ten times the time that its last answer took.
 * Return: 0 or -ENOMEM.
 */
int sp_source_refresh(struct sp_source *source);
void sp_source_fini(struct sp_source *source);

#endif

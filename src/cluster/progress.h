/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* progress.h - how far a response is, as proxies tell each other. */
#ifndef SP_CLUSTER_PROGRESS_H
#define SP_CLUSTER_PROGRESS_H

#include "abi/half.h"

/**
 * struct sp_progress
 * @front, @client_isn, @version: of the splice
 * @response:	boundary of the half from the backend: sp_response_stored()
 * @sent:	the end of the backend's stream as carried, as the backend counts; 0: not known
 * @acked:	by the client, likewise
 * @is_query:	the three are asked for
 */
struct sp_progress {
	struct sp_tuple		front;
	__u32			client_isn;
	__u32			version;
	struct sp_boundary	response;
	__u32			sent;
	__u32			acked;
	__u8			is_query;
};

#endif

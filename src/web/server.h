/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* server.h - the HTTP server: /, /api/status and /metrics, for GET and HEAD */
#ifndef SP_WEB_SERVER_H
#define SP_WEB_SERVER_H

#include "web/source.h"

#define SP_SERVER_CONNECTIONS_MAX	64
#define SP_SERVER_HEAD_MAX		16384	/* memory of a connection: its head, and ours */
#define SP_SERVER_TIMEOUT_S		10

struct MHD_Daemon;

/**
 * sp_server_start() - serve in a thread of its own
 * @fd:		listening socket; taken over, also on failure
 * @source:	borrowed; belongs to that thread until the end
 * Return: 0; -EIO.
 */
int sp_server_start(int fd, struct sp_source *source, struct MHD_Daemon **ret_server);
void sp_server_stop(struct MHD_Daemon *server);

#endif

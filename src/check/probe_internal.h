/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* probe_internal.h - between probe.c and prober.c */
#ifndef SP_CHECK_PROBE_INTERNAL_H
#define SP_CHECK_PROBE_INTERNAL_H

#include <curl/curl.h>

#include "check/probe.h"

#define SP_PROBE_TEXT_MAX	256	/* of the text that a body is searched for */

/**
 * struct sp_prober - all runs
 * @sockets:	an epoll of all that libcurl waits for
 * @probe_count: under way, or between two runs
 */
struct sp_prober {
	uv_loop_t	*loop;
	uv_timer_t	timer;
	uv_poll_t	poll;
	int		sockets;
	CURLM		*multi;
	sp_probe_done	done;
	void		*ctx;
	unsigned int	port_first, port_last, port_next;
	unsigned int	probe_count;
};

/**
 * struct sp_run - a run under way
 * @fd:		its socket
 * @is_connected: the handshake of TCP is complete
 * @is_enough:	the response decides already, and we hang up
 * @has_head:	the head of the response is complete
 * @has_text:	the text of `body` was found
 * @body_bytes:	of the response so far
 * @open_err:	errno of making the socket, or 0
 * @tail:	last bytes of the body, fewer by a byte than the text has
 */
struct sp_run {
	unsigned int	tries;
	curl_socket_t	fd;
	int		is_connected, is_enough, has_head, has_text;
	size_t		body_bytes, tail_len;
	int		open_err;
	char		tail[SP_PROBE_TEXT_MAX];
};

/**
 * struct sp_probe - a check, as libcurl knows it: its settings cost as much as a run
 * @easy:	has all settings
 * @made_ms:	time of @easy, of the loop
 */
struct sp_probe {
	struct sp_prober	*prober;
	struct sp_check		*check;
	CURL			*easy;
	struct curl_slist	*headers, *connect_to;
	uint64_t		made_ms;
	int			is_running;
	struct sp_run		run;
	char			error[CURL_ERROR_SIZE];
};

/* prober.c: CURLOPT_OPENSOCKETFUNCTION, of a struct sp_probe. */
curl_socket_t sp_prober_open_socket(void *probe, curlsocktype purpose, struct curl_sockaddr *at);
/* probe.c: libcurl has ended the run. */
void sp_probe_end(struct sp_probe *probe, CURLcode code);

#endif

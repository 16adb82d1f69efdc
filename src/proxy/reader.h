/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * reader.h - the reader of a connection's requests: the proxy with the source address of the leg,
 * where the backend's packets come; after the reader's death the home
 */
#ifndef SP_PROXY_READER_H
#define SP_PROXY_READER_H

#include "proxy/proxy.h"

/* @up: the half from the client. Segments sent here by other proxies are read here. */
int sp_reader_is_here(const struct sp_proxy *p, const struct sp_tuple *front,
		      const struct sp_half *up);
/* Send a segment to the reader. @kind: MISS, or BACK of a backend's segment. */
void sp_reader_send(struct sp_proxy *p, const struct sp_tuple *front, const struct sp_half *up,
		    enum sp_event_kind kind, const struct sp_segment *seg);

#endif

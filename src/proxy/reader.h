/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * reader.h - the proxy that reads the requests of a connection: the one that has opened its leg, as
 * the leg's packets come there; after its death the home
 */
#ifndef SP_PROXY_READER_H
#define SP_PROXY_READER_H

#include "proxy/proxy.h"

/* @up: the half from the client. A segment that another proxy has sent here is read here. */
int sp_reader_is_here(const struct sp_proxy *p, const struct sp_tuple *front,
		      const struct sp_half *up);
/* Send a segment to the reader. @kind: MISS, or BACK of a backend's segment. */
void sp_reader_send(struct sp_proxy *p, const struct sp_tuple *front, const struct sp_half *up,
		    enum sp_event_kind kind, const struct sp_segment *seg);

#endif

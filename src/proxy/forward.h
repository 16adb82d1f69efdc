/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* forward.h - segments forwarded by the daemon in place of the datapath, and resets. */
#ifndef SP_PROXY_FORWARD_H
#define SP_PROXY_FORWARD_H

#include "proxy/proxy.h"

/*
 * Send a segment through a half of the splice with this client ISN. The datapath does not see the
 * segment, so the splice is updated here: by a FIN that fits, and by an RST that the datapath would
 * count. @mss: bytes of payload in a packet
 */
void sp_forward(struct sp_proxy *p, const struct sp_half *half, __u32 client_isn,
		const struct sp_segment *seg,
		__u16 mss);

/* The same through a half of the table, installed while @seg was on its way to the daemon. */
void sp_forward_overtaken(struct sp_proxy *p, const struct sp_entry *e,
			  const struct sp_segment *seg);

/* Answer by RST (RFC 9293, 3.10.7.1), unless @seg is an RST, or acknowledges no byte. */
void sp_forward_reset(struct sp_proxy *p, const struct sp_segment *seg);

#endif

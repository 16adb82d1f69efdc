/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* probe.h - a keepalive probe for an end of a splice. The wire counts unsent segments. */
#ifndef SP_NODE_PROBE_H
#define SP_NODE_PROBE_H

#include "abi/half.h"
#include "tcp/wire.h"

/**
 * sp_probe_send() - make a living end answer
 * @to:		the half that carries packets to the end
 * @seq, @ack:	as that half's packets have them; @seq is behind the end's acknowledgement by one
 *
 * A segment in front of the window is answered with an ACK (RFC 9293, 3.10.7.4). A segment with an
 * old timestamp is dropped, by a BSD without an ACK. The end's last timestamp is not known here, so
 * a second probe has a timestamp from the opposite half of the circle: one of the two is new. No
 * end keeps the timestamp of a segment in front of its window (RFC 7323, 4.3).
 */
void sp_probe_send(struct sp_wire *wire, const struct sp_entry *to, __u32 seq, __u32 ack);

#endif

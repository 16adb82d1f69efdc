/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * net.h - the wires and routers between clients, proxies and backends: they lose, double, delay and
 * reorder packets.
 */
#ifndef SP_SIM_NET_H
#define SP_SIM_NET_H

#include "abi/tuple.h"
#include "tcp/segment.h"

/*
 * How routers share out what goes to a service: one proxy for each connection, or any for each
 * packet.
 */
enum sim_way { SIM_WAY_FLOW, SIM_WAY_SPRAY };

/*
 * @loss, @twice: packets of thousand; @jitter_ns: the most that one may be later than the one
 *		before it
 */
struct sim_net {
	enum sim_way	way;
	unsigned int	loss, twice;
	__u64		jitter_ns;
};
extern struct sim_net sim_net;

#define SIM_VIP		"192.0.2.1"
#define SIM_VIP_PORT	80

/* An IP packet on its way to whoever has its destination address. */
void sim_net_send(const void *packet, unsigned int len);
void sim_net_send_segment(const struct sp_segment *seg);

/*
 * An IP packet as a segment, which borrows from @packet. Return: 0; -EBADMSG: not whole, or its
 * checksum is wrong.
 */
int sim_net_parse(const void *packet, unsigned int len, struct sp_segment *ret_seg);
#define SIM_SEGMENT_STRLEN 256
/* "1.2.3.4:5 > 6.7.8.9:10 SPA 1:2 ack 3", into @buf of that many bytes. */
const char *sim_net_format(const struct sp_segment *seg, char *buf);

#endif

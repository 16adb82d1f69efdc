/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * net.h - wires and routers between clients, proxies and backends: loss, duplicates, delay,
 * reordering.
 */
#ifndef SP_SIM_NET_H
#define SP_SIM_NET_H

#include "abi/tuple.h"
#include "tcp/segment.h"

/*
 * Routers' way of sharing packets to a service: a fixed proxy per connection, or any proxy per
 * packet; BOTH: so are packets of backends.
 */
enum sim_way { SIM_WAY_FLOW, SIM_WAY_SPRAY, SIM_WAY_SPRAY_BOTH };

/*
 * @loss, @twice: packets of 1000; @jitter_ns: the longest extra delay of a packet
 * @middle:	in the place of proxies; NULL: proxies
 */
struct sim_net {
	enum sim_way	way;
	unsigned int	loss, twice;
	__u64		jitter_ns;
	void		(*middle)(const struct sp_segment *seg);
};
extern struct sim_net sim_net;

#define SIM_VIP		"192.0.2.1"
#define SIM_VIP_PORT	80

/* Send an IP packet to the host with its destination address. */
void sim_net_send(const void *packet, unsigned int len);
void sim_net_send_segment(const struct sp_segment *seg);

/*
 * Parse an IP packet into a segment, which borrows from @packet. Return: 0; -EBADMSG: incomplete,
 * or wrong checksum.
 */
int sim_net_parse(const void *packet, unsigned int len, struct sp_segment *ret_seg);
#define SIM_SEGMENT_STRLEN 256
/* Format as "1.2.3.4:5 > 6.7.8.9:10 SPA 1:2 ack 3" into @buf of SIM_SEGMENT_STRLEN bytes. */
const char *sim_net_format(const struct sp_segment *seg, char *buf);

#endif

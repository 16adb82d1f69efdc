// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "net.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/ip.h>
#include <linux/tcp.h>

#include "abi/event.h"
#include "base/addr.h"
#include "base/hash.h"
#include "machine.h"
#include "peers.h"
#include "world.h"

#define WIRE_NS (100 * 1000ULL)

struct sim_net sim_net;

struct packet {
	unsigned int	len;
	__u8		bytes[];
};

int sim_net_parse(const void *packet, unsigned int len, struct sp_segment *ret_seg)
{
	static union {
		struct sp_event	ev;
		__u8		room[sizeof(struct sp_event) + SP_SEGMENT_PACKET_MAX];
	} u;
	const struct iphdr *ip = packet;
	const struct tcphdr *tcp = packet + sizeof(*ip);

	memset(&u.ev, 0, sizeof(u.ev));
	u.ev.len = len;
	u.ev.l4_off = sizeof(*ip);
	u.ev.tuple = (struct sp_tuple){ sp_addr_v4(ip->saddr), sp_addr_v4(ip->daddr), tcp->source,
					tcp->dest };
	memcpy(u.ev.packet, packet, len);
	if (sp_segment_parse(&u.ev, ret_seg) || !sp_segment_is_intact(&u.ev))
		return -1;
	if (ret_seg->payload)
		ret_seg->payload = packet + ((const __u8 *)ret_seg->payload - u.ev.packet);
	return 0;
}

const char *sim_net_format(const struct sp_segment *seg, char *buf)
{
	static const char letters[] = "FSRP.";
	char from[SP_ENDPOINT_STRLEN], to[SP_ENDPOINT_STRLEN], flags[8] = "";

	for (unsigned int i = 0, n = 0; i < 5; i++)
		if (seg->flags & 1 << i)
			flags[n++] = letters[i];
	sp_endpoint_format(&seg->tuple.saddr, seg->tuple.sport, from);
	sp_endpoint_format(&seg->tuple.daddr, seg->tuple.dport, to);
	snprintf(buf, SIM_SEGMENT_STRLEN, "%s > %s %s %u:%zu ack %u win %u ts %u", from, to, flags,
		 seg->seq, seg->payload_len,
		 seg->ack, seg->window, seg->has_ts ? seg->tsval : 0);
	return buf;
}

/* The @n-th proxy that routers know. */
static struct sim_machine *announced(__u64 n)
{
	struct sim_machine *all[SIM_MACHINES_MAX];
	unsigned int count = 0;

	for (unsigned int i = 0; i < sim_machine_count; i++)
		if (sim_machines[i].is_announced)
			all[count++] = &sim_machines[i];
	return count ? all[n % count] : NULL;
}

static __u64 flow_hash(const struct sp_tuple *t)
{
	__u64 h = 14695981039346656037ULL;

	for (unsigned int i = 0; i < sizeof(*t); i++)
		h = (h ^ ((const __u8 *)t)[i]) * 1099511628211ULL;
	return h >> 17;
}

static struct sim_machine *proxy_of(const struct sp_segment *seg)
{
	for (unsigned int i = 0; sim_net.way != SIM_WAY_SPRAY_BOTH && i < sim_machine_count; i++)
		if (sp_addr_equal(&sim_machines[i].snat, &seg->tuple.daddr) &&
		    sim_machines[i].is_announced)
			return &sim_machines[i];
	return announced(sim_net.way == SIM_WAY_FLOW ? flow_hash(&seg->tuple) : sim_random());
}

/* The headers are enough: their checksum covers the rest. */
static void note(const struct packet *p)
{
	__u64 words[5];

	memcpy(words, p->bytes, sizeof(words));
	sim_note(sim_now_ns);
	for (unsigned int i = 0; i < 5; i++)
		sim_note(words[i]);
}

static void arrive(void *packet, __u64 unused)
{
	struct packet *p = packet;
	struct sim_machine *m = NULL;
	struct sp_segment seg;
	char text[SIM_SEGMENT_STRLEN];
	__u8 net;

	if (sim_net_parse(p->bytes, p->len, &seg)) {
		sim_fail("a packet of %u bytes is damaged", p->len);
		sim_free(p);
		return;
	}
	note(p);
	net = be32toh(seg.tuple.daddr.w[3]) >> 16 & 0xff;
	if (net != 1 && net != 2)
		m = proxy_of(&seg);
	if (sim_is_verbose)
		sim_trace("%-7s %s", net == 1 ? "client" : net == 2 ? "backend" : m ? m->name :
			  sim_net.middle ? "middle" : "nobody", sim_net_format(&seg, text));
	if (net == 1)
		sim_peers->client_receive(&seg);
	else if (net == 2)
		sim_peers->backend_receive(&seg);
	else if (sim_net.middle)
		sim_net.middle(&seg);
	else if (m)
		sim_machine_receive(m, p->bytes, p->len);
	sim_free(p);
}

static void send_one(const void *packet, unsigned int len)
{
	struct packet *p = sim_alloc(sizeof(*p) + len);

	p->len = len;
	memcpy(p->bytes, packet, len);
	sim_in(WIRE_NS + sim_below(sim_net.jitter_ns + 1), arrive, p, 0);
}

void sim_net_send(const void *packet, unsigned int len)
{
	if (!sim_chance(sim_net.loss))
		send_one(packet, len);
	if (sim_chance(sim_net.twice))
		send_one(packet, len);
}

void sim_net_send_segment(const struct sp_segment *seg)
{
	static __u8 bytes[SP_SEGMENT_PACKET_MAX];
	int len = sp_segment_build(seg, bytes, sizeof(bytes));

	if (len < 0)
		sim_fail("sim: a segment can't be built");
	else
		sim_net_send(bytes, len);
}

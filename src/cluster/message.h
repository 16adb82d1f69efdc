/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* message.h - the messages between members as bytes: written, and validated when read. No I/O. */
#ifndef SP_CLUSTER_MESSAGE_H
#define SP_CLUSTER_MESSAGE_H

#include "abi/event.h"
#include "abi/order.h"
#include "cluster/member.h"
#include "cluster/progress.h"
#include "base/seal.h"
#include "tcp/segment.h"
#include "splice/splice.h"

/*
 * The messages, version 3. Version 2 had no time in HELLO; version 1 had no abilities of agents,
 * nor ports of their servers.
 *
 * Each message is a sealed text (seal.h) under "sp relay", in a UDP datagram between the `relay`
 * endpoints of two members. A datagram may have several messages if they are of one kind of fixed
 * size. Numbers are big endian; offsets count from the first byte of the text.
 *
 *	 0	head of the seal: 'S', its format, id of the key
 *	 4	'R', version 3, kind, 0
 *	 8	sender: sp_member_id() of its name
 *	16	started_ns: its start, CLOCK_REALTIME
 *	24	seq: of its messages, rising from 1
 *	32	the body, by kind
 *	-8	MAC
 *
 * HELLO: the sender lives. Each 100 ms to each member with a record
 *	32	1 state (enum sp_member_state), 1 SP_CAN_*, 2 the MTU of an agent's host, 4 splices
 *		carried, 8 of an agent: a bit for each endpoint of its record, in that order:
 *		connections can be adopted there; of a proxy: 4 splices that are not closed, 4
 *		splices that other proxies could go on with; 8 CLOCK_REALTIME in ms when it was sent
 *
 * SEGMENT: of a TCP connection, from the proxy that received it to a proxy that may know the
 * connection; in several messages if it has more than SP_MESSAGE_CHUNK bytes
 *	32	36 tuple, as on the wire
 *	68	4 seq, 4 ack, 4 tsval, 4 tsecr
 *	84	2 window, 2 mss, 1 wscale (255: none), 1 TCP flags, 1 bits (1 SACK permitted, 2
 *		timestamps, 4 marked CE),
 *	91	1 kind of event: FRONT, BACK or MISS of enum sp_event_kind
 *	92	payload
 *
 * ENDS: FIN or RST of a splice was seen
 *	32	36 tuple client -> service, 4 ISN of the client, 1 SP_STATE_* of its half, 1 with
 *		SP_STATE_MOVED the lowest bits of the version, else 0, 2 zero
 *
 * FIN: a FIN of a splice was seen, and its proxy can't tell whether it ends the stream
 *	32	36 tuple of the packet, 4 ISN of the client, 4 zero,
 *	76	4 its sequence number, 4 the number after it, both as its sender counts,
 *		4 its acknowledgement number, as its receiver counts, 4 zero
 *
 * PROGRESS: of a response, at a proxy that may carry its packets; or the query for it
 *	32	36 tuple client -> service, 4 ISN of the client, 4 version of the splice,
 *	76	the boundary of its half from the backend: 2 laps, 4 until, 1 enum sp_bound (NONE:
 *		not known), 1 SP_READING_*,
 *	84	4 the end of the backend's stream as carried, 4 the client's acknowledgement, both as
 *		the backend counts, 0: not known, 1 a query (then all from 76 on is zero), 3 zero
 *
 * ORDERS: of operators about backends, new at the sender, or all in parts; without any: twice a
 * second, so that proxies with other orders notice
 *	32	8 digest of the orders that the sender has, then of each
 *		4 pool, 2 port, 2 enum sp_order_what, 16 address, 4 value, 4 zero, 8 stamp,
 *		8 id of the member that was given the order
 *
 * INTRODUCE: a splice that was just committed, to the agent of its backend: see abi/introduce.h.
 * The datapath of the agent's host takes it. The agent's daemon gets it only if it arrived by an
 * interface without the datapath.
 *
 * Replay: a HELLO counts once, and the first HELLO of a daemon only while it is fresh by both
 * clocks (SP_HELLO_FRESH_MS). So a recorded HELLO can't keep a dead member alive, nor revive it for
 * a new daemon. So does an ORDERS, which must be later than the last HELLO; and no order replaces a
 * later one. Other kinds can be replayed, like the TCP segments that they stand for. The
 * receiver of a SEGMENT of kind FRONT checks its cookie: an expired cookie opens no connection. An
 * INTRODUCE that is some seconds old is refused.
 *
 * The record of a member, in the store, or in a datagram if the configuration names the members;
 * sealed under "sp member":
 *
 *	 4	'M', version 3, state, length of the name
 *	 8	started_ns
 *	16	16 address, 2 port of its relay, 1 number of endpoints, 1 SP_CAN_*
 *	36	16 address, 2 port (0: all) of each; the name
 */
#define SP_MESSAGE_VERSION	3
#define SP_MESSAGE_CHUNK	1280
#define SP_MESSAGE_BYTES_MAX	(92 + SP_MESSAGE_CHUNK + SP_SEAL_TAIL_BYTES)
#define SP_MESSAGE_ORDER_BYTES	48
#define SP_MESSAGE_ORDERS_MAX	24
#define SP_MESSAGES_BYTES_MAX	1232	/* of several: fits the minimum MTU of IPv6 */
#define SP_MEMBER_RECORD_MAX	(36 + 18 * SP_MEMBER_OWNED_MAX + SP_NAME_MAX + SP_SEAL_TAIL_BYTES)

#define SP_MESSAGE_KINDS(X) \
	X(HELLO, hello) X(SEGMENT, segment) X(ENDS, ends) X(INTRODUCE, introduce) X(FIN, fin) \
	X(PROGRESS, progress) X(ORDERS, orders)

enum sp_message_kind {
	SP_MESSAGE_NONE,
#define X(up, low) SP_MESSAGE_##up,
	SP_MESSAGE_KINDS(X)
#undef X
	SP_MESSAGE_KIND_COUNT
};

/* Why a message is refused; the seal has its own reasons (SP_SEAL_*). */
enum sp_message_refusal {
	SP_MESSAGE_OK,
	SP_MESSAGE_REFUSED_LENGTH,
	SP_MESSAGE_REFUSED_MAGIC,
	SP_MESSAGE_REFUSED_VERSION,
	SP_MESSAGE_REFUSED_FOREIGN,
	SP_MESSAGE_REFUSED_FORGED,
	SP_MESSAGE_REFUSED_MALFORMED,
};

struct sp_ends {
	struct sp_tuple	front;
	__u32		client_isn;
	__u8		state;
	__u8		version;
};

/**
 * struct sp_message - a message, parsed
 * @from, @started_ns, @seq: of the sender
 * @state, @can, @mtu, @splices, @said_ms: of HELLO; of an agent @adopts, else @live, @survivable
 * @event, @segment: of SEGMENT; the payload is borrowed
 * @ends:	of ENDS; of FIN, with the packet's tuple in the place of front, and no state
 * @fin:	of FIN
 * @progress:	of PROGRESS
 * @digest, @orders, @order_count: of ORDERS; borrowed, as bytes
 * @splice, @refreshed_s: of INTRODUCE
 */
struct sp_message {
	enum sp_message_kind	kind;
	__u64			from;
	__u64			started_ns;
	__u64			seq;
	enum sp_member_state	state;
	__u8			can;
	__u16			mtu;
	__u64			adopts;
	__u32			live, survivable;
	__u64			said_ms;
	__u32			splices;
	enum sp_event_kind	event;
	struct sp_segment	segment;
	struct sp_ends	ends;
	struct sp_fin		fin;
	struct sp_progress	progress;
	__u64			digest;
	const __u8		*orders;
	unsigned int		order_count;
	struct sp_splice	splice;
	__u32			refreshed_s;
};

/* Return: size of a message of @kind; 0: sizes differ, and a datagram has a single message. */
size_t sp_message_unit(enum sp_message_kind kind);
/* Return: size of each message in a datagram, by its unverified head. */
size_t sp_message_step(const void *bytes, size_t len);
/*
 * @buf: SP_MESSAGE_BYTES_MAX bytes; a segment's payload is at most SP_MESSAGE_CHUNK. Return: bytes
 * written.
 */
size_t sp_message_write(const struct sp_seal *seal, const struct sp_message *m, __u8 *buf);
/* @ret_m: borrows from @bytes; set only if SP_MESSAGE_OK is returned */
enum sp_message_refusal sp_message_read(const struct sp_seal *seal, const void *bytes, size_t len,
				    struct sp_message *ret_m);

/* An order as SP_MESSAGE_ORDER_BYTES bytes; SP_MESSAGE_ORDERS_MAX make the body of a message. */
void sp_message_put_order(__u8 *bytes, const struct sp_order_entry *e);
struct sp_order_entry sp_message_get_order(const __u8 *bytes);

/* @buf: SP_MEMBER_RECORD_MAX bytes. Return: bytes written. */
size_t sp_member_record_write(const struct sp_seal *seal, const struct sp_member *m, __u8 *buf);
/* @ret_m: name, relay, started_ns, state, can and owned; the rest is zero */
enum sp_message_refusal sp_member_record_read(const struct sp_seal *seal, const void *bytes,
					      size_t len, struct sp_member *ret_m);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* message.h - what proxies tell one another, as bytes: written, and read with suspicion. No I/O. */
#ifndef SP_CLUSTER_MESSAGE_H
#define SP_CLUSTER_MESSAGE_H

#include "abi/event.h"
#include "cluster/member.h"
#include "base/seal.h"
#include "tcp/segment.h"
#include "splice/splice.h"

/*
 * The messages, version 3: 2 had no time in HELLO; 1 no word of what an agent can do, nor of its servers' ports
 *
 * Each is a sealed text (seal.h), lying under "sp relay", in a UDP datagram
 * between the `relay` endpoints of two proxies. What is of one size may come
 * several in a datagram, all of one kind, one behind the other. All numbers are
 * big endian; offsets count from the text's first byte.
 *
 *	 0	head of the seal: 'S', its format, id of the key
 *	 4	'R', version 3, kind, 0
 *	 8	sender: sp_member_id() of its name
 *	16	started_ns: its start, CLOCK_REALTIME
 *	24	seq: of its messages, rising from 1
 *	32	what the kind says
 *	-8	MAC
 *
 * HELLO, each 100 ms to each member that the store has named: "I live"
 *	32	1 state (enum sp_member_state), 1 SP_CAN_*, 2 the MTU of an agent's host, 4 splices carried, 8 of which of its servers'
 *		ports handshakes can be taken over: a bit for each, in the order of its record, 8 when it was said:
 *		CLOCK_REALTIME in ms
 *
 * SEGMENT, of a TCP connection, from the proxy that got it to one that may
 * know what to do with it; one of more than SP_MESSAGE_PIECE bytes in several
 *	32	36 tuple, as it was on the wire
 *	68	4 seq, 4 ack, 4 tsval, 4 tsecr
 *	84	2 window, 2 mss, 1 wscale (255: none), 1 TCP flags, 1 bits (1 SACK permitted, 2 timestamps,
 *		4 marked CE),
 *	91	1 kind of event: FRONT, BACK or MISS of enum sp_event_kind
 *	92	payload
 *
 * ENDS: of a splice, FIN or RST has been seen
 *	32	36 tuple client -> service, 4 ISN of the client, 1 SP_STATE_* of its half, 3 zero
 *
 * FIN: of a splice, one was seen, and whether it ends the stream is not known where it was
 *	32	36 tuple that it bore, 4 ISN of the client, 4 zero,
 *	76	4 where it begins, 4 behind it, both as its sender counts, 4 its acknowledgement as its receiver counts,
 *		4 zero
 *
 * INTRODUCE, of a splice that was just committed, to the agent of its backend: see abi/introduce.h. Its host's datapath
 * takes it, so that an agent's daemon gets none but those which came by an interface that isn't its own.
 *
 * A HELLO counts once, and the first one of a daemon's life only while it is fresh
 * by both clocks (SP_HELLO_FRESH_MS): one that was recorded can't keep a dead
 * proxy alive, nor bring it to life for a daemon that knows nothing yet. The
 * others may be repeated by whoever has recorded them, as the TCP segments
 * could be that they stand for. A SEGMENT of kind FRONT has its cookie checked
 * by the one who gets it: once that has expired, it begins nothing any more. An
 * INTRODUCE of some seconds ago is refused.
 *
 * The record of a member in the store, or as a datagram of its own where the configuration names the members; sealed
 * under "sp member":
 *
 *	 4	'M', version 3, state, length of the name
 *	 8	started_ns
 *	16	16 address, 2 port of its relay, 1 number of endpoints that it owns, 1 SP_CAN_*
 *	36	16 address, 2 port (0: all) of each; the name
 */
#define SP_MESSAGE_VERSION	3
#define SP_MESSAGE_PIECE		1280
#define SP_MESSAGE_BYTES_MAX	(92 + SP_MESSAGE_PIECE + SP_SEAL_TAIL_BYTES)
#define SP_MESSAGES_BYTES_MAX	1232	/* of several: what any path of IPv6 takes */
#define SP_MEMBER_RECORD_MAX	(36 + 18 * SP_MEMBER_OWNED_MAX + SP_NAME_MAX + SP_SEAL_TAIL_BYTES)

#define SP_MESSAGE_KINDS(X) X(HELLO, hello) X(SEGMENT, segment) X(ENDS, ends) X(INTRODUCE, introduce) X(FIN, fin)

enum sp_message_kind {
	SP_MESSAGE_NONE,
#define X(up, low) SP_MESSAGE_##up,
	SP_MESSAGE_KINDS(X)
#undef X
	SP_MESSAGE_KIND_COUNT
};

/* Why a message is refused, beside what its seal says (SP_SEAL_*). */
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
};

/**
 * struct sp_message - one of them
 * @from, @started_ns, @seq: see above
 * @state, @can, @mtu, @splices, @adopts, @said_ms: of HELLO
 * @event, @segment: of SEGMENT; the payload is borrowed
 * @ends:	of ENDS; of FIN, with the tuple that it bears in the place of front, and no state
 * @fin:	of FIN
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
	__u64			said_ms;
	__u32			splices;
	enum sp_event_kind	event;
	struct sp_segment	segment;
	struct sp_ends	ends;
	struct sp_fin		fin;
	struct sp_splice	splice;
	__u32			refreshed_s;
};

/* Return: bytes of each message of kind @kind; 0: they differ, and each is a datagram of its own. */
size_t sp_message_unit(enum sp_message_kind kind);
/* Return: of how many bytes each message of a datagram seems to be, before any of it is believed. */
size_t sp_message_step(const void *bytes, size_t len);
/* @buf: SP_MESSAGE_BYTES_MAX bytes; a segment's payload is at most SP_MESSAGE_PIECE. Return: bytes written. */
size_t sp_message_write(const struct sp_seal *seal, const struct sp_message *m, __u8 *buf);
/* @ret_m: borrows from @bytes; only when SP_MESSAGE_OK is returned */
enum sp_message_refusal sp_message_read(const struct sp_seal *seal, const void *bytes, size_t len,
				    struct sp_message *ret_m);

/* @buf: SP_MEMBER_RECORD_MAX bytes. Return: bytes written. */
size_t sp_member_record_write(const struct sp_seal *seal, const struct sp_member *m, __u8 *buf);
/* @ret_m: name, relay, started_ns, state, can and owned; else zero */
enum sp_message_refusal sp_member_record_read(const struct sp_seal *seal, const void *bytes, size_t len,
					    struct sp_member *ret_m);

#endif

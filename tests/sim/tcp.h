/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tcp.h - the stack of a client or of a backend's host, after RFC 9293 and 7323, as far as a proxy
 * between two of them can see it: retransmission, reordering, timestamps with PAWS, half-close, RST
 * by exact number (RFC 5961).
 */
#ifndef SP_SIM_TCP_H
#define SP_SIM_TCP_H

#include "tcp/segment.h"

enum sim_tcp_state { SIM_TCP_CLOSED, SIM_TCP_SYN_SENT, SIM_TCP_SYN_RCVD, SIM_TCP_OPEN };

/**
 * struct sim_tcp - a connection
 * @out:	tuple of outgoing segments
 * @clock:	timestamp clock at the beginning of the world: the same for all connections between
 *		two addresses
 * @iss:	set before sim_tcp_connect(), or 0: by chance
 * @bytes, @len: all data written by the application so far (borrowed)
 * @is_done:	the application writes no more
 * @acks_at_end: acknowledgements bear the highest number sent, as those of Linux do; else the next
 *		number to send, which goes back at a timeout: with data in both directions, both
 *		ends may then refuse all acknowledgements
 * @data:	new bytes in order
 * @is_left:	the peer has another connection by now: acknowledgements of unsent bytes get an ACK
 *		(RFC 9293, 3.10.7.4), else a failure; NULL: never
 * @ended:	@why is NULL for the peer's FIN, else the failure
 */
struct sim_tcp {
	struct sim_tcp		*next;
	enum sim_tcp_state	state;
	struct sp_tuple		out;
	__u32			clock;
	__u32			iss, irs, snd_una, snd_nxt, snd_max, rcv_nxt, snd_wnd, cwnd;
	__u32			ts_recent;
	__u8			has_ts, is_done, is_fin_seen, wscale_theirs, acks_at_end;
	__u16			mss;
	unsigned int		dup_acks, tries, armed;
	__u64			rto_ns;
	const char		*bytes;
	__u32			len;
	struct held_segment {
		__u32	seq, len;
		__u8	is_fin;
		char	*bytes;
	}			later[16];	/* came too early */
	void			*ctx;
	void			(*data)(void *ctx, const char *bytes, __u32 len);
	void			(*ended)(void *ctx, const char *why);
	int			(*is_left)(void *ctx);
	void			(*acked)(void *ctx, __u32 bytes, const struct sp_segment *seg);
};

/* Client: send the SYN. */
void sim_tcp_connect(struct sim_tcp *t);
/* Backend: answer @syn. */
void sim_tcp_accept(struct sim_tcp *t, const struct sp_segment *syn);
void sim_tcp_receive(struct sim_tcp *t, const struct sp_segment *seg);
/* The application has written more, or is done. */
void sim_tcp_write(struct sim_tcp *t);
void sim_tcp_reset(struct sim_tcp *t);
/* Forget all pending data, without a word. */
void sim_tcp_fini(struct sim_tcp *t);
/* Whether all written data and the FIN are acknowledged, and the peer's FIN is here. */
int sim_tcp_is_over(const struct sim_tcp *t);
/* Answer a segment without a connection. */
void sim_tcp_refuse(const struct sp_segment *seg);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * conn.h - table of the connections that the daemon has in its hands: a fixed number, found by
 * either of their tuples.
 */
#ifndef SP_PROXY_CONN_H
#define SP_PROXY_CONN_H

#include "config/config.h"
#include "tcp/reasm.h"
#include "node/mode.h"
#include "splice/splice.h"

/*
 * State		fields that mean something, beside front, client, service, config, reasm
 *
 * HEAD			parsed, acked, stashing, ack_ns and is_*; deadline_ns: 408
 * CONNECTING		pool, back, backend (our numbers), backend_idx, mode, tried, tries; again_ns: next SYN;
 *			deadline_ns: next backend
 * COMMITTING		the same; backend is whole; the store answers, whatever happens
 * OWING		up, una, sent, cwnd, is_repeating, owing_ns; again_ns: next repetition; deadline_ns: given up
 * REPLIED		status, sent_s, is_unsent; deadline_ns: forgotten
 */
#define SP_CONN_STATES(X) X(FREE) X(HEAD) X(CONNECTING) X(COMMITTING) X(OWING) X(REPLIED)

enum sp_conn_state {
#define X(name) SP_CONN_##name,
	SP_CONN_STATES(X)
#undef X
};

/**
 * struct sp_conn - a connection before its splice, or with bytes that we still owe to its backend
 * @front:	client -> service
 * @back:	proxy -> backend, all zero while there is none
 * @reasm:	what of the client's stream is in the buffer, see sp_conn_buf()
 * @fin_at:	offset of the client's FIN; SP_CONN_NO_FIN
 * @parsed:	bytes that the last look at the head saw
 * @acked:	bytes acknowledged to the client; the store has them all
 * @stashing:	bytes that the store was given, the latest ones perhaps not successfully
 * @stashed_tsval, @giving_tsval: of the client, as the store has it, and as it will have it
 * @heard_tsval:	latest of the client; that in @client is what its splice begins with
 * @ask_ns:	HEAD, with bytes acknowledged: when the store is asked about it once more
 * @owing_ns:	OWING: since when
 * @begun_ms:	CLOCK_REALTIME when its first bytes came
 * @left_by:	another proxy that had to deliver its head, see heir.h; 0: none
 * @una, @sent:	OWING: bytes that the backend has acknowledged, and that it was sent
 * @cwnd:	OWING: bytes that may be on their way
 * @window_bytes: of the backend, as its SYN-ACK said
 * @backend_mss: of the backend, as its SYN-ACK says, or its agent; @forward_mss: the same, or less
 * @limit_mss:	the same, where the client was told a larger one; 0: it was not
 * @backend_idx: in @pool
 * @mode, @mode_reason: what its splice will be, and why not more
 * @tried:	backends, see sp_backends_choose()
 * @sent_s:	CLOCK_REALTIME when the answer was said for the first time
 * @is_trapped:	a half under @front sends its packets here
 * @is_news:	HEAD: more has come since the store was asked whether somebody else has made the splice
 * @is_unsent:	ANSWERED: not before the store says that nobody has
 * @is_ecn, @is_ecn_back: ECN was agreed upon with the client, and with the backend as well
 * @is_ce:	something of what is held was marked on its way to us, and the backend does not know yet
 * @is_repeating: OWING: something was sent twice
 * @challenge_ns: an RST in the window is not answered before
 * @reactions:	CONNECTING: to answers of the backend that fit nothing, since the timer sent a SYN
 * @is_reset:	COMMITTING: the client has ended it meanwhile
 * @is_late:	COMMITTING: the daemon was stopped since, see sp_proxy_awake()
 * @is_giving, @is_looking: the store is being given bytes, or asked whether another proxy has acknowledged some
 * @is_looked:	it was asked
 * @is_kept:	the store has all bytes before @acked, so that it need not be given them again
 * @lent:	tries left to give the store what we have from another proxy, or from before: nothing is acknowledged
 *		until then; 0: it has it
 */
struct sp_conn {
	enum sp_conn_state		state;
	__u32				generation;
	__u32				next_front, next_back, prev_live, next_live;
	struct sp_tuple			front, back;
	struct sp_side			client, backend;
	const struct sp_service_conf	*service;
	const struct sp_pool_conf	*pool;
	struct sp_config		*config;
	struct sp_half			up;
	struct sp_reasm			reasm;
	__u64				deadline_ns, again_ns, ack_ns, backoff_ns, challenge_ns, ask_ns, owing_ns;
	__u64				begun_ms, sent_s;
	__u32				fin_at, parsed, acked, stashing, stashed_tsval, giving_tsval, heard_tsval;
	__u32				una, sent, cwnd, window_bytes;
	int				backend_idx;
	enum sp_mode			mode;
	enum sp_mode_reason		mode_reason;
	__u16				mss, backend_mss, forward_mss, limit_mss, window;
	__u64				tried;
	__u8				is_sack, is_trapped, is_news, is_unsent, is_reset, is_late, tries;
	__u8				is_giving, is_looking, is_looked, is_kept, lent, left_by;
	__u8				is_ecn, is_ecn_back, is_ce, is_repeating, reactions;
	int				status;
};

#define SP_CONN_NO_FIN	0xffffffffu
#define SP_CONN_BUF	(128 * 1024)	/* a head, and what may fly behind it */

struct sp_conns;

int sp_conns_new(unsigned int slots, struct sp_conns **ret_conns);
void sp_conns_free(struct sp_conns *conns);

/* Return: a connection in state HEAD, all else zero; NULL when the table is full. */
struct sp_conn *sp_conn_add(struct sp_conns *conns, const struct sp_tuple *front);
void sp_conn_del(struct sp_conns *conns, struct sp_conn *c);

/* Make it known under @c->back, or no more (nothing happens when it was not). */
void sp_conn_link_back(struct sp_conns *conns, struct sp_conn *c);
void sp_conn_unlink_back(struct sp_conns *conns, struct sp_conn *c);

struct sp_conn *sp_conn_by_front(struct sp_conns *conns, const struct sp_tuple *front);
struct sp_conn *sp_conn_by_back(struct sp_conns *conns, const struct sp_tuple *back);

/* For what comes back later: index and generation. NULL when that connection is gone. */
__u64 sp_conn_ref(const struct sp_conns *conns, const struct sp_conn *c);
struct sp_conn *sp_conn_by_ref(struct sp_conns *conns, __u64 ref);

/* SP_CONN_BUF bytes that belong to the connection; memory is behind them only where they were written. */
char *sp_conn_buf(struct sp_conns *conns, const struct sp_conn *c);

/* All of them; the current one may be deleted, and others. */
typedef void (*sp_conn_fn)(void *ctx, struct sp_conn *c);
void sp_conns_each(struct sp_conns *conns, sp_conn_fn fn, void *ctx);

/*
 * Of the next SP_CONNS_LOOK slots, in turns, the connection that weighs most; NULL when none weighs anything.
 * @now_ns: for @weigh
 */
#define SP_CONNS_LOOK	64
typedef __u32 (*sp_conn_weigh_fn)(const struct sp_conn *c, __u64 now_ns);
struct sp_conn *sp_conns_most(struct sp_conns *conns, sp_conn_weigh_fn weigh, __u64 now_ns);

unsigned int sp_conns_count(const struct sp_conns *conns);
/* A hash with a secret, for other tables of tuples. */
__u64 sp_conns_hash(const struct sp_conns *conns, const struct sp_tuple *t);

#endif

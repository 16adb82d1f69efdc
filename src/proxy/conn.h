/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * conn.h - the table of connections that this daemon works on: a fixed number, found by either
 * tuple.
 */
#ifndef SP_PROXY_CONN_H
#define SP_PROXY_CONN_H

#include "config/config.h"
#include "tcp/reasm.h"
#include "node/mode.h"
#include "splice/splice.h"

struct sp_access_text;

/*
 * The life of a connection. sp_conn_enter() is the only writer of its state, and refuses a
 * transition that this table lacks.
 *
 * State	entered from	meaning; fields beside front, client, service, config, reasm;
 *				at deadline_ns
 *
 * HEAD		FREE		bytes are held, unacknowledged, until the head is whole: parsed,
 *		COMMITTING	stash, acked, stashing, ack_ns; 408. But for the first two: a
 *		HEAD		further request's bytes came behind those of the request that is
 *		WAITING		forwarded
 *		CONNECTING
 *		DELIVERING
 *		ASKING
 * WAITING	HEAD		the head of a further request is whole, the response before is not:
 *				request, wanted, is_reply, status; forgotten
 * CONNECTING	HEAD		a SYN is sent, the client's bytes are held: pool, back, backend
 *		WAITING		(our numbers), mode, tried, tries, again_ns; the next backend.
 *		CONNECTING	Or no SYN is sent, back is zero: no backend has room; 503
 * COMMITTING	HEAD		the commit is sent to the store: the same, backend is whole;
 *		WAITING		nothing, as the store always answers
 *		CONNECTING
 * LATE		COMMITTING	the same, but the daemon was suspended: the splice is not used
 * DELIVERING	HEAD		spliced, but the backend lacks acknowledged bytes:
 *		WAITING		up, una, sent, cwnd, again_ns; given up
 *		CONNECTING
 *		COMMITTING
 *		ASKING
 * ASKING	HEAD		a reply of our own waits until the store knows no splice:
 *		WAITING		status; forgotten
 *		CONNECTING
 * REPLIED	HEAD		a reply of our own is sent, its FIN not acknowledged: status,
 *		WAITING		sent_s; forgotten
 *		CONNECTING
 *		ASKING
 */
#define SP_CONN_STATES(X) \
	X(FREE) X(HEAD) X(WAITING) X(CONNECTING) X(COMMITTING) X(LATE) X(DELIVERING) X(ASKING) \
	X(REPLIED)

enum sp_conn_state {
#define X(name) SP_CONN_##name,
	SP_CONN_STATES(X)
#undef X
};

/*
 * The store's knowledge of the head, see stash.c.
 *
 * UNKNOWN	no query yet whether another proxy has acknowledged bytes of this head
 * ASKED	the query is under way
 * READY	bytes may be given
 * GIVING	bytes are being given
 */
enum sp_stash_state { SP_STASH_UNKNOWN, SP_STASH_ASKED, SP_STASH_READY, SP_STASH_GIVING };

/**
 * struct sp_request - what a whole head says about its message
 * @bytes:	head and body, or the head alone with a chunked body, from the first byte held
 * @bound:	enum sp_bound of the byte behind: STOP, the next head; CHUNK, a size line; NONE: a
 *		tunnel
 * @reading:	SP_READING_*
 * @is_bare:	nothing but a head, that opens no tunnel
 * @is_repeatable: its method is idempotent (RFC 9110, 9.2.2), and it opens no tunnel
 * @expects:	the body comes only after a 100 (Continue)
 */
struct sp_request {
	__u64	bytes;
	__u8	bound;
	__u8	reading;
	__u8	is_bare;
	__u8	is_repeatable;
	__u8	expects;
};

/**
 * struct sp_conn - a connection before its splice, or with bytes that its backend still lacks
 * @front:	client -> service
 * @client_isn:	of the connection; @client.isn_theirs is the number before the first byte held,
 *		and @client.isn_ours the number before the first byte of its response: equal to the
 *		handshake's for the first request only
 * @version:	of the splice that carries the request before; 0: none
 * @leg:	the half up of that splice
 * @request:	of a whole head, with SP_HALF_F_REQUESTS
 * @wanted:	WAITING: the index of the pool
 * @is_opening:	@backend_idx of @pool counts it, and no splice does so far
 * @queued_ns:	when the wait for a backend with room began; 0: no wait. @is_queued: queue.c has
 *		the connection, which is CONNECTING, without a SYN; @is_queue_over: no further wait
 * @is_unparked: COMMITTING: @back is no new connection, see parked.h
 * @key:	of a whole head, for SP_BALANCE_HASH; valid if @has_key
 * @heard_ack:	latest acknowledgement of the client
 * @heard_ns:	when @client.tsval_ours was echoed by the client
 * @begins:	enum sp_bound: what begins with the first byte held: STOP: a head; CHUNK, CHUNK_END
 * @is_next:	a request behind the first
 * @is_turn:	the response before is complete
 * @awaits_body:	HEAD: the head is whole, and the body is held until it is whole, too
 * @is_part:	the client has a part of the response, of a dead backend; @heard_ack is behind it
 * @is_guess:	the first byte is taken for the beginning of a request, as the proxy that knew is
 *		dead; @guess_ns: since then
 * @guess_seen:	segments that begin there: two show a retransmission
 * @is_ahead:	the client has sent it before it had the whole response before
 * @is_behind:	it was here before the request before was forwarded
 * @begun_ack:	@heard_ack when it came, at @begun_ns
 * @left_ns:	WAITING: when the leg before was reset, of which packets may pass elsewhere
 * @asked_ns:	WAITING: when other proxies were asked last; @unknown_ns: the end of the response is
 *		unknown since then; 0: known
 * @is_staying:	COMMITTING: the request goes through @leg
 * @origin:	the client, by a header of the PROXY protocol of @skip bytes before the head, or by
 *		the packets; @is_nameless: such a header is not known any more
 * @plan:	how the head changes (bytes, becomes); @change: the same for its leg. @is_headed:
 *		with a header of the PROXY protocol before
 * @before_ns:	the request before was forwarded by then
 * @is_continued: its backend has died before the response: continue.c
 * @is_again:	a changed head that was sent before: again.c
 * @owed:	DELIVERING: bytes at the backend that are sent until they are acknowledged
 * @is_reply:	WAITING: for a reply of our own, with @status
 * @pieces:	segments that have brought bytes
 * @back:	proxy -> backend; all zero before
 * @up:		the half from client to backend, from COMMITTING on
 * @reasm:	the part of the client's stream in the buffer, see sp_conn_buf()
 * @fin_at:	offset of the client's FIN, or SP_CONN_NO_FIN
 * @parsed:	bytes that the parser has seen
 * @acked:	bytes acknowledged to the client; the store has them all
 * @stashing:	bytes given to the store, the last of them perhaps without success
 * @stashed_tsval, @giving_tsval: the client's TSval in the store, now and after @stashing
 * @heard_tsval:	latest TSval of the client; the splice begins with the TSval of @client
 * @ack_ns:	HEAD: when held bytes are given to the store, 0: not due
 * @ask_ns:	when the store is queried again for another proxy's splice
 * @begun_ms:	CLOCK_REALTIME of the first bytes
 * @timed_ns:	sp_exact_ns() of the first SYN to the backend, then of the commit
 * @left_by:	the former owner of this head, see takeover.h; 0: none
 * @una, @sent:	DELIVERING: bytes acknowledged by the backend, and sent
 * @cwnd:	DELIVERING: bytes that may be in flight
 * @delivering_ns: start of DELIVERING
 * @window_bytes: of the backend's SYN-ACK
 * @backend_mss: of the backend's SYN-ACK, or of its agent; @forward_mss: the same, or less
 * @limit_mss:	@backend_mss if the client was promised more, else 0
 * @backend_idx: in @pool
 * @mode, @mode_reason: of its splice, and the reason for no higher mode
 * @tried:	backends, see sp_backends_choose()
 * @sent_s:	CLOCK_REALTIME of the reply
 * @is_trapped:	an entry without a rule sends packets of @front to the daemon
 * @is_news:	data came since the store was queried for another proxy's splice
 * @is_ecn, @is_ecn_back: ECN was negotiated with the client, and with the backend
 * @is_ce:	a held segment was marked CE, and the backend was not told yet
 * @has_more:	bytes behind the request were here when it was forwarded
 * @is_overtaken: DELIVERING: through the splice of another proxy, which reads on
 * @stash_age_ms: of the head of a further request that was resumed, then; at most a second or two
 * @is_repeating: DELIVERING: bytes were retransmitted
 * @is_blind:	DELIVERING: no packet of the backend came by since @repeated_ns, the last
 *		retransmission
 * @challenge_ns: an RST in the window is not challenged before
 * @reactions:	CONNECTING: to segments of the backend that do not fit, since the last SYN by the
 *		timer
 * @access:	of a whole head, for the access log; NULL: none. @access_ns: since then
 * @is_reset:	COMMITTING: the client has reset the connection meanwhile
 * @is_kept:	the store has all bytes before @acked: they need not be given again
 * @lent:	tries left to give the store the bytes of a former owner, without an acknowledgement
 *		meanwhile; 0: the store has the bytes
 */
struct sp_conn {
	enum sp_conn_state		state;
	enum sp_stash_state		stash;
	__u32				generation;
	__u32				next_front, next_back, prev_live, next_live;
	struct sp_tuple			front, back;
	struct sp_side			client, backend;
	const struct sp_service_conf	*service;
	const struct sp_pool_conf	*pool;
	struct sp_config		*config;
	struct sp_half			up, leg;
	struct sp_request		request;
	struct sp_reasm			reasm;
	__u64				deadline_ns, again_ns, ack_ns, backoff_ns, challenge_ns;
	__u64				ask_ns, delivering_ns, repeated_ns, begun_ms, sent_s;
	__u64				timed_ns;
	__u32				fin_at, parsed, acked, stashing, stashed_tsval;
	__u32				giving_tsval, heard_tsval, una, sent, cwnd, window_bytes;
	__u32				client_isn, version, heard_ack, begun_ack;
	int				wanted;
	__u32				pieces;
	int				backend_idx;
	enum sp_mode			mode;
	enum sp_mode_reason		mode_reason;
	__u16				mss, backend_mss, forward_mss, limit_mss, window;
	__u64				tried;
	__u8				is_sack, is_trapped, is_news, is_reset, tries;
	__u8				is_kept, lent, left_by;
	__u8				is_ecn, is_ecn_back, is_ce, is_repeating, is_blind;
	__u8				reactions, begins, is_next, is_turn, is_reply;
	__u8				is_guess, is_staying, is_ahead, is_behind, guess_seen;
	__u64				guess_ns, heard_ns, begun_ns, left_ns, asked_ns, unknown_ns;
	struct sp_endpoint		origin;
	struct sp_change		plan, change;
	__u64				before_ns;
	__u32				owed;
	__u16				skip;
	__u8				is_headed, is_again, is_nameless, has_key, is_opening;
	__u8				is_continued, is_part, awaits_body;
	__u8				is_queued, is_queue_over, is_unparked, is_overtaken;
	__u8				has_more;
	__u16				stash_age_ms;
	__u64				key, queued_ns, access_ns;
	struct sp_access_text		*access;
	int				status;
};

#define SP_CONN_NO_FIN	0xffffffffu
#define SP_CONN_BUF	(128 * 1024)	/* a head, and bytes in flight behind it */

struct sp_conns;

int sp_conns_new(unsigned int slots, struct sp_conns **ret_conns);
void sp_conns_free(struct sp_conns *conns);

/* Return: a connection in state FREE, all else zero; NULL: the table is full. */
struct sp_conn *sp_conn_add(struct sp_conns *conns, const struct sp_tuple *front);
void sp_conn_del(struct sp_conns *conns, struct sp_conn *c);

/* Make @c known under @c->back, or unlink it (a no-op if it was not linked). */
void sp_conn_link_back(struct sp_conns *conns, struct sp_conn *c);
void sp_conn_unlink_back(struct sp_conns *conns, struct sp_conn *c);

struct sp_conn *sp_conn_by_front(struct sp_conns *conns, const struct sp_tuple *front);
struct sp_conn *sp_conn_by_back(struct sp_conns *conns, const struct sp_tuple *back);

/* A reference for later events: index and generation. NULL when that connection is gone. */
__u64 sp_conn_ref(const struct sp_conns *conns, const struct sp_conn *c);
struct sp_conn *sp_conn_by_ref(struct sp_conns *conns, __u64 ref);

/*
 * SP_CONN_BUF bytes that belong to the connection; only written parts have memory behind them.
 */
char *sp_conn_buf(struct sp_conns *conns, const struct sp_conn *c);

/* All connections; @fn may delete the current connection, and others. */
typedef void (*sp_conn_fn)(void *ctx, struct sp_conn *c);
void sp_conns_each(struct sp_conns *conns, sp_conn_fn fn, void *ctx);

/*
 * Of the next SP_CONNS_LOOK slots, in turns, the connection that weighs most; NULL if all weigh
 * nothing.
 * @now_ns: for @weigh
 */
#define SP_CONNS_LOOK	64
typedef __u32 (*sp_conn_weigh_fn)(const struct sp_conn *c, __u64 now_ns);
struct sp_conn *sp_conns_most(struct sp_conns *conns, sp_conn_weigh_fn weigh, __u64 now_ns);

unsigned int sp_conns_count(const struct sp_conns *conns);
/* A hash with a secret, for other tables of tuples. */
__u64 sp_conns_hash(const struct sp_conns *conns, const struct sp_tuple *t);

#endif

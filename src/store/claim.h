/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* claim.h - how proxies agree upon the one splice of a connection: what to ask, what follows from answers. No I/O. */
#ifndef SP_STORE_CLAIM_H
#define SP_STORE_CLAIM_H

#include "config/config.h"
#include "splice/record.h"

/* Of 48 bits, since Lua counts in doubles; 0 is the first claim's. */
#define SP_BALLOT_STRLEN	13
typedef __u64 sp_ballot;
char *sp_ballot_format(sp_ballot ballot, char *buf);

enum sp_vote_kind {
	SP_VOTE_PENDING,
	SP_VOTE_ABSENT,	/* none came, or none that counts */
	SP_VOTE_NOTHING,	/* nothing was there: a claim is won by that */
	SP_VOTE_VALUE,
};

/**
 * struct sp_vote - what a server says that it has under a front key, after it has done what was asked
 * @state:	'F' claimed by its owner at ballot 0; 'T' the same, and relied upon; 'P' see @promised; 'C' chosen
 * @promised:	the highest ballot that it takes part in
 * @accepted:	the ballot of @record
 * @origin:	with state 'P': 'F' and 'T' as it was at ballot 0, 'P' above; '-' no record
 * @record:	its seal is not looked at here; len 0: none
 */
struct sp_vote {
	enum sp_vote_kind	kind;
	char			state;
	char			origin;
	sp_ballot		promised;
	sp_ballot		accepted;
	struct sp_record	record;
};

/* Value of a front key: state byte and record, or for 'P' state, promised, accepted, origin, record. 0 or -EINVAL. */
int sp_vote_parse(const void *bytes, size_t len, struct sp_vote *ret_answer);

enum sp_claim_step { SP_CLAIM_CLAIM, SP_CLAIM_PREPARE, SP_CLAIM_ACCEPT, SP_CLAIM_PAUSE, SP_CLAIM_DONE };

/**
 * struct sp_claim - one proxy's part in one decision; the rest of the theory is in claim.c
 * @round:	counts the questions, so that late answers to earlier ones are known by it
 * @record:	the splice that this proxy has made (@is_own), or has seen and wants to know about
 * @ballot, @proposal: of the steps PREPARE and ACCEPT
 * @step_ns:	when the step began; of PAUSE: when it ends
 * @err:	when DONE: 0; -EAGAIN not known, and no other splice was seen; -EBUSY not known, and one was seen
 * @chosen:	when DONE with 0
 */
struct sp_claim {
	enum sp_claim_step	step;
	__u8			copies;
	__u8			quorum;
	__u8			is_own;
	__u8			is_contested;
	__u32			round;
	__u32			attempts;
	int			err;
	__u64			step_ns;
	__u64			random;
	sp_ballot		ballot;
	sp_ballot		highest;
	struct sp_record	record;
	struct sp_record	proposal;
	struct sp_record	chosen;
	struct sp_vote	answers[SP_COPIES_MAX];
};

/**
 * sp_claim_start() - begin, with a claim of @record if it @is_own, else by asking what has been accepted (PREPARE)
 * @copies:	servers that are asked
 * @quorum:	a majority of them; 1 with several copies gives up that all proxies agree
 * @random:	differs on all proxies
 *
 * The caller asks all servers what @step says and gives their answers with that round's number to sp_claim_answer();
 * then, and every few milliseconds, it calls sp_claim_go(). Whenever that says so, it asks again.
 */
void sp_claim_start(struct sp_claim *c, unsigned int copies, unsigned int quorum, const struct sp_record *record,
		    int is_own, __u64 random, __u64 now_ns);
void sp_claim_answer(struct sp_claim *c, __u32 round, unsigned int copy_idx, const struct sp_vote *answer);
/* Return: whether there is a new question. */
int sp_claim_go(struct sp_claim *c, __u64 now_ns);
/* Time is up. */
void sp_claim_expire(struct sp_claim *c);

#endif

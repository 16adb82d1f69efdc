/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* claim.h - agreement of proxies on the splice of a connection: the protocol, without I/O */
#ifndef SP_STORE_CLAIM_H
#define SP_STORE_CLAIM_H

#include "config/config.h"
#include "splice/record.h"

/* 48 bits, since Lua counts in doubles; 0: the first claim. Texts are 12 hexadecimal digits. */
#define SP_BALLOT_STRLEN	13
typedef __u64 sp_ballot;
/* Return: @buf, of SP_BALLOT_STRLEN bytes. */
char *sp_ballot_format(sp_ballot ballot, char *buf);

/*
 * PENDING	no answer yet
 * ABSENT	no answer will come, or the answer does not count
 * NOTHING	the key was empty; for CLAIM: the record was stored
 * LACKS	for CLAIM: the earlier version is not there, nothing was stored
 * VALUE	the value that is there
 */
enum sp_vote_kind {
	SP_VOTE_PENDING, SP_VOTE_ABSENT, SP_VOTE_NOTHING, SP_VOTE_LACKS, SP_VOTE_VALUE,
};

/**
 * struct sp_vote - the value of a server under a front key, after the command was executed
 * @state:	'F': claimed by its owner at ballot 0; 'T': the same, and relied upon; 'P': see
 *		@promised; 'C': chosen
 * @promised:	the highest ballot that the server takes part in
 * @accepted:	the ballot of @record
 * @origin:	with state 'P': 'F' and 'T' as they were at ballot 0, 'P' above; '-': no record
 * @record:	of the value, with its seal not yet verified; len 0: none
 */
struct sp_vote {
	enum sp_vote_kind	kind;
	char			state;
	char			origin;
	sp_ballot		promised;
	sp_ballot		accepted;
	struct sp_record	record;
};

/*
 * The value of a front key: state and record; for 'P' state, promised, accepted, origin, record.
 * Return: 0 or -EINVAL.
 */
int sp_vote_parse(const void *bytes, size_t len, struct sp_vote *ret_vote);

enum sp_claim_step {
	SP_CLAIM_CLAIM, SP_CLAIM_PREPARE, SP_CLAIM_ACCEPT, SP_CLAIM_PAUSE, SP_CLAIM_DONE,
};

/**
 * struct sp_claim - a proxy's part in a decision; claim.c has the theory
 * @round:	counts the questions, so that late answers to earlier questions are ignored
 * @first:	the splice that this proxy has made, or has found and asks about
 * @record:	@first; or a splice of a later version that a server had
 * @is_own:	this proxy has made @record
 * @is_contested: a vote had another record
 * @ballot, @proposal: of the steps PREPARE and ACCEPT
 * @step_ns:	beginning of the step; of PAUSE: its end
 * @err:	when DONE: 0; -EAGAIN: unknown, and no other splice was seen; -EBUSY: unknown, and
 *		another splice was seen; -ESTALE: a majority lacks the earlier version
 * @chosen:	when DONE with 0: of the version of @first, or a later one
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
	struct sp_record	first;
	struct sp_record	record;
	struct sp_record	proposal;
	struct sp_record	chosen;
	struct sp_vote		votes[SP_COPIES_MAX];
};

/**
 * sp_claim_start() - begin, with a claim of @record if it @is_own, else with PREPARE
 * @copies:	servers that are asked
 * @quorum:	a majority of them; 1 with several copies gives up that all proxies agree
 * @random:	different on all proxies
 *
 * The caller asks all servers as @step says, and passes their votes with the number of the round to
 * sp_claim_answer(). Then, and every few milliseconds, the caller calls sp_claim_go().
 */
void sp_claim_start(struct sp_claim *c, unsigned int copies, unsigned int quorum,
		    const struct sp_record *record, int is_own, __u64 random, __u64 now_ns);
void sp_claim_answer(struct sp_claim *c, __u32 round, unsigned int copy_idx,
		     const struct sp_vote *vote);
/* Return: is there a new question, that the caller has to ask? */
int sp_claim_go(struct sp_claim *c, __u64 now_ns);
/* Time is up: the claim is DONE. */
void sp_claim_expire(struct sp_claim *c);

#endif

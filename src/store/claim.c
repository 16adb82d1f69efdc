// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation
 *
 * Goal: of all splices that proxies make for one connection (front tuple and
 * client's ISN), one at most is ever relied upon. A connection has K servers,
 * the same for every proxy; a quorum is a majority of them. Servers and
 * proxies may be slow, frozen, or gone, and messages late or lost.
 *
 * It is Paxos for a single value, with the proxies as proposers and the
 * servers (their scripts) as acceptors, and with a first round that takes one
 * round trip:
 *
 *	CLAIM	 ballot 0: "have my record, if you have none and promised
 *		 nothing". Whoever wins a quorum has its splice chosen.
 *	PREPARE	 a higher ballot: "promise to take nothing lower; what have you?"
 *	ACCEPT	 "have this record, unless you promised a higher ballot"; a
 *		 quorum of those has it chosen
 *	PAUSE	 another proxy was in the way: wait a little, a higher ballot
 *
 * In ballots above 0 all propose what they find accepted at the highest
 * ballot among a quorum of promises, which is why what was chosen stays
 * chosen. Ballot 0 has several proposers, so its rule is another: of the
 * records found there one must be proposed that may have been chosen, that is
 * one that a quorum may have, counting the servers which did not answer. If
 * two may have been, nothing can be proposed (with K = 3: A has won one server,
 * B another, the third is away), but for this:
 *
 *	Only its owner counts a record's claims. So an owner that has not
 *	counted a quorum, and never will since it has gone on to a ballot,
 *	knows that its own record was not chosen in ballot 0, and leaves it out.
 *
 * Then B proposes A's record, and A would propose B's: ballots order them.
 *
 * Others want to rely on a record as well (a proxy that fetches it), by the
 * same count: they must make the owner see that. A server that hands out a
 * record of ballot 0 notes so ('F' becomes 'T'), and an owner that finds a
 * 'T' does not leave its own record out. A quorum of 'T' is as good as won.
 * Why: an owner's promises come from a quorum, which has a server in common
 * with that of the 'T's. There the note was made before the promise, since
 * after it the reader would have seen 'P'. So the record counts for the owner
 * like anyone else's, and it may have been chosen, so it is proposed, or nothing.
 *
 * What was chosen is written as 'C' by whoever knows: one 'C' is enough for
 * everyone. A server that may have forgotten (it was started anew) is taken
 * for absent when it has nothing to tell; see store/redis/conn.c. A daemon that was
 * started anew has no own records: it reads what its predecessor claimed.
 *
 * Time: nothing above depends on it. Servers do not do what comes to them too
 * late, so that a dead claim does not come in the way of a newer connection.
 */
#include "store/claim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_NS	50000000ULL	/* for servers that are slow, when there is a way without them */
#define PAUSE_NS	1000000ULL
#define PAUSE_STEPS	8
#define BALLOT_BITS	48
#define RANDOM_BITS	40
#define P_HEAD		(1 + 12 + 12 + 1)

char *sp_ballot_format(sp_ballot ballot, char *buf)
{
	snprintf(buf, SP_BALLOT_STRLEN, "%012llx", ballot & ((1ULL << BALLOT_BITS) - 1));
	return buf;
}

static int parse_ballot(const char *text, sp_ballot *ret_ballot)
{
	sp_ballot ballot = 0;

	for (int i = 0; i < SP_BALLOT_STRLEN - 1; i++) {
		int digit = text[i] >= '0' && text[i] <= '9' ? text[i] - '0' :
			    text[i] >= 'a' && text[i] <= 'f' ? text[i] - 'a' + 10 : -1;

		if (digit < 0)
			return -EINVAL;
		ballot = ballot << 4 | digit;
	}
	*ret_ballot = ballot;
	return 0;
}

int sp_vote_parse(const void *bytes, size_t len, struct sp_vote *ret_answer)
{
	struct sp_vote a = { .kind = SP_VOTE_VALUE };
	const char *text = bytes;
	size_t head = 1;

	if (!len || !strchr("FTPC", text[0]) || !text[0])
		return -EINVAL;
	a.state = text[0];
	if (a.state == 'P') {
		head = P_HEAD;
		if (len < head || parse_ballot(text + 1, &a.promised) || parse_ballot(text + 13, &a.accepted))
			return -EINVAL;
		a.origin = text[P_HEAD - 1];
		if (!strchr("FTP-", a.origin) || !a.origin || (a.origin == 'P') != (a.accepted > 0))
			return -EINVAL;
		if (a.origin == '-')
			len = head;
	}
	if (len - head > SP_RECORD_MAX)
		return -EINVAL;
	a.record.len = len - head;
	memcpy(a.record.bytes, text + head, len - head);
	*ret_answer = a;
	return 0;
}

static __u64 next_random(struct sp_claim *c)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return c->random;
}

static int ask(struct sp_claim *c, enum sp_claim_step step, __u64 now_ns)
{
	c->step = step;
	c->step_ns = now_ns;
	c->round++;
	for (int i = 0; i < c->copies; i++)
		c->answers[i].kind = SP_VOTE_PENDING;
	return 1;
}

static int prepare(struct sp_claim *c, __u64 now_ns)
{
	sp_ballot count = (c->highest >> RANDOM_BITS) + 1;

	c->ballot = count << RANDOM_BITS | (next_random(c) & ((1ULL << RANDOM_BITS) - 1));
	c->highest = c->ballot;
	return ask(c, SP_CLAIM_PREPARE, now_ns);
}

void sp_claim_start(struct sp_claim *c, unsigned int copies, unsigned int quorum, const struct sp_record *record,
		    int is_own, __u64 random, __u64 now_ns)
{
	memset(c, 0, sizeof(*c));
	c->copies = copies;
	c->quorum = quorum;
	c->random = random ?: 1;
	c->record = *record;
	c->is_own = is_own;
	if (is_own)
		ask(c, SP_CLAIM_CLAIM, now_ns);
	else
		prepare(c, now_ns);
}

void sp_claim_answer(struct sp_claim *c, __u32 round, unsigned int copy_idx, const struct sp_vote *answer)
{
	struct sp_vote *a = &c->answers[copy_idx];

	if (round != c->round || copy_idx >= c->copies || a->kind != SP_VOTE_PENDING)
		return;
	*a = *answer;
	if (a->kind != SP_VOTE_VALUE)
		return;
	if (a->promised > c->highest)
		c->highest = a->promised;
	if (a->record.len && !sp_record_is_same(&a->record, &c->record))
		c->is_contested = 1;
}

static int done(struct sp_claim *c, int err, const struct sp_record *chosen)
{
	c->step = SP_CLAIM_DONE;
	c->err = err;
	if (chosen)
		c->chosen = *chosen;
	return 0;
}

void sp_claim_expire(struct sp_claim *c)
{
	if (c->step != SP_CLAIM_DONE)
		done(c, c->is_contested ? -EBUSY : -EAGAIN, NULL);
}

/* Another proxy is in the way; each time that happens the pause may be longer. */
static int pause_then_retry(struct sp_claim *c, __u64 now_ns)
{
	unsigned int steps = c->attempts < PAUSE_STEPS ? ++c->attempts : PAUSE_STEPS;

	c->step = SP_CLAIM_PAUSE;
	c->step_ns = now_ns + PAUSE_NS + next_random(c) % (steps * PAUSE_NS);
	return 0;
}

/* Who knows that it was chosen? */
static const struct sp_record *find_chosen(const struct sp_claim *c)
{
	for (int i = 0; i < c->copies; i++)
		if (c->answers[i].kind == SP_VOTE_VALUE && c->answers[i].state == 'C')
			return &c->answers[i].record;
	return NULL;
}

static int is_own(const struct sp_claim *c, const struct sp_vote *a)
{
	return a->kind == SP_VOTE_VALUE && c->is_own && sp_record_is_same(&a->record, &c->record);
}

struct tally {
	int	pending, won, rejected;
};

static int is_won(const struct sp_claim *c, const struct sp_vote *a)
{
	switch (c->step) {
	case SP_CLAIM_CLAIM:
		return a->kind == SP_VOTE_NOTHING || (is_own(c, a) && a->state != 'P');
	case SP_CLAIM_PREPARE:
		return a->kind == SP_VOTE_VALUE && a->state == 'P' && a->promised == c->ballot;
	case SP_CLAIM_ACCEPT:
		return a->kind == SP_VOTE_VALUE && a->state == 'P' && a->accepted == c->ballot &&
		       a->promised == c->ballot;
	case SP_CLAIM_PAUSE:
	case SP_CLAIM_DONE:
		break;
	}
	return 0;
}

static struct tally count(const struct sp_claim *c)
{
	struct tally t = { 0 };

	for (int i = 0; i < c->copies; i++) {
		t.pending += c->answers[i].kind == SP_VOTE_PENDING;
		if (is_won(c, &c->answers[i]))
			t.won++;
		else
			t.rejected += c->answers[i].kind == SP_VOTE_VALUE;
	}
	return t;
}

static int go_claim(struct sp_claim *c, const struct tally *t, int is_patient, __u64 now_ns)
{
	if (t->won >= c->quorum)
		return done(c, 0, &c->record);
	if (t->pending && is_patient && t->won + t->pending >= c->quorum)
		return 0;
	if (t->won + t->rejected >= c->quorum)
		return prepare(c, now_ns);
	if (t->won + t->rejected + t->pending < c->quorum)
		sp_claim_expire(c);
	return 0;
}

/* Ballot 0: how many promises came with this record, and whether somebody relies on one of them. */
static int count_record(const struct sp_claim *c, const struct sp_record *record, int *ret_is_touched)
{
	int n = 0;

	*ret_is_touched = 0;
	for (int i = 0; i < c->copies; i++) {
		const struct sp_vote *a = &c->answers[i];

		if (!is_won(c, a) || !a->record.len || !sp_record_is_same(&a->record, record))
			continue;
		n++;
		*ret_is_touched |= a->origin == 'T';
	}
	return n;
}

/* Return: -EAGAIN when two may have been chosen; 0, with NULL when none was. */
static int choose_first(const struct sp_claim *c, int granted, const struct sp_record **ret_record)
{
	const struct sp_record *found = NULL;
	int is_touched;

	for (int i = 0; i < c->copies; i++) {
		const struct sp_vote *a = &c->answers[i];

		if (!is_won(c, a) || !a->record.len || (found && sp_record_is_same(found, &a->record)))
			continue;
		if (count_record(c, &a->record, &is_touched) + c->copies - granted < c->quorum)
			continue;
		if (is_own(c, a) && !is_touched)
			continue;
		if (found)
			return -EAGAIN;
		found = &a->record;
	}
	*ret_record = found;
	return 0;
}

static int choose(const struct sp_claim *c, int granted, const struct sp_record **ret_record)
{
	const struct sp_vote *best = NULL;
	int err;

	for (int i = 0; i < c->copies; i++) {
		const struct sp_vote *a = &c->answers[i];

		if (is_won(c, a) && a->accepted && (!best || a->accepted > best->accepted))
			best = a;
	}
	if (best) {
		*ret_record = &best->record;
		return 0;
	}
	err = choose_first(c, granted, ret_record);
	if (!err && !*ret_record)
		*ret_record = &c->record;	/* anything will do */
	return err;
}

static int go_prepare(struct sp_claim *c, const struct tally *t, int is_patient, __u64 now_ns)
{
	const struct sp_record *record;

	if (t->won >= c->quorum && !choose(c, t->won, &record)) {
		c->proposal = *record;
		return ask(c, SP_CLAIM_ACCEPT, now_ns);
	}
	if (t->pending && is_patient)
		return 0;
	return pause_then_retry(c, now_ns);
}

static int go_accept(struct sp_claim *c, const struct tally *t, int is_patient, __u64 now_ns)
{
	if (t->won >= c->quorum)
		return done(c, 0, &c->proposal);
	if (t->pending && is_patient && t->won + t->pending >= c->quorum)
		return 0;
	return pause_then_retry(c, now_ns);
}

/* One answer is enough, whatever the others say. */
static int go_one(struct sp_claim *c, const struct tally *t)
{
	if (t->won)
		return done(c, 0, &c->record);
	for (int i = 0; i < c->copies; i++)
		if (c->answers[i].kind == SP_VOTE_VALUE && c->answers[i].record.len)
			return done(c, 0, &c->answers[i].record);
	if (!t->pending)
		sp_claim_expire(c);
	return 0;
}

int sp_claim_go(struct sp_claim *c, __u64 now_ns)
{
	const struct sp_record *chosen;
	struct tally t = count(c);
	int is_patient = now_ns - c->step_ns < PATIENCE_NS;

	if (c->step != SP_CLAIM_DONE && c->step != SP_CLAIM_PAUSE) {
		chosen = find_chosen(c);
		if (chosen)
			return done(c, 0, chosen);
	}
	switch (c->step) {
	case SP_CLAIM_CLAIM:
		if (c->quorum == 1)
			return go_one(c, &t);
		return go_claim(c, &t, is_patient, now_ns);
	case SP_CLAIM_PREPARE:
		return go_prepare(c, &t, is_patient, now_ns);
	case SP_CLAIM_ACCEPT:
		return go_accept(c, &t, is_patient, now_ns);
	case SP_CLAIM_PAUSE:
		return now_ns >= c->step_ns ? prepare(c, now_ns) : 0;
	case SP_CLAIM_DONE:
		break;
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * claim.c - agreement of proxies on the splice of a connection: theory of operation
 *
 * Goal: of all splices that proxies make for a connection (front tuple and client's ISN), at most
 * one is ever relied upon. A connection has K servers, the same for every proxy; a quorum is a
 * majority of them. Servers and proxies may be slow, suspended or gone, and messages late or lost.
 *
 * The protocol is Paxos for a single value. The proxies are proposers, the servers (their scripts)
 * acceptors, and a first step takes one round trip:
 *
 *	CLAIM	 ballot 0: "store my record, if you have none and promised nothing". A proxy that
 *		 wins a quorum has its splice chosen.
 *	PREPARE	 a higher ballot: "promise to accept no lower ballot; which record do you have?"
 *	ACCEPT	 "store this record, unless you promised a higher ballot"; with a quorum the
 *		 record is chosen
 *	PAUSE	 another proxy was in the way: wait a little, then try a higher ballot
 *
 * In ballots above 0, a proxy proposes the record accepted at the highest ballot among a quorum of
 * promises. So a chosen record stays chosen. Ballot 0 has several proposers, and a rule of its own:
 * the proposed record must be the one that may have been chosen, that is, that a quorum may have,
 * counting the servers without an answer. If two records may have been chosen, none can be proposed
 * (with K = 3: A has won one server, B another, the third is away), but for this:
 *
 *	Only the owner of a record counts its claims. An owner that has gone on to a ballot has
 *	counted no quorum, and never will. Its own record was not chosen in ballot 0, and the owner
 *	leaves it out.
 *
 * Then B proposes A's record, and A would propose B's: ballots order them.
 *
 * A proxy that fetches a record relies on the same count, and must make the owner see that. A
 * server that hands out a record of ballot 0 marks the record ('F' becomes 'T'), and an owner that
 * finds a 'T' does not leave its own record out. A quorum of 'T' is as good as a quorum of claims.
 * Proof: the owner's promises come from a quorum, which shares a server with the quorum of 'T'. On
 * that server the mark came before the promise, since after a promise the reader would have seen
 * 'P'. So for the owner the record counts like any record that may have been chosen: the owner
 * proposes this record, or none.
 *
 * A proxy that knows the chosen record writes 'C': a single 'C' is enough for all. A restarted
 * server may have forgotten, and counts as absent if it has nothing; see store/redis/conn.c. A
 * restarted daemon owns no records: it reads the claims of its predecessor.
 *
 * Versions: with SP_HALF_F_REQUESTS a connection has a splice for each leg and commit, numbered by
 * its version. Each version is decided by itself, as above. The proposer of version n + 1 relies on
 * version n, so a record of a later version shows that the earlier version is decided, and over.
 *
 *	CLAIM and ACCEPT replace a record of an earlier version. A record of a later version is
 *	returned: then the proxy has lost its own claim, and asks for the later version, as a reader
 *	does. A delayed CLAIM of version n changes nothing once n + 1 is there.
 *	A promise for n + 1 has no record yet. The promise lies around the value of n, which goes on
 *	for fetches and for all steps of n. So a proxy may die before n + 1 is chosen.
 *	A promise with nothing behind stops all steps of n on this server: the server may have
 *	forgotten n.
 *	A claim of n + 1 is not withdrawn: the server would be left without n.
 *	A server without any version of the connection does not store a claim of n + 1. If a
 *	majority is without, the connection is over and was forgotten: the proxy has been suspended,
 *	or cut off. If only a minority is, which has missed n, a ballot gives it n + 1.
 *
 * A 'C' of version n is enough for n, not for the connection: a majority must have answered without
 * a later version. Versions are unsigned, begin at 0 and do not wrap within 2^32 commits.
 *
 * Time: safety does not depend on it. Servers execute no command after its time, so that a dead
 * claim does not get in the way of a newer connection.
 */
#include "store/claim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_NS	50000000ULL	/* with slow servers, if the others suffice */
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

int sp_vote_parse(const void *bytes, size_t len, struct sp_vote *ret_vote)
{
	struct sp_vote a = { .kind = SP_VOTE_VALUE };
	const char *text = bytes;
	size_t head = 1;

	if (!len || !strchr("FTPC", text[0]) || !text[0])
		return -EINVAL;
	a.state = text[0];
	if (a.state == 'P') {
		head = P_HEAD;
		if (len < head || parse_ballot(text + 1, &a.promised) ||
		    parse_ballot(text + 13, &a.accepted))
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
	*ret_vote = a;
	return 0;
}

static __u64 next_random(struct sp_claim *c)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return c->random;
}

static int ask_all(struct sp_claim *c, enum sp_claim_step step, __u64 now_ns)
{
	c->step = step;
	c->step_ns = now_ns;
	c->round++;
	for (int i = 0; i < c->copies; i++)
		c->votes[i].kind = SP_VOTE_PENDING;
	return 1;
}

static int begin_ballot(struct sp_claim *c, __u64 now_ns)
{
	sp_ballot count = (c->highest >> RANDOM_BITS) + 1;

	c->ballot = count << RANDOM_BITS | (next_random(c) & ((1ULL << RANDOM_BITS) - 1));
	c->highest = c->ballot;
	return ask_all(c, SP_CLAIM_PREPARE, now_ns);
}

void sp_claim_start(struct sp_claim *c, unsigned int copies, unsigned int quorum,
		    const struct sp_record *record, int is_own, __u64 random, __u64 now_ns)
{
	memset(c, 0, sizeof(*c));
	c->copies = copies;
	c->quorum = quorum;
	c->random = random ?: 1;
	c->first = *record;
	c->record = *record;
	c->is_own = is_own;
	if (is_own)
		ask_all(c, SP_CLAIM_CLAIM, now_ns);
	else
		begin_ballot(c, now_ns);
}

void sp_claim_answer(struct sp_claim *c, __u32 round, unsigned int copy_idx,
		     const struct sp_vote *vote)
{
	struct sp_vote *a = &c->votes[copy_idx];

	if (round != c->round || copy_idx >= c->copies || a->kind != SP_VOTE_PENDING)
		return;
	*a = *vote;
	if (a->kind != SP_VOTE_VALUE)
		return;
	if (a->record.len && sp_record_version(&a->record) < sp_record_version(&c->record)) {
		a->kind = SP_VOTE_ABSENT;	/* the scripts return no earlier version */
		return;
	}
	if (a->promised > c->highest)
		c->highest = a->promised;
	if (a->record.len && !sp_record_is_same(&a->record, &c->record))
		c->is_contested = 1;
}

static int end_claim(struct sp_claim *c, int err, const struct sp_record *chosen)
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
		end_claim(c, c->is_contested ? -EBUSY : -EAGAIN, NULL);
}

/* Another proxy is in the way. The pause grows with the attempts. */
static int pause_then_retry(struct sp_claim *c, __u64 now_ns)
{
	unsigned int steps = c->attempts < PAUSE_STEPS ? ++c->attempts : PAUSE_STEPS;

	c->step = SP_CLAIM_PAUSE;
	c->step_ns = now_ns + PAUSE_NS + next_random(c) % (steps * PAUSE_NS);
	return 0;
}

/* The record of the latest version, if later than the version asked about; else NULL. */
static const struct sp_record *find_later(const struct sp_claim *c)
{
	const struct sp_record *latest = &c->record;

	for (int i = 0; i < c->copies; i++)
		if (c->votes[i].kind == SP_VOTE_VALUE && c->votes[i].record.len &&
		    sp_record_version(&c->votes[i].record) > sp_record_version(latest))
			latest = &c->votes[i].record;
	return latest == &c->record ? NULL : latest;
}

/* The version of this claim is over: the claim goes on as a question about the later version. */
static int follow_later(struct sp_claim *c, const struct sp_record *later, __u64 now_ns)
{
	c->record = *later;
	c->is_own = 0;
	return begin_ballot(c, now_ns);
}

/* The record that a server has as chosen, or NULL. */
static const struct sp_record *find_chosen(const struct sp_claim *c)
{
	for (int i = 0; i < c->copies; i++)
		if (c->votes[i].kind == SP_VOTE_VALUE && c->votes[i].state == 'C')
			return &c->votes[i].record;
	return NULL;
}

static int is_own(const struct sp_claim *c, const struct sp_vote *a)
{
	return a->kind == SP_VOTE_VALUE && c->is_own && sp_record_is_same(&a->record, &c->record);
}

struct tally {
	int	pending, won, rejected, lacking;
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

static struct tally count_votes(const struct sp_claim *c)
{
	struct tally t = { 0 };

	for (int i = 0; i < c->copies; i++) {
		t.pending += c->votes[i].kind == SP_VOTE_PENDING;
		t.lacking += c->votes[i].kind == SP_VOTE_LACKS;
		if (is_won(c, &c->votes[i]))
			t.won++;
		else
			t.rejected += c->votes[i].kind == SP_VOTE_VALUE;
	}
	return t;
}

/* A single server may have missed a later version; a majority has not. */
static int is_latest(const struct sp_claim *c, const struct tally *t,
		     const struct sp_record *chosen)
{
	return sp_record_is_final(chosen) || t->won + t->rejected + t->lacking >= c->quorum;
}

static int go_claim(struct sp_claim *c, const struct tally *t, int is_patient, __u64 now_ns)
{
	int best = t->won > t->lacking ? t->won : t->lacking;
	int answers = t->won + t->rejected + t->lacking;

	if (t->won >= c->quorum)
		return end_claim(c, 0, &c->record);
	if (t->lacking >= c->quorum)
		return end_claim(c, -ESTALE, NULL);
	if (t->pending && is_patient && best + t->pending >= c->quorum)
		return 0;
	if (answers >= c->quorum)
		return begin_ballot(c, now_ns);
	if (answers + t->pending < c->quorum)
		sp_claim_expire(c);
	return 0;
}

/* Ballot 0: the number of promises with @record. Touched: a reader relies on one of them. */
static int count_record(const struct sp_claim *c, const struct sp_record *record,
			int *ret_is_touched)
{
	int n = 0;

	*ret_is_touched = 0;
	for (int i = 0; i < c->copies; i++) {
		const struct sp_vote *a = &c->votes[i];

		if (!is_won(c, a) || !a->record.len || !sp_record_is_same(&a->record, record))
			continue;
		n++;
		*ret_is_touched |= a->origin == 'T';
	}
	return n;
}

/* Return: -EAGAIN: two may have been chosen; 0, with NULL if none was. */
static int choose_first(const struct sp_claim *c, int granted, const struct sp_record **ret_record)
{
	const struct sp_record *found = NULL;
	int is_touched;

	for (int i = 0; i < c->copies; i++) {
		const struct sp_vote *a = &c->votes[i];

		if (!is_won(c, a) || !a->record.len ||
		    (found && sp_record_is_same(found, &a->record)))
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

static int choose_record(const struct sp_claim *c, int granted, const struct sp_record **ret_record)
{
	const struct sp_vote *best = NULL;
	int err;

	for (int i = 0; i < c->copies; i++) {
		const struct sp_vote *a = &c->votes[i];

		if (is_won(c, a) && a->accepted && (!best || a->accepted > best->accepted))
			best = a;
	}
	if (best) {
		*ret_record = &best->record;
		return 0;
	}
	err = choose_first(c, granted, ret_record);
	if (!err && !*ret_record)
		*ret_record = &c->record;	/* any record will do */
	return err;
}

static int go_prepare(struct sp_claim *c, const struct tally *t, int is_patient, __u64 now_ns)
{
	const struct sp_record *record;

	if (t->won >= c->quorum && !choose_record(c, t->won, &record)) {
		c->proposal = *record;
		return ask_all(c, SP_CLAIM_ACCEPT, now_ns);
	}
	if (t->pending && is_patient)
		return 0;
	return pause_then_retry(c, now_ns);
}

static int go_accept(struct sp_claim *c, const struct tally *t, int is_patient, __u64 now_ns)
{
	if (t->won >= c->quorum)
		return end_claim(c, 0, &c->proposal);
	if (t->pending && is_patient && t->won + t->pending >= c->quorum)
		return 0;
	return pause_then_retry(c, now_ns);
}

/* A quorum of 1: the first answer decides. */
static int go_one(struct sp_claim *c, const struct tally *t)
{
	if (t->won)
		return end_claim(c, 0, &c->record);
	for (int i = 0; i < c->copies; i++)
		if (c->votes[i].kind == SP_VOTE_VALUE && c->votes[i].record.len)
			return end_claim(c, 0, &c->votes[i].record);
	if (!t->pending && t->lacking)
		return end_claim(c, -ESTALE, NULL);
	if (!t->pending)
		sp_claim_expire(c);
	return 0;
}

int sp_claim_go(struct sp_claim *c, __u64 now_ns)
{
	const struct sp_record *later = find_later(c), *chosen = find_chosen(c);
	struct tally t = count_votes(c);
	int is_patient = now_ns - c->step_ns < PATIENCE_NS;

	if (c->step != SP_CLAIM_DONE && c->step != SP_CLAIM_PAUSE) {
		if (later && c->quorum > 1)
			return follow_later(c, later, now_ns);
		if (chosen && is_latest(c, &t, chosen))
			return end_claim(c, 0, chosen);
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
		return now_ns >= c->step_ns ? begin_ballot(c, now_ns) : 0;
	case SP_CLAIM_DONE:
		break;
	}
	return 0;
}

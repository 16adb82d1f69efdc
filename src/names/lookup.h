/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * lookup.h - what is known of a name, and when to ask again. No I/O, no clock: times are passed in,
 * in ns. Context: any; nothing blocks.
 */
#ifndef SP_NAMES_LOOKUP_H
#define SP_NAMES_LOOKUP_H

#include "names/answer.h"

/*
 * Theory of operation. A look-up is a round of questions: A and AAAA of a host, as far as the
 * configuration can reach their families; SRV of a service. All questions begun, the round ends
 * with the last answer:
 *
 *	records of a family	replace the earlier addresses of that family
 *	no record of a family	the same, if the other family has records
 *	a question failed	its family stays as it is
 *	no records at all	the round failed
 *	NXDOMAIN, SERVFAIL, REFUSED, time-out: the round failed, if no family had records
 *
 * A round that failed changes nothing, unless `hold` has passed since the last good one. The next
 * round is after the TTL in its bounds; after a failure in 1 s, 2 s and so on to RETRY_MAX_S.
 */

/* X(up, text) - end of a question, or of a round */
#define SP_LOOKUP_ENDS(X) \
	X(GOOD, "") \
	X(TIMED_OUT, "no resolver answered in time") \
	X(UNREACHABLE, "no resolver could be reached") \
	X(NXDOMAIN, "the name does not exist (NXDOMAIN)") \
	X(SERVFAIL, "the resolver failed (SERVFAIL)") \
	X(REFUSED, "the resolver refused the question (REFUSED)") \
	X(BAD_ANSWER, "the answer can't be read") \
	X(NO_RECORDS, "the answer has no records that can be used") \
	X(NO_TARGET, "no target of the SRV records has an address") \
	X(NO_ROOM, "too many names are looked up") \
	X(OTHER, "the look-up failed")

enum sp_lookup_end {
#define X(up, text) SP_LOOKUP_##up,
	SP_LOOKUP_ENDS(X)
#undef X
};

const char *sp_lookup_end_text(enum sp_lookup_end end);

/* Why an address of an answer is no backend. */
#define SP_ADDRESS_REFUSALS(X) \
	X(NONE, "") \
	X(NOT_ONE_MACHINE, "not the address of one machine") \
	X(LOOPBACK, "a loopback address") \
	X(LINK_LOCAL, "a link-local address") \
	X(SERVICE, "the address of a service") \
	X(SOURCE, "a source address of spliced")

enum sp_address_refusal {
#define X(up, text) SP_ADDRESS_##up,
	SP_ADDRESS_REFUSALS(X)
#undef X
};

/* @config: as written. */
enum sp_address_refusal sp_address_refuse(const struct sp_config *config,
					  const struct sp_addr *addr);
const char *sp_address_refusal_text(enum sp_address_refusal refusal);

#define SP_LOOKUP_RECORDS_MAX	128	/* of a type, for a name */

/* Answers of a question: addresses for a host, targets for a service. */
struct sp_found {
	size_t			count;
	struct sp_dns_record	*records;	/* SP_LOOKUP_RECORDS_MAX, sorted */
};

/**
 * struct sp_question - one record type of a round
 * @lookup, @owner: for the answer
 * @end:	of this round's; valid while not @is_open
 * @now:	in use
 * @next:	of this round
 */
struct sp_question {
	struct sp_lookup	*lookup;
	void			*owner;
	enum sp_dns_type	type;
	int			is_asked, is_open;
	enum sp_lookup_end	end;
	__u32			ttl_s;
	struct sp_found		now, next;
};

/**
 * struct sp_lookup - a name
 * @is_used:	by the configuration, or by records in use
 * @has_answer:	a round was good, ever
 * @is_new:	since the last reload
 * @is_tried:	a round has ended, ever
 * @end:	of the last round; a part of it may have failed
 * @good_ns:	end of the last good round; @next_ns: begin of the next
 * @failures:	rounds in a row
 * @left_off:	records of the last round beyond SP_LOOKUP_RECORDS_MAX
 * @refusal, @refused: the last address that was refused, and why
 * @rounds, @failed_rounds, @changes, @refused_records: since the daemon's start
 */
struct sp_lookup {
	struct sp_lookup	*chain;		/* of the owner's list */
	enum sp_name_type	type;
	char			host[SP_HOST_MAX + 1];
	int			is_used, is_new, has_answer, is_tried;
	unsigned int		open;
	struct sp_question	questions[2];	/* of a service the first alone */
	enum sp_lookup_end	end;
	__u64			good_ns, next_ns;
	unsigned int		failures, left_off;
	enum sp_address_refusal	refusal;
	struct sp_addr		refused;
	__u64			rounds, failed_rounds, changes, refused_records;
};

/* @owner: of its questions. Return: NULL: out of memory. */
struct sp_lookup *sp_lookup_new(enum sp_name_type type, const char *host, void *owner);
void sp_lookup_free(struct sp_lookup *lookup);

/* A round begins. @families: bit 0: IPv4, bit 1: IPv6; for a host. */
void sp_lookup_begin(struct sp_lookup *lookup, unsigned int families);

/**
 * sp_lookup_answer() - a question of this round has ended
 * @answer:	with SP_LOOKUP_GOOD. Its records are sorted
 * @config:	as written, for addresses to refuse
 * Return: whether it was the round's last: sp_lookup_finish() is due.
 */
int sp_lookup_answer(struct sp_lookup *lookup, enum sp_dns_type type, enum sp_lookup_end end,
		     struct sp_answer *answer, const struct sp_config *config);

/* The round ends. Return: whether records have changed. */
int sp_lookup_finish(struct sp_lookup *lookup, const struct sp_resolvers_conf *conf, __u64 now_ns);

/* No question of this round counts: resolvers have changed. The next round is now. */
void sp_lookup_abandon(struct sp_lookup *lookup, __u64 now_ns);

/* The round is none: see SP_LOOKUP_NO_TARGET. Return: as sp_lookup_finish(). */
int sp_lookup_fail(struct sp_lookup *lookup, enum sp_lookup_end why,
		   const struct sp_resolvers_conf *conf, __u64 now_ns);

#endif

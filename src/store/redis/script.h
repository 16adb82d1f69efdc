/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* script.h - what a server of the store is asked: scripts, each of them one atomic step, and commands. */
#ifndef SP_STORE_REDIS_SCRIPT_H
#define SP_STORE_REDIS_SCRIPT_H

#include <stddef.h>

#include "abi/ktypes.h"

#define SP_SCRIPTS(X) \
	X(CLAIM) X(PREPARE) X(ACCEPT) X(LOOK) X(KEEP) X(DROP) \
	X(SCAN) X(ANNOUNCE) X(STASH) X(UNSTASH) X(LEFT) X(PROBE)

enum sp_script {
#define X(up) SP_SCRIPT_##up,
	SP_SCRIPTS(X)
#undef X
	SP_SCRIPT_COUNT
};

/*
 * Keys: front, and but for PREPARE also down (record.h). TTL in ms. DUE: the server's time in ms after which nothing
 * is done and "L" (late) is returned.
 *
 *	CLAIM	record TTL DUE		nil: it was put there; else what is there
 *	PREPARE	record TTL DUE ballot	what is there now (any record with the client's ISN will do)
 *	ACCEPT	record TTL DUE ballot	what is there now
 *	LOOK				nil; or what is there now, and the packed front tuple if the down key led there
 *	KEEP	record TTL is_chosen	SP_KEPT_*
 *	DROP	record state		1: removed; only if it has that record, and that state unless it is "". The
 *					pointer under the down key also when the record there has another one
 *	SCAN	cursor count address...	the next cursor, and keys and values of front keys (no key is given). The values
 *					are as they lie there; packed addresses: only splices from one of them
 *	ANNOUNCE name record TTL	under the key of all members: all records that are not older than TTL
 *
 * "What is there" is as sp_vote_parse() reads it. A record with another client ISN is an older connection's: for
 * CLAIM, PREPARE and ACCEPT it isn't there.
 *
 * Of heads (store/redis/head.c). Keys: head, and the index of its owner; for LEFT the index alone. "who": time of its
 * beginning in ms (13 digits), and both ISNs; a head of another connection that began later is left alone.
 *
 *	STASH	who TTL DUE piece# piece full	1: it has this piece, and all before it; 0: it can't; "L"
 *	UNSTASH	who piece# length		removed, unless it has more than that
 *	LEFT	age TTL max			fronts in that index that were not written for so many ms; 0: all
 *
 * Of the server itself. Key: the marker.
 *
 *	PROBE	marker			the marker that is there, put there if there was none; the time, as by TIME
 */
const char *sp_script_text(enum sp_script script);

/* What KEEP did: extended it; put it (back), or wrote that it is chosen; left another splice, or a newer connection. */
enum sp_kept { SP_KEPT_THERE, SP_KEPT_PUT, SP_KEPT_CONFLICT, SP_KEPT_NEWER };

/* A command in the servers' protocol, of at most SP_CMD_BYTES_MAX bytes. */
#define SP_CMD_BYTES_MAX	5120
struct sp_cmd {
	size_t	len;
	char	bytes[SP_CMD_BYTES_MAX];
};
void sp_cmd_begin(struct sp_cmd *cmd, unsigned int args);
void sp_cmd_arg(struct sp_cmd *cmd, const void *bytes, size_t len);
void sp_cmd_text(struct sp_cmd *cmd, const char *text);
void sp_cmd_number(struct sp_cmd *cmd, __u64 number);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* script.h - commands for a server of the store, and its scripts: each script is an atomic step */
#ifndef SP_STORE_REDIS_SCRIPT_H
#define SP_STORE_REDIS_SCRIPT_H

#include <stddef.h>

#include "abi/ktypes.h"

#define SP_SCRIPTS(X) \
	X(CLAIM) X(PREPARE) X(ACCEPT) X(FETCH) X(REFRESH) X(DROP) \
	X(SCAN) X(ANNOUNCE) X(STASH) X(UNSTASH) X(ORPHANS) X(PROBE)

enum sp_script {
#define X(up) SP_SCRIPT_##up,
	SP_SCRIPTS(X)
#undef X
	SP_SCRIPT_COUNT
};

/*
 * Splices. Keys: front, and but for PREPARE also down (record.h). TTL in ms. DUE: the server's time
 * in ms; later, nothing is done and "L" (late) is returned. Values are as sp_vote_parse() reads
 * them.
 *
 *	CLAIM	record TTL DUE		nil: the record was stored; else the value that is there
 *	PREPARE	record TTL DUE ballot	the value that is there now; of the record, client ISN and
 *					version count
 *	ACCEPT	record TTL DUE ballot	the value that is there now
 *	FETCH				nil; or the value that is there now, and the packed
 *					front tuple if the down key led there
 *	REFRESH	record TTL is_chosen	enum sp_refresh_result
 *	DROP	record state		1: removed; only a value with that record (its boundary may
 *					differ) and state. State "": any, and records of earlier
 *					versions, too. The pointer under the down key stays if
 *					the record there has the same
 *	SCAN	cursor count address...	the next cursor, and front keys with their values (no
 *					key is given). Packed addresses: only splices from
 *					one of them
 *
 * A record with another client ISN is an older connection's, and a record with an earlier version
 * is of a leg that is being left: for CLAIM, PREPARE and ACCEPT the key is empty. A record of a
 * later version is left alone by all, and returned.
 *
 * The value of a promise without a record ('P' with origin '-') goes on with client ISN and version
 * of the promise, and the value of the earlier version that was there. Scripts take that value for
 * the value of the key, unless they are about the promise's version, or a later one.
 *
 *	ANNOUNCE name record TTL	key: of all members. All records that are younger than TTL
 *
 * Heads. Keys: head, and the index of its owner; for ORPHANS the index alone. The identity is
 * begun_ms (13 digits) and both ISNs; a head of another connection that began later is left alone.
 *
 *	STASH	identity TTL DUE chunk# chunk full
 *					1: the server has this chunk, and all before; 0; "L"
 *	UNSTASH	identity chunk# length	removed, unless there is more
 *	ORPHANS	age TTL max		fronts in the index, not written for age ms; 0: all
 *
 * The server. Key: the marker.
 *
 *	PROBE	marker			the marker that is there, stored if there was none; and
 *					the time, as of TIME
 */
/* Lua, 0-terminated. */
const char *sp_script_text(enum sp_script script);

/*
 * Extended; put back, or marked as chosen; left alone: another splice of the same version, a later
 * version or a newer connection.
 */
enum sp_refresh_result { SP_REFRESH_THERE, SP_REFRESH_PUT, SP_REFRESH_CONFLICT, SP_REFRESH_NEWER };

/* A command in the servers' protocol. A longer one is a bug: assert(). */
#define SP_CMD_BYTES_MAX	5120
struct sp_cmd {
	size_t	len;
	char	bytes[SP_CMD_BYTES_MAX];
};
/* @args: how many sp_cmd_arg(), sp_cmd_text() and sp_cmd_number() will follow */
void sp_cmd_begin(struct sp_cmd *cmd, unsigned int args);
void sp_cmd_arg(struct sp_cmd *cmd, const void *bytes, size_t len);
void sp_cmd_text(struct sp_cmd *cmd, const char *text);
void sp_cmd_number(struct sp_cmd *cmd, __u64 number);

#endif

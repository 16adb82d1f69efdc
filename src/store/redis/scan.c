// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * scan.c - the scan for splices of this proxy
 *
 * Each server is read page by page, with one page under way. A chosen splice is on a quorum of its
 * servers, so quorum - 1 servers may be missing and no splice is overlooked. A restarted server
 * counts once the proxies had the time to put their splices back. A cursor survives a lost
 * connection, but not a restart of the server.
 *
 * READY	the next page is to be asked for when the server is up
 * ASKED	a page is under way
 * DONE		read to the end
 */
#include "store/redis/scan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "store/claim.h"

#define PAGE_KEYS	"512"		/* keys per page: some 0.3 ms of a server's time */
#define PATIENCE_NS	2000000000ULL	/* without a page */
#define LINGER_NS	10000000000ULL	/* for more servers when enough are done */
#define SCAN_BEGIN	"0"		/* the first cursor, and the one after the last page */
#define ADDRS_MAX	128		/* addresses that fit into a command */

static void restart_server(struct sp_scan_server *at)
{
	at->state = SP_SCAN_READY;
	snprintf(at->cursor, sizeof(at->cursor), SCAN_BEGIN);
}

static void ask_page(struct sp_store_redis *l, unsigned int idx)
{
	unsigned int addrs = l->config->snat_count <= ADDRS_MAX ? l->config->snat_count : 0;
	struct sp_scan_server *at = &l->scan.at[idx];
	struct sp_cmd cmd;

	sp_cmd_begin(&cmd, 5 + addrs);
	sp_cmd_text(&cmd, "EVALSHA");
	sp_cmd_text(&cmd, sp_redis_sha(l->servers[idx], SP_SCRIPT_SCAN));
	sp_cmd_text(&cmd, "0");
	sp_cmd_text(&cmd, at->cursor);
	sp_cmd_text(&cmd, PAGE_KEYS);
	for (unsigned int i = 0; i < addrs; i++) {
		const struct sp_addr *a = &l->config->snat_addrs[i];
		int is_v4 = sp_addr_is_v4(a);

		sp_cmd_arg(&cmd, &a->w[is_v4 ? 3 : 0], is_v4 ? 4 : 16);
	}
	at->gen++;
	if (!sp_redis_send(l->servers[idx], &cmd, (__u64)at->gen << SP_REF_KIND_BITS | SP_REF_SCAN))
		at->state = SP_SCAN_ASKED;
}

static int can_tell(const struct sp_store_redis *l, unsigned int idx, __u64 now_ns)
{
	return sp_redis_is_up(l->servers[idx]) && !sp_redis_is_blank(l->servers[idx], now_ns);
}

static void end_scan(struct sp_store_redis *l, int err)
{
	l->scan.is_running = 0;
	l->store.counters.scans_ok += !err;
	l->store.counters.scans_again += !!err;
	l->store.events->scanned(l->store.ctx, err);
}

/* Servers that are up are waited for; the scan succeeds without the others or fails. */
static void check_end(struct sp_store_redis *l, __u64 now_ns)
{
	unsigned int done = 0, going = 0;
	int is_enough;

	for (unsigned int i = 0; i < l->server_count; i++) {
		if (l->scan.at[i].state == SP_SCAN_DONE)
			done++;
		else
			going += can_tell(l, i, now_ns);
	}
	is_enough = done + l->quorum > l->server_count;
	if (is_enough && !l->scan.enough_ns)
		l->scan.enough_ns = now_ns;
	if (going && now_ns - l->scan.page_ns < PATIENCE_NS &&
	    (!is_enough || now_ns - l->scan.enough_ns < LINGER_NS))
		return;
	if (is_enough)
		end_scan(l, 0);
	else if (now_ns - l->scan.page_ns >= PATIENCE_NS)
		end_scan(l, -EAGAIN);
}

/* A key and its value. A claim without a record is skipped. */
static enum sp_seal_refusal read_pair(struct sp_store_redis *l, const redisReply *key,
				      const redisReply *value)
{
	enum sp_seal_refusal refusal;
	struct sp_splice splice;
	struct sp_vote vote;
	struct sp_tuple front;

	if (!key->len || sp_tuple_unpack(key->str + 1, key->len - 1, &front) ||
	    sp_vote_parse(value->str, value->len, &vote))
		return SP_SEAL_MAGIC;
	if (!vote.record.len)
		return SP_SEAL_OK;
	refusal = sp_record_read(&l->seal, &front, vote.record.bytes, vote.record.len, &splice);
	if (refusal == SP_SEAL_OK)
		l->store.events->found(l->store.ctx, &splice);
	return refusal;
}

static void read_page(struct sp_store_redis *l, unsigned int server_idx, const redisReply *pairs)
{
	for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
		enum sp_seal_refusal refusal;

		refusal = read_pair(l, pairs->element[i], pairs->element[i + 1]);
		if (refusal != SP_SEAL_OK)
			sp_store_redis_refused(l, server_idx, refusal);
	}
}

static int is_page(const redisReply *r)
{
	return r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
	       r->element[0]->type == REDIS_REPLY_STRING &&
	       r->element[0]->len < sizeof(((struct sp_scan_server *)0)->cursor) &&
	       sp_store_redis_is_list(r->element[1]);
}

int sp_scan_reply(struct sp_store_redis *l, unsigned int server_idx, __u64 ref,
		  const redisReply *reply)
{
	struct sp_scan_server *at = &l->scan.at[server_idx];
	__u64 now_ns = uv_hrtime();

	if (!l->scan.is_running || at->state != SP_SCAN_ASKED || ref >> SP_REF_KIND_BITS != at->gen)
		return 0;
	at->state = SP_SCAN_READY;	/* the tick asks again */
	if (!reply)
		return 0;
	if (!is_page(reply))
		return -EBADMSG;
	read_page(l, server_idx, reply->element[1]);
	memcpy(at->cursor, reply->element[0]->str, reply->element[0]->len + 1);
	l->scan.page_ns = now_ns;
	if (!strcmp(at->cursor, SCAN_BEGIN)) {
		at->state = SP_SCAN_DONE;
		check_end(l, now_ns);
	} else if (!l->scan.is_paced && can_tell(l, server_idx, now_ns)) {
		ask_page(l, server_idx);
	}
	return 0;
}

void sp_scan_emptied(struct sp_store_redis *l, unsigned int server_idx)
{
	struct sp_scan_server *at = &l->scan.at[server_idx];

	if (at->state != SP_SCAN_DONE)
		restart_server(at);
}

void sp_scan_tick(struct sp_store_redis *l, __u64 now_ns)
{
	if (!l->scan.is_running)
		return;
	for (unsigned int i = 0; i < l->server_count; i++)
		if (l->scan.at[i].state == SP_SCAN_READY && can_tell(l, i, now_ns))
			ask_page(l, i);
	check_end(l, now_ns);
}

void sp_scan_start(struct sp_store_redis *l, int is_paced)
{
	if (l->scan.is_running)
		return;
	l->scan.is_running = 1;
	l->scan.is_paced = is_paced;
	l->scan.page_ns = uv_hrtime();
	l->scan.enough_ns = 0;
	for (unsigned int i = 0; i < l->server_count; i++)
		restart_server(&l->scan.at[i]);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* greeting.c - commands of a server's connection itself: the greeting, and the probe */
#include "store/redis/greeting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/warnings.h"

#define BLANK_NS	5000000000ULL
#define RTT_MAX_NS	100000000ULL	/* of an answer that sets the clock */
#define TIME_MAX_S	100000000000ULL	/* of a plausible clock */
#define MARKER_KEY	"m"

/* Does @text begin with a run_id or SHA: 40 hexadecimal digits? */
static int is_hex(const char *text, size_t len)
{
	return len >= SP_SHA_LEN && strspn(text, "0123456789abcdef") >= SP_SHA_LEN;
}

static void ask_own(struct sp_redis *r, enum sp_redis_asker what, __u64 ref,
		    const struct sp_cmd *cmd)
{
	sp_redis_link_ask(r->link, cmd, (struct sp_redis_asked){ what, ref });
}

static void ask_words(struct sp_redis *r, enum sp_redis_asker what, __u64 ref,
		      const char *const words[], unsigned int count)
{
	struct sp_cmd cmd;

	sp_cmd_begin(&cmd, count);
	for (unsigned int i = 0; i < count; i++)
		sp_cmd_text(&cmd, words[i]);
	ask_own(r, what, ref, &cmd);
}

void sp_redis_probe(struct sp_redis *r, __u64 now_ns)
{
	char marker[SP_MARKER_LEN + 1];
	const char *const words[] = { "EVALSHA", r->sha[SP_SCRIPT_PROBE], "1", MARKER_KEY, marker };

	snprintf(marker, sizeof(marker), "%016llx", r->next_marker++);
	r->probe_ns = now_ns;
	r->probed_ns = now_ns;
	r->is_probing = 1;
	ask_words(r, ASKED_PROBE, 0, words, 5);
}

/* The text behind "field:" at the beginning of a line of INFO, or NULL. */
static const char *info_field(const char *info, const char *field)
{
	size_t len = strlen(field);

	for (const char *line = info; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, field, len) && line[len] == ':')
			return line + len + 1;
	}
	return NULL;
}

static void take_info(struct sp_redis *r, const redisReply *reply)
{
	const char *run_id = NULL, *policy, *max;

	if (reply->type == REDIS_REPLY_STRING)
		run_id = info_field(reply->str, "run_id");
	if (!run_id || !is_hex(run_id, strlen(run_id))) {
		sp_redis_give_up_nonsense(r, "INFO has no run_id");
		return;
	}
	r->is_emptied = r->run_id[0] && strncmp(r->run_id, run_id, SP_SHA_LEN);
	if (r->is_emptied)
		r->blank_ns = uv_hrtime() + BLANK_NS;
	memcpy(r->run_id, run_id, SP_SHA_LEN);
	policy = info_field(reply->str, "maxmemory_policy");
	max = info_field(reply->str, "maxmemory");
	if (policy && max && max[0] != '0' && strncmp(policy, "noeviction", 10))
		log_warn("store server %s: maxmemory-policy must be noeviction, "
			 "or it forgets splices", sp_redis_name(r));
}

static void take_sha(struct sp_redis *r, const redisReply *reply, enum sp_script script)
{
	if (reply->type != REDIS_REPLY_STRING || !is_hex(reply->str, reply->len)) {
		sp_redis_give_up_nonsense(r, "SCRIPT LOAD: no SHA came back");
		return;
	}
	memcpy(r->sha[script], reply->str, SP_SHA_LEN);
	if (script == SP_SCRIPT_COUNT - 1)
		sp_redis_probe(r, uv_hrtime());
}

static void take_marker(struct sp_redis *r, const char *marker)
{
	int is_new = r->marker[0] && memcmp(r->marker, marker, SP_MARKER_LEN);

	memcpy(r->marker, marker, SP_MARKER_LEN);
	if (!is_new)
		return;
	r->blank_ns = uv_hrtime() + BLANK_NS;
	if (r->stats.state != SP_REDIS_UP) {
		r->is_emptied = 1;
		return;
	}
	log_warn("store server %s: it was emptied", sp_redis_name(r));
	r->conf.events->changed(r->conf.ctx, r->conf.idx, 1);
}

/* Return: 0; -EBADMSG: no number, or above @max. */
static int read_number(const redisReply *reply, __u64 max, __u64 *ret_number)
{
	char *end;

	if (reply->type != REDIS_REPLY_STRING || !reply->len ||
	    strspn(reply->str, "0123456789") != reply->len)
		return -EBADMSG;
	errno = 0;
	*ret_number = strtoull(reply->str, &end, 10);
	return errno || *ret_number > max ? -EBADMSG : 0;
}

/*
 * The local clock is read after the server's, so DUE is a little early, which is safe. A late
 * answer sets no clock.
 */
static void take_probe(struct sp_redis *r, const redisReply *reply)
{
	__u64 now_ns = uv_hrtime(), s, us;

	r->is_probing = 0;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[0]->len != SP_MARKER_LEN ||
	    read_number(reply->element[1], TIME_MAX_S, &s) ||
	    read_number(reply->element[2], 999999, &us)) {
		sp_redis_give_up_nonsense(r, "the probe: no marker and time came back");
		return;
	}
	if (r->stats.state != SP_REDIS_UP || now_ns - r->probed_ns < RTT_MAX_NS)
		r->clock_us = s * 1000000 + us - now_ns / 1000;
	take_marker(r, reply->element[0]->str);
	r->stats.is_refusing = 0;
	r->stats.why[0] = 0;
	sp_warn_over(SP_WARNING_STORE_SERVER, sp_redis_name(r));
	if (r->stats.state != SP_REDIS_UP)
		sp_redis_mark_up(r, now_ns);
}

static void greeting_refused(struct sp_redis *r, enum sp_redis_asker what, const char *error)
{
	static const char *const texts[] = {
		[ASKED_AUTH] = "the password is refused", [ASKED_INFO] = "INFO is refused",
		[ASKED_SCRIPT] = "a script is refused",
	};
	char why[SP_REDIS_WHY_MAX];

	snprintf(why, sizeof(why), "%s: %s", texts[what], error);
	sp_redis_give_up(r, why);
}

static void probe_refused(struct sp_redis *r, const char *error)
{
	__u64 now_ns = uv_hrtime();

	if (sp_redis_has_lost_scripts(error)) {
		sp_redis_give_up(r, "it has lost its scripts");
		return;
	}
	r->is_probing = 0;
	r->stats.is_refusing = 1;
	snprintf(r->stats.why, sizeof(r->stats.why), "%s", error);
	sp_warn(SP_WARNING_STORE_SERVER, now_ns, sp_redis_name(r),
		"store server %s takes no writes: %s", sp_redis_name(r), error);
	if (r->stats.state != SP_REDIS_UP)
		sp_redis_mark_up(r, now_ns);
}

static void own_refused(struct sp_redis *r, enum sp_redis_asker what, const char *error)
{
	r->stats.errors++;
	if (what == ASKED_PROBE)
		probe_refused(r, error);
	else
		greeting_refused(r, what, error);
}

void sp_redis_take_own(struct sp_redis *r, struct sp_redis_asked asked, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ERROR) {
		own_refused(r, asked.what, reply->str);
		return;
	}
	switch ((enum sp_redis_asker)asked.what) {
	case ASKED_BY_STORE:
	case ASKED_AUTH:
		break;
	case ASKED_INFO:
		take_info(r, reply);
		break;
	case ASKED_SCRIPT:
		take_sha(r, reply, asked.ref);
		break;
	case ASKED_PROBE:
		take_probe(r, reply);
		break;
	}
}

/* The probe follows the last script. */
void sp_redis_greet(struct sp_redis *r)
{
	r->stats.state = SP_REDIS_GREETING;
	if (r->conf.password)
		ask_words(r, ASKED_AUTH, 0, (const char *const[]){ "AUTH", r->conf.password }, 2);
	ask_words(r, ASKED_INFO, 0, (const char *const[]){ "INFO" }, 1);
	for (int i = 0; i < SP_SCRIPT_COUNT; i++)
		ask_words(r, ASKED_SCRIPT, i,
			  (const char *const[]){ "SCRIPT", "LOAD", sp_script_text(i) }, 3);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation
 *
 * The datapath (bpf/agent.bpf.h) carries what a server of this host answers, by
 * the half that goes from the backend to the client. A packet that has none
 * comes up, waits among the strays, and the store is asked:
 *
 *	found		both halves are installed, and what waits is sent again as it was: so it goes through the
 *			datapath like all that follows. The half from the client is needed for ends and refreshes only
 *	nobody has it	it is no splice: what waits is sent again, and the tuple passes for UNKNOWN_NS
 *	it goes whole	as its service wants it: the same, until the server's next SYN-ACK
 *	no answer	the same, for SP_ASK_PASS_NS
 *
 * Most are never asked about: the proxy introduces a splice to the datapath of this host before the server has its
 * request (bpf/introduce.bpf.h). The daemon finds those in the table, and they age and end like all others.
 *
 * What is too long to wait (SP_ASK_BYTES_MAX) passes while the store is asked.
 *
 * What passes goes to a proxy, which carries it. "No answer" comes soon, and when the store has left one question
 * unanswered, none is asked for a while, and nothing waits: questions.c.
 *
 * Ends are told to the proxies, which don't see them any more (age.c), and
 * theirs to us. A splice that is found while an older one of its tuple is here
 * replaces it: the server has said by its SYN-ACK that the old one is over.
 */
#include "node/front.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "abi/ask.h"
#include "base/clock.h"
#include "agent/capability.h"
#include "agent/questions.h"
#include "agent/untaken.h"
#include "node/program.h"
#include "splice/splice.h"

#define UNKNOWN_NS	10000000000ULL
#define WHOLE_NS	3600000000000ULL
#define STRAY_NS	1000000000ULL	/* of what a proxy sends here: until it has come again, no longer */
#define FRESH_S		10		/* an older one has got its first segment, or its host was started since */

static void tell_host(void)
{
	sp_capability_of_host(sp_datapath_kernel_adopts());
}

const struct sp_program sp_program = {
	.name = "spliced-agent", .config_path = "/etc/spliced/spliced-agent.yaml", .load = sp_config_load_agent,
	.tell_host = tell_host,
};

/* What front.h calls a front: here it is what the host's servers send. */
struct sp_front {
	SP_CARRIER_FIRST
	struct sp_questions		questions;
	struct sp_untaken		untaken;
	__u8				can;
	unsigned int			ticks;
};

static void on_back(struct sp_front *f, const struct sp_event *ev)
{
	struct sp_segment seg;

	if (sp_segment_parse(ev, &seg) || !sp_segment_is_intact(ev)) {
		f->counters.segment_bad++;
		return;
	}
	seg.mss = ev->mtu;
	sp_questions_hold(&f->questions, &seg);
}

/*
 * Of a proxy, and neither half nor socket is here: perhaps of a connection whose introduction was lost. Where no store
 * is shared it is introduced again before this comes again (unheard.h).
 */
static void on_nobodys(struct sp_front *f, const struct sp_tuple *tuple)
{
	const struct sp_tuple from_server = sp_tuple_reverse(tuple);

	f->counters.agent_asked++;
	if (sp_carrier_is_shared(&f->carrier))
		f->store->engine->fetch(f->store, &from_server);
	else
		sp_datapath_pass(f->dp, tuple, sp_now_ns() + STRAY_NS);
}

/* The splice never was: its client's next repetition begins anew, and is not adopted then. */
static void on_untaken(struct sp_front *f, const struct sp_tuple *tuple)
{
	const struct sp_tuple from_server = sp_tuple_reverse(tuple);
	const struct sp_endpoint at = { tuple->daddr, tuple->dport };
	struct sp_tuple front;
	struct sp_entry down;

	f->counters.agent_untaken++;
	if (!sp_untaken_note(&f->untaken, &at, sp_untaken_overflows(), sp_now_ns()) ||
	    sp_datapath_get(f->dp, &from_server, &down))
		return;
	front = sp_tuple_reverse(&down.half.out);
	if (sp_ager_remove(&f->ager, &front, down.tag.client_isn))
		return;
	sp_capability_tell(f->cluster, f->dp, f->config, f->can, &f->untaken);
	sp_cluster_tell_ends(f->cluster, &front, down.tag.client_isn, SP_USE_S_UNTAKEN);
}

void sp_front_event(struct sp_front *f, const struct sp_event *ev)
{
	if (ev->kind == SP_EVENT_TOO_BIG)
		sp_wire_send_too_big(f->wire, ev);
	else if (ev->kind == SP_EVENT_ASK)
		sp_questions_ask(&f->questions, &ev->tuple);
	else if (ev->kind == SP_EVENT_BACK)
		on_back(f, ev);
	else if (ev->kind == SP_EVENT_MISS)
		on_nobodys(f, &ev->tuple);
	else if (ev->kind == SP_EVENT_UNTAKEN)
		on_untaken(f, &ev->tuple);
}

void sp_front_tick(struct sp_front *f)
{
	if (f->ticks++ % (SP_HELLO_MS / SP_FRONT_TICK_MS) == 0)
		sp_capability_tell(f->cluster, f->dp, f->config, f->can, &f->untaken);
	sp_questions_tick(&f->questions, sp_now_ns());
}

/* ---- the store and the proxies ---- */

/* One end is not found any more, so nothing would remove the other. */
static void remove_older(struct sp_front *f, const struct sp_tuple *down_key, const struct sp_splice *next)
{
	struct sp_tuple back = sp_tuple_reverse(down_key), front;
	struct sp_entry down, up;

	if (sp_datapath_get(f->dp, down_key, &down))
		return;
	front = sp_tuple_reverse(&down.half.out);
	if (memcmp(&front, &next->front, sizeof(front)) && !sp_datapath_get(f->dp, &front, &up) &&
	    !memcmp(&up.half.out, &back, sizeof(back)))
		sp_datapath_del(f->dp, &front);
}

static int is_down_key(const struct sp_tuple *key, const struct sp_splice *splice)
{
	struct sp_tuple down_key = sp_tuple_reverse(&splice->up.out);

	return !memcmp(key, &down_key, sizeof(*key));
}

static int is_fresh(const struct sp_splice *splice)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return now.tv_sec - splice->down.spliced_s <= FRESH_S && now.tv_sec - up.tv_sec < splice->down.spliced_s;
}

/*
 * An old one is not adopted again, even though no packet of its server was seen: what its client sends may have been
 * run already, before this host was started. It has a socket, or else the stack says so.
 */
static int install(struct sp_front *f, const struct sp_tuple *key, const struct sp_splice *splice)
{
	const struct sp_use answered = { .pkts = 1, .last_ack = splice->client_isn + 1 };
	const struct sp_tag tag = { .client_isn = splice->client_isn, .kept_s = splice->up.spliced_s };
	int err = sp_splice_install(f->dp, splice, &(struct sp_streams){ 0 }, tag.kept_s);

	if (err || !(splice->down.flags & SP_HALF_F_ADOPTED) || is_fresh(splice))
		return err;
	return sp_datapath_put(f->dp, key, &splice->down, &answered, &tag);
}

static int found(struct sp_front *f, const struct sp_tuple *key, const struct sp_splice *splice)
{
	struct sp_entry e;

	if (!is_down_key(key, splice))
		return -ENOENT;
	if (!(splice->down.flags & SP_HALF_F_SPLIT))
		return -EPERM;
	if (!sp_datapath_get(f->dp, key, &e) && !(e.use.state & SP_USE_S_REUSED) &&
	    e.tag.client_isn == splice->client_isn)
		return 0;
	remove_older(f, key, splice);
	f->counters.fetched++;
	return install(f, key, splice);
}

static __u64 pass_ns(int err)
{
	switch (err) {
	case -ENOENT: return UNKNOWN_NS;
	case -EPERM: return WHOLE_NS;
	}
	return SP_ASK_PASS_NS;
}

static void on_fetched(void *ctx, const struct sp_tuple *key, int err, const struct sp_splice *splice)
{
	const struct sp_tuple to_server = sp_tuple_reverse(key);
	struct sp_front *f = ctx;

	err = err ?: found(f, key, splice);
	if (err) {
		f->counters.agent_no_half += err == -ENOENT;
		f->counters.agent_whole += err == -EPERM;
		sp_questions_pass(&f->questions, key, pass_ns(err));
	}
	if (!err || err == -ENOENT || err == -EPERM)
		sp_datapath_pass(f->dp, &to_server, sp_now_ns() + STRAY_NS);
	sp_questions_answered(&f->questions, key);
}

static const struct sp_store_events store_events = {
	.fetched = on_fetched, .emptied = sp_carrier_emptied, .kept = sp_carrier_kept, .outdated = sp_carrier_outdated,
	.member = sp_carrier_member,
};

static void on_foreign_segment(void *ctx, enum sp_event_kind kind, const struct sp_segment *seg)
{
}

static void on_homes(void *ctx)
{
}

static const struct sp_cluster_events cluster_events = {
	.segment = on_foreign_segment, .ends = sp_carrier_ends, .homes = on_homes, .splices = sp_carrier_splices,
};

/* ---- life ---- */

int sp_front_new(struct sp_datapath *dp, struct sp_wire *wire, struct sp_store *store, struct sp_cluster *cluster,
		 struct sp_config *config, struct sp_front **ret_front)
{
	struct sp_front *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	err = sp_carrier_init(&f->carrier, dp, wire, store, cluster);
	err = err ?: sp_ports_new(NULL, 0, 1, 65535, &f->ports);
	err = err ?: sp_questions_init(&f->questions, &f->carrier);
	err = err ?: sp_front_configure(f, config);
	if (err) {
		sp_front_free(f);
		return err;
	}
	sp_carrier_listen(&f->carrier, &store_events, &cluster_events);
	f->ager.is_agent = 1;
	f->ager.expired = NULL;
	f->can = sp_capability_of_host(sp_datapath_can_adopt(dp));
	f->untaken.overflows = sp_untaken_overflows();
	sp_capability_tell(cluster, dp, f->config, f->can, &f->untaken);
	sp_capability_prepare_host();
	*ret_front = f;
	return 0;
}

void sp_front_free(struct sp_front *f)
{
	if (!f)
		return;
	sp_carrier_fini(&f->carrier);
	free(f);
}

int sp_front_configure(struct sp_front *f, struct sp_config *config)
{
	sp_carrier_configure(&f->carrier, config);
	sp_cluster_configure(f->cluster, config);
	return 0;
}

struct sp_carrier *sp_front_carrier(struct sp_front *f)
{
	return &f->carrier;
}

/* Nothing is left behind but splices, which go on. */
void sp_front_recover(struct sp_front *f)
{
}

const struct sp_backends *sp_front_backends(const struct sp_front *f)
{
	return NULL;
}

const struct sp_shortfalls *sp_front_shortfalls(const struct sp_front *f)
{
	return NULL;
}

int sp_front_is_in_sync(const struct sp_front *f)
{
	return 1;
}

unsigned int sp_front_pending(const struct sp_front *f)
{
	return f->questions.count;
}

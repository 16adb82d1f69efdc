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
 * What passes goes to a proxy, which carries it. "No answer" comes after
 * PATIENCE_NS at the latest; and when the store has left one question
 * unanswered, none is asked for AWAY_NS, and nothing waits.
 *
 * Ends are told to the proxies, which don't see them any more (age.c), and
 * theirs to us. A splice that is found while an older one of its tuple is here
 * replaces it: the server has said by its SYN-ACK that the old one is over.
 */
#include "proxy/front.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "abi/ask.h"
#include "abi/siphash.h"
#include "base/log.h"
#include "agent/capability.h"
#include "proxy/age.h"
#include "proxy/program.h"
#include "proxy/relay.h"
#include "proxy/stray.h"

#define ASKS_MAX	128		/* at once; a stray or two for each */
#define PATIENCE_NS	50000000ULL
#define AWAY_NS		1000000000ULL
#define UNKNOWN_NS	10000000000ULL
#define WHOLE_NS	3600000000000ULL
#define STRAY_NS	1000000000ULL	/* of what a proxy sends here: until it has come again, no longer */
#define FRESH_S		10		/* an older one has got its first segment, or its host was started since */

const struct sp_program sp_program = {
	.name = "spliced-agent", .config_path = "/etc/spliced/spliced-agent.yaml", .load = sp_config_load_agent,
};

struct ask {
	struct sp_tuple	tuple;
	__u64		asked_ns;
};

/* What front.h calls a front: here it is what the host's servers send. @asks: a ring, oldest at @first */
struct sp_front {
	struct sp_datapath		*dp;
	struct sp_wire			*wire;
	struct sp_store			*store;
	struct sp_cluster		*cluster;
	struct sp_ports			*ports;		/* of no address: the ager gives ports back */
	struct sp_strays		*strays;
	struct sp_ager			ager;
	struct sp_config		*config;
	struct sp_front_counters	counters;
	__u64				key[2];
	__u64				away_until_ns;
	unsigned int			first, count;
	struct ask			asks[ASKS_MAX];
	__u8				can;
	unsigned int			ticks;
};

static __u64 hash_of(const struct sp_front *f, const struct sp_tuple *tuple)
{
	__u64 words[5] = { 0 };

	memcpy(words, tuple, sizeof(*tuple));
	return sp_siphash_words(f->key, words, 5);
}

/* ---- what waits ---- */

/* As it was, but for SACK blocks; a superpacket in the segments that it stands for, whose size is @seg->mss. */
static void send_again(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	const struct sp_half same = { .out = seg->tuple };
	struct sp_front *f = ctx;

	if (flags & SP_STRAY_F_CUT)
		return;
	f->counters.relayed++;
	sp_relay(f->wire, &same, seg, seg->mss ?: UINT16_MAX);
}

static void release(struct sp_front *f, const struct sp_tuple *tuple)
{
	sp_stray_take(f->strays, hash_of(f, tuple), tuple, sp_now_ns(), send_again, f);
}

static void let_pass(struct sp_front *f, const struct sp_tuple *tuple, __u64 for_ns)
{
	sp_datapath_pass(f->dp, tuple, sp_now_ns() + for_ns);
	f->counters.agent_passed++;
}

static int is_waiting(const struct sp_front *f, const struct sp_tuple *tuple)
{
	__u8 flags;

	return !sp_stray_flags(f->strays, hash_of(f, tuple), tuple, &flags);
}

static void pop_oldest(struct sp_front *f)
{
	f->first = (f->first + 1) % ASKS_MAX;
	f->count--;
}

/* Those that have waited longest; what was answered behind one that was not goes with it. */
static void forget_answered(struct sp_front *f)
{
	while (f->count && !is_waiting(f, &f->asks[f->first].tuple))
		pop_oldest(f);
}

static void ask(struct sp_front *f, const struct sp_tuple *tuple)
{
	f->asks[(f->first + f->count++) % ASKS_MAX] = (struct ask){ .tuple = *tuple, .asked_ns = sp_now_ns() };
	f->counters.agent_asked++;
	f->store->engine->fetch(f->store, tuple);
}

/* No store is shared: what is not introduced is not known. */
static int is_alone(const struct sp_front *f)
{
	return f->config->store.kind == SP_STORE_LOCAL;
}

static int may_ask(const struct sp_front *f)
{
	return !is_alone(f) && f->count < ASKS_MAX && sp_now_ns() >= f->away_until_ns;
}

static void on_segment(struct sp_front *f, const struct sp_segment *seg)
{
	struct sp_entry e;
	int is_first;

	if (!sp_datapath_get(f->dp, &seg->tuple, &e) && !(e.use.state & SP_USE_S_REUSED)) {
		send_again(f, seg, 0);	/* its half came while it was on its way up here */
		return;
	}
	is_first = !is_waiting(f, &seg->tuple);
	if (is_first && !may_ask(f)) {
		let_pass(f, &seg->tuple, SP_ASK_PASS_NS);
		send_again(f, seg, 0);
		return;
	}
	sp_stray_add(f->strays, hash_of(f, &seg->tuple), seg, SP_STRAY_F_BACK, sp_now_ns());
	f->counters.stray_kept++;
	if (is_first)
		ask(f, &seg->tuple);
}

static void on_back(struct sp_front *f, const struct sp_event *ev)
{
	struct sp_segment seg;

	if (sp_segment_parse(ev, &seg) || !sp_segment_is_intact(ev)) {
		f->counters.segment_bad++;
		return;
	}
	seg.mss = ev->mtu;
	on_segment(f, &seg);
}

/*
 * Of a proxy, and neither half nor socket is here: perhaps of a connection whose introduction was lost. Where no store
 * is shared it is introduced again before this comes again (unheard.h).
 */
static void on_nobodys(struct sp_front *f, const struct sp_tuple *tuple)
{
	const struct sp_tuple from_server = sp_tuple_reverse(tuple);

	f->counters.agent_asked++;
	if (is_alone(f))
		sp_datapath_pass(f->dp, tuple, sp_now_ns() + STRAY_NS);
	else
		f->store->engine->fetch(f->store, &from_server);
}

void sp_front_event(struct sp_front *f, const struct sp_event *ev)
{
	if (ev->kind == SP_EVENT_TOO_BIG)
		sp_wire_send_too_big(f->wire, ev);
	else if (ev->kind == SP_EVENT_ASK && may_ask(f))
		ask(f, &ev->tuple);
	else if (ev->kind == SP_EVENT_BACK)
		on_back(f, ev);
	else if (ev->kind == SP_EVENT_MISS)
		on_nobodys(f, &ev->tuple);
}

void sp_front_tick(struct sp_front *f)
{
	__u64 now_ns = sp_now_ns();

	if (f->ticks++ % (SP_HELLO_MS / SP_FRONT_TICK_MS) == 0)
		sp_capability_tell(f->cluster, f->dp, f->can);
	while (f->count && now_ns - f->asks[f->first].asked_ns >= PATIENCE_NS) {
		const struct ask *oldest = &f->asks[f->first];

		pop_oldest(f);
		if (!is_waiting(f, &oldest->tuple))
			continue;
		f->counters.agent_unanswered++;
		f->away_until_ns = now_ns + AWAY_NS;
		let_pass(f, &oldest->tuple, SP_ASK_PASS_NS);
		release(f, &oldest->tuple);
	}
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
	int err = sp_splice_install(f->dp, splice, 0, tag.kept_s);

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
		let_pass(f, key, pass_ns(err));
	}
	if (!err || err == -ENOENT || err == -EPERM)
		sp_datapath_pass(f->dp, &to_server, sp_now_ns() + STRAY_NS);
	release(f, key);
	forget_answered(f);
}

static void on_emptied(void *ctx)
{
	sp_ager_emptied(&((struct sp_front *)ctx)->ager);
}

static void on_kept(void *ctx, const struct sp_tuple *front, __u32 client_isn)
{
	sp_ager_kept(&((struct sp_front *)ctx)->ager, front, client_isn);
}

static void on_outdated(void *ctx, const struct sp_tuple *front, __u32 client_isn)
{
	sp_ager_outdated(&((struct sp_front *)ctx)->ager, front, client_isn);
}

static void on_member(void *ctx, const void *record, size_t len)
{
	sp_cluster_heard(((struct sp_front *)ctx)->cluster, record, len);
}

static const struct sp_store_events store_events = {
	.fetched = on_fetched, .emptied = on_emptied, .kept = on_kept, .outdated = on_outdated, .member = on_member,
};

static void on_foreign_segment(void *ctx, enum sp_event_kind kind, const struct sp_segment *seg)
{
}

static void on_ends(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u8 state)
{
	struct sp_front *f = ctx;
	__u8 known = sp_splice_ended(f->dp, front, client_isn, state);

	if (known)
		sp_cluster_tell_ends(f->cluster, front, client_isn, known);
}

static void on_homes(void *ctx)
{
}

static __u32 splices(void *ctx)
{
	return sp_datapath_count(((struct sp_front *)ctx)->dp)->splices;
}

static const struct sp_cluster_events cluster_events = {
	.segment = on_foreign_segment, .ends = on_ends, .homes = on_homes, .splices = splices,
};

static void tell_ended(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u8 state)
{
	sp_cluster_tell_ends(((struct sp_front *)ctx)->cluster, front, client_isn, state);
}

/* ---- life ---- */

/*
 * The kernel answers a program's question for a route only where the interface that the packet came through may
 * forward, and what comes from the host itself has come through lo, so to speak. Nothing else passes there.
 */
static int let_lo_forward(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, "1\n", 2) != 2)
		err = -errno;
	close(fd);
	return err;
}

static void prepare_host(void)
{
	static const char *const paths[] = { "/proc/sys/net/ipv4/conf/lo/forwarding", "/proc/sys/net/ipv6/conf/lo/forwarding" };
	int err;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		err = let_lo_forward(paths[i]);
		if (err && err != -ENOENT)
			log_warn("%s: can't be set to 1 (%s): unless it is, no route to clients is found, and proxies "
				 "carry all", paths[i], strerror(-err));
	}
}

int sp_front_new(struct sp_datapath *dp, struct sp_wire *wire, struct sp_store *store, struct sp_cluster *cluster,
		 struct sp_config *config, struct sp_front **ret_front)
{
	struct sp_front *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	f->dp = dp;
	f->wire = wire;
	f->store = store;
	f->cluster = cluster;
	store->events = &store_events;
	store->ctx = f;
	f->strays = sp_strays_new();
	err = f->strays ? sp_ports_new(NULL, 0, 1, 65535, &f->ports) : -ENOMEM;
	if (!err && getrandom(f->key, sizeof(f->key), 0) != sizeof(f->key))
		err = -EIO;
	err = err ?: sp_front_configure(f, config);
	if (err) {
		sp_front_free(f);
		return err;
	}
	sp_ager_init(&f->ager, dp, f->ports, store);
	f->ager.ended = tell_ended;
	f->ager.is_agent = 1;
	f->ager.ctx = f;
	sp_cluster_listen(cluster, &cluster_events, f);
	f->can = sp_capability_of_host(dp);
	sp_capability_tell(cluster, dp, f->can);
	prepare_host();
	*ret_front = f;
	return 0;
}

void sp_front_free(struct sp_front *f)
{
	if (!f)
		return;
	sp_strays_free(f->strays);
	sp_ports_free(f->ports);
	sp_config_put(f->config);
	free(f);
}

int sp_front_configure(struct sp_front *f, struct sp_config *config)
{
	sp_config_put(f->config);
	f->config = sp_config_get(config);
	sp_cluster_configure(f->cluster, config);
	return 0;
}

void sp_front_rekey(struct sp_front *f, const struct sp_keys *keys)
{
	if (f->store->engine->rekey)
		f->store->engine->rekey(f->store, keys);
	sp_cluster_rekey(f->cluster, keys);
	sp_ager_rekeyed(&f->ager, f->config->store.timeout_ns);
}

/* Nothing is left behind but splices, which go on. */
void sp_front_recover(struct sp_front *f)
{
}

unsigned int sp_front_age(struct sp_front *f)
{
	return sp_ager_turn(&f->ager, &f->config->limits);
}

unsigned int sp_front_survivable(const struct sp_front *f)
{
	return f->ager.survivable;
}

const struct sp_backends *sp_front_backends(const struct sp_front *f)
{
	return NULL;
}

const struct sp_shortfalls *sp_front_shortfalls(const struct sp_front *f)
{
	return NULL;
}

struct sp_ports *sp_front_ports(struct sp_front *f)
{
	return f->ports;
}

struct sp_cluster *sp_front_cluster(const struct sp_front *f)
{
	return f->cluster;
}

const struct sp_front_counters *sp_front_counters(const struct sp_front *f)
{
	return &f->counters;
}

int sp_front_is_in_sync(const struct sp_front *f)
{
	return 1;
}

unsigned int sp_front_pending(const struct sp_front *f)
{
	return f->count;
}

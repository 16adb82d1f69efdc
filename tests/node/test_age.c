// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_age.c - splices that end, are refreshed, or give way; on a fake table, in virtual time */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

/*
 * The ager's clock of real time stands still: a second that ends in the middle of a case would
 * count otherwise.
 */
static time_t still_time(void)
{
	return 1800000000;
}

static int still_gettime(struct timespec *ret_ts)
{
	*ret_ts = (struct timespec){ .tv_sec = still_time() };
	return 0;
}

#define time(unused)			still_time()
#define clock_gettime(clock, ret_ts)	still_gettime(ret_ts)

#include "base/clock.h"
#include "node/age.c"
#include "node/age_end.c"
#include "node/age_keepalive.c"
#include "node/age_send.c"
#include "node/age_view.c"
#include "node/age_yield.c"
#include "store/engine.h"

#define TABLE_MAX	4096
#define SECOND		1000000000ULL
#define IDLE_S		100
#define TRANSITORY_S	60
#define START_NS	(1000000 * SECOND)

static struct sp_tuple table_keys[TABLE_MAX];
static struct sp_entry table[TABLE_MAX];
static int ports_uncertain;
static int table_count, dels, patches, refreshes, forgets, fetches, sent, expired, ports_back,
	refresh_err;
static struct sp_splice refreshed;
static struct sp_tuple sent_front;
static __u8 sent_state;
static __u64 now_ns;
static struct sp_count count;
static struct sp_ager ager;

static const struct sp_limits_conf limits = {
	.head_ns = 10 * SECOND, .connect_ns = SECOND, .idle_ns = IDLE_S * SECOND,
	.transitory_ns = TRANSITORY_S * SECOND, .closed_ns = 30 * SECOND,
};

/* ---- doubles ---- */

__u64 sp_now_ns(void)
{
	return now_ns;
}

static int find(const struct sp_tuple *key)
{
	for (int i = 0; i < table_count; i++)
		if (!memcmp(&table_keys[i], key, sizeof(*key)))
			return i;
	return -1;
}

int sp_datapath_get(struct sp_datapath *dp, const struct sp_tuple *key, struct sp_entry *ret_entry)
{
	int i = find(key);

	if (i < 0)
		return -ENOENT;
	*ret_entry = table[i];
	return 0;
}

int sp_datapath_del(struct sp_datapath *dp, const struct sp_tuple *key)
{
	int i = find(key);

	if (i < 0)
		return -ENOENT;
	table_keys[i].sport = 0;
	count.splices -= !!(table[i].half.flags & SP_HALF_F_FROM_BACKEND);
	count.changes++;
	dels++;
	return 0;
}

int sp_datapath_named(struct sp_datapath *dp, const struct sp_tuple *front, __u32 client_isn,
		      struct sp_named *ret_named)
{
	*ret_named = (struct sp_named){ .port_be = 4, .addr = sp_addr_v4(44) };
	return 0;
}

int sp_datapath_patch(struct sp_datapath *dp, const struct sp_patch *note)
{
	patches++;
	return 0;
}

/* A removed entry keeps its place, with a key that no call uses. */
int sp_datapath_walk(struct sp_datapath *dp, __u32 *cursor, int is_first, struct sp_tuple *ret_keys,
		     struct sp_entry *ret_entries, int max, int *ret_end)
{
	__u32 at = is_first ? 0 : *cursor;
	int n = 0;

	for (; (int)at < table_count && n < max; at++) {
		if (!table_keys[at].sport)
			continue;
		ret_keys[n] = table_keys[at];
		ret_entries[n++] = table[at];
	}
	*cursor = at;
	*ret_end = (int)at >= table_count;
	return n;
}

const struct sp_count *sp_datapath_count(struct sp_datapath *dp)
{
	return &count;
}

void sp_datapath_counted(struct sp_datapath *dp, unsigned int splices)
{
	count.splices = splices;
}

void sp_port_free(struct sp_ports *ports, const struct sp_endpoint *to,
		  const struct sp_endpoint *from)
{
	ports_back++;
}

void sp_port_release(struct sp_ports *ports, const struct sp_endpoint *to,
		     const struct sp_endpoint *from)
{
	ports_back++;
	ports_uncertain++;
}

static int on_refresh(struct sp_store *store, const struct sp_splice *splice)
{
	if (refresh_err)
		return refresh_err;
	refreshed = *splice;
	refreshes++;
	return 0;
}

static struct sp_splice forgotten;

static void on_forget(struct sp_store *store, const struct sp_splice *splice, __u64 after_ns)
{
	forgotten = *splice;
	forgets++;
}

static int on_fetch(struct sp_store *store, const struct sp_tuple *key)
{
	fetches++;
	return -EINPROGRESS;
}

static const struct sp_store_engine shared = {
	.name = "shared", .is_shared = 1, .refresh = on_refresh, .forget = on_forget,
	.fetch = on_fetch,
};
static const struct sp_store_engine alone = { .name = "alone" };
static struct sp_store store;

static void on_ended(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u8 state)
{
	sent++;
	sent_front = *front;
	sent_state = state;
}

static struct sp_splice expired_splice;

static void on_expired(void *ctx, const struct sp_splice *splice, const struct sp_half_state *up,
		       const struct sp_half_state *down)
{
	expired++;
	expired_splice = *splice;
	assert_int_equal(!up,
			 find(&splice->front) < 0 ||
			 memcmp(&table[find(&splice->front)].half.out, &splice->up.out,
								 sizeof(splice->up.out)));
	assert_non_null(down);
}

/* ---- splices ---- */

static int begin(void **state)
{
	ports_uncertain = 0;
	table_count = dels = patches = refreshes = forgets = fetches = sent = expired = ports_back =
		refresh_err = 0;
	count = (struct sp_count){ .max = 1000000 };
	memset(&ager, 0, sizeof(ager));
	memset(&store, 0, sizeof(store));
	now_ns = START_NS;
	store.engine = &shared;
	store.ttl_ns = limits.idle_ns;
	sp_ager_init(&ager, NULL, NULL, &store);
	ager.ended = on_ended;
	ager.expired = on_expired;
	ager.emptied_s = 0;
	return 0;
}

/*
 * Splice @id, seen and refreshed the given seconds ago; @refreshed_s < 0: never. Return: half up,
 * then down.
 */
static struct sp_entry *add(unsigned int id, int quiet_s, int refreshed_s)
{
	struct sp_tuple front = { sp_addr_v4(id), sp_addr_v4(0x01020304), 1, 2 };
	struct sp_tuple back = { sp_addr_v4(0x05060708), sp_addr_v4(0x090a0b0c), id, 3 };
	struct sp_entry e = {
		.state = { .seen_ns = now_ns - quiet_s * SECOND, .last_ack = 1, .next_seq = 1 },
		.meta = { .client_isn = id, .refreshed_s = refreshed_s < 0 ? 0 :
			  time(NULL) - refreshed_s },
	};

	table_keys[table_count] = front;
	e.half.out = back;
	table[table_count++] = e;
	table_keys[table_count] = sp_tuple_reverse(&back);
	e.half.out = sp_tuple_reverse(&front);
	e.half.flags = SP_HALF_F_FROM_BACKEND;
	table[table_count++] = e;
	count.splices++;
	count.changes++;
	return &table[table_count - 2];
}

static void set_ends(struct sp_entry *up, __u8 state)
{
	up[0].state.flags = state;
	up[1].state.flags = sp_ends_mirrored(state);
}

static void walk(void)
{
	do
		sp_ager_turn(&ager, &limits);
	while (ager.is_walking);
}

/* ---- tests ---- */

static void ends_are_mirrored(void **state)
{
	assert_int_equal(sp_ends_mirrored(SP_STATE_FIN), SP_STATE_PEER_FIN);
	assert_int_equal(sp_ends_mirrored(SP_STATE_PEER_FIN), SP_STATE_FIN);
	assert_int_equal(sp_ends_mirrored(SP_STATE_RST | SP_STATE_PEER_FIN),
			 SP_STATE_PEER_RST | SP_STATE_FIN);
	assert_int_equal(sp_ends_mirrored(SP_STATE_REUSED), 0);
	for (int s = 0; s <= SP_STATE_ENDS; s++)
		assert_int_equal(sp_ends_mirrored(sp_ends_mirrored(s)), s);
}

static void refreshed_when(void **state)
{
	static const struct {
		int	quiet_s, refreshed_s, is_refreshed, is_survivable;
	} cases[] = {
		{ 0, 0, 0, 1 },
		{ 0, 24, 0, 1 },	/* not yet a quarter of idle */
		{ 0, 26, 1, 1 },
		{ 20, 26, 1, 1 },	/* packets since the refresh */
		{ 30, 26, 0, 1 },	/* no packets since the refresh */
		{ 99, 99, 1, 1 },	/* a packet in the second of the refresh */
		{ 0, 101, 1, 0 },	/* the record has expired */
		{ 0, -1, 1, 0 },	/* made without a store */
		{ 99, -1, 1, 0 },
		{ 0, -100, 1, 0 },	/* the clock was set back */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sp_entry *up;

		begin(NULL);
		up = add(i + 1, cases[i].quiet_s, cases[i].refreshed_s);
		if (cases[i].refreshed_s == -100)
			up[0].meta.refreshed_s = up[1].meta.refreshed_s = time(NULL) + 100;
		walk();
		assert_int_equal(refreshes, cases[i].is_refreshed);
		assert_int_equal(ager.survivable, cases[i].is_survivable);
		assert_int_equal(dels, 0);
		if (!refreshes)
			continue;
		assert_int_equal(refreshed.client_isn, i + 1);
		assert_memory_equal(&refreshed.front, &table_keys[0], sizeof(struct sp_tuple));
		assert_memory_equal(&refreshed.up, &up[0].half, sizeof(struct sp_half));
		assert_memory_equal(&refreshed.down, &up[1].half, sizeof(struct sp_half));
	}
}

/* Packets in one direction are enough, also those of the half up. */
static void either_half_has_moved(void **state)
{
	add(1, 50, 26)[0].state.seen_ns = now_ns;
	walk();
	assert_int_equal(refreshes, 1);
	add(2, 50, 26)[1].state.seen_ns = now_ns;
	walk();
	assert_int_equal(refreshes, 3);
}

static void emptied(void **state)
{
	add(1, 50, 10);
	add(2, 50, 0);
	walk();
	assert_int_equal(refreshes, 0);
	sp_ager_emptied(&ager);
	walk();
	assert_int_equal(refreshes, 2);
	assert_int_equal(ager.survivable, 0);
	/* until a refresh is confirmed in a later second */
	table[0].meta.refreshed_s = table[1].meta.refreshed_s = table[2].meta.refreshed_s =
		table[3].meta.refreshed_s = time(NULL) + 1;
	walk();
	assert_int_equal(refreshes, 2);
	assert_int_equal(ager.survivable, 2);
}

/* A confirmation within the store's time-out may be of a record under the old key. */
static void rekeyed(void **state)
{
	add(1, 50, 10);
	sp_ager_rekeyed(&ager, 2 * SECOND);
	walk();
	assert_int_equal(refreshes, 1);
	table[0].meta.refreshed_s = table[1].meta.refreshed_s = time(NULL) + 1;
	walk();
	assert_int_equal(refreshes, 2);
	assert_int_equal(ager.survivable, 0);
	ager.emptied_s -= 3;	/* three seconds later */
	walk();
	assert_int_equal(refreshes, 2);
	assert_int_equal(ager.survivable, 1);
}

static void closed_and_left_behind_are_not_refreshed(void **state)
{
	set_ends(add(1, 0, -1), SP_STATE_RST);
	set_ends(add(2, 0, -1), SP_STATE_FIN | SP_STATE_PEER_FIN);
	/* the client's port has another splice */
	add(3, 0, -1)[0].half.out.sport = 99;
	walk();
	assert_int_equal(refreshes, 0);
	assert_int_equal(ager.survivable, 0);
}

static void turns_are_bounded(void **state)
{
	for (unsigned int id = 1; id <= 1500; id++)
		add(id, 50, -1);
	sp_ager_turn(&ager, &limits);
	assert_int_equal(refreshes, REFRESHES_PER_TURN);
	sp_ager_turn(&ager, &limits);
	assert_in_range(refreshes, REFRESHES_PER_TURN + 1, 2 * REFRESHES_PER_TURN);
	walk();
	/* the next walk finds the splices that the first turn left out, and leaves out none */
	refreshes = 0;
	walk();
	assert_int_equal(refreshes, 1500);
	/* a refusing store ends the refreshes of a turn */
	refresh_err = -EAGAIN;
	walk();
	assert_int_equal(refreshes, 1500);
}

static void closed_ones_are_forgotten_and_sent(void **state)
{
	struct sp_entry *up = add(1, 31, 0);

	set_ends(up, SP_STATE_FIN | SP_STATE_PEER_FIN);
	up[1].state.seen_ns = now_ns - 29 * SECOND;
	walk();
	assert_int_equal(dels, 0);
	sent = 0;
	now_ns += 2 * SECOND;
	walk();
	assert_int_equal(dels, 2);
	assert_int_equal(ports_back, 1);
	assert_int_equal(forgets, 1);
	assert_int_equal(sent, 1);
	assert_int_equal(sent_state, SP_STATE_FIN | SP_STATE_PEER_FIN);
	walk();
	assert_int_equal(forgets, 1);
}

/*
 * A splice expires after the store says that the record has expired: another proxy would have
 * refreshed the record.
 */
static void an_idle_splice_is_queried(void **state)
{
	static const struct { int err, dels, expired; } answers[] = {
		{ -EAGAIN, 0, 0 }, { 0, 2, 0 }, { -ENOENT, 2, 1 },
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct sp_entry *up;

		begin(NULL);
		up = add(1, IDLE_S + 1, IDLE_S - 10);
		walk();
		assert_int_equal(fetches, 0);
		up[0].meta.refreshed_s = up[1].meta.refreshed_s = time(NULL) - IDLE_S - 1;
		walk();
		assert_int_equal(fetches, 1);
		assert_int_equal(dels, 0);
		sp_ager_fetched(&ager, &limits, &table_keys[0], answers[i].err);
		assert_int_equal(dels, answers[i].dels);
		assert_int_equal(expired, answers[i].expired);
		assert_int_equal(ports_back, answers[i].dels / 2);
		assert_int_equal(forgets, answers[i].expired);
		assert_int_equal(sent, answers[i].expired);
		if (answers[i].expired)
			assert_int_equal(sent_state, SP_STATE_RST | SP_STATE_PEER_RST);
	}
}

/* ---- time-outs of a service ---- */

/* The service of add(), with these time-outs in seconds; 0: as in limits. */
static struct sp_config *config_with(enum sp_protocol protocol, int idle_s, int tunnel_s)
{
	static struct sp_service_conf service;
	static struct sp_listen_conf listen;
	static struct sp_config config;

	service = (struct sp_service_conf){ .name = (char *)"www", .protocol = protocol,
		.timeouts = { .idle_ns = idle_s * SECOND, .tunnel_ns = tunnel_s * SECOND } };
	listen = (struct sp_listen_conf){ { sp_addr_v4(0x01020304), 2 }, &service };
	config = (struct sp_config){ .has_timeouts = 1, .services = &service, .service_count = 1,
				     .listens = &listen, .listen_count = 1 };
	return &config;
}

static void a_service_has_its_time_outs(void **state)
{
	static const struct {
		enum sp_protocol protocol;
		int idle_s, tunnel_s, is_read, bound, lives_s;
	} cases[] = {
		{ SP_PROTOCOL_HTTP, 10, 0, 0, 0, 10 },
		{ SP_PROTOCOL_HTTP, 10, 50, 0, 0, 10 },
		{ SP_PROTOCOL_HTTP, 10, 50, 1, SP_BOUND_STOP, 10 },
		{ SP_PROTOCOL_HTTP, 10, 50, 1, SP_BOUND_NONE, 50 },
		{ SP_PROTOCOL_HTTP, 50, 10, 1, SP_BOUND_STOP, 50 },
		{ SP_PROTOCOL_HTTP, 50, 10, 1, SP_BOUND_NONE, 10 },
		{ SP_PROTOCOL_HTTP, 0, 10, 1, SP_BOUND_STOP, IDLE_S },
		{ SP_PROTOCOL_HTTP, 3 * IDLE_S, 0, 0, 0, 3 * IDLE_S },
		{ SP_PROTOCOL_TLS, 10, 0, 0, 0, 10 },
		{ SP_PROTOCOL_TCP, 10, 50, 0, 0, 50 },
		{ SP_PROTOCOL_TCP, 0, 0, 0, 0, IDLE_S },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int over = 0; over < 2; over++) {
			struct sp_entry *up;

			begin(NULL);
			store.engine = &alone;
			ager.config = config_with(cases[i].protocol, cases[i].idle_s,
						  cases[i].tunnel_s);
			up = add(1, cases[i].lives_s - 1 + 2 * over, -1);
			for (int half = 0; half < 2; half++) {
				up[half].half.flags |= cases[i].is_read * SP_HALF_F_REQUESTS;
				up[half].meta.boundary.bound = cases[i].bound;
			}
			walk();
			if ((int)expired != over)
				fail_msg("case %zu: %d expired", i, (int)expired);
		}
	ager.config = NULL;
}

/* The record of a shared store lives as long; an agent's refresh may outlive it. */
static void a_stored_splice_has_its_time_outs(void **state)
{
	static const struct { int split, refreshed_s, err, fetches, dels, expired; } cases[] = {
		{ 0, 9, 0, 0, 0, 0 }, { 0, 12, -ENOENT, 1, 2, 1 }, { 0, 12, 0, 1, 2, 0 },
		{ 1, 12, 0, 1, 0, 0 }, { 1, 12, -ENOENT, 1, 2, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sp_entry *up;

		begin(NULL);
		ager.config = config_with(SP_PROTOCOL_HTTP, 10, 0);
		up = add(1, 11, cases[i].refreshed_s);
		up[1].half.flags |= cases[i].split * SP_HALF_F_SPLIT;
		walk();
		assert_int_equal(fetches, cases[i].fetches);
		sp_ager_fetched(&ager, &limits, &table_keys[0], cases[i].err);
		assert_int_equal(dels, cases[i].dels);
		assert_int_equal(expired, cases[i].expired);
	}
	ager.config = NULL;
}

/* An emptied server finds no record; and a packet may come while the query is open. */
#define PERIOD_S	4
#define PROBES		2

static struct sp_keepalive_conf both_ends = {
	.client_ns = PERIOD_S * SECOND, .backend_ns = PERIOD_S * SECOND, .count = PROBES,
};
static int probes[2];	/* to the client, to the backend */
static int answers[2];

/* A living end answers at once. */
static void on_probe(void *ctx, const struct sp_entry *to, __u32 seq, __u32 ack)
{
	int is_backend = !(to->half.flags & SP_HALF_F_FROM_BACKEND);

	assert_int_equal(seq, 0);
	assert_int_equal(ack, 1);
	probes[is_backend]++;
	if (!answers[is_backend])
		return;
	for (int i = 0; i < table_count; i++)
		if (table[i].meta.client_isn == to->meta.client_isn &&
		    !(table[i].half.flags & SP_HALF_F_FROM_BACKEND) == !is_backend)
			table[i].state.seen_ns = now_ns;
}

static void begin_keepalive(struct sp_config *config, struct sp_service_conf *service,
			    struct sp_listen_conf *listen)
{
	*service = (struct sp_service_conf){ .protocol = SP_PROTOCOL_TCP,
					     .keepalive = both_ends };
	*listen = (struct sp_listen_conf){ { sp_addr_v4(0x01020304), 2 }, service };
	*config = (struct sp_config){ .services = service, .service_count = 1, .listens = listen,
				      .listen_count = 1, .has_keepalive = 1 };
	ager.config = config;
	ager.probe = on_probe;
	memset(probes, 0, sizeof(probes));
	answers[0] = answers[1] = 1;
}

/* Walks, 4 in a period. */
static void pass_time(int seconds)
{
	for (int i = 0; i < seconds; i++) {
		now_ns += SECOND;
		walk();
	}
}

static struct sp_entry *add_heard(unsigned int id)
{
	struct sp_entry *up = add(id, 0, 0);

	up[0].state.pkts = up[1].state.pkts = 1;
	return up;
}

static void living_ends_get_a_probe_each_period(void **state)
{
	struct sp_service_conf service;
	struct sp_listen_conf listen;
	struct sp_config config;

	begin_keepalive(&config, &service, &listen);
	store.engine = &alone;
	for (int id = 1; id <= 100; id++)
		add_heard(id);
	pass_time(10 * PERIOD_S);
	assert_in_range(probes[0], 900, 1000);
	assert_in_range(probes[1], 900, 1000);
	assert_int_equal(expired, 0);
}

/* At whichever phase: each has got its probes, and a second for the answer to the last. */
static void an_end_is_lost_after_its_probes(void **state)
{
	struct sp_service_conf service;
	struct sp_listen_conf listen;
	struct sp_config config;

	for (int end = 0; end < 2; end++)
		for (int id = 1; id <= 200; id++) {
			begin(NULL);
			begin_keepalive(&config, &service, &listen);
			store.engine = &alone;
			pass_time(3);
			add_heard(id);
			answers[end] = 0;
			pass_time((PROBES + 1) * PERIOD_S - 1);
			assert_int_equal(expired, 0);
			assert_in_range(probes[end], PROBES, PROBES + 1);
			pass_time(PERIOD_S + 1);
			assert_int_equal(expired, 1);
			assert_int_equal(ager.keepalive_clients_lost, !end);
			assert_int_equal(ager.keepalive_backends_lost, end);
		}
}

static void a_gap_between_walks_is_no_silence(void **state)
{
	struct sp_service_conf service;
	struct sp_listen_conf listen;
	struct sp_config config;

	begin_keepalive(&config, &service, &listen);
	store.engine = &alone;
	add_heard(1);
	pass_time(3);
	answers[0] = 0;
	for (int i = 0; i < 3; i++) {
		pass_time(PROBES * PERIOD_S);
		now_ns += 2 * SECOND;
		walk();
	}
	assert_int_equal(expired, 0);
	sp_ager_watch(&ager);
	pass_time(PROBES * PERIOD_S);
	assert_int_equal(expired, 0);
	pass_time(2 * PERIOD_S + 1);
	assert_int_equal(expired, 1);
}

/* The backend's packets come here; the client's answers to another proxy, which refreshes. */
static void a_client_that_is_heard_elsewhere_stays(void **state)
{
	struct sp_service_conf service;
	struct sp_listen_conf listen;
	struct sp_config config;
	struct sp_addr ours = sp_addr_v4(0x05060708);
	struct sp_entry *up;
	int refreshes_before;

	begin_keepalive(&config, &service, &listen);
	config.snat_addrs = &ours;
	config.snat_count = 1;
	up = add_heard(1);
	walk();
	refreshes_before = refreshes;
	answers[0] = 0;
	pass_time(5 * PERIOD_S);
	assert_int_equal(refreshes, refreshes_before);
	assert_true(probes[0] && probes[1]);
	up[0].meta.refreshed_s = up[1].meta.refreshed_s = time(NULL) - IDLE_S;
	for (int i = 0; i < PERIOD_S && !fetches; i++)
		pass_time(1);
	assert_true(fetches);
	sp_ager_fetched(&ager, &limits, &table_keys[0], 0);
	assert_int_equal(patches, 1);
	assert_int_equal(dels + expired, 0);
	sp_ager_fetched(&ager, &limits, &table_keys[0], -ENOENT);
	assert_int_equal(expired, 1);
	assert_int_equal(ager.keepalive_clients_lost, 1);
}

static void not_found_may_be_wrong(void **state)
{
	struct sp_entry *up = add(1, IDLE_S + 1, IDLE_S + 1);

	/* the event belongs to another module's query */
	sp_ager_fetched(&ager, &limits, &table_keys[0], -ENOENT);
	walk();
	sp_ager_emptied(&ager);
	sp_ager_fetched(&ager, &limits, &table_keys[0], -ENOENT);
	assert_int_equal(dels, 0);
	ager.emptied_s = 0;
	up[0].state.seen_ns = now_ns;
	sp_ager_fetched(&ager, &limits, &table_keys[0], -ENOENT);
	assert_int_equal(dels, 0);
	up[0].state.seen_ns = up[1].state.seen_ns;
	sp_ager_fetched(&ager, &limits, &table_keys[0], -ENOENT);
	assert_int_equal(expired, 1);
}

/* If the client's port has a newer connection, only the backend is reset. An agent resets none. */
static void who_is_reset_on_expiry(void **state)
{
	struct sp_entry *up;

	store.engine = &alone;
	up = add(1, IDLE_S + 1, 0);
	up[1].half.seq_delta = 7;
	up[1].half.ack_delta = -5;
	up[0].half.seq_delta = 5;
	walk();
	assert_int_equal(expired, 1);
	assert_int_equal(expired_splice.up.seq_delta, 5);
	up = add(2, IDLE_S + 1, 0);
	up[1].half.ack_delta = -5;
	up[0].half.out.sport = 99;
	walk();
	assert_int_equal(expired, 2);
	assert_int_equal(expired_splice.up.seq_delta, 5);
	assert_int_equal(expired_splice.up.out.sport, 2);
	assert_int_equal(dels, 3);
	ager.expired = NULL;
	add(3, IDLE_S + 1, 0);
	walk();
	assert_int_equal(expired, 2);
	assert_int_equal(dels, 5);
}

/* Three clients hold 50, 18 and 1 splices. */
static void who_holds_much_gives_way(void **state)
{
	static const struct { __u32 victim, wants; int gives_way; } cases[] = {
		{ 1, 9, 1 }, { 1, 3, 1 }, { 1, 2, 0 }, { 1, 1, 0 }, { 2, 9, 1 }, { 2, 3, 1 },
			{ 2, 1, 0 }, { 3, 9, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sp_addr wants = sp_addr_v4(cases[i].wants);
		struct sp_tuple back = { 0 };

		begin(NULL);
		store.engine = &alone;
		for (int n = 1; n <= 69; n++) {
			struct sp_entry *up = add(n, 0, 0);
			__u32 client = n <= 50 ? 1 : n <= 68 ? 2 : 3;

			up[1].half.out.daddr = table_keys[table_count -
							  2].saddr = sp_addr_v4(client);
			table_keys[table_count - 2].sport = up[1].half.out.dport = n;
			if (client == cases[i].victim)
				back = up[0].half.out;
		}
		walk();
		assert_int_equal(sp_ager_give_way(&ager, &back, &wants), cases[i].gives_way);
		assert_int_equal(expired, cases[i].gives_way);
		assert_int_equal(dels, 2 * cases[i].gives_way);
	}
}

/* Splices since the last walk count, closed splices do not. */
static void what_is_made_counts_at_once(void **state)
{
	struct sp_addr client = sp_addr_v4(1), other = sp_addr_v4(2);
	struct sp_tuple back;

	for (int i = 0; i < HOLDS_MORE; i++)
		sp_ager_made(&ager, &client);
	add(1, 0, 0);
	back = table[0].half.out;
	assert_int_equal(sp_ager_give_way(&ager, &back, &client), 0);
	set_ends(&table[0], SP_STATE_RST);
	assert_int_equal(sp_ager_give_way(&ager, &back, &other), 0);
	set_ends(&table[0], 0);
	assert_int_equal(sp_ager_give_way(&ager, &back, &other), 1);
	assert_int_equal(forgets, 1);
	assert_int_equal(sent_state, SP_STATE_RST | SP_STATE_PEER_RST);
}

/*
 * The share counts only after a walk while room was short: before, closed splices may have taken
 * the room.
 */
static void a_share_is_a_quarter(void **state)
{
	struct sp_addr one = sp_addr_v4(1), two = sp_addr_v4(2);

	count.max = 40;
	for (int n = 1; n <= 36; n++) {
		struct sp_entry *up = add(n, 0, 0);

		up[1].half.out.daddr = sp_addr_v4(n <= 9 ? 1 : n <= 19 ? 2 : 100 + n);
	}
	assert_false(sp_ager_is_greedy(&ager, &two));
	walk();
	assert_true(sp_ager_is_greedy(&ager, &two));
	assert_false(sp_ager_is_greedy(&ager, &one));
	count.splices = 35;
	assert_false(sp_ager_is_greedy(&ager, &two));
}

/* The half up shows a missing acknowledgement, and not every walk fetches the half up. */
static void unacknowledged_ones_go_earlier(void **state)
{
	store.engine = &alone;
	for (int is_late = 0; is_late < 2; is_late++) {
		struct sp_entry *up;

		begin(NULL);
		store.engine = &alone;
		up = add(1, 0, 0);
		up[1].state.next_seq = 1000;
		up[0].state.last_ack = 999;
		up[0].state.seen_ns += is_late * 30 * SECOND;	/* a later packet of the client */
		for (int s = 0; s < TRANSITORY_S; s++, now_ns += SECOND)
			walk();
		assert_int_equal(dels, 0);
		walk();
		assert_int_equal(dels, is_late ? 0 : 2);
		for (int s = 0; s < TRANSITORY_S; s++, now_ns += SECOND)
			walk();
		assert_int_equal(dels, 2);
	}
}

static void one_fin_is_sent_once(void **state)
{
	struct sp_entry *up = add(1, 0, 0);

	set_ends(up, SP_STATE_FIN);
	for (int i = 0; i < 40; i++) {
		walk();
		now_ns += SECOND / 4;
		assert_int_equal(sent, i > 3);
	}
	assert_int_equal(sent_state, SP_STATE_FIN);
	assert_memory_equal(&sent_front, &table_keys[0], sizeof(sent_front));
	/* a packet comes */
	up[1].state.seen_ns = now_ns;
	for (int i = 0; i < 40; i++) {
		walk();
		now_ns += SECOND / 4;
	}
	assert_int_equal(sent, 2);
	/* the ends of both halves together */
	up[0].state.flags |= SP_STATE_PEER_FIN;
	up[0].state.seen_ns = now_ns;
	now_ns += 2 * SECOND;
	walk();
	assert_int_equal(sent, 3);
	assert_int_equal(sent_state, SP_STATE_FIN | SP_STATE_PEER_FIN);
}

/*
 * An end is sent long before the removal: the client's next connection may come to a node that saw
 * no end.
 */
static void closed_one_is_sent_once(void **state)
{
	struct sp_entry *up = add(1, 0, 0);

	set_ends(up, SP_STATE_FIN | SP_STATE_PEER_FIN);
	for (int i = 0; i < 40; i++) {
		walk();
		now_ns += SECOND / 4;
		assert_int_equal(sent, i > 3);
	}
	assert_memory_equal(&sent_front, &table_keys[0], sizeof(sent_front));
	assert_int_equal(dels, 0);
	begin(NULL);
	ager.is_agent = 1;
	set_ends(add(1, 0, 0), SP_STATE_FIN | SP_STATE_PEER_FIN);
	now_ns += 2 * SECOND;
	walk();
	assert_int_equal(sent, 0);
}

static void fin_of_a_split_one_is_sent_soon(void **state)
{
	struct sp_entry *up = add(1, 0, 0);

	set_ends(up, SP_STATE_FIN);
	up[1].half.flags |= SP_HALF_F_SPLIT;
	walk();
	assert_int_equal(sent, 0);
	now_ns += SECOND / 10;
	walk();
	assert_int_equal(sent, 1);
}

static void an_agent_rests_little(void **state)
{
	assert_in_range(sp_ager_turn(&ager, &limits), 201, 1000);
	ager.pause_max_ms = 200;
	assert_in_range(sp_ager_turn(&ager, &limits), 1, 200);
}

/*
 * An agent keeps closed splices even in a full table: a replayed introduction must not bring a
 * splice back.
 */
static void an_agent_keeps_what_may_be_introduced_again(void **state)
{
	for (int is_agent = 0; is_agent < 2; is_agent++) {
		begin(NULL);
		store.engine = &alone;
		ager.is_agent = is_agent;
		count.max = 1;
		set_ends(add(1, 10, 0), SP_STATE_RST);
		set_ends(add(2, 10, 0), SP_STATE_FIN | SP_STATE_PEER_FIN);
		walk();
		assert_int_equal(dels, is_agent ? 0 : 4);
		now_ns += SECOND;
		walk();
		assert_int_equal(dels, 4);
	}
}

/* The pause is bounded by the lifetime of closed splices. */
static void a_long_walk_is_followed_by_a_long_rest(void **state)
{
	static const struct { __u64 walk_ms; unsigned int least_ms, most_ms; } walks[] = {
		{ 10, 1, 200 }, { 500, 1000, 1000 }, { 1500, 3000, 3000 }, { 60000, 3750, 3750 },
	};

	ager.pause_max_ms = 200;
	for (unsigned int id = 1; id <= STRETCH; id++)
		add(id, 0, 0);
	for (size_t i = 0; i < sizeof(walks) / sizeof(walks[0]); i++) {
		assert_int_equal(sp_ager_turn(&ager, &limits), TURN_MS);
		now_ns += walks[i].walk_ms * 1000000;
		assert_in_range(sp_ager_turn(&ager, &limits), walks[i].least_ms, walks[i].most_ms);
		assert_false(ager.is_walking);
	}
}

static void fin_of_the_backend_is_sent(void **state)
{
	set_ends(add(1, 5, 0), SP_STATE_PEER_FIN);
	set_ends(add(2, 5, 0), 0);
	walk();
	assert_int_equal(sent, 1);
	assert_int_equal(sent_state, SP_STATE_PEER_FIN);
}

static void one_box_sends_nothing(void **state)
{
	store.engine = &alone;
	ager.ended = NULL;
	set_ends(add(1, 31, 0), SP_STATE_FIN | SP_STATE_PEER_FIN);
	set_ends(add(2, 5, 0), SP_STATE_FIN);
	add(3, IDLE_S + 1, 0);
	add(4, 0, -1);
	walk();
	assert_int_equal(dels, 4);
	assert_int_equal(sent + forgets + refreshes, 0);
	assert_int_equal(ager.survivable, 0);
}

/* The store is local, but an agent carries a half. */
static void an_end_is_sent_without_a_store(void **state)
{
	store.engine = &alone;
	set_ends(add(1, 5, 0), SP_STATE_FIN);
	walk();
	assert_int_equal(sent, 1);
	assert_int_equal(refreshes, 0);
}

static void outdated_ones_go(void **state)
{
	struct sp_entry *up = add(1, 0, 0);

	up[0].meta.version = 7;
	sp_ager_outdated(&ager, &table_keys[0], 2, 7);	/* of another connection */
	sp_ager_outdated(&ager, &table_keys[0], 1, 6);	/* the store's news are here already */
	assert_int_equal(dels, 0);
	up[0].half.flags |= SP_HALF_F_TO_DAEMON;
	sp_ager_outdated(&ager, &table_keys[0], 1, 7);
	assert_int_equal(dels, 0);
	up[0].half.flags = 0;
	sp_ager_outdated(&ager, &table_keys[0], 1, 7);
	assert_int_equal(dels, 2);
	assert_int_equal(forgets, 1);
	assert_int_equal(ports_back, 1);
	assert_int_equal(ports_uncertain, 0);
}

/* @until: 0: a tunnel */
static void set_version(struct sp_entry *e, __u32 version, __u32 until)
{
	for (int i = 0; i < 2; i++) {
		e[i].half.flags |= SP_HALF_F_REQUESTS;
		e[i].meta.version = version;
		e[i].meta.change = (struct sp_change){ 500, 40, 60 };
		e[i].meta.handshake = (struct sp_handshake){ .mss = 1400, .wscale_theirs = -1 };
	}
	e[0].meta.boundary.until = until;
	e[0].meta.boundary.bound = until ? SP_BOUND_STOP : SP_BOUND_NONE;
	e[1].meta.boundary.bound = SP_BOUND_UNKNOWN;
}

/* The store gets the version, and the boundary of today. */
static void versions_are_refreshed(void **state)
{
	for (int is_tunnel = 0; is_tunnel < 2; is_tunnel++) {
		begin(NULL);
		set_version(add(1, 0, -1), 9, is_tunnel ? 0 : 777);
		walk();
		assert_int_equal(refreshes, 1);
		assert_int_equal(refreshed.version, 9);
		assert_int_equal(refreshed.boundary.until, is_tunnel ? 0 : 777);
		assert_int_equal(refreshed.boundary.bound, !is_tunnel);
		assert_int_equal(refreshed.handshake.mss, 1400);
		assert_int_equal(refreshed.change.becomes, 60);
		assert_int_equal(refreshed.named.addr.w[3], 44);
		assert_int_equal(refreshed.handshake.wscale_theirs, -1);
		sp_ager_outdated(&ager, &table_keys[0], 1, 9);
		assert_memory_equal(&forgotten, &refreshed, sizeof(refreshed));
		assert_int_equal(ports_uncertain, 1);	/* the later version may be of this leg */
	}
	begin(NULL);
	add(1, 0, -1)->meta.boundary.until = 7;	/* without requests nothing counts */
	walk();
	assert_int_equal(refreshed.boundary.until + refreshed.version +
			 refreshed.boundary.bound, 0);
}

static void confirmation_is_of_a_version(void **state)
{
	set_version(add(1, 0, 0), 9, 777);
	sp_ager_refreshed(&ager, &table_keys[0], 1, 8);
	assert_int_equal(patches, 0);
	sp_ager_refreshed(&ager, &table_keys[0], 1, 9);
	assert_int_equal(patches, 1);
}

/* The half down of a leg that was left goes without an end of the connection. */
static void leg_that_was_left(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct sp_entry *up;

		begin(NULL);
		store.engine = i & 1 ? &alone : &shared;
		up = add(1, IDLE_S + 1, -1);
		set_version(up, 2, 777);
		if (i & 2)
			set_ends(up, SP_STATE_FIN | SP_STATE_PEER_FIN);
		up[0].state = (struct sp_half_state){ .seen_ns = now_ns };
		up[0].half.out.sport++;
		up[0].meta.version = 3;
		walk();
		assert_int_equal(dels, 1);
		assert_int_equal(find(&table_keys[0]), 0);
		assert_int_equal(sent + expired, 0);
		assert_int_equal(ports_back, 1);
		assert_int_equal(forgets, !(i & 1));
	}
}

static void traps_go(void **state)
{
	add(1, 40, 0)[0].half.flags |= SP_HALF_F_TO_DAEMON;
	table_count = 1;
	walk();
	assert_int_equal(dels, 0);
	now_ns += 2 * SECOND;
	walk();
	assert_int_equal(dels, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ends_are_mirrored, begin),
			cmocka_unit_test_setup(refreshed_when, begin),
		cmocka_unit_test_setup(either_half_has_moved, begin),
		cmocka_unit_test_setup(emptied, begin),
		cmocka_unit_test_setup(rekeyed, begin),
		cmocka_unit_test_setup(closed_and_left_behind_are_not_refreshed, begin),
		cmocka_unit_test_setup(turns_are_bounded, begin),
		cmocka_unit_test_setup(closed_ones_are_forgotten_and_sent, begin),
		cmocka_unit_test_setup(an_idle_splice_is_queried, begin),
		cmocka_unit_test_setup(a_service_has_its_time_outs, begin),
		cmocka_unit_test_setup(a_stored_splice_has_its_time_outs, begin),
		cmocka_unit_test_setup(living_ends_get_a_probe_each_period, begin),
		cmocka_unit_test_setup(an_end_is_lost_after_its_probes, begin),
		cmocka_unit_test_setup(a_gap_between_walks_is_no_silence, begin),
		cmocka_unit_test_setup(a_client_that_is_heard_elsewhere_stays, begin),
		cmocka_unit_test_setup(not_found_may_be_wrong, begin),
		cmocka_unit_test_setup(who_is_reset_on_expiry, begin),
		cmocka_unit_test_setup(unacknowledged_ones_go_earlier, begin),
		cmocka_unit_test_setup(who_holds_much_gives_way, begin),
		cmocka_unit_test_setup(what_is_made_counts_at_once, begin),
		cmocka_unit_test_setup(a_share_is_a_quarter, begin),
		cmocka_unit_test_setup(one_fin_is_sent_once, begin),
		cmocka_unit_test_setup(closed_one_is_sent_once, begin),
		cmocka_unit_test_setup(fin_of_a_split_one_is_sent_soon, begin),
		cmocka_unit_test_setup(an_agent_rests_little, begin),
		cmocka_unit_test_setup(an_agent_keeps_what_may_be_introduced_again, begin),
		cmocka_unit_test_setup(a_long_walk_is_followed_by_a_long_rest, begin),
		cmocka_unit_test_setup(fin_of_the_backend_is_sent, begin),
		cmocka_unit_test_setup(one_box_sends_nothing, begin),
		cmocka_unit_test_setup(an_end_is_sent_without_a_store, begin),
		cmocka_unit_test_setup(outdated_ones_go, begin),
		cmocka_unit_test_setup(versions_are_refreshed, begin),
		cmocka_unit_test_setup(confirmation_is_of_a_version, begin),
		cmocka_unit_test_setup(leg_that_was_left, begin),
		cmocka_unit_test_setup(traps_go, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

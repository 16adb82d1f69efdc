// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "exchange_plan.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "exchanges.h"
#include "faults.h"
#include "machine.h"
#include "middle.h"
#include "net.h"
#include "store.h"
#include "world.h"

#define LIMIT_NS	(1000 * SIM_S)
#define FEW		6	/* requests until a fault, at most */

struct sim_exchange_options sim_exchange_options = { .features = ~0u };
static unsigned int asked, fault_at;
static __u64 fault_free_ns;
static int has_faults;

static int has(unsigned int feature)
{
	return sim_exchange_options.features >> feature & 1;
}

/* ---- options ---- */

int sim_exchange_read_kind(const char *name)
{
	static const char *const names[] = { "",
#define X(up, low) #low,
		SIM_KINDS(X)
#undef X
	};

	for (unsigned int i = 1; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(names[i], name))
			continue;
		sim_exchange_options.kind = i;
		return 0;
	}
	return -EINVAL;
}

static int feature_named(const char *name, size_t len)
{
	static const char *const names[] = {
#define X(up, low) #low,
		SIM_FEATURES(X)
#undef X
	};

	for (unsigned int i = 0; i < SIM_FEATURE_COUNT; i++)
		if (strlen(names[i]) == len && !memcmp(names[i], name, len))
			return i;
	return -EINVAL;
}

int sim_exchange_read_features(const char *list)
{
	__u32 bits = list[0] == '-' ? ~0u : 0;

	for (size_t len; *list; list += len + (list[len] == ',')) {
		int is_less = *list == '-', feature;

		list += is_less;
		len = strcspn(list, ",");
		feature = len ? feature_named(list, len) : 0;
		if (feature < 0)
			return feature;
		if (len)
			bits = is_less ? bits & ~(1u << feature) : bits | 1u << feature;
	}
	sim_exchange_options.features = bits;
	return 0;
}

/* ---- exchanges ---- */

static __u32 some_bytes(void)
{
	static const __u32 most[] = { 1, 20, 500, 500, 3000, 3000, 20000, 60000 };
	__u32 n = most[sim_below(8)];

	return sim_below(n > 3000 && !has(SIM_FEATURE_LARGE) ? 3000 : n);
}

static __u64 some_ns(void)
{
	return sim_below(sim_chance(500) ? 5 * SIM_MS : sim_chance(800) ? 500 * SIM_MS : 3 * SIM_S);
}

static enum sim_body some_body(void)
{
	return has(SIM_FEATURE_CHUNKS) && sim_chance(400) ? SIM_BODY_CHUNKED : SIM_BODY_LENGTH;
}

static void plan_request(struct sim_exchange *x)
{
	x->head_bytes = sim_chance(150) && has(SIM_FEATURE_LARGE) ? sim_below(9000) : 0;
	if (has(SIM_FEATURE_BODILESS) && sim_chance(150))
		x->method = SIM_METHOD_HEAD;
	else if (has(SIM_FEATURE_BODIES) && sim_chance(300))
		x->method = SIM_METHOD_POST;
	if (x->method == SIM_METHOD_POST) {
		x->request_body = some_body();
		x->body_bytes = some_bytes();
		x->body_bytes = x->body_bytes < 30000 ? x->body_bytes : 30000;
		x->is_expecting = has(SIM_FEATURE_EXPECT) && x->body_bytes && sim_chance(200);
		x->is_early = has(SIM_FEATURE_EARLY) && sim_chance(100);
	}
	x->pieces = has(SIM_FEATURE_PIECES) && sim_chance(300) ? 2 + sim_below(3) : 1;
	x->piece_ns = some_ns();
	x->think_ns = has(SIM_FEATURE_THINK) && sim_chance(400) ? some_ns() : 0;
}

static void plan_response(struct sim_exchange *x)
{
	x->status = 200;
	if (has(SIM_FEATURE_BODILESS) && sim_chance(150))
		x->status = sim_chance(500) ? 204 : 304;
	if (has(SIM_FEATURE_INTERIM) && sim_chance(100))
		x->interims = 1 + sim_below(2);
	x->interims += x->is_expecting && !x->interims;
	x->response_head_bytes = sim_chance(100) && has(SIM_FEATURE_LARGE) ? sim_below(4000) : 0;
	x->response_body = some_body();
	x->response_bytes = some_bytes();
	if (has(SIM_FEATURE_UNTIL_END) && sim_chance(20))
		x->response_body = SIM_BODY_UNTIL_END;
	x->is_close = has(SIM_FEATURE_CLOSE) && sim_chance(40);
	if (has(SIM_FEATURE_PAUSES) && sim_chance(200)) {
		x->pause_at = 1 + sim_below(x->response_bytes + 200);
		x->pause_ns = some_ns();
	}
	if (sim_exchange_options.kind == SIM_KIND_SPRAY_KILLS && sim_chance(400)) {
		x->drip_bytes = x->response_bytes / 40 + 100;
		x->drip_ns = 25 * SIM_MS;
		x->pause_at = 0;
	}
	if (has(SIM_FEATURE_FAIL) && sim_chance(20))
		x->fails_at = 1 + sim_below(x->response_bytes + 100);
	if (has(SIM_FEATURE_IDLE) && sim_chance(300)) {
		x->idle = SIM_IDLE_FIN + sim_below(3);
		x->idle_ns = some_ns();
	}
}

/* HTTP/1.0 has neither chunks nor 1xx. */
static void plan_old(struct sim_exchange *x)
{
	x->is_old = 1;
	x->interims = x->is_expecting = 0;
	if (x->request_body == SIM_BODY_CHUNKED)
		x->request_body = SIM_BODY_LENGTH;
	if (x->response_body == SIM_BODY_CHUNKED)
		x->response_body = SIM_BODY_LENGTH;
}

static void plan_upgrade(struct sim_exchange *x)
{
	x->upgrade = SIM_UPGRADE_REFUSED + sim_below(2);
	x->is_early = x->is_expecting = x->interims = 0;
	x->method = SIM_METHOD_GET;
	x->request_body = SIM_BODY_NONE;
	if (x->upgrade == SIM_UPGRADE_REFUSED)
		return;
	x->request_body = SIM_BODY_LENGTH;
	x->body_bytes = 1 + some_bytes() / 2;
	x->is_expecting = 1;
	x->is_close = 0;
	x->status = 200;
	x->response_body = SIM_BODY_UNTIL_END;
}

static void plan_special(struct sim_visit *v, unsigned int i)
{
	struct sim_exchange *x = &v->exchanges[i];

	if (has(SIM_FEATURE_CLOSE) && i + 1 == v->count && sim_chance(200))
		x->is_close = x->is_close_asked = 1;
	if (has(SIM_FEATURE_OLD) && sim_chance(30))
		plan_old(x);
	else if (has(SIM_FEATURE_TUNNEL) && sim_chance(30))
		plan_upgrade(x);
	if (x->upgrade == SIM_UPGRADE_ACCEPTED)
		v->count = i + 1;
}

static void plan_pool(struct sim_visit *v, unsigned int i)
{
	struct sim_exchange *x = &v->exchanges[i];
	int is_new = !i || (has(SIM_FEATURE_MOVES) && sim_chance(600));

	x->pool = is_new ? sim_below(SIM_POOLS) : v->exchanges[i - 1].pool;
	if (!has(SIM_FEATURE_UNROUTED) || !sim_chance(20) || x->method != SIM_METHOD_GET)
		return;
	x->pool = SIM_POOL_NONE;
	v->count = i + 1;	/* a reply of our own is the last */
}

/* No proxy stands between: the backend serves a pool, and its idle end is the client's. */
static void plan_direct(struct sim_visit *v)
{
	unsigned int backend = sim_below(SIM_BACKENDS);
	char to[32];

	snprintf(to, sizeof(to), "10.2.0.%u", backend + 1);
	sp_addr_parse(to, &v->to.addr);
	for (unsigned int i = 0; i < v->count; i++) {
		v->exchanges[i].pool = backend / SIM_POOL_BACKENDS;
		v->exchanges[i].idle = SIM_IDLE_STAYS;
	}
}

static void start_visit(void *unused, __u64 unused2)
{
	struct sim_visit v = {
		.count = 1 + sim_below(SIM_EXCHANGES_MAX),
		.depth = has(SIM_FEATURE_DEPTH) && sim_chance(400) ? 2 + sim_below(5) : 1,
		.is_half_close = has(SIM_FEATURE_HALF_CLOSE) && sim_chance(200),
		.close_ns = sim_chance(700) ? some_ns() : 0,
	};

	for (unsigned int i = 0; i < v.count; i++) {
		plan_request(&v.exchanges[i]);
		plan_response(&v.exchanges[i]);
		plan_special(&v, i);
		plan_pool(&v, i);
	}
	if (has(SIM_FEATURE_ABORT) && sim_chance(50))
		v.aborts_at = 1 + sim_below(v.count);
	sp_addr_parse(SIM_VIP, &v.to.addr);
	v.to.port_be = htobe16(SIM_VIP_PORT);
	if (sim_exchange_options.kind == SIM_KIND_DIRECT)
		plan_direct(&v);
	sim_visit_start(&v);
}

/* ---- faults: soon after a request begins ---- */

static void on_request(unsigned int nonce)
{
	struct sim_machine *m;
	enum sim_fault fault;
	__u64 at_ns, for_ns;

	if (++asked < fault_at || sim_now_ns < fault_free_ns)
		return;
	m = &sim_machines[sim_below(sim_machine_count)];
	fault = sim_fault_choose();
	at_ns = sim_now_ns + sim_below(sim_chance(700) ? 4 * SIM_MS + 2 * sim_store.slow_ns :
				       300 * SIM_MS);
	for_ns = sim_fault_duration();
	if (sim_exchange_options.kind == SIM_KIND_SPRAY_KILLS) {
		fault = SIM_FAULT_KILL;
		for_ns = 500 * SIM_MS + sim_below(500 * SIM_MS);
	}
	if (fault == SIM_FAULT_LOSE && sim_chance(300)) {
		sim_fault_plan(m, fault, at_ns, 0);
		fault_free_ns = ~0ULL;	/* for good: peers take over its duties */
		return;
	}
	sim_fault_plan(m, fault, at_ns, for_ns);
	fault_free_ns = at_ns + for_ns + 2 * SIM_S;
	fault_at = asked + 1 + sim_below(FEW);
}

/* ---- the run ---- */

static int is_wire_perfect(void)
{
	return sim_exchange_options.kind == SIM_KIND_LONE ||
	       sim_exchange_options.kind == SIM_KIND_CLUSTER ||
	       sim_exchange_options.kind == SIM_KIND_SPRAY ||
	       sim_exchange_options.kind == SIM_KIND_SPRAY_KILLS;
}

unsigned int sim_exchange_plan_ways(void)
{
	enum sim_kind kind = sim_exchange_options.kind;

	sim_net = (struct sim_net){ .way = sim_chance(500) ? SIM_WAY_SPRAY : SIM_WAY_FLOW };
	sim_store = (struct sim_store){ .slow_ns = sim_chance(300) ? 100 * SIM_MS : SIM_MS };
	if (!is_wire_perfect()) {
		sim_net.loss = sim_chance(500) ? sim_below(30) : 0;
		sim_net.twice = sim_chance(300) ? sim_below(30) : 0;
		sim_net.jitter_ns = sim_chance(500) ? sim_below(3 * SIM_MS) : 0;
	}
	if (kind == SIM_KIND_SPRAY || kind == SIM_KIND_SPRAY_FAULTS || kind == SIM_KIND_SPRAY_KILLS)
		sim_net.way = SIM_WAY_SPRAY_BOTH;
	has_faults = kind == SIM_KIND_FAULTS || kind == SIM_KIND_SPRAY_FAULTS ||
		     kind == SIM_KIND_SPRAY_KILLS ||
		     (kind == SIM_KIND_ALL && sim_chance(700));
	if (kind == SIM_KIND_MIDDLE)
		sim_middle_begin(sim_exchange_options.wrong);
	if (kind == SIM_KIND_DIRECT || kind == SIM_KIND_MIDDLE)
		return 0;
	if (kind == SIM_KIND_CLUSTER || sim_net.way == SIM_WAY_SPRAY_BOTH ||
	    (kind == SIM_KIND_ALL && sim_chance(800)))
		return 2 + sim_below(2);
	return 1;
}

__u64 sim_exchange_plan_visits(__u64 from_ns)
{
	unsigned int clients = 1 + sim_below(SIM_EXCHANGE_CLIENTS);
	__u64 at_ns = from_ns;

	for (unsigned int i = 0; i < clients; i++) {
		sim_at(at_ns, start_visit, NULL, 0);
		at_ns += sim_below(3 * SIM_S);
	}
	asked = 0;
	fault_free_ns = 0;
	fault_at = 1 + sim_below(FEW);
	sim_exchange_asked = has_faults ? on_request : NULL;
	return at_ns;
}

/* A FIN is repeated; a lost RST is not, nor is one that came to a dead daemon. */
__u64 sim_exchange_patience_ns(int is_rst)
{
	if (sim_exchange_is_clean())
		return 5 * SIM_MS + 2 * sim_net.jitter_ns;
	return has_faults || is_rst ? LIMIT_NS : 3 * SIM_S;
}

int sim_exchange_has_faults(void)
{
	return has_faults;
}

int sim_exchange_is_clean(void)
{
	return !has_faults && !sim_net.loss;
}

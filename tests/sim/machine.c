// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uv.h>

#include "base/addr.h"
#include "cluster/datagram.h"
#include "config/doc.h"
#include "kernel.h"
#include "node/route_mtu.h"
#include "net.h"
#include "peers.h"
#include "store.h"
#include "world.h"

#define WAKE_NS		(30 * 1000ULL)		/* from the ring to the daemon */
#define DATAGRAM_NS	(60 * 1000ULL)
#define BFD_NS		(150 * SIM_MS)		/* until routers miss a host without power */
#define WITHDRAW_NS	SIM_S			/* until routers miss a daemon that isn't ready */
#define QUEUE_MAX	64
#define INBOX_MAX	256

struct queued {
	int	len;
	__u8	bytes[];
};

struct sp_wire {
	struct sim_machine	*machine;
	unsigned int		count;
	struct queued		*queue[QUEUE_MAX];
	void			(*before)(void *ctx);
	void			*ctx;
	struct sp_wire_stats	stats;
};

struct datagram {
	struct datagram		*next;
	struct sp_endpoint	from, to;
	__u64			came_ns;
	size_t			len;
	__u8			bytes[];
};

struct sp_datagrams {
	struct sim_machine	*machine;
	struct sp_endpoint	at;
	uv_poll_t		*poll;
	uv_poll_cb		readable;
	uv_timer_t		*timer;
	uv_timer_cb		tick;
	__u64			repeat_ms;
	struct datagram		*out, **out_end, *in, **in_end;
};

struct sim_machine sim_machines[SIM_MACHINES_MAX];
unsigned int sim_machine_count;
static struct sim_machine *opening;	/* owner of the libuv handles being made */

/* ---- the library's chance ---- */

ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	for (size_t i = 0; i < len; i++)
		((__u8 *)buf)[i] = sim_random();
	return len;
}

int sp_keys_read(const char *path, struct sp_keys *ret_keys)
{
	*ret_keys = (struct sp_keys){ .count = 1, .key = { { 0x0123456789abcdefULL, 0xfedcba9876543210ULL } } };
	return 0;
}

__u32 sp_route_mtu(struct sp_route_mtus *mtus, const struct sp_addr *to, __u64 now_ns)
{
	return 0;
}

/* The real function would query the kernel of this host. */
void __wrap_sp_local_warn(const struct sp_config *config, int is_same_file);
void __wrap_sp_local_warn(const struct sp_config *config, int is_same_file)
{
}

/* ---- the daemon's turns ---- */

static int is_awake(const struct sim_machine *m, unsigned int life)
{
	return m->is_running && m->life == life && !m->is_frozen;
}

/* Flush as main.c does after each event. */
static void flush(struct sim_machine *m)
{
	sp_wire_flush(m->wire);
	sp_cluster_flush(m->cluster);
}

struct call {
	struct sim_machine	*machine;
	unsigned int		life;
	void			(*fn)(void *arg);
	void			*arg;
};

static void do_call(void *call, __u64 unused)
{
	struct call *c = call;
	struct sim_machine *m = c->machine;

	if (m->is_running && m->life == c->life && m->is_frozen) {
		sim_in(10 * SIM_MS, do_call, c, 0);
		return;
	}
	if (is_awake(m, c->life)) {
		c->fn(c->arg);
		flush(m);
	}
	sim_free(c);
}

void sim_machine_call(struct sim_machine *m, unsigned int life, void (*fn)(void *arg), void *arg)
{
	struct call *c = sim_alloc(sizeof(*c));

	*c = (struct call){ m, life, fn, arg };
	do_call(c, 0);
}

static void consume(void *machine, __u64 life)
{
	struct sim_machine *m = machine;

	m->is_awaited = 0;
	if (!is_awake(m, life))
		return;
	while (sp_datapath_consume(m->dp) > 0)
		sp_wire_flush(m->wire);
	flush(m);
}

static void wake(struct sim_machine *m)
{
	if (m->is_awaited || !is_awake(m, m->life) || !sim_kernel_has_events(m->dp))
		return;
	m->is_awaited = 1;
	sim_in(WAKE_NS + sim_below(WAKE_NS), consume, m, m->life);
}

static void on_tick(void *machine, __u64 life)
{
	struct sim_machine *m = machine;

	if (!m->is_running || m->life != life)
		return;
	sim_in(SP_TICK_MS * SIM_MS, on_tick, m, life);
	if (!m->is_frozen) {
		sp_proxy_role.tick(m->node);
		flush(m);
	}
}

static void on_age(void *machine, __u64 life)
{
	struct sim_machine *m = machine;
	unsigned int ms = SP_TICK_MS;

	if (!m->is_running || m->life != life)
		return;
	if (!m->is_frozen)
		ms = sp_node_age(m->node);
	sim_in((ms ?: 1) * SIM_MS, on_age, m, life);
}

static void on_beat(void *machine, __u64 life)
{
	struct sim_machine *m = machine;

	if (!m->is_running || m->life != life)
		return;
	sim_in(SP_HEARTBEAT_MS * SIM_MS, on_beat, m, life);
	if (m->is_frozen)
		return;
	sp_datapath_heartbeat(m->dp);
	sp_cluster_set_state(m->cluster, sp_proxy_role.is_in_sync(m->node) ? SP_MEMBER_READY :
			     SP_MEMBER_SYNCING);
}

/* Routers follow: at once if the power is gone, after a second if only the daemon is. */
static void on_route(void *machine, __u64 unused)
{
	struct sim_machine *m = machine;
	int is_ready = m->is_up && is_awake(m, m->life) && sp_proxy_role.is_in_sync(m->node);

	sim_in(10 * SIM_MS, on_route, m, 0);
	if (is_ready) {
		m->silent_ns = 0;
		m->is_announced = 1;
		return;
	}
	m->silent_ns += 10 * SIM_MS;
	if (m->silent_ns >= (m->is_up ? WITHDRAW_NS : BFD_NS))
		m->is_announced = 0;
}

/* ---- wire.h ---- */

static void drop_queue(struct sp_wire *wire)
{
	while (wire->count)
		sim_free(wire->queue[--wire->count]);
}

int sp_wire_send(struct sp_wire *wire, const struct sp_segment *seg)
{
	static __u8 bytes[SP_SEGMENT_PACKET_MAX];
	int len = sp_segment_build(seg, bytes, sizeof(bytes));
	struct queued *q;

	if (len < 0)
		return len;
	if (wire->count == QUEUE_MAX)
		sp_wire_flush(wire);
	q = sim_alloc(sizeof(*q) + len);
	q->len = len;
	memcpy(q->bytes, bytes, len);
	wire->queue[wire->count++] = q;
	return 0;
}

int sp_wire_send_too_big(struct sp_wire *wire, const struct sp_event *ev)
{
	return 0;
}

void sp_wire_before(struct sp_wire *wire, void (*fn)(void *ctx), void *ctx)
{
	wire->before = fn;
	wire->ctx = ctx;
}

void sp_wire_flush(struct sp_wire *wire)
{
	if (wire->count && wire->before)
		wire->before(wire->ctx);
	for (unsigned int i = 0; i < wire->count; i++)
		sim_net_send(wire->queue[i]->bytes, wire->queue[i]->len);
	wire->stats.sent_pkts += wire->count;
	drop_queue(wire);
}

struct sp_wire_stats sp_wire_stats(const struct sp_wire *wire)
{
	return wire->stats;
}

/* ---- datagram.h ---- */

int sp_datagrams_open(const struct sp_endpoint *at, __u64 *not_sent,
		      struct sp_datagrams **ret_datagrams)
{
	struct sp_datagrams *d = sim_alloc(sizeof(*d));

	d->machine = opening;
	d->at = *at;
	d->out_end = &d->out;
	d->in_end = &d->in;
	opening->datagrams = *ret_datagrams = d;
	return 0;
}

static void free_list(struct datagram *d)
{
	while (d) {
		struct datagram *next = d->next;

		sim_free(d);
		d = next;
	}
}

void sp_datagrams_close(struct sp_datagrams *d)
{
	if (!d)
		return;
	free_list(d->out);
	free_list(d->in);
	if (d->machine->datagrams == d)
		d->machine->datagrams = NULL;
	sim_free(d);
}

int sp_datagrams_fd(const struct sp_datagrams *d)
{
	return 0;
}

void sp_datagrams_add(struct sp_datagrams *d, const struct sp_endpoint *to, const void *bytes,
		      size_t len)
{
	struct datagram *g = sim_alloc(sizeof(*g) + len);

	*g = (struct datagram){ .from = d->at, .to = *to, .len = len };
	memcpy(g->bytes, bytes, len);
	*d->out_end = g;
	d->out_end = &g->next;
}

void sp_datagrams_join(struct sp_datagrams *d, const struct sp_endpoint *to, const void *bytes,
		       size_t len, size_t most)
{
	sp_datagrams_add(d, to, bytes, len);
}

static void wake_poll(void *machine)
{
	struct sim_machine *m = machine;

	if (m->datagrams && m->datagrams->in)
		m->datagrams->readable(m->datagrams->poll, 0, UV_READABLE);
}

static void deliver(void *datagram, __u64 unused)
{
	struct datagram *g = datagram;

	for (unsigned int i = 0; i < sim_machine_count; i++) {
		struct sim_machine *m = &sim_machines[i];
		struct sp_datagrams *d = m->datagrams;

		if (!m->is_up || !m->is_running || !d || memcmp(&d->at, &g->to, sizeof(d->at)))
			continue;
		g->came_ns = sim_now_ns;
		*d->in_end = g;
		d->in_end = &g->next;
		sim_machine_call(m, m->life, wake_poll, m);
		return;
	}
	sim_free(g);
}

void sp_datagrams_flush(struct sp_datagrams *d)
{
	struct datagram *g = d->out;

	d->out = NULL;
	d->out_end = &d->out;
	while (g) {
		struct datagram *next = g->next;

		g->next = NULL;
		if (!d->machine->is_up || sim_chance(sim_net.loss))
			sim_free(g);
		else
			sim_in(DATAGRAM_NS + sim_below(sim_net.jitter_ns + 1), deliver, g, 0);
		g = next;
	}
}

void sp_datagrams_receive(struct sp_datagrams *d, sp_datagram_fn fn, void *ctx)
{
	while (d->in) {
		struct datagram *g = d->in;

		d->in = g->next;
		if (!d->in)
			d->in_end = &d->in;
		fn(ctx, g->bytes, g->len, &g->from, sim_now_ns - g->came_ns);
		sim_free(g);
	}
}

/* ---- libuv, as far as cluster.c needs it ---- */

uint64_t uv_hrtime(void)
{
	return sim_now_ns;
}

int uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd)
{
	opening->datagrams->poll = poll;
	return 0;
}

int uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb fn)
{
	opening->datagrams->readable = fn;
	return 0;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
	opening->datagrams->timer = timer;
	return 0;
}

static void on_cluster_timer(void *machine, __u64 life)
{
	struct sim_machine *m = machine;

	if (!m->is_running || m->life != life || !m->datagrams)
		return;
	sim_in(m->datagrams->repeat_ms * SIM_MS, on_cluster_timer, m, life);
	if (!m->is_frozen) {
		m->datagrams->tick(m->datagrams->timer);
		flush(m);
	}
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb fn, uint64_t timeout, uint64_t repeat)
{
	opening->datagrams->tick = fn;
	opening->datagrams->repeat_ms = repeat;
	sim_in(SIM_MS, on_cluster_timer, opening, opening->life);
	return 0;
}

static void closed(void *handle, __u64 fn)
{
	((uv_close_cb)fn)(handle);
}

void uv_close(uv_handle_t *handle, uv_close_cb fn)
{
	sim_in(0, closed, handle, (__u64)fn);
}

/* ---- coming and going ---- */

static void on_event(void *machine, const struct sp_event *ev)
{
	struct sim_machine *m = machine;

	sp_proxy_role.event(m->node, ev);
}

static void before_packets(void *machine)
{
	sp_cluster_flush(((struct sim_machine *)machine)->cluster);
}

static void open_store(struct sim_machine *m)
{
	struct sp_store *local;

	sp_store_local_open(m->dp, &local);
	m->store = m->config->store.kind == SP_STORE_REDIS ?
		sim_store_open(m, m->name, m->config, local) : local;
}

void sim_machine_start(struct sim_machine *m)
{
	struct sp_node_parts parts;
	struct sp_keys keys;
	int fd;

	if (!m->is_up || m->is_running)
		return;
	sim_trace("%s: a daemon starts", m->name);
	m->life++;
	m->is_running = 1;
	m->is_frozen = m->is_awaited = 0;
	opening = m;
	sp_keys_read(NULL, &keys);
	sp_datapath_set_keys(m->dp, &keys);
	sp_datapath_apply(m->dp, m->config);
	m->wire = sim_alloc(sizeof(*m->wire));
	m->wire->machine = m;
	open_store(m);
	sp_cluster_open(NULL, m->config, m->store, &m->cluster);
	parts = (struct sp_node_parts){ .dp = m->dp, .wire = m->wire, .store = m->store,
					.cluster = m->cluster };
	if (sp_proxy_role.open(&parts, m->config, &m->node))
		abort();
	sp_wire_before(m->wire, before_packets, m);
	sp_splice_recount(m->dp, m->node->ports);
	sp_proxy_role.recover(m->node);
	sp_datapath_subscribe(m->dp, on_event, m, &fd);
	on_beat(m, m->life);
	on_tick(m, m->life);
	on_age(m, m->life);
	wake(m);
}

void sim_machine_kill(struct sim_machine *m)
{
	if (!m->is_running)
		return;
	sim_trace("%s: its daemon is killed", m->name);
	m->is_running = m->is_frozen = 0;
	m->life++;
	drop_queue(m->wire);
	sp_proxy_role.close(m->node);
	sp_cluster_close(m->cluster);
	sp_store_close(m->store);
	sim_free(m->wire);
	m->node = NULL;
	m->cluster = NULL;
	m->store = NULL;
	m->wire = NULL;
	m->datagrams = NULL;
}

void sim_machine_freeze(struct sim_machine *m)
{
	sim_trace("%s: its daemon is suspended", m->name);
	m->is_frozen = m->is_running;
}

void sim_machine_thaw(struct sim_machine *m)
{
	if (!m->is_frozen)
		return;
	sim_trace("%s: its daemon goes on", m->name);
	m->is_frozen = 0;
	sp_datapath_heartbeat(m->dp);	/* overdue timers come first */
	wake(m);
}

void sim_machine_lose(struct sim_machine *m)
{
	sim_trace("%s: the host is lost", m->name);
	sim_machine_kill(m);
	m->is_up = 0;
	sim_kernel_free(m->dp);
	m->dp = NULL;
}

void sim_machine_return(struct sim_machine *m)
{
	if (m->is_up)
		return;
	m->is_up = 1;
	m->dp = sim_kernel_new();
	sim_machine_start(m);
}

void sim_machine_receive(struct sim_machine *m, const void *packet, unsigned int len)
{
	static __u8 bytes[SIM_PACKET_MAX];
	unsigned int out;

	if (!m->is_up)
		return;
	memcpy(bytes, packet, len);
	out = sim_kernel_receive(m->dp, bytes, len);
	if (out)
		sim_net_send(bytes, out);
	wake(m);
}

/* ---- all machines ---- */

/* The file is read once, and each run holds a reference. */
static struct sp_config *configure(unsigned int idx, unsigned int count)
{
	static struct sp_config *known[SIM_MACHINES_MAX + 1][SIM_MACHINES_MAX];
	char text[2048], error[SP_CONFIG_ERROR_MAX];
	int n = snprintf(text, sizeof(text),
		"interfaces: [eth0]\nkey_file: /key\nsource: {addresses: [10.3.0.%u], ports: 20000-20199}\n"
		"limits: {splices: 1000, pending: 64, held: 4MiB}\n", idx + 1);

	if (count > 1)
		n += snprintf(text + n, sizeof(text) - n,
			"store: {engine: redis, servers: [\"10.9.0.1:6379\", \"10.9.0.2:6379\", \"10.9.0.3:6379\"]}\n"
			"cluster: {name: proxy%u, relay: \"10.9.1.%u:4790\", sources: [10.3.0.1, 10.3.0.2, 10.3.0.3]}\n",
			idx + 1, idx + 1);
	snprintf(text + n, sizeof(text) - n, "%s", sim_peers->pools);
	if (!known[count][idx] &&
	    sp_config_load_bytes("sim.yaml", text, strlen(text), error, &known[count][idx])) {
		fprintf(stderr, "%s\n", error);
		abort();
	}
	return sp_config_get(known[count][idx]);
}

void sim_machines_begin(unsigned int count)
{
	char snat[32];

	sim_machine_count = count;
	for (unsigned int i = 0; i < count; i++) {
		struct sim_machine *m = &sim_machines[i];

		*m = (struct sim_machine){ .idx = i, .is_up = 1 };
		snprintf(m->name, sizeof(m->name), "proxy%u", i + 1);
		snprintf(snat, sizeof(snat), "10.3.0.%u", i + 1);
		sp_addr_parse(snat, &m->snat);
		m->config = configure(i, count);
		m->dp = sim_kernel_new();
		sim_machine_start(m);
		on_route(m, 0);
	}
}

void sim_machines_end(void)
{
	for (unsigned int i = 0; i < sim_machine_count; i++) {
		struct sim_machine *m = &sim_machines[i];

		sim_machine_kill(m);
		if (m->dp)
			sim_kernel_free(m->dp);
		m->dp = NULL;
	}
	while (sim_step(sim_now_ns))
		;
	for (unsigned int i = 0; i < sim_machine_count; i++)
		sp_config_put(sim_machines[i].config);
}

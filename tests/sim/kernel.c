// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* kernel.c - kernel helpers, maps and the ring; and datapath.h on top of them. */
#include "bpf/proxy.bpf.c"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/addr.h"
#include "base/clock.h"
#include "datapath/count.h"
#include "kernel.h"
#include "l7/response_table.h"
#include "peers.h"
#include "tcp/segment.h"
#include "world.h"

#define BUCKETS		64
#define RING_MAX	256
#define BUCKETS_OF_TOKENS 8	/* more than map sp_buckets has */
#define MTU		1500
#define ETH		sizeof(struct ethhdr)

struct node {
	struct node	*next;
	char		bytes[];	/* key, padded to 8, value */
};

struct table {
	const void	*map;
	__u32		key_size, value_size, count;
	struct node	*buckets[BUCKETS];
};

enum { HALVES, SERVICES, SNATS, ORIGINS, STASH, DECISIONS, TABLES };

struct offered {
	struct sp_listen	at;
	struct sp_service	offer;
};

struct sp_datapath {
	struct table		tables[TABLES];
	struct sp_control	control;
	__u64			drops[SP_DROP_COUNT], stats[SP_STAT_COUNT];
	struct sp_bucket	buckets[BUCKETS_OF_TOKENS];
	struct payload		payload;
	struct sp_decision_key	decision_key;
	struct sp_event		*ring[RING_MAX];
	unsigned int		ring_first, ring_count;
	struct sp_count		count;
	sp_event_fn		fn;
	void			*ctx;
	struct offered		offered[16];
	unsigned int		offered_count;
};

static struct sp_datapath *here;	/* its program runs */
static __u8 *frame;			/* below 4 GiB, for the 32 bits of struct __sk_buff */

/* ---- maps ---- */

static __u32 value_at(const struct table *t)
{
	return (t->key_size + 7) & ~7u;
}

static struct node **find(struct table *t, const void *key)
{
	__u32 hash = 2166136261u;
	struct node **at;

	for (__u32 i = 0; i < t->key_size; i++)
		hash = (hash ^ ((const __u8 *)key)[i]) * 16777619u;
	for (at = &t->buckets[hash % BUCKETS]; *at; at = &(*at)->next)
		if (!memcmp((*at)->bytes, key, t->key_size))
			break;
	return at;
}

static void *table_get(struct table *t, const void *key)
{
	struct node *n = *find(t, key);

	return n ? n->bytes + value_at(t) : NULL;
}

static void table_put(struct table *t, const void *key, const void *value)
{
	struct node **at = find(t, key);

	if (!*at) {
		*at = calloc(1, sizeof(**at) + value_at(t) + t->value_size);
		memcpy((*at)->bytes, key, t->key_size);
		t->count++;
	}
	memcpy((*at)->bytes + value_at(t), value, t->value_size);
}

static int table_del(struct table *t, const void *key)
{
	struct node **at = find(t, key), *n = *at;

	if (!n)
		return -ENOENT;
	*at = n->next;
	free(n);
	t->count--;
	return 0;
}

static void table_clear(struct table *t)
{
	for (unsigned int i = 0; i < BUCKETS; i++) {
		while (t->buckets[i]) {
			struct node *n = t->buckets[i];

			t->buckets[i] = n->next;
			free(n);
		}
	}
	t->count = 0;
}

static struct table *table_of(const void *map)
{
	for (unsigned int i = 0; i < TABLES; i++)
		if (here->tables[i].map == map)
			return &here->tables[i];
	return NULL;
}

void *bpf_map_lookup_elem(void *map, const void *key)
{
	struct table *t = table_of(map);
	__u32 i = *(const __u32 *)key;

	if (t)
		return table_get(t, key);
	if (map == &sp_control)
		return &here->control;
	if (map == &sp_drops)
		return &here->drops[i];
	if (map == &sp_stats)
		return &here->stats[i];
	if (map == &sp_payloads)
		return &here->payload;
	if (map == &sp_decision_key)
		return &here->decision_key;
	return map == &sp_buckets && i < BUCKETS_OF_TOKENS ? &here->buckets[i] : NULL;
}

long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags)
{
	struct table *t = table_of(map);

	if (!t || (flags == BPF_NOEXIST && table_get(t, key)))
		return t ? -EEXIST : -EINVAL;
	table_put(t, key, value);
	return 0;
}

long bpf_map_delete_elem(void *map, const void *key)
{
	struct table *t = table_of(map);

	return t ? table_del(t, key) : -ENOENT;
}

/* ---- the ring ---- */

void *bpf_ringbuf_reserve(void *ring, __u64 size, __u64 flags)
{
	return here->ring_count == RING_MAX ? NULL : calloc(1, size);
}

void bpf_ringbuf_submit(void *data, __u64 flags)
{
	here->ring[(here->ring_first + here->ring_count++) % RING_MAX] = data;
}

void bpf_ringbuf_discard(void *data, __u64 flags)
{
	free(data);
}

/* No trace is on here. */
__u64 bpf_ringbuf_query(void *ring, __u64 flags)
{
	return 0;
}

__u64 bpf_ktime_get_ns(void)
{
	return bpf_ktime_get_coarse_ns();
}

__u64 bpf_ktime_get_coarse_ns(void)
{
	return sim_now_ns;
}

/* ---- packets ---- */

long bpf_skb_load_bytes(const void *skb, __u32 off, void *to, __u32 len)
{
	const struct __sk_buff *s = skb;

	if (off + len > s->len)
		return -EFAULT;
	memcpy(to, frame + off, len);
	return 0;
}

long bpf_skb_store_bytes(struct __sk_buff *skb, __u32 off, const void *from, __u32 len, __u64 flags)
{
	if (off + len > skb->len)
		return -EFAULT;
	memcpy(frame + off, from, len);
	return 0;
}

long bpf_skb_pull_data(struct __sk_buff *skb, __u32 len)
{
	return len <= skb->len ? 0 : -ENOMEM;
}

long bpf_skb_change_tail(struct __sk_buff *skb, __u32 len, __u64 flags)
{
	if (len > SIM_PACKET_MAX)
		return -E2BIG;
	if (len > skb->len)
		memset(frame + skb->len, 0, len - skb->len);
	skb->len = len;
	skb->data_end = skb->data + len;
	return 0;
}

static __u32 fold32(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

__s64 bpf_csum_diff(const void *from, __u32 from_size, const void *to, __u32 to_size, __u32 seed)
{
	__u64 sum = seed;
	__u32 word;

	for (__u32 i = 0; i < from_size; i += 4) {
		memcpy(&word, (const __u8 *)from + i, 4);
		sum += (__u32)~word;
	}
	for (__u32 i = 0; i < to_size; i += 4) {
		memcpy(&word, (const __u8 *)to + i, 4);
		sum += word;
	}
	return fold32(sum);
}

__s64 bpf_csum_update(struct __sk_buff *skb, __u32 sum)
{
	return -ENOTSUP;
}

/* Checksums here are complete: the pseudo header counts like the rest. */
long bpf_l4_csum_replace(struct __sk_buff *skb, __u32 off, __u64 from, __u64 to, __u64 flags)
{
	__u16 old;
	__u32 sum;

	assert(!from);
	memcpy(&old, frame + off, 2);
	sum = fold32((__u64)(__u16)~old + to);
	sum = (sum & 0xffff) + (sum >> 16);
	old = ~((sum & 0xffff) + (sum >> 16));
	memcpy(frame + off, &old, 2);
	return 0;
}

long bpf_fib_lookup(void *ctx, struct bpf_fib_lookup *params, int plen, __u32 flags)
{
	params->ifindex = 1;
	params->mtu_result = MTU;
	return BPF_FIB_LKUP_RET_SUCCESS;
}

long bpf_redirect(__u32 ifindex, __u64 flags)
{
	return TC_ACT_REDIRECT;
}

long bpf_redirect_neigh(__u32 ifindex, struct bpf_redir_neigh *params, int plen, __u64 flags)
{
	return TC_ACT_REDIRECT;
}

unsigned int sim_kernel_receive(struct sp_datapath *dp, void *packet, unsigned int len)
{
	struct __sk_buff skb = { .len = ETH + len, .data = (__u32)(long)frame,
				 .data_end = (__u32)(long)frame + ETH + len, .ifindex = 1,
				 .ingress_ifindex = 1 };

	assert(len <= SIM_PACKET_MAX - ETH);
	memset(frame, 0, ETH);
	memcpy(frame + ETH, packet, len);
	skb.protocol = (*(__u8 *)packet >> 4) == 4 ? htobe16(ETH_P_IP) : htobe16(ETH_P_IPV6);
	here = dp;
	if (sp_ingress(&skb) != TC_ACT_REDIRECT)
		return 0;
	memcpy(packet, frame + ETH, skb.len - ETH);
	return skb.len - ETH;
}

/* ---- datapath.h ---- */

struct sp_datapath *sim_kernel_new(void)
{
	static const struct { const void *map; __u32 key_size, value_size; } maps[TABLES] = {
		[HALVES] = { &sp_halves, sizeof(struct sp_tuple), sizeof(struct sp_entry) },
		[SERVICES] = { &sp_services, sizeof(struct sp_listen), sizeof(struct sp_service) },
		[SNATS] = { &sp_snats, sizeof(struct sp_addr), sizeof(struct sp_snat) },
		[ORIGINS] = { &sp_origins, sizeof(struct sp_listen), sizeof(__u32) },
		[DECISIONS] = { &sp_decisions, sizeof(__u64), sizeof(struct sp_decision) },
		[STASH] = { &sp_stash, sizeof(struct sp_stash_key), sizeof(struct sp_stash_chunk) },
	};
	struct sp_datapath *dp = calloc(1, sizeof(*dp));

	sp_response_table_fill(&response_table);
	if (!frame) {
		frame = mmap(NULL, 2 * SIM_PACKET_MAX, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
		assert(frame != MAP_FAILED);
		frame += 2;	/* NET_IP_ALIGN */
	}
	assert(dp);
	for (unsigned int i = 0; i < TABLES; i++)
		dp->tables[i] = (struct table){ .map = maps[i].map, .key_size = maps[i].key_size,
						.value_size = maps[i].value_size };
	return dp;
}

static void free_ring(struct sp_datapath *dp)
{
	while (dp->ring_count) {
		free(dp->ring[dp->ring_first]);
		dp->ring_first = (dp->ring_first + 1) % RING_MAX;
		dp->ring_count--;
	}
}

void sim_kernel_free(struct sp_datapath *dp)
{
	free_ring(dp);
	for (unsigned int i = 0; i < TABLES; i++)
		table_clear(&dp->tables[i]);
	free(dp);
}

static void trace_half(const struct sp_tuple *key, const struct sp_entry *e)
{
	char from[SP_ENDPOINT_STRLEN], to[SP_ENDPOINT_STRLEN];

	sim_trace("half %s > %s: flags %x, state %x, version %u, bound %u, reading %x, until %u",
		  sp_endpoint_format(&key->saddr, key->sport, from),
		  sp_endpoint_format(&key->daddr, key->dport, to), e->half.flags, e->state.flags,
		  e->meta.version, e->meta.boundary.bound, e->meta.boundary.reading,
		  e->meta.boundary.until);
}

unsigned int sim_kernel_live_halves(const struct sp_datapath *dp)
{
	const struct table *t = &dp->tables[HALVES];
	unsigned int live = 0;

	for (unsigned int i = 0; i < BUCKETS; i++)
		for (const struct node *n = t->buckets[i]; n; n = n->next) {
			const struct sp_entry *e = (const void *)(n->bytes + value_at(t));

			if (!sp_entry_is_live(e))
				continue;
			live++;
			trace_half((const void *)n->bytes, e);
		}
	return live;
}

int sim_kernel_has_events(const struct sp_datapath *dp)
{
	return dp->ring_count > 0;
}

static void offer(struct sp_datapath *dp, const struct sp_config *config,
		  const struct sp_service_conf *s,
		  const struct sp_endpoint *at)
{
	struct offered *o = &dp->offered[dp->offered_count++];

	*o = (struct offered){ .at = { at->addr, at->port_be, 0 }, .offer = s->offer };
	if (config->store.kind == SP_STORE_REDIS)
		o->offer.flags |= SP_SERVICE_F_SHARED;
	if (!o->offer.mss)
		o->offer.mss = MTU - sp_addr_header_bytes(&at->addr);
	o->offer.mss_max = o->offer.mss;
	table_put(&dp->tables[SERVICES], &o->at, &o->offer);
}

int sp_datapath_apply(struct sp_datapath *dp, const struct sp_config *config)
{
	struct sp_snat ours = { config->snat_port_first, config->snat_port_last },
		all = { 1, 65535 };

	dp->count.max = dp->control.splices_max = config->limits.splices;
	dp->offered_count = 0;
	dp->decision_key.word[0]++;
	for (size_t i = 0; i < config->service_count; i++)
		for (size_t j = 0; j < config->services[i].listen_count; j++)
			offer(dp, config, &config->services[i], &config->services[i].listens[j]);
	for (size_t i = 0; i < config->cluster.source_count; i++)
		table_put(&dp->tables[SNATS], &config->cluster.sources[i], &all);
	for (size_t i = 0; i < config->snat_count; i++)
		table_put(&dp->tables[SNATS], &config->snat_addrs[i], &ours);
	return 0;
}

const struct sp_service *sp_datapath_service(const struct sp_datapath *dp,
					     const struct sp_tuple *front)
{
	struct sp_listen at = { .addr = front->daddr, .port = front->dport };

	for (unsigned int i = 0; i < dp->offered_count; i++)
		if (!memcmp(&dp->offered[i].at, &at, sizeof(at)))
			return &dp->offered[i].offer;
	return NULL;
}

int sp_datapath_offer_less(struct sp_datapath *dp, const struct sp_endpoint *listen, __u16 mss,
			   __u8 lacks)
{
	return 0;
}

void sp_datapath_leave(struct sp_datapath *dp, const struct sp_tuple *front) {}

void sp_datapath_check_admitted(struct sp_datapath *dp, sp_pending_fn is_pending, void *ctx) {}

int sp_datapath_is_forbidden(const struct sp_datapath *dp, const struct sp_tuple *tuple)
{
	return 0;
}

__u16 sp_datapath_mtu(const struct sp_config *config)
{
	return MTU;
}

int sp_datapath_set_keys(struct sp_datapath *dp, const struct sp_keys *keys)
{
	memcpy(dp->control.cookie_key[0], keys->key[0], 16);
	memcpy(dp->control.cookie_key[1], keys->key[keys->count - 1], 16);
	dp->control.key_count = keys->count;
	return 1;
}

static unsigned int cookies_read;

/*
 * Of some millions of segments of existing connections, a segment has a cookie's acknowledgement
 * number by chance.
 */
static void check_guess(const struct sp_tuple *front, __u32 client_isn)
{
	if (!sim_peers->has_begun(front, client_isn))
		sim_guess();
}

enum sp_cookie sp_datapath_cookie(const struct sp_datapath *dp, const struct sp_segment *seg)
{
	struct sp_cookie_in in = { .tuple = seg->tuple, .client_isn = seg->seq - 1 };
	const struct sp_control *c = &dp->control;
	enum sp_cookie kind;

	cookies_read++;
	kind = sp_cookie_read(c->cookie_key[0], &in, c->period, seg->ack - 1) ?:
		sp_cookie_read(c->cookie_key[0], &in, c->period - 1, seg->ack - 1);
	if (kind)
		check_guess(&in.tuple, in.client_isn);
	return kind;
}

void sp_datapath_heartbeat(struct sp_datapath *dp)
{
	dp->control.period = (sim_now_ns + SIM_EPOCH_NS) / SP_COOKIE_PERIOD_NS;
	dp->control.real_offset_ns = SIM_EPOCH_NS;
	dp->control.heartbeat_ns = sim_now_ns;
}

__u64 sp_datapath_heartbeat_age_ns(const struct sp_datapath *dp)
{
	return sim_now_ns - dp->control.heartbeat_ns;
}

int sp_datapath_subscribe(struct sp_datapath *dp, sp_event_fn fn, void *ctx, int *ret_fd)
{
	dp->fn = fn;
	dp->ctx = ctx;
	return 0;
}

/* A cookie read by the datapath is not read again. */
static void hand_up(struct sp_datapath *dp, const struct sp_event *ev)
{
	unsigned int before = cookies_read;
	struct sp_segment seg;

	if (ev->kind == SP_EVENT_FRONT && !sp_segment_parse(ev, &seg))
		check_guess(&seg.tuple, seg.seq - 1);
	dp->fn(dp->ctx, ev);
	if (ev->kind == SP_EVENT_FRONT && cookies_read != before)
		sim_fail("the daemon has computed the MAC of a cookie again");
}

int sp_datapath_consume(struct sp_datapath *dp)
{
	int n = 0;

	while (dp->ring_count && n < SP_EVENTS_AT_ONCE) {
		struct sp_event *ev = dp->ring[dp->ring_first];

		dp->ring_first = (dp->ring_first + 1) % RING_MAX;
		dp->ring_count--;
		hand_up(dp, ev);
		free(ev);
		n++;
	}
	return n;
}

int sp_datapath_get(struct sp_datapath *dp, const struct sp_tuple *key, struct sp_entry *ret_entry)
{
	const struct sp_entry *e = table_get(&dp->tables[HALVES], key);

	if (!e)
		return -ENOENT;
	*ret_entry = *e;
	return 0;
}

const struct sp_count *sp_datapath_count(struct sp_datapath *dp)
{
	return sp_count_read(&dp->count, &dp->control);
}

void sp_datapath_counted(struct sp_datapath *dp, unsigned int splices)
{
	sp_count_add(&dp->count, &dp->control, splices - dp->control.splices);
}

int sp_datapath_replace(struct sp_datapath *dp, const struct sp_tuple *key,
			const struct sp_half *half, const struct sp_half_state *start,
			const struct sp_meta *tag, struct sp_entry *ret_old)
{
	const struct sp_entry *was = table_get(&dp->tables[HALVES], key);
	struct sp_entry e = { .half = *half };

	*ret_old = was ? *was : (struct sp_entry){ 0 };
	if (sp_count_of(&e) && dp->control.splices >= dp->count.max)
		return -E2BIG;
	if (start)
		e.state = *start;
	if (tag)
		e.meta = *tag;
	sp_state_begin(&e.state, key, half, sim_now_ns);
	table_put(&dp->tables[HALVES], key, &e);
	sp_count_replace(&dp->count, &dp->control, key, ret_old, &e);
	return 0;
}

int sp_datapath_put(struct sp_datapath *dp, const struct sp_tuple *key, const struct sp_half *half,
		    const struct sp_half_state *start, const struct sp_meta *tag)
{
	struct sp_entry old;

	return sp_datapath_replace(dp, key, half, start, tag, &old);
}

void sp_datapath_watch(struct sp_datapath *dp, void (*watch)(void *ctx, const struct sp_tuple *key,
							    const struct sp_entry *e, int change),
		       void *ctx)
{
	sp_count_watch(&dp->count, watch, ctx);
}

void sp_datapath_found(struct sp_datapath *dp, const struct sp_tuple *key,
		       const struct sp_entry *e)
{
	sp_count_found(&dp->count, key, e);
}

int sp_datapath_take(struct sp_datapath *dp, const struct sp_tuple *key, struct sp_entry *ret_old)
{
	const struct sp_entry *was = table_get(&dp->tables[HALVES], key);

	if (was)
		*ret_old = *was;
	sp_count_replace(&dp->count, &dp->control, key, was, NULL);
	return table_del(&dp->tables[HALVES], key);
}

int sp_datapath_del(struct sp_datapath *dp, const struct sp_tuple *key)
{
	struct sp_entry old;

	return sp_datapath_take(dp, key, &old);
}

int sp_datapath_patch(struct sp_datapath *dp, const struct sp_patch *n)
{
	here = dp;
	switch (note_patch(n)) {
	case SP_PATCH_DONE: return 0;
	case SP_PATCH_MOVED: return -EAGAIN;
	}
	return -ENOENT;
}

__u64 sp_datapath_decide(struct sp_datapath *dp, const struct sp_tuple *front, const void *bytes,
			__u32 n, __u16 pool_id, __u8 reading)
{
	struct sp_digest d = sp_decision_digest(&dp->decision_key, front, bytes, n);
	const struct sp_decision decision = { d.check, pool_id, reading, { 0 } };

	table_put(&dp->tables[DECISIONS], &d.key, &decision);
	return d.key;
}

/* No service of the simulator has an access log. */
void sp_datapath_undecide(struct sp_datapath *dp, __u64 key)
{
}

int sp_datapath_access_subscribe(struct sp_datapath *dp, sp_access_fn fn, void *ctx)
{
	return 0;
}

void sp_datapath_access_consume(struct sp_datapath *dp)
{
}

__u64 sp_datapath_access_lost(struct sp_datapath *dp)
{
	return 0;
}

/* The walk is done in a single step, since tables are small here. */
int sp_datapath_walk(struct sp_datapath *dp, __u32 *cursor, int is_first, struct sp_tuple *keys,
		     struct sp_entry *entries, int max, int *ret_end)
{
	const struct table *t = &dp->tables[HALVES];
	int n = 0;

	for (unsigned int i = 0; i < BUCKETS; i++) {
		for (const struct node *node = t->buckets[i]; node && n < max; node = node->next) {
			memcpy(&keys[n], node->bytes, sizeof(keys[n]));
			memcpy(&entries[n++], node->bytes + value_at(t), sizeof(entries[0]));
		}
	}
	*ret_end = 1;
	return n;
}

int sp_datapath_stash_put(struct sp_datapath *dp, const struct sp_stash_key *key,
			  const struct sp_stash_chunk *chunk)
{
	table_put(&dp->tables[STASH], key, chunk);
	return 0;
}

/* No service of the simulation hears the PROXY protocol. */
int sp_datapath_name(struct sp_datapath *dp, const struct sp_tuple *front,
		     const struct sp_named *named)
{
	return -E2BIG;
}

int sp_datapath_named(struct sp_datapath *dp, const struct sp_tuple *front, __u32 client_isn,
		      struct sp_named *ret_named)
{
	return -ENOENT;
}

int sp_datapath_stash_get(struct sp_datapath *dp, const struct sp_stash_key *key,
			  struct sp_stash_chunk *ret_chunk)
{
	const struct sp_stash_chunk *chunk = table_get(&dp->tables[STASH], key);

	if (!chunk)
		return -ENOENT;
	*ret_chunk = *chunk;
	return 0;
}

int sp_datapath_stash_del(struct sp_datapath *dp, const struct sp_stash_key *key)
{
	return table_del(&dp->tables[STASH], key);
}

__u32 sp_datapath_stash_fronts(struct sp_datapath *dp, struct sp_tuple **ret_fronts)
{
	const struct table *t = &dp->tables[STASH];
	__u32 n = 0;

	*ret_fronts = calloc(t->count + 1, sizeof(**ret_fronts));
	for (unsigned int i = 0; i < BUCKETS; i++) {
		for (const struct node *node = t->buckets[i]; node; node = node->next) {
			const struct sp_stash_key *key = (const void *)node->bytes;

			if (!key->index)
				(*ret_fronts)[n++] = key->front;
		}
	}
	return n;
}

__u64 sp_datapath_drop_count(struct sp_datapath *dp, __u32 reason)
{
	return dp->drops[reason];
}

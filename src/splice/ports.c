/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ports.c - SNAT ports.
 *
 * Each pair of a source address and a backend has a queue (port_queue.h), which costs memory only
 * if its ports were used.
 *
 * If no port is left, the callback is asked to free the oldest ports, a few at a time. A port still
 * needed goes to the end of its list, so that a lap asks about each port once.
 *
 * A taken port also has the round in which the store last had a splice on it. So the port stays
 * taken while another proxy carries the splice, and returns after a round without. If the store
 * has a splice on a port that was certainly freed, the store has missed the end of that splice.
 */
#include "splice/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "abi/siphash.h"
#include "splice/port_queue.h"

#define QUEUES_MAX	4096
#define BUCKETS		1024
#define RECLAIM_LOOKS	64	/* at taken ports, in one sp_port_alloc() */
#define SWEEP_BUCKETS	16	/* in one sp_ports_sweep() */

/* A backend, with a queue for each source address that was used towards it. */
struct towards {
	struct towards		*next;
	struct sp_endpoint	to;
	size_t			turn;	/* the source address to begin with */
	struct sp_port_queue	*queues[];
};

struct sp_ports {
	struct towards		*buckets[BUCKETS];
	__u64			key[2];
	size_t			queue_count;
	sp_ports_ask_fn		ask;
	void			*ctx;
	enum sp_port_mark	round;
	__u32			swept;		/* buckets of this round */
	__u32			port_count;
	__u16			first;
	size_t			addr_count;
	struct sp_addr		addrs[];
};

static __u64 hash_endpoint(const struct sp_ports *ports, const struct sp_endpoint *to, size_t salt)
{
	const __be32 *w = to->addr.w;
	__u64 words[3] = {
		(__u64)w[0] << 32 | w[1], (__u64)w[2] << 32 | w[3],
		(__u64)salt << 16 | to->port_be,
	};

	return sp_siphash_words(ports->key, words, 3);
}

static struct towards **bucket_of(struct sp_ports *ports, const struct sp_endpoint *to)
{
	return &ports->buckets[hash_endpoint(ports, to, 0) % BUCKETS];
}

static struct towards *towards_find(struct sp_ports *ports, const struct sp_endpoint *to)
{
	struct towards *tw = *bucket_of(ports, to);

	while (tw && (tw->to.port_be != to->port_be || !sp_addr_equal(&tw->to.addr, &to->addr)))
		tw = tw->next;
	return tw;
}

static void towards_free(struct sp_ports *ports, struct towards *tw)
{
	for (size_t i = 0; i < ports->addr_count; i++) {
		ports->queue_count -= tw->queues[i] != NULL;
		free(tw->queues[i]);
	}
	free(tw);
}

static int towards_is_idle(const struct sp_ports *ports, const struct towards *tw)
{
	for (size_t i = 0; i < ports->addr_count; i++) {
		if (tw->queues[i] && tw->queues[i]->lists[SP_PORT_TAKEN].count)
			return 0;
	}
	return 1;
}

/*
 * Backends come and go with reloads: at the limit, forget those without a connection, but for
 * @keep.
 */
static void evict_idle(struct sp_ports *ports, const struct towards *keep)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct towards **at = &ports->buckets[i];

		while (*at) {
			struct towards *tw = *at;

			if (tw == keep || !towards_is_idle(ports, tw)) {
				at = &tw->next;
				continue;
			}
			*at = tw->next;
			towards_free(ports, tw);
		}
	}
}

static struct towards *towards_get(struct sp_ports *ports, const struct sp_endpoint *to)
{
	struct towards *tw = towards_find(ports, to);
	struct towards **bucket = bucket_of(ports, to);

	if (tw)
		return tw;
	tw = calloc(1, sizeof(*tw) + ports->addr_count * sizeof(tw->queues[0]));
	if (!tw)
		return NULL;
	tw->to = *to;
	tw->next = *bucket;
	*bucket = tw;
	return tw;
}

static int queue_open(struct sp_ports *ports, struct towards *tw, size_t addr_idx,
		      struct sp_port_queue **ret_q)
{
	struct sp_port_queue *q = tw->queues[addr_idx];

	if (!q) {
		if (ports->queue_count >= QUEUES_MAX)
			evict_idle(ports, tw);
		if (ports->queue_count >= QUEUES_MAX)
			return -ENOMEM;
		q = sp_port_queue_new(ports->port_count,
				      hash_endpoint(ports, &tw->to,
						    addr_idx + 1) % ports->port_count);
		if (!q)
			return -ENOMEM;
		tw->queues[addr_idx] = q;
		ports->queue_count++;
	}
	*ret_q = q;
	return 0;
}

int sp_ports_new(const struct sp_addr *addrs, size_t addr_count, __u16 first, __u16 last,
		 struct sp_ports **ret_ports)
{
	struct sp_ports *ports;

	if (first == 0 || first > last)
		return -EINVAL;
	ports = calloc(1, sizeof(*ports) + addr_count * sizeof(ports->addrs[0]));
	if (!ports)
		return -ENOMEM;
	if (getrandom(ports->key, sizeof(ports->key), 0) != sizeof(ports->key)) {
		free(ports);
		return -EIO;
	}
	ports->round = SP_PORT_MARK_ROUND_A;
	ports->first = first;
	ports->port_count = last - first + 1;
	ports->addr_count = addr_count;
	if (addr_count)
		memcpy(ports->addrs, addrs, addr_count * sizeof(ports->addrs[0]));
	*ret_ports = ports;
	return 0;
}

void sp_ports_free(struct sp_ports *ports)
{
	if (!ports)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (ports->buckets[i]) {
			struct towards *tw = ports->buckets[i];

			ports->buckets[i] = tw->next;
			towards_free(ports, tw);
		}
	}
	free(ports);
}

static struct sp_endpoint endpoint_at(const struct sp_ports *ports, size_t addr_idx, __u16 idx)
{
	return (struct sp_endpoint){ .addr = ports->addrs[addr_idx],
				     .port_be = htons(ports->first + idx) };
}

static int alloc_port(struct sp_ports *ports, struct towards *tw, struct sp_endpoint *ret_from)
{
	int err = -EAFNOSUPPORT;

	for (size_t i = 0; i < ports->addr_count; i++) {
		size_t addr_idx = (tw->turn + i) % ports->addr_count;
		struct sp_port_queue *q;
		__u16 idx;

		if (sp_addr_is_v4(&ports->addrs[addr_idx]) != sp_addr_is_v4(&tw->to.addr))
			continue;
		err = queue_open(ports, tw, addr_idx, &q);
		if (!err)
			err = sp_port_queue_get(q, ports->port_count, &idx);
		if (err)
			continue;
		tw->turn = addr_idx + 1;
		*ret_from = endpoint_at(ports, addr_idx, idx);
		return 0;
	}
	return err;
}

/* Return: whether one has been given back. */
static int ask_oldest(struct sp_ports *ports, struct towards *tw, size_t addr_idx, __u32 looks)
{
	struct sp_port_queue *q = tw->queues[addr_idx];
	__u32 taken = q ? q->lists[SP_PORT_TAKEN].count : 0;

	for (looks = looks < taken ? looks : taken; looks; looks--) {
		__u16 idx = q->lists[SP_PORT_TAKEN].head;
		struct sp_endpoint from = endpoint_at(ports, addr_idx, idx);

		if (ports->ask(ports->ctx, &tw->to, &from))
			break;
		if (q->states[idx] != SP_PORT_TAKEN)
			return 1;
		sp_port_queue_move(q, idx, SP_PORT_TAKEN);
	}
	return 0;
}

static int reclaim_ports(struct sp_ports *ports, struct towards *tw)
{
	size_t most = ports->addr_count < RECLAIM_LOOKS ? ports->addr_count : RECLAIM_LOOKS;

	for (size_t i = 0; i < most; i++) {
		tw->turn = (tw->turn + !!i) % ports->addr_count;
		if (ask_oldest(ports, tw, tw->turn, RECLAIM_LOOKS / most))
			return 1;
	}
	return 0;
}

int sp_port_alloc(struct sp_ports *ports, const struct sp_endpoint *to,
		  struct sp_endpoint *ret_from)
{
	struct towards *tw = towards_get(ports, to);
	int err;

	if (!tw)
		return -ENOMEM;
	err = alloc_port(ports, tw, ret_from);
	if (err == -EADDRNOTAVAIL && ports->ask && reclaim_ports(ports, tw))
		err = alloc_port(ports, tw, ret_from);
	return err;
}

void sp_ports_on_shortage(struct sp_ports *ports, sp_ports_ask_fn ask, void *ctx)
{
	ports->ask = ask;
	ports->ctx = ctx;
}

static int find_source(const struct sp_ports *ports, const struct sp_endpoint *from,
		       size_t *ret_addr_idx,
		       __u16 *ret_idx)
{
	__u32 idx = (__u32)ntohs(from->port_be) - ports->first;

	if (idx >= ports->port_count)
		return -ENOENT;
	for (size_t i = 0; i < ports->addr_count; i++) {
		if (!sp_addr_equal(&ports->addrs[i], &from->addr))
			continue;
		*ret_addr_idx = i;
		*ret_idx = idx;
		return 0;
	}
	return -ENOENT;
}

/* Where that port is, if its backend has been seen. */
static int find_port(struct sp_ports *ports, const struct sp_endpoint *to,
		     const struct sp_endpoint *from,
		     struct sp_port_queue **ret_q, __u16 *ret_idx)
{
	struct towards *tw = towards_find(ports, to);
	size_t addr_idx;

	if (!tw || find_source(ports, from, &addr_idx, ret_idx) || !tw->queues[addr_idx])
		return -ENOENT;
	*ret_q = tw->queues[addr_idx];
	return 0;
}

static int open_port(struct sp_ports *ports, const struct sp_endpoint *to,
		     const struct sp_endpoint *from,
		     struct sp_port_queue **ret_q, __u16 *ret_idx)
{
	struct towards *tw;
	size_t addr_idx;

	if (find_source(ports, from, &addr_idx, ret_idx))
		return -ENOENT;
	tw = towards_get(ports, to);
	return tw ? queue_open(ports, tw, addr_idx, ret_q) : -ENOMEM;
}

void sp_port_free(struct sp_ports *ports, const struct sp_endpoint *to,
		  const struct sp_endpoint *from)
{
	struct sp_port_queue *q;
	__u16 idx;

	if (!find_port(ports, to, from, &q, &idx))
		sp_port_queue_put(q, idx, SP_PORT_MARK_NONE);
}

void sp_port_free_back(struct sp_ports *ports, const struct sp_tuple *back)
{
	struct sp_endpoint to = { back->daddr, back->dport }, from = { back->saddr, back->sport };

	sp_port_free(ports, &to, &from);
}

void sp_port_release(struct sp_ports *ports, const struct sp_endpoint *to,
		     const struct sp_endpoint *from)
{
	struct sp_port_queue *q;
	__u16 idx;

	if (!find_port(ports, to, from, &q, &idx) && !q->marks[idx])
		sp_port_queue_put(q, idx, SP_PORT_MARK_UNSURE);
}

int sp_port_reserve(struct sp_ports *ports, const struct sp_endpoint *to,
		    const struct sp_endpoint *from)
{
	struct sp_port_queue *q;
	__u16 idx;
	int err = open_port(ports, to, from, &q, &idx);

	if (err)
		return err;
	if (q->states[idx] == SP_PORT_TAKEN)
		return -EEXIST;
	q->marks[idx] = SP_PORT_MARK_NONE;
	sp_port_queue_move(q, idx, SP_PORT_TAKEN);
	return 0;
}

int sp_port_seen(struct sp_ports *ports, const struct sp_endpoint *to,
		 const struct sp_endpoint *from)
{
	struct sp_port_queue *q;
	__u16 idx;
	int err = open_port(ports, to, from, &q, &idx);

	if (err)
		return err;
	if (q->states[idx] == SP_PORT_RESTING && !q->marks[idx])
		return -ESTALE;
	if (q->states[idx] != SP_PORT_TAKEN)
		sp_port_queue_move(q, idx, SP_PORT_TAKEN);
	q->marks[idx] = ports->round;
	return 0;
}

static void sweep_queue(struct sp_ports *ports, const struct towards *tw, size_t addr_idx,
			sp_ports_ask_fn is_needed,
			void *ctx)
{
	struct sp_port_queue *q = tw->queues[addr_idx];

	for (__u32 idx = 0; q && q->lists[SP_PORT_TAKEN].count && idx < ports->port_count; idx++) {
		struct sp_endpoint from;

		if (q->states[idx] != SP_PORT_TAKEN || !q->marks[idx] ||
		    q->marks[idx] == ports->round)
			continue;
		q->marks[idx] = SP_PORT_MARK_NONE;
		from = endpoint_at(ports, addr_idx, idx);
		if (!is_needed(ctx, &tw->to, &from))
			sp_port_queue_put(q, idx, SP_PORT_MARK_UNSURE);
	}
}

int sp_ports_sweep(struct sp_ports *ports, sp_ports_ask_fn is_needed, void *ctx)
{
	for (int n = 0; n < SWEEP_BUCKETS && ports->swept < BUCKETS; n++, ports->swept++)
		for (struct towards *tw = ports->buckets[ports->swept]; tw; tw = tw->next)
			for (size_t i = 0; i < ports->addr_count; i++)
				sweep_queue(ports, tw, i, is_needed, ctx);
	if (ports->swept < BUCKETS)
		return 1;
	ports->swept = 0;
	ports->round = ports->round == SP_PORT_MARK_ROUND_A ? SP_PORT_MARK_ROUND_B :
		SP_PORT_MARK_ROUND_A;
	return 0;
}

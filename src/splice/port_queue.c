/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* port_queue.c - the ports of a source address, towards a backend */
#include "splice/port_queue.h"

#include <errno.h>
#include <stdlib.h>

struct sp_port_queue *sp_port_queue_new(__u32 port_count, __u32 fresh_next)
{
	size_t n = port_count;
	struct sp_port_queue *q = calloc(1,
					 sizeof(*q) + n * (sizeof(q->ports[0]) +
							   sizeof(q->states[0]) +
							      sizeof(q->marks[0])));

	if (!q)
		return NULL;
	q->states = (__u8 *)&q->ports[n];
	q->marks = q->states + n;
	q->fresh_next = fresh_next;
	q->fresh_left = n;
	return q;
}

static void unlink_port(struct sp_port_queue *q, __u16 idx)
{
	struct sp_port_list *list = &q->lists[q->states[idx]];
	struct sp_port port = q->ports[idx];

	if (q->states[idx] == SP_PORT_FRESH)
		return;
	if (idx == list->head)
		list->head = port.next;
	else
		q->ports[port.prev].next = port.next;
	if (idx == list->tail)
		list->tail = port.prev;
	else
		q->ports[port.next].prev = port.prev;
	list->count--;
}

void sp_port_queue_move(struct sp_port_queue *q, __u16 idx, enum sp_port_state state)
{
	struct sp_port_list *list = &q->lists[state];

	unlink_port(q, idx);
	if (list->count)
		q->ports[list->tail].next = idx;
	else
		list->head = idx;
	q->ports[idx].prev = list->tail;
	list->tail = idx;
	list->count++;
	q->states[idx] = state;
}

int sp_port_queue_get(struct sp_port_queue *q, __u32 port_count, __u16 *ret_idx)
{
	while (q->fresh_left) {
		__u16 idx = q->fresh_next;

		q->fresh_next = (q->fresh_next + 1) % port_count;
		q->fresh_left--;
		if (q->states[idx] == SP_PORT_FRESH) {
			sp_port_queue_move(q, idx, SP_PORT_TAKEN);
			*ret_idx = idx;
			return 0;
		}
	}
	if (!q->lists[SP_PORT_RESTING].count)
		return -EADDRNOTAVAIL;
	*ret_idx = q->lists[SP_PORT_RESTING].head;
	q->marks[*ret_idx] = SP_PORT_MARK_NONE;
	sp_port_queue_move(q, *ret_idx, SP_PORT_TAKEN);
	return 0;
}

void sp_port_queue_put(struct sp_port_queue *q, __u16 idx, enum sp_port_mark mark)
{
	if (q->states[idx] != SP_PORT_TAKEN)
		return;
	q->marks[idx] = mark;
	sp_port_queue_move(q, idx, SP_PORT_RESTING);
}

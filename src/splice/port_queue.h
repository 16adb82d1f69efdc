/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * port_queue.h - the ports of a source address, towards a backend. Only for ports.c.
 *
 * A port is
 *
 *	fresh	never used by this process; fresh ports go first, upwards from a random place,
 *		since an earlier daemon may have used any port
 *	resting	used and freed: in a list, the longest resting port at its head
 *	taken	in use: in a second list, the oldest at its head
 *
 * so that any port can leave the middle of a list. Everything is O(1), except that the fresh ports
 * are passed over once in the life of a queue.
 */
#ifndef SP_SPLICE_PORT_QUEUE_H
#define SP_SPLICE_PORT_QUEUE_H

#include <linux/types.h>

/*
 * Of a taken port: a round, or that the store isn't known to have it; of a resting one: whether
 * its splice is over.
 */
enum sp_port_mark { SP_PORT_MARK_NONE, SP_PORT_MARK_ROUND_A, SP_PORT_MARK_ROUND_B,
		    SP_PORT_MARK_UNSURE };

enum sp_port_state { SP_PORT_FRESH, SP_PORT_RESTING, SP_PORT_TAKEN };

/*
 * A port is known by its distance from the first one. @prev and @next count while it is in a list.
 */
struct sp_port {
	__u16	prev;
	__u16	next;
};

/* @head and @tail count while @count is not 0 */
struct sp_port_list {
	__u32	count;
	__u16	head;
	__u16	tail;
};

struct sp_port_queue {
	__u32			fresh_next;	/* the next to look at, of @fresh_left */
	__u32			fresh_left;
	/* by state; fresh ports have no list */
	struct sp_port_list	lists[SP_PORT_TAKEN + 1];
	__u8			*states;	/* enum sp_port_state of each port */
	__u8			*marks;		/* enum sp_port_mark of each port */
	struct sp_port		ports[];
};

/* @fresh_next: where to begin. free() it. Return: NULL: no memory. */
struct sp_port_queue *sp_port_queue_new(__u32 port_count, __u32 fresh_next);
/* The next to be taken. Return: 0; -EADDRNOTAVAIL. */
int sp_port_queue_get(struct sp_port_queue *q, __u32 port_count, __u16 *ret_idx);
/* To the end of that state's list. */
void sp_port_queue_move(struct sp_port_queue *q, __u16 idx, enum sp_port_state state);
/* Give back one that is taken. */
void sp_port_queue_put(struct sp_port_queue *q, __u16 idx, enum sp_port_mark mark);

#endif

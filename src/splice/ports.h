/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ports.h - SNAT ports: a queue for each (source address, backend), least recently used first. */
#ifndef SP_SPLICE_PORTS_H
#define SP_SPLICE_PORTS_H

#include "config/config.h"

struct sp_ports;

/**
 * sp_ports_new() - for a range of ports on some addresses
 * The addresses are copied; ports are host order, inclusive. Memory is taken when a backend is
 * first seen, for at most 4096 pairs of address and backend; pairs without a port in use make
 * room for others.
 * Return: 0; -EINVAL when the range is empty or holds port 0; -ENOMEM; -EIO without random bytes.
 */
int sp_ports_new(const struct sp_addr *addrs, size_t addr_count, __u16 first, __u16 last,
		 struct sp_ports **ret_ports);
void sp_ports_free(struct sp_ports *ports);

typedef int (*sp_ports_ask_fn)(void *ctx, const struct sp_endpoint *to,
			       const struct sp_endpoint *from);

/*
 * If no port is left, @ask is called for the oldest ports in use. @ask calls sp_port_free() if the
 * port isn't needed any more. Return: 0; nonzero: ask about no more ports for now.
 */
void sp_ports_on_shortage(struct sp_ports *ports, sp_ports_ask_fn ask, void *ctx);

/**
 * sp_port_alloc() - the least recently used port towards a backend, on each address in turn
 * @to:		the backend
 * @ret_from:	an address of the backend's family, and a port
 * Return: 0; -EADDRNOTAVAIL when all are in use, and none of the 64 that were asked about was
 * given up; -EAFNOSUPPORT when no address is of that family; -ENOMEM.
 */
int sp_port_alloc(struct sp_ports *ports, const struct sp_endpoint *to,
		  struct sp_endpoint *ret_from);

/*
 * Free a port: the splice is over. The port goes to the end of its queue. A foreign or unused
 * port is ignored.
 */
void sp_port_free(struct sp_ports *ports, const struct sp_endpoint *to,
		  const struct sp_endpoint *from);
/* Likewise. @back: proxy -> backend */
void sp_port_free_back(struct sp_ports *ports, const struct sp_tuple *back);
/*
 * Free a port of a splice whose end is uncertain: the port stays taken while the store has a
 * splice on it.
 */
void sp_port_release(struct sp_ports *ports, const struct sp_endpoint *to,
		     const struct sp_endpoint *from);

/*
 * Reserve a port of a splice that was here before. Return: 0; -EEXIST in use already; -ENOENT not
 * ours; -ENOMEM.
 */
int sp_port_reserve(struct sp_ports *ports, const struct sp_endpoint *to,
		    const struct sp_endpoint *from);

/*
 * In this round the store has a splice on the port: it is taken. Return: 0; -ENOENT not ours;
 * -ENOMEM; -ESTALE that splice is over.
 */
int sp_port_seen(struct sp_ports *ports, const struct sp_endpoint *to,
		 const struct sp_endpoint *from);
/*
 * A round is complete: ports seen in the last round and not in this are released, unless
 * @is_needed; a part of them each time. Return: whether ports remain to be released; if not, the
 *		next round has begun.
 */
int sp_ports_sweep(struct sp_ports *ports, sp_ports_ask_fn is_needed, void *ctx);

#endif

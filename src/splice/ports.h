/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ports.h - SNAT ports: for each (source address, backend) a queue, so that the least recently
 * used one is taken.
 */
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
int sp_ports_new(const struct sp_addr *addrs, size_t addr_count, __u16 first, __u16 last, struct sp_ports **ret_ports);
void sp_ports_free(struct sp_ports *ports);

typedef int (*sp_ports_ask_fn)(void *ctx, const struct sp_endpoint *to, const struct sp_endpoint *from);

/*
 * Where no port is left, @ask is called for those that were taken first. It calls sp_port_free()
 * if that one isn't needed any more. Return: 0; anything else: ask about no other one for now.
 */
void sp_ports_on_shortage(struct sp_ports *ports, sp_ports_ask_fn ask, void *ctx);

/**
 * sp_port_alloc() - the least recently used port towards a backend, on each address in turn
 * @to:		the backend
 * @ret_from:	an address of the backend's family, and a port
 * Return: 0; -EADDRNOTAVAIL when all are in use, and none of the 64 that were asked about was
 * given up; -EAFNOSUPPORT when no address is of that family; -ENOMEM.
 */
int sp_port_alloc(struct sp_ports *ports, const struct sp_endpoint *to, struct sp_endpoint *ret_from);

/*
 * Give one back: its splice is over. It goes to the end of its queue. One that isn't ours or in
 * use is ignored.
 */
void sp_port_free(struct sp_ports *ports, const struct sp_endpoint *to, const struct sp_endpoint *from);
/*
 * The same where nobody knows whether it is over: while the store has a splice on it, it stays
 * taken.
 */
void sp_port_release(struct sp_ports *ports, const struct sp_endpoint *to, const struct sp_endpoint *from);

/*
 * Mark one as in use (a splice that was there before us). Return: 0; -EEXIST in use already;
 * -ENOENT not ours; -ENOMEM.
 */
int sp_port_reserve(struct sp_ports *ports, const struct sp_endpoint *to, const struct sp_endpoint *from);

/*
 * In this round the store has a splice on it: it is taken, whoever took it. Return: 0; -ENOENT
 * not ours; -ENOMEM; -ESTALE that splice is over.
 */
int sp_port_seen(struct sp_ports *ports, const struct sp_endpoint *to, const struct sp_endpoint *from);
/*
 * A round is complete: ports that were marked in the last one and not in this are left, unless
 * @is_needed says so; a part of them each time. Return: whether there is more of it to do; if
 *		not, the next round has begun.
 */
int sp_ports_sweep(struct sp_ports *ports, sp_ports_ask_fn is_needed, void *ctx);

#endif

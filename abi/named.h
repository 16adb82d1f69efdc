/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * named.h - map sp_named: clients, as named by a proxy in front in a header of the PROXY protocol.
 * Key: client -> service. For the daemon alone: no program reads the map.
 */
#ifndef SP_ABI_NAMED_H
#define SP_ABI_NAMED_H

#include "tuple.h"

/**
 * struct sp_named - value
 * @client_isn:	of the connection; another connection on the tuple has another name
 * @addr, @port_be: of the client, as named
 */
struct sp_named {
	__u32		client_isn;
	__be16		port_be;
	__u16		pad;
	struct sp_addr	addr;
};
_Static_assert(sizeof(struct sp_named) == 24, "struct sp_named is ABI");

#endif

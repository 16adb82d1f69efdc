/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sockaddr.h - endpoints as the socket calls want them */
#ifndef SP_BASE_SOCKADDR_H
#define SP_BASE_SOCKADDR_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/endpoint.h"

/* Large enough for each family in use. */
union sp_sockaddr {
	struct sockaddr		any;
	struct sockaddr_in	v4;
	struct sockaddr_in6	v6;
	struct sockaddr_un	un;
};

/* Fill @ret, all else in it zero. Return: the length that bind() and its like want. */
socklen_t sp_sockaddr_make(const struct sp_addr *addr, __be16 port_be, union sp_sockaddr *ret);

/* The reverse. Of another family than IPv4 and IPv6: all zero. */
struct sp_endpoint sp_sockaddr_endpoint(const union sp_sockaddr *from);

#endif

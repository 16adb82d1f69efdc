// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/sockaddr.h"

socklen_t sp_sockaddr_make(const struct sp_addr *addr, __be16 port_be, union sp_sockaddr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (sp_addr_is_v4(addr)) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = port_be;
		ret->v4.sin_addr.s_addr = addr->w[3];
		return sizeof(ret->v4);
	}
	ret->v6.sin6_family = AF_INET6;
	ret->v6.sin6_port = port_be;
	memcpy(&ret->v6.sin6_addr, addr->w, sizeof(ret->v6.sin6_addr));
	return sizeof(ret->v6);
}

struct sp_endpoint sp_sockaddr_endpoint(const union sp_sockaddr *from)
{
	struct sp_endpoint at = { 0 };

	if (from->any.sa_family == AF_INET) {
		at.addr = sp_addr_v4(from->v4.sin_addr.s_addr);
		at.port_be = from->v4.sin_port;
	} else if (from->any.sa_family == AF_INET6) {
		memcpy(at.addr.w, &from->v6.sin6_addr, sizeof(at.addr.w));
		at.port_be = from->v6.sin6_port;
	}
	return at;
}

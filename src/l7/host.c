// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "l7/host.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

struct sp_str sp_host_normalize(struct sp_str host, char buf[SP_HOST_LITERAL_MAX])
{
	char text[INET6_ADDRSTRLEN] = "";
	struct in6_addr addr;

	if (host.len < 2 || host.len - 2 >= sizeof(text) || host.p[0] != '[' ||
	    host.p[host.len - 1] != ']')
		return host;
	memcpy(text, host.p + 1, host.len - 2);
	if (inet_pton(AF_INET6, text, &addr) != 1 ||
	    !inet_ntop(AF_INET6, &addr, text, sizeof(text)))
		return host;
	host.len = strlen(text) + 2;
	memcpy(buf + 1, text, host.len - 2);
	buf[0] = '[';
	buf[host.len - 1] = ']';
	buf[host.len] = 0;
	host.p = buf;
	return host;
}

bool sp_host_is_same(struct sp_str a, struct sp_str b)
{
	char a_buf[SP_HOST_LITERAL_MAX], b_buf[SP_HOST_LITERAL_MAX];

	a = sp_host_normalize(a, a_buf);
	b = sp_host_normalize(b, b_buf);
	return a.len == b.len && strncasecmp(a.p, b.p, a.len) == 0;
}

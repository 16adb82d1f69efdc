/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* route.h - content rules that choose the pool of a request. First match wins. */
#ifndef SP_L7_ROUTE_H
#define SP_L7_ROUTE_H

#include "l7/http1.h"
#include "l7/tls_hello.h"

/**
 * struct sp_route - all conditions that are set must hold
 * @host:	"example.org" exactly, or "*.example.org" for any name below; without case.
 *		HTTP Host or TLS SNI; or an IPv6 address in brackets, in any spelling.
 *		NULL: any
 * @path:	prefix of the path, at a segment border: "/v1" takes "/v1", "/v1/x", not "/v10";
 *		"/v1/" takes "/v1/", "/v1/x", not "/v1"; "/" takes all. Both in their normal form:
 *		@path is, see sp_path_normalize(). Parameters of a segment make no difference:
 *		"/v1" takes "/v1;a=b". "*" and the target of CONNECT are no paths. NULL: any
 * @methods:	NULL-terminated list, NULL: any. Case matters (RFC 9110, 9.1)
 * @header:	name of a header (without case); NULL: no condition
 * @value:	exact value of the only header of this name; NULL: the header must be there
 * @alpn:	must be offered by the ClientHello; NULL: any
 * @pool_idx:	pool of the request
 */
struct sp_route {
	char	*host;
	char	*path;
	char	**methods;
	char	*header;
	char	*value;
	char	*alpn;
	int	pool_idx;
};

/*
 * Policy for a request whose path means different things to different servers, where a route is to
 * be decided by the path.
 */
enum sp_ambiguous_paths { SP_AMBIGUOUS_PATHS_REJECT, SP_AMBIGUOUS_PATHS_PASS };

#define SP_ROUTE_AMBIGUOUS (-2)

/*
 * Return: index of the first route that matches, or -1; SP_ROUTE_AMBIGUOUS by that policy. A
 * condition without meaning in the protocol never holds.
 */
int sp_route_http1(const struct sp_route *routes, size_t count, enum sp_ambiguous_paths policy,
		   const struct sp_http1 *head);
int sp_route_tls(const struct sp_route *routes, size_t count, const struct sp_tls_hello *hello);

#endif

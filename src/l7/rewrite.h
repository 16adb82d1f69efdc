/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rewrite.h - the changed head of a request. Proxies with the same rules make the same bytes of the
 * same head and client. No I/O, no heap.
 */
#ifndef SP_L7_REWRITE_H
#define SP_L7_REWRITE_H

#include <stdbool.h>

#include "base/prefix.h"
#include "l7/http1.h"

enum sp_forwarded { SP_FORWARDED_NONE, SP_FORWARDED_X_FORWARDED_FOR, SP_FORWARDED_FORWARDED };

/* A header that is set. */
struct sp_rewrite_header {
	char	*name;
	char	*value;
};

/**
 * struct sp_rewrite - rules of a service
 * @forwarded:	header with the client's address
 * @trusts:	clients whose list in the header of @forwarded is kept and gets longer; the list of
 *		any further client is replaced
 * @sets:	written in the place of all headers of the same name; in the order of the new head
 * @removes:	names of headers
 *
 * Names are compared without case, and `_` counts as `-`, as in gateways to CGI-like interfaces.
 */
struct sp_rewrite {
	enum sp_forwarded		forwarded;
	size_t				trust_count;
	struct sp_prefix		*trusts;
	size_t				set_count;
	struct sp_rewrite_header	*sets;
	size_t				remove_count;
	char				**removes;
};

/* Whether @rules can change a head. */
bool sp_rewrite_is_needed(const struct sp_rewrite *rules);

/* Name of the header with the client's address; NULL: none. */
const char *sp_rewrite_forwarded_name(enum sp_forwarded forwarded);

/* Comparison as of @rules. */
bool sp_rewrite_is_same_name(struct sp_str a, const char *b);

/**
 * sp_rewrite_is_protected() - whether no rule may name a header
 *
 * True of headers with which a message is framed, of a connection's headers, and of Host.
 */
bool sp_rewrite_is_protected(const char *name);

/**
 * sp_rewrite_head() - write the changed head
 * @rules:	of the service. No name is protected, or the name of the header of @forwarded
 * @bytes:	input of sp_http1_parse()
 * @head:	output of sp_http1_parse() (SP_PARSE_OK)
 * @client:	address of the client; behind a PROXY header the address in there
 * @buf:	up to @size bytes; on failure undefined. Does not overlap with @bytes
 * @ret_len:	bytes written, the empty line included
 *
 * Headers without a rule stay byte for byte and in order. The address of a client in @trusts is
 * appended to the last header of @forwarded. If there is no such header, or no trust, a new header
 * is written behind all old headers and before @sets.
 *
 * Return: 0; -E2BIG when @buf is too short, or the new head has more than SP_HTTP1_HEADERS_MAX
 * headers: 431. -EBADMSG when the client's Connection names a header of a rule, so that a backend
 * might drop the header: 400.
 */
int sp_rewrite_head(const struct sp_rewrite *rules, const char *bytes, const struct sp_http1 *head,
		    const struct sp_addr *client, char *buf, size_t size, size_t *ret_len);

#endif

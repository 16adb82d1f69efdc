/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tls_hello.h - SNI and ALPN out of a TLS ClientHello (RFC 8446, 4.1.2; RFC 6066, 3; RFC 7301),
 * without terminating it.
 */
#ifndef SP_L7_TLS_HELLO_H
#define SP_L7_TLS_HELLO_H

#include "l7/head.h"

#define SP_TLS_SNI_MAX		255
#define SP_TLS_ALPN_MAX		1024	/* bytes of the protocol list, as on the wire */
#define SP_TLS_HELLO_MAX	65535

/**
 * struct sp_tls_hello - copied out, since a hello may lie scattered over several records
 * @sni:	host_name, NUL-terminated, lower case, without a trailing dot; "" when absent;
 *		letters, digits, '-', '_', '.'
 * @alpn:	the ProtocolNameList's entries (length byte, then name), as sent
 * @alpn_len:	bytes in @alpn
 * @why:	for SP_PARSE_BAD: a short English reason (static)
 */
struct sp_tls_hello {
	char		sni[SP_TLS_SNI_MAX + 1];
	unsigned char	alpn[SP_TLS_ALPN_MAX];
	size_t		alpn_len;
	const char	*why;
};

/* SP_PARSE_OK as soon as the whole ClientHello is there; it may span any number of records. */
enum sp_parse_verdict sp_tls_hello_parse(const unsigned char *buf, size_t len,
					 struct sp_tls_hello *ret);

int sp_tls_hello_has_alpn(const struct sp_tls_hello *hello, const char *protocol);

#endif

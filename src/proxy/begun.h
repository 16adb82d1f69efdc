/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * begun.h - the head of a response that the client has a part of: another backend's response goes
 * on with the part if both are the same representation. Pure.
 */
#ifndef SP_PROXY_BEGUN_H
#define SP_PROXY_BEGUN_H

#include <stddef.h>

#include "abi/ktypes.h"
#include "l7/head.h"

#define SP_BEGUN_SAME_MAX	160

/**
 * struct sp_begun
 * @length:	of the body
 * @head_len:	bytes before the body, interim heads (1xx) included; without @status interim heads
 * @status:	0: not read
 * @same_len:	of @same; 0: no other response is known to be the same
 * @same:	strong entity tag, content coding and range
 */
struct sp_begun {
	__u64	length;
	__u32	head_len;
	__u16	status;
	__u16	same_len;
	char	same[SP_BEGUN_SAME_MAX];
};

/*
 * The bytes of a response to GET, from the first on. Return: SP_PARSE_OK: @ret has the head;
 * INCOMPLETE, BAD: @ret has the interim heads before.
 */
enum sp_parse_verdict sp_begun_read(const char *bytes, size_t len, struct sp_begun *ret);

/* Both bodies have the same bytes (RFC 9110, 8.8.1). */
int sp_begun_is_same(const struct sp_begun *a, const struct sp_begun *b);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* request_key.h - a hash of a part of a request: equal for equal parts. */
#ifndef SP_L7_REQUEST_KEY_H
#define SP_L7_REQUEST_KEY_H

#include "balance/balance.h"
#include "l7/http1.h"

/**
 * sp_request_key() - the hash of a header, a cookie or the path
 * @by:		not SP_HASH_BY_SOURCE
 * @name:	of the header (without case) or cookie (with case): the first with a value counts
 * The path is hashed in its normal form, without the query.
 * Return: 0; -ENOENT: the request lacks the part.
 */
int sp_request_key(const struct sp_http1 *head, enum sp_hash_by by, const char *name,
		   __u64 *ret_key);

#endif

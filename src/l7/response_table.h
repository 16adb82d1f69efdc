/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* response_table.h - makes the datapath's table of usual response heads. */
#ifndef SP_L7_RESPONSE_TABLE_H
#define SP_L7_RESPONSE_TABLE_H

#include "abi/response.h"

/*
 * Accepted heads, which all clients read alike: HTTP/1.1, status 200 to 599, lines that end with
 * CRLF, names of letters, digits, hyphens and underscores, values without control characters, a
 * single Content-Length of digits or none, no Connection but keep-alive, no Transfer-Encoding.
 */
void sp_response_table_fill(struct sp_response_table *ret_table);

#endif

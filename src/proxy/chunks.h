/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* chunks.h - a chunked body of a request */
#ifndef SP_PROXY_CHUNKS_H
#define SP_PROXY_CHUNKS_H

#include "proxy/connection.h"

/* HEAD: held bytes begin inside a chunked body. */
struct sp_next sp_chunks_go(struct sp_proxy *p, struct sp_conn *c);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* resolver.h - questions to DNS servers, by c-ares on the event loop. Context: event loop. */
#ifndef SP_NAMES_RESOLVER_H
#define SP_NAMES_RESOLVER_H

#include <uv.h>

#include "names/lookup.h"

struct sp_resolver;

/* @bytes: with SP_LOOKUP_GOOD: the message, borrowed */
typedef void (*sp_resolver_fn)(void *ctx, enum sp_lookup_end end, const void *bytes, size_t size);

/*
 * @config: resolvers, and ports of `source`, which TCP to a resolver does not use. Copied.
 * Return: 0; -ENOMEM; -EINVAL: /etc/resolv.conf can't be read.
 */
int sp_resolver_open(uv_loop_t *loop, const struct sp_config *config,
		     struct sp_resolver **ret_resolver);
/* Open questions are dropped without a call. The loop turns once more. NULL is ignored. */
void sp_resolver_close(struct sp_resolver *resolver);

/* @host: absolute, no search list. @fn may be called before this returns. */
void sp_resolver_ask(struct sp_resolver *resolver, const char *host, enum sp_dns_type type,
		     sp_resolver_fn fn, void *ctx);

#endif

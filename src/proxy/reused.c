// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/reused.h"

#include <string.h>

/* a head takes no longer, as a rule: then the store has the new splice */
#define REMEMBER_NS	10000000000ULL

void sp_reused_add(struct sp_reused *r, __u64 hash, const struct sp_tuple *front, __u32 client_isn,
		   __u64 now_ns)
{
	unsigned int i = hash % SP_REUSED_SLOTS;

	r->slots[i].front = *front;
	r->slots[i].client_isn = client_isn;
	r->slots[i].until_ns = now_ns + REMEMBER_NS;
}

int sp_reused_has(const struct sp_reused *r, __u64 hash, const struct sp_tuple *front,
		  __u32 client_isn, __u64 now_ns)
{
	unsigned int i = hash % SP_REUSED_SLOTS;

	return now_ns < r->slots[i].until_ns && r->slots[i].client_isn == client_isn &&
	       !memcmp(&r->slots[i].front, front, sizeof(*front));
}

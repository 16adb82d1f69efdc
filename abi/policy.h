/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* policy.h - IPsec policies of this host for egress, and for answers to egress. Layout is ABI. */
#ifndef SP_ABI_POLICY_H
#define SP_ABI_POLICY_H

#include "tuple.h"

#define SP_POLICIES_MAX 32

/**
 * struct sp_policy - packets with these ends, as they leave (network byte order)
 * @saddr, @daddr: addresses
 * @smask, @dmask: significant bits of @saddr and @daddr
 * @sport, @dport: ports
 * @sport_mask, @dport_mask: significant bits of @sport and @dport
 * @is_pass:	send in the clear; 0: do not send
 * @is_in:	a policy of the ingress; @saddr and the like are turned round. Decided apart from
 *		egress
 */
struct sp_policy {
	struct sp_addr	saddr, daddr, smask, dmask;
	__be16		sport, dport, sport_mask, dport_mask;
	__u32		is_pass;
	__u32		is_in;
};
_Static_assert(sizeof(struct sp_policy) == 80, "struct sp_policy is ABI");

/*
 * Value of the single entry of map sp_policies: @count policies. Of each direction the first match
 * decides.
 */
struct sp_policies {
	__u32			count;
	__u32			pad;
	struct sp_policy	of[SP_POLICIES_MAX];
};
_Static_assert(sizeof(struct sp_policies) == 2568, "struct sp_policies is ABI");

sp_inline int sp_policy_has_addr(const struct sp_addr *addr, const struct sp_addr *want,
				 const struct sp_addr *mask)
{
	return !(((addr->w[0] ^ want->w[0]) & mask->w[0]) |
		 ((addr->w[1] ^ want->w[1]) & mask->w[1]) |
		 ((addr->w[2] ^ want->w[2]) & mask->w[2]) |
		 ((addr->w[3] ^ want->w[3]) & mask->w[3]));
}

sp_inline int sp_policy_fits(const struct sp_policy *p, const struct sp_tuple *t)
{
	return sp_policy_has_addr(&t->saddr, &p->saddr, &p->smask) &&
	       sp_policy_has_addr(&t->daddr, &p->daddr, &p->dmask) &&
	       !((t->sport ^ p->sport) & p->sport_mask) && !((t->dport ^ p->dport) & p->dport_mask);
}

/*
 * @decided: bits of the kinds that have found theirs, at first 0. Return: whether @p forbids what
 *		leaves with @t.
 */
sp_inline int sp_policy_forbids(const struct sp_policy *p, const struct sp_tuple *t, __u32 *decided)
{
	__u32 kind = p->is_in ? 2 : 1;

	if (*decided & kind || !sp_policy_fits(p, t))
		return 0;
	*decided |= kind;
	return !p->is_pass;
}

#endif

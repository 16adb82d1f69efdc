/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bpf_helpers.h - in the place of libbpf's, when the datapath is compiled for this machine: kernel
 * helpers as plain functions of tests/sim/kernel.c. Helpers of agents' programs alone are refused.
 */
#ifndef SP_SIM_BPF_HELPERS_H
#define SP_SIM_BPF_HELPERS_H

#include <errno.h>
#include <stddef.h>
#include <linux/bpf.h>

#define __uint(name, val) int (*name)[val]
#define __type(name, val) __typeof__(val) *name
#define SEC(name) __attribute__((used))
#define __ksym
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define SP_RODATA
#define __weak __attribute__((weak))
#define barrier_var(var) asm volatile("" : "=r"(var) : "0"(var))

void *bpf_map_lookup_elem(void *map, const void *key);
long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags);
long bpf_map_delete_elem(void *map, const void *key);
void *bpf_ringbuf_reserve(void *ring, __u64 size, __u64 flags);
void bpf_ringbuf_submit(void *data, __u64 flags);
void bpf_ringbuf_discard(void *data, __u64 flags);
__u64 bpf_ringbuf_query(void *ring, __u64 flags);
__u64 bpf_ktime_get_coarse_ns(void);
__u64 bpf_ktime_get_ns(void);
long bpf_skb_load_bytes(const void *skb, __u32 off, void *to, __u32 len);
long bpf_skb_store_bytes(struct __sk_buff *skb, __u32 off, const void *from, __u32 len,
			 __u64 flags);
long bpf_skb_pull_data(struct __sk_buff *skb, __u32 len);
long bpf_skb_change_tail(struct __sk_buff *skb, __u32 len, __u64 flags);
__s64 bpf_csum_diff(const void *from, __u32 from_size, const void *to, __u32 to_size, __u32 seed);
__s64 bpf_csum_update(struct __sk_buff *skb, __u32 sum);
long bpf_l4_csum_replace(struct __sk_buff *skb, __u32 off, __u64 from, __u64 to, __u64 flags);
long bpf_fib_lookup(void *ctx, struct bpf_fib_lookup *params, int plen, __u32 flags);
long bpf_redirect(__u32 ifindex, __u64 flags);
long bpf_redirect_neigh(__u32 ifindex, struct bpf_redir_neigh *params, int plen, __u64 flags);

static inline long bpf_clone_redirect(struct __sk_buff *skb, __u32 ifindex,
				      __u64 flags) { return -EINVAL; }
static inline struct bpf_sock *bpf_skc_lookup_tcp(void *ctx, struct bpf_sock_tuple *t, __u32 len,
						  __u64 ns, __u64 flags)
{
	return NULL;
}

static inline long bpf_sk_release(void *sk) { return 0; }
static inline void *bpf_skc_to_tcp_sock(void *sk) { return NULL; }
static inline void *bpf_skc_to_tcp_timewait_sock(void *sk) { return NULL; }
static inline void *bpf_skc_to_mptcp_sock(void *sk) { return NULL; }
static inline long bpf_loop(__u32 n, void *fn, void *ctx, __u64 flags)
{
	__u32 i = 0;

	while (i < n && !((long (*)(__u64, void *))fn)(i++, ctx))
		;
	return i;
}
static inline long bpf_csum_level(struct __sk_buff *skb, __u64 level) { return -EACCES; }
static inline long bpf_skb_vlan_pop(struct __sk_buff *skb) { return -EINVAL; }
static inline long bpf_check_mtu(void *ctx, __u32 ifindex, __u32 *mtu, __s32 diff,
				 __u64 flags) { return 0; }

#endif

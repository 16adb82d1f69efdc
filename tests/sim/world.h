/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* world.h - virtual time, chance from a seed, and failures of a run. Proxies are unknown here. */
#ifndef SP_SIM_WORLD_H
#define SP_SIM_WORLD_H

#include "abi/ktypes.h"

#define SIM_MS	1000000ULL
#define SIM_S	1000000000ULL

/* Time of the run under way. Monotonic; the clock of the world stands SIM_EPOCH_NS ahead. */
extern __u64 sim_now_ns, sim_seed;
#define SIM_EPOCH_NS (1700000000 * SIM_S)

typedef void (*sim_fn)(void *a, __u64 b);

/* Forget all pending calls, and begin again at chance @seed. */
void sim_begin(__u64 seed, int is_verbose);
/* Call @fn at @at_ns; calls at the same moment come in the order of their requests. */
void sim_at(__u64 at_ns, sim_fn fn, void *a, __u64 b);
void sim_in(__u64 in_ns, sim_fn fn, void *a, __u64 b);
/* Run the next call. Return: 0: no call is pending, or none before @until_ns. */
int sim_step(__u64 until_ns);

/* Zeroed memory of the run; freed at the beginning of the next run if not before. */
void *sim_alloc(unsigned long bytes);
void sim_free(void *memory);

__u64 sim_random(void);
/* From 0 to @n - 1. */
__u64 sim_below(__u64 n);
/* True in @per_mille of 1000 cases. */
int sim_chance(unsigned int per_mille);

/*
 * Events add up to a digest: the same for the same seed, unless the daemon or the datapath acts
 * differently.
 */
void sim_note(__u64 what);
__u64 sim_digest(void);

/* A line of the replay. */
void sim_trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern int sim_is_verbose;
/* The run has failed. The first failure is kept. */
void sim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A cookie was right by chance, see THREATS.md: the run says nothing about the daemon. */
void sim_guess(void);
int sim_was_guess(void);
const char *sim_failure(void);	/* NULL: none */

#endif

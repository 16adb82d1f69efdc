/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* world.h - virtual time, chance out of a seed, and how a run fails. Knows nothing of proxies. */
#ifndef SP_SIM_WORLD_H
#define SP_SIM_WORLD_H

#include "abi/ktypes.h"

#define SIM_MS	1000000ULL
#define SIM_S	1000000000ULL

/* Of the run that is under way. Monotonic; the clock of the world stands SIM_EPOCH_NS ahead. */
extern __u64 sim_now_ns;
#define SIM_EPOCH_NS (1700000000 * SIM_S)

typedef void (*sim_fn)(void *a, __u64 b);

/* Forget all that was to come, and begin again at chance @seed. */
void sim_begin(__u64 seed, int is_verbose);
/* Call @fn at a moment; of two at the same one, the one that was asked for first comes first. */
void sim_at(__u64 at_ns, sim_fn fn, void *a, __u64 b);
void sim_in(__u64 in_ns, sim_fn fn, void *a, __u64 b);
/* The next thing happens. Return: 0: nothing is to come, or not before @until_ns. */
int sim_step(__u64 until_ns);

/* Memory of this run, zeroed: whatever is not given back goes when the next one begins. */
void *sim_alloc(unsigned long bytes);
void sim_free(void *memory);

__u64 sim_random(void);
/* From 0 to @n - 1. */
__u64 sim_below(__u64 n);
/* True in @per_mille of thousand cases. */
int sim_chance(unsigned int per_mille);

/*
 * What has happened, as one number: the same for the same seed, unless the daemon or the datapath
 * acts otherwise.
 */
void sim_note(__u64 what);
__u64 sim_digest(void);

/* A line of the replay. */
void sim_trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern int sim_is_verbose;
/* The run has shown a fault. The first one is kept. */
void sim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A cookie was right by chance, see THREATS.md: the run says nothing about the daemon. */
void sim_guess(void);
int sim_was_guess(void);
const char *sim_failure(void);	/* NULL: none */

#endif

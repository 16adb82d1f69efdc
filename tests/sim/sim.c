// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* sim.c - runs from seeds: a few clients, while proxies are killed, suspended and lost */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/log.h"
#include "kernel.h"
#include "machine.h"
#include "net.h"
#include "peers.h"
#include "store.h"
#include "world.h"

#define WARM_UP_NS	(700 * SIM_MS)	/* proxies know their peers, and are in sync */
#define CLIENTS_MAX	4
#define LIMIT_NS	(120 * SIM_S)
#define RUNS_PER_GUESS	20000	/* at most; 1 in 100000 was measured */

static const char usage[] =
	"usage: sim [--seeds N] [--seed S] [--again N] [--first] [--verbose]\n"
	"\n"
	"  --seeds N   so many runs; default 1000\n"
	"  --seed S    of the first one; default 1\n"
	"  --again N   of thousand clients, so many connect once more from the same port; default 0\n"
	"  --first     stop at the first one that fails\n"
	"  --verbose   each packet, each fault, and what the daemons say\n"
	"\n"
	"The digest is over all packets and when they came: where a change of the daemon is none of what it does, it stays.\n";

#define ENDS_NS		(4 * SIM_S)	/* by then all proxies know the end of a connection */

static unsigned int fault_count;
/* clients of 1000 that reconnect from the same port */
static unsigned int again;

enum fault { NONE, KILL, FREEZE, LOSE, CUT, FAULTS };

static void undo(void *machine, __u64 fault)
{
	struct sim_machine *m = machine;

	switch ((enum fault)fault) {
	case KILL: sim_machine_start(m); break;
	case FREEZE: sim_machine_thaw(m); break;
	case LOSE: sim_machine_return(m); break;
	case CUT: m->is_cut = 0; break;
	case NONE: case FAULTS: break;
	}
}

static void happen(void *machine, __u64 fault)
{
	struct sim_machine *m = machine;

	switch ((enum fault)fault) {
	case KILL: sim_machine_kill(m); break;
	case FREEZE: sim_machine_freeze(m); break;
	case LOSE: sim_machine_lose(m); break;
	case CUT: m->is_cut = 1; break;
	case NONE: case FAULTS: break;
	}
}

/*
 * Faults hit a single machine at a time, so that the rest know all its acts. A lone machine keeps
 * its kernel. A fault begins near the start of a client, when most is in flight.
 */
static void plan_faults(const __u64 *starts_ns, unsigned int count)
{
	__u64 free_ns = 0;

	fault_count = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct sim_machine *m = &sim_machines[sim_below(sim_machine_count)];
		enum fault fault = sim_machine_count == 1 ? 1 + sim_below(2) : 1 + sim_below(3);
		__u64 within_ns = sim_chance(700) ? 4 * SIM_MS + 2 * sim_store.slow_ns : 2 * SIM_S;
		__u64 at_ns = starts_ns[i] + sim_below(within_ns);
		__u64 for_ns = 20 * SIM_MS + sim_below(sim_chance(500) ? 300 * SIM_MS : 3 * SIM_S);

		if (at_ns < free_ns || sim_chance(300))
			continue;
		fault_count++;
		sim_at(at_ns, happen, m, fault);
		if (fault == LOSE && sim_chance(300))
			return;		/* for good: peers take over its duties */
		sim_at(at_ns + for_ns, undo, m, fault);
		free_ns = at_ns + for_ns + 2 * SIM_S;
	}
}

static void start_client(void *unused, __u64 unused2)
{
	static const __u32 heads[] = { 120, 120, 300, 1400, 3000, 9000, 20000 };
	struct sim_plan plan = {
		.requests = 1 + sim_below(3), .head_bytes = heads[sim_below(7)],
		.body_bytes = sim_chance(300) ? sim_below(30000) :
		0, .answer_bytes = sim_below(60000),
		.think_ns = sim_chance(500) ? 0 : 2 * SIM_S,
		.again_ns = again && sim_chance(again) ? 1 + sim_below(3 * SIM_S) : 0,
		.is_server_first_to_close = sim_chance(500),
	};

	sim_client_start(&plan);
}

static void plan_ways(void)
{
	sim_net = (struct sim_net){
		.way = sim_chance(500) ? SIM_WAY_SPRAY : SIM_WAY_FLOW, .loss = sim_chance(500) ?
		sim_below(30) : 0,
		.twice = sim_chance(300) ? sim_below(30) : 0, .jitter_ns = sim_chance(500) ?
		sim_below(3 * SIM_MS) : 0,
	};
	sim_store = (struct sim_store){ .slow_ns = sim_chance(300) ? 100 * SIM_MS : SIM_MS };
}

/* Return: when the last client has started. */
static __u64 plan_all(void)
{
	__u64 starts_ns[CLIENTS_MAX], at_ns = sim_now_ns + WARM_UP_NS;
	unsigned int clients = 1 + sim_below(CLIENTS_MAX);

	sim_trace("%u proxies, %s, loss %u, twice %u of 1000, jitter %llu us, store %llu ms",
		  sim_machine_count,
		  sim_net.way == SIM_WAY_SPRAY ? "sprayed" : "by flow", sim_net.loss, sim_net.twice,
		  (unsigned long long)sim_net.jitter_ns / 1000,
		  (unsigned long long)(sim_store.slow_ns / SIM_MS));
	for (unsigned int i = 0; i < clients; i++) {
		starts_ns[i] = at_ns;
		sim_at(at_ns, start_client, NULL, 0);
		at_ns += sim_below(3 * SIM_S);
	}
	plan_faults(starts_ns, clients);
	return at_ns;
}

/* If no packet and no machine was lost, every proxy of a connection knows of its end. */
static void judge_ends(void)
{
	__u64 until_ns = sim_now_ns + ENDS_NS;

	if (fault_count || sim_net.loss || again)
		return;
	while (!sim_failure() && sim_step(until_ns))
		;
	for (unsigned int i = 0; i < sim_machine_count; i++)
		if (sim_kernel_live_halves(sim_machines[i].dp))
			sim_fail("%s has live halves, and all connections are over",
				 sim_machines[i].name);
}

/* Return: the failure; NULL: none. */
static const char *run(__u64 seed, int is_verbose)
{
	__u64 begin_ns, started_ns;

	sim_begin(seed, is_verbose);
	sp_log_init("sim", is_verbose ? SP_LOG_DEBUG : SP_LOG_ERR);
	begin_ns = sim_now_ns;
	plan_ways();
	sim_store_begin();
	sim_peers_begin();
	sim_machines_begin(sim_chance(200) ? 1 : 2 + sim_below(2));
	started_ns = plan_all();
	while (!sim_failure() && sim_step(begin_ns + LIMIT_NS))
		if (sim_now_ns > started_ns && sim_clients_are_done())
			break;
	if (!sim_failure())
		sim_peers_judge();
	if (!sim_failure())
		judge_ends();
	sim_machines_end();
	return sim_failure();
}

static double seconds(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	return tv.tv_sec + tv.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seeds", required_argument, NULL, 'n' }, { "seed", required_argument, NULL, 's' },
		{ "verbose", no_argument, NULL, 'v' }, { "first", no_argument, NULL, 'f' },
		{ "again", required_argument, NULL, 'a' }, {},
	};
	unsigned long long seeds = 1000, first = 1, failed = 0, guesses = 0, digest = 0;
	int is_verbose = 0, is_first = 0, opt;
	double begin;

	while ((opt = getopt_long(argc, argv, "n:s:v", options, NULL)) != -1) {
		switch (opt) {
		case 'n': seeds = strtoull(optarg, NULL, 10); break;
		case 's': first = strtoull(optarg, NULL, 10); break;
		case 'v': is_verbose = 1; break;
		case 'f': is_first = 1; break;
		case 'a': again = strtoul(optarg, NULL, 10); break;
		default: fputs(usage, stderr); return 2;
		}
	}
	begin = seconds();
	for (unsigned long long seed = first; seed < first + seeds; seed++) {
		const char *why = run(seed, is_verbose);

		digest += sim_digest();
		if (!why)
			continue;
		if (sim_was_guess()) {
			guesses++;
			failed += guesses > 2 + seeds / RUNS_PER_GUESS;
			printf("a cookie was right by chance, seed %llu is not counted: %s\n", seed,
			       why);
			continue;
		}
		failed++;
		printf("seed %llu: %s\n", seed, why);
		fflush(stdout);
		if (is_first)
			break;
	}
	printf("%llu runs, %llu failed, %.0f a second, digest %016llx\n", seeds - guesses, failed,
	       seeds / (seconds() - begin), digest);
	return failed > 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* sim.c - runs from seeds: a few clients, while proxies are killed, suspended and lost */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/log.h"
#include "exchange_plan.h"
#include "exchanges.h"
#include "faults.h"
#include "kernel.h"
#include "machine.h"
#include "middle.h"
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
	"       sim --exchanges KIND [--features LIST] ... | --exchanges middle --wrong NAME ... | --prove\n"
	"\n"
	"  --seeds N   so many runs; default 1000\n"
	"  --seed S    of the first one; default 1\n"
	"  --again N   of thousand clients, so many connect once more from the same port; default 0\n"
	"  --exchanges KIND  clients make many requests on a connection, each to the pool of its path;\n"
	"              direct: without proxies; middle: through a model of one; lone: a proxy, a perfect wire;\n"
	"              wire: packets are lost; faults: the daemon dies, too; cluster: proxies, a perfect wire; all;\n"
	"              spray: cluster, each packet by any proxy; spray_faults: loss and faults, too;\n"
	"              spray_kills: spray, daemons die for 0.5 to 1 s, responses drip\n"
	"  --features LIST  moves,idle: these alone; -idle,-fail: all but these; of moves bodies chunks pieces\n"
	"              depth bodiless interim pauses close until_end idle half_close fail unrouted early\n"
	"              expect abort large think tunnel old\n"
	"  --wrong NAME  the model is wrong: mix drop double pool early swap idle late_408 leave cut spoil ahead\n"
	"  --prove     the laws of exchanges find each of these, and nothing in the model as it should be\n"
	"  --first     stop at the first one that fails\n"
	"  --verbose   each packet, each fault, and what the daemons say\n"
	"\n"
	"The digest is over all packets and when they came: where a change of the daemon is none of what it does, it stays.\n";

#define ENDS_NS		(4 * SIM_S)	/* by then all proxies know the end of a connection */

static unsigned int fault_count;
/* clients of 1000 that reconnect from the same port */
static unsigned int again;

/* A fault begins near the start of a client, when most is in flight. */
static void plan_faults(const __u64 *starts_ns, unsigned int count)
{
	__u64 free_ns = 0;

	fault_count = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct sim_machine *m = &sim_machines[sim_below(sim_machine_count)];
		enum sim_fault fault = sim_fault_choose();
		__u64 within_ns = sim_chance(700) ? 4 * SIM_MS + 2 * sim_store.slow_ns : 2 * SIM_S;
		__u64 at_ns = starts_ns[i] + sim_below(within_ns);
		__u64 for_ns = sim_fault_duration();

		if (at_ns < free_ns || sim_chance(300))
			continue;
		fault_count++;
		if (fault == SIM_FAULT_LOSE && sim_chance(300)) {
			sim_fault_plan(m, fault, at_ns, 0);
			return;		/* for good: peers take over its duties */
		}
		sim_fault_plan(m, fault, at_ns, for_ns);
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
	static const char *const ways[] = { "by flow", "sprayed", "sprayed both ways" };
	__u64 starts_ns[CLIENTS_MAX], at_ns = sim_now_ns + WARM_UP_NS;
	unsigned int clients = 1 + sim_below(CLIENTS_MAX);

	sim_trace("%u proxies, %s, loss %u, twice %u of 1000, jitter %llu us, store %llu ms",
		  sim_machine_count,
		  ways[sim_net.way], sim_net.loss, sim_net.twice,
		  (unsigned long long)sim_net.jitter_ns / 1000,
		  (unsigned long long)(sim_store.slow_ns / SIM_MS));
	if (sim_exchange_options.kind)
		return sim_exchange_plan_visits(at_ns);
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

	if (fault_count || sim_net.loss || again ||
	    (sim_exchange_options.kind && (!sim_exchange_is_clean() || sim_exchange_has_reset)))
		return;
	while (!sim_failure() && sim_step(until_ns))
		;
	for (unsigned int i = 0; i < sim_machine_count; i++)
		if (sim_kernel_live_halves(sim_machines[i].dp))
			sim_fail("%s has live halves, and all connections are over",
				 sim_machines[i].name);
}

/* Return: the number of machines. */
static unsigned int plan_run(void)
{
	unsigned int machines;

	if (sim_exchange_options.kind) {
		sim_peers = &sim_exchange_peers;
		machines = sim_exchange_plan_ways();
	} else {
		plan_ways();
		machines = 0;
	}
	sim_store_begin();
	sim_peers->begin();
	return sim_exchange_options.kind ? machines : sim_chance(200) ? 1 : 2 + sim_below(2);
}

/* Return: the failure; NULL: none. */
static const char *run(__u64 seed, int is_verbose)
{
	__u64 begin_ns, started_ns;

	sim_begin(seed, is_verbose);
	sp_log_init("sim", is_verbose ? SP_LOG_DEBUG : SP_LOG_ERR);
	begin_ns = sim_now_ns;
	sim_machines_begin(plan_run());
	started_ns = plan_all();
	while (!sim_failure() && sim_step(begin_ns + LIMIT_NS))
		if (sim_now_ns > started_ns && sim_peers->are_done())
			break;
	if (!sim_failure())
		sim_peers->judge();
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

/* @seeds from @first on */
struct task {
	unsigned long long	seeds, first;
	int			is_verbose, is_first, is_proof;
};

static int read_wrong(const char *name)
{
	for (unsigned int i = 0; i < SIM_WRONG_COUNT; i++) {
		if (strcmp(sim_wrong_names[i], name))
			continue;
		sim_exchange_options.wrong = i;
		return 0;
	}
	return -1;
}

static int read_options(int argc, char **argv, struct task *task)
{
	static const struct option options[] = {
		{ "seeds", required_argument, NULL, 'n' }, { "seed", required_argument, NULL, 's' },
		{ "verbose", no_argument, NULL, 'v' }, { "first", no_argument, NULL, 'f' },
		{ "again", required_argument, NULL, 'a' },
		{ "exchanges", required_argument, NULL, 'x' },
		{ "features", required_argument, NULL, 'F' },
		{ "wrong", required_argument, NULL, 'w' }, { "prove", no_argument, NULL, 'p' }, {},
	};
	int opt, err = 0;

	while (!err && (opt = getopt_long(argc, argv, "n:s:v", options, NULL)) != -1) {
		switch (opt) {
		case 'n': task->seeds = strtoull(optarg, NULL, 10); break;
		case 's': task->first = strtoull(optarg, NULL, 10); break;
		case 'v': task->is_verbose = 1; break;
		case 'f': task->is_first = 1; break;
		case 'a': again = strtoul(optarg, NULL, 10); break;
		case 'x': err = sim_exchange_read_kind(optarg); break;
		case 'F': err = sim_exchange_read_features(optarg); break;
		case 'w': err = read_wrong(optarg); break;
		case 'p': task->is_proof = 1; break;
		default: err = -1;
		}
	}
	return err;
}

static void print_sums(const struct sim_exchange_sums *s)
{
	printf("%llu requests, %llu moves, %llu responses, %llu times 408; "
	       "%llu connections cut with their backends; longest wait %llu ms, seed %llu\n",
	       (unsigned long long)s->requests, (unsigned long long)s->moves,
	       (unsigned long long)s->responses, (unsigned long long)s->timeouts,
	       (unsigned long long)s->excused, (unsigned long long)(s->wait_ns / SIM_MS),
	       (unsigned long long)s->wait_seed);
}

/* Return: the number of runs that failed. */
static unsigned long long run_all(const struct task *task)
{
	unsigned long long failed = 0, guesses = 0, digest = 0, end = task->first + task->seeds;
	double begin = seconds();

	for (unsigned long long seed = task->first; seed < end; seed++) {
		const char *why = run(seed, task->is_verbose);

		digest += sim_digest();
		if (!why)
			continue;
		if (sim_was_guess()) {
			guesses++;
			failed += guesses > 2 + task->seeds / RUNS_PER_GUESS;
			printf("a cookie was right by chance, seed %llu is not counted: %s\n", seed,
			       why);
			continue;
		}
		failed++;
		printf("seed %llu: %s\n", seed, why);
		fflush(stdout);
		if (task->is_first)
			break;
	}
	if (sim_exchange_options.kind)
		print_sums(&sim_exchange_sums);
	printf("%llu runs, %llu failed, %.0f a second, digest %016llx\n", task->seeds - guesses,
	       failed, task->seeds / (seconds() - begin), digest);
	return failed;
}

/* Each fault of the middle is found within the seeds; a sound middle has no failure. */
static int prove(const struct task *task)
{
	int missed = 0;

	sim_exchange_options.kind = SIM_KIND_MIDDLE;
	for (unsigned int i = 0; i < SIM_WRONG_COUNT; i++) {
		unsigned long long seed = task->first, end = task->first + task->seeds;
		const char *why = NULL;

		sim_exchange_options.wrong = i;
		for (; !why && seed < end; seed++)
			why = run(seed, 0);
		printf("%s: seed %llu: %s\n", sim_wrong_names[i], seed - 1, why ?: "no failure");
		missed += i == SIM_WRONG_NONE ? !!why : !why;
	}
	return missed > 0;
}

int main(int argc, char **argv)
{
	struct task task = { .seeds = 1000, .first = 1 };

	if (read_options(argc, argv, &task)) {
		fputs(usage, stderr);
		return 2;
	}
	return task.is_proof ? prove(&task) : run_all(&task) > 0;
}

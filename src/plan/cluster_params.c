// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cluster_params.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "measured.h"
#include "status.h"

const char *sp_plan_machine_name(int machine)
{
	static const char *const names[] = { "proxy", "store", "backend" };

	return machine < SP_MACHINE_COUNT ? names[machine] : NULL;
}

static const char *store_loss_name(int number)
{
	static const char *const names[] = { "continue", "refuse" };

	return number < 2 ? names[number] : NULL;
}

#define AT(member)    .at = offsetof(struct sp_plan_cluster, member)
#define COUNTED(text, member, help) { text, SP_PARAM_COUNT, AT(member), .what = (help) }
#define TIMED(text, member, help) { text, SP_PARAM_HOURS, AT(member), .what = (help) }
#define LIKELY(text, member, help) { text, SP_PARAM_PROBABILITY, AT(member), .what = (help) }

const struct sp_param sp_plan_cluster_params[] = {
	COUNTED("proxies", proxies, "N\tproxies (3)"),
	COUNTED("proxies-needed", proxies_needed, "N\tthat carry the peak load (all but one)"),
	COUNTED("stores", stores, "N\tstore servers (3); 0: engine local, one proxy"),
	COUNTED("copies", copies, "N\tof each splice (3, or as many as there are servers)"),
	{ "store-loss", SP_PARAM_CHOICE, AT(store_loss),
	  .what = "WORD\tcontinue or refuse, as in spliced.yaml (continue)",
	  .names = store_loss_name },
	COUNTED("backends", backends, "N\t(0: not looked at)"),
	COUNTED("backends-needed", backends_needed, "N\tthat serve the peak load (all but one)"),
	COUNTED("connections", connections, "N\topen at once (100000)"),
	TIMED("host-mtbf", host_mtbf, "TIME\tbetween failures of a host (2000h)"),
	TIMED("store-mtbf", store_mtbf, "TIME\tof a store server (that of a host)"),
	TIMED("backend-mtbf", backend_mtbf, "TIME\tof a backend (that of a host)"),
	TIMED("detect", detect, "TIME\tuntil routers leave out a dead proxy (0.15s)"),
	LIKELY("coverage", coverage, "P\tprobability that they do so in time (0.999)"),
	TIMED("reboot", reboot, "TIME\tuntil they do after all (2min)"),
	TIMED("repair", repair, "TIME\tof a host (4h)"),
	TIMED("call-out", call_out, "TIME\tuntil the one who repairs is there (1h)"),
	TIMED("repairman-mtbf", repairman_mtbf, "TIME\tof repairing until that gets stuck (never)"),
	TIMED("repairman-repair", repairman_repair, "TIME\tuntil it goes on (8h)"),
	TIMED("patience", patience, "TIME\tthat a client waits (30s)"),
	TIMED("silence", silence, "TIME\tbetween packets of a connection, mean (10s)"),
	TIMED("vrrp-detect", vrrp_detect,
	      "TIME\tuntil the backup of a VRRP pair takes over (3.6s)"),
	LIKELY("target", target, "P\tsearch the cheapest cluster with this availability"),
	LIKELY("target-capacity", target_capacity, "P\tand this one of full capacity"),
	{ "lost-at-most", SP_PARAM_NUMBER, AT(lost_at_most),
	  .what = "N\tand connections lost a year (any)" },
	{ "cost", SP_PARAM_PRICES, AT(price),
	  .what = "X=N,...\tprices of a proxy, store, backend (1, 1, 0)",
	  .names = sp_plan_machine_name },
	TIMED("in-time", in_time, "TIME\tlonger stalls are of faults not covered (1.5s)"),
	{ "measured", SP_PARAM_IMPORT, 0,
	  .what = "FILE\tcoverage, detect and reboot from a torture run's table",
	  .import = sp_measured_read },
	{ "status", SP_PARAM_IMPORT, 0,
	  .what = "FILE\tcounts from splicectl status --json, or cluster --json",
	  .import = sp_status_read },
	{ 0 },
};

void sp_plan_cluster_init(struct sp_plan_cluster *cluster)
{
	*cluster = (struct sp_plan_cluster){
		.proxies = 3, .stores = 3, .connections = 100000, .host_mtbf = 2000,
		.detect = 0.15 / 3600,
		.coverage = 0.999, .reboot = 2 / 60.0, .repair = 4, .call_out = 1,
		.repairman_mtbf = INFINITY,
		.repairman_repair = 8, .patience = 30 / 3600.0, .silence = 10 / 3600.0,
		.vrrp_detect = 3.6 / 3600,
		.in_time = 1.5 / 3600, .lost_at_most = INFINITY, .price = { 1, 1, 0 },
	};
}

static int refuse_counts(char error[SP_PLAN_ERROR_MAX], const char *fmt, unsigned int a,
			 unsigned int b)
{
	snprintf(error, SP_PLAN_ERROR_MAX, fmt, a, b);
	return -EINVAL;
}

static int check_counts(const struct sp_plan_cluster *c, char error[SP_PLAN_ERROR_MAX])
{
	if (!c->proxies)
		return refuse_counts(error, "proxies %u: there must be one", c->proxies, 0);
	if (c->proxies > SP_PLAN_UNITS_MAX || c->backends > SP_PLAN_UNITS_MAX)
		return refuse_counts(error, "%u machines of a kind: at most %u",
				     c->proxies > c->backends ? c->proxies : c->backends,
				     SP_PLAN_UNITS_MAX);
	if (c->proxies_needed > c->proxies)
		return refuse_counts(error, "proxies-needed %u: there are %u", c->proxies_needed,
				     c->proxies);
	if (c->backends_needed > c->backends)
		return refuse_counts(error, "backends-needed %u: there are %u", c->backends_needed,
				     c->backends);
	if (c->copies > SP_PLAN_COPIES_MAX)
		return refuse_counts(error, "copies %u: spliced keeps %u at most", c->copies,
				     SP_PLAN_COPIES_MAX);
	if (c->stores > SP_PLAN_STORES_MAX)
		return refuse_counts(error, "stores %u: spliced takes %u at most", c->stores,
				     SP_PLAN_STORES_MAX);
	if (c->copies > c->stores)
		return refuse_counts(error, "copies %u: there are %u store servers", c->copies,
				     c->stores);
	if (c->proxies > 1 && !c->stores)
		return refuse_counts(error,
				     "stores 0: %u proxies share nothing without store servers",
				     c->proxies, 0);
	return 0;
}

static int check_times(const struct sp_plan_cluster *c, char error[SP_PLAN_ERROR_MAX])
{
	const struct {
		const char *name;
		double hours;
	} finite[] = {
		{ "host-mtbf", c->host_mtbf }, { "store-mtbf", c->store_mtbf },
			{ "backend-mtbf", c->backend_mtbf },
		{ "repair", c->repair }, { "call-out", c->call_out }, { "reboot", c->reboot },
		{ "detect", c->detect },
		{ "repairman-repair", c->repairman_repair }, { "silence", c->silence },
		{ "vrrp-detect", c->vrrp_detect },
	};

	for (size_t i = 0; i < sizeof(finite) / sizeof(finite[0]); i++)
		if (isinf(finite[i].hours)) {
			snprintf(error, SP_PLAN_ERROR_MAX,
				 "%s never: there would be no steady state", finite[i].name);
			return -EINVAL;
		}
	if (c->host_mtbf > 0 && c->repair > 0 && c->reboot > 0)
		return 0;
	snprintf(error, SP_PLAN_ERROR_MAX, "%s 0s: must be above 0",
		 !(c->host_mtbf > 0) ? "host-mtbf" : !(c->repair > 0) ? "repair" : "reboot");
	return -EINVAL;
}

static int check_shares(const struct sp_plan_cluster *c, char error[SP_PLAN_ERROR_MAX])
{
	const struct {
		const char *name;
		double p, end;
	} shares[] = {
		{ "coverage", c->coverage, 1.0 + 1e-15 }, { "target", c->target, 1 },
			{ "target-capacity", c->target_capacity, 1 },
	};

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		if (!(shares[i].p >= 0 && shares[i].p < shares[i].end)) {
			snprintf(error, SP_PLAN_ERROR_MAX,
				 "%s %g: a probability, 0 or more and %s 1", shares[i].name,
				 shares[i].p, shares[i].end > 1 ? "at most" : "below");
			return -EINVAL;
		}
	return 0;
}

int sp_plan_cluster_check(struct sp_plan_cluster *c, char error[SP_PLAN_ERROR_MAX])
{
	int err = check_counts(c, error) ?: check_times(c, error) ?: check_shares(c, error);

	if (err)
		return err;
	c->proxies_needed = c->proxies_needed ?: c->proxies > 1 ? c->proxies - 1 : 1;
	c->backends_needed = c->backends_needed ?: c->backends > 1 ? c->backends - 1 : c->backends;
	c->copies = c->copies ?: c->stores < 3 ? c->stores : 3;
	c->store_mtbf = c->store_mtbf > 0 ? c->store_mtbf : c->host_mtbf;
	c->backend_mtbf = c->backend_mtbf > 0 ? c->backend_mtbf : c->host_mtbf;
	return 0;
}

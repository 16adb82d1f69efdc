// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* spliced-plan without a command: proxies, store servers and backends. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "cluster_params.h"
#include "command.h"
#include "print_cluster.h"
#include "search.h"
#include "svg.h"

#define PLOT_PROXIES 8

static const char usage[] = "usage: spliced-plan [OPTION...]\n"
	"       spliced-plan --target P [--cost proxy=N,store=N] [OPTION...]\n"
	"       spliced-plan model OPTION...\n\n"
	"What a cluster of proxies and store servers is worth, or the cheapest that is good enough; see spliced-plan(1).\n";

static int draw_plot(const struct sp_cluster_result *r, FILE *out)
{
	struct sp_svg svg = {
		.title = "share that is lost, by the number of proxies", .x_name = "proxies",
		.points = PLOT_PROXIES, .lines = 3,
		.line = { { .name = "service" }, { .name = "full capacity" },
			  { .name = "HAProxy with VRRP" } },
	};
	int err = 0;

	for (unsigned int n = 0; !err && n < PLOT_PROXIES; n++) {
		struct sp_plan_cluster c = r->cluster;
		struct sp_plan_worth worth;

		c.proxies = n + 1;
		c.proxies_needed = n ?: 1;
		err = sp_plan_cluster_worth(&c, &worth);
		svg.x[n] = c.proxies;
		svg.line[0].y[n] = worth.service_lost;
		svg.line[1].y[n] = worth.capacity_lost;
		svg.line[2].y[n] = r->vrrp.service_lost;
	}
	if (!err)
		sp_svg_print(&svg, out);
	return err;
}

static int write_plot(const struct sp_cluster_result *r, const char *path)
{
	FILE *out = fopen(path, "w");
	int err = out ? draw_plot(r, out) : -errno;

	if (out && fclose(out) && !err)
		err = -errno;
	return err ? sp_fail(SP_EXIT_FAILED, "%s: %s", path, strerror(-err)) : 0;
}

static void print_result(const struct sp_cluster_result *r, int is_json)
{
	json_t *object;

	if (!is_json) {
		sp_print_cluster(r, stdout);
		return;
	}
	object = sp_json_cluster(r);
	json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	putchar('\n');
	json_decref(object);
}

/* A search takes one of what isn't said to be needed more often, and finds all else itself. */
static void prepare_search(struct sp_plan_cluster *c)
{
	c->proxies_needed = c->proxies_needed ?: 1;
	c->proxies = fmax(c->proxies, c->proxies_needed);
	c->backends_needed = c->backends_needed ?: c->backends ? 1 : 0;
	c->backends = fmax(c->backends, c->backends_needed);
}

static int check_cluster(struct sp_plan_cluster *c)
{
	char error[SP_PLAN_ERROR_MAX];

	if (c->target > 0)
		prepare_search(c);
	else if (c->target_capacity > 0 || !isinf(c->lost_at_most))
		return sp_fail(SP_EXIT_USAGE,
			       "target-capacity and lost-at-most belong to a search: with --target");
	for (int m = 0; m < SP_MACHINE_COUNT; m++)
		if (c->price[m] < 0)
			return sp_fail(SP_EXIT_USAGE, "cost: %s=%g: must not be negative",
				       sp_plan_machine_name(m), c->price[m]);
	return sp_plan_cluster_check(c, error) ? sp_fail(SP_EXIT_USAGE, "%s", error) : 0;
}

static int find_cheapest(struct sp_cluster_result *r)
{
	struct sp_plan_cluster wanted = r->cluster;
	int err = sp_search(&wanted, &r->cluster, &r->worth);

	if (err == -ENOENT)
		return sp_fail(SP_EXIT_FAILED,
			       "no cluster up to %d proxies and %d store servers is good enough",
			       SP_SEARCH_PROXIES_MAX, SP_SEARCH_STORES_MAX);
	return err ? sp_fail_errno(err) : 0;
}

int sp_command_cluster(int argc, char **argv)
{
	struct sp_cluster_result result;
	struct sp_command_options options;
	int code, err;

	sp_plan_cluster_init(&result.cluster);
	code = sp_command_parse(argc, argv, sp_plan_cluster_params, &result.cluster, usage,
				&options);
	if (code)
		return code < 0 ? SP_EXIT_OK : code;
	code = check_cluster(&result.cluster) ?:
	       result.cluster.target > 0 ? find_cheapest(&result) : 0;
	if (code)
		return code;
	err = sp_plan_cluster_worth(&result.cluster, &result.worth);
	err = err ?: sp_plan_vrrp_worth(&result.cluster, &result.vrrp);
	err = err ?: sp_improve(&result.cluster, result.improvement);
	if (err)
		return sp_fail_errno(err);
	print_result(&result, options.is_json);
	return options.plot ? write_plot(&result, options.plot) : SP_EXIT_OK;
}

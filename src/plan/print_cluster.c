// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "print_cluster.h"

#include <math.h>
#include <string.h>

#include "cluster_params.h"
#include "measured.h"
#include "parse.h"
#include "search.h"

#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))
#define DECIMALS_MAX   15

const char *sp_text_hours(double hours, char text[SP_TEXT_MAX])
{
	static const struct {
		const char *name;
		double hours;
	} units[] = { { "y", SP_PLAN_HOURS_A_YEAR }, { "d", 24 }, { "h", 1 }, { "min", 1 / 60.0 },
		      { "s", 1 / 3600.0 } };
	size_t i = 0;

	if (isinf(hours))
		return "never";
	/* days only from two on, and years likewise: 2000 h is what people say */
	while (i + 1 < COUNT(units) && hours < units[i].hours * (i < 2 ? 2000 : 1))
		i++;
	if (hours < units[COUNT(units) - 1].hours)
		snprintf(text, SP_TEXT_MAX, "%.3g ms", hours * 3600000);
	else
		snprintf(text, SP_TEXT_MAX, hours / units[i].hours < 1000 ? "%.3g %s" :
			 "%.0f %s", hours / units[i].hours,
			 units[i].name);
	return text;
}

const char *sp_text_available(double lost, char text[SP_TEXT_MAX])
{
	int decimals = lost > 0 && lost < 1 ? ceil(-log10(lost)) - 1 : 0;

	if (lost > 0 && decimals > DECIMALS_MAX)
		snprintf(text, SP_TEXT_MAX, "1 - %.1e", lost);
	else
		snprintf(text, SP_TEXT_MAX, "%.*f %%", decimals, 100 * (1 - lost));
	return text;
}

static void print_share(const char *what, double lost, FILE *out)
{
	char available[SP_TEXT_MAX], missing[SP_TEXT_MAX];

	fprintf(out, "  %-34s %16s   %9.2e lost, %s a year\n", what,
		sp_text_available(lost, available), lost,
		sp_text_hours(lost * SP_PLAN_HOURS_A_YEAR, missing));
}

static void print_setting(const struct sp_plan_cluster *c, FILE *out)
{
	char a[SP_TEXT_MAX], b[SP_TEXT_MAX], d[SP_TEXT_MAX];

	fprintf(out, "proxies %u (%u needed), stores %u (%u copies)", c->proxies, c->proxies_needed,
		c->stores, c->copies);
	if (c->backends)
		fprintf(out, ", backends %u (%u needed)", c->backends, c->backends_needed);
	fprintf(out, ", %u connections\n", c->connections);
	fprintf(out, "a host fails each %s, is repaired within %s, for which someone comes within %s\n",
		sp_text_hours(c->host_mtbf, a), sp_text_hours(c->repair, b),
		sp_text_hours(c->call_out, d));
	fprintf(out, "a dead proxy is left out after %s with probability %g, else after %s\n",
		sp_text_hours(c->detect, a),
		c->coverage, sp_text_hours(c->reboot, b));
	if (c->measured)
		fprintf(out, "measured: %u of %u faults in time, so the probability is above %.4f with 95 %% confidence\n",
			c->measured_in_time, c->measured,
			sp_measured_bound(c->measured_in_time, c->measured));
}

static void print_lost(const struct sp_plan_cluster *c, const struct sp_plan_worth *w, FILE *out)
{
	fprintf(out, "\nconnections lost a year, of %u open at once\n", c->connections);
	fprintf(out, "  %-54s %12.4g\n", "their proxy gone, and the copies of their splice, too",
		w->lost_records);
	fprintf(out, "  %-54s %12.4g\n", "their proxy's death unnoticed for too long",
		w->lost_waiting);
	if (c->backends)
		fprintf(out, "  %-54s %12.4g\n", "their backend gone, with any balancer",
			w->lost_backends);
}

static void print_vrrp(const struct sp_plan_cluster *c, const struct sp_plan_worth *w, FILE *out)
{
	char text[SP_TEXT_MAX];

	fprintf(out, "\nbeside it: HAProxy, two such hosts with VRRP, which takes over after %s\n",
		sp_text_hours(c->vrrp_detect, text));
	print_share("service", w->service_lost, out);
	print_share("service for all clients", w->not_for_all, out);
	fprintf(out, "  %-54s %12.4g\n", "connections lost a year, all at each death",
		w->lost_records);
}

static void print_improvement(const struct sp_improvement *i, FILE *out)
{
	char from[SP_TEXT_MAX], to[SP_TEXT_MAX];

	if (i->kind == SP_IMPROVE_MORE)
		fprintf(out, "  %-12s %10.0f -> %.0f\n", i->name, i->from, i->to);
	else if (i->kind == SP_IMPROVE_LIKELIER)
		fprintf(out, "  %-12s %10.9g -> %-12.9g %.3g times less often not\n", i->name,
			i->from, i->to, i->times);
	else
		fprintf(out, "  %-12s %10s -> %-12s %.3g times %s\n", i->name,
			sp_text_hours(i->from, from),
			sp_text_hours(i->to, to), i->times, i->kind == SP_IMPROVE_LONGER ?
			"longer" : "shorter");
}

static void print_improvements(const struct sp_cluster_result *r, FILE *out)
{
	char text[SP_TEXT_MAX];

	fprintf(out, "\nto get one nine more (%s), improve one of\n",
		sp_text_available(r->worth.service_lost / SP_IMPROVE_BETTER, text));
	for (int i = 0; i < SP_IMPROVEMENTS; i++)
		if (r->improvement[i].is_enough)
			print_improvement(&r->improvement[i], out);
		else
			fprintf(out, "  %-12s %10s at best %s, alone\n", r->improvement[i].name, "",
				sp_text_available(r->improvement[i].best, text));
}

void sp_print_cluster(const struct sp_cluster_result *r, FILE *out)
{
	const struct sp_plan_cluster *c = &r->cluster;

	print_setting(c, out);
	if (c->target > 0)
		fprintf(out, "the cheapest for a target of %.9g %%: price %g\n", 100 * c->target,
			sp_plan_cluster_price(c));
	fputs("\navailability\n", out);
	print_share("service, as attempts of clients", r->worth.service_lost, out);
	print_share("service for all clients", r->worth.not_for_all, out);
	print_share("full capacity, for all clients", r->worth.capacity_lost, out);
	fputs("  of which lost by", out);
	for (int m = 0; m < SP_MACHINE_COUNT; m++)
		if (m != SP_MACHINE_BACKEND || c->backends)
			fprintf(out, "%s %s %.2e", m ? "," :
				"", sp_plan_machine_name(m), r->worth.lost[m]);
	fprintf(out, "; %.3g proxies die in a year\n", r->worth.deaths);
	print_lost(c, &r->worth, out);
	print_vrrp(c, &r->vrrp, out);
	print_improvements(r, out);
}

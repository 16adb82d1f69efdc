// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cluster_params.h"
#include "measured.h"
#include "print.h"
#include "print_cluster.h"
#include "search.h"

static json_t *setting_object(const struct sp_plan_cluster *c)
{
	json_t *o = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "proxies", (int)c->proxies,
			      "proxies_needed",
			      (int)c->proxies_needed, "stores", (int)c->stores, "copies",
			      (int)c->copies, "backends",
			      (int)c->backends, "backends_needed", (int)c->backends_needed,
			      "connections",
			      (int)c->connections);

#define HOURS(name) json_object_set_new(o, #name "_hours", sp_json_number(c->name))
	HOURS(host_mtbf);
	HOURS(store_mtbf);
	HOURS(backend_mtbf);
	HOURS(detect);
	HOURS(reboot);
	HOURS(repair);
	HOURS(call_out);
	HOURS(repairman_mtbf);
	HOURS(repairman_repair);
	HOURS(patience);
	HOURS(silence);
	HOURS(vrrp_detect);
#undef HOURS
	json_object_set_new(o, "coverage", json_real(c->coverage));
	json_object_set_new(o, "price", json_real(sp_plan_cluster_price(c)));
	return o;
}

static json_t *worth_object(const struct sp_plan_worth *w)
{
	json_t *lost = json_object();

	for (int m = 0; m < SP_MACHINE_COUNT; m++)
		json_object_set_new(lost, sp_plan_machine_name(m), json_real(w->lost[m]));
	return json_pack("{s:f, s:f, s:f, s:o, s:{s:f, s:f, s:f}, s:f}", "service_lost",
			 w->service_lost, "not_for_all",
			 w->not_for_all, "capacity_lost", w->capacity_lost, "service_lost_by", lost,
			 "connections_lost_a_year", "records", w->lost_records, "waiting",
			 w->lost_waiting, "backends",
			 w->lost_backends, "proxy_deaths_a_year", w->deaths);
}

/* How much of each parameter; times are hours. */
static json_t *improvements_object(const struct sp_improvement *list)
{
	json_t *o = json_object();

	for (int i = 0; i < SP_IMPROVEMENTS; i++)
		json_object_set_new(o, list[i].name,
				    list[i].is_enough ?
				    json_pack("{s:f, s:f, s:f}", "from", list[i].from, "to",
								  list[i].to, "times",
								  list[i].times) :
							json_null());
	return o;
}

json_t *sp_json_cluster(const struct sp_cluster_result *r)
{
	const struct sp_plan_cluster *c = &r->cluster;
	json_t *o = json_pack("{s:o, s:o, s:o, s:o}", "cluster", setting_object(c), "worth",
			      worth_object(&r->worth), "haproxy_vrrp",
			      worth_object(&r->vrrp), "one_nine_more",
			      improvements_object(r->improvement));

	if (c->measured)
		json_object_set_new(o, "measured",
				    json_pack("{s:i, s:i, s:f}", "faults", (int)c->measured,
					      "in_time",
					      (int)c->measured_in_time, "coverage_at_least",
					      sp_measured_bound(c->measured_in_time, c->measured)));
	if (c->target > 0)
		json_object_set_new(o, "target", json_real(c->target));
	return o;
}

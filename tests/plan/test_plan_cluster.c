// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A cluster in our words, against results worked out by hand. The search, against all candidates.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "plan/cluster_params.h"
#include "plan/improve.h"
#include "plan/measured.h"
#include "plan/parse.h"
#include "plan/search.h"
#include "plan/status.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct sp_plan_cluster cluster(void)
{
	struct sp_plan_cluster c;

	sp_plan_cluster_init(&c);
	return c;
}

static struct sp_plan_worth worth_of(struct sp_plan_cluster c)
{
	char error[SP_PLAN_ERROR_MAX];
	struct sp_plan_worth worth;

	assert_int_equal(sp_plan_cluster_check(&c, error), 0);
	assert_int_equal(sp_plan_cluster_worth(&c, &worth), 0);
	return worth;
}

static void assert_near(double a, double b, double share)
{
	assert_true(fabs(a - b) <= share * fabs(b));
}

/* One proxy: up for a while, then waiting for the repairman, then under repair. */
static void lone_proxy(void **state)
{
	struct sp_plan_cluster c = cluster();
	struct sp_plan_worth w;

	c.proxies = 1;
	c.stores = 0;
	c.coverage = 1;
	w = worth_of(c);
	assert_near(w.service_lost, 5 / 2005.0, 1e-12);
	assert_near(w.deaths, SP_PLAN_HOURS_A_YEAR / 2005, 1e-12);
	assert_near(w.lost_records, w.deaths * c.connections, 1e-12); /* no proxy is left */
	assert_true(w.lost_waiting == 0);
}

/* Deaths that go unnoticed cost their share of the clients until noticed. */
static void unnoticed_deaths(void **state)
{
	struct sp_plan_cluster c = cluster();
	struct sp_plan_worth w;
	/* rate of each host, hence also of the affected share of clients */
	double per_hour = 1 / 2000.0;

	c.coverage = 0;
	c.detect = 0;
	c.repair = c.call_out = 1e-3;
	w = worth_of(c);
	assert_near(w.service_lost, per_hour * c.reboot, 1e-4);
	assert_near(w.not_for_all, 3 * per_hour * c.reboot, 1e-3);
	assert_near(w.lost_waiting,
		    c.connections * SP_PLAN_HOURS_A_YEAR * per_hour * exp(-c.patience / c.reboot),
		    1e-3);
	c.coverage = 1;
	c.detect = 0.005;
	w = worth_of(c);
	assert_near(w.service_lost, per_hour * c.detect, 1e-3);
	assert_true(w.lost_waiting < 1e-3);
	c.patience = c.detect / 2; /* clients give up before a death is noticed */
	w = worth_of(c);
	assert_near(w.lost_waiting, c.connections * SP_PLAN_HOURS_A_YEAR * per_hour, 1e-3);
}

/* All ways to choose the copies are enumerated. */
static void copies_on_servers(void **state)
{
	struct sp_plan_cluster c = cluster();

	c.stores = 5;
	c.copies = 3;
	for (unsigned int failed = 0; failed <= c.stores; failed++) {
		unsigned int all = 0, none_left = 0, no_majority = 0;

		for (unsigned int set = 0; set < 1U << c.stores; set++) {
			unsigned int dead = __builtin_popcount(set & ((1U << failed) - 1));

			if ((unsigned int)__builtin_popcount(set) != c.copies)
				continue;
			all++;
			none_left += dead == c.copies;
			no_majority += c.copies - dead < c.copies / 2 + 1;
		}
		assert_float_equal(sp_no_copy(&c, failed), (double)none_left / all, 1e-12);
		assert_float_equal(sp_no_majority(&c, failed), (double)no_majority / all, 1e-12);
	}
}

/* Repair is so quick that a second failure meets the first alone. */
static void lost_splices(void **state)
{
	struct sp_plan_cluster c = cluster();
	double a = 1 / 2000.0, hours = 0.25, both, expected;
	struct sp_plan_worth w;

	c.stores = c.copies = 1;
	c.coverage = 1;
	c.call_out = 0;
	c.repair = hours;
	both = a * hours; /* share of time in which the server is down */
	expected = a * (both / (1 + both) + c.silence * a / (1 + both));
	w = worth_of(c);
	assert_near(w.lost_records, c.connections * SP_PLAN_HOURS_A_YEAR * expected, 1e-3);
}

/*
 * While most servers are away, new records die with their proxy. If new connections are refused
 * instead, service is lost.
 */
static void store_loss(void **state)
{
	struct sp_plan_cluster c = cluster();
	struct sp_plan_worth go_on = worth_of(c), refuse;

	c.store_loss = SP_STORE_LOSS_REFUSE;
	refuse = worth_of(c);
	assert_true(go_on.lost[SP_MACHINE_STORE] == 0 && refuse.lost[SP_MACHINE_STORE] > 1e-5);
	assert_true(go_on.lost_records > 100 * refuse.lost_records);
}

static void vrrp_pair(void **state)
{
	struct sp_plan_cluster c = cluster();
	char error[SP_PLAN_ERROR_MAX];
	struct sp_plan_worth w;

	c.coverage = 1;
	assert_int_equal(sp_plan_cluster_check(&c, error), 0);
	assert_int_equal(sp_plan_vrrp_worth(&c, &w), 0);
	/* the active proxy dies each 2000 h, except while no proxy is left */
	assert_near(w.lost_records, c.connections * SP_PLAN_HOURS_A_YEAR / 2000, 1e-4);
	assert_true(w.service_lost > c.vrrp_detect / 2000);
}

static void more_is_better(void **state)
{
	struct sp_plan_cluster c = cluster();
	double before = 1;

	c.coverage = 1;
	c.detect = 0;
	for (c.proxies = 2; c.proxies < 7; c.proxies++) {
		double lost = worth_of(c).service_lost;

		assert_true(lost > 0 && lost < before / 50);
		before = lost;
	}
	assert_true(before < 1e-12); /* and still above 0 */
}

static void backends_are_counted(void **state)
{
	struct sp_plan_cluster c = cluster();
	struct sp_plan_worth w;

	c.backends = 1;
	w = worth_of(c);
	assert_near(w.lost[SP_MACHINE_BACKEND], 5 / 2005.0, 1e-9);
	assert_true(w.service_lost > 5 / 2005.0 && w.lost_backends > 4e5);
}

/* A change reported as enough leaves a tenth of the loss. */
static void one_nine_more(void **state)
{
	struct sp_plan_cluster c = cluster();
	struct sp_improvement list[SP_IMPROVEMENTS];
	char error[SP_PLAN_ERROR_MAX];
	int enough = 0;

	c.store_loss = SP_STORE_LOSS_REFUSE;
	assert_int_equal(sp_plan_cluster_check(&c, error), 0);
	assert_int_equal(sp_improve(&c, list), 0);
	for (int i = 0; i < SP_IMPROVEMENTS; i++) {
		struct sp_plan_cluster changed = c;

		if (i && list[i].is_enough)
			assert_true(list[i - 1].is_enough);
		enough += list[i].is_enough;
		if (strcmp(list[i].name, "repair") != 0)
			continue;
		assert_true(list[i].is_enough);
		changed.repair = list[i].to;
		assert_near(worth_of(changed).service_lost, worth_of(c).service_lost / 10, 1e-4);
	}
	assert_in_range(enough, 2, SP_IMPROVEMENTS - 1);
}

/* No cheaper cluster is good enough: all are tried. */
static void cheapest(void **state)
{
	struct sp_plan_cluster c = cluster(), found;
	struct sp_plan_worth w;
	double price;

	c.store_loss = SP_STORE_LOSS_REFUSE;
	c.target = 0.99999;
	c.proxies_needed = 2;
	c.target_capacity = 0.9999;
	c.price[SP_MACHINE_PROXY] = 100;
	c.price[SP_MACHINE_STORE] = 40;
	c.store_mtbf = c.backend_mtbf = c.host_mtbf;
	assert_int_equal(sp_search(&c, &found, &w), 0);
	assert_true(w.service_lost <= 1e-5 && w.capacity_lost <= 1e-4);
	price = sp_plan_cluster_price(&found);
	for (c.proxies = 2; c.proxies < 10; c.proxies++)
		for (c.stores = 1; c.stores < 10; c.stores++)
			for (c.copies = 1; c.copies <= c.stores && c.copies <= 5; c.copies += 2) {
				w = worth_of(c);
				assert_true(w.service_lost > 1e-5 || w.capacity_lost > 1e-4 ||
					    sp_plan_cluster_price(&c) >= price);
			}
	c.target = 1 - 1e-15;
	assert_int_not_equal(sp_search(&c, &found, &w), 0);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

#define HEADER "seed,id,fault,phase,family,outcome,ran,stall_ms,lost_pkts,lag_ms,note\n"

static void measured(void **state)
{
	char path[] = "/tmp/sp-plan-XXXXXX", error[SP_PLAN_ERROR_MAX];
	struct sp_plan_cluster c = cluster();
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	write_file(path, HEADER "1,0-0,daemon_killed,idle,4,ok,1,9000,0,3,\n"
			 "1,1-0,host_lost,idle,4,ok,1,100,0,3,\n1,1-1,host_lost,upload,6,ok,1,300,0,3,\n"
			 "1,2-0,host_back,idle,4,ok,1,200,0,3,\"a, note\"\n"
			 "1,3-0,two_hosts,idle,4,ok,1,9000,0,3,\n1,3-1,two_hosts,idle,4,ok,1,100,0,3,\n"
			 "1,4-0,host_lost,idle,4,broken,1,100,0,3,end\n");
	assert_int_equal(sp_measured_read(path, &c, error), 0);
	assert_int_equal(c.measured, 4);
	assert_int_equal(c.measured_in_time, 2);
	assert_near(c.coverage, .5, 1e-12);
	assert_near(c.detect, .2 / 3600, 1e-12);
	assert_near(c.reboot, (9 + .1) / 2 / 3600, 1e-12);
	write_file(path, HEADER "1,0-0,daemon_killed,idle,4,ok,1,9000,0,3,\n");
	assert_int_not_equal(sp_measured_read(path, &c, error), 0);
	assert_non_null(strstr(error, "no fault in it took a host"));
	write_file(path, "seed,id,fault,phase\n");
	assert_int_not_equal(sp_measured_read(path, &c, error), 0);
	assert_non_null(strstr(error, ":1: no column `outcome`"));
	write_file(path, HEADER "1,0-0,host_lost,idle,4,ok,1,soon,0,3,\n");
	assert_int_not_equal(sp_measured_read(path, &c, error), 0);
	assert_non_null(strstr(error, ":2: stall_ms `soon` is no time"));
	unlink(path);
}

static void bounds(void **state)
{
	assert_float_equal(sp_measured_bound(59, 59), .95, 2e-3); /* the rule of three, nearly */
	assert_true(sp_measured_bound(0, 3) == 0);
	assert_in_range(1000 * sp_measured_bound(9, 10), 600, 610);
}

static void status(void **state)
{
	char path[] = "/tmp/sp-plan-XXXXXX", error[SP_PLAN_ERROR_MAX];
	struct sp_plan_cluster c = cluster();
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	write_file(path,
		   "{\"splices\": 17, \"store\": {\"engine\": \"redis\", \"servers\": [{}, {}, {}, {}, {}]}, \"pools\": ["
			 "{\"backends\": [{\"address\": \"10.0.0.1:80\"}, {\"address\": \"10.0.0.2:80\"}]},"
			 "{\"backends\": [{\"address\": \"10.0.0.1:80\"}]}]}");
	assert_int_equal(sp_status_read(path, &c, error), 0);
	assert_true(c.stores == 5 && c.connections == 17 && c.backends == 2 && c.proxies == 3);
	write_file(path,
		   "{\"members\": [{\"state\": \"ready\", \"splices\": 5}, {\"state\": \"dead\", \"splices\": 0},"
			 "{\"state\": \"agent\", \"splices\": 5}, {\"state\": \"syncing\", \"splices\": 7}]}");
	assert_int_equal(sp_status_read(path, &c, error), 0);
	assert_true(c.proxies == 3 && c.connections == 12 && c.stores == 5);
	write_file(path, "{\"ready\": true}");
	assert_int_not_equal(sp_status_read(path, &c, error), 0);
	unlink(path);
}

static void bad_clusters_are_named(void **state)
{
	static const struct {
		const char *name, *value, *says;
	} bad[] = {
		{ "proxies", "0", "proxies 0: there must be one" },
		{ "proxies", "201", "201 machines of a kind: at most 200" },
		{ "copies", "4", "copies 4: there are 3 store servers" },
		{ "stores", "17", "stores 17: spliced takes 16 at most" },
		{ "stores", "0", "stores 0: 3 proxies share nothing without store servers" },
		{ "coverage", "1.2", "coverage 1.2: a probability, 0 or more and at most 1" },
		{ "coverage", "-1", "coverage -1: a probability, 0 or more and at most 1" },
		{ "target", "100%", "target 1: a probability, 0 or more and below 1" },
		{ "host-mtbf", "0s", "host-mtbf 0s: must be above 0" },
		{ "repair", "never", "repair never: there would be no steady state" },
	};
	char error[SP_PLAN_ERROR_MAX];

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct sp_plan_cluster c = cluster();

		assert_int_equal(sp_param_set(sp_plan_cluster_params, &c, bad[i].name, bad[i].value,
					      error), 0);
		assert_int_not_equal(sp_plan_cluster_check(&c, error), 0);
		assert_string_equal(error, bad[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lone_proxy),
		cmocka_unit_test(unnoticed_deaths),
		cmocka_unit_test(copies_on_servers),
		cmocka_unit_test(lost_splices),
		cmocka_unit_test(store_loss),
		cmocka_unit_test(vrrp_pair),
		cmocka_unit_test(more_is_better),
		cmocka_unit_test(backends_are_counted),
		cmocka_unit_test(one_nine_more),
		cmocka_unit_test(cheapest),
		cmocka_unit_test(measured),
		cmocka_unit_test(bounds),
		cmocka_unit_test(status),
		cmocka_unit_test(bad_clusters_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

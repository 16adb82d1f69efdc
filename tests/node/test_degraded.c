/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_degraded.c - src/node/degraded.c: the log of services with a lesser mode, in virtual time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "node/mode.c"
#include "node/degraded.c"

#define MS	1000000ULL
#define PORT	80

/*
 * Pool 0: backends 1, 2 and, with weight 0, 3. Pool 1: backend 4. The routes of service 0 use both.
 */
static struct sp_backend_conf first[3], second[1];
static struct sp_pool_conf pools[2];
static struct sp_route routes[1];
static struct sp_service_conf services[2];
static struct sp_config config;
static struct sp_member agents[5];
static struct sp_degraded found;
static char said[SP_DEGRADED_STRLEN];
static int said_count;
static __u64 now_ns;

/* ---- doubles ---- */

const struct sp_member *sp_cluster_agent_at(const struct sp_cluster *c,
					    const struct sp_endpoint *at)
{
	const struct sp_member *m = &agents[ntohl(at->addr.w[3]) & 0xff];

	return m->is_alive ? m : NULL;
}

__u32 sp_name_id(const char *name)
{
	__u32 id = 5381;

	while (*name)
		id = id * 33 + *name++;
	return id;
}

void sp_log(enum sp_log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	said_count++;
}

/* ---- services ---- */

static struct sp_backend_conf backend(int number, const char *name, unsigned int weight)
{
	return (struct sp_backend_conf){ .name = (char *)name, .weight = weight,
					 .at = { sp_addr_v4(htonl(0x0a000000 + number)),
						 htons(PORT) } };
}

static int begin(void **state)
{
	first[0] = backend(1, "one", 1);
	first[1] = backend(2, "two", 1);
	first[2] = backend(3, "three", 0);
	second[0] = backend(4, "four", 1);
	pools[0] = (struct sp_pool_conf){ .name = "web", .id = 7, .backends = first,
					  .backend_count = 3 };
	pools[1] = (struct sp_pool_conf){ .name = "api", .id = 8, .backends = second,
					  .backend_count = 1 };
	routes[0] = (struct sp_route){ .pool_idx = 1 };
	services[0] = (struct sp_service_conf){ .name = "www", .mode = SP_MODE_SPLIT,
						.routes = routes, .route_count = 1 };
	services[1] = (struct sp_service_conf){ .name = "any", .mode = SP_MODE_AUTO };
	config = (struct sp_config){ .pools = pools, .pool_count = 2, .services = services,
				     .service_count = 2 };
	for (int i = 0; i < 5; i++)
		agents[i] = (struct sp_member){ .state = SP_MEMBER_AGENT, .is_alive = 1,
						.can = SP_CAN_SPLIT };
	memset(&found, 0, sizeof(found));
	said_count = 0;
	now_ns = 1000 * MS;
	sp_degraded_configure(&found, &config, now_ns);
	return 0;
}

/* Return: number of log lines, @ms later. */
static int said_after(unsigned int ms)
{
	int before = said_count;

	now_ns += ms * MS;
	sp_degraded_tick(&found, NULL, now_ns);
	return said_count - before;
}

static void kill_agent(int number)
{
	agents[number].is_alive = 0;
	sp_degraded_changed(&found, now_ns);
}

/* ---- tests ---- */

static void agents_have_time_to_come(void **state)
{
	kill_agent(1);
	assert_int_equal(said_after(1999), 0);
	assert_int_equal(said_after(1), 1);
	assert_string_equal(said,
			    "service www: mode split can't be had at 1 of 3 backends; at one of pool web connections "
			    "go whole: no_agent (no living agent serves at the backend)");
}

static void what_is_well_is_not_worth_a_word(void **state)
{
	agents[3].is_alive = 0;		/* the agent's backend gets no connections */
	assert_int_equal(said_after(5000), 0);
	sp_degraded_changed(&found, now_ns);
	assert_int_equal(said_after(5000), 0);
	assert_null(sp_degradation_format(&services[0], &found.of[0], said));
}

static void it_is_said_once_and_at_its_end(void **state)
{
	said_after(2000);
	kill_agent(4);
	assert_int_equal(said_after(1000), 1);
	assert_non_null(strstr(said, "at four of pool api"));
	sp_degraded_changed(&found, now_ns);
	assert_int_equal(said_after(1000), 0);
	agents[4].is_alive = 1;
	assert_int_equal(said_after(1000), 0);	/* no change was reported */
	sp_degraded_changed(&found, now_ns);
	assert_int_equal(said_after(299), 0);	/* more HELLOs may come */
	assert_int_equal(said_after(1), 1);
	assert_string_equal(said, "service www: mode split at all 3 backends");
}

static void no_more_than_once_a_second(void **state)
{
	said_after(2000);
	for (int i = 0; i < 10; i++) {
		agents[1].is_alive = i & 1;
		sp_degraded_changed(&found, now_ns);
		assert_int_equal(said_after(99), 0);
	}
	agents[1].is_alive = 0;
	sp_degraded_changed(&found, now_ns);
	assert_int_equal(said_after(10), 1);
}

/* An equal number of backends is news if the backends or the reason differ. */
static void another_one_is_news(void **state)
{
	kill_agent(1);
	assert_int_equal(said_after(2000), 1);
	agents[1].is_alive = 1;
	kill_agent(2);
	assert_int_equal(said_after(1000), 1);
	assert_non_null(strstr(said, "at two of pool web"));
	agents[2] = (struct sp_member){ .state = SP_MEMBER_AGENT, .is_alive = 1 };
	sp_degraded_changed(&found, now_ns);
	assert_int_equal(said_after(1000), 1);
	assert_non_null(strstr(said, "agent_lacks_split"));
}

static void only_what_was_asked_for_is_missed(void **state)
{
	services[0].mode = SP_MODE_WHOLE;
	for (int i = 0; i < 5; i++)
		kill_agent(i);
	assert_int_equal(said_after(2000), 0);
}

static void adopt_that_is_split_is_less(void **state)
{
	services[0].mode = SP_MODE_ADOPT;
	for (int i = 1; i <= 2; i++)
		agents[i] = (struct sp_member){ .state = SP_MEMBER_AGENT, .is_alive = 1,
						.can = SP_CAN_ALL, .adopts = 1,
						.owned_count = 1,
						.owned = { backend(i, "", 0).at } };
	assert_int_equal(said_after(2000), 1);
	assert_non_null(strstr(said,
			       "mode adopt can't be had at 1 of 3 backends; at four of pool api connections go split: "
			       "agent_lacks_adopt"));
}

/* A reload needs no second delay. Faults are logged again: services may have changed. */
static void a_reload_looks_at_once(void **state)
{
	kill_agent(1);
	assert_int_equal(said_after(2000), 1);
	now_ns += 1000 * MS;
	sp_degraded_configure(&found, &config, now_ns);
	assert_int_equal(said_after(0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(agents_have_time_to_come, begin),
		cmocka_unit_test_setup(what_is_well_is_not_worth_a_word, begin),
		cmocka_unit_test_setup(it_is_said_once_and_at_its_end, begin),
		cmocka_unit_test_setup(no_more_than_once_a_second, begin),
		cmocka_unit_test_setup(another_one_is_news, begin),
		cmocka_unit_test_setup(only_what_was_asked_for_is_missed, begin),
		cmocka_unit_test_setup(adopt_that_is_split_is_less, begin),
		cmocka_unit_test_setup(a_reload_looks_at_once, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

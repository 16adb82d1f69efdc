// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_metrics.c - names and values of metrics, also of an overview without some of its parts */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "web/counters.c"
#undef COUNT
#include "web/metrics.c"
#include "web/sample.c"
#undef COUNT
#include "web/traffic.c"

/* @overview: JSON with ' in place of "; NULL: the daemon is away. To be freed. */
static char *print_text(const char *overview)
{
	char *json = overview ? strdup(overview) : NULL, *text = NULL;
	json_t *object = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	for (char *c = json; c && *c; c++)
		*c = *c == '\'' ? '"' : *c;
	if (json)
		object = json_loads(json, 0, NULL);
	assert_true(!json || object);
	sp_metrics_print(object, out);
	fclose(out);
	json_decref(object);
	free(json);
	return text;
}

/* Each of the lines is there. */
static void expect(const char *overview, const char *const *lines)
{
	char *text = print_text(overview);

	for (; *lines; lines++)
		if (!strstr(text, *lines))
			fail_msg("no '%s' in:\n%s", *lines, text);
	free(text);
}

static void daemon_away_is_one_sample(void **state)
{
	char *text = print_text(NULL);

	assert_non_null(strstr(text, "\nspliced_up 0\n"));
	assert_null(strstr(text, "spliced_ready"));
	free(text);
}

static void empty_answers_are_no_fault(void **state)
{
	expect("{}", (const char *const[]){ "\nspliced_up 1\n", "\nspliced_ready 0\n", NULL });
	expect("{'status':[],'cluster':7,'drops':null}",
	       (const char *const[]){ "\nspliced_up 1\n", NULL });
	expect("{'status':{'pools':[{'backends':[{'check':7}]}],'counters':[]}}",
	       (const char *const[]){ "\nspliced_backend_up{pool=\"\",backend=\"\"} 1\n", NULL });
}

static void names_are_escaped(void **state)
{
	expect("{'status':{'pools':[{'name':'a\\\"b',"
	       "'backends':[{'name':'c\\\\d\\ne','state':'down'}]}]}}",
	       (const char *const[]){
		       "\nspliced_backend_up{pool=\"a\\\"b\",backend=\"c\\\\d\\ne\"} 0\n", NULL });
}

static void counters_have_families(void **state)
{
	expect("{'status':{'counters':{'answered_404':3,'spliced':9,'spliced_whole':4,"
	       "'spliced_pkts':5,'requests':6,'requests_carried':7,'requests_stale':8,'sent_pkts':2,"
	       "'spliced_bytes':9007199254740992}}}",
	       (const char *const[]){
		       "\nspliced_replies_total{status=\"404\"} 3\n",
		       "\nspliced_connections_made_total{mode=\"whole\"} 4\n",
		       "\nspliced_carried_packets_total 5\n", "\nspliced_requests_read_total 6\n",
		       "\nspliced_requests_total{way=\"carried\"} 7\n",
		       "\nspliced_requests_stale_total 8\n", "\nspliced_sent_packets_total 2\n",
		       "\nspliced_carried_bytes_total 9007199254740992\n", NULL });
}

static void buckets_add_up(void **state)
{
	expect("{'status':{'durations':{'connect':{'sum_us':1500,'buckets':[{'end_us':50,'count':2},"
	       "{'end_us':1000,'count':0},{'end_us':null,'count':1}]}}}}",
	       (const char *const[]){
		       "\nspliced_connect_duration_seconds_bucket{le=\"5e-05\"} 2\n",
		       "_bucket{le=\"0.001\"} 2\n", "_bucket{le=\"+Inf\"} 3\n",
		       "\nspliced_connect_duration_seconds_sum 0.0015\n",
		       "\nspliced_connect_duration_seconds_count 3\n", NULL });
}

static void traffic_is_of_services_with_a_log(void **state)
{
	expect("{'status':{'services':[{'name':'a','traffic':null},"
	       "{'name':'b','traffic':{'bytes_in':7,'bytes_out':9,'requests':{'unknown':0,'2xx':3},"
	       "'first_byte':{'sum_us':150,'buckets':[{'end_us':50,'count':2},"
	       "{'end_us':null,'count':1}]}}},"
	       "{'name':'c','traffic':{'bytes_in':1,'bytes_out':2,'connections':4}}]}}",
	       (const char *const[]){
		       " counter\nspliced_service_requests_total{service=\"b\",code=\"unknown\"} 0\n",
		       "\nspliced_service_requests_total{service=\"b\",code=\"2xx\"} 3\n#",
		       "\nspliced_service_ended_connections_total{service=\"c\"} 4\n#",
		       "\nspliced_service_sent_bytes_total{service=\"b\"} 9\n"
		       "spliced_service_sent_bytes_total{service=\"c\"} 2\n#",
		       "\nspliced_service_first_byte_seconds_bucket{service=\"b\",le=\"5e-05\"} 2\n",
		       "\nspliced_service_first_byte_seconds_bucket{service=\"b\",le=\"+Inf\"} 3\n",
		       "\nspliced_service_first_byte_seconds_count{service=\"b\"} 3\n", NULL });
}

static void kinds_of_warnings_are_counted(void **state)
{
	expect("{'status':{'warnings':['a','b','c'],'warning_details':[{'kind':'ipsec'},"
	       "{'kind':'ipsec'},{'kind':'checker'}]}}",
	       (const char *const[]){ "\nspliced_warnings 3\n",
				      "\nspliced_warnings_by_kind{kind=\"ipsec\"} 2\n",
				      "\nspliced_warnings_by_kind{kind=\"checker\"} 1\n", NULL });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(daemon_away_is_one_sample),
		cmocka_unit_test(empty_answers_are_no_fault),
		cmocka_unit_test(names_are_escaped),
		cmocka_unit_test(counters_have_families),
		cmocka_unit_test(buckets_add_up),
		cmocka_unit_test(traffic_is_of_services_with_a_log),
		cmocka_unit_test(kinds_of_warnings_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_show.c - text that splicectl makes of the daemon's answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "ctl/show.c"

static json_t *json(const char *text)
{
	json_t *object = json_loads(text, 0, NULL);

	assert_non_null(object);
	return object;
}

static void bytes_have_units(void **state)
{
	static const struct {
		json_int_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0B" },		    { 1023, "1023B" },
		{ 1024, "1.0KiB" },	    { 1536, "1.5KiB" },
		{ 1048524, "1023.9KiB" },   { 1048575, "1.0MiB" },
		{ 1073741824, "1.0GiB" },   { 9223372036854775807, "8.0EiB" },
	};
	char buf[SP_HUMAN_MAX];

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(sp_human_bytes(cases[i].bytes, buf), cases[i].text);
}

static void ages_have_their_two_largest_units(void **state)
{
	static const struct {
		json_int_t ms;
		const char *text;
	} cases[] = {
		{ 0, "0ms" },	      { 999, "999ms" },	     { 1999, "1s" },
		{ 59999, "59s" },     { 60000, "1m00s" },    { 3599999, "59m59s" },
		{ 3600000, "1h00m" }, { 86399999, "23h59m" }, { 273600000, "3d04h" },
		{ 9223372036854775807, "106751991167d07h" },
	};
	char buf[SP_HUMAN_MAX];

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(sp_human_ms(cases[i].ms, buf), cases[i].text);
}

static const char aligned_status[] =
	"spliced 0.1.0, pid 7, up 2m05s, ready\n"
	"  proxy       proxy1\n"
	"  config      /etc/spliced/spliced.yaml\n"
	"  store       redis, in sync\n"
	"  splices     250000 of 1000000 (25.0 %)\n"
	"  survivable  249000 of 249500 live\n"
	"  pending     3\n"
	"\nWARNINGS\n"
	"WARNING: service www: mode split can't be had at 1 of 2 backends\n"
	"  remedy: see below\n"
	"WARNING: b0 is gone\n"
	"  since:  2026-11-29 12:00:00Z\n"
	"  remedy: bring it back\n"
	"\n"
	"SERVICE  PROTOCOL  MODE   CONNECTIONS  LISTEN\n"
	"www      http      split  12 of 20000  192.0.2.1:80\n"
	"                                       [2001:db8::1]:80\n"
	"ssh      tcp       auto   -            192.0.2.1:22\n"
	"\n"
	"SERVICE  MODE   POOL  BACKEND      AGENT  IN EFFECT  BECAUSE\n"
	"www      split  wäb   10.0.2.1:80  h1     split      -\n"
	"www      split  wäb   b2           -      whole      no_agent\n"
	"ssh      auto   wäb   10.0.2.1:80  h1     split      agent_lacks_adopt\n"
	"\n"
	"POOL  BACKEND      ADDRESS         STATE  WEIGHT  FAILURES  OPEN  CONNECTIONS  REFUSED  SILENT\n"
	"wäb   10.0.2.1:80  10.0.2.1:80     up          2         0    31         1200        0       0\n"
	"      b2           [fd00:2::1]:80  down        1        12     0            3       40       7\n"
	"\n"
	"STORE SERVER   STATE  LATENCY  IN FLIGHT  COMMANDS  ERRORS  RECONNECTS\n"
	"10.0.8.1:6379  up        87us          3      1000       0           1\n"
	"10.0.8.2:6379  down       0us          0         0       0           9\n"
	"\n"
	"STORE COUNTER  VALUE\n"
	"commits_ok        12\n"
	"\n"
	"COUNTER  VALUE\n"
	"heads    12345\n"
	"bad          7\n";

static void status_is_aligned(void **state)
{
	json_t *object = json("{\"version\":\"0.1.0\",\"pid\":7,\"uptime_s\":125,\"ready\":true,"
			      "\"config\":\"/etc/spliced/spliced.yaml\",\"splices\":250000,\"splices_max\":1000000,"
			      "\"pending\":3,\"proxy\":\"proxy1\",\"in_sync\":true,\"connections_live\":249500,\"connections_survivable\":249000,"
			      "\"store\":{\"engine\":\"redis\",\"servers\":["
			      "{\"name\":\"10.0.8.1:6379\",\"state\":\"up\",\"latency_us\":87,\"in_flight\":3,"
			      "\"commands\":1000,\"errors\":0,\"reconnects\":1},"
			      "{\"name\":\"10.0.8.2:6379\",\"state\":\"down\",\"reconnects\":9}],"
			      "\"counters\":{\"commits_ok\":12}},\"warning_details\":["
			      "{\"text\":\"service www: mode split can't be had at 1 of 2 backends\",\"remedy\":\"see below\",\"since\":null},"
			      "{\"text\":\"b0 is gone\",\"remedy\":\"bring it back\",\"since\":1795953600}],"
			      "\"services\":[{\"name\":\"www\",\"protocol\":\"http\",\"mode\":\"split\",\"pools\":[\"wäb\"],"
			      "\"connections\":12,\"max_connections\":20000,"
			      "\"listen\":[\"192.0.2.1:80\",\"[2001:db8::1]:80\"]},"
			      "{\"name\":\"ssh\",\"protocol\":\"tcp\",\"mode\":\"auto\",\"pools\":[\"wäb\"],\"listen\":[\"192.0.2.1:22\"]}],"
			      "\"pools\":[{\"name\":\"wäb\",\"backends\":["
			      "{\"name\":\"10.0.2.1:80\",\"address\":\"10.0.2.1:80\",\"weight\":2,\"state\":\"up\","
			      "\"failures\":0,\"open\":31,\"connections\":1200,\"refused\":0,\"silent\":0,\"agent\":\"h1\",\"modes\":{"
			      "\"split\":{\"mode\":\"split\",\"reason\":null},\"auto\":{\"mode\":\"split\",\"reason\":\"agent_lacks_adopt\"}}},"
			      "{\"name\":\"b2\",\"address\":\"[fd00:2::1]:80\",\"weight\":1,\"state\":\"down\","
			      "\"failures\":12,\"connections\":3,\"refused\":40,\"silent\":7,\"agent\":null,"
			      "\"modes\":{\"split\":{\"mode\":\"whole\",\"reason\":\"no_agent\"}}}]}],\"counters\":{\"heads\":12345,\"bad\":7}}");
	size_t len;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);

	sp_show_status(object, out);
	fclose(out);
	assert_string_equal(text, aligned_status);
	free(text);
	json_decref(object);
}

static void reason_stands_where_it_is_not_ready(void **state)
{
	json_t *object =
		json("{\"ready\":false,\"reason\":\"draining\",\"in_sync\":false,\"store\":{\"engine\":\"redis\"}}");
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	sp_show_status(object, out);
	fclose(out);
	assert_non_null(strstr(text, ", NOT READY\n  because     draining\n"));
	assert_non_null(strstr(text, "  store       redis, NOT IN SYNC\n"));
	free(text);
	json_decref(object);
}

static void members_are_aligned(void **state)
{
	json_t *object = json("{\"members\":["
			      "{\"name\":\"proxy1\",\"relay\":\"10.0.8.11:7946\",\"state\":\"draining\",\"is_self\":true,\"up_s\":61,\"splices\":7},"
			      "{\"name\":\"p2\",\"relay\":\"[fd00::2]:7946\",\"state\":\"dead\",\"up_s\":7200,\"heard_ms\":1500,\"splices\":12}]}");
	json_t *none = json("{\"members\":[]}");
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	sp_show_cluster(object, out);
	sp_show_cluster(none, out);
	fclose(out);
	assert_string_equal(text, "PROXY   RELAY           STATE        UP  HEARD  SPLICES\n"
				  "proxy1  10.0.8.11:7946  draining  1m01s      -        7\n"
				  "p2      [fd00::2]:7946  dead      2h00m     1s       12\n"
				  "no cluster is configured\n");
	free(text);
	json_decref(object);
	json_decref(none);
}

/* An older or newer daemon may leave fields out. */
static void missing_fields_do_no_harm(void **state)
{
	json_t *object =
		json("{\"services\":{},\"pools\":[{\"backends\":[{}]}],\"counters\":[],\"splices\":\"x\"}");
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	sp_show_status(object, out);
	sp_show_drops(object, 1, out);
	fclose(out);
	assert_non_null(strstr(text, "NOT READY"));
	free(text);
	json_decref(object);
}

static void drops_leave_zeros_out(void **state)
{
	json_t *object =
		json("{\"reasons\":[{\"name\":\"miss\",\"what\":\"daemon\",\"why\":\"w\",\"pkts\":0},"
			      "{\"name\":\"head\",\"what\":\"daemon\",\"why\":\"first segments\",\"pkts\":12}]}");
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	sp_show_drops(object, 0, out);
	fputs("--\n", out);
	sp_show_drops(object, 1, out);
	fclose(out);
	assert_string_equal(text, "REASON  PKTS  FATE    WHY\n"
				  "head      12  daemon  first segments\n"
				  "--\n"
				  "REASON  PKTS  FATE    WHY\n"
				  "miss       0  daemon  w\n"
				  "head      12  daemon  first segments\n");
	free(text);
	json_decref(object);
}

/* More than a page: one title line, and columns that never get narrower. */
static void connections_are_printed_in_pages(void **state)
{
	json_t *row = json("{\"front\":{\"from\":\"198.51.100.7:40000\",\"to\":\"192.0.2.1:80\"},"
			   "\"back\":{\"from\":\"10.0.9.1:20000\",\"to\":\"10.0.2.1:80\"},\"service\":\"www\","
			   "\"pool\":null,\"backend\":\"10.0.2.1:80\",\"state\":\"open\",\"age_ms\":61000,"
			   "\"idle_ms\":5,\"bytes_up\":100,\"bytes_down\":2048,\"pkts_up\":1,\"pkts_down\":2,"
			   "\"exchanges\":4}");
	static const char line[] =
		"198.51.100.7:40000  192.0.2.1:80  10.0.9.1:20000  10.0.2.1:80  www      -     -     "
				   "open   1m01s   5ms  100B  2.0KiB         4\n";
	struct sp_table table;
	size_t len, lines = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);

	sp_show_connections_init(&table);
	for (int i = 0; i < 2 * SP_TABLE_ROWS_MAX + 1; i++)
		sp_show_connection(&table, row, out);
	sp_table_print(&table, out);
	fclose(out);
	assert_memory_equal(text, "CLIENT  ", 8);
	for (const char *p = strchr(text, '\n') + 1; *p; p += strlen(line), lines++)
		assert_memory_equal(p, line, strlen(line));
	assert_int_equal(lines, 2 * SP_TABLE_ROWS_MAX + 1);
	free(text);
	json_decref(row);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_have_units),
		cmocka_unit_test(ages_have_their_two_largest_units),
		cmocka_unit_test(status_is_aligned),
		cmocka_unit_test(reason_stands_where_it_is_not_ready),
		cmocka_unit_test(members_are_aligned),
		cmocka_unit_test(missing_fields_do_no_harm),
		cmocka_unit_test(drops_leave_zeros_out),
		cmocka_unit_test(connections_are_printed_in_pages),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

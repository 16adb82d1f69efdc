/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_config.c - goldens in config/ (N.yaml gives N.ok, or the line N.err), bounds, and
 * properties that print does not show.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Allocations until memory is exhausted; negative: no limit. */
static int allocs_left = -1;

static void *scarce_calloc(size_t count, size_t size)
{
	if (allocs_left == 0)
		return NULL;
	if (allocs_left > 0)
		allocs_left--;
	return calloc(count, size);
}

#define calloc scarce_calloc
#include "config/config.c"
#include "config/doc.c"
#undef calloc

#include <arpa/inet.h>
#include <dirent.h>
#include <sys/stat.h>

#include "base/addr.h"

#define GOLDENS_MIN	150

static char *file_text(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, EOF, file) < 0 && text)
		text[0] = 0;
	fclose(file);
	return text ? text : strdup("");
}

static char *config_text(const struct sp_config *config)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	sp_config_print(config, out);
	fclose(out);
	return text;
}

static char *path_of(const char *stem, const char *ending)
{
	char *path;

	assert_true(asprintf(&path, "%s.%s", stem, ending) > 0);
	return path;
}

static void check_round_trip(const char *text)
{
	char error[SP_CONFIG_ERROR_MAX] = "";
	struct sp_config *config = NULL;
	char *again;

	if (sp_config_load_bytes("printed", text, strlen(text), error, &config))
		fail_msg("%s", error);
	again = config_text(config);
	assert_string_equal(again, text);
	free(again);
	sp_config_free(config);
}

static void check_ok(const char *path, const char *expected)
{
	char error[SP_CONFIG_ERROR_MAX] = "";
	struct sp_config *config = NULL;
	char *text;

	if (sp_config_load(path, error, &config))
		fail_msg("%s", error);
	text = config_text(config);
	assert_string_equal(text, expected);
	check_round_trip(text);
	free(text);
	sp_config_free(config);
}

static void check_err(const char *path, char *expected)
{
	char error[SP_CONFIG_ERROR_MAX] = "";
	struct sp_config *config = NULL;

	assert_true(expected[0] && expected[strlen(expected) - 1] == '\n');
	expected[strlen(expected) - 1] = 0;
	assert_int_equal(sp_config_load(path, error, &config), -EINVAL);
	assert_null(config);
	assert_string_equal(error, expected);
	assert_null(strchr(error, '\n'));
}

static void check_golden(const char *stem)
{
	char *path = path_of(stem, "yaml"), *ok_path = path_of(stem, "ok"),
		*err_path = path_of(stem, "err");
	char *ok = file_text(ok_path), *err = file_text(err_path);

	if (!ok == !err)
		fail_msg("%s: one of %s and %s must be there", path, ok_path, err_path);
	if (ok)
		check_ok(path, ok);
	else
		check_err(path, err);
	free(ok);
	free(err);
	free(path);
	free(ok_path);
	free(err_path);
}

static int is_yaml(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && !strcmp(entry->d_name + len - 5, ".yaml");
}

static void goldens(void **state)
{
	struct dirent **entries;
	int count = scandir(".", &entries, is_yaml, alphasort);

	assert_true(count >= GOLDENS_MIN);
	for (int i = 0; i < count; i++) {
		entries[i]->d_name[strlen(entries[i]->d_name) - 5] = 0;
		check_golden(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

static struct sp_config *load_text(const char *text)
{
	char error[SP_CONFIG_ERROR_MAX] = "";
	struct sp_config *config = NULL;

	if (sp_config_load_bytes("text", text, strlen(text), error, &config))
		fail_msg("%s", error);
	return config;
}

static void example_fills_every_field(void **state)
{
	char *text = file_text("example.yaml"), addr[SP_ENDPOINT_STRLEN];
	struct sp_config *config = load_text(text);
	const struct sp_service_conf *service = &config->services[0];
	const struct sp_route *route = &service->routes[0];

	assert_int_equal(config->interface_count, 2);
	assert_string_equal(config->interfaces[1], "eth1");
	assert_int_equal(config->snat_count, 2);
	assert_string_equal(sp_addr_format(&config->snat_addrs[1], addr), "fd00:9::1");
	assert_int_equal(config->snat_port_first, 20000);
	assert_int_equal(config->snat_port_last, 59999);
	assert_int_equal(config->limits.held_bytes, 134217728);
	assert_int_equal(config->limits.head_bytes, 65536);
	assert_int_equal(config->limits.connect_ns, 1000000000);
	assert_true(config->limits.idle_ns == 7800000000000);
	assert_int_equal(config->pools[0].id, sp_name_id("web"));
	assert_int_equal(config->pools[0].failures, 3);
	assert_true(config->pools[0].retry_ns == 5000000000);
	assert_int_equal(config->pools[0].backend_count, 2);
	assert_int_equal(config->pools[0].backends[0].weight, 2);
	assert_int_equal(ntohs(config->pools[0].backends[0].at.port_be), 80);
	assert_int_equal(service->listen_count, 2);
	assert_int_equal(service->offer.mss, 1460);
	assert_int_equal(service->offer.window, 65535);
	assert_int_equal(service->offer.wscale, 7);
	assert_int_equal(service->offer.flags,
			 SP_SERVICE_F_SACK | SP_SERVICE_F_TIMESTAMPS | SP_SERVICE_F_WSCALE |
			 SP_SERVICE_F_ECN);
	assert_int_equal(service->route_count, 2);
	assert_string_equal(route->methods[1], "HEAD");
	assert_null(route->methods[2]);
	assert_string_equal(route->header, "X-Beta");
	assert_string_equal(route->value, "1");
	assert_null(service->routes[1].methods);
	assert_int_equal(route->pool_idx, 0);
	assert_int_equal(service->default_pool_idx, 0);
	sp_config_free(config);
	free(text);
}

static void shipped_agent_loads(void **state)
{
	char error[SP_CONFIG_ERROR_MAX] = "";
	struct sp_config *config = NULL;

	if (sp_config_load_agent(SP_CONTRIB "/spliced-agent.yaml", error, &config))
		fail_msg("%s", error);
	assert_int_equal(config->serve_count, 2);
	sp_config_free(config);
}

static void shipped_examples_load(void **state)
{
	static const char *const names[] = { "spliced.yaml", "spliced-cluster.yaml",
					      "spliced-from-haproxy.yaml" };
	char error[SP_CONFIG_ERROR_MAX] = "", path[256], *text;
	struct sp_config *config = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", SP_CONTRIB, names[i]);
		if (sp_config_load(path, error, &config))
			fail_msg("%s", error);
		text = config_text(config);
		check_round_trip(text);
		free(text);
		sp_config_free(config);
	}
}

static void tcp_lets_the_server_speak_first(void **state)
{
	char *text = file_text("tcp.yaml");
	struct sp_config *config = load_text(text);

	assert_true(config->services[0].offer.flags & SP_SERVICE_F_SERVER_FIRST);
	assert_int_equal(config->services[0].route_count, 0);
	sp_config_free(config);
	free(text);
}

/* The cost is paid only where requests can lead to different pools, or have their head changed. */
static void requests_are_read_where_needed(void **state)
{
	static const struct { const char *file; enum sp_route_unit unit; int reads; } cases[] = {
		{ "route_of_requests.yaml", SP_ROUTE_REQUEST, 1 },
		{ "route_of_requests_or_404.yaml", SP_ROUTE_REQUEST, 1 },
		{ "route_of_requests_to_one_pool.yaml", SP_ROUTE_REQUEST, 0 },
		{ "route_of_connections.yaml", SP_ROUTE_CONNECTION, 0 },
		{ "forwarded_x.yaml", SP_ROUTE_REQUEST, 1 },
		{ "forwarded_by_connection.yaml", SP_ROUTE_CONNECTION, 1 },
		{ "request_headers_set_32.yaml", SP_ROUTE_REQUEST, 1 },
		{ "request_headers_removed.yaml", SP_ROUTE_REQUEST, 1 },
		{ "request_headers_none.yaml", SP_ROUTE_REQUEST, 0 },
		{ "accept_proxy.yaml", SP_ROUTE_REQUEST, 0 },
		{ "minimal.yaml", SP_ROUTE_REQUEST, 0 },
		{ "tls.yaml", SP_ROUTE_CONNECTION, 0 },
		{ "tcp.yaml", SP_ROUTE_CONNECTION, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = file_text(cases[i].file);
		struct sp_config *config = load_text(text);

		assert_int_equal(config->services[0].route_unit, cases[i].unit);
		assert_int_equal(sp_service_reads_requests(&config->services[0]), cases[i].reads);
		sp_config_free(config);
		free(text);
	}
}

static void changes_fill_every_field(void **state)
{
	char *text = file_text("forwarded_rfc7239.yaml"), range[SP_PREFIX_STRLEN];
	struct sp_config *config = load_text(text);
	const struct sp_rewrite *rules = &config->services[0].rewrite;

	assert_int_equal(rules->forwarded, SP_FORWARDED_FORWARDED);
	assert_int_equal(rules->trust_count, 3);
	assert_string_equal(sp_prefix_format(&rules->trusts[1], range), "2001:db8::/32");
	sp_config_free(config);
	free(text);
	text = file_text("request_headers.yaml");
	config = load_text(text);
	rules = &config->services[0].rewrite;
	assert_int_equal(rules->set_count, 5);
	assert_string_equal(rules->sets[2].name, "X-Count");
	assert_string_equal(rules->sets[2].value, "1");
	assert_int_equal(rules->remove_count, 3);
	assert_string_equal(rules->removes[2], "on");
	sp_config_free(config);
	free(text);
}

static void default_may_be_absent(void **state)
{
	struct sp_config *config = load_text("interfaces: [lo]\nkey_file: /k\n"
					     "pools: [{name: p, source: client, backends: [{address: 10.0.0.1:1}]}]\n"
					     "services: [{name: s, protocol: tls, listen: 10.0.0.2:443,\n"
					     "  routes: [{host: a.example, pool: p}]}]\n");
	char *text = config_text(config);

	assert_int_equal(config->services[0].default_pool_idx, -1);
	assert_int_equal(config->services[0].offer.mss, 0);
	assert_null(strstr(text, "default:"));
	check_round_trip(text);
	free(text);
	sp_config_free(config);
}

/* Numbers of objects at their limit, and just above. */
struct crowd {
	unsigned int	interfaces, snats, pools, backends, services, listens, routes, methods,
		alpns;
	const char	*error;
};

#define OF_ONE 1, 1, 1, 1, 1, 1, 1, 1, 1
static const struct crowd crowds[] = {
	{ OF_ONE, NULL },
	{ 64, 256, 1, 1, 1, 64, 1, 32, 16, NULL },
	{ 1, 1, 1024, 1, 256, 1, 1, 1, 1, NULL },
	{ 1, 1, 1, 4096, 1, 1, 1024, 1, 1, NULL },
	{ 1, 1, 1, 1, 1, 1, 64, 1, 16, NULL },
	{ 65, 1, 1, 1, 1, 1, 1, 1, 1, "interfaces: found a list of 65; allowed: 1 to 64 entries" },
	{ 1, 257, 1, 1, 1, 1, 1, 1, 1,
	  "addresses: found a list of 257; allowed: 0 to 256 entries" },
	{ 1, 1, 1025, 1, 1, 1, 1, 1, 1, "pools: found a list of 1025; allowed: 1 to 1024 entries" },
	{ 1, 1, 1, 4097, 1, 1, 1, 1, 1,
	  "backends: found a list of 4097; allowed: 1 to 4096 entries" },
	{ 1, 1, 1, 1, 257, 1, 1, 1, 1, "services: found a list of 257; allowed: 1 to 256 entries" },
	{ 1, 1, 1, 1, 1, 65, 1, 1, 1, "listen: found a list of 65; allowed: 1 to 64 entries" },
	{ 1, 1, 1, 1, 1, 1, 1025, 1, 1,
	  "routes: found a list of 1025; allowed: 0 to 1024 entries" },
	{ 1, 1, 1, 1, 1, 1, 65, 1, 16,
	  "routes: found 1040, one for each name in \"alpn\"; allowed: up to 1024" },
	{ 1, 1, 1, 1, 1, 1, 1, 33, 1, "method: found a list of 33; allowed: 1 to 32 entries" },
	{ 1, 1, 1, 1, 1, 1, 1, 1, 17, "alpn: found a list of 17; allowed: 1 to 16 entries" },
};

static void put_list(FILE *out, const char *fmt, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		fputs(i ? ", " : "[", out);
		fprintf(out, fmt, i / 250, i % 250 + 1);
	}
	fputs("]", out);
}

static void put_routes(FILE *out, const struct crowd *crowd)
{
	for (unsigned int i = 0; i < crowd->routes; i++) {
		fprintf(out, "  - {host: h%u.example, pool: p0, ", i);
		fputs(crowd->alpns > 1 ? "alpn: " : "method: ", out);
		put_list(out, "m%u-%u", crowd->alpns > 1 ? crowd->alpns : crowd->methods);
		fputs("}\n", out);
	}
}

static char *crowd_text(const struct crowd *crowd)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	fputs("key_file: /k\ninterfaces: ", out);
	put_list(out, "e%u-%u", crowd->interfaces);
	fputs("\nsource:\n addresses: ", out);
	put_list(out, "10.9.%u.%u", crowd->snats);
	fputs("\npools:\n", out);
	for (unsigned int i = 0; i < crowd->pools; i++) {
		fprintf(out, "- name: p%u\n  backends: ", i);
		put_list(out, "{address: 10.1.%u.%u:80}", crowd->backends);
		fputs("\n", out);
	}
	fputs("services:\n", out);
	for (unsigned int i = 0; i < crowd->services; i++) {
		fprintf(out, "- name: s%u\n  protocol: %s\n  listen: ", i, crowd->alpns > 1 ?
			"tls" : "http");
		for (unsigned int k = 0; k < crowd->listens; k++)
			fprintf(out, "%s10.2.%u.%u:%u", k ? ", " :
				"[", i / 250, i % 250 + 1, k + 1);
		fputs("]\n  routes:\n", out);
		put_routes(out, crowd);
	}
	fclose(out);
	return text;
}

static void limits_of_numbers(void **state)
{
	for (size_t i = 0; i < sizeof(crowds) / sizeof(crowds[0]); i++) {
		char error[SP_CONFIG_ERROR_MAX] = "", *text = crowd_text(&crowds[i]);
		struct sp_config *config = NULL;
		int err = sp_config_load_bytes("crowd", text, strlen(text), error, &config);

		assert_int_equal(err, crowds[i].error ? -EINVAL : 0);
		if (crowds[i].error)
			assert_non_null(strstr(error, crowds[i].error));
		sp_config_free(config);
		free(text);
	}
}

static struct sp_tuple to_endpoint(const char *text)
{
	struct sp_tuple front = { 0 };

	assert_int_equal(sp_endpoint_parse(text, &front.daddr, &front.dport), 0);
	return front;
}

/* Services differ in address, in port, or in both. Endpoints between them have no service. */
static void services_are_found_where_they_listen(void **state)
{
	struct crowd crowd = { 1, 1, 1, 1, 256, 64, 1, 1, 1, NULL };
	char *text = crowd_text(&crowd);
	struct sp_config *config = load_text(text);

	for (unsigned int i = 0; i < 256; i++)
		for (unsigned int port = 1; port <= 66; port++) {
			struct sp_tuple front;
			char at[SP_ENDPOINT_STRLEN];

			snprintf(at, sizeof(at), "10.2.%u.%u:%u", i / 250, i % 250 + 1, port);
			front = to_endpoint(at);
			assert_ptr_equal(sp_config_service_at(config, &front),
					 port <= 64 ? &config->services[i] : NULL);
		}
	sp_config_free(config);
	free(text);
}

static void services_listen_on_both_families(void **state)
{
	char *text = file_text("example.yaml");
	struct sp_config *config = load_text(text);
	static const struct { const char *at; int is_found; } cases[] = {
		{ "192.0.2.1:80", 1 }, { "[2001:db8::1]:80", 1 }, { "192.0.2.1:81", 0 },
			{ "192.0.2.2:80", 0 },
		{ "[2001:db8::2]:80", 0 }, { "[::192.0.2.1]:80", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sp_tuple front = to_endpoint(cases[i].at);

		assert_ptr_equal(sp_config_service_at(config, &front), cases[i].is_found ?
				 &config->services[0] : NULL);
	}
	sp_config_free(config);
	free(text);
}

static void limit_of_values(void **state)
{
	size_t size = 2 * SP_CONFIG_NODES_MAX + 1;
	char *bytes = malloc(size), error[SP_CONFIG_ERROR_MAX] = "";
	struct sp_config *config = NULL;

	for (size_t i = 0; i < size; i++)
		bytes[i] = i % 2 ? 'x' : ',';
	bytes[0] = '[';
	assert_int_equal(sp_config_load_bytes("bytes", bytes, size, error, &config), -EINVAL);
	assert_string_equal(error,
			    "bytes:1:2097152: found more than 1048576 values; allowed: 1048576");
	free(bytes);
}

static void limit_of_the_file(void **state)
{
	char path[] = "/tmp/spliced-config-XXXXXX", error[SP_CONFIG_ERROR_MAX];
	struct sp_config *config = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SP_CONFIG_FILE_BYTES_MAX + 1), 0);
	assert_int_equal(sp_config_load(path, error, &config), -EFBIG);
	assert_non_null(strstr(error, ": found more than 4194304 bytes; allowed: 4194304"));
	assert_int_equal(ftruncate(fd, SP_CONFIG_FILE_BYTES_MAX), 0);
	/* a file of NULs is read, and refused */
	assert_int_equal(sp_config_load(path, error, &config), -EINVAL);
	close(fd);
	unlink(path);
	assert_int_equal(sp_config_load(path, error, &config), -ENOENT);
	assert_non_null(strstr(error, ": can't be read: No such file or directory"));
	assert_int_equal(sp_config_load("/", error, &config), -EISDIR);
	assert_null(config);
}

static void long_paths_leave_room_for_the_message(void **state)
{
	char path[1000], error[SP_CONFIG_ERROR_MAX] = "";
	struct sp_config *config = NULL;

	memset(path, 'd', sizeof(path));
	strcpy(path + sizeof(path) - 8, "/x.yaml");
	assert_int_equal(sp_config_load_bytes(path, "a: b", 4, error, &config), -EINVAL);
	assert_non_null(strstr(error,
			       "/x.yaml:1:1: the configuration: found the unknown key \"a\""));
	assert_int_equal(strncmp(error, "...d", 4), 0);
}

static void long_values_are_cut(void **state)
{
	char text[3000] = "interfaces: [a]\nkey_file: ", error[SP_CONFIG_ERROR_MAX] = "";
	struct sp_config *config = NULL;

	memset(text + strlen(text), 'k', 2000);
	assert_int_equal(sp_config_load_bytes("f", text, strlen(text), error, &config), -EINVAL);
	assert_non_null(strstr(error, "kkk...\"; allowed: an absolute path"));
	assert_true(strlen(error) < 200);
}

static void many_pools_are_cut(void **state)
{
	struct crowd crowd = { 1, 1, 300, 1, 1, 1, 1, 1, 1, NULL };
	char *text = crowd_text(&crowd), error[SP_CONFIG_ERROR_MAX] = "";
	struct sp_config *config = NULL;

	memcpy(strstr(text, "pool: p0"), "pool: zz", 8);
	assert_int_equal(sp_config_load_bytes("f", text, strlen(text), error, &config), -EINVAL);
	assert_non_null(strstr(error,
			       "pool: found \"zz\"; allowed: the name of a pool: p0, p1, p2, "));
	assert_string_equal(error + strlen(error) - 5, ", ...");
	free(text);
}

/*
 * A file that is still being written: every prefix is good or refused, and leaves no memory behind
 * (LeakSanitizer).
 */
static void every_prefix(void **state)
{
	char *text = file_text("example.yaml"), error[SP_CONFIG_ERROR_MAX];
	size_t refused = 0;

	for (size_t len = 0; len <= strlen(text); len++) {
		struct sp_config *config = NULL;
		char *bytes = malloc(len + 1); /* exactly as long, for AddressSanitizer */

		memcpy(bytes, text, len);
		bytes = realloc(bytes, len ? len : 1);
		if (sp_config_load_bytes("prefix", bytes, len, error, &config))
			refused++;
		sp_config_free(config);
		free(bytes);
	}
	assert_true(refused > strlen(text) / 2);
	free(text);
}

static void memory_runs_out(void **state)
{
	char *text = file_text("tls.yaml"), error[SP_CONFIG_ERROR_MAX];
	struct sp_config *config = NULL;
	int err = -ENOMEM, allocs;

	for (allocs = 0; err && allocs < 1000; allocs++) {
		error[0] = 0;
		allocs_left = allocs;
		err = sp_config_load_bytes("f", text, strlen(text), error, &config);
		if (err) {
			assert_int_equal(err, -ENOMEM);
			assert_string_equal(error, "f: out of memory");
		}
	}
	allocs_left = -1;
	assert_int_equal(err, 0);
	assert_true(allocs > 15);
	sp_config_free(config);
	free(text);
}

static void name_ids(void **state)
{
	assert_int_equal(sp_name_id(""), 0x811c9dc5);
	assert_int_equal(sp_name_id("a"), 0xe40c292c);
	assert_int_equal(sp_name_id("foobar"), 0xbf9cf968);
	assert_int_equal(sp_name_id("\xff"), (0x811c9dc5 ^ 0xff) * 16777619u);
}

static void quantities(void **state)
{
	char text[SP_QUANTITY_STRLEN];

	assert_string_equal(sp_time_format(86400000000000, text), "1d");
	assert_string_equal(sp_time_format(90000000000, text), "90s");
	assert_string_equal(sp_time_format(1000000, text), "1ms");
	assert_string_equal(sp_size_format(1 << 30, text), "1GiB");
	assert_string_equal(sp_size_format(1536 << 10, text), "1536KiB");
}

static void uints(void **state)
{
	__u64 n;

	assert_int_equal(sp_uint_parse("7", 1, 7, &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(sp_uint_parse("8", 1, 7, &n), -EINVAL);
	assert_int_equal(sp_uint_parse("10", 2, 7, &n), -EINVAL);
	assert_int_equal(sp_uint_parse("0", 1, 0, &n), 0);
	assert_int_equal(sp_uint_parse("1", 1, 0, &n), -EINVAL);
	assert_int_equal(sp_uint_parse("00", 2, 7, &n), -EINVAL);
	assert_int_equal(sp_uint_parse("", 0, 7, &n), -EINVAL);
	assert_int_equal(sp_uint_parse("18446744073709551615", 20, UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(sp_uint_parse("18446744073709551616", 20, UINT64_MAX, &n), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goldens),
		cmocka_unit_test(example_fills_every_field),
		cmocka_unit_test(shipped_examples_load),
		cmocka_unit_test(shipped_agent_loads),
		cmocka_unit_test(tcp_lets_the_server_speak_first),
		cmocka_unit_test(requests_are_read_where_needed),
		cmocka_unit_test(changes_fill_every_field),
		cmocka_unit_test(default_may_be_absent),
		cmocka_unit_test(limits_of_numbers),
		cmocka_unit_test(services_are_found_where_they_listen),
		cmocka_unit_test(services_listen_on_both_families),
		cmocka_unit_test(limit_of_values),
		cmocka_unit_test(limit_of_the_file),
		cmocka_unit_test(long_paths_leave_room_for_the_message),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(many_pools_are_cut),
		cmocka_unit_test(every_prefix),
		cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(name_ids),
		cmocka_unit_test(quantities),
		cmocka_unit_test(uints),
	};

	if (chdir(SP_CONFIG_CASES)) {
		perror(SP_CONFIG_CASES);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

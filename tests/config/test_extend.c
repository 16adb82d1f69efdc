/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_extend.c - a configuration with further backends: what is shared, what is left off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/extend.c"

#include <arpa/inet.h>

#include "base/addr.h"

static const char text[] =
	"{interfaces: [eth0], key_file: /k, source: {addresses: [10.0.0.1]}, pools: ["
	"{name: web, backends: [{address: \"10.0.0.2:80\"}, {address: \"a.internal:80\"}], check: {type: tcp}},"
	"{name: docs, backends: [{address: \"10.0.0.2:80\"}]}],"
	"services: [{name: www, protocol: http, listen: \"192.0.2.1:80\", default: web}]}";

static struct sp_config *written, *extended;
static char origin[] = "a.internal:80";

static int begin(void **state)
{
	char error[SP_CONFIG_ERROR_MAX];

	return sp_config_load_bytes("test", text, strlen(text), error, &written);
}

static int end(void **state)
{
	sp_config_put(extended);
	extended = NULL;
	return 0;
}

/* Addresses 10.1.0.0 and on. */
static void make_backends(struct sp_backend_conf *all, char (*names)[32], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[0]), "n%zu", i);
		all[i] = (struct sp_backend_conf){
			.name = names[i], .origin = origin, .weight = 2,
			.at = { sp_addr_v4(htonl(0x0a010000 + i)), htons(80) },
		};
	}
}

static char *print_text(const struct sp_config *config)
{
	char *printed = NULL;
	size_t size;
	FILE *out = open_memstream(&printed, &size);

	sp_config_print(config, out);
	fclose(out);
	return printed;
}

static void backends_are_added(void **state)
{
	struct sp_backend_conf all[3];
	char names[3][32], *before, *after;
	struct sp_more_backends more[2] = { { 3, all } };
	unsigned int left_off[2];

	make_backends(all, names, 3);
	all[1].at = written->pools[0].backends[0].at;		/* is there already */
	before = print_text(written);
	assert_int_equal(sp_config_extend(written, more, left_off, &extended), 0);
	after = print_text(extended);
	assert_string_equal(before, after);
	assert_true(sp_config_is_same_file(written, extended));
	assert_ptr_equal(sp_config_written(extended), written);
	sp_config_put(written);					/* the new one has a reference */
	memset(names, 'x', sizeof(names));
	assert_int_equal(extended->pools[0].backend_count, 3);
	assert_string_equal(extended->pools[0].backends[2].name, "n2");
	assert_string_equal(extended->pools[0].backends[2].origin, origin);
	assert_null(extended->pools[0].backends[0].origin);
	assert_int_equal(extended->pools[1].backend_count, 1);
	assert_int_equal(left_off[0], 0);
	free(before);
	free(after);
}

static void a_pool_has_room_for_so_many(void **state)
{
	static struct sp_backend_conf all[SP_CONFIG_BACKENDS_MAX];
	static char names[SP_CONFIG_BACKENDS_MAX][32];
	struct sp_more_backends more[2] = { { SP_CONFIG_BACKENDS_MAX, all } };
	unsigned int left_off[2];

	make_backends(all, names, SP_CONFIG_BACKENDS_MAX);
	assert_int_equal(sp_config_extend(written, more, left_off, &extended), 0);
	sp_config_put(written);
	assert_int_equal(extended->pools[0].backend_count, SP_CONFIG_BACKENDS_MAX);
	assert_int_equal(left_off[0], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(backends_are_added, begin, end),
		cmocka_unit_test_setup_teardown(a_pool_has_room_for_so_many, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

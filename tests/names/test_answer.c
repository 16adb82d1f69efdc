// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_answer.c - records out of DNS messages, good and bad */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "names/answer.c"

#include "base/addr.h"
#include "message.h"

#define APP	"app.example.internal"
#define SRV	"_http._tcp.example.internal"

static struct made_message m;
static struct sp_answer answer;

static int parse(const char *host, enum sp_dns_type type)
{
	return sp_answer_parse(m.bytes, m.size, host, type, &answer);
}

static const char *text_of(size_t idx)
{
	static char text[SP_ADDR_STRLEN];

	return sp_addr_format(&answer.records[idx].addr, text);
}

static void addresses(void **state)
{
	begin_message(&m, "App.Example.Internal", SP_DNS_A);
	put_a(&m, "APP.example.internal", 300, 0x0a020003);
	put_a(&m, APP, 60, 0x0a020002);
	assert_int_equal(parse(APP, SP_DNS_A), 0);
	assert_int_equal(answer.count, 2);
	assert_int_equal(answer.ttl_s, 60);
	assert_string_equal(text_of(0), "10.2.0.3");
	assert_string_equal(text_of(1), "10.2.0.2");
}

static void addresses_of_six(void **state)
{
	static const uint8_t good[16] = { 0x20, 1, 0xd, 0xb8, [15] = 9 };
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };

	begin_message(&m, APP, SP_DNS_AAAA);
	put_head(&m, APP, SP_DNS_AAAA, 5, 16);
	memcpy(m.bytes + m.size, good, 16);
	m.size += 16;
	put_head(&m, APP, SP_DNS_AAAA, 5, 16);
	memcpy(m.bytes + m.size, mapped, 16);
	m.size += 16;
	assert_int_equal(parse(APP, SP_DNS_AAAA), 0);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.bad, 1);
	assert_string_equal(text_of(0), "2001:db8::9");
}

/* The TTL is the lowest on the way. */
static void aliases(void **state)
{
	begin_message(&m, APP, SP_DNS_A);
	put_cname(&m, "lb.example.net", 500, "node7.example.net");
	put_cname(&m, APP, 20, "lb.example.net");
	put_a(&m, "node7.example.net", 300, 0x0a020002);
	assert_int_equal(parse(APP, SP_DNS_A), 0);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.ttl_s, 20);
}

static void aliases_in_a_circle(void **state)
{
	begin_message(&m, APP, SP_DNS_A);
	put_cname(&m, APP, 20, "b");
	put_cname(&m, "b", 20, APP);
	assert_int_equal(parse(APP, SP_DNS_A), 0);
	assert_int_equal(answer.count, 0);
}

/* Of a foreign name, type or class. */
static void foreign_records(void **state)
{
	begin_message(&m, APP, SP_DNS_A);
	put_a(&m, "other.example.internal", 60, 0x0a020002);
	put_head(&m, APP, 16, 60, 4);
	put_u32(&m, 0);
	put_a(&m, APP, 60, 0x0a020003);
	m.bytes[m.size - 11] = 3;	/* the class CHAOS */
	assert_int_equal(parse(APP, SP_DNS_A), 0);
	assert_int_equal(answer.count, 0);
}

static void services(void **state)
{
	begin_message(&m, SRV, SP_DNS_SRV);
	put_srv(&m, SRV, 10, 300, 8080, "One.example.internal");
	put_srv(&m, SRV, 20, 0, 81, "two.example.internal");
	put_srv(&m, SRV, 0, 0, 0, "no-port.example.internal");
	put_srv(&m, SRV, 0, 0, 80, "");		/* "decidedly not available" */
	put_srv(&m, SRV, 0, 0, 80, "no host");
	assert_int_equal(parse(SRV, SP_DNS_SRV), 0);
	assert_int_equal(answer.count, 2);
	assert_int_equal(answer.bad, 3);
	assert_string_equal(answer.records[0].target, "one.example.internal");
	assert_int_equal(answer.records[0].weight, 300);
	assert_int_equal(answer.records[1].priority, 20);
	assert_int_equal(answer.records[1].port, 81);
}

static void compressed_names(void **state)
{
	begin_message(&m, APP, SP_DNS_A);
	put_head(&m, "", SP_DNS_A, 60, 4);
	m.size -= 11;				/* the root's name becomes a pointer */
	put_u16(&m, 0xc00c);
	put_u16(&m, SP_DNS_A);
	put_u16(&m, 1);
	put_u32(&m, 60);
	put_u16(&m, 4);
	put_u32(&m, 0x0a020002);
	assert_int_equal(parse(APP, SP_DNS_A), 0);
	assert_int_equal(answer.count, 1);
}

/* To the same place, and forth. */
static void pointers_that_do_not_lead_back(void **state)
{
	for (unsigned int to = 0; to < 64; to++) {
		begin_message(&m, "", SP_DNS_A);
		m.size = 12;
		put_u16(&m, 0xc000 | (12 + to));
		put_u32(&m, 0x00010001);
		memset(m.bytes + m.size, 0xc0, 64);
		m.size += 64;
		assert_int_equal(parse(APP, SP_DNS_A), -EBADMSG);
	}
}

/* Prefixes are refused; the sanitizer sees reads beyond. */
static void cut_short(void **state)
{
	size_t whole;

	begin_message(&m, SRV, SP_DNS_SRV);
	put_cname(&m, SRV, 20, "b");
	put_srv(&m, "b", 10, 300, 8080, "one.example.internal");
	whole = m.size;
	for (size_t size = 0; size < whole; size++) {
		uint8_t *copy = malloc(size + !size);

		memcpy(copy, m.bytes, size);
		assert_int_equal(sp_answer_parse(copy, size, SRV, SP_DNS_SRV, &answer), -EBADMSG);
		free(copy);
	}
	assert_int_equal(parse(SRV, SP_DNS_SRV), 0);
	assert_int_equal(answer.count, 1);
}

static void data_of_a_wrong_length(void **state)
{
	begin_message(&m, APP, SP_DNS_A);
	put_head(&m, APP, SP_DNS_A, 60, 5);
	put_u32(&m, 0);
	m.bytes[m.size++] = 0;
	assert_int_equal(parse(APP, SP_DNS_A), -EBADMSG);
}

static void many_records(void **state)
{
	begin_message(&m, APP, SP_DNS_A);
	for (unsigned int i = 0; i < SP_ANSWER_RECORDS_MAX + 7; i++)
		put_a(&m, APP, 60, 0x0a000000 + i);
	assert_int_equal(parse(APP, SP_DNS_A), 0);
	assert_int_equal(answer.count, SP_ANSWER_RECORDS_MAX);
	assert_int_equal(answer.left_off, 7);
}

/* RFC 2181, 8 */
static void ttl_above_31_bits_is_0(void **state)
{
	begin_message(&m, APP, SP_DNS_A);
	put_a(&m, APP, 0x80000000, 0x0a000001);
	assert_int_equal(parse(APP, SP_DNS_A), 0);
	assert_int_equal(answer.ttl_s, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(addresses_of_six),
		cmocka_unit_test(aliases),
		cmocka_unit_test(aliases_in_a_circle),
		cmocka_unit_test(foreign_records),
		cmocka_unit_test(services),
		cmocka_unit_test(compressed_names),
		cmocka_unit_test(pointers_that_do_not_lead_back),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(data_of_a_wrong_length),
		cmocka_unit_test(many_records),
		cmocka_unit_test(ttl_above_31_bits_is_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_continue_judge.c - src/proxy/continue_judge.c: ends of a backend, and their requests */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proxy/continue_judge.c"

#define START	5000u	/* of the request */
#define LEN	100u
#define SENT	0xfffffff0u	/* by the backend, before its response */
#define TRIES	3

struct death {
	struct sp_kept		kept;
	struct sp_entry		up, down;
	struct sp_segment	seg;
	int			has_none;
};

/* A backend resets its connection before the response. */
static struct death usual(void)
{
	return (struct death){
		.kept = { .start = START, .len = LEN, .is_used = 1 },
		.up.meta.boundary = { .until = START + LEN, .bound = SP_BOUND_STOP },
		.down.meta.boundary = { .until = SENT, .bound = SP_BOUND_HEAD },
		.down.state.next_seq = SENT,
		.seg = { .flags = SP_TCP_RST, .seq = SENT },
	};
}

static enum sp_continue_verdict judge(const struct death *d)
{
	return sp_continue_judge(d->has_none ? NULL : &d->kept, &d->up, &d->down, &d->seg, TRIES);
}

static void both_ends_count(void **state)
{
	struct death d = usual();

	assert_int_equal(judge(&d), SP_CONTINUE_YES);
	d.seg.flags = SP_TCP_FIN | SP_TCP_ACK;
	assert_int_equal(judge(&d), SP_CONTINUE_YES);
	d.seg.flags = SP_TCP_ACK;
	assert_int_equal(judge(&d), SP_CONTINUE_OTHER);
}

static void no_byte_of_the_response_is_with_the_client(void **state)
{
	struct death d = usual();

	d.down.state.next_seq = d.seg.seq = SENT + 20;		/* a part of the head */
	assert_int_equal(judge(&d), SP_CONTINUE_DELIVERED);
	d.down.meta.boundary = (struct sp_boundary){ .until = SENT + 90, .bound = SP_BOUND_STOP };
	assert_int_equal(judge(&d), SP_CONTINUE_DELIVERED);
	d.down.meta.boundary = (struct sp_boundary){ .until = SENT + 20, .bound = SP_BOUND_CHUNK };
	assert_int_equal(judge(&d), SP_CONTINUE_DELIVERED);
}

/* The client has half of a body of 1000 bytes. */
static struct death begun(void)
{
	struct death d = usual();

	d.kept.begun = (struct sp_begun){ .status = 200, .same_len = 1, .head_len = 100,
					  .length = 1000 };
	d.down.meta.boundary = (struct sp_boundary){ .until = SENT + 1100, .bound = SP_BOUND_STOP };
	d.down.state.next_seq = d.seg.seq = SENT + 600;
	return d;
}

static void part_goes_on_by_its_validator(void **state)
{
	struct death d = begun();

	assert_int_equal(judge(&d), SP_CONTINUE_YES);
	d.kept.begun.same_len = 0;
	assert_int_equal(judge(&d), SP_CONTINUE_NO_VALIDATOR);
	d.kept.begun.status = 0;
	assert_int_equal(judge(&d), SP_CONTINUE_DELIVERED);
	d.kept.why = SP_KEPT_METHOD;
	assert_int_equal(judge(&d), SP_CONTINUE_METHOD);
}

static void numbers_tell_the_part(void **state)
{
	struct death d = begun();

	d.kept.begun.length = 500 + SKIP_MAX;
	assert_int_equal(judge(&d), SP_CONTINUE_YES);
	d.kept.begun.length++;
	assert_int_equal(judge(&d), SP_CONTINUE_FAR);
	d.down.meta.boundary.laps = 1;
	assert_int_equal(judge(&d), SP_CONTINUE_YES);
}

/* With a part of a head, not acknowledged. */
static void next_backend_dies_too(void **state)
{
	struct death d = begun();

	d.down.state.is_skipping = 1;
	assert_int_equal(judge(&d), SP_CONTINUE_YES);
	d.down.meta.boundary = (struct sp_boundary){ .until = SENT, .bound = SP_BOUND_HEAD,
						     .reading = SP_READING_HELD };
	d.down.state.next_seq = SENT;
	assert_int_equal(judge(&d), SP_CONTINUE_YES);
	d.seg.seq = SENT - 1;
	assert_int_equal(judge(&d), SP_CONTINUE_OTHER);
	d.down.state.is_skipping = 0;
	d.seg.seq = SENT + 600;
	assert_int_equal(judge(&d), SP_CONTINUE_OTHER);
}

static void a_complete_response_is_no_death(void **state)
{
	struct death d = usual();

	d.down.meta.boundary.bound = SP_BOUND_STOP;
	assert_int_equal(judge(&d), SP_CONTINUE_OTHER);
	d.down.meta.boundary.laps = 1;				/* a GiB is still to come */
	assert_int_equal(judge(&d), SP_CONTINUE_DELIVERED);
	d.down.meta.boundary = (struct sp_boundary){ .until = SENT, .bound = SP_BOUND_GONE };
	assert_int_equal(judge(&d), SP_CONTINUE_OTHER);
	d.down.meta.boundary.bound = SP_BOUND_NONE;		/* until the close */
	assert_int_equal(judge(&d), SP_CONTINUE_OTHER);
	d.down.meta.boundary.bound = SP_BOUND_UNKNOWN;
	assert_int_equal(judge(&d), SP_CONTINUE_OTHER);
}

/* Else bytes are under way, or a stranger has sent the segment. */
static void its_number_is_the_next(void **state)
{
	struct death d = usual();

	d.seg.seq = SENT + 1;
	assert_int_equal(judge(&d), SP_CONTINUE_OTHER);
	d.seg.seq = SENT - 1;
	assert_int_equal(judge(&d), SP_CONTINUE_OTHER);
	d = usual();
	d.seg.payload_len = 1;
	assert_int_equal(judge(&d), SP_CONTINUE_OTHER);
}

static void a_client_that_has_closed_gets_the_end(void **state)
{
	struct death d = usual();

	d.down.state.flags = SP_STATE_PEER_FIN;
	assert_int_equal(judge(&d), SP_CONTINUE_OTHER);
}

static void another_proxy_may_have_carried_it(void **state)
{
	struct death d = usual();

	d.down.half.flags = SP_HALF_F_FETCHED;
	assert_int_equal(judge(&d), SP_CONTINUE_OTHER);
}

static void the_request_is_kept_whole(void **state)
{
	struct death d = usual();

	d.kept.why = SP_KEPT_METHOD;
	assert_int_equal(judge(&d), SP_CONTINUE_METHOD);
	d.kept.why = SP_KEPT_BODY;
	assert_int_equal(judge(&d), SP_CONTINUE_BODY);
	d.has_none = 1;
	assert_int_equal(judge(&d), SP_CONTINUE_UNKEPT);
}

/* Not an earlier request of the connection. */
static void it_is_the_request_that_is_outstanding(void **state)
{
	struct death d = usual();

	d.up.meta.boundary.until++;
	assert_int_equal(judge(&d), SP_CONTINUE_UNKEPT);
	d = usual();
	d.up.meta.boundary.laps = 1;
	assert_int_equal(judge(&d), SP_CONTINUE_UNKEPT);
	d = usual();
	d.up.meta.boundary.bound = SP_BOUND_CHUNK;
	assert_int_equal(judge(&d), SP_CONTINUE_UNKEPT);
}

static void deaths_are_bounded(void **state)
{
	struct death d = usual();

	d.kept.deaths = TRIES - 1;
	assert_int_equal(judge(&d), SP_CONTINUE_YES);
	d.kept.deaths = TRIES;
	assert_int_equal(judge(&d), SP_CONTINUE_TRIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_count),
		cmocka_unit_test(no_byte_of_the_response_is_with_the_client),
		cmocka_unit_test(part_goes_on_by_its_validator),
		cmocka_unit_test(numbers_tell_the_part),
		cmocka_unit_test(next_backend_dies_too),
		cmocka_unit_test(a_complete_response_is_no_death),
		cmocka_unit_test(its_number_is_the_next),
		cmocka_unit_test(a_client_that_has_closed_gets_the_end),
		cmocka_unit_test(another_proxy_may_have_carried_it),
		cmocka_unit_test(the_request_is_kept_whole),
		cmocka_unit_test(it_is_the_request_that_is_outstanding),
		cmocka_unit_test(deaths_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

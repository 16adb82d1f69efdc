/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_relay.c - src/tcp/relay.c: segments in chunks of the receiver's MSS; nothing is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/relay.c"

#define PIECES_MAX	4096
#define ISN		0xffffff00u	/* wraps on the way */

static struct sp_segment sent[PIECES_MAX];
static size_t sent_count;
static const char text[65536];

int sp_wire_send(struct sp_wire *wire, const struct sp_segment *seg)
{
	assert_true(sent_count < PIECES_MAX);
	sent[sent_count++] = *seg;
	return 0;
}

/*
 * Chunks of @len bytes with a FIN to a receiver of @mss must be contiguous, with the FIN in the
 * last.
 */
static void relay(__u16 mss, int has_ts, size_t len)
{
	struct sp_segment seg = {
		.seq = ISN, .flags = SP_TCP_ACK | SP_TCP_FIN, .wscale = -1, .has_ts = has_ts,
		.payload = text, .payload_len = len,
	};
	struct sp_half half = { .seq_delta = 7 };
	size_t at = 0;

	sent_count = 0;
	sp_relay(NULL, &half, &seg, mss);
	for (size_t i = 0; i < sent_count; i++) {
		assert_int_equal(sent[i].seq, ISN + 7 + (__u32)at);
		assert_ptr_equal(sent[i].payload, text + at);
		assert_int_equal(!!(sent[i].flags & SP_TCP_FIN), i == sent_count - 1);
		at += sent[i].payload_len;
	}
	assert_int_equal(at, len);
}

static void takes_no_more_than_the_receiver(void **state)
{
	static const __u16 sizes[] = { 48, 536, 1220, 1460, 8960 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int has_ts = 0; has_ts < 2; has_ts++) {
			relay(sizes[i], has_ts, 10000);
			assert_int_equal(sent[0].payload_len, sizes[i] - (has_ts ? 12 : 0));
		}
}

/* For any MSS of a peer the loop ends, and chunks are not tiny. */
static void small_mss(void **state)
{
	for (__u16 mss = 0; mss <= 48; mss++)
		for (int has_ts = 0; has_ts < 2; has_ts++) {
			relay(mss, has_ts, sizeof(text));
			assert_int_equal(sent[0].payload_len, has_ts ? 36 : 48);
		}
}

/* An MSS beyond the largest packet that we build. */
static void large_mss(void **state)
{
	static __u8 packet[SP_SEGMENT_PACKET_MAX];

	for (int has_ts = 0; has_ts < 2; has_ts++) {
		relay(65495, has_ts, sizeof(text));
		assert_true(sent[0].payload_len + 60 + (has_ts ? 12 : 0) <= sizeof(packet));
	}
}

static void nothing_but_a_header(void **state)
{
	relay(0, 1, 0);
	assert_int_equal(sent_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_no_more_than_the_receiver),
		cmocka_unit_test(small_mss),
		cmocka_unit_test(large_mss),
		cmocka_unit_test(nothing_but_a_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

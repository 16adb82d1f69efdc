// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_boundary.c - responses whose end the datapath finds, and boundaries. Needs root. */
#include "bounded.h"

#define OK11		"HTTP/1.1 200 OK\r\n"
#define LENGTH(n)	"Content-Length: " #n "\r\n"
#define HEAD5		OK11 LENGTH(5) "\r\n"

static struct sp_boundary bound_of(__u32 until, __u8 bound, __u8 reading)
{
	return sp_boundary_make(until, 0, bound, reading);
}

static void put_awaited(struct fixture *f, int is_v6, __u8 reading)
{
	put_bounded(f, is_v6, bound_of(REQUEST_AT, SP_BOUND_STOP, 0),
		    bound_of(RESPONSE_AT, SP_BOUND_HEAD, reading));
	listen_to(f);
}

/* The packet is carried. Return: events. */
static int carry(struct fixture *f, const char *name, const struct packet *p)
{
	struct sp_half h = peer_half(p->is_v6);
	struct packet want = expect_carried(*p, &h);
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u32 len = build(p, in);

	check_run_summed(f, name, in, len, TC_ACT_REDIRECT, out, &len);
	check_bytes(name, &want, out, len);
	return listen_to(f);
}

/* @skip: bytes before the boundary; @lacks: bytes that the packet has not */
static const struct {
	const char	*name, *text;
	__u32		skip, lacks;
	__u8		reading;
	int		is_read;
	__u32		bytes;
	int		copies;
} responses[] = {
	{ "head and body", HEAD5 "12345", 0, 0, 0, 1, sizeof(HEAD5 "12345") - 1, 0 },
	{ "body comes later", HEAD5 "12", 0, 0, 0, 1, sizeof(HEAD5 "12345") - 1, 0 },
	{ "large body", OK11 LENGTH(900000000) "\r\n", 0, 0, 0, 1,
	  sizeof(OK11 LENGTH(900000000) "\r\n") - 1 + 900000000, 0 },
	{ "too large for a boundary without laps", OK11 LENGTH(1073741824) "\r\n", 0, 0, 0, 0, 0, 1 },
	{ "answer to HEAD", HEAD5, 0, 0, SP_READING_NO_BODY, 1, sizeof(HEAD5) - 1, 0 },
	{ "bytes before it", "xyz" HEAD5, 3, 0, 0, 1, sizeof(HEAD5 "12345") - 1, 0 },
	{ "behind a gap", HEAD5, -7, 0, 0, 0, 0, 1 },
	{ "cut", HEAD5, 0, 1, 0, 0, 0, 1 },
	{ "more than its body", HEAD5 "123456", 0, 0, 0, 0, 0, 1 },
	{ "chunked", OK11 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 0, 0, 0, 0, 1 },
	{ "closes", OK11 LENGTH(5) "Connection: close\r\n\r\n12345", 0, 0, 0, 0, 0, 1 },
	{ "upgrade asked for", HEAD5 "12345", 0, 0, SP_READING_UPGRADE, 0, 0, 1 },
	{ "connect asked for", HEAD5 "12345", 0, 0, SP_READING_CONNECT, 0, 0, 1 },
	{ "closing", HEAD5 "12345", 0, 0, SP_READING_CLOSES, 0, 0, 1 },
	{ "lost before", HEAD5 "12345", 0, 0, SP_READING_LOST, 0, 0, 1 },
	{ "ended before", HEAD5 "12345", 0, 0, SP_READING_ENDED, 0, 0, 1 },
	{ "awaited", HEAD5 "12345", 0, 0, SP_READING_WAKE, 1, sizeof(HEAD5 "12345") - 1, 1 },
	{ "awaited, body comes later", HEAD5 "1234", 0, 0, SP_READING_WAKE, 1,
	  sizeof(HEAD5 "12345") - 1, 0 },
	{ "1xx before it", "HTTP/1.1 100 x\r\n\r\n" HEAD5 "12345", 0, 0, 0, 0, 0, 1 },
};

static void usual_responses_are_read_here(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(responses); i++)
		for_each_family(v6) {
			const char *name = responses[i].name;
			struct packet p = response_packet(v6, responses[i].text,
							  strlen(responses[i].text) -
							  responses[i].lacks);
			struct sp_boundary want = bound_of(RESPONSE_AT, SP_BOUND_HEAD,
							   responses[i].reading);
			__u64 before = stat_of(f, SP_STAT_RESPONSES_READ);
			int events;

			put_awaited(f, v6, responses[i].reading);
			p.seq -= responses[i].skip;
			if (responses[i].is_read)
				want = bound_of(RESPONSE_AT + responses[i].bytes, SP_BOUND_STOP,
						responses[i].reading);
			events = carry(f, name, &p);
			if (events != responses[i].copies)
				fail_msg("%s: %d copies", name, events);
			check_boundary(name, down_of(f, v6), want);
			assert_int_equal(stat_of(f, SP_STAT_RESPONSES_READ) - before,
					 responses[i].is_read);
		}
}

/* A head of @bytes. */
static void make_long(char *text, __u32 bytes)
{
	int at = sprintf(text, OK11 LENGTH(5) "X: ");

	memset(text + at, 'x', bytes - at - 4);
	memcpy(text + bytes - 4, "\r\n\r\n", 5);
}

static void long_heads_are_the_daemons(void **state)
{
	char text[2048];

	for_each_family(v6)
		for (__u32 bytes = 1000; bytes < 1060; bytes++) {
			int is_read = bytes <= SP_RESPONSE_READ_MAX;
			struct packet p;

			make_long(text, bytes);
			p = response_packet(v6, text, bytes);
			put_awaited(*state, v6, 0);
			assert_int_equal(carry(*state, "long", &p), !is_read);
			check_boundary("long", down_of(*state, v6), is_read ?
				       bound_of(RESPONSE_AT + bytes + 5, SP_BOUND_STOP, 0) :
				       bound_of(RESPONSE_AT, SP_BOUND_HEAD, 0));
		}
}

/* No bytes of the packet before remain. */
static void each_head_is_read_anew(void **state)
{
	struct packet whole = response_packet(0, HEAD5, sizeof(HEAD5) - 1),
		cut = response_packet(0, HEAD5, sizeof(HEAD5) - 3);

	put_awaited(*state, 0, 0);
	assert_int_equal(carry(*state, "whole", &whole), 0);
	put_awaited(*state, 0, 0);
	assert_int_equal(carry(*state, "cut", &cut), 1);
	check_boundary("cut", down_of(*state, 0), bound_of(RESPONSE_AT, SP_BOUND_HEAD, 0));
}

enum sum { RIGHT, WRONG, PARTIAL };

static void set_sum(__u8 *frame, __u32 len, int is_v6, enum sum sum)
{
	__u8 *check = frame + l4_off(is_v6) + 16;
	__u32 l4 = l4_off(is_v6), pseudo = 6 + (len - l4);

	if (sum == WRONG)
		check[1] ^= 1;
	if (sum != PARTIAL)
		return;
	pseudo = is_v6 ? sum_bytes(frame + 22, 32, pseudo) : sum_bytes(frame + 26, 8, pseudo);
	put16(check, pseudo);
}

static void check_sum(struct fixture *f, int is_v6, __u32 body, enum sum sum)
{
	char text[2048] = HEAD5;
	struct packet p = response_packet(is_v6, text, sizeof(HEAD5) - 1 + body);
	struct sp_boundary b = bound_of(RESPONSE_AT, SP_BOUND_HEAD, 0);
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u32 len;
	int at = sprintf(text, OK11 "Content-Length: %4u\r\n\r\n", body);

	memset(text + at, 'b', body);
	p.payload = at + body;
	len = build(&p, in);
	set_sum(in, len, is_v6, sum);
	put_awaited(f, is_v6, 0);
	check_run(f, "sum", in, len, TC_ACT_REDIRECT, out, &len);
	if (sum != WRONG)
		b = bound_of(RESPONSE_AT + p.payload, SP_BOUND_STOP, 0);
	check_boundary("sum", down_of(f, is_v6), b);
	assert_int_equal(listen_to(f), sum == WRONG);
}

/* A receiver drops a damaged packet: the bytes in it are not the response's. */
static void damaged_packets_are_not_read(void **state)
{
	for_each_family(v6)
		for (__u32 body = 0; body < 1380; body += body < 10 ? 1 : 97)
			for (enum sum sum = RIGHT; sum <= PARTIAL; sum++)
				check_sum(*state, v6, body, sum);
}

/* ---- boundaries of the daemon ---- */

static int patch(struct fixture *f, const struct sp_patch *n)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = n, .data_size_in = sizeof(*n));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(f->skel->progs.sp_patch), &o), 0);
	return o.retval;
}

static const struct sp_boundary up_was = { .until = REQUEST_AT, .bound = SP_BOUND_STOP },
	up_new = { .until = REQUEST_AT + 100, .bound = SP_BOUND_STOP },
	down_was = { .until = RESPONSE_AT, .bound = SP_BOUND_STOP, .reading = SP_READING_NO_BODY },
	down_new = { .until = RESPONSE_AT, .bound = SP_BOUND_HEAD };

/* @up, @down: what is there; the patch expects up_was and down_was */
static const struct {
	const char		*name;
	__u8			sets;
	struct sp_boundary	up, down;
	int			result;
} patches[] = {
	{ "both as seen", SP_PATCH_UP | SP_PATCH_DOWN | SP_PATCH_IF_UP | SP_PATCH_IF_DOWN,
	  up_was, down_was, SP_PATCH_DONE },
	{ "up alone", SP_PATCH_UP | SP_PATCH_IF_UP, up_was, down_was, SP_PATCH_DONE },
	{ "down alone", SP_PATCH_DOWN | SP_PATCH_IF_DOWN, up_was, down_was, SP_PATCH_DONE },
	{ "held meanwhile", SP_PATCH_UP | SP_PATCH_IF_UP,
	  { .until = REQUEST_AT, .bound = SP_BOUND_STOP, .reading = SP_ASKING_HELD }, down_was,
	  SP_PATCH_DONE },
	{ "up has moved", SP_PATCH_UP | SP_PATCH_DOWN | SP_PATCH_IF_UP | SP_PATCH_IF_DOWN,
	  { .until = REQUEST_AT + 1, .bound = SP_BOUND_STOP }, down_was, SP_PATCH_MOVED },
	{ "up moves", SP_PATCH_UP | SP_PATCH_DOWN,
	  { .until = REQUEST_AT, .bound = SP_BOUND_STOP, .reading = SP_ASKING_MOVING }, down_was,
	  SP_PATCH_MOVED },
	{ "down has moved", SP_PATCH_UP | SP_PATCH_DOWN | SP_PATCH_IF_UP | SP_PATCH_IF_DOWN,
	  { .until = REQUEST_AT, .bound = SP_BOUND_STOP, .reading = SP_ASKING_HELD },
	  { .until = RESPONSE_AT + 1, .bound = SP_BOUND_STOP, .reading = SP_READING_NO_BODY },
	  SP_PATCH_MOVED },
	{ "down has another flag", SP_PATCH_DOWN | SP_PATCH_IF_DOWN, up_was,
	  { .until = RESPONSE_AT, .bound = SP_BOUND_STOP }, SP_PATCH_MOVED },
	{ "down has another bound", SP_PATCH_DOWN | SP_PATCH_IF_DOWN, up_was,
	  { .until = RESPONSE_AT, .bound = SP_BOUND_HEAD, .reading = SP_READING_NO_BODY },
	  SP_PATCH_MOVED },
	{ "both, whatever is there", SP_PATCH_UP | SP_PATCH_DOWN,
	  { .until = 7, .bound = SP_BOUND_NONE }, { .until = 8, .bound = SP_BOUND_HEAD },
	  SP_PATCH_DONE },
};

static void daemon_changes_what_it_has_seen(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(patches); i++) {
		__u8 sets = patches[i].result == SP_PATCH_DONE ? patches[i].sets : 0;
		const struct sp_patch n = {
			.front = TUPLE_IN(0), .client_isn = ISN, .sets = patches[i].sets,
			.up = up_new, .down = down_new, .was_up = up_was, .was_down = down_was,
		};

		put_bounded(f, 0, patches[i].up, patches[i].down);
		if (patch(f, &n) != patches[i].result)
			fail_msg("%s: another result", patches[i].name);
		check_boundary(patches[i].name, up_of(f, 0), sets & SP_PATCH_UP ? up_new :
			       patches[i].up);
		check_boundary(patches[i].name, down_of(f, 0), sets & SP_PATCH_DOWN ? down_new :
			       patches[i].down);
	}
}

static void another_splice_stays(void **state)
{
	struct sp_patch n = { .front = TUPLE_IN(0), .client_isn = ISN + 1, .sets = SP_PATCH_UP };

	put_bounded(*state, 0, up_was, down_was);
	assert_int_equal(patch(*state, &n), SP_PATCH_GONE);
	n.client_isn = ISN;
	n.version = 1;
	assert_int_equal(patch(*state, &n), SP_PATCH_GONE);
	check_boundary("other", up_of(*state, 0), up_was);
}

/* From then on the daemon alone moves the boundary. */
static void what_goes_up_is_held(void **state)
{
	struct fixture *f = *state;

	for_each_family(v6) {
		struct packet p = request_packet(v6, "GET / HTTP/1.1\r\n");
		struct sp_boundary held = up_was;

		held.reading = SP_ASKING_HELD;
		put_bounded(f, v6, up_was, down_was);
		listen_to(f);
		check_dropped(f, "beyond", &p, SP_DROP_BEYOND);
		assert_int_equal(listen_to(f), 1);
		assert_int_equal(f->event.kind, SP_EVENT_REQUEST);
		check_boundary("beyond", up_of(f, v6), held);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usual_responses_are_read_here),
		cmocka_unit_test(long_heads_are_the_daemons),
		cmocka_unit_test(each_head_is_read_anew),
		cmocka_unit_test(damaged_packets_are_not_read),
		cmocka_unit_test(daemon_changes_what_it_has_seen),
		cmocka_unit_test(another_splice_stays),
		cmocka_unit_test(what_goes_up_is_held),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

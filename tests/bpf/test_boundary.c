// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_boundary.c - responses whose end the datapath finds, and boundaries. Needs root. */
#include "bounded.h"

#define OK11		"HTTP/1.1 200 OK\r\n"
#define LENGTH(n)	"Content-Length: " #n "\r\n"
#define HEAD5		OK11 LENGTH(5) "\r\n"
#define CHUNKED		OK11 "Transfer-Encoding: chunked\r\n\r\n"
#define LEN(text)	(sizeof(text) - 1)

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

enum fate { CARRIED, COPIED, HELD };

/* @skip: bytes before the boundary; @lacks: bytes that the packet has not; @bound: behind @bytes */
static const struct {
	const char	*name, *text;
	__u32		skip, lacks;
	__u8		reading;
	enum fate	fate;
	__u8		bound;
	__u32		bytes;
	__u16		laps;
} responses[] = {
	{ "head and body", HEAD5 "12345", 0, 0, 0, CARRIED, SP_BOUND_STOP, LEN(HEAD5 "12345"), 0 },
	{ "body comes later", HEAD5 "12", 0, 0, 0, CARRIED, SP_BOUND_STOP, LEN(HEAD5 "12345"), 0 },
	{ "large body", OK11 LENGTH(900000000) "\r\n", 0, 0, 0, CARRIED, SP_BOUND_STOP,
	  LEN(OK11 LENGTH(900000000) "\r\n") + 900000000, 0 },
	{ "too large for a boundary without laps", OK11 LENGTH(1073741824) "\r\n", .fate = HELD },
	{ "answer to HEAD", HEAD5, 0, 0, SP_READING_NO_BODY, CARRIED, SP_BOUND_STOP,
	  LEN(HEAD5), 0 },
	{ "bytes before it", "xyz" HEAD5, 3, 0, 0, CARRIED, SP_BOUND_STOP, LEN(HEAD5 "12345"), 0 },
	{ "behind a gap", HEAD5, -7, .fate = COPIED },
	{ "behind a gap, while the daemon reads", HEAD5, -7, 0, SP_READING_HELD, .fate = HELD },
	{ "while the daemon reads", HEAD5 "12345", 0, 0, SP_READING_HELD, .fate = HELD },
	{ "cut", HEAD5, 0, 1, .fate = HELD },
	{ "more than its body", HEAD5 "123456", .fate = HELD },
	{ "chunked", CHUNKED "5\r\n12345\r\n0\r\n\r\n", 0, 0, 0, CARRIED, SP_BOUND_STOP,
	  LEN(CHUNKED "5\r\n12345\r\n0\r\n\r\n"), 0 },
	{ "chunks come later", CHUNKED, 0, 0, 0, CARRIED, SP_BOUND_CHUNK, LEN(CHUNKED), 0 },
	{ "chunk is not whole", CHUNKED "5\r\n12", 0, 0, 0, CARRIED, SP_BOUND_CHUNK_END,
	  LEN(CHUNKED "5\r\n12345"), 0 },
	{ "chunk ends with the packet", CHUNKED "00f\r\n123456789012345", 0, 0, 0, CARRIED,
	  SP_BOUND_CHUNK_END, LEN(CHUNKED "00f\r\n123456789012345"), 0 },
	{ "chunk's CRLF is cut", CHUNKED "5\r\n12345\r", 0, 0, 0, CARRIED, SP_BOUND_DATA_LF,
	  LEN(CHUNKED "5\r\n12345\r"), 0 },
	{ "CRLF is at the end", CHUNKED "5\r\n12345\r\n", 0, 0, 0, CARRIED, SP_BOUND_CHUNK,
	  LEN(CHUNKED "5\r\n12345\r\n"), 0 },
	{ "size is cut", CHUNKED "05", 0, 0, 0, CARRIED, SP_BOUND_SIZE, LEN(CHUNKED "05"), 5 },
	{ "size line is cut", CHUNKED "fFff\r", 0, 0, 0, CARRIED, SP_BOUND_SIZE_LF,
	  LEN(CHUNKED "ffff\r"), 0xffff },
	{ "large size is cut", CHUNKED "10000", .fate = HELD },
	{ "zeros are cut", CHUNKED "00", .fate = HELD },
	{ "last line is at the end", CHUNKED "0\r\n", 0, 0, 0, CARRIED, SP_BOUND_LAST,
	  LEN(CHUNKED "0\r\n"), 0 },
	{ "last line is cut", CHUNKED "0\r\n\r", 0, 0, 0, CARRIED, SP_BOUND_LAST_LF,
	  LEN(CHUNKED "0\r\n\r"), 0 },
	{ "extension", CHUNKED "5;a\r\n12345\r\n", .fate = HELD },
	{ "trailer", CHUNKED "0\r\nA: b\r\n\r\n", .fate = HELD },
	{ "more than the last chunk", CHUNKED "0\r\n\r\nx", .fate = HELD },
	{ "chunk is longer than its size", CHUNKED "5\r\n123456\r\n", .fate = HELD },
	{ "size without digits", CHUNKED "\r\n", .fate = HELD },
	{ "size of nine digits", CHUNKED "000000001\r\n", .fate = HELD },
	{ "size too large", CHUNKED "40000000\r\n", .fate = HELD },
	{ "chunked answer to HEAD", CHUNKED, 0, 0, SP_READING_NO_BODY, CARRIED, SP_BOUND_STOP,
	  LEN(CHUNKED), 0 },
	{ "closes", OK11 LENGTH(5) "Connection: close\r\n\r\n12345", 0, 0, 0, CARRIED,
	  SP_BOUND_NONE, LEN(OK11 LENGTH(5) "Connection: close\r\n\r\n"), 0 },
	{ "without framing", OK11 "\r\n12345", 0, 0, 0, CARRIED, SP_BOUND_NONE,
	  LEN(OK11 "\r\n"), 0 },
	{ "upgrade asked for", HEAD5 "12345", 0, 0, SP_READING_UPGRADE, .fate = HELD },
	{ "connect asked for", HEAD5 "12345", 0, 0, SP_READING_CONNECT, .fate = HELD },
	{ "closing", "x", 0, 0, SP_READING_CLOSES, CARRIED, SP_BOUND_NONE, 0, 0 },
	{ "closing, upgrade asked for", HEAD5, 0, 0, SP_READING_CLOSES | SP_READING_UPGRADE,
	  .fate = HELD },
	{ "ended before", HEAD5 "12345", 0, 0, SP_READING_ENDED, .fate = HELD },
	{ "awaited", HEAD5 "12345", 0, 0, SP_READING_WAKE, COPIED, SP_BOUND_STOP,
	  LEN(HEAD5 "12345"), 0 },
	{ "chunked, awaited", CHUNKED "0\r\n\r\n", 0, 0, SP_READING_WAKE, COPIED, SP_BOUND_STOP,
	  LEN(CHUNKED "0\r\n\r\n"), 0 },
	{ "awaited, body comes later", HEAD5 "1234", 0, 0, SP_READING_WAKE, CARRIED, SP_BOUND_STOP,
	  LEN(HEAD5 "12345"), 0 },
	{ "1xx before it", "HTTP/1.1 100 x\r\n\r\n" HEAD5 "12345", .fate = HELD },
};

static struct sp_boundary bound_behind(size_t i)
{
	__u8 reading = responses[i].reading;

	struct sp_boundary b = bound_of(RESPONSE_AT + responses[i].bytes, responses[i].bound,
					reading);

	b.laps = responses[i].laps;
	if (b.bound || responses[i].bytes || reading == SP_READING_CLOSES)
		return b;
	if (responses[i].fate == HELD)
		reading |= SP_READING_HELD;
	return bound_of(RESPONSE_AT, SP_BOUND_HEAD, reading);
}

static void check_response(struct fixture *f, size_t i, int is_v6)
{
	const char *name = responses[i].name;
	struct packet p = response_packet(is_v6, responses[i].text,
					  strlen(responses[i].text) - responses[i].lacks);
	int events;

	put_awaited(f, is_v6, responses[i].reading);
	p.seq -= responses[i].skip;
	if (responses[i].fate == HELD)
		check_dropped(f, name, &p, SP_DROP_BEYOND);
	events = responses[i].fate == HELD ? listen_to(f) : carry(f, name, &p);
	if (events != (responses[i].fate != CARRIED))
		fail_msg("%s: %d events", name, events);
	check_boundary(name, down_of(f, is_v6), bound_behind(i));
}

static void usual_responses_are_read_here(void **state)
{
	for (size_t i = 0; i < COUNT(responses); i++)
		for_each_family(v6)
			check_response(*state, i, v6);
}

/* A head of @bytes. */
static void make_long(char *text, __u32 bytes)
{
	int at = sprintf(text, OK11 LENGTH(5) "X: ");

	memset(text + at, 'x', bytes - at - 4);
	memcpy(text + bytes - 4, "\r\n\r\n", 5);
}

/* Return: whether the packet went to the daemon instead. */
static int is_held(struct fixture *f, const struct packet *p)
{
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u32 len = build(p, in);
	struct sp_boundary b;

	put_awaited(f, p->is_v6, 0);
	run(f, in, len, out, &len, 1, NULL);
	b = down_of(f, p->is_v6);
	assert_int_equal(listen_to(f), !!(b.reading & SP_READING_HELD));
	return !!(b.reading & SP_READING_HELD);
}

static void heads_of_a_whole_packet_are_read(void **state)
{
	char text[2048];

	for_each_family(v6)
		for (__u32 bytes = 1000; bytes < 1400; bytes += bytes % 3 + 1) {
			struct packet p;

			make_long(text, bytes);
			p = response_packet(v6, text, bytes);
			if (is_held(*state, &p))
				fail_msg("a head of %u bytes", bytes);
		}
}

/* No bytes of the packet before remain. */
static void each_head_is_read_anew(void **state)
{
	struct packet whole = response_packet(0, HEAD5, sizeof(HEAD5) - 1),
		cut = response_packet(0, HEAD5, sizeof(HEAD5) - 3);

	assert_int_equal(is_held(*state, &whole), 0);
	assert_int_equal(is_held(*state, &cut), 1);
}

static void small_chunks_are_read_here(void **state)
{
	char text[2048];
	int at = 0;

	for (int i = 0; i < 200; i++)
		at += sprintf(text + at, "\r\n1\r\nx");
	for_each_family(v6) {
		struct packet p = response_packet(v6, text, at);
		struct sp_boundary b = bound_of(RESPONSE_AT, SP_BOUND_CHUNK_END, 0);

		put_bounded(*state, v6, bound_of(REQUEST_AT, SP_BOUND_STOP, 0), b);
		listen_to(*state);
		assert_int_equal(carry(*state, "chunks", &p), 0);
		b.until += at;
		check_boundary("chunks", down_of(*state, v6), b);
	}
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
	run(f, in, len, out, &len, 1, NULL);
	if (sum != WRONG)
		b = bound_of(RESPONSE_AT + p.payload, SP_BOUND_STOP, 0);
	else
		b.reading = SP_READING_HELD;
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
		cmocka_unit_test(heads_of_a_whole_packet_are_read),
		cmocka_unit_test(each_head_is_read_anew),
		cmocka_unit_test(small_chunks_are_read_here),
		cmocka_unit_test(damaged_packets_are_not_read),
		cmocka_unit_test(daemon_changes_what_it_has_seen),
		cmocka_unit_test(another_splice_stays),
		cmocka_unit_test(what_goes_up_is_held),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

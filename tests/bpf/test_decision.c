// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_decision.c - requests carried without the daemon, and races. Needs root. */
#include <pthread.h>

#include "abi/decision.h"
#include "bounded.h"

#define GET	"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define POOL	7

static const struct sp_decision_key key = { { 0x0123456789abcdef, 0xfedcba9876543210 } };

static const struct sp_boundary up_stop = { .until = REQUEST_AT, .bound = SP_BOUND_STOP },
	down_stop = { .until = RESPONSE_AT, .bound = SP_BOUND_STOP };

static void put_decision(struct fixture *f, const struct sp_tuple *front, const char *text,
			 __u32 n, __u16 pool_id, __u8 reading)
{
	struct sp_digest d = sp_decision_digest(&key, front, text, n);
	struct sp_decision decision = { .check = d.check, .pool_id = pool_id, .reading = reading };

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_decisions), &d.key,
					     &decision, BPF_ANY), 0);
}

static void set_key(struct fixture *f, const struct sp_decision_key *k)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_decision_key), &zero, k,
					     BPF_ANY), 0);
}

/*
 * The inputs of a decision; by default the request is carried.
 *
 * @known: bytes read by the daemon before
 */
struct trial {
	struct packet		p;
	struct sp_entry		up, down;
	const char		*known;
	__u32			known_bytes;
	__u16			pool_id;
	int			is_damaged, is_check_wrong;
};

static struct trial plain_trial(int is_v6)
{
	return (struct trial){
		.p = request_packet(is_v6, GET), .known = GET, .known_bytes = strlen(GET),
		.pool_id = POOL,
		.up = { .half = full_half(is_v6), .meta.boundary = up_stop,
			.state.next_seq = REQUEST_AT },
		.down = { .half = peer_half(is_v6), .meta.boundary = down_stop,
			  .state.next_seq = RESPONSE_AT },
	};
}

static void prepare(struct fixture *f, struct trial *t)
{
	struct sp_tuple front = TUPLE_IN(t->p.is_v6), back = down_tuple(t->p.is_v6);

	t->up.half.pool_id = POOL;
	put_entry(f, &front, t->up);
	put_entry(f, &back, t->down);
	if (t->is_check_wrong)
		put_decision(f, &front, GET, strlen(GET), POOL, 0);
	put_decision(f, &front, t->known, t->known_bytes, t->pool_id, 0);
	listen_to(f);
}

static void forget_decisions(struct fixture *f)
{
	int fd = bpf_map__fd(f->skel->maps.sp_decisions);
	__u64 k;

	while (!bpf_map_get_next_key(fd, NULL, &k))
		bpf_map_delete_elem(fd, &k);
}

/* Return: the verdict. */
static int send_request(struct fixture *f, const struct trial *t, __u8 *out, __u32 *ret_len)
{
	__u8 in[FRAME_MAX];
	__u32 len = build(&t->p, in);

	if (t->is_damaged)
		in[l4_off(t->p.is_v6) + 17] ^= 1;
	return run(f, in, len, out, ret_len, 1, NULL);
}

static void request_goes_by_itself(void **state)
{
	static const __u8 readings[] = { 0, SP_READING_NO_BODY };
	struct fixture *f = *state;

	for_each_family(v6)
		for (size_t i = 0; i < COUNT(readings); i++) {
			struct trial t = plain_trial(v6);
			struct sp_boundary up = up_stop, down = down_stop;
			struct packet want = expect_carried(t.p, &t.up.half);
			__u64 before = stat_of(f, SP_STAT_REQUESTS_CARRIED);
			__u8 out[FRAME_MAX];
			__u32 len;

			prepare(f, &t);
			put_decision(f, &t.p.tuple, GET, strlen(GET), POOL, readings[i]);
			assert_int_equal(send_request(f, &t, out, &len), TC_ACT_REDIRECT);
			check_bytes("request", &want, out, len);
			assert_int_equal(listen_to(f), 0);
			up.until += strlen(GET);
			down.bound = SP_BOUND_HEAD;
			down.reading = readings[i];
			check_boundary("up", up_of(f, v6), up);
			check_boundary("down", down_of(f, v6), down);
			assert_int_equal(stat_of(f, SP_STAT_REQUESTS_CARRIED), before + 1);
			/* a repetition is no request any more */
			assert_int_equal(send_request(f, &t, out, &len), TC_ACT_REDIRECT);
			check_boundary("up", up_of(f, v6), up);
			assert_int_equal(stat_of(f, SP_STAT_REQUESTS_CARRIED), before + 1);
		}
}

/* Each alone sends the request to the daemon. */
#define OTHERS(X) \
	X(another_request, t->known = "GET /b HTTP/1.1\r\nHost: h\r\n\r\n") \
	X(more_bytes, t->known_bytes--) \
	X(another_pool, t->pool_id = POOL + 1) \
	X(fin, t->p.flags |= FIN) \
	X(urgent, t->p.flags |= URG) \
	X(no_ack, t->p.flags = PSH) \
	X(few_hops, t->p.ttl = 16) \
	X(odd_options, t->p.opt_len = 4; memcpy(t->p.opt, "\1\1\1\1", 4)) \
	X(other_options_12, t->p.opt_len = 12; memcpy(t->p.opt, "\x13\xc\1\1\1\1\1\1\1\1\1\1", 12)) \
	X(old_ack, t->p.ack--) \
	X(early_ack, t->p.ack++) \
	X(behind_a_gap, t->p.seq++) \
	X(with_bytes_before, t->p.seq--) \
	X(damaged, t->is_damaged = 1) \
	X(up_held, t->up.meta.boundary.reading = SP_ASKING_HELD) \
	X(up_moving, t->up.meta.boundary.reading = SP_ASKING_MOVING) \
	X(up_in_a_body, t->up.meta.boundary.bound = SP_BOUND_CHUNK) \
	X(up_in_a_body_end, t->up.meta.boundary.bound = SP_BOUND_CHUNK_END) \
	X(up_gone, t->up.meta.boundary.bound = SP_BOUND_GONE) \
	X(down_head, t->down.meta.boundary.bound = SP_BOUND_HEAD) \
	X(down_unknown, t->down.meta.boundary.bound = SP_BOUND_UNKNOWN) \
	X(down_none, t->down.meta.boundary.bound = SP_BOUND_NONE) \
	X(down_gone, t->down.meta.boundary.bound = SP_BOUND_GONE) \
	X(down_laps, t->down.meta.boundary.laps = 1) \
	X(down_ended, t->down.meta.boundary.reading = SP_READING_ENDED) \
	X(down_closes, t->down.meta.boundary.reading = SP_READING_CLOSES) \
	X(down_held, t->down.meta.boundary.reading = SP_READING_HELD) \
	X(down_under_way, t->down.state.next_seq--) \
	X(down_further, t->down.state.next_seq++)

struct other {
	const char	*name;
	void		(*change)(struct trial *t);
};

#define X(name, ...) static void name(struct trial *t) { __VA_ARGS__; }
OTHERS(X)
#undef X

static const struct other others[] = {
#define X(name, ...) { #name, name },
	OTHERS(X)
#undef X
};

static void check_other(struct fixture *f, int is_v6, const struct other *o)
{
	struct trial t = plain_trial(is_v6);
	struct sp_boundary up, down;
	__u8 out[FRAME_MAX];
	__u32 len;

	forget_decisions(f);
	o->change(&t);
	up = t.up.meta.boundary;
	down = t.down.meta.boundary;
	prepare(f, &t);
	if (send_request(f, &t, out, &len) != TC_ACT_SHOT || listen_to(f) != 1 ||
	    f->event.kind != SP_EVENT_REQUEST)
		fail_msg("%s: not sent to the daemon", o->name);
	up.reading |= SP_ASKING_HELD;
	check_boundary(o->name, up_of(f, is_v6), up);
	check_boundary(o->name, down_of(f, is_v6), down);
}

static void any_other_goes_to_the_daemon(void **state)
{
	for (size_t i = 0; i < COUNT(others); i++)
		for_each_family(v6)
			check_other(*state, v6, &others[i]);
}

static void check_again(struct fixture *f, const struct trial *t, int verdict, const char *name)
{
	__u8 out[FRAME_MAX];
	__u32 len;
	int is = send_request(f, t, out, &len);

	if (is != verdict)
		fail_msg("%s: verdict %d", name, is);
}

static void decision_is_of_one_service_and_key(void **state)
{
	static const struct sp_decision_key none;
	struct fixture *f = *state;
	struct trial t = plain_trial(0);
	struct sp_tuple other = t.p.tuple;

	forget_decisions(f);
	prepare(f, &t);
	set_key(f, &none);
	check_again(f, &t, TC_ACT_SHOT, "another key");
	set_key(f, &key);
	forget_decisions(f);
	prepare(f, &t);
	forget_decisions(f);
	other.dport = htons(81);
	put_decision(f, &other, GET, strlen(GET), POOL, 0);
	check_again(f, &t, TC_ACT_SHOT, "another port");
	prepare(f, &t);
	forget_decisions(f);
	other = t.p.tuple;
	other.daddr = addr_of("10.9.0.81");
	put_decision(f, &other, GET, strlen(GET), POOL, 0);
	check_again(f, &t, TC_ACT_SHOT, "another address");
}

/* Half of the digest is the key of the map; the rest is compared. */
static void whole_digest_is_compared(void **state)
{
	struct fixture *f = *state;
	struct trial t = plain_trial(0);
	struct sp_digest d = sp_decision_digest(&key, &t.p.tuple, GET, strlen(GET));
	struct sp_decision wrong = { .check = d.check ^ 1, .pool_id = POOL };

	prepare(f, &t);
	bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_decisions), &d.key, &wrong, BPF_ANY);
	check_again(f, &t, TC_ACT_SHOT, "another digest");
}

/* All lengths around blocks; the longest goes to the daemon. */
static void requests_of_all_lengths(void **state)
{
	static char text[SP_DECISION_BYTES_MAX + 2];
	struct fixture *f = *state;

	for (__u32 n = 1; n <= SP_DECISION_BYTES_MAX + 1; n += n < 100 || n > 990 ? 1 : 31) {
		struct trial t = plain_trial(0);

		for (__u32 i = 0; i < n; i++)
			text[i] = 'a' + (i * 7 + n) % 26;
		t.p.text = text;
		t.p.payload = n;
		t.known = text;
		t.known_bytes = n <= SP_DECISION_BYTES_MAX ? n : 1;
		prepare(f, &t);
		check_again(f, &t, n <= SP_DECISION_BYTES_MAX ? TC_ACT_REDIRECT : TC_ACT_SHOT,
			    "length");
		text[n - 1] ^= 1;
		prepare(f, &t);
		forget_decisions(f);
		text[n - 1] ^= 1;
		put_decision(f, &t.p.tuple, text, t.known_bytes, POOL, 0);
		text[n - 1] ^= 1;
		check_again(f, &t, TC_ACT_SHOT, "another last byte");
	}
}

/* A packet dropped on the way out has moved no boundary: others may come instead. */
static void dropped_request_moves_nothing(void **state)
{
	struct fixture *f = *state;
	struct trial t = plain_trial(0);

	t.up.half.flags |= SP_HALF_F_NOT_ECT;
	t.p.ecn = 3;
	prepare(f, &t);
	check_dropped(f, "marked", &t.p, SP_DROP_ECN_MARK);
	check_boundary("marked", up_of(f, 0), up_stop);
	check_boundary("marked", down_of(f, 0), down_stop);
}

static void no_peer_no_decision(void **state)
{
	struct fixture *f = *state;
	struct trial t = plain_trial(0);
	struct sp_tuple back = down_tuple(0);

	prepare(f, &t);
	remove_half(f, &back);
	check_again(f, &t, TC_ACT_SHOT, "no peer");
}

/* ---- races ---- */

#define ROUNDS 20000

enum rival { SAME_REQUEST, BACKEND_GONE, BACKEND_ENDED, HOLDER };

struct race {
	struct fixture		*f;
	pthread_barrier_t	begin, end;
	enum rival		rival;
	__u8			in[FRAME_MAX];
	__u32			len;
	int			cpu, result, is_over;
};

static int send_frame(struct race *r)
{
	__u8 out[FRAME_MAX];
	__u32 len;

	return run(r->f, r->in, r->len, out, &len, 1, NULL);
}

static int patch_boundaries(struct race *r)
{
	struct sp_patch n = {
		.front = TUPLE_IN(0), .client_isn = ISN, .up = up_stop, .down = down_stop,
		.was_up = up_stop, .was_down = down_stop,
		.sets = r->rival == HOLDER ? SP_PATCH_UP | SP_PATCH_IF_UP :
			SP_PATCH_DOWN | SP_PATCH_IF_DOWN,
	};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = &n, .data_size_in = sizeof(n));

	n.down.reading = SP_READING_ENDED;
	n.up.reading = r->rival == HOLDER ? SP_ASKING_HELD : 0;
	if (r->rival == BACKEND_GONE) {
		n.sets |= SP_PATCH_UP | SP_PATCH_IF_UP;
		n.up.bound = n.down.bound = SP_BOUND_GONE;
	}
	bpf_prog_test_run_opts(bpf_program__fd(r->f->skel->progs.sp_patch), &o);
	return o.retval;
}

static void *run_rival(void *ctx)
{
	struct race *r = ctx;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(r->cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (;;) {
		pthread_barrier_wait(&r->begin);
		if (r->is_over)
			return NULL;
		r->result = r->rival == SAME_REQUEST ? send_frame(r) : patch_boundaries(r);
		pthread_barrier_wait(&r->end);
	}
}

static int other_cpu(void)
{
	cpu_set_t mine;
	int cpus = libbpf_num_possible_cpus();

	sched_getaffinity(0, sizeof(mine), &mine);
	for (int cpu = 0; cpu < cpus; cpu++)
		if (!CPU_ISSET(cpu, &mine))
			return cpu;
	return 0;
}

/* The request goes, or the rival is first: never both, never neither. Return: who was first. */
static int check_outcome(struct race *r, int verdict, __u64 carried)
{
	struct sp_boundary up = up_of(r->f, 0), down = down_of(r->f, 0);
	int went = carried == 1, is_won = r->result == SP_PATCH_DONE;

	if (carried > 1)
		fail_msg("carried %llu times", (unsigned long long)carried);
	if (r->rival == SAME_REQUEST)
		is_won = !went;
	if (went == is_won || (went && verdict != TC_ACT_REDIRECT && r->rival != SAME_REQUEST))
		fail_msg("rival %d: went %d, rival's result %d", r->rival, went, r->result);
	assert_int_equal(up.until, REQUEST_AT + (went ? strlen(GET) : 0));
	assert_false(up.reading & SP_ASKING_MOVING);
	assert_int_equal(down.bound == SP_BOUND_HEAD, went);
	assert_int_equal(down.until, RESPONSE_AT);
	return went;
}

static int race_once(struct race *r, struct trial *t)
{
	__u64 before = stat_of(r->f, SP_STAT_REQUESTS_CARRIED);
	volatile int wait = random() % 2000;
	int verdict;

	prepare(r->f, t);
	pthread_barrier_wait(&r->begin);
	while (r->rival != SAME_REQUEST && wait > 0)
		wait--;
	verdict = send_frame(r);
	pthread_barrier_wait(&r->end);
	return check_outcome(r, verdict, stat_of(r->f, SP_STAT_REQUESTS_CARRIED) - before);
}

static void run_races(struct fixture *f, enum rival rival)
{
	struct race r = { .f = f, .rival = rival, .cpu = other_cpu() };
	struct trial t = plain_trial(0);
	pthread_t thread;
	int went = 0;

	r.len = build(&t.p, r.in);
	pthread_barrier_init(&r.begin, NULL, 2);
	pthread_barrier_init(&r.end, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, run_rival, &r), 0);
	for (int i = 0; i < ROUNDS; i++)
		went += race_once(&r, &t);
	r.is_over = 1;
	pthread_barrier_wait(&r.begin);
	pthread_join(thread, NULL);
	print_message("rival %d: the request went in %d of %d rounds\n", rival, went, ROUNDS);
}

static void request_or_rival(void **state)
{
	for (enum rival rival = SAME_REQUEST; rival <= HOLDER; rival++)
		run_races(*state, rival);
}

static int open_with_key(void **state)
{
	if (open_all(state))
		return -1;
	set_key(*state, &key);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_goes_by_itself),
		cmocka_unit_test(any_other_goes_to_the_daemon),
		cmocka_unit_test(decision_is_of_one_service_and_key),
		cmocka_unit_test(whole_digest_is_compared),
		cmocka_unit_test(requests_of_all_lengths),
		cmocka_unit_test(dropped_request_moves_nothing),
		cmocka_unit_test(no_peer_no_decision),
		cmocka_unit_test(request_or_rival),
	};

	return cmocka_run_group_tests(tests, open_with_key, close_all);
}

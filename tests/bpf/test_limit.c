// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_limit.c - lists, rates and counts at a SYN and at a first segment; the end of a counted
 * connection. Needs root.
 */
#include "check.h"

#define ID	0x5eed1234
#define SECOND_NS 1000000000ULL

static int map_fd(struct fixture *f, const char *name)
{
	return bpf_object__find_map_fd_by_name(f->skel->obj, name);
}

static void clear(int fd, size_t key_size)
{
	char key[64];

	while (!bpf_map_get_next_key(fd, NULL, key))
		assert_int_equal(bpf_map_delete_elem(fd, key), 0);
}

static void put_limit(struct fixture *f, int is_v6, __u8 flags, struct sp_limit limit)
{
	struct sp_tuple t = TUPLE_IN(is_v6);
	struct sp_listen at = { .addr = t.daddr, .port = htons(SERVICE_PORT) };
	const __u32 id = ID, none = 0;
	struct sp_service svc;

	put_service(f, is_v6, flags);
	limit.service_id = ID;
	limit.bits_v4 = limit.bits_v4 ?: 128;
	limit.bits_v6 = limit.bits_v6 ?: 64;
	assert_int_equal(bpf_map_lookup_elem(map_fd(f, "sp_services"), &at, &svc), 0);
	svc.limit = limit;
	assert_int_equal(bpf_map_update_elem(map_fd(f, "sp_services"), &at, &svc, BPF_ANY), 0);
	clear(map_fd(f, "sp_sources"), sizeof(struct sp_source_key));
	clear(map_fd(f, "sp_admitted"), sizeof(struct sp_tuple));
	assert_int_equal(bpf_map_update_elem(map_fd(f, "sp_totals"), &id, &none, BPF_ANY), 0);
}

static void put_range(struct fixture *f, int list, const char *addr, __u32 bits, __u32 verdict)
{
	struct sp_range range = { .bits = 32 + bits, .service_id = ID,
				  .addr = tuple_of(addr, 0, addr, 0).saddr };
	int fd = map_fd(f, list ? "sp_ranges_1" : "sp_ranges_0");

	assert_int_equal(bpf_map_update_elem(fd, &range, &verdict, BPF_ANY), 0);
}

static struct packet syn_of(int is_v6, const char *from, __u16 port)
{
	struct packet p = plain_packet(is_v6);

	if (from)
		p.tuple.saddr = tuple_of(from, 0, from, 0).saddr;
	p.tuple.sport = htons(port);
	p.tuple.dport = htons(SERVICE_PORT);
	p.flags = SYN;
	p.ack = 0;
	p.payload = 0;
	return p;
}

/* The client's first segment, with the cookie of the SYN-ACK. */
static struct packet first_of(struct fixture *f, const struct packet *syn)
{
	struct sp_cookie_in in = { .tuple = syn->tuple, .client_isn = syn->seq };
	struct packet p = *syn;

	p.flags = ACK;
	p.seq = syn->seq + 1;
	p.payload = 20;
	p.ack = 1 + sp_cookie_make(f->control.cookie_key[0], &in, f->control.period,
				   sp_cookie_data(3, 7, 1));
	return p;
}

/* Return: the counted reason; 0: several reasons, or no reason. */
static int reason_of(struct fixture *f, const struct packet *p)
{
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u64 before[SP_DROP_COUNT];
	int found = 0;
	__u32 len;

	for (__u32 i = 0; i < SP_DROP_COUNT; i++)
		before[i] = drops(f, i);
	f->control.heartbeat_ns = now_ns(CLOCK_MONOTONIC_COARSE);
	assert_int_equal(set_control(f), 0);
	run(f, in, build(p, in), out, &len, 1, NULL);
	for (__u32 i = 0; i < SP_DROP_COUNT; i++)
		if (drops(f, i) != before[i])
			found = found ? 0 : (int)i;
	return found;
}

static int syn_reason(struct fixture *f, int is_v6, const char *from, __u16 port)
{
	struct packet p = syn_of(is_v6, from, port);

	return reason_of(f, &p);
}

static int first_reason(struct fixture *f, int is_v6, const char *from, __u16 port)
{
	struct packet syn = syn_of(is_v6, from, port), p = first_of(f, &syn);

	return reason_of(f, &p);
}

static __u32 total(struct fixture *f)
{
	__u32 id = ID, n = 0;

	assert_int_equal(bpf_map_lookup_elem(map_fd(f, "sp_totals"), &id, &n), 0);
	return n;
}

static const char *const CLIENT[] = { "10.1.0.1", "fd01::1" };
static const char *const NEIGHBOUR[] = { "10.1.0.2", "fd01:0:0:0:7::2" };
static const char *const STRANGER[] = { "10.7.0.1", "fd01:0:0:7::1" };

static void longest_range_decides(void **state)
{
	struct fixture *f = *state;

	for_each_family(v6)
		for (int list = 0; list < 2; list++) {
			put_limit(f, v6, SP_SERVICE_F_LISTED, (struct sp_limit){ .list = list });
			clear(map_fd(f, "sp_ranges_0"), sizeof(struct sp_range));
			clear(map_fd(f, "sp_ranges_1"), sizeof(struct sp_range));
			assert_int_equal(syn_reason(f, v6, CLIENT[v6], 1), SP_DROP_SYN_ANSWERED);
			put_range(f, list, v6 ? "fd01::" : "10.0.0.0", v6 ? 16 : 104,
				  SP_RANGE_DENY);
			assert_int_equal(syn_reason(f, v6, CLIENT[v6], 1), SP_DROP_DENIED);
			assert_int_equal(first_reason(f, v6, CLIENT[v6], 1), SP_DROP_DENIED);
			put_range(f, list, CLIENT[v6], 128, SP_RANGE_ALLOW);
			assert_int_equal(syn_reason(f, v6, CLIENT[v6], 1), SP_DROP_SYN_ANSWERED);
			assert_int_equal(first_reason(f, v6, CLIENT[v6], 1), SP_DROP_HEAD);
			assert_int_equal(syn_reason(f, v6, NEIGHBOUR[v6], 1), SP_DROP_DENIED);
		}
}

/* Only the named service, and only the list in effect. */
static void ranges_of_others_do_not_count(void **state)
{
	struct sp_range other = { .bits = 32, .service_id = ID + 1 };
	struct fixture *f = *state;
	__u32 deny = SP_RANGE_DENY;

	for_each_family(v6) {
		put_limit(f, v6, SP_SERVICE_F_LISTED, (struct sp_limit){ .list = 1 });
		clear(map_fd(f, "sp_ranges_0"), sizeof(struct sp_range));
		clear(map_fd(f, "sp_ranges_1"), sizeof(struct sp_range));
		put_range(f, 0, CLIENT[v6], 128, SP_RANGE_DENY);
		assert_int_equal(bpf_map_update_elem(map_fd(f, "sp_ranges_1"), &other, &deny,
						     BPF_ANY), 0);
		assert_int_equal(syn_reason(f, v6, CLIENT[v6], 1), SP_DROP_SYN_ANSWERED);
		other.service_id = ID;	/* every address */
		assert_int_equal(bpf_map_update_elem(map_fd(f, "sp_ranges_1"), &other, &deny,
						     BPF_ANY), 0);
		assert_int_equal(syn_reason(f, v6, CLIENT[v6], 1), SP_DROP_DENIED);
		other.service_id = ID + 1;
	}
}

/* A SYN is free; a repeated first segment, too. */
static void rate_is_of_a_prefix(void **state)
{
	struct fixture *f = *state;

	for_each_family(v6) {
		put_limit(f, v6, SP_SERVICE_F_LIMITED,
			  (struct sp_limit){ .spacing_ns = SECOND_NS, .burst_ns = 2 * SECOND_NS,
					     .bits_v4 = 120 });
		for (__u16 port = 1; port < 20; port++)
			assert_int_equal(syn_reason(f, v6, CLIENT[v6], port), SP_DROP_SYN_ANSWERED);
		for (__u16 port = 1; port <= 3; port++) {
			assert_int_equal(first_reason(f, v6, CLIENT[v6], port), SP_DROP_HEAD);
			assert_int_equal(first_reason(f, v6, CLIENT[v6], port), SP_DROP_HEAD);
		}
		assert_int_equal(first_reason(f, v6, NEIGHBOUR[v6], 4), SP_DROP_SOURCE_RATE);
		assert_int_equal(syn_reason(f, v6, NEIGHBOUR[v6], 4), SP_DROP_SOURCE_RATE);
		assert_int_equal(first_reason(f, v6, CLIENT[v6], 3), SP_DROP_HEAD);
		assert_int_equal(first_reason(f, v6, STRANGER[v6], 4), SP_DROP_HEAD);
		assert_int_equal(total(f), 4);
	}
}

static void rate_recovers(void **state)
{
	struct fixture *f = *state;

	put_limit(f, 0, SP_SERVICE_F_LIMITED, (struct sp_limit){ .spacing_ns = 50000000 });
	assert_int_equal(first_reason(f, 0, CLIENT[0], 1), SP_DROP_HEAD);
	assert_int_equal(first_reason(f, 0, CLIENT[0], 2), SP_DROP_SOURCE_RATE);
	usleep(60000);
	assert_int_equal(first_reason(f, 0, CLIENT[0], 2), SP_DROP_HEAD);
}

static int leave(struct fixture *f, int is_v6, __u16 port)
{
	struct sp_leave l = { .front = syn_of(is_v6, CLIENT[is_v6], port).tuple };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = &l, .data_size_in = sizeof(l));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(f->skel->progs.sp_leave), &o), 0);
	return o.retval;
}

static void source_has_so_many_connections(void **state)
{
	struct fixture *f = *state;

	for_each_family(v6) {
		put_limit(f, v6, SP_SERVICE_F_LIMITED,
			  (struct sp_limit){ .source_connections = 2 });
		assert_int_equal(first_reason(f, v6, CLIENT[v6], 1), SP_DROP_HEAD);
		assert_int_equal(syn_reason(f, v6, CLIENT[v6], 2), SP_DROP_SYN_ANSWERED);
		assert_int_equal(first_reason(f, v6, CLIENT[v6], 2), SP_DROP_HEAD);
		assert_int_equal(syn_reason(f, v6, CLIENT[v6], 3), SP_DROP_SOURCE_FULL);
		assert_int_equal(first_reason(f, v6, CLIENT[v6], 3), SP_DROP_SOURCE_FULL);
		assert_int_equal(first_reason(f, v6, CLIENT[v6], 2), SP_DROP_HEAD);
		assert_int_equal(first_reason(f, v6, STRANGER[v6], 1), SP_DROP_HEAD);
		assert_int_equal(leave(f, v6, 1), 1);
		assert_int_equal(leave(f, v6, 1), 0);
		assert_int_equal(leave(f, v6, 7), 0);
		assert_int_equal(first_reason(f, v6, CLIENT[v6], 3), SP_DROP_HEAD);
		assert_int_equal(first_reason(f, v6, CLIENT[v6], 4), SP_DROP_SOURCE_FULL);
		assert_int_equal(total(f), 3);
	}
}

static void service_has_so_many_connections(void **state)
{
	struct fixture *f = *state;

	for_each_family(v6) {
		put_limit(f, v6, SP_SERVICE_F_LIMITED, (struct sp_limit){ .connections = 2 });
		assert_int_equal(first_reason(f, v6, CLIENT[v6], 1), SP_DROP_HEAD);
		assert_int_equal(first_reason(f, v6, STRANGER[v6], 1), SP_DROP_HEAD);
		assert_int_equal(syn_reason(f, v6, NEIGHBOUR[v6], 1), SP_DROP_SERVICE_FULL);
		assert_int_equal(first_reason(f, v6, NEIGHBOUR[v6], 1), SP_DROP_SERVICE_FULL);
		assert_int_equal(leave(f, v6, 1), 1);
		assert_int_equal(first_reason(f, v6, NEIGHBOUR[v6], 1), SP_DROP_HEAD);
		assert_int_equal(total(f), 2);
	}
}

/* The source of the splice of check.h, whose client is admitted. */
static void admit_splice(struct fixture *f, int is_v6)
{
	struct sp_tuple in = TUPLE_IN(is_v6);
	struct sp_admitted a = { .source = { .addr = in.saddr, .service_id = ID } };
	struct sp_source_state one = { .connections = 1 };
	__u32 id = ID, n = 1;

	put_limit(f, is_v6, SP_SERVICE_F_LIMITED, (struct sp_limit){ .source_connections = 1 });
	put_splice(f, is_v6);
	assert_int_equal(bpf_map_update_elem(map_fd(f, "sp_totals"), &id, &n, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(map_fd(f, "sp_sources"), &a.source, &one, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(map_fd(f, "sp_admitted"), &in, &a, BPF_ANY), 0);
}

static void run_flags(struct fixture *f, int is_v6, int is_down, __u8 flags)
{
	struct packet p = plain_packet(is_v6);
	struct sp_half up = full_half(is_v6);
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u32 len;

	if (is_down)
		p.tuple = sp_tuple_reverse(&up.out);
	p.flags = flags;
	assert_int_equal(run(f, in, build(&p, in), out, &len, 1, NULL), TC_ACT_REDIRECT);
}

static __u32 source_count(struct fixture *f, int is_v6)
{
	struct sp_source_key key = { .addr = TUPLE_IN(is_v6).saddr, .service_id = ID };
	struct sp_source_state s;

	assert_int_equal(bpf_map_lookup_elem(map_fd(f, "sp_sources"), &key, &s), 0);
	return s.connections;
}

static void closed_splice_does_not_count(void **state)
{
	static const __u8 ends[][2] = { { RST, 0 }, { 0, RST | ACK }, { FIN | ACK, FIN | ACK } };
	struct fixture *f = *state;

	for_each_family(v6)
		for (size_t i = 0; i < COUNT(ends); i++) {
			admit_splice(f, v6);
			run_flags(f, v6, 0, ACK);
			run_flags(f, v6, 1, ACK);
			assert_int_equal(total(f), 1);
			for (int down = 0; down < 2; down++) {
				assert_int_equal(source_count(f, v6), 1);
				if (ends[i][down])
					run_flags(f, v6, down, ends[i][down]);
				if (i < 2 && ends[i][down])
					break;
			}
			assert_int_equal(total(f), 0);
			assert_int_equal(source_count(f, v6), 0);
			run_flags(f, v6, 0, RST);
			assert_int_equal(total(f), 0);
			assert_int_equal(source_count(f, v6), 0);
		}
}

/* More sources than room: the map keeps the size, and all sources are served. */
static void many_sources_fit(void **state)
{
	struct fixture *f = *state;
	struct sp_source_key key;
	__u32 held = 0;

	put_limit(f, 0, SP_SERVICE_F_LIMITED, (struct sp_limit){ .spacing_ns = SECOND_NS });
	for (__u32 i = 0; i < 5000; i++) {
		struct packet syn = syn_of(0, CLIENT[0], 9), p;

		syn.tuple.saddr.w[3] = htonl(0x0b000000 + i);
		p = first_of(f, &syn);
		f->control.heartbeat_ns = now_ns(CLOCK_MONOTONIC_COARSE);
		assert_int_equal(reason_of(f, &p), SP_DROP_HEAD);
		listen_to(f);
	}
	for (int more = !bpf_map_get_next_key(map_fd(f, "sp_sources"), NULL, &key); more; held++)
		more = !bpf_map_get_next_key(map_fd(f, "sp_sources"), &key, &key);
	assert_in_range(held, 512, 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_range_decides),
		cmocka_unit_test(ranges_of_others_do_not_count),
		cmocka_unit_test(rate_is_of_a_prefix),
		cmocka_unit_test(rate_recovers),
		cmocka_unit_test(source_has_so_many_connections),
		cmocka_unit_test(service_has_so_many_connections),
		cmocka_unit_test(closed_splice_does_not_count),
		cmocka_unit_test(many_sources_fit),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

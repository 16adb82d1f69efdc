/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* bounded.h - splices whose requests are read, for the datapath's tests. */
#ifndef SP_TESTS_BOUNDED_H
#define SP_TESTS_BOUNDED_H

#include "check.h"

#define REQUEST_AT	3000	/* next number of the client */
#define RESPONSE_AT	0xffffff00u
#define ISN		(REQUEST_AT - 1)

static inline struct sp_tuple down_tuple(int is_v6)
{
	struct sp_tuple out = TUPLE_OUT(is_v6);

	return sp_tuple_reverse(&out);
}

static inline void put_entry(struct fixture *f, const struct sp_tuple *in, struct sp_entry e)
{
	e.half.flags |= SP_HALF_F_REQUESTS;
	e.meta.client_isn = ISN;
	e.state.addr_csum = difference(&in->saddr, &e.half.out.saddr, 8);
	e.state.port_csum = difference(&in->sport, &e.half.out.sport, 1);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_halves), in, &e,
					     BPF_ANY), 0);
}

/* The client has sent up to REQUEST_AT, the backend up to RESPONSE_AT. */
static inline void put_bounded(struct fixture *f, int is_v6, struct sp_boundary up,
			       struct sp_boundary down)
{
	struct sp_tuple front = TUPLE_IN(is_v6), back = down_tuple(is_v6);

	put_entry(f, &front, (struct sp_entry){
		.half = full_half(is_v6), .meta.boundary = up, .state.next_seq = REQUEST_AT });
	put_entry(f, &back, (struct sp_entry){
		.half = peer_half(is_v6), .meta.boundary = down, .state.next_seq = RESPONSE_AT });
}

static inline struct sp_entry entry_of(struct fixture *f, const struct sp_tuple *key)
{
	struct sp_entry e;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(f->skel->maps.sp_halves), key, &e), 0);
	return e;
}

static inline struct sp_boundary up_of(struct fixture *f, int is_v6)
{
	struct sp_tuple front = TUPLE_IN(is_v6);

	return entry_of(f, &front).meta.boundary;
}

static inline struct sp_boundary down_of(struct fixture *f, int is_v6)
{
	struct sp_tuple back = down_tuple(is_v6);

	return entry_of(f, &back).meta.boundary;
}

static inline struct packet request_packet(int is_v6, const char *text)
{
	struct packet p = plain_packet(is_v6);

	p.seq = REQUEST_AT;
	p.ack = RESPONSE_AT - full_half(is_v6).ack_delta;
	p.flags = ACK | PSH;
	p.payload = strlen(text);
	p.text = text;
	return p;
}

static inline struct packet response_packet(int is_v6, const char *text, __u32 len)
{
	struct packet p = plain_packet(is_v6);

	p.tuple = down_tuple(is_v6);
	p.seq = RESPONSE_AT;
	p.payload = len;
	p.text = text;
	return p;
}

static inline void check_boundary(const char *name, struct sp_boundary is, struct sp_boundary want)
{
	if (memcmp(&is, &want, sizeof(is)))
		fail_msg("%s: boundary until %u laps %u bound %u reading %u, not %u, %u, %u, %u",
			 name, is.until, is.laps, is.bound, is.reading, want.until, want.laps,
			 want.bound, want.reading);
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An agent's program at ingress, and introductions: which are installed, and which are left to the
 * daemon.
 */
#include "check.h"

#include "cluster/message.c"
#include "base/seal.c"

#define RELAY_PORT	7946

static const __u64 keys[3][2] = { { 1, 2 }, { 3, 4 }, { 5, 6 } };
/* seals by the key, by the key before, and by the key of another cluster */
static struct sp_seal seals[3];
static __u32 now_s;

static struct sp_addr relay_addr(int is_v6)
{
	return addr_of(is_v6 ? "fd09::1" : "10.9.0.1");
}

static struct sp_splice splice_of(int is_v6)
{
	struct sp_splice s = { .front = TUPLE_IN(is_v6), .client_isn = 0xfffffff0,
			       .up = full_half(is_v6) };

	s.up.spliced_s = now_s;
	s.up.window_shift = 3;
	s.up.version = 2;
	s.up.pool_id = 0xabcd;
	s.up.mss = 1360;
	s.up.flags = SP_HALF_F_SPLIT;
	s.down = peer_half(is_v6);
	s.down.spliced_s = now_s;
	s.down.window_shift = -2;
	s.down.version = 2;
	s.down.pool_id = 0xabcd;
	s.down.flags |= SP_HALF_F_SPLIT;
	return s;
}

static struct sp_tuple down_key(int is_v6)
{
	struct sp_tuple back = TUPLE_OUT(is_v6);

	return sp_tuple_reverse(&back);
}

static void set_seal(struct fixture *f, int slot, const struct sp_seal *seal)
{
	memcpy(f->control.seal_key[slot], seal->key[0], 16);
	f->control.seal_id[slot] = htons(seal->id[0]);
}

static void empty_table(struct fixture *f)
{
	int fd = bpf_map__fd(f->skel->maps.sp_halves);
	struct sp_tuple key;

	while (!bpf_map_get_next_key(fd, NULL, &key))
		bpf_map_delete_elem(fd, &key);
}

/* Start with an empty table for 100 splices, and a daemon that has died lately. */
static void begin(struct fixture *f, int is_v6)
{
	struct sp_tuple back = TUPLE_OUT(is_v6);
	struct sp_listen serve = { back.daddr, back.dport, 0 };
	__u64 coarse_ns = now_ns(CLOCK_MONOTONIC_COARSE), real_ns = now_ns(CLOCK_REALTIME);
	__u32 nothing = 0;

	f->prog = f->skel->progs.sp_agent_in;
	now_s = real_ns / 1000000000;
	f->control = (struct sp_control){
		.heartbeat_ns = heartbeat_ago(60000000000ULL), .key_count = 2, .splices_max = 100,
		.real_offset_ns = real_ns - coarse_ns,
		.relay = { relay_addr(is_v6), htons(RELAY_PORT), 0 },
	};
	set_seal(f, 0, &seals[0]);
	set_seal(f, 1, &seals[1]);
	assert_int_equal(set_control(f), 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_origins), &serve,
					     &nothing, BPF_ANY), 0);
	empty_table(f);
}

static struct sp_control control_of(struct fixture *f)
{
	struct sp_control c;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(f->skel->maps.sp_control), &zero, &c), 0);
	return c;
}

static size_t write_text(const struct sp_seal *seal, const struct sp_splice *splice, __u8 *text)
{
	struct sp_message m = { .kind = SP_MESSAGE_INTRODUCE, .from = 7, .started_ns = 8, .seq = 9,
				.splice = *splice,
				.refreshed_s = now_s };

	return sp_message_write(seal, &m, text);
}

/* Return: length of the frame. */
static __u32 datagram(int is_v6, const __u8 *text, size_t len, __u8 *frame)
{
	struct packet p = { .tuple = { addr_of(is_v6 ? "fd09::2" : "10.9.0.2"), relay_addr(is_v6),
				       htons(RELAY_PORT),
				       htons(RELAY_PORT) }, .is_v6 = is_v6, .ttl = 63, .is_df = 1 };
	__u8 *udp = frame + l4_off(is_v6);

	build_ethernet(&p, frame);
	build_ip(&p, frame + 14, 17, 8 + len);
	memcpy(udp, &p.tuple.sport, 4);
	put16(udp + 4, 8 + len);
	put16(udp + 6, 0);
	memcpy(udp + 8, text, len);
	return l4_off(is_v6) + 8 + len;
}

static void check_text(struct fixture *f, const char *name, int is_v6, const __u8 *text, size_t len,
		       __u32 reason)
{
	__u64 introduced = stat_of(f, SP_STAT_AGENT_INTRODUCED);
	__u8 frame[FRAME_MAX], out[FRAME_MAX];
	__u32 n = datagram(is_v6, text, len, frame);

	if (reason)
		check_reason(f, name, frame, n, TC_ACT_SHOT, reason);
	else
		check_run(f, name, frame, n, TC_ACT_SHOT, out, &n);
	if (stat_of(f, SP_STAT_AGENT_INTRODUCED) != introduced + !reason)
		fail_msg("%s: %d were installed", name,
			 (int)(stat_of(f, SP_STAT_AGENT_INTRODUCED) - introduced));
}

/* @reason: 0: the splice is installed */
static void check_splice(struct fixture *f, const char *name, int is_v6, const struct sp_splice *s,
			 __u32 reason)
{
	__u8 text[SP_MESSAGE_BYTES_MAX];
	size_t len = write_text(&seals[0], s, text);

	check_text(f, name, is_v6, text, len, reason);
}

static struct sp_splice introduce_first(struct fixture *f, int is_v6)
{
	struct sp_splice s;

	begin(f, is_v6);
	s = splice_of(is_v6);
	check_splice(f, "first", is_v6, &s, 0);
	return s;
}

static int get(struct fixture *f, const struct sp_tuple *key, struct sp_entry *ret_e)
{
	return bpf_map_lookup_elem(bpf_map__fd(f->skel->maps.sp_halves), key, ret_e);
}

static void check_entry(struct fixture *f, const struct sp_tuple *key, const struct sp_half *half,
			struct sp_half_state use)
{
	__u64 ns = now_ns(CLOCK_MONOTONIC_COARSE);
	struct sp_entry e;

	assert_int_equal(get(f, key, &e), 0);
	assert_memory_equal(&e.half, half, sizeof(*half));
	assert_in_range(e.state.seen_ns, ns - 1000000000, ns);
	use.seen_ns = e.state.seen_ns;
	use.addr_csum = e.state.addr_csum;
	use.port_csum = e.state.port_csum;
	assert_memory_equal(&e.state, &use, sizeof(use));
	assert_int_equal(e.state.addr_csum % 0xffff,
			 difference(&key->saddr, &half->out.saddr, 8) % 0xffff);
	assert_int_equal(e.state.port_csum % 0xffff,
			 difference(&key->sport, &half->out.sport, 1) % 0xffff);
	assert_int_equal(e.meta.client_isn, 0xfffffff0);
	assert_int_equal(e.meta.refreshed_s, now_s);
}

static void check_installed(struct fixture *f, int is_v6)
{
	struct sp_tuple front = TUPLE_IN(is_v6), back_reply = down_key(is_v6);
	struct sp_splice s = splice_of(is_v6);

	check_splice(f, "good", is_v6, &s, 0);
	check_entry(f, &front, &s.up, (struct sp_half_state){ .next_seq = 0xfffffff1 });
	check_entry(f, &back_reply, &s.down, (struct sp_half_state){ .last_ack = 0xfffffff1 });
	assert_int_equal(control_of(f).splices, 1);
	assert_int_equal(control_of(f).introduced, 1);
}

static void both_halves_are_installed(void **state)
{
	struct fixture *f = *state;

	for_each_family(v6) {
		begin(f, v6);
		check_installed(f, v6);
		if (!kernel_adopts())
			continue;
		begin(f, v6);
		f->prog = f->skel->progs.sp_agent_adopt;
		check_installed(f, v6);
	}
}

/* Replies pass through the installed half as through a half of the daemon's. */
static void answers_are_carried_from_then_on(void **state)
{
	struct fixture *f = *state;

	for_each_family(v6) {
		struct packet p = plain_packet(v6), want;
		__u8 in[FRAME_MAX], out[FRAME_MAX];
		struct sp_splice s;
		__u32 len;

		begin(f, v6);
		s = splice_of(v6);
		s.down.window_shift = 0;
		check_splice(f, "good", v6, &s, 0);
		p.tuple = down_key(v6);
		want = expect_carried(p, &s.down);
		len = build(&p, in);
		f->prog = f->skel->progs.sp_egress;
		check_run(f, "answer", in, len, TC_ACT_REDIRECT, out, &len);
		check_bytes("answer", &want, out, len);
	}
}

static void either_key_opens(void **state)
{
	for_each_family(v6) {
		__u8 text[SP_MESSAGE_BYTES_MAX];
		struct fixture *f = *state;
		struct sp_splice s;
		size_t len;

		begin(f, v6);
		s = splice_of(v6);
		len = write_text(&seals[2], &s, text);
		check_text(f, "another cluster's", v6, text, len, SP_DROP_INTRO_FOREIGN);
		len = write_text(&seals[1], &s, text);
		f->control.key_count = 1;
		set_control(f);
		check_text(f, "a key that is gone", v6, text, len, SP_DROP_INTRO_FOREIGN);
		f->control.key_count = 2;
		set_control(f);
		check_text(f, "the key before", v6, text, len, 0);
	}
}

static void any_change_is_refused(void **state)
{
	for_each_family(v6) {
		__u8 text[SP_MESSAGE_BYTES_MAX];
		struct sp_splice s;
		struct sp_entry e;
		size_t len;

		begin(*state, v6);
		s = splice_of(v6);
		len = write_text(&seals[0], &s, text);
		for (size_t at = 7; at < len; at++) {
			text[at] ^= 1 << at % 8;
			check_text(*state, "changed", v6, text, len, SP_DROP_INTRO_FORGED);
			text[at] ^= 1 << at % 8;
		}
		text[2] ^= 1;
		check_text(*state, "of a key that is not", v6, text, len, SP_DROP_INTRO_FOREIGN);
		assert_int_not_equal(get(*state, &s.front, &e), 0);
		assert_int_equal(control_of(*state).splices, 0);
	}
}

static void other_lengths_are_refused(void **state)
{
	for_each_family(v6) {
		__u8 text[SP_MESSAGE_BYTES_MAX + 8] = { 0 };
		struct sp_splice s;
		size_t len;

		begin(*state, v6);
		s = splice_of(v6);
		len = write_text(&seals[0], &s, text);
		for (size_t cut = 8; cut < len + 8; cut++)
			if (cut != len)
				check_text(*state, "cut", v6, text, cut, SP_DROP_INTRO_SHORT);
	}
}

/* The UDP length is larger than the frame. */
static void lengths_that_lie_are_refused(void **state)
{
	for_each_family(v6) {
		__u8 text[SP_MESSAGE_BYTES_MAX], frame[FRAME_MAX];
		struct sp_splice s;
		__u32 n;

		begin(*state, v6);
		s = splice_of(v6);
		n = datagram(v6, text, write_text(&seals[0], &s, text), frame);
		check_reason(*state, "cut off", frame, n - 1, TC_ACT_SHOT, SP_DROP_INTRO_SHORT);
	}
}

/* Messages of @count clients with consecutive ports. Return: bytes. */
static size_t write_texts(int is_v6, int count, __u8 *texts)
{
	struct sp_splice s = splice_of(is_v6);
	size_t len = 0;

	for (int i = 0; i < count; i++) {
		s.front.sport = htons(2000 + i);
		s.up.out.sport = htons(3000 + i);
		s.down = sp_half_turn(&s.up, &s.front, s.down.window_shift);
		len += write_text(&seals[0], &s, texts + len);
	}
	return len;
}

static void check_texts(struct fixture *f, int is_v6, const __u8 *texts, size_t len,
			__u32 installed)
{
	__u8 frame[FRAME_MAX], out[FRAME_MAX];
	__u32 n = datagram(is_v6, texts, len, frame), before = control_of(f).splices;

	check_run(f, "together", frame, n, TC_ACT_SHOT, out, &n);
	assert_int_equal(control_of(f).splices - before, installed);
}

static void several_come_together(void **state)
{
	const __u32 most = SP_INTRODUCE_TOGETHER;

	for_each_family(v6) {
		__u8 texts[SP_MESSAGES_BYTES_MAX + SP_MESSAGE_BYTES_MAX];

		for (__u32 count = 2; count <= most; count++) {
			begin(*state, v6);
			check_texts(*state, v6, texts, write_texts(v6, count, texts), count);
		}
	}
}

static void more_than_fit_are_refused(void **state)
{
	for_each_family(v6) {
		__u8 texts[SP_MESSAGES_BYTES_MAX + SP_MESSAGE_BYTES_MAX];
		size_t len;

		begin(*state, v6);
		len = write_texts(v6, SP_INTRODUCE_TOGETHER + 1, texts);
		check_text(*state, "one too many", v6, texts, len, SP_DROP_INTRO_SHORT);
		len = write_texts(v6, 2, texts);
		check_text(*state, "a part", v6, texts, len - 8, SP_DROP_INTRO_SHORT);
	}
}

/* Messages before and behind a damaged or unknown message are installed. */
static void one_that_is_refused_leaves_the_others(void **state)
{
	static const struct { size_t at; __u32 reason; } bad[] = {
		{ 60, SP_DROP_INTRO_FORGED }, { 6, SP_DROP_INTRO_MALFORMED },
	};

	for_each_family(v6)
		for (int i = 0; i < 3 * 2; i++) {
			__u8 texts[SP_MESSAGES_BYTES_MAX + SP_MESSAGE_BYTES_MAX];
			__u64 refused = drops(*state, bad[i % 2].reason);
			size_t len = write_texts(v6, 4, texts);

			begin(*state, v6);
			texts[len / 4 * (1 + i / 2) + bad[i % 2].at] ^= 1;
			check_texts(*state, v6, texts, len, 3);
			assert_int_equal(drops(*state, bad[i % 2].reason), refused + 1);
		}
}

/* Senders with the right key may be faulty. */
static void what_makes_no_sense_is_refused(void **state)
{
	for_each_family(v6) {
		struct sp_splice s, good;

		begin(*state, v6);
		s = good = splice_of(v6);
		s.front.sport = 0;
		check_splice(*state, "no port", v6, &s, SP_DROP_INTRO_MALFORMED);
		s = good;
		s.up.out.dport = 0;
		check_splice(*state, "no port of the backend's", v6, &s, SP_DROP_INTRO_MALFORMED);
		s = good;
		s.up.out.saddr = TUPLE_OUT(!v6).saddr;
		check_splice(*state, "two families", v6, &s, SP_DROP_INTRO_MALFORMED);
		s = good;
		s.up.flags |= SP_HALF_F_TO_DAEMON;
		check_splice(*state, "a mark", v6, &s, SP_DROP_INTRO_MALFORMED);
		s = good;
		s.up.flags = 0;
		check_splice(*state, "to go whole", v6, &s, SP_DROP_INTRO_MALFORMED);
		s = good;
		s.up.flags |= SP_HALF_F_REQUESTS;
		check_splice(*state, "a boundary", v6, &s, SP_DROP_INTRO_MALFORMED);
		s = good;
		s.up.out.dport = htons(9);
		check_splice(*state, "not served", v6, &s, SP_DROP_INTRO_ELSEWHERE);
	}
}

static void room_for_later_is_empty(void **state)
{
	static const size_t empty[] = {
		offsetof(struct sp_introduce, zero2), offsetof(struct sp_introduce, half_version),
		offsetof(struct sp_introduce, pool_id), offsetof(struct sp_introduce, pool_id) + 1,
	};

	for_each_family(v6)
		for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
			__u8 text[SP_MESSAGE_BYTES_MAX];
			struct sp_splice s;
			size_t len;

			begin(*state, v6);
			s = splice_of(v6);
			len = write_text(&seals[0], &s, text);
			text[empty[i]] = 1;
			sp_seal_close(&seals[0], RELAY_WHERE, strlen(RELAY_WHERE), text, len);
			check_text(*state, "not zero", v6, text, len, SP_DROP_INTRO_MALFORMED);
		}
}

static void adopted_ones_are_taken(void **state)
{
	for_each_family(v6) {
		struct sp_tuple key = down_key(v6);
		struct sp_splice s;
		struct sp_entry e;

		begin(*state, v6);
		s = splice_of(v6);
		s.up.flags |= SP_HALF_F_ADOPTED;
		check_splice(*state, "adopted", v6, &s, 0);
		assert_int_equal(get(*state, &key, &e), 0);
		assert_int_equal(e.half.flags,
				 SP_HALF_F_FROM_BACKEND | SP_HALF_F_SPLIT | SP_HALF_F_ADOPTED);
	}
}

static void replayed_ones_are_refused(void **state)
{
	static const int ages_s[] = { SP_INTRODUCE_FRESH_S + 2, 60, -SP_INTRODUCE_FRESH_S - 2,
				      0x40000000 };

	for_each_family(v6) {
		struct sp_splice s;

		begin(*state, v6);
		s = splice_of(v6);
		for (size_t i = 0; i < COUNT(ages_s); i++) {
			s.up.spliced_s = now_s - ages_s[i];
			check_splice(*state, "of another time", v6, &s, SP_DROP_INTRO_OLD);
		}
		s.up.spliced_s = now_s - SP_INTRODUCE_FRESH_S + 2;
		check_splice(*state, "a moment late", v6, &s, 0);
		check_splice(*state, "twice", v6, &s, SP_DROP_INTRO_KNOWN);
		assert_int_equal(control_of(*state).splices, 1);
	}
}

/* @newer_s: how much newer than the first splice; @state: of the first splice */
static void check_second(struct fixture *f, const char *name, int is_v6, int newer_s, __u8 state,
			 __u32 reason)
{
	struct sp_splice first, second;
	struct sp_tuple key = down_key(is_v6);
	struct sp_entry e;

	begin(f, is_v6);
	first = second = splice_of(is_v6);
	check_splice(f, name, is_v6, &first, 0);
	assert_int_equal(get(f, &key, &e), 0);
	e.state.flags = state;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_halves), &key, &e,
					     BPF_EXIST), 0);
	second.client_isn++;
	second.front.sport = htons(40001);
	second.up.spliced_s += newer_s;
	check_splice(f, name, is_v6, &second, reason);
	assert_int_equal(control_of(f).splices, 1);
	/* the client's half of the replaced splice goes, too */
	assert_int_equal(!get(f, &first.front, &e), !!reason);
	assert_int_equal(!get(f, &second.front, &e), !reason);
}

static void newer_splice_of_a_tuple_wins(void **state)
{
	for_each_family(v6) {
		check_second(*state, "newer", v6, 1, 0, 0);
		check_second(*state, "newer, where one is closed", v6, 1, SP_STATE_REUSED, 0);
		check_second(*state, "older", v6, -1, 0, SP_DROP_INTRO_OUTDATED);
		check_second(*state, "older, where one is closed", v6, -1, SP_STATE_REUSED,
			     SP_DROP_INTRO_OUTDATED);
		check_second(*state, "of the same second", v6, 0, 0, SP_DROP_INTRO_OUTDATED);
		check_second(*state, "of the same second, where one is closed", v6, 0,
			     SP_STATE_FIN | SP_STATE_PEER_FIN, 0);
		check_second(*state, "of the same second, after a SYN-ACK", v6, 0, SP_STATE_REUSED,
			     0);
	}
}

/* Splices conflict by the client's tuple as well. */
static void newer_splice_of_a_client_stays(void **state)
{
	for_each_family(v6) {
		struct sp_splice first, second;
		struct sp_entry e;

		begin(*state, v6);
		first = second = splice_of(v6);
		check_splice(*state, "first", v6, &first, 0);
		second.client_isn++;
		second.up.out.sport = htons(30000);
		second.up.spliced_s--;
		check_splice(*state, "older, by another port", v6, &second, SP_DROP_INTRO_OUTDATED);
		second.up.spliced_s += 2;
		check_splice(*state, "newer, by another port", v6, &second, 0);
		assert_int_equal(control_of(*state).splices, 2);
		assert_int_equal(get(*state, &first.front, &e), 0);
		assert_memory_equal(&e.half.out, &second.up.out, sizeof(second.up.out));
	}
}

/* A client may connect again from the same port with the same number. */
static void newer_splice_with_an_old_isn(void **state)
{
	for_each_family(v6) {
		struct sp_splice s;

		s = introduce_first(*state, v6);
		s.up.spliced_s++;
		check_splice(*state, "newer", v6, &s, 0);
		assert_int_equal(control_of(*state).splices, 1);
	}
}

static void missing_half_is_put_back(void **state)
{
	for_each_family(v6) {
		struct sp_tuple key = down_key(v6);
		struct sp_splice s;
		struct sp_entry e;

		s = introduce_first(*state, v6);
		remove_half(*state, &key);
		check_splice(*state, "again", v6, &s, 0);
		assert_int_equal(get(*state, &key, &e), 0);
	}
}

/* A trap only holds packets: its fields do not count. */
static void mark_is_in_nobodys_way(void **state)
{
	for_each_family(v6) {
		struct sp_half mark = { .flags = SP_HALF_F_TO_DAEMON, .spliced_s = now_s + 1000 };
		struct sp_splice s;
		struct sp_entry e;

		begin(*state, v6);
		s = splice_of(v6);
		assert_int_equal(put_half(*state, &s.front, &mark), 0);
		check_splice(*state, "on a mark", v6, &s, 0);
		assert_int_equal(get(*state, &s.front, &e), 0);
		assert_memory_equal(&e.half, &s.up, sizeof(s.up));
	}
}

/* Variants of @back: another port of the proxy, of the backend, another address of either. */
static struct sp_tuple other_back(struct sp_tuple back, int is_v6, int what)
{
	switch (what) {
	case 0: back.sport = htons(30000); break;
	case 1: back.dport = htons(8081); break;
	case 2: back.saddr = addr_of(is_v6 ? "fd09::77" : "10.9.0.77"); break;
	case 3: back.daddr = addr_of(is_v6 ? "fd09::78" : "10.9.0.78"); break;
	}
	return back;
}

/*
 * The client's port has got a newer splice on another path meanwhile. If the older splice's half
 * from the backend is replaced, the newer splice must stay.
 */
static void other_end_of_another_splice_stays(void **state)
{
	for (int what = 0; what < 4; what++)
		for_each_family(v6) {
			struct sp_splice first, newer, third;
			struct fixture *f = *state;
			struct sp_listen serve = { 0 };
			struct sp_entry e;
			__u32 nothing = 0;

			begin(f, v6);
			first = newer = third = splice_of(v6);
			check_splice(f, "first", v6, &first, 0);
			newer.up.out = other_back(first.up.out, v6, what);
			newer.client_isn++;
			newer.up.spliced_s++;
			serve = (struct sp_listen){ newer.up.out.daddr, newer.up.out.dport, 0 };
			bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_origins), &serve, &nothing,
					    BPF_ANY);
			check_splice(f, "newer one of the client's port", v6, &newer, 0);
			third.front.sport = htons(40001);
			third.up.spliced_s += 2;
			check_splice(f, "newer one of the backend's tuple", v6, &third, 0);
			assert_int_equal(get(f, &newer.front, &e), 0);
			assert_memory_equal(&e.half.out, &newer.up.out, sizeof(newer.up.out));
		}
}

static void what_was_replayed_revives_nothing(void **state)
{
	for_each_family(v6) {
		struct sp_tuple key = down_key(v6);
		struct sp_splice s;
		struct sp_entry e;

		s = introduce_first(*state, v6);
		assert_int_equal(get(*state, &key, &e), 0);
		e.state.flags = SP_STATE_REUSED;
		bpf_map_update_elem(bpf_map__fd(((struct fixture *)*state)->skel->maps.sp_halves),
				    &key, &e, BPF_EXIST);
		check_splice(*state, "replayed", v6, &s, SP_DROP_INTRO_KNOWN);
		assert_int_equal(state_of(*state, &key).flags, SP_STATE_REUSED);
	}
}

static void full_table_takes_none(void **state)
{
	for_each_family(v6) {
		struct fixture *f = *state;
		struct sp_splice s;
		struct sp_entry e;

		begin(f, v6);
		f->control.splices_max = 3;
		set_control(f);
		s = splice_of(v6);
		for (int i = 0; i < 5; i++) {
			s.front.sport = htons(40000 + i);
			s.up.out.sport = htons(20000 + i);
			check_splice(f, "one more", v6, &s, i < 3 ? 0 : SP_DROP_INTRO_FULL);
		}
		assert_int_equal(control_of(f).splices, 3);
		assert_int_not_equal(get(f, &s.front, &e), 0);
	}
}

static void what_is_no_half_down_stays(void **state)
{
	for_each_family(v6) {
		struct sp_half mark = { .flags = SP_HALF_F_TO_DAEMON };
		struct sp_tuple key = down_key(v6);
		struct sp_splice s;
		struct sp_entry e;

		begin(*state, v6);
		s = splice_of(v6);
		assert_int_equal(put_half(*state, &key, &mark), 0);
		check_splice(*state, "in a mark's place", v6, &s, SP_DROP_INTRO_FULL);
		assert_int_equal(get(*state, &key, &e), 0);
		assert_int_equal(e.half.flags, SP_HALF_F_TO_DAEMON);
		assert_int_equal(control_of(*state).splices, 0);
	}
}

/* The table has room for one half of two. */
static void no_half_alone_is_left(void **state)
{
	for_each_family(v6) {
		struct sp_tuple key = down_key(v6), other = TUPLE_IN(v6);
		struct sp_half up = full_half(v6);
		struct sp_splice s;
		struct sp_entry e;

		begin(*state, v6);
		s = splice_of(v6);
		for (int i = 1; i < 1024; i++) {
			other.sport = htons(i);
			assert_int_equal(put_half(*state, &other, &up), 0);
		}
		check_splice(*state, "full", v6, &s, SP_DROP_INTRO_FULL);
		assert_int_not_equal(get(*state, &key, &e), 0);
		assert_int_equal(control_of(*state).splices, 0);
		empty_table(*state);
	}
}

/* The program leaves other messages alone: the daemon counts those of an unknown version. */
static void other_messages_pass(void **state)
{
	static const struct { const char *name; size_t at; __u8 value; } other[] = {
		{ "seal", 0, 'X' }, { "its format", 1, SP_SEAL_FORMAT + 1 }, { "magic", 4, 'M' },
		{ "version", 5, SP_MESSAGE_VERSION + 1 }, { "kind", 6, SP_MESSAGE_ENDS },
	};

	for_each_family(v6) {
		__u8 text[SP_MESSAGE_BYTES_MAX], frame[FRAME_MAX];
		struct packet p = plain_packet(v6);
		struct sp_splice s;
		size_t len;

		begin(*state, v6);
		check_untouched(*state, "TCP", v6, frame, build(&p, frame));
		s = splice_of(v6);
		len = write_text(&seals[0], &s, text);
		for (size_t i = 0; i < COUNT(other); i++) {
			__u8 before = text[other[i].at];

			text[other[i].at] = other[i].value;
			check_untouched(*state, other[i].name, v6, frame,
					datagram(v6, text, len, frame));
			text[other[i].at] = before;
		}
		for (size_t cut = 0; cut < 8; cut++)
			check_untouched(*state, "next to nothing", v6, frame,
					datagram(v6, text, cut, frame));
		assert_int_equal(control_of(*state).splices, 0);
	}
}

/* @at: offset in the frame */
struct elsewhere_case {
	const char	*name;
	int		is_v6, at;
	__u8		value;
};

static const struct elsewhere_case elsewhere[] = {
	{ "frame flooded by a switch",	0, 5, 9 },
	{ "frame flooded by a switch",	1, 5, 9 },
	{ "IPv4, TCP",			0, 23, 6 },
	{ "IPv6, TCP",			1, 20, 6 },
	{ "IPv6, fragment",		1, 20, 44 },
	{ "IPv4, options",		0, 14, 0x46 },
	{ "first fragment",		0, 20, 0x20 },
	{ "last fragment",		0, 21, 1 },
	{ "another host",		0, 33, 0x77 },
	{ "another host",		1, 53, 0x77 },
	{ "another port",		0, 37, 0 },
	{ "another port",		1, 57, 0 },
};

static void what_is_not_for_us_passes(void **state)
{
	for (size_t i = 0; i < COUNT(elsewhere); i++) {
		const struct elsewhere_case *c = &elsewhere[i];
		__u8 text[SP_MESSAGE_BYTES_MAX], frame[FRAME_MAX];
		struct sp_splice s;
		__u32 n;

		begin(*state, c->is_v6);
		s = splice_of(c->is_v6);
		n = datagram(c->is_v6, text, write_text(&seals[0], &s, text), frame);
		frame[c->at] = c->value;
		check_untouched(*state, c->name, c->is_v6, frame, n);
		assert_int_equal(control_of(*state).splices, 0);
	}
}

static void nobody_hears_without_a_relay(void **state)
{
	for_each_family(v6) {
		__u8 text[SP_MESSAGE_BYTES_MAX], frame[FRAME_MAX];
		struct fixture *f = *state;
		struct sp_splice s;
		__u32 n;

		begin(f, v6);
		f->control.relay.port = 0;
		set_control(f);
		s = splice_of(v6);
		n = datagram(v6, text, write_text(&seals[0], &s, text), frame);
		put16(frame + l4_off(v6) + 2, 0);
		check_untouched(f, "port 0", v6, frame, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_halves_are_installed),
		cmocka_unit_test(answers_are_carried_from_then_on),
		cmocka_unit_test(either_key_opens),
		cmocka_unit_test(any_change_is_refused),
		cmocka_unit_test(other_lengths_are_refused),
		cmocka_unit_test(lengths_that_lie_are_refused),
		cmocka_unit_test(several_come_together),
		cmocka_unit_test(more_than_fit_are_refused),
		cmocka_unit_test(one_that_is_refused_leaves_the_others),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(room_for_later_is_empty),
		cmocka_unit_test(adopted_ones_are_taken),
		cmocka_unit_test(replayed_ones_are_refused),
		cmocka_unit_test(newer_splice_of_a_tuple_wins),
		cmocka_unit_test(newer_splice_of_a_client_stays),
		cmocka_unit_test(newer_splice_with_an_old_isn),
		cmocka_unit_test(missing_half_is_put_back),
		cmocka_unit_test(mark_is_in_nobodys_way),
		cmocka_unit_test(other_end_of_another_splice_stays),
		cmocka_unit_test(what_was_replayed_revives_nothing),
		cmocka_unit_test(full_table_takes_none),
		cmocka_unit_test(what_is_no_half_down_stays),
		cmocka_unit_test(no_half_alone_is_left),
		cmocka_unit_test(other_messages_pass),
		cmocka_unit_test(what_is_not_for_us_passes),
		cmocka_unit_test(nobody_hears_without_a_relay),
	};

	for (int i = 0; i < 3; i++)
		sp_seal_init(&seals[i], keys + i, 1);
	return cmocka_run_group_tests(tests, open_all, close_all);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fuzz_datapath.c - input of the programs of proxies and agents from the network, by test runs:
 * any packet, good packets with changed bytes, and introductions changed before or after they are
 * sealed. Needs root.
 *
 * The kernel does not tell libFuzzer which branches are taken. Reasons, counters and verdicts take
 * their place.
 */
#include <assert.h>

#include "../bpf/adopt.h"
#include "cluster/message.h"
#include "base/seal.h"

#include "fuzz.h"

#define HEAD_BYTES	5
#define RELAY_PORT	7946
#define SPLICES_MAX	100

int LLVMFuzzerInitialize(int *argc, char ***argv);

enum template { RAW, INTRODUCE, INTRODUCE_TWO, FIRST, FROM_CLIENT, FROM_SERVER, ICMP,
		TEMPLATE_COUNT };

/*
 * @program: with the family in its third bit. @edits: number of edits before the message is sealed.
 *		@cut: length of the frame, unless 0.
 * Edits of 3 bytes each follow: offset and change. For RAW the packet follows.
 */
struct input {
	__u8	program, template, edits;
	__u16	cut;
};

__attribute__((section("__libfuzzer_extra_counters"))) static __u8 seen[SP_DROP_COUNT +
									SP_STAT_COUNT + 4];

static const __u64 keys[1][2] = { { 1, 2 } };
static struct sp_seal seal;
static struct fixture f;
static __u64 drops_before[SP_DROP_COUNT], stats_before[SP_STAT_COUNT];

static struct sp_splice new_splice(int is_v6)
{
	struct sp_splice s = { .front = is_v6 ? tuple_of("fd01::5", 41000, "fd09::80", 80) :
						tuple_of("10.1.0.5", 41000, "10.9.0.80", 80),
						.client_isn = 77 };

	s.up = (struct sp_half){ .out = at_host(is_v6), .flags = ADOPTED,
				 .spliced_s = now_ns(CLOCK_REALTIME) / 1000000000 };
	s.up.out.sport = htons(24000);
	s.down = sp_half_turn(&s.up, &s.front, 0);
	return s;
}

/*
 * Two splices of each family: the server of one has not answered yet, the second is in use by the
 * proxy's program.
 */
static void put_splices(void)
{
	int fd = bpf_map__fd(f.skel->maps.sp_halves);
	struct sp_tuple key;

	while (!bpf_map_get_next_key(fd, NULL, &key))
		bpf_map_delete_elem(fd, &key);
	for_each_family(v6) {
		struct sp_half up = full_half(v6), down = peer_half(v6);
		struct sp_tuple from_client = TUPLE_IN(v6),
			from_backend = sp_tuple_reverse(&up.out);

		put_adopted(&f, v6, CLIENT_ISN);
		put_half(&f, &from_client, &up);
		put_half(&f, &from_backend, &down);
	}
	f.control.heartbeat_ns = now_ns(CLOCK_MONOTONIC_COARSE);
	f.control.splices = 4;
	set_control(&f);
}

static void set_relay(int is_v6)
{
	f.control.relay = (struct sp_listen){ at_host(is_v6).daddr, htons(RELAY_PORT), 0 };
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	__u64 coarse_ns = now_ns(CLOCK_MONOTONIC_COARSE), real_ns = now_ns(CLOCK_REALTIME);

	if (fixture_open(&f)) {
		fprintf(stderr, "can't load the datapath, which needs root\n");
		exit(1);
	}
	sp_seal_init(&seal, keys, 1);
	for_each_family(v6) {
		put_service(&f, v6, 0);
		begin_adopt(&f, v6);
		make_listener(v6, 0);
	}
	f.control.splices_max = SPLICES_MAX;
	f.control.real_offset_ns = real_ns - coarse_ns;
	f.control.key_count = 1;
	memcpy(f.control.seal_key[0], seal.key[0], 16);
	f.control.seal_id[0] = htons(seal.id[0]);
	return 0;
}

static void edit(__u8 *bytes, __u32 len, const uint8_t **data, size_t *size)
{
	if (len)
		bytes[((*data)[0] << 8 | (*data)[1]) % len] ^= (*data)[2];
	*data += 3;
	*size -= 3;
}

static __u32 datagram(int is_v6, __u32 text_len, __u8 *frame)
{
	struct packet p = { .tuple = at_host(is_v6), .is_v6 = is_v6, .ttl = 63 };
	__u8 *udp = frame + l4_off(is_v6);

	build_ethernet(&p, frame);
	build_ip(&p, frame + 14, 17, 8 + text_len);
	put16(udp, RELAY_PORT);
	put16(udp + 2, RELAY_PORT);
	put16(udp + 4, 8 + text_len);
	put16(udp + 6, 0);
	return l4_off(is_v6) + 8 + text_len;
}

/* Return: length of the frame. Its last message is sealed after the edits. */
static __u32 introductions(int is_v6, int n, unsigned int edits, const uint8_t **data, size_t *size,
			   __u8 *frame)
{
	struct sp_splice splice = new_splice(is_v6);
	struct sp_message m = { .kind = SP_MESSAGE_INTRODUCE, .from = 7, .started_ns = 8, .seq = 9,
				.splice = splice };
	__u8 *text = frame + l4_off(is_v6) + 8;
	size_t len = 0;

	for (int i = 0; i < n; i++) {
		m.splice.client_isn++;
		text += len;
		len = sp_message_write(&seal, &m, text);
	}
	for (; edits && *size >= 3; edits--)
		edit(text + SP_SEAL_HEAD_BYTES, len - SP_SEAL_HEAD_BYTES - SP_SEAL_TAIL_BYTES, data,
		     size);
	sp_seal_close(&seal, "sp relay", 8, text, len);
	return datagram(is_v6, n * len, frame);
}

static __u32 icmp_error(int is_v6, __u8 *frame)
{
	struct packet quoted = plain_packet(is_v6);
	struct icmp_packet p = { .outer = { .tuple = at_host(is_v6), .is_v6 = is_v6, .ttl = 60 },
				 .type = is_v6 ? 2 : 3, .code = is_v6 ? 0 :
				 4, .word = 1280, .quote_len = 60 };
	__u8 quote[FRAME_MAX];

	quoted.tuple = full_half(is_v6).out;
	build(&quoted, quote);
	memcpy(p.quote, quote + 14, p.quote_len);
	return build_icmp(&p, frame);
}

static __u32 raw(int is_v6, const uint8_t **data, size_t *size, __u8 *frame)
{
	struct packet p = { .is_v6 = is_v6 };
	size_t len = *size < 1400 ? *size : 1400;

	build_ethernet(&p, frame);
	memcpy(frame + 14, *data, len);
	*size = 0;
	return 14 + len;
}

static __u32 make_frame(const struct input *in, int is_v6, const uint8_t **data, size_t *size,
			__u8 *frame)
{
	struct packet p = plain_packet(is_v6);

	switch ((enum template)(in->template % TEMPLATE_COUNT)) {
	case RAW:
		return raw(is_v6, data, size, frame);
	case INTRODUCE:
		return introductions(is_v6, 1, in->edits, data, size, frame);
	case INTRODUCE_TWO:
		return introductions(is_v6, 2, in->edits, data, size, frame);
	case FIRST:
		p = first_segment(is_v6, CLIENT_ISN);
		return build(&p, frame);
	case FROM_CLIENT:
		return build(&p, frame);
	case FROM_SERVER:
		p.tuple = from_host(is_v6);
		return build(&p, frame);
	case ICMP:
		return icmp_error(is_v6, frame);
	case TEMPLATE_COUNT:
		break;
	}
	return 0;
}

/* Return: number of reasons counted since the last call. */
static unsigned int note(void)
{
	unsigned int n = 0;

	for (__u32 i = 0; i < SP_DROP_COUNT; i++) {
		__u64 now = drops(&f, i);

		seen[i] = now != drops_before[i];
		n += now - drops_before[i];
		drops_before[i] = now;
	}
	for (__u32 i = 0; i < SP_STAT_COUNT; i++) {
		__u64 now = stat_of(&f, i);

		seen[SP_DROP_COUNT + i] = now != stats_before[i];
		stats_before[i] = now;
	}
	return n;
}

/* Each splice has both halves, and the count of splices is right. */
static void check_table(void)
{
	int fd = bpf_map__fd(f.skel->maps.sp_halves), down = 0;
	struct sp_tuple key, *before = NULL;
	struct sp_control c;
	struct sp_entry e;
	__u32 zero = 0;

	for (; !bpf_map_get_next_key(fd, before, &key); before = &key) {
		PROMISE(!bpf_map_lookup_elem(fd, &key, &e));
		PROMISE(!(e.half.flags & (SP_HALF_F_TO_DAEMON | SP_HALF_F_REPLIED)));
		down += !!(e.half.flags & SP_HALF_F_FROM_BACKEND);
	}
	PROMISE(!bpf_map_lookup_elem(bpf_map__fd(f.skel->maps.sp_control), &zero, &c));
	PROMISE(c.splices == (__u32)down);
	PROMISE(c.splices <= SPLICES_MAX);
}

static void check_verdict(int verdict, const __u8 *in, __u32 in_len, const __u8 *out, __u32 out_len)
{
	PROMISE(verdict == TC_ACT_UNSPEC || verdict == TC_ACT_SHOT || verdict == TC_ACT_REDIRECT);
	if (verdict == TC_ACT_UNSPEC)
		PROMISE(in_len == out_len && !memcmp(in, out, out_len));
	seen[SP_DROP_COUNT + SP_STAT_COUNT + (verdict & 3)] = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static __u8 frame[FRAME_MAX], out[FRAME_MAX];
	const struct input in = size < HEAD_BYTES ? (struct input){ 0 } :
				(struct input){ data[0], data[1], data[2] % 8,
						data[3] << 8 | data[4] };
	struct bpf_program *programs[] = { f.skel->progs.sp_ingress, f.skel->progs.sp_egress,
					   f.skel->progs.sp_agent_in,
					   f.skel->progs.sp_agent_adopt };
	int is_v6 = in.program >> 2 & 1, verdict;
	__u32 len, out_len;

	if (size < HEAD_BYTES)
		return -1;
	data += HEAD_BYTES;
	size -= HEAD_BYTES;
	memset(frame, 0, sizeof(frame));
	set_relay(is_v6);
	put_splices();
	len = make_frame(&in, is_v6, &data, &size, frame);
	while (size >= 3)
		edit(frame + 12, len - 12, &data, &size);
	if (in.cut)
		len = 14 + in.cut % 1500;
	f.prog = programs[in.program & 3];
	verdict = run(&f, frame, len, out, &out_len, 1, NULL);
	if (verdict == -1000)	/* too short for a test run */
		return 0;
	listen_to(&f);
	note();
	check_verdict(verdict, frame, len, out, out_len);
	check_table();
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_parse.c - foreign packets get to the stack unchanged; damaged packets of ours do not. Needs
 * root.
 */
#include "check.h"

/* 16 bits, written over a good frame of a splice. @at: 0: not in this family. */
struct patch {
	__u16	at, value;
};

struct parse_case {
	const char	*name;
	struct patch	v4, v6;
	__u32		reason;		/* 0: none is counted */
};

static const struct parse_case not_ours[] = {
	{ "another port",			{ 34, 40001 }, { 54, 40001 }, 0 },
	{ "UDP",				{ 22, 0x3d11 }, { 20, 0x113d }, 0 },
	{ "ARP",				{ 12, 0x0806 }, { 12, 0x0806 }, 0 },
	{ "first fragment",			{ 20, 0x2000 }, { 20, 0x2c3d }, SP_DROP_FRAGMENT },
	{ "later fragment",			{ 20, 0x0001 }, { 0 }, SP_DROP_FRAGMENT },
	{ "last fragment",			{ 20, 0x1fff }, { 0 }, SP_DROP_FRAGMENT },
	{ "IPv4 options",			{ 14, 0x4600 }, { 0 }, SP_DROP_IP_OPTIONS },
	{ "not IPv4, says its first byte",	{ 14, 0x6500 }, { 0 }, SP_DROP_IP_OPTIONS },
	{ "extension header",			{ 0 }, { 20, 0x3c3d }, 0 },
};

static const struct parse_case damaged[] = {
	{ "longer by IP than it is",		{ 16, 1000 }, { 18, 1000 }, SP_DROP_BAD_HEADER },
	{ "shorter by IP than its header",	{ 16, 39 }, { 18, 19 }, SP_DROP_BAD_HEADER },
	{ "shorter by IP than nothing",		{ 16, 19 }, { 0 }, SP_DROP_BAD_HEADER },
	{ "data offset of 4 words",		{ 46, 0x4010 }, { 66, 0x4010 },
	  SP_DROP_BAD_HEADER },
	{ "data offset of 0",			{ 46, 0x0010 }, { 66, 0x0010 },
	  SP_DROP_BAD_HEADER },
	{ "data offset beyond the packet",	{ 46, 0xf010 }, { 66, 0xf010 },
	  SP_DROP_BAD_HEADER },
};

static __u32 good_frame(struct fixture *f, int is_v6, __u8 *frame)
{
	struct packet p = plain_packet(is_v6);

	put_splice(f, is_v6);
	return build(&p, frame);
}

/* Return: length of the frame; 0 if the case does not exist in this family. */
static __u32 case_frame(struct fixture *f, int is_v6, const struct parse_case *c, __u8 *frame)
{
	const struct patch *patch = is_v6 ? &c->v6 : &c->v4;
	__u32 len = good_frame(f, is_v6, frame);

	put16(frame + patch->at, patch->value);
	return patch->at ? len : 0;
}

static __u64 all_drops(struct fixture *f)
{
	__u64 n = 0;

	for (__u32 reason = 0; reason < SP_DROP_COUNT; reason++)
		n += drops(f, reason);
	return n;
}

static void what_is_not_ours_is_untouched(void **state)
{
	for (size_t i = 0; i < COUNT(not_ours); i++)
		for_each_family(v6) {
			const struct parse_case *c = &not_ours[i];
			__u64 before = all_drops(*state), of_reason = drops(*state, c->reason);
			__u8 in[FRAME_MAX];
			__u32 len = case_frame(*state, v6, c, in);

			if (!len)
				continue;
			check_untouched(*state, c->name, v6, in, len);
			assert_int_equal(all_drops(*state) - before, !!c->reason);
			assert_int_equal(drops(*state, c->reason) - of_reason, !!c->reason);
		}
}

static void what_is_ours_and_damaged_is_dropped(void **state)
{
	for (size_t i = 0; i < COUNT(damaged); i++)
		for_each_family(v6) {
			__u8 in[FRAME_MAX];
			__u32 len = case_frame(*state, v6, &damaged[i], in);

			if (len)
				check_reason(*state, damaged[i].name, in, len, TC_ACT_SHOT,
					     damaged[i].reason);
		}
}

/* An IPv6 packet with the mapped addresses under which IPv4 addresses are stored. */
static void mapped_addresses_are_not_ours(void **state)
{
	struct packet p = plain_packet(0);
	__u8 in[FRAME_MAX];

	put_splice(*state, 0);
	p.is_v6 = 1;
	check_untouched(*state, "::ffff:a.b.c.d", 1, in, build(&p, in));
}

/* A switch floods frames for an address unknown to it. */
static void what_is_for_another_machine_is_not_ours(void **state)
{
	for_each_family(v6) {
		__u64 before = drops(*state, SP_DROP_OTHER_HOST);
		__u8 in[FRAME_MAX];
		__u32 len = good_frame(*state, v6, in);

		in[5] ^= 0x40;
		check_untouched(*state, "another MAC address", v6, in, len);
		assert_int_equal(drops(*state, SP_DROP_OTHER_HOST) - before, 1);
	}
}

/*
 * A header cut off is not even looked up. A whole header is carried, as a check on all cases
 * above.
 */
static void tcp_header_must_be_whole(void **state)
{
	for_each_family(v6) {
		__u8 in[FRAME_MAX], out[FRAME_MAX];
		__u32 len = good_frame(*state, v6, in);

		check_untouched(*state, "19 bytes of TCP", v6, in, l4_off(v6) + 19);
		check_run(*state, "whole", in, len, TC_ACT_REDIRECT, out, &len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_ours_is_untouched),
		cmocka_unit_test(what_is_ours_and_damaged_is_dropped),
		cmocka_unit_test(mapped_addresses_are_not_ours),
		cmocka_unit_test(tcp_header_must_be_whole),
		cmocka_unit_test(what_is_for_another_machine_is_not_ours),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

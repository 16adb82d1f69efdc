// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_options.c - TCP options of a spliced segment, in any layout: numbers are rewritten, the
 * rest stays. Needs root.
 */
#include "check.h"

#define OPT(name, bytes) { name, bytes, sizeof(bytes) - 1 }
#define TS	"\x8\xa\1\2\3\4\xff\xfe\xfd\xfc"
#define BLOCK1	"\x10\x20\x30\x40\x10\x20\x40\x50"
#define BLOCK2	"\xff\xff\xff\xf0\x00\x00\x00\x10"
#define BLOCK3	"\x20\x20\x30\x40\x20\x20\x40\x51"
#define BLOCK4	"\x30\x20\x30\x40\x30\x20\x40\x53"

struct option_case {
	const char	*name;
	const char	*bytes;
	__u32		len;
};

static const struct option_case good_options[] = {
	OPT("none", ""),
	OPT("ts", "\1\1" TS),
	OPT("ts, zero echo", "\1\1\x8\xa\1\2\3\4\0\0\0\0"),
	OPT("ts, zero value", "\1\1\x8\xa\0\0\0\0\1\2\3\4"),
	OPT("ts at odd offset, zero echo", "\1\x8\xa\1\2\3\4\0\0\0\0\1"),
	OPT("ts at odd offset, zero value", "\1\x8\xa\0\0\0\0\1\2\3\4\1"),
	OPT("sack 4 backwards", "\5\x22" BLOCK4 BLOCK3 BLOCK2 BLOCK1 "\0\0"),
	OPT("sack up to 0, usual", "\1\1\5\xa\xff\xff\xf0\0\0\0\0\0"),
	OPT("sack up to 0, unusual", "\5\xa\xff\xff\xf0\0\0\0\0\0\1\1"),
	OPT("usual ts, sack at odd offset", "\1\1" TS "\1\5\xa" BLOCK1 "\1"),
	OPT("usual ts, behind it something else", "\1\1" TS "\xfd\4\1\2"),
	OPT("usual sack, behind it ts", "\1\1\5\x12" BLOCK1 BLOCK2 "\1\1" TS),
	OPT("two sacks", "\5\xa" BLOCK1 "\5\xa" BLOCK2),
	OPT("two sacks, the first usual", "\1\1\5\xa" BLOCK1 "\5\x12" BLOCK2 BLOCK3 "\1\1"),
	OPT("four sacks", "\5\xa" BLOCK1 "\5\xa" BLOCK2 "\5\xa" BLOCK3 "\5\xa" BLOCK4),
	OPT("NOPs alone", "\1\1\1\1\1\1\1\1"),
	OPT("unknown kind alone", "\xfd\4\1\2"),
	OPT("unknown kind full of other kinds", "\xfd\xc\x8\xa\1\2\3\4\5\xa\1\2"),
	OPT("end, what follows is no option", "\0\x8\xa\1\2\3\4\5\6\7\x8\1"),
	OPT("end behind ts, then rubbish", "\1" TS "\0\5\x22\1\1"),
	OPT("mss, sack ok, ts, wscale", "\2\4\5\xb4\4\2" TS "\1\3\3\7"),
};

/* Segments of our flows with bad options are dropped. */
static const struct option_case bad_options[] = {
	OPT("length 0", "\xfd\0\1\1"),
	OPT("length 1", "\xfd\1\1\1"),
	OPT("beyond the end", "\1\1\xfd\3"),
	OPT("kind at the very end", "\1\1\1\xfd"),
	OPT("ts cut off", "\1\1\1\1\1\1\x8\xa"),
	OPT("ts of 9", "\x8\x9\1\2\3\4\5\6\7\1\1\1"),
	OPT("ts of 9, usual place", "\1\1\x8\x9\1\2\3\4\5\6\7\1"),
	OPT("sack without a block", "\1\5\2\1"),
	OPT("sack of 11", "\5\xb" BLOCK1 "\0\1"),
	OPT("sack of 6, usual", "\1\1\5\6\1\2\3\4"),
	OPT("sack of 14, usual", "\1\1\5\xe" BLOCK1 "\1\2\3\4"),
	OPT("sack of 5 blocks, cut off", "\1\1\5\x2a" BLOCK1 BLOCK2 BLOCK3 BLOCK4 "\1\2\3\4"),
	OPT("good ts, bad sack", "\1\1" TS "\1\1\5\x12" BLOCK1),
};

static struct packet option_packet(int is_v6, const struct option_case *c)
{
	struct packet p = plain_packet(is_v6);

	p.opt_len = c->len;
	memcpy(p.opt, c->bytes, c->len);
	return p;
}

static void check_option(struct fixture *f, int is_v6, const struct option_case *c)
{
	struct packet p = option_packet(is_v6, c), want;
	struct sp_half h = full_half(is_v6);

	want = expect_carried(p, &h);
	check_carried(f, c->name, &p, &h, &want);
}

static void options_of_note(void **state)
{
	for (size_t i = 0; i < COUNT(good_options); i++)
		for_each_family(v6)
			check_option(*state, v6, &good_options[i]);
}

enum place { NOWHERE, FIRST, BETWEEN, LAST };

/* A layout of options, and the counter of for_each_layout: one digit each, below its radix. */
struct layout {
	int	has_ts, sack_blocks, is_sack_first;
	int	nops_before, nops_between;
	int	unknown_at, unknown_more;	/* enum place; bytes behind its kind and length */
	int	is_end;				/* the rest is filled with END, not NOPs */
};

static const int radix[] = { 2, 5, 2, 4, 4, 4, 4, 2 };
_Static_assert(sizeof(struct layout) == sizeof(radix), "a digit for each");

/* Return: 0 when there are no more. */
static int next_layout(struct layout *l)
{
	int *digit = (int *)l;

	for (size_t i = 0; i < COUNT(radix); i++) {
		if (++digit[i] < radix[i])
			return 1;
		digit[i] = 0;
	}
	return 0;
}

static __u32 put_bytes(__u8 *opt, __u32 at, const void *bytes, __u32 len)
{
	/* counting goes on if there is no room */
	if (at + len <= 40)
		memcpy(opt + at, bytes, len);
	return at + len;
}

static __u32 put_nops(__u8 *opt, __u32 at, int n)
{
	return put_bytes(opt, at, "\1\1\1\1", n);
}

static __u32 put_unknown(__u8 *opt, __u32 at, const struct layout *l, enum place here)
{
	__u8 bytes[] = { 0xfd, 2 + l->unknown_more, 8, 10, 5 };

	return l->unknown_at == (int)here ? put_bytes(opt, at, bytes, bytes[1]) : at;
}

static __u32 put_ts(__u8 *opt, __u32 at, const struct layout *l)
{
	return l->has_ts ? put_bytes(opt, at, TS, 10) : at;
}

static __u32 put_sack(__u8 *opt, __u32 at, const struct layout *l)
{
	__u8 head[] = { 5, 2 + 8 * l->sack_blocks };

	if (!l->sack_blocks)
		return at;
	at = put_bytes(opt, at, head, 2);
	return put_bytes(opt, at, BLOCK1 BLOCK2 BLOCK3 BLOCK4, 8 * l->sack_blocks);
}

/* Return: bytes, a multiple of 4; more than 40 if the layout does not fit. */
static __u32 lay_out(const struct layout *l, __u8 opt[40])
{
	__u32 at = put_nops(opt, 0, l->nops_before);

	at = put_unknown(opt, at, l, FIRST);
	at = l->is_sack_first ? put_sack(opt, at, l) : put_ts(opt, at, l);
	at = put_nops(opt, at, l->nops_between);
	at = put_unknown(opt, at, l, BETWEEN);
	at = l->is_sack_first ? put_ts(opt, at, l) : put_sack(opt, at, l);
	at = put_unknown(opt, at, l, LAST);
	if (at < 40)
		memset(opt + at, l->is_end ? 0 : 1, 40 - at);
	return (at + 3) & ~3;
}

static void check_layout(struct fixture *f, const struct layout *l, const __u8 opt[40], __u32 len)
{
	char name[128];
	struct option_case c = { name, (const char *)opt, len };

	snprintf(name, sizeof(name),
		 "ts %d, sack %d, sack first %d, NOPs %d and %d, unknown at %d of %d, end %d",
		 l->has_ts, l->sack_blocks, l->is_sack_first, l->nops_before, l->nops_between,
		 l->unknown_at, 2 + l->unknown_more, l->is_end);
	for_each_family(v6)
		check_option(f, v6, &c);
}

static void every_layout(void **state)
{
	struct layout l = {};
	int cases = 0;

	do {
		__u8 opt[40];
		__u32 len = lay_out(&l, opt);

		if (len > 40)
			continue;
		check_layout(*state, &l, opt, len);
		cases++;
	} while (next_layout(&l));
	assert_true(cases > 5000);
}

static void damaged_options_are_dropped(void **state)
{
	for (size_t i = 0; i < COUNT(bad_options); i++)
		for_each_family(v6) {
			struct packet p = option_packet(v6, &bad_options[i]);
			struct sp_half h = full_half(v6);

			assert_int_equal(put_half(*state, &p.tuple, &h), 0);
			check_dropped(*state, bad_options[i].name, &p, SP_DROP_BAD_HEADER);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_of_note),
		cmocka_unit_test(every_layout),
		cmocka_unit_test(damaged_options_are_dropped),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

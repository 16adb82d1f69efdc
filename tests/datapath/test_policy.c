/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_policy.c - src/datapath/policy.c: IPsec policies from netlink messages, and the packets that
 * the policies forbid
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "datapath/policy.c"

static struct sp_policy_watch w;
static int warned;

/* ---- doubles ---- */

void sp_warn(enum sp_warning_kind kind, __u64 now_ns, const char *object, const char *fmt, ...)
{
	warned++;
}

/* ---- messages ---- */

static int begin(void **state)
{
	memset(&w, 0, sizeof(w));
	warned = 0;
	return 0;
}

static xfrm_address_t address(const char *text)
{
	xfrm_address_t addr = { 0 };

	assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, &addr), 1);
	return addr;
}

/* 10.2.0.1 -> 10.2.0.0/24, all protocols, block */
static struct xfrm_userpolicy_info usual(__u32 index)
{
	return (struct xfrm_userpolicy_info){
		.index = index, .priority = 100, .dir = XFRM_POLICY_OUT,
		.action = XFRM_POLICY_BLOCK,
		.sel = { .family = AF_INET, .saddr = address("10.2.0.1"), .prefixlen_s = 32,
			 .daddr = address("10.2.0.0"), .prefixlen_d = 24 },
	};
}

struct message {
	struct nlmsghdr			head;
	struct xfrm_userpolicy_info	info;
	struct nlattr			attr;
	struct xfrm_user_tmpl		value;
};

/* @len: length of the attribute; 0: none */
static void say(unsigned short type, const struct xfrm_userpolicy_info *info, unsigned short attr,
		const void *value,
		int len)
{
	struct message m = { .head.nlmsg_type = type,
			     .head.nlmsg_len = NLMSG_HDRLEN + sizeof(*info), .info = *info };

	if (value) {
		m.attr = (struct nlattr){ .nla_type = attr, .nla_len = NLA_HDRLEN + len };
		memcpy(&m.value, value, len);
		m.head.nlmsg_len += NLA_HDRLEN + NLA_ALIGN(len);
	}
	memcpy(w.buf, &m, sizeof(m));
	assert_int_equal(take_all(&w, m.head.nlmsg_len), 0);
	make_table(&w);
}

static void add(const struct xfrm_userpolicy_info *info)
{
	say(XFRM_MSG_NEWPOLICY, info, 0, NULL, 0);
}

static struct sp_addr addr(const char *text)
{
	xfrm_address_t a = address(text);
	struct sp_addr is_v6;

	memcpy(&is_v6, &a, sizeof(is_v6));
	return strchr(text, ':') ? is_v6 : sp_addr_v4(a.a4);
}

static int forbids(const char *from, const char *to, int port)
{
	struct sp_tuple t = { .saddr = addr(from), .daddr = addr(to), .sport = htons(20000),
			      .dport = htons(port) };

	return sp_policies_forbid(&w.table, &t);
}

/* ---- tests ---- */

static void selectors_select(void **state)
{
	struct xfrm_userpolicy_info info = usual(8);

	info.sel.dport = htons(80);
	info.sel.dport_mask = 0xffff;
	add(&info);
	assert_true(forbids("10.2.0.1", "10.2.0.2", 80));
	assert_false(forbids("10.2.0.1", "10.2.0.2", 81));
	assert_false(forbids("10.2.0.1", "10.2.1.2", 80));
	assert_false(forbids("10.2.0.2", "10.2.0.2", 80));
	info.sel = (struct xfrm_selector){ .family = AF_INET6, .daddr = address("fd00:2::"),
					   .prefixlen_d = 61 };
	add(&info);
	assert_true(forbids("fd09::1", "fd00:2:0:7::1", 80));
	assert_false(forbids("fd09::1", "fd00:2:0:8::1", 80));
	assert_false(forbids("10.2.0.1", "10.2.0.2", 80));	/* the same index: replaced */
	info.sel = (struct xfrm_selector){ .family = AF_INET };
	add(&info);
	assert_true(forbids("10.2.0.1", "10.2.0.2", 80));
	assert_false(forbids("fd09::1", "fd00:2:0:7::1", 80));
}

static void only_what_we_might_send(void **state)
{
	const struct xfrm_mark mark = { .v = 1, .m = 3 }, any = { 0 };
	struct xfrm_userpolicy_info info = usual(8);
	const __u32 if_id = 7;

	info.sel.proto = IPPROTO_UDP;
	add(&info);
	info.sel.proto = IPPROTO_TCP;
	say(XFRM_MSG_NEWPOLICY, &info, XFRMA_MARK, &mark, sizeof(mark));
	say(XFRM_MSG_NEWPOLICY, &info, XFRMA_IF_ID, &if_id, sizeof(if_id));
	assert_int_equal(w.table.count, 0);
	say(XFRM_MSG_NEWPOLICY, &info, XFRMA_MARK, &any, sizeof(any));
	assert_true(forbids("10.2.0.1", "10.2.0.2", 80));
}

/* 10.2.0.0/24 -> 10.2.0.1 must come encrypted, so no answer goes out in clear. */
static void what_must_not_come_is_not_answered(void **state)
{
	static const __u8 dirs[] = { XFRM_POLICY_IN, XFRM_POLICY_FWD };

	for (size_t i = 0; i < 2; i++) {
		struct xfrm_userpolicy_info in = usual(8), out = usual(16);

		begin(state);
		in.dir = dirs[i];
		in.sel.sport = htons(80);
		in.sel.sport_mask = 0xffff;
		out.sel.prefixlen_s = out.sel.prefixlen_d = 0;
		out.action = XFRM_POLICY_ALLOW;
		out.priority = 1;
		add(&in);
		add(&out);	/* outgoing: no word on incoming packets */
		assert_true(forbids("10.2.0.9", "10.2.0.1", 80));
		assert_false(forbids("10.2.0.9", "10.2.0.1", 81));
		assert_false(forbids("10.2.0.1", "10.2.0.9", 80));
		in.index = 24;
		in.priority = 2;
		in.action = XFRM_POLICY_ALLOW;
		add(&in);
		assert_false(forbids("10.2.0.9", "10.2.0.1", 80));
	}
}

static void set_defaults(__u8 in, __u8 fwd, __u8 out)
{
	struct {
		struct nlmsghdr			head;
		struct xfrm_userpolicy_default	defaults;
	} m = { .head.nlmsg_len = NLMSG_LENGTH(sizeof(m.defaults)),
		.head.nlmsg_type = XFRM_MSG_GETDEFAULT,
		.defaults = { .in = in, .fwd = fwd, .out = out } };

	take_message(&w, &m.head);
	make_table(&w);
}

static void defaults_are_for_what_no_policy_fits(void **state)
{
	enum { NO = XFRM_USERPOLICY_BLOCK, YES = XFRM_USERPOLICY_ACCEPT };
	struct xfrm_userpolicy_info pass = usual(8);

	set_defaults(YES, YES, NO);
	assert_true(forbids("10.2.0.1", "10.2.0.2", 80));
	pass.action = XFRM_POLICY_ALLOW;
	add(&pass);
	assert_false(forbids("10.2.0.1", "10.2.0.2", 80));
	assert_true(forbids("10.2.0.2", "10.2.0.1", 80));
	set_defaults(NO, YES, YES);
	assert_true(forbids("10.2.0.1", "10.2.0.2", 80));
	set_defaults(YES, NO, YES);
	assert_true(forbids("10.2.0.1", "10.2.0.2", 80));
	set_defaults(YES, YES, YES);
	assert_false(forbids("10.2.0.2", "10.2.0.1", 80));
}

static void the_first_that_fits_decides(void **state)
{
	struct xfrm_userpolicy_info block = usual(8), pass = usual(16), all = usual(24);
	const struct xfrm_user_tmpl esp = { .id.proto = IPPROTO_ESP };

	add(&block);
	pass.priority = 99;
	pass.action = XFRM_POLICY_ALLOW;
	add(&pass);
	assert_false(forbids("10.2.0.1", "10.2.0.2", 80));
	say(XFRM_MSG_UPDPOLICY, &pass, XFRMA_TMPL, &esp, sizeof(esp));
	assert_true(forbids("10.2.0.1", "10.2.0.2", 80));
	all.sel.prefixlen_s = all.sel.prefixlen_d = 0;
	all.action = XFRM_POLICY_ALLOW;
	all.priority = 1;
	add(&all);
	assert_false(forbids("10.2.0.1", "10.2.0.2", 80));
}

static void what_goes_forbids_nothing(void **state)
{
	struct xfrm_userpolicy_info info = usual(8);
	struct {
		struct nlmsghdr			head;
		struct xfrm_userpolicy_id	id;
		struct nlattr			attr;
		char				policy[sizeof(struct xfrm_userpolicy_info)];
	} del = { .head.nlmsg_type = XFRM_MSG_DELPOLICY, .id.index = 8 };
	struct nlmsghdr flush = { .nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = XFRM_MSG_FLUSHPOLICY };

	add(&info);
	del.head.nlmsg_len = NLMSG_HDRLEN + sizeof(del.id);
	take_message(&w, &del.head);
	make_table(&w);
	assert_false(forbids("10.2.0.1", "10.2.0.2", 80));
	add(&info);
	del.head.nlmsg_len = offsetof(typeof(del), policy) + sizeof(info);
	del.id.index = 0;
	del.attr = (struct nlattr){ .nla_type = XFRMA_POLICY,
				    .nla_len = NLA_HDRLEN + sizeof(info) };
	memcpy(del.policy, &info, sizeof(info));
	take_message(&w, &del.head);
	make_table(&w);
	assert_false(forbids("10.2.0.1", "10.2.0.2", 80));
	add(&info);
	take_message(&w, &flush);
	make_table(&w);
	assert_false(forbids("10.2.0.1", "10.2.0.2", 80));
}

static void more_than_the_table_holds_forbid_all(void **state)
{
	for (__u32 i = 1; i <= TABLE_ROOM + 1; i++) {
		struct xfrm_userpolicy_info info = usual(8 * i);

		info.sel.saddr.a4 = htonl(0x0a030000 + i);
		add(&info);
		assert_int_equal(forbids("10.9.0.1", "10.8.0.1", 80), i > TABLE_ROOM);
		assert_int_equal(sp_policy_watch_beyond(&w), i > TABLE_ROOM);
	}
}

static void short_messages_say_nothing(void **state)
{
	struct xfrm_userpolicy_info info = usual(8);
	struct message m = { .head = { .nlmsg_type = XFRM_MSG_NEWPOLICY }, .info = info };

	for (__u32 len = NLMSG_HDRLEN; len < NLMSG_HDRLEN + sizeof(info); len++) {
		m.head.nlmsg_len = len;
		take_message(&w, &m.head);
	}
	assert_int_equal(w.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(selectors_select, begin),
		cmocka_unit_test_setup(only_what_we_might_send, begin),
		cmocka_unit_test_setup(what_must_not_come_is_not_answered, begin),
		cmocka_unit_test_setup(defaults_are_for_what_no_policy_fits, begin),
		cmocka_unit_test_setup(the_first_that_fits_decides, begin),
		cmocka_unit_test_setup(what_goes_forbids_nothing, begin),
		cmocka_unit_test_setup(more_than_the_table_holds_forbid_all, begin),
		cmocka_unit_test_setup(short_messages_say_nothing, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

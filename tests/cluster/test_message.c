/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_message.c - src/cluster/message.c: messages and records, written and read back, and refusals
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/any.h"
#include "cluster/message.c"
#include "base/seal.c"

static const __u64 keys[2][2] = { { 0x0123456789abcdef, 0xfedcba9876543210 }, { 42, 43 } };
static struct sp_seal seal;
static __u8 payload[SP_MESSAGE_CHUNK];
static __u8 orders[SP_MESSAGE_ORDERS_MAX * SP_MESSAGE_ORDER_BYTES];

static struct sp_order_entry any_order(__u16 what)
{
	return (struct sp_order_entry){
		{ any32(), any32(), what, any_tuple(what & 1).saddr },
		{ any64(), any64(), any32(), 0 },
	};
}

static void fill_orders(struct sp_message *m, int i)
{
	for (int k = 0; k < SP_MESSAGE_ORDERS_MAX; k++) {
		struct sp_order_entry e = any_order(k % SP_ORDER_WHAT_COUNT);

		sp_message_put_order(orders + (size_t)k * SP_MESSAGE_ORDER_BYTES, &e);
	}
	m->digest = any64();
	m->orders = orders;
	m->order_count = i / 7 % (SP_MESSAGE_ORDERS_MAX + 1);
}

static struct sp_message any_message(int i)
{
	static const enum sp_event_kind events[] = { SP_EVENT_FRONT, SP_EVENT_BACK, SP_EVENT_MISS };
	struct sp_message m = { .kind = 1 + i % 7, .from = any64(), .seq = i,
				.started_ns = (__u64)any32() << 32 };

	switch (m.kind) {
	case SP_MESSAGE_HELLO:
		m.state = i % SP_MEMBER_STATE_COUNT;
		m.can = i / 3 & SP_CAN_ALL;
		m.mtu = any32();
		m.splices = any32();
		if (m.state == SP_MEMBER_AGENT)
			m.adopts = any64();
		else
			m.live = any32(), m.survivable = any32();
		m.said_ms = any64();
		break;
	case SP_MESSAGE_SEGMENT:
		m.event = events[i / 4 % 3];
		m.segment = (struct sp_segment){
			.tuple = any_tuple(~i >> 2 & 1), .seq = any32(), .ack = any32(),
			.tsval = any32(), .tsecr = any32(), .window = any32(),
			.mss = any32(), .wscale = i % 16 - 1, .flags = any32(),
			.is_sack = i >> 3 & 1, .has_ts = i >> 4 & 1, .is_ce = i >> 5 & 1,
			.payload = payload, .payload_len = i * 7 % (SP_MESSAGE_CHUNK + 1),
		};
		break;
	case SP_MESSAGE_INTRODUCE:
		m.splice = any_splice(i >> 2 & 1);
		m.splice.up.flags |= SP_HALF_F_SPLIT;
		m.splice.down.flags |= SP_HALF_F_SPLIT;
		m.refreshed_s = any32();
		break;
	case SP_MESSAGE_PROGRESS:
		m.progress = (struct sp_progress){
			.front = any_tuple(i >> 2 & 1), .client_isn = any32(), .version = any32(),
			.is_query = i / 6 % 2,
		};
		if (m.progress.is_query)
			break;
		m.progress.response = (struct sp_boundary){
			any32(), any32(), SP_BOUND_CHUNK, any32() & SP_READING_STORED,
		};
		m.progress.sent = any32();
		m.progress.acked = any32();
		break;
	case SP_MESSAGE_ORDERS:
		fill_orders(&m, i);
		break;
	case SP_MESSAGE_FIN:
		m.ends = (struct sp_ends){ any_tuple(i >> 2 & 1), any32(), 0, 0 };
		m.fin = (struct sp_fin){ any32(), any32(), any32() };
		break;
	default:
		m.ends = (struct sp_ends){ any_tuple(i >> 2 & 1), any32(),
					   any32() & SP_STATE_TOLD, 0 };
		if (m.ends.state == SP_STATE_MOVED)
			m.ends.version = any32();
		break;
	}
	return m;
}

static void check_same(const struct sp_message *a, const struct sp_message *b)
{
	struct sp_message x = *a, y = *b;

	assert_memory_equal(a->segment.payload, b->segment.payload, a->segment.payload_len);
	x.segment.payload = y.segment.payload = NULL;
	assert_int_equal(x.kind, y.kind);
	assert_int_equal(x.from, y.from);
	assert_int_equal(x.started_ns, y.started_ns);
	assert_int_equal(x.seq, y.seq);
	assert_int_equal(x.state, y.state);
	assert_int_equal(x.can, y.can);
	assert_int_equal(x.mtu, y.mtu);
	assert_int_equal(x.splices, y.splices);
	assert_int_equal(x.adopts, y.adopts);
	assert_int_equal(x.live, y.live);
	assert_int_equal(x.survivable, y.survivable);
	assert_int_equal(x.said_ms, y.said_ms);
	assert_int_equal(x.event, y.event);
	assert_memory_equal(&x.segment, &y.segment, offsetof(struct sp_segment, payload));
	assert_int_equal(x.segment.payload_len, y.segment.payload_len);
	assert_memory_equal(&x.ends.front, &y.ends.front, sizeof(x.ends.front));
	assert_int_equal(x.ends.client_isn, y.ends.client_isn);
	assert_int_equal(x.ends.state, y.ends.state);
	assert_memory_equal(&x.fin, &y.fin, sizeof(x.fin));
	assert_memory_equal(&x.splice, &y.splice, sizeof(x.splice));
	assert_memory_equal(&x.progress, &y.progress, sizeof(x.progress));
	assert_int_equal(x.refreshed_s, y.refreshed_s);
	assert_int_equal(x.digest, y.digest);
	assert_int_equal(x.order_count, y.order_count);
	for (unsigned int i = 0; i < x.order_count * SP_MESSAGE_ORDER_BYTES; i++)
		assert_int_equal(x.orders[i], y.orders[i]);
}

static void an_order_there_and_back(void **state)
{
	__u8 bytes[SP_MESSAGE_ORDER_BYTES];

	for (int i = 0; i < 100; i++) {
		struct sp_order_entry in = any_order(any32()), out;

		sp_message_put_order(bytes, &in);
		out = sp_message_get_order(bytes);
		assert_memory_equal(&in, &out, sizeof(in));
	}
}

static void there_and_back(void **state)
{
	__u8 bytes[SP_MESSAGE_BYTES_MAX];

	for (int i = 0; i < 5000; i++) {
		struct sp_message in = any_message(i), out;
		size_t len = sp_message_write(&seal, &in, bytes);

		assert_in_range(len, 1, sizeof(bytes));
		assert_int_equal(sp_message_read(&seal, bytes, len, &out), SP_MESSAGE_OK);
		check_same(&in, &out);
	}
}

/* ENDS, INTRODUCE and PROGRESS share datagrams; other kinds, and fractions of messages, do not. */
static void several_are_taken_apart(void **state)
{
	__u8 bytes[SP_MESSAGES_BYTES_MAX + SP_MESSAGE_BYTES_MAX];

	for (int i = 0; i < 40; i++) {
		struct sp_message in = any_message(i), out;
		size_t unit = sp_message_unit(in.kind), one = sp_message_write(&seal, &in, bytes),
			len = one;

		assert_int_equal(unit,
				 in.kind == SP_MESSAGE_ENDS || in.kind == SP_MESSAGE_INTRODUCE ||
				 in.kind == SP_MESSAGE_PROGRESS ? one : 0);
		while (unit && len + unit <= SP_MESSAGES_BYTES_MAX)
			len += sp_message_write(&seal, &in, bytes + len);
		assert_int_equal(sp_message_step(bytes, len), one);
		assert_int_equal(sp_message_read(&seal, bytes + len - one, one, &out),
				 SP_MESSAGE_OK);
		check_same(&in, &out);
		assert_int_equal(sp_message_step(bytes, len - 1), len - 1);
	}
	for (size_t len = 0; len < sizeof(bytes); len++)
		assert_in_range(sp_message_step(bytes, len), !!len, len);
}

static void any_change_is_refused(void **state)
{
	__u8 bytes[SP_MESSAGE_BYTES_MAX + 1] = { 0 };
	struct sp_message out;

	for (int i = 0; i < 30; i++) {
		struct sp_message in = any_message(i);
		size_t len = sp_message_write(&seal, &in, bytes);

		for (size_t at = 0; at < len; at++) {
			bytes[at] ^= 1 << i % 8;
			assert_int_not_equal(sp_message_read(&seal, bytes, len, &out),
					     SP_MESSAGE_OK);
			bytes[at] ^= 1 << i % 8;
		}
		for (size_t cut = 0; cut < len; cut++)
			assert_int_not_equal(sp_message_read(&seal, bytes, cut, &out),
					     SP_MESSAGE_OK);
		assert_int_not_equal(sp_message_read(&seal, bytes, len + 1, &out), SP_MESSAGE_OK);
	}
}

/* A sender with the key may have another version, or be faulty. */
static enum sp_message_refusal changed(const char *where, __u8 *bytes, size_t len, size_t at,
				       __u8 value)
{
	enum sp_message_refusal refusal;
	struct sp_message message;
	struct sp_member member;
	__u8 before = bytes[at];

	bytes[at] = value;
	sp_seal_close(&seal, where, strlen(where), bytes, len);
	refusal = strcmp(where, MEMBER_WHERE) ? sp_message_read(&seal, bytes, len, &message) :
						sp_member_record_read(&seal, bytes, len, &member);
	bytes[at] = before;
	return refusal;
}

static enum sp_message_refusal sealed_anew(__u8 *bytes, size_t len, size_t at, __u8 value)
{
	return changed(RELAY_WHERE, bytes, len, at, value);
}

static void bad_orders_are_refused(void **state)
{
	__u8 bytes[SP_MESSAGE_BYTES_MAX];
	struct sp_message m;
	size_t len;

	m = any_message(6 + 7 * 3);
	len = sp_message_write(&seal, &m, bytes);
	assert_int_equal(m.order_count, 3);
	assert_true(len <= SP_MESSAGES_BYTES_MAX);
	assert_int_equal(sealed_anew(bytes, len, 40 + 7, SP_ORDER_WHAT_COUNT),
			 SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(sealed_anew(bytes, len, 40 + 7, SP_ORDER_F_HERE),
			 SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(sealed_anew(bytes, len, 40 + 31, 1), SP_MESSAGE_REFUSED_MALFORMED);
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const struct { size_t at; __u8 value; } mad[] = {	/* of INTRODUCE */
		{ offsetof(struct sp_introduce, front), 9 },
		{ offsetof(struct sp_introduce, flags), 0 },
		{ offsetof(struct sp_introduce, flags), SP_HALF_F_NOT_ECT },
		{ offsetof(struct sp_introduce, flags), SP_HALF_F_SPLIT | SP_HALF_F_TO_DAEMON },
		{ offsetof(struct sp_introduce, flags), SP_HALF_F_SPLIT | SP_HALF_F_REQUESTS },
		{ offsetof(struct sp_introduce, half_version), 1 },	/* 256 and more */
		{ offsetof(struct sp_introduce, pool_id), 1 },
		{ offsetof(struct sp_introduce, pool_id) + 1, 1 },	/* 65536 and more */
		{ offsetof(struct sp_introduce, zero2), 1 },
	};
	__u8 bytes[SP_MESSAGE_BYTES_MAX + 8];
	struct sp_message m = any_message(1);	/* a segment, IPv6 */
	size_t len;

	m.segment.tuple.saddr = sp_addr_v4(any32());
	m.segment.tuple.saddr.w[0] = htonl(0xfd000000);
	m.segment.payload_len = 100;
	len = sp_message_write(&seal, &m, bytes);
	assert_int_equal(sealed_anew(bytes, len, 4, 'X'), SP_MESSAGE_REFUSED_MAGIC);
	assert_int_equal(sealed_anew(bytes, len, 5, SP_MESSAGE_VERSION - 1),
			 SP_MESSAGE_REFUSED_VERSION);
	assert_int_equal(sealed_anew(bytes, len, 6, 0), SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(sealed_anew(bytes, len, 6, SP_MESSAGE_KIND_COUNT),
			 SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(sealed_anew(bytes, len, 6, SP_MESSAGE_HELLO), SP_MESSAGE_REFUSED_LENGTH);
	assert_int_equal(sealed_anew(bytes, len, 6, SP_MESSAGE_ENDS), SP_MESSAGE_REFUSED_LENGTH);
	/* a single address is IPv4 */
	assert_int_equal(sealed_anew(bytes, len, 32, 0), SP_MESSAGE_REFUSED_MALFORMED);
	/* window scale */
	assert_int_equal(sealed_anew(bytes, len, 88, 15), SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(sealed_anew(bytes, len, 88, 253), SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(sealed_anew(bytes, len, 90, 8), SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(sealed_anew(bytes, len, 91, SP_EVENT_HELD), SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(sealed_anew(bytes, len, 33, bytes[33]), SP_MESSAGE_OK);
	assert_int_equal(sealed_anew(bytes, 92 - 1 + 8, 33, 0), SP_MESSAGE_REFUSED_LENGTH);

	m = any_message(0);
	len = sp_message_write(&seal, &m, bytes);
	assert_int_equal(sealed_anew(bytes, len, 32, SP_MEMBER_STATE_COUNT),
			 SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(sealed_anew(bytes, len, 33, SP_CAN_ALL + 1), SP_MESSAGE_REFUSED_MALFORMED);
	m = any_message(5);
	len = sp_message_write(&seal, &m, bytes);
	assert_int_equal(sealed_anew(bytes, len, 82, SP_BOUND_GONE), SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(sealed_anew(bytes, len, 83, SP_READING_HELD),
			 SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(sealed_anew(bytes, len, 92, 1), SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(sealed_anew(bytes, len, 95, 1), SP_MESSAGE_REFUSED_MALFORMED);
	m = any_message(2);
	len = sp_message_write(&seal, &m, bytes);
	assert_int_equal(sealed_anew(bytes, len, 72, SP_STATE_TOLD + 1),
			 SP_MESSAGE_REFUSED_MALFORMED);
	m = any_message(3);
	len = sp_message_write(&seal, &m, bytes);
	assert_int_equal(len, sizeof(struct sp_introduce));
	for (size_t i = 0; i < sizeof(mad) / sizeof(mad[0]); i++)
		assert_int_equal(sealed_anew(bytes, len, mad[i].at, mad[i].value),
				 SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(sealed_anew(bytes, len + 8, 33, 0), SP_MESSAGE_REFUSED_LENGTH);
}

static void other_clusters_are_foreign(void **state)
{
	struct sp_message m = any_message(0), out;
	__u8 bytes[SP_MESSAGE_BYTES_MAX];
	struct sp_seal other, both;
	size_t len;

	sp_seal_init(&other, keys + 1, 1);
	sp_seal_init(&both, keys, 2);
	len = sp_message_write(&other, &m, bytes);
	assert_int_equal(sp_message_read(&seal, bytes, len, &out), SP_MESSAGE_REFUSED_FOREIGN);
	/* a key is being replaced */
	assert_int_equal(sp_message_read(&both, bytes, len, &out), SP_MESSAGE_OK);
}

static struct sp_member any_member(unsigned int owned)
{
	struct sp_member m = {
		.name = "proxy-1.example", .relay = { sp_addr_v4(any32()), 7946 },
		.started_ns = any32(),
		.state = SP_MEMBER_DRAINING, .can = SP_CAN_ADOPT, .owned_count = owned,
	};

	for (unsigned int i = 0; i < owned; i++)
		m.owned[i] = (struct sp_endpoint){ any_tuple(i & 1).saddr, i };
	return m;
}

static void records_there_and_back(void **state)
{
	for (unsigned int owned = 0; owned <= SP_MEMBER_OWNED_MAX; owned++) {
		struct sp_member in = any_member(owned), out;
		__u8 bytes[SP_MEMBER_RECORD_MAX];
		size_t len = sp_member_record_write(&seal, &in, bytes);

		assert_in_range(len, 1, sizeof(bytes));
		assert_int_equal(sp_member_record_read(&seal, bytes, len, &out), SP_MESSAGE_OK);
		assert_memory_equal(&in, &out, sizeof(in));
		for (size_t at = 0; at < len; at++) {
			bytes[at] ^= 1;
			assert_int_not_equal(sp_member_record_read(&seal, bytes, len, &out),
					     SP_MESSAGE_OK);
			bytes[at] ^= 1;
		}
		assert_int_not_equal(sp_member_record_read(&seal, bytes, len - 1, &out),
				     SP_MESSAGE_OK);
	}
}

static enum sp_message_refusal record_anew(__u8 *bytes, size_t len, size_t at, __u8 value)
{
	return changed(MEMBER_WHERE, bytes, len, at, value);
}

static void mad_records_are_refused(void **state)
{
	struct sp_member m = any_member(2);
	__u8 bytes[SP_MEMBER_RECORD_MAX];
	size_t len = sp_member_record_write(&seal, &m, bytes);

	assert_int_equal(record_anew(bytes, len, 6, SP_MEMBER_STATE_COUNT),
			 SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(record_anew(bytes, len, 7, 200), SP_MESSAGE_REFUSED_LENGTH);
	assert_int_equal(record_anew(bytes, len, 34, 200), SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(record_anew(bytes, len, 35, SP_CAN_ALL + 1), SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(record_anew(bytes, len, 34, 3), SP_MESSAGE_REFUSED_LENGTH);
	assert_int_equal(record_anew(bytes, len, 36 + 2 * 18, '\n'), SP_MESSAGE_REFUSED_MALFORMED);
	assert_int_equal(record_anew(bytes, len, 36 + 2 * 18, 'q'), SP_MESSAGE_OK);
}

/* A record is refused as a message, and a message as a record. */
static void a_record_is_no_message(void **state)
{
	struct sp_member m = any_member(2);
	struct sp_message out;
	__u8 bytes[SP_MEMBER_RECORD_MAX];
	size_t len = sp_member_record_write(&seal, &m, bytes);

	assert_int_equal(sp_message_read(&seal, bytes, len, &out), SP_MESSAGE_REFUSED_FORGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(an_order_there_and_back),
		cmocka_unit_test(several_are_taken_apart),
		cmocka_unit_test(any_change_is_refused),
		cmocka_unit_test(bad_orders_are_refused),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(other_clusters_are_foreign),
		cmocka_unit_test(records_there_and_back),
		cmocka_unit_test(mad_records_are_refused),
		cmocka_unit_test(a_record_is_no_message),
	};

	sp_seal_init(&seal, keys, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

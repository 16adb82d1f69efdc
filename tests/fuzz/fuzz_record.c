// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_record.c - a key of the store and its value, as read from there. Any bytes taken for a
 * splice are sealed, belong to their own key alone, and are equal when written again.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "store/claim.h"

#define NOT_SEALED	1	/* in the first byte: the seal stays as in the input */
#define OUT_AT		33	/* of a record */
#define FLAGS_AT	13	/* two bits have no meaning yet, and are lost */
#define FLAGS_FREE	0xc0
#define REQUESTS	0x20
#define HANDSHAKE_FLAGS	7
#define IS_NAMED	8
#define HAS_RESPONSE	128

static const __u64 key[1][2] = { { 1, 2 } };
static struct sp_seal seal;

static void check_tuple(const struct sp_tuple *t, const uint8_t *bytes, size_t len)
{
	__u8 again[SP_PACKED_MAX];

	PROMISE(sp_tuple_pack(t, again) == len);
	PROMISE(!memcmp(again, bytes, len));
}

static void check_answer(const struct sp_vote *a, const uint8_t *bytes, size_t len)
{
	const size_t digits = SP_BALLOT_STRLEN - 1;
	char text[SP_BALLOT_STRLEN];

	PROMISE(a->kind == SP_VOTE_VALUE && a->state == bytes[0] && a->record.len < len);
	PROMISE(!memcmp(a->record.bytes, bytes + (a->state == 'P' ? 2 + 2 * digits : 1),
			a->record.len));
	if (a->state != 'P') {
		PROMISE(!a->promised && !a->accepted);
		return;
	}
	PROMISE(!memcmp(sp_ballot_format(a->promised, text), bytes + 1, digits));
	PROMISE(!memcmp(sp_ballot_format(a->accepted, text), bytes + 1 + digits, digits));
	PROMISE(a->origin != '-' || !a->record.len);
}

static void check_splice(const struct sp_splice *s, const struct sp_tuple *front, const __u8 *bytes,
			 size_t len)
{
	struct sp_record again = sp_record_make(&seal, s);
	struct sp_tuple other = *front;
	struct sp_splice same;

	PROMISE(!memcmp(&s->front, front, sizeof(*front)));
	PROMISE(!(s->up.flags & ~SP_HALF_F_SHARED));
	PROMISE(again.len == len && again.bytes[FLAGS_AT] == (bytes[FLAGS_AT] & ~FLAGS_FREE));
	PROMISE(!memcmp(again.bytes, bytes, FLAGS_AT));
	PROMISE(!memcmp(again.bytes + FLAGS_AT + 1, bytes + FLAGS_AT + 1,
			len - FLAGS_AT - 1 - SP_SEAL_TAIL_BYTES));
	PROMISE(sp_record_read(&seal, front, again.bytes, len, &same) == SP_SEAL_OK);
	PROMISE(!memcmp(s, &same, sizeof(same)));
	other.sport ^= htons(1);
	PROMISE(sp_record_read(&seal, &other, bytes, len, &same) == SP_SEAL_FORGED);
}

static int is_wscale(__u8 byte)
{
	return byte <= 14 || byte == 0xff;
}

static int is_tail(const __u8 *tail)
{
	static const __u8 tunnel[6];
	__u8 flags = tail[14] & 15, bound = tail[14] >> 4 & 7;

	if (!is_wscale(tail[6]) || !is_wscale(tail[7]) || flags & ~(HANDSHAKE_FLAGS | IS_NAMED))
		return 0;
	if (bound == SP_BOUND_NONE)
		return !(tail[14] & HAS_RESPONSE) &&
		       !memcmp(tail + 8, tunnel, sizeof(tunnel));
	return bound == SP_BOUND_STOP || bound == SP_BOUND_CHUNK || bound == SP_BOUND_CHUNK_END;
}

/* What another proxy can go on with. */
static int is_response(const __u8 *bytes)
{
	__u8 bound = bytes[6], reading = bytes[7];

	return bound > SP_BOUND_NONE && bound <= SP_BOUND_LAST_LF && bound != SP_BOUND_UNKNOWN &&
	       bound != SP_BOUND_GONE && !(reading & ~SP_READING_STORED);
}

/* A tuple, and an MSS unless 0. */
static int is_way(const __u8 *bytes, size_t len)
{
	struct sp_tuple out;

	if (!sp_tuple_unpack(bytes, len, &out))
		return 1;
	return len > 2 && (bytes[len - 2] || bytes[len - 1]) &&
	       !sp_tuple_unpack(bytes, len - 2, &out);
}

/* The same, and a change of at least a byte. */
static int is_changed_way(const __u8 *bytes, size_t len)
{
	size_t way = len - SP_RECORD_CHANGE_BYTES;

	if (is_way(bytes, len))
		return 1;
	return len > SP_RECORD_CHANGE_BYTES && (bytes[way + 4] || bytes[way + 5]) &&
	       is_way(bytes, way);
}

/*
 * A sender with the key may announce any splice, except with an invalid tuple. An MSS may follow
 * the tuple. With the flag, a change, a response and a name may follow, and a tail must.
 */
static int is_record(const __u8 *bytes, size_t len)
{
	size_t behind = len - OUT_AT - SP_SEAL_TAIL_BYTES;
	__u8 flags;
	static const __u8 no_addr[16];

	if (len <= OUT_AT + SP_SEAL_TAIL_BYTES)
		return 0;
	if (!(bytes[FLAGS_AT] & REQUESTS))
		return is_way(bytes + OUT_AT, behind);
	if (behind <= SP_RECORD_TAIL_BYTES)
		return 0;
	behind -= SP_RECORD_TAIL_BYTES;
	if (!is_tail(bytes + OUT_AT + behind))
		return 0;
	flags = bytes[OUT_AT + behind + SP_RECORD_TAIL_BYTES - 1];
	if (flags & IS_NAMED) {
		if (behind <= SP_RECORD_NAME_BYTES)
			return 0;
		behind -= SP_RECORD_NAME_BYTES;
		if (!memcmp(bytes + OUT_AT + behind, no_addr, sizeof(no_addr)))
			return 0;
	}
	if (flags & HAS_RESPONSE) {
		if (behind <= SP_RECORD_RESPONSE_BYTES)
			return 0;
		behind -= SP_RECORD_RESPONSE_BYTES;
		if (!is_response(bytes + OUT_AT + behind))
			return 0;
	}
	return is_changed_way(bytes + OUT_AT, behind);
}

/* @bytes: exactly @len, for the sanitizer */
static void read_record(const struct sp_tuple *front, __u8 *bytes, size_t len, int is_sealed)
{
	struct sp_key where = sp_key_make(SP_KEY_FRONT, front);
	struct sp_splice s = { .client_isn = 1 }, untouched = s;
	enum sp_seal_refusal refusal;

	if (is_sealed && len >= SP_SEAL_HEAD_BYTES + SP_SEAL_TAIL_BYTES)
		sp_seal_close(&seal, where.bytes, where.len, bytes, len);
	refusal = sp_record_read(&seal, front, bytes, len, &s);
	if (refusal == SP_SEAL_OK)
		check_splice(&s, front, bytes, len);
	else
		PROMISE(!memcmp(&s, &untouched, sizeof(s)));
	if (is_sealed)
		PROMISE(refusal == (is_record(bytes, len) ? SP_SEAL_OK : SP_SEAL_LENGTH));
}

/*
 * Flags are in the first byte, the length of the key's tuple in the second. The tuple and the
 * value follow.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sp_vote answer;
	struct sp_tuple front;
	size_t key_len;
	__u8 *bytes;

	if (size < 2 || size - 2 < data[1])
		return 0;
	if (!seal.count)
		sp_seal_init(&seal, key, 1);
	key_len = data[1];
	if (sp_tuple_unpack(data + 2, key_len, &front))
		return 0;
	check_tuple(&front, data + 2, key_len);
	if (sp_vote_parse(data + 2 + key_len, size - 2 - key_len, &answer))
		return 0;
	check_answer(&answer, data + 2 + key_len, size - 2 - key_len);
	bytes = malloc(answer.record.len ?: 1);
	memcpy(bytes, answer.record.bytes, answer.record.len);
	read_record(&front, bytes, answer.record.len, !(data[0] & NOT_SEALED));
	free(bytes);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fuzz_message.c - messages and records of other proxies, behind a valid seal: bytes that were
 * read must be equal when written again.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "abi/half.h"
#include "cluster/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const __u64 key[1][2] = { { 1, 2 } };
static struct sp_seal seal;

static void check_message(const struct sp_message *m, const __u8 *bytes, size_t len)
{
	static __u8 again[SP_MESSAGE_BYTES_MAX];

	assert(m->kind > SP_MESSAGE_NONE && m->kind < SP_MESSAGE_KIND_COUNT);
	assert(m->kind != SP_MESSAGE_SEGMENT || m->segment.payload_len <= SP_MESSAGE_CHUNK);
	assert(m->kind != SP_MESSAGE_ENDS || !(m->ends.state & ~SP_STATE_TOLD));
	assert(sp_message_write(&seal, m, again) == len);
	/* an unused byte may differ, and so may the sum behind it */
	assert(!memcmp(again + 8, bytes + 8, len - 8 - SP_SEAL_TAIL_BYTES));
}

static void check_member(const struct sp_member *m, const __u8 *bytes, size_t len)
{
	static __u8 again[SP_MEMBER_RECORD_MAX];

	assert(m->owned_count <= SP_MEMBER_OWNED_MAX && strlen(m->name) <= SP_NAME_MAX);
	assert(sp_member_record_write(&seal, m, again) == len);
	assert(!memcmp(again, bytes, len));
}

/* The first byte selects the kind. Head and tail of the seal are made anew. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static __u8 bytes[SP_SEAL_BYTES_MAX];
	const char *where = size && data[0] & 1 ? "sp member" : "sp relay";
	struct sp_message message;
	struct sp_member member;
	size_t len = size - 1;

	if (size < 1 + SP_SEAL_HEAD_BYTES + SP_SEAL_TAIL_BYTES || len > sizeof(bytes))
		return 0;
	if (!seal.count)
		sp_seal_init(&seal, key, 1);
	memcpy(bytes, data + 1, len);
	if (!(data[0] & 2))
		sp_seal_close(&seal, where, strlen(where), bytes, len);
	assert(sp_message_step(bytes, len) > 0 && len % sp_message_step(bytes, len) == 0);
	if (sp_message_read(&seal, bytes, len, &message) == SP_MESSAGE_OK)
		check_message(&message, bytes, len);
	if (sp_member_record_read(&seal, bytes, len, &member) == SP_MESSAGE_OK)
		check_member(&member, bytes, len);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_reply.c - bytes from a store server. Each request has one answer, in order. Answers are
 * bounded. After nonsense no answer comes. However the bytes are cut, the answers are the same.
 */
#include "store/redis/link.c"

#include "fuzz.h"

#define ASKED		64
#define DEPTH_MAX	9	/* of hiredis' reader */

/* @digest: of all answers */
struct seen {
	unsigned int	answers;
	int		is_broken;
	uint64_t	digest;
};

static void mix(struct seen *seen, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		seen->digest = (seen->digest ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
}

/* Return: number of elements, nested elements included. */
static size_t check_reply(struct seen *seen, const redisReply *reply, int depth)
{
	size_t elements = 0;

	PROMISE(reply && depth < DEPTH_MAX);
	mix(seen, &reply->type, sizeof(reply->type));
	mix(seen, &reply->integer, sizeof(reply->integer));
	if (reply->type == REDIS_REPLY_ARRAY) {
		elements = reply->elements;
		for (size_t i = 0; i < reply->elements; i++)
			elements += check_reply(seen, reply->element[i], depth + 1);
	} else if (reply->str) {
		PROMISE(reply->len <= ANSWER_BYTES_MAX + READ_BYTES && !reply->str[reply->len]);
		mix(seen, reply->str, reply->len);
	}
	return elements;
}

static void on_answer(void *ctx, struct sp_redis_asked asked, const redisReply *reply)
{
	struct seen *seen = ctx;

	PROMISE(!seen->is_broken && asked.ref == seen->answers++);
	PROMISE(check_reply(seen, reply, 0) <= ANSWER_ELEMENTS_MAX);
}

/* A link breaks as in sp_redis_link_close(), without the parts that a loop would do later. */
static void on_broken(void *ctx, const char *why, int is_nonsense)
{
	struct seen *seen = ctx;

	PROMISE(why && is_nonsense && !seen->is_broken);
	seen->is_broken = 1;
}

/* @piece: bytes fed at once */
static struct seen read_all(const uint8_t *data, size_t size, size_t piece)
{
	static const struct sp_redis_link_events events = { .answer = on_answer,
							    .broken = on_broken };
	static struct sp_redis_asked asked[ASKED];
	struct seen seen = {};
	struct sp_redis_link l = {
		.events = &events, .ctx = &seen, .asked = asked, .asked_room = ASKED,
		.asked_count = ASKED - 1,
	};

	for (unsigned int i = 0; i < ASKED; i++)
		asked[i].ref = i;
	PROMISE(!make_reader(&l));
	for (size_t at = 0; at < size && !seen.is_broken; at += piece) {
		if (piece > size - at)
			piece = size - at;
		PROMISE(redisReaderFeed(l.reader, (const char *)data + at, piece) == REDIS_OK);
		take_answers(&l);
		PROMISE(seen.is_broken || l.reader->len - l.reader->pos <= ANSWER_BYTES_MAX);
	}
	redisReaderFree(l.reader);
	return seen;
}

/* The first byte selects the cuts of the rest. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, cut;

	if (size < 2)
		return 0;
	whole = read_all(data + 1, size - 1, size - 1 < READ_BYTES ? size - 1 : READ_BYTES);
	cut = read_all(data + 1, size - 1, 1 + data[0] % 64);
	PROMISE(whole.answers == cut.answers && whole.is_broken == cut.is_broken &&
		whole.digest == cut.digest);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stray.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RING		256
#define BYTES_MAX	16384	/* of one segment; a longer one is not kept: TCP repeats it */
#define DEAD_MAX_NS	60000000000ULL

/* @nobody_ns: when the store first said that nobody has it; 0: it has not */
struct stray {
	__u64			hash;
	__u64			came_ns;
	__u64			nobody_ns;
	__u8			flags;
	struct sp_segment	seg;
};

struct sp_strays {
	struct stray	ring[RING];
	unsigned int	next;
	char		(*bytes)[BYTES_MAX];
};

struct sp_strays *sp_strays_new(void)
{
	struct sp_strays *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->bytes = mmap(NULL, RING * BYTES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			-1, 0);
	if (s->bytes == MAP_FAILED) {
		free(s);
		return NULL;
	}
	return s;
}

void sp_strays_free(struct sp_strays *s)
{
	if (!s)
		return;
	munmap(s->bytes, RING * BYTES_MAX);
	free(s);
}

static int is_of(const struct stray *stray, __u64 hash, const struct sp_tuple *tuple)
{
	return stray->hash == hash && stray->came_ns && !memcmp(&stray->seg.tuple, tuple, sizeof(*tuple));
}

void sp_stray_add(struct sp_strays *s, __u64 hash, const struct sp_segment *seg, __u8 flags, __u64 now_ns)
{
	struct stray *stray = &s->ring[s->next];

	*stray = (struct stray){ .hash = hash, .came_ns = now_ns, .flags = flags, .seg = *seg };
	stray->seg.payload = s->bytes[s->next];
	if (seg->payload_len > BYTES_MAX)
		stray->flags |= SP_STRAY_F_CUT;
	else if (seg->payload_len)
		memcpy(s->bytes[s->next], seg->payload, seg->payload_len);
	s->next = (s->next + 1) % RING;
}

int sp_stray_flags(const struct sp_strays *s, __u64 hash, const struct sp_tuple *tuple, __u8 *ret_flags)
{
	for (int i = 1; i <= RING; i++) {
		const struct stray *stray = &s->ring[(s->next + RING - i) % RING];

		if (!is_of(stray, hash, tuple))
			continue;
		*ret_flags = stray->flags;
		return 0;
	}
	return -ENOENT;
}

int sp_stray_nobody(struct sp_strays *s, __u64 hash, const struct sp_tuple *tuple, __u64 now_ns)
{
	int is_dead = 0;

	for (int i = 0; i < RING; i++) {
		struct stray *stray = &s->ring[i];

		if (!is_of(stray, hash, tuple))
			continue;
		if (!stray->nobody_ns)
			stray->nobody_ns = now_ns;
		is_dead |= now_ns - stray->nobody_ns >= SP_STRAY_DEAD_NS && now_ns - stray->nobody_ns < DEAD_MAX_NS;
	}
	return is_dead;
}

static int is_early(const struct stray *stray, __u64 now_ns, __u64 limit_ns)
{
	return now_ns - stray->came_ns < limit_ns;
}

void sp_stray_take(struct sp_strays *s, __u64 hash, const struct sp_tuple *tuple, __u64 now_ns,
		   sp_stray_fn fn, void *ctx)
{
	for (int i = 0; i < RING; i++) {
		struct stray *stray = &s->ring[(s->next + i) % RING];

		if (!is_of(stray, hash, tuple))
			continue;
		if (is_early(stray, now_ns, SP_STRAY_EARLY_NS))
			fn(ctx, &stray->seg, stray->flags);
		stray->came_ns = 0;
	}
}

void sp_stray_young(struct sp_strays *s, __u64 now_ns, sp_stray_fn fn, void *ctx)
{
	for (int i = 0; i < RING; i++) {
		const struct stray *stray = &s->ring[i];
		__u8 ours = stray->flags & (SP_STRAY_F_BACK | SP_STRAY_F_MINE);

		if (stray->came_ns && ours == SP_STRAY_F_MINE && is_early(stray, now_ns, SP_STRAY_YOUNG_NS))
			fn(ctx, &stray->seg, stray->flags);
	}
}

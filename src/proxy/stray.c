// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stray.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RING		256
#define BYTES_MAX	16384	/* of one segment; a longer one is not kept: TCP repeats it */
#define DEAD_MAX_NS	60000000000ULL

struct stray {
	__u64			hash;
	__u64			came_ns;
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

static int is_dead(const struct sp_strays *s, __u64 hash, const struct sp_tuple *tuple, __u64 now_ns)
{
	for (int i = 0; i < RING; i++) {
		const struct stray *stray = &s->ring[i];

		if (is_of(stray, hash, tuple) && now_ns - stray->came_ns >= SP_STRAY_DEAD_NS &&
		    now_ns - stray->came_ns < DEAD_MAX_NS)
			return 1;
	}
	return 0;
}

int sp_stray_add(struct sp_strays *s, __u64 hash, const struct sp_segment *seg, __u64 now_ns)
{
	struct stray *stray = &s->ring[s->next];

	if (is_dead(s, hash, &seg->tuple, now_ns))
		return 1;
	if (seg->payload_len > BYTES_MAX)
		return 0;
	if (seg->payload_len)
		memcpy(s->bytes[s->next], seg->payload, seg->payload_len);
	*stray = (struct stray){ .hash = hash, .came_ns = now_ns, .seg = *seg };
	stray->seg.payload = s->bytes[s->next];
	s->next = (s->next + 1) % RING;
	return 0;
}

void sp_stray_take(struct sp_strays *s, __u64 hash, const struct sp_tuple *tuple, __u64 now_ns,
		   sp_stray_fn fn, void *ctx)
{
	for (int i = 0; i < RING; i++) {
		struct stray *stray = &s->ring[(s->next + i) % RING];

		if (!is_of(stray, hash, tuple))
			continue;
		if (now_ns - stray->came_ns < SP_STRAY_EARLY_NS)
			fn(ctx, &stray->seg);
		stray->came_ns = 0;
	}
}

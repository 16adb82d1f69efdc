// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/reasm.h"

#include <string.h>

static __u32 later_seq(__u32 a, __u32 b)
{
	return a > b ? a : b;
}

static __u32 earlier_seq(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

/* Merge all spans that touch @s into @s. */
static void absorb_spans(struct sp_reasm *h, struct sp_reasm_span *s)
{
	for (__u32 i = 0; i < h->span_count;) {
		struct sp_reasm_span *other = &h->spans[i];

		if (other->from > s->to || other->to < s->from) {
			i++;
			continue;
		}
		s->from = earlier_seq(s->from, other->from);
		s->to = later_seq(s->to, other->to);
		*other = h->spans[--h->span_count];
		i = 0;
	}
}

__u32 sp_reasm_add(struct sp_reasm *h, char *buf, __u32 room, __s64 at, const char *data, __u32 n)
{
	struct sp_reasm_span s;
	__u32 before = h->len, skip = at < (__s64)h->len ? (__u32)(h->len - at) : 0;

	if (skip >= n || at >= room)
		return 0;
	s.from = (__u32)(at + skip);
	s.to = earlier_seq(room, (__u32)(at + n));
	if (s.from >= s.to || (s.from > h->len && h->span_count == SP_REASM_SPANS))
		return 0;
	memcpy(buf + s.from, data + skip, s.to - s.from);
	absorb_spans(h, &s);
	if (s.from > h->len)
		h->spans[h->span_count++] = s;
	else
		h->len = s.to;
	h->top = later_seq(h->top, s.to);
	return h->len - before;
}

/* Spans behind the new beginning; one that covers it becomes the bytes without a hole. */
static void shift_spans(struct sp_reasm *h, __u32 n)
{
	__u32 kept = 0;

	for (__u32 i = 0; i < h->span_count; i++) {
		struct sp_reasm_span s = h->spans[i];

		if (s.to <= n)
			continue;
		if (s.from <= n)
			h->len = s.to;
		else
			h->spans[kept++] = (struct sp_reasm_span){ s.from - n, s.to - n };
	}
	h->span_count = kept;
}

void sp_reasm_skip(struct sp_reasm *h, char *buf, __u32 n)
{
	shift_spans(h, n);
	h->len = h->len > n ? h->len - n : 0;
	h->top = h->top > n ? h->top - n : 0;
	memmove(buf, buf + n, h->top);
}

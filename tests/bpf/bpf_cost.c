// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* bpf_cost.c - nanoseconds of the datapath for a packet of a spliced connection. */
#include "fixture.h"

#define BATCH	250	/* each run decrements the TTL, 255 at first */
#define BATCHES	4000	/* 1e6 packets */

static int by_value(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return (x > y) - (x < y);
}

struct cost {
	const char	*name;
	__u8		opt[40];
	__u32		opt_len;
	__u8		frame[256];
	__u32		len;
	__u32		ns[BATCHES];
};

static struct cost costs[] = {
	{ .name = "timestamps", .opt = "\1\1\x8\xa\0\0\1\0\0\0\2", .opt_len = 12 },
	{ .name = "sack3", .opt_len = 40,
	  .opt = "\1\1\x8\xa\0\0\1\0\0\0\2\0"
		 "\1\1\5\x1a\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5\0\0\0\6" },
};
#define COSTS (sizeof(costs) / sizeof(costs[0]))

static void prepare(struct cost *c)
{
	struct packet p = { .tuple = TUPLE_OUT(0), .ttl = 255, .seq = 1000, .ack = 2000,
			    .flags = ACK,
			    .window = 500, .opt_len = c->opt_len, .payload = 64 };

	memcpy(p.opt, c->opt, sizeof(p.opt));
	c->len = build(&p, c->frame);
}

/* Both measurements alternate, so that a disturbance slows down both. */
static int measure(struct fixture *f)
{
	__u8 out[FRAME_MAX];
	__u32 out_len;

	for (int i = 0; i < BATCHES; i++)
		for (size_t j = 0; j < COSTS; j++) {
			struct cost *c = &costs[j];
			int verdict = run(f, c->frame, c->len, out, &out_len, BATCH, &c->ns[i]);

			if (verdict != TC_ACT_REDIRECT) {
				fprintf(stderr, "%s: verdict %d\n", c->name, verdict);
				return 1;
			}
		}
	return 0;
}

int main(void)
{
	struct fixture f = {};
	struct sp_half half = { .out = TUPLE_OUT(0) };
	int err = fixture_open(&f);

	if (err || put_half(&f, &half.out, &half)) {
		fprintf(stderr, "can't load the datapath: %s\n", strerror(err ? -err : errno));
		return 1;
	}
	for (size_t j = 0; j < COSTS; j++)
		prepare(&costs[j]);
	err = measure(&f);
	/* the median: batches hit by an interrupt do not count */
	for (size_t j = 0; !err && j < COSTS; j++) {
		qsort(costs[j].ns, BATCHES, sizeof(costs[j].ns[0]), by_value);
		printf("%s %u\n", costs[j].name, costs[j].ns[BATCHES / 2]);
	}
	fixture_close(&f);
	return err;
}

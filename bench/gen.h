/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * gen.h - functions that the load generators share: clock, cost of the machine, head of an answer.
 * Read by bench/ only.
 */
#ifndef SP_BENCH_GEN_H
#define SP_BENCH_GEN_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define GEN_NS_PER_MS	1000000ULL
#define GEN_NS_PER_S	1000000000ULL

/* The clock and the idle time of all processors together at one moment. */
struct gen_cpu {
	uint64_t at_ns;
	uint64_t idle_ticks;
};

uint64_t gen_now_ns(void);
void gen_sleep_until(uint64_t at_ns);

/* The process exits with a message: the generator cannot do its work. */
void gen_die(const char *what, int err) __attribute__((noreturn));

struct gen_cpu gen_cpu_read(void);

/* Prints "seconds" and "busy_s": work of the whole machine between two moments. */
void gen_cpu_print(const struct gen_cpu *begin, const struct gen_cpu *end);

struct sockaddr_in gen_addr(const char *text, unsigned int port);

/**
 * gen_http_head() - length of the head of an answer, and of its body
 * @buf:	NUL-terminated, @len bytes before the NUL
 * Return: bytes of the head; -EAGAIN while incomplete; -EPROTO unless a 200 with a length.
 */
int gen_http_head(const char *buf, size_t len, uint64_t *ret_body_bytes);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* gen.c - functions that the load generators share. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gen.h"

uint64_t gen_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * GEN_NS_PER_S + ts.tv_nsec;
}

void gen_sleep_until(uint64_t at_ns)
{
	struct timespec ts = { .tv_sec = at_ns / GEN_NS_PER_S, .tv_nsec = at_ns % GEN_NS_PER_S };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

void gen_die(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(err));
	exit(1);
}

struct gen_cpu gen_cpu_read(void)
{
	unsigned long long user, nice, system, idle, iowait;
	FILE *f = fopen("/proc/stat", "re");
	int n;

	if (!f)
		gen_die("/proc/stat", errno);
	n = fscanf(f, "cpu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &iowait);
	fclose(f);
	if (n != 5)
		gen_die("/proc/stat", EPROTO);
	return (struct gen_cpu){ .at_ns = gen_now_ns(), .idle_ticks = idle + iowait };
}

void gen_cpu_print(const struct gen_cpu *begin, const struct gen_cpu *end)
{
	double wall_s = (double)(end->at_ns - begin->at_ns) / GEN_NS_PER_S;
	double idle_s = (double)(end->idle_ticks - begin->idle_ticks) / sysconf(_SC_CLK_TCK);

	printf("seconds %.6f\nbusy_s %.4f\n", wall_s,
	       wall_s * sysconf(_SC_NPROCESSORS_ONLN) - idle_s);
}

struct sockaddr_in gen_addr(const char *text, unsigned int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, text, &addr.sin_addr) != 1)
		gen_die(text, EINVAL);
	return addr;
}

int gen_http_head(const char *buf, size_t len, uint64_t *ret_body_bytes)
{
	const char *end = memmem(buf, len, "\r\n\r\n", 4), *length;

	if (!end)
		return -EAGAIN;
	length = strcasestr(buf, "\r\nContent-Length:");
	if (strncmp(buf, "HTTP/1.1 200 ", 13) || !length || length > end)
		return -EPROTO;
	*ret_body_bytes = strtoull(length + strlen("\r\nContent-Length:"), NULL, 10);
	return end + 4 - buf;
}

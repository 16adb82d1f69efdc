/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * gen_bulk.c - downloads with a few flows and throws the bytes away.
 *
 * Each flow has a thread and a kept-alive connection. Bytes read between the end of the warm-up
 * and the end of the run count. The file is requested again at its end.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gen.h"

#define FLOWS_MAX	64
#define READ_BYTES	(256 * 1024)
#define REQUEST		"GET %s HTTP/1.1\r\nHost: bench.example\r\n\r\n"
#define REQUEST_BYTES	512

static struct sockaddr_in service;
static char request[REQUEST_BYTES];
static atomic_bool is_over;

struct flow {
	pthread_t thread;
	int fd;
	atomic_ullong bytes;
	char *buf;
};

static ssize_t flow_read(struct flow *flow)
{
	ssize_t n = recv(flow->fd, flow->buf, READ_BYTES, 0);

	if (n <= 0 && !is_over)
		gen_die("recv", n ? errno : ECONNRESET);
	if (n > 0)
		atomic_fetch_add_explicit(&flow->bytes, n, memory_order_relaxed);
	return n;
}

/* The first bytes of the answer. Return: bytes of the body still to come. */
static uint64_t flow_ask(struct flow *flow)
{
	uint64_t body_bytes;
	ssize_t n;
	int head;

	if (send(flow->fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		gen_die("send", errno);
	n = flow_read(flow);
	if (n <= 0)
		return 0;
	flow->buf[n] = '\0';
	head = gen_http_head(flow->buf, n, &body_bytes);
	if (head < 0)
		gen_die("head of the answer", -head);
	return body_bytes - (n - head);
}

static void *flow_run(void *arg)
{
	struct flow *flow = arg;

	while (!is_over) {
		uint64_t left = flow_ask(flow);

		while (left && !is_over) {
			ssize_t n = flow_read(flow);

			if (n <= 0)
				return NULL;
			left -= n;
		}
	}
	return NULL;
}

static void flow_start(struct flow *flow)
{
	int err;

	flow->buf = malloc(READ_BYTES + 1);
	flow->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!flow->buf || flow->fd < 0)
		gen_die("flow", errno);
	if (connect(flow->fd, (struct sockaddr *)&service, sizeof(service)))
		gen_die("connect", errno);
	err = pthread_create(&flow->thread, NULL, flow_run, flow);
	if (err)
		gen_die("pthread_create", err);
}

static uint64_t sum_bytes(struct flow *flows, int n)
{
	uint64_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += atomic_load(&flows[i].bytes);
	return sum;
}

static void measure(struct flow *flows, int n, uint64_t warm_ns, uint64_t run_ns)
{
	uint64_t start_ns = gen_now_ns(), bytes;
	struct gen_cpu begin, end;

	gen_sleep_until(start_ns + warm_ns);
	begin = gen_cpu_read();
	bytes = sum_bytes(flows, n);
	gen_sleep_until(start_ns + warm_ns + run_ns);
	end = gen_cpu_read();
	bytes = sum_bytes(flows, n) - bytes;
	printf("bytes %llu\n", (unsigned long long)bytes);
	gen_cpu_print(&begin, &end);
}

static void flow_stop(struct flow *flow)
{
	shutdown(flow->fd, SHUT_RDWR);
	pthread_join(flow->thread, NULL);
	close(flow->fd);
	free(flow->buf);
}

int main(int argc, char **argv)
{
	static struct flow flows[FLOWS_MAX];
	int n;

	if (argc != 7) {
		fprintf(stderr, "usage: gen_bulk ADDRESS PORT PATH FLOWS WARM_MS RUN_MS\n");
		return 2;
	}
	service = gen_addr(argv[1], atoi(argv[2]));
	if (snprintf(request, sizeof(request), REQUEST, argv[3]) >= (int)sizeof(request))
		gen_die(argv[3], ENAMETOOLONG);
	n = atoi(argv[4]);
	if (n < 1 || n > FLOWS_MAX)
		gen_die("flows", EINVAL);
	for (int i = 0; i < n; i++)
		flow_start(&flows[i]);
	measure(flows, n, atoi(argv[5]) * GEN_NS_PER_MS, atoi(argv[6]) * GEN_NS_PER_MS);
	is_over = true;
	for (int i = 0; i < n; i++)
		flow_stop(&flows[i]);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * gen_conn.c - opens a new connection for every request, or keeps connections (-k).
 *
 * Closed loop (rate 0): every thread keeps a number of connections busy. A slot starts the next
 * connection when the last has seen the end of stream. Answers complete within the window count.
 *
 * Open loop (rate > 0): connection i is due at start + i / rate, independent of the connections
 * before. Latency runs from the due time to the last byte of the answer. A stall of the server
 * therefore cannot hide the requests that were not sent meanwhile. Connections due within the
 * window count. A connection without an answer counts with its waiting time, and as stuck.
 *
 * Kept connections: a slot sends its next request on the connection that it has, and the slot that
 * has rested longest is the next. Requests are given as LETTER=TEXT, LETTER being the first byte of
 * the right body. A connection repeats one of them, or cycles through all (-m). An end of stream is
 * an error, as are bytes behind an answer.
 *
 * Source addresses are used in turn, so that the ports of an address do not run out. The server
 * closes first unless connections are kept: there is no TIME_WAIT here.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gen.h"

#define THREADS_MAX	16
#define KINDS_MAX	8
#define SAMPLES_MAX	(2 * 1000 * 1000)
#define ANSWER_BYTES	4096
#define EVENTS_MAX	256
#define GRACE_NS	GEN_NS_PER_S	/* a connection older at the end is stuck */
#define TICK_NS		(10 * GEN_NS_PER_MS)
#define REQUEST		"GET /1k HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n\r\n"

struct kind {
	const char *request;
	char letter;
};

static struct {
	struct sockaddr_in service;
	struct sockaddr_in source;
	unsigned int sources;
	unsigned int threads;
	unsigned int slots;		/* of one thread */
	unsigned int rate;		/* of all threads, 1/s */
	uint64_t warm_ns, run_ns;
	uint64_t start_ns, begin_ns, end_ns;
	bool is_kept, is_moving;
	struct kind kinds[KINDS_MAX];
	unsigned int kind_count;
} opt = { .sources = 1, .threads = 1, .slots = 32,
	  .warm_ns = 300 * GEN_NS_PER_MS, .run_ns = GEN_NS_PER_S,
	  .kinds = { { REQUEST, 'x' } }, .kind_count = 1 };

struct conn {
	int fd;				/* -1: none */
	bool is_sent, is_whole;
	unsigned int turn;		/* kind of its next request */
	char letter;			/* of the answer due */
	uint64_t due_ns;
	size_t len, whole_len;		/* whole_len: 0 until the head is known */
	char buf[ANSWER_BYTES];
};

struct worker {
	pthread_t thread;
	int epoll_fd;
	struct conn *conns;
	unsigned int *free_slots, frees, first_free;	/* a ring */
	unsigned int next_source;
	uint64_t next_due_ns, step_ns;
	uint64_t *latency_ns, *late_ns;
	size_t latencies, lates;
	unsigned long answers;		/* also outside of the window */
	unsigned long errors, stuck;
};

static bool in_window(uint64_t at_ns)
{
	return at_ns >= opt.begin_ns && at_ns < opt.end_ns;
}

static void slot_put(struct worker *w, struct conn *c)
{
	w->free_slots[(w->first_free + w->frees++) % opt.slots] = c - w->conns;
}

/* The slot that has rested longest. */
static struct conn *slot_take(struct worker *w)
{
	struct conn *c = &w->conns[w->free_slots[w->first_free]];

	w->first_free = (w->first_free + 1) % opt.slots;
	w->frees--;
	return c;
}

/* A kept connection without a request: its slot is in the ring. */
static bool conn_rests(const struct conn *c)
{
	return opt.is_kept && c->is_whole;
}

static void conn_free(struct worker *w, struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	if (!conn_rests(c))
		slot_put(w, c);
}

static void conn_failed(struct worker *w, struct conn *c)
{
	w->errors++;
	conn_free(w, c);
}

static void sample_add(struct worker *w, uint64_t latency_ns)
{
	if (w->latencies < SAMPLES_MAX)
		w->latency_ns[w->latencies++] = latency_ns;
}

static int conn_open(struct worker *w, struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };
	struct sockaddr_in source = opt.source;
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	source.sin_addr.s_addr = htonl(ntohl(opt.source.sin_addr.s_addr) +
				       w->next_source++ % opt.sources);
	/* bind() would otherwise take a port that is free for all peers, and run out of ports. */
	if (setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) ||
	    bind(c->fd, (struct sockaddr *)&source, sizeof(source)))
		return -errno;
	if (connect(c->fd, (struct sockaddr *)&opt.service, sizeof(opt.service)) &&
	    errno != EINPROGRESS)
		return -errno;
	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) ? -errno : 0;
}

static int conn_ask(struct conn *c)
{
	const struct kind *kind = &opt.kinds[c->turn % opt.kind_count];
	size_t len = strlen(kind->request);

	c->is_sent = true;
	c->letter = kind->letter;
	c->turn += opt.is_moving;
	return send(c->fd, kind->request, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -EPIPE;
}

static void conn_start(struct worker *w, uint64_t due_ns)
{
	struct conn *c = slot_take(w);

	c->is_sent = c->is_whole = false;
	c->len = c->whole_len = 0;
	c->due_ns = due_ns;
	if (c->fd >= 0 ? conn_ask(c) : conn_open(w, c))
		conn_failed(w, c);
}

/* Return: 0, also while the answer is incomplete; -EPROTO for a wrong answer. */
static int conn_check(struct worker *w, struct conn *c)
{
	uint64_t now_ns, body_bytes;
	int head;

	c->buf[c->len] = '\0';
	if (!c->whole_len) {
		head = gen_http_head(c->buf, c->len, &body_bytes);
		if (head < 0)
			return head == -EAGAIN ? 0 : head;
		c->whole_len = head + body_bytes;
	}
	if (c->len < c->whole_len)
		return 0;
	if (c->len > c->whole_len || c->buf[c->whole_len - 1] != c->letter)
		return -EPROTO;
	c->is_whole = true;
	w->answers++;
	now_ns = gen_now_ns();
	if (in_window(opt.rate ? c->due_ns : now_ns))
		sample_add(w, now_ns - c->due_ns);
	if (opt.is_kept)
		slot_put(w, c);
	return 0;
}

static void conn_read(struct worker *w, struct conn *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, c->buf + c->len, ANSWER_BYTES - 1 - c->len, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (!n && c->is_whole && !opt.is_kept) {
			conn_free(w, c);
			return;
		}
		if (n <= 0) {
			conn_failed(w, c);
			return;
		}
		c->len += n;
		if (conn_check(w, c)) {
			conn_failed(w, c);
			return;
		}
	}
}

static void conn_event(struct worker *w, struct conn *c, uint32_t events)
{
	if (!c->is_sent && (events & EPOLLOUT) && conn_ask(c)) {
		conn_failed(w, c);
		return;
	}
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		conn_read(w, c);
}

static void start_free(struct worker *w)
{
	/* a slot that fails at once waits for the next turn */
	for (unsigned int n = w->frees; n && gen_now_ns() < opt.end_ns; n--)
		conn_start(w, gen_now_ns());
}

static void start_due(struct worker *w, uint64_t now_ns)
{
	while (w->frees && w->next_due_ns <= now_ns && w->next_due_ns < opt.end_ns) {
		if (in_window(w->next_due_ns) && w->lates < SAMPLES_MAX)
			w->late_ns[w->lates++] = gen_now_ns() - w->next_due_ns;
		conn_start(w, w->next_due_ns);
		w->next_due_ns += w->step_ns;
	}
}

static bool is_over(const struct worker *w, uint64_t now_ns)
{
	if (now_ns < opt.end_ns)
		return false;
	return !opt.rate || w->frees == opt.slots || now_ns >= opt.end_ns + GRACE_NS;
}

static void wait_events(struct worker *w, uint64_t now_ns)
{
	uint64_t wait_ns = TICK_NS;
	struct epoll_event events[EVENTS_MAX];
	struct timespec ts;
	int n;

	if (opt.rate && w->next_due_ns < opt.end_ns && w->frees)
		wait_ns = w->next_due_ns > now_ns ? w->next_due_ns - now_ns : 0;
	ts.tv_sec = wait_ns / GEN_NS_PER_S;
	ts.tv_nsec = wait_ns % GEN_NS_PER_S;
	n = epoll_pwait2(w->epoll_fd, events, EVENTS_MAX, &ts, NULL);
	for (int i = 0; i < n; i++)
		conn_event(w, events[i].data.ptr, events[i].events);
}

static void end_conns(struct worker *w)
{
	uint64_t now_ns = gen_now_ns();

	for (unsigned int i = 0; i < opt.slots; i++) {
		struct conn *c = &w->conns[i];

		if (c->fd < 0)
			continue;
		if (!conn_rests(c) && now_ns - c->due_ns > GRACE_NS)
			w->stuck++;
		if (opt.rate && !c->is_whole && in_window(c->due_ns))
			sample_add(w, now_ns - c->due_ns);
		close(c->fd);
	}
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	uint64_t now_ns;

	prctl(PR_SET_TIMERSLACK, 1);	/* latencies would show the default of 50 us */
	while (!is_over(w, now_ns = gen_now_ns())) {
		if (opt.rate)
			start_due(w, now_ns);
		else
			start_free(w);
		wait_events(w, gen_now_ns());
	}
	end_conns(w);
	return NULL;
}

static void worker_start(struct worker *w, unsigned int idx)
{
	int err;

	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->conns = calloc(opt.slots, sizeof(*w->conns));
	w->free_slots = calloc(opt.slots, sizeof(*w->free_slots));
	w->latency_ns = malloc(SAMPLES_MAX * sizeof(*w->latency_ns));
	w->late_ns = malloc(SAMPLES_MAX * sizeof(*w->late_ns));
	if (w->epoll_fd < 0 || !w->conns || !w->free_slots || !w->latency_ns || !w->late_ns)
		gen_die("worker", errno);
	for (unsigned int i = 0; i < opt.slots; i++) {
		w->conns[i].fd = -1;
		w->conns[i].turn = idx * opt.slots + i;
		slot_put(w, &w->conns[i]);
	}
	if (opt.rate) {
		w->step_ns = GEN_NS_PER_S * opt.threads / opt.rate;
		w->next_due_ns = opt.start_ns + idx * GEN_NS_PER_S / opt.rate;
	}
	err = pthread_create(&w->thread, NULL, worker_run, w);
	if (err)
		gen_die("pthread_create", err);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The values of all threads together: percentiles in microseconds. */
static size_t print_percentiles(struct worker *workers, const char *name, bool is_late)
{
	uint64_t *all = malloc(opt.threads * SAMPLES_MAX * sizeof(*all));
	size_t n = 0;

	if (!all)
		gen_die(name, ENOMEM);
	for (unsigned int i = 0; i < opt.threads; i++) {
		struct worker *w = &workers[i];
		size_t len = is_late ? w->lates : w->latencies;

		memcpy(all + n, is_late ? w->late_ns : w->latency_ns, len * sizeof(*all));
		n += len;
	}
	qsort(all, n, sizeof(*all), compare);
	if (n)
		printf("%s_p50_us %.1f\n%s_p99_us %.1f\n%s_max_us %.1f\n", name,
		       all[n / 2] / 1e3, name, all[n * 99 / 100] / 1e3, name, all[n - 1] / 1e3);
	free(all);
	return n;
}

static void report(struct worker *workers, const struct gen_cpu *begin, const struct gen_cpu *end)
{
	unsigned long answers = 0, errors = 0, stuck = 0;

	for (unsigned int i = 0; i < opt.threads; i++) {
		answers += workers[i].answers;
		errors += workers[i].errors;
		stuck += workers[i].stuck;
	}
	printf("requests %zu\n", print_percentiles(workers, "latency", false));
	if (opt.rate)
		print_percentiles(workers, "late", true);
	printf("answers %lu\nerrors %lu\nstuck %lu\n", answers, errors, stuck);
	gen_cpu_print(begin, end);
}

static void usage(void)
{
	fputs("usage: gen_conn -s FIRST_SOURCE [-n SOURCES] [-t THREADS] [-c SLOTS_PER_THREAD]\n"
	      "                [-r RATE] [-w WARM_MS] [-d RUN_MS] [-k [-m]] ADDRESS PORT\n"
	      "                [LETTER=REQUEST ...]\n", stderr);
	exit(2);
}

static void parse_kinds(int count, char **texts)
{
	opt.kind_count = count;
	for (int i = 0; i < count; i++)
		opt.kinds[i] = (struct kind){ .letter = texts[i][0], .request = texts[i] + 2 };
}

static void parse_options(int argc, char **argv)
{
	int o, kinds;

	while ((o = getopt(argc, argv, "s:n:t:c:r:w:d:km")) != -1) {
		switch (o) {
		case 's': opt.source = gen_addr(optarg, 0); break;
		case 'n': opt.sources = atoi(optarg); break;
		case 't': opt.threads = atoi(optarg); break;
		case 'c': opt.slots = atoi(optarg); break;
		case 'r': opt.rate = atoi(optarg); break;
		case 'w': opt.warm_ns = atoi(optarg) * GEN_NS_PER_MS; break;
		case 'd': opt.run_ns = atoi(optarg) * GEN_NS_PER_MS; break;
		case 'k': opt.is_kept = true; break;
		case 'm': opt.is_moving = true; break;
		default: usage();
		}
	}
	kinds = argc - optind - 2;
	if (kinds < opt.is_kept || kinds > KINDS_MAX)
		usage();
	if (!opt.slots || !opt.sources || !opt.threads || opt.threads > THREADS_MAX)
		usage();
	if (kinds)
		parse_kinds(kinds, argv + optind + 2);
	opt.service = gen_addr(argv[optind], atoi(argv[optind + 1]));
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS_MAX];
	struct gen_cpu begin, end;

	parse_options(argc, argv);
	opt.start_ns = gen_now_ns() + GEN_NS_PER_MS;
	opt.begin_ns = opt.start_ns + opt.warm_ns;
	opt.end_ns = opt.begin_ns + opt.run_ns;
	for (unsigned int i = 0; i < opt.threads; i++)
		worker_start(&workers[i], i);
	gen_sleep_until(opt.begin_ns);
	begin = gen_cpu_read();
	gen_sleep_until(opt.end_ns);
	end = gen_cpu_read();
	for (unsigned int i = 0; i < opt.threads; i++)
		pthread_join(workers[i].thread, NULL);
	report(workers, &begin, &end);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * gen_live.c - keeps many connections alive, and reports the stalls of each.
 *
 * From each source port of a file a connection requests /1k, waits for the answer, rests for a
 * random time, and repeats. The caller writes letters to standard input:
 *
 *	m	mark: print the stalls since the last mark, and forget them
 *	h	hold: send no more requests
 *	s	storm: a mark, and a request on all connections at once; then as before
 *	end of file: print, and end
 *
 * A connection's stall is the longest wait for an answer since the mark, even of an earlier
 * request. Its first is the wait for the first request sent SETTLE after the mark. The disturbance
 * at the mark is over by then, except for work on this connection alone. Its back is the time from
 * the mark to the first answer later than CUT after the mark. Answers under way at the mark have
 * arrived by then.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gen.h"

#define CONNS_MAX	50000
#define ANSWER_BYTES	2048
#define EVENTS_MAX	512
#define WHEEL		4096	/* ms; a rest is shorter */
#define CUT_NS		(50 * GEN_NS_PER_MS)
#define SETTLE_NS	(300 * GEN_NS_PER_MS)
#define REQUEST		"GET /1k HTTP/1.1\r\nHost: bench.example\r\n\r\n"

/*
 * @sent_ns: 0 during a rest; @worst_ns, @first_ns, @back_ns: since the mark, 0: none yet; @back_ns:
 *		from the mark on
 */
struct conn {
	int fd;				/* -1: broken, or not open yet */
	struct conn *next;		/* in a slot of the wheel */
	bool is_asking_first, has_answered;
	uint64_t sent_ns;
	uint64_t worst_ns, first_ns, back_ns;
	size_t len;
	char buf[ANSWER_BYTES];
};

static struct {
	struct sockaddr_in service, source;
	unsigned int rate;		/* 1/s, of opening */
	unsigned int rest_min_ms, rest_max_ms;
} opt = { .rate = 2000, .rest_min_ms = 250, .rest_max_ms = 1000 };

static struct {
	struct conn *conns;
	unsigned int count, opened, answered, broken;
	unsigned int ports[CONNS_MAX];
	struct conn *wheel[WHEEL];
	uint64_t start_ns, mark_ns;
	uint64_t turned_ms;
	unsigned long answers;
	int epoll_fd;
	bool is_held, is_over;
} gen;

static void broken(struct conn *c, const char *why, int err)
{
	fprintf(stderr, "port %u: %s: %s\n", gen.ports[c - gen.conns], why, strerror(err));
	close(c->fd);
	c->fd = -1;
	gen.broken++;
}

static void ask(struct conn *c)
{
	uint64_t now_ns = gen_now_ns();

	if (c->fd < 0 || c->sent_ns)
		return;
	c->sent_ns = now_ns;
	c->len = 0;
	c->is_asking_first = gen.mark_ns && !c->first_ns && now_ns - gen.mark_ns >= SETTLE_NS;
	if (send(c->fd, REQUEST, strlen(REQUEST), MSG_NOSIGNAL) < 0)
		broken(c, "send", errno);
}

static void rest(struct conn *c)
{
	unsigned int ms = opt.rest_min_ms + random() % (opt.rest_max_ms - opt.rest_min_ms + 1);
	struct conn **slot = &gen.wheel[(gen.turned_ms + ms + 1) % WHEEL];

	c->next = *slot;
	*slot = c;
}

static void answered(struct conn *c, uint64_t now_ns)
{
	uint64_t took_ns = now_ns - c->sent_ns;

	gen.answers++;
	gen.answered += !c->has_answered;
	c->has_answered = true;
	if (took_ns > c->worst_ns)
		c->worst_ns = took_ns;
	if (c->is_asking_first)
		c->first_ns = took_ns;
	if (gen.mark_ns && !c->back_ns && now_ns - gen.mark_ns >= CUT_NS)
		c->back_ns = now_ns - gen.mark_ns;
	c->is_asking_first = false;
	c->sent_ns = 0;
	if (!gen.is_held)
		rest(c);
}

static void take(struct conn *c)
{
	uint64_t body_bytes;
	ssize_t n = recv(c->fd, c->buf + c->len, ANSWER_BYTES - 1 - c->len, 0);
	int head;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		broken(c, "recv", n ? errno : EPIPE);
		return;
	}
	c->len += n;
	c->buf[c->len] = '\0';
	head = gen_http_head(c->buf, c->len, &body_bytes);
	if (!c->sent_ns || (head < 0 && head != -EAGAIN) ||
	    (head > 0 && c->len > head + body_bytes))
		broken(c, strtok(c->buf, "\r\n") ?: "", EPROTO);
	else if (head > 0 && c->len == head + body_bytes)
		answered(c, gen_now_ns());
}

/* The first request leaves when the connection is established: EPOLLOUT once. */
static void on_event(struct conn *c, uint32_t events)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	if (c->fd >= 0 && events & EPOLLOUT && !(events & (EPOLLERR | EPOLLHUP))) {
		epoll_ctl(gen.epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
		ask(c);
	} else if (c->fd >= 0) {
		take(c);
	}
}

static void open_one(struct conn *c, unsigned int port)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
	struct sockaddr_in source = opt.source;

	source.sin_port = htons(port);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&source, sizeof(source)))
		gen_die("bind", errno);
	if (connect(c->fd, (struct sockaddr *)&opt.service, sizeof(opt.service)) &&
	    errno != EINPROGRESS)
		gen_die("connect", errno);
	if (epoll_ctl(gen.epoll_fd, EPOLL_CTL_ADD, c->fd, &ev))
		gen_die("epoll_ctl", errno);
}

static void open_due(uint64_t now_ns)
{
	unsigned int due = (now_ns - gen.start_ns) * opt.rate / GEN_NS_PER_S;

	for (; gen.opened < gen.count && gen.opened < due; gen.opened++)
		open_one(&gen.conns[gen.opened], gen.ports[gen.opened]);
}

static void turn_wheel(uint64_t now_ms)
{
	for (; gen.turned_ms < now_ms; gen.turned_ms++) {
		struct conn *c = gen.wheel[gen.turned_ms % WHEEL], *next;

		gen.wheel[gen.turned_ms % WHEEL] = NULL;
		for (; c; c = next) {
			next = c->next;
			if (!gen.is_held)
				ask(c);
		}
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_percentiles(const char *name, uint64_t *all, size_t n)
{
	qsort(all, n, sizeof(*all), compare);
	printf("%s_count %zu\n", name, n);
	if (n)
		printf("%s_p50_ms %.3f\n%s_p99_ms %.3f\n%s_max_ms %.3f\n", name,
		       all[n / 2] / 1e6, name, all[n * 99 / 100] / 1e6, name, all[n - 1] / 1e6);
}

/* A connection that still waits has stalled for its waiting time. */
static void report(uint64_t now_ns)
{
	static uint64_t stall[CONNS_MAX], first[CONNS_MAX], back[CONNS_MAX];
	size_t stalls = 0, firsts = 0, backs = 0, waiting = 0;

	for (struct conn *c = gen.conns; c < gen.conns + gen.count; c++) {
		uint64_t waited_ns = c->sent_ns && c->fd >= 0 ? now_ns - c->sent_ns : 0;

		stall[stalls++] = waited_ns > c->worst_ns ? waited_ns : c->worst_ns;
		waiting += waited_ns > GEN_NS_PER_S;
		if (c->first_ns)
			first[firsts++] = c->first_ns;
		if (c->back_ns)
			back[backs++] = c->back_ns;
	}
	print_percentiles("stall", stall, stalls);
	print_percentiles("first", first, firsts);
	print_percentiles("back", back, backs);
	printf("connections %u\nbroken %u\nwaiting %zu\nanswers %lu\nseconds %.3f\nend 0\n",
	       gen.count, gen.broken, waiting, gen.answers,
	       (now_ns - (gen.mark_ns ?: gen.start_ns)) / 1e9);
	fflush(stdout);
}

static void mark(uint64_t now_ns)
{
	report(now_ns);
	for (struct conn *c = gen.conns; c < gen.conns + gen.count; c++)
		c->worst_ns = c->first_ns = c->back_ns = 0;
	gen.answers = gen.broken = 0;
	gen.mark_ns = gen_now_ns();
}

static void storm(void)
{
	mark(gen_now_ns());
	gen.is_held = false;
	for (struct conn *c = gen.conns; c < gen.conns + gen.count; c++)
		ask(c);
}

static void on_command(void)
{
	char letter = 0;
	ssize_t n = read(STDIN_FILENO, &letter, 1);

	if (n <= 0) {
		report(gen_now_ns());
		gen.is_over = true;
		return;
	}
	switch (letter) {
	case 'm': mark(gen_now_ns()); break;
	case 'h': gen.is_held = true; break;
	case 's': storm(); break;
	}
}

/* All connections have an answer, or are broken. */
static bool say_open(void)
{
	if (gen.answered + gen.broken < gen.count)
		return false;
	printf("open %u\nend 0\n", gen.answered);
	fflush(stdout);
	return true;
}

static void run(void)
{
	struct epoll_event events[EVENTS_MAX];
	bool is_said = false;

	while (!gen.is_over) {
		uint64_t now_ns = gen_now_ns();
		int n;

		open_due(now_ns);
		turn_wheel(now_ns / GEN_NS_PER_MS);
		n = epoll_wait(gen.epoll_fd, events, EVENTS_MAX, 1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				on_event(events[i].data.ptr, events[i].events);
			else
				on_command();
		}
		if (!is_said)
			is_said = say_open();
	}
}

static void read_ports(const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f)
		gen_die(path, errno);
	while (gen.count < CONNS_MAX && fscanf(f, "%u", &gen.ports[gen.count]) == 1)
		gen.count++;
	fclose(f);
	gen.conns = calloc(gen.count, sizeof(*gen.conns));
	if (!gen.count || !gen.conns)
		gen_die(path, gen.count ? ENOMEM : EINVAL);
	for (unsigned int i = 0; i < gen.count; i++)
		gen.conns[i].fd = -1;
}

static void parse_options(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "s:r:a:b:")) != -1) {
		switch (o) {
		case 's': opt.source = gen_addr(optarg, 0); break;
		case 'r': opt.rate = atoi(optarg); break;
		case 'a': opt.rest_min_ms = atoi(optarg); break;
		case 'b': opt.rest_max_ms = atoi(optarg); break;
		default: exit(2);
		}
	}
	if (argc - optind != 3 || !opt.rate || opt.rest_max_ms < opt.rest_min_ms ||
	    opt.rest_max_ms >= WHEEL - 1) {
		fprintf(stderr, "usage: gen_live -s SOURCE [-r OPENED_PER_S] [-a REST_MIN_MS] [-b REST_MAX_MS]\n"
				"                PORTS_FILE ADDRESS PORT\n");
		exit(2);
	}
	read_ports(argv[optind]);
	opt.service = gen_addr(argv[optind + 1], atoi(argv[optind + 2]));
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	parse_options(argc, argv);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	prctl(PR_SET_TIMERSLACK, 1);
	gen.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (gen.epoll_fd < 0 || epoll_ctl(gen.epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &ev))
		gen_die("epoll", errno);
	gen.start_ns = gen_now_ns();
	gen.turned_ms = gen.start_ns / GEN_NS_PER_MS;
	run();
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * main.c - spliced-check: runs the checks that the daemon asks for, and reports their results.
 * Started by the daemon, with a socket as its descriptor 3 (record.h).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include "base/log.h"
#include "check/confine.h"
#include "check/probe.h"
#include "check/schedule.h"

#define SOCKET_FD	3
#define ALIVE_MS	1000
#define JITTER_PCT	10	/* of an interval, more or less */
#define SLOT_MS		20	/* of the schedule */
#define OUT_MAX		(1 << 20)
#define RESULT_ROOM	(SP_CHECK_REASON_MAX + 128)

/**
 * struct checker - the program
 * @list:	in force
 * @next:	being read
 * @running:	number of runs under way
 * @out:	lines that are not sent yet. While the daemon takes none, no check begins
 */
struct checker {
	uv_loop_t		loop;
	uv_poll_t		socket;
	uv_timer_t		due, alive;
	uv_prepare_t		flush;
	struct sp_prober	*prober;
	struct sp_check_list	list, next;
	struct sp_schedule	schedule;
	unsigned int		running;
	size_t			out_len;
	char			out[OUT_MAX];
	int			is_blocked;
};

static void run_due(struct checker *c);
static void on_socket(uv_poll_t *poll, int status, int events);

/* ---- lines to the daemon ---- */

static void add_line(struct checker *c, const char *line, size_t len)
{
	if (len > OUT_MAX - c->out_len) {
		log_warn_limited("the daemon takes no results: one is lost");
		return;
	}
	memcpy(c->out + c->out_len, line, len);
	c->out_len += len;
}

/* Whole lines, as many as fit. */
static size_t message_len(const struct checker *c)
{
	size_t len = c->out_len < SP_CHECK_MESSAGE_MAX - 1 ? c->out_len : SP_CHECK_MESSAGE_MAX - 1;

	while (len && c->out[len - 1] != '\n')
		len--;
	return len;
}

static void set_blocked(struct checker *c, int is_blocked)
{
	if (c->is_blocked == is_blocked)
		return;
	c->is_blocked = is_blocked;
	uv_poll_start(&c->socket, UV_READABLE | (is_blocked ? UV_WRITABLE : 0), on_socket);
}

static void flush_lines(struct checker *c)
{
	size_t len;

	while ((len = message_len(c))) {
		if (send(SOCKET_FD, c->out, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			if (errno != EAGAIN && errno != ENOBUFS)
				exit(0);	/* the daemon has ended */
			set_blocked(c, 1);
			return;
		}
		c->out_len -= len;
		memmove(c->out, c->out + len, c->out_len);
	}
	set_blocked(c, 0);
}

static void send_refusal(struct checker *c, const char *why)
{
	char line[SP_CHECK_REASON_MAX + 16];

	add_line(c, line, snprintf(line, sizeof(line), "refused\t%.90s\n", why));
}

static void send_result(struct checker *c, const struct sp_check *check, int is_passed,
			unsigned int took_ms, const char *reason)
{
	struct sp_check_result result = {
		.generation = c->list.begin.generation, .id = check->def.id, .took_ms = took_ms,
		.is_passed = is_passed, .reason = reason,
	};
	char line[SP_CHECK_LINE_MAX];
	int len = sp_check_result_format(&result, line);

	if (len > 0)
		add_line(c, line, len);
}

/* ---- the schedule ---- */

/* Between @from and @to. The numbers spread load, and are no secret. */
static uint64_t random_between(uint64_t from, uint64_t to)
{
	return from + (uint64_t)rand() % (to - from + 1);
}

static uint64_t next_time(const struct sp_check *check, uint64_t now_ms)
{
	uint64_t interval_ms = check->def.interval_ms, jitter_ms = interval_ms * JITTER_PCT / 100;
	uint64_t at_ms = check->started_ms + random_between(interval_ms - jitter_ms,
							    interval_ms + jitter_ms);

	return at_ms > now_ms ? at_ms : now_ms;
}

/* Checks of a slot begin together: a turn of the loop costs as much as a run. */
static void add_due(struct checker *c, struct sp_check *check, uint64_t at_ms)
{
	check->due_ms = (at_ms + SLOT_MS / 2) / SLOT_MS * SLOT_MS;
	sp_schedule_add(&c->schedule, check->def.id, check->due_ms);
}

static void on_done(void *ctx, struct sp_check *check, enum sp_probe_outcome outcome,
		    unsigned int took_ms, const char *reason)
{
	struct checker *c = ctx;

	c->running--;
	if (outcome == SP_PROBE_NONE)
		log_warn_limited("a check was not run: %s", reason);
	else
		send_result(c, check, outcome == SP_PROBE_PASSED, took_ms, reason);
	add_due(c, check, next_time(check, uv_now(&c->loop)));
	run_due(c);
}

static void on_due(uv_timer_t *timer)
{
	run_due(timer->data);
}

static int has_room(const struct checker *c)
{
	return !c->is_blocked && c->running < c->list.begin.at_once &&
	       c->out_len + (c->running + 1) * RESULT_ROOM < OUT_MAX;
}

static void run_due(struct checker *c)
{
	uint64_t now_ms = uv_now(&c->loop);
	const struct sp_due *due;

	while (has_room(c) && (due = sp_schedule_next(&c->schedule)) && due->at_ms <= now_ms) {
		struct sp_check *check = &c->list.checks[due->id];

		sp_schedule_pop(&c->schedule);
		check->started_ms = now_ms;
		if (sp_probe_begin(c->prober, check))
			add_due(c, check, next_time(check, now_ms));
		else
			c->running++;
	}
	due = has_room(c) ? sp_schedule_next(&c->schedule) : NULL;
	if (due)	/* else the end of a run goes on */
		uv_timer_start(&c->due, on_due, due->at_ms > now_ms ? due->at_ms - now_ms : 0, 0);
}

/* ---- lists ---- */

/* A check that stays goes on as if nothing had happened. */
static void carry_check(void *ctx, struct sp_check *old, struct sp_check *new)
{
	struct checker *c = ctx;

	if (new) {
		new->due_ms = old->due_ms;
		new->started_ms = old->started_ms;
		if (old->probe)
			sp_probe_move(old->probe, new);
	} else if (old->probe) {
		c->running -= sp_probe_is_running(old->probe);
		sp_probe_free(old->probe);
	}
}

static void fill_schedule(struct checker *c)
{
	uint64_t now_ms = uv_now(&c->loop);

	for (unsigned int i = 0; i < c->list.count; i++) {
		struct sp_check *check = &c->list.checks[i];

		if (!sp_probe_is_running(check->probe))
			add_due(c, check, check->due_ms ?:
				random_between(now_ms, now_ms + check->def.interval_ms));
	}
}

static const char *use_list(struct checker *c)
{
	struct sp_schedule schedule;
	struct sp_check_list old;

	if (sp_schedule_init(&schedule, c->next.count))
		return "out of memory";
	if (sp_check_list_compare(&c->list, &c->next, carry_check, c)) {
		sp_schedule_fini(&schedule);
		return "out of memory";
	}
	old = c->list;
	c->list = c->next;
	c->next = (struct sp_check_list){};
	sp_check_list_fini(&old);
	sp_schedule_fini(&c->schedule);
	c->schedule = schedule;
	sp_prober_set_ports(c->prober, c->list.begin.port_first, c->list.begin.port_last);
	fill_schedule(c);
	return NULL;
}

static const char *read_record(struct checker *c, char *line)
{
	struct sp_record record;
	const char *why;

	if (!strncmp(line, "check\t", 6))
		return sp_check_list_add(&c->next, line);
	why = sp_record_split(line, &record);
	if (why)
		return why;
	if (sp_record_is(&record, "begin")) {
		sp_check_list_fini(&c->next);
		return sp_check_list_begin(&c->next, &record);
	}
	if (!sp_record_is(&record, "end"))
		return "an unknown word";
	return sp_check_list_end(&c->next, &record) ?: use_list(c);
}

/* A list with a bad record has no end: the old list stays in force. */
static void read_message(struct checker *c, char *text)
{
	char *line;

	while ((line = sp_record_next(&text))) {
		const char *why = read_record(c, line);

		if (!why)
			continue;
		send_refusal(c, why);
		sp_check_list_fini(&c->next);
	}
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	static char message[SP_CHECK_MESSAGE_MAX + 1];
	struct checker *c = poll->data;
	ssize_t len;

	while ((len = recv(SOCKET_FD, message, sizeof(message) - 1, MSG_DONTWAIT)) > 0) {
		message[len] = 0;
		read_message(c, message);
	}
	if (!len || (errno != EAGAIN && errno != EINTR))
		exit(0);	/* the daemon has ended */
	flush_lines(c);
	run_due(c);
}

/* ---- the program ---- */

static void on_flush(uv_prepare_t *prepare)
{
	flush_lines(prepare->data);
}

static void on_alive(uv_timer_t *timer)
{
	add_line(timer->data, "alive\n", 6);
}

static int start_checker(struct checker *c)
{
	char hello[32];

	uv_loop_init(&c->loop);
	if (sp_prober_open(&c->loop, on_done, c, &c->prober) ||
	    uv_poll_init(&c->loop, &c->socket, SOCKET_FD) || sp_schedule_init(&c->schedule, 0))
		return -ENOMEM;
	uv_timer_init(&c->loop, &c->due);
	uv_timer_init(&c->loop, &c->alive);
	uv_prepare_init(&c->loop, &c->flush);
	c->socket.data = c->due.data = c->alive.data = c->flush.data = c;
	uv_poll_start(&c->socket, UV_READABLE, on_socket);
	uv_timer_start(&c->alive, on_alive, ALIVE_MS, ALIVE_MS);
	uv_prepare_start(&c->flush, on_flush);
	add_line(c, hello, snprintf(hello, sizeof(hello), "hello\t%u\n", SP_CHECK_VERSION));
	return 0;
}

int main(int argc, char **argv)
{
	static struct checker c;
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	int err;

	sp_log_init("spliced-check", SP_LOG_INFO);
	if (getsockname(SOCKET_FD, (struct sockaddr *)&at, &len)) {
		log_err("spliced starts this program for its checks, see spliced.yaml(5)");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);	/* OpenSSL writes to sockets that a server has closed */
	prctl(PR_SET_NAME, "spliced-check");
	srand(uv_hrtime() ^ getpid());
	err = start_checker(&c);
	err = err ?: sp_check_confine();
	if (err) {
		log_err_errno(err, "can't start");
		return 1;
	}
	uv_run(&c.loop, UV_RUN_DEFAULT);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* checker.c - see checker.h */
#include "node/checker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/warnings.h"
#include "check/record.h"
#include "node/check_list.h"

#define AT_ONCE		512	/* runs; below the usual limit of descriptors */
#define TICK_MS		1000
#define SILENT_S	10
#define PAUSE_MIN_MS	500
#define PAUSE_MAX_MS	30000
#define MESSAGES_AT_ONCE 64
#define OBJECT		"spliced-check"

/**
 * struct sp_checker - owns @starter and @list
 * @sent:	number of sent records of the list, begin and end included
 * @heard_ns:	time of the last message
 * @started_ns:	time of the last hello
 */
struct sp_checker {
	struct sp_node			*node;
	struct sp_starter		starter;
	struct sp_checker_status	status;
	struct sp_check_targets		list;
	unsigned int			generation, sent;
	__u64				heard_ns, started_ns;
	unsigned int			pause_ms;
	uv_poll_t			records, orders;
	uv_timer_t			again, tick;
};

static void on_records(uv_poll_t *poll, int status, int events);

/* ---- life ---- */

static void enter_state(struct sp_checker *c, enum sp_checker_state state, const char *why)
{
	log_debug("spliced-check: %s -> %s: %s", sp_checker_state_name(c->status.state),
		  sp_checker_state_name(state), why);
	c->status.state = state;
	snprintf(c->status.why, sizeof(c->status.why), "%s", why);
	if (state != SP_CHECKER_RUNNING && state != SP_CHECKER_STARTING)
		c->status.pid = 0;
}

static void start_program(struct sp_checker *c)
{
	int err = sp_starter_start(&c->starter);

	if (err) {
		enter_state(c, SP_CHECKER_GONE, strerror(-err));
		return;
	}
	c->heard_ns = sp_now_ns();
	enter_state(c, SP_CHECKER_STARTING, "");
}

static void on_again(uv_timer_t *timer)
{
	start_program(timer->data);
}

static void program_ended(struct sp_checker *c, const char *why)
{
	int was_long = c->status.state == SP_CHECKER_RUNNING &&
		       sp_now_ns() - c->started_ns >= PAUSE_MAX_MS * 1000000ULL;

	if (was_long || !c->pause_ms)
		c->pause_ms = PAUSE_MIN_MS;
	log_warn("spliced-check has ended: %s; backends keep their state, next start in %u ms", why,
		 c->pause_ms);
	enter_state(c, SP_CHECKER_WAITING, why);
	uv_timer_start(&c->again, on_again, c->pause_ms, 0);
	c->pause_ms = c->pause_ms * 2 < PAUSE_MAX_MS ? c->pause_ms * 2 : PAUSE_MAX_MS;
}

/* A running checker goes on without the starter. */
static void starter_gone(struct sp_checker *c)
{
	uv_poll_stop(&c->orders);
	close(c->starter.orders);
	c->starter.orders = -1;
	log_warn("the process that starts spliced-check has ended; restart spliced");
	if (c->status.state != SP_CHECKER_RUNNING)
		enter_state(c, SP_CHECKER_GONE, "the process that starts it has ended");
}

static void on_orders(uv_poll_t *poll, int status, int events)
{
	struct sp_checker *c = poll->data;
	char text[SP_STARTER_TEXT_MAX];
	int pid, event;

	while ((event = sp_starter_read(&c->starter, &pid, text)) >= 0) {
		if (event == SP_STARTER_GONE) {
			starter_gone(c);
			return;
		}
		if (event == SP_STARTER_ENDED) {
			program_ended(c, text);
			continue;
		}
		c->status.pid = pid;
		c->status.starts++;
	}
}

/* ---- the list ---- */

static void watch_records(struct sp_checker *c, int is_writing)
{
	uv_poll_start(&c->records, UV_READABLE | (is_writing ? UV_WRITABLE : 0), on_records);
}

/* Fill a message with whole lines. Return: length; @ret_sent: records so far. */
static int fill_message(const struct sp_checker *c, char *message, unsigned int *ret_sent)
{
	unsigned int sent = c->sent, all = sp_check_targets_lines(&c->list);
	int len = 0, more;

	while (sent < all && len + SP_CHECK_LINE_MAX < SP_CHECK_MESSAGE_MAX) {
		more = sp_check_targets_format(&c->list, c->node->config, sent, message + len);
		len += more;
		sent++;
	}
	*ret_sent = sent;
	return len;
}

static void send_list(struct sp_checker *c)
{
	static char message[SP_CHECK_MESSAGE_MAX];
	unsigned int sent;
	int len;

	while ((len = fill_message(c, message, &sent))) {
		if (send(c->starter.records, message, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
		c->sent = sent;
	}
	watch_records(c, len > 0);
}

/* ---- results ---- */

static void refuse_record(struct sp_checker *c, const char *why)
{
	c->status.refused++;
	log_warn_limited("spliced-check: a record is refused: %s", why);
}

static void use_result(struct sp_checker *c, const struct sp_check_result *r)
{
	struct sp_health_result result = { r->is_passed, r->took_ms, r->reason };
	struct sp_backends *backends = c->node->role->backends(c->node);
	const struct sp_check_target *target = &c->list.targets[r->id];

	c->status.results++;
	sp_backends_checked(backends, &c->node->config->pools[target->pool_idx],
			    target->backend_idx, &result, sp_now_ns());
}

static const char *read_result(struct sp_checker *c, const struct sp_record *record)
{
	struct sp_check_result result;
	const char *why = sp_check_result_parse(record, &result);

	if (why || result.generation != c->generation)
		return why;	/* of the list before: no error */
	if (result.id >= c->list.count)
		return "an id beyond the list";
	use_result(c, &result);
	return NULL;
}

static const char *read_hello(struct sp_checker *c, const struct sp_record *record)
{
	unsigned int version;
	const char *why = sp_check_number_parse(record, &version);

	if (why || version != SP_CHECK_VERSION)
		return why ?: "another version of the protocol; restart spliced";
	c->started_ns = sp_now_ns();
	c->sent = 0;
	enter_state(c, SP_CHECKER_RUNNING, "");
	sp_warn_over(SP_WARNING_CHECKER, OBJECT);
	log_info("spliced-check runs, with %u checks", c->list.count);
	send_list(c);
	return NULL;
}

static const char *read_record(struct sp_checker *c, char *line)
{
	struct sp_record record;
	const char *why = sp_record_split(line, &record);

	if (why)
		return why;
	if (sp_record_is(&record, "result"))
		return read_result(c, &record);
	if (sp_record_is(&record, "hello"))
		return read_hello(c, &record);
	if (sp_record_is(&record, "alive"))
		return NULL;
	if (sp_record_is(&record, "refused"))
		return record.count == 2 ? record.fields[1] : "it refuses a record";
	return "an unknown word";
}

static void read_message(struct sp_checker *c, char *text)
{
	const char *why;
	char *line;

	while ((line = sp_record_next(&text))) {
		why = read_record(c, line);
		if (why)
			refuse_record(c, why);
	}
}

/* Some messages in each turn of the loop, so that packets do not wait. */
static void on_records(uv_poll_t *poll, int status, int events)
{
	static char message[SP_CHECK_MESSAGE_MAX + 1];
	struct sp_checker *c = poll->data;
	ssize_t len = 1;

	for (int i = 0; i < MESSAGES_AT_ONCE && len > 0; i++) {
		len = recv(c->starter.records, message, sizeof(message) - 1, MSG_DONTWAIT);
		if (len > 0) {
			c->heard_ns = sp_now_ns();
			message[len] = 0;
			if (strlen(message) != (size_t)len)
				refuse_record(c, "a byte is not printable ASCII");
			read_message(c, message);
		}
	}
	if (!len) {	/* the starter ended first, then the checker */
		uv_poll_stop(&c->records);
		enter_state(c, SP_CHECKER_GONE, "it and the process that starts it have ended");
	} else if (c->status.state == SP_CHECKER_RUNNING &&
		   c->sent < sp_check_targets_lines(&c->list)) {
		send_list(c);
	}
}

static void warn_operator(const struct sp_checker *c)
{
	if (c->status.state == SP_CHECKER_RUNNING || !c->list.count)
		sp_warn_over(SP_WARNING_CHECKER, OBJECT);
	else if (c->status.state != SP_CHECKER_STARTING)
		sp_warn(SP_WARNING_CHECKER, sp_now_ns(), OBJECT,
			"spliced-check does not run: %s; backends keep the state of their last check",
			c->status.why);
}

static void on_tick(uv_timer_t *timer)
{
	struct sp_checker *c = timer->data;
	int is_up = c->status.state == SP_CHECKER_RUNNING ||
		    c->status.state == SP_CHECKER_STARTING;

	if (is_up && sp_now_ns() - c->heard_ns >= SILENT_S * 1000000000ULL) {
		log_warn("spliced-check was silent for %d s, and is ended", SILENT_S);
		c->heard_ns = sp_now_ns();
		sp_starter_kill(&c->starter);
	}
	warn_operator(c);
}

void sp_checker_configure(struct sp_checker *c)
{
	int err;

	if (!c)
		return;
	c->generation++;
	c->sent = 0;
	err = sp_check_targets_fill(&c->list, c->node->config, c->generation, AT_ONCE);
	if (err)
		log_err_errno(err, "no checks");
	c->status.checks = c->list.count;
	if (c->status.state == SP_CHECKER_RUNNING)
		send_list(c);
	else if (c->status.state == SP_CHECKER_OFF && c->list.count)
		start_program(c);
}

static void start_poll(struct sp_checker *c, uv_loop_t *loop, uv_poll_t *poll, int fd,
		       uv_poll_cb fn)
{
	uv_poll_init(loop, poll, fd);
	poll->data = c;
	uv_poll_start(poll, UV_READABLE, fn);
}

static void start_timer(struct sp_checker *c, uv_loop_t *loop, uv_timer_t *timer)
{
	uv_timer_init(loop, timer);
	timer->data = c;
}

int sp_checker_open(uv_loop_t *loop, struct sp_node *node, const struct sp_starter *starter,
		    int err, struct sp_checker **ret_checker)
{
	struct sp_checker *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->node = node;
	c->starter = *starter;
	start_timer(c, loop, &c->again);
	start_timer(c, loop, &c->tick);
	uv_timer_start(&c->tick, on_tick, TICK_MS, TICK_MS);
	if (err) {
		enter_state(c, SP_CHECKER_GONE, err == -ENOENT ?
			    "there is no spliced-check beside spliced" : strerror(-err));
	} else {
		start_poll(c, loop, &c->records, c->starter.records, on_records);
		start_poll(c, loop, &c->orders, c->starter.orders, on_orders);
	}
	sp_checker_configure(c);
	*ret_checker = c;
	return 0;
}

/* The daemon ends, so the sockets close, so the checker ends. */
void sp_checker_close(struct sp_checker *c)
{
	if (!c)
		return;
	uv_timer_stop(&c->again);
	uv_timer_stop(&c->tick);
	if (c->starter.records >= 0)
		uv_poll_stop(&c->records);
	if (c->starter.orders >= 0)
		uv_poll_stop(&c->orders);
}

const struct sp_checker_status *sp_checker_status(const struct sp_checker *c)
{
	static const struct sp_checker_status none;

	return c ? &c->status : &none;
}

const char *sp_checker_state_name(enum sp_checker_state state)
{
	static const char *const names[] = {
		[SP_CHECKER_OFF] = "off", [SP_CHECKER_STARTING] = "starting",
		[SP_CHECKER_RUNNING] = "running", [SP_CHECKER_WAITING] = "waiting",
		[SP_CHECKER_GONE] = "gone",
	};

	return names[state];
}

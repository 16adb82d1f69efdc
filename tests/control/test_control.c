/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_control.c - the control server over real Unix sockets. The test turns the server's loop in
 * the same thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "control/output.c"
#include "control/server.c"
#include "control/session.c"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TURNS_MAX    200000

/* A table of splices, made up row by row, of any size. */
struct daemon {
	__u64 row_count;
	__u64 made_count; /* rows handed out so far */
	int fail_after;	  /* calls, then -EIO; 0: never */
	int calls;
	int is_draining;
	int reloads;
	__u64 ticket;
	uv_timer_t loading;
	struct sp_control_server **server;
	int orders;
	int holds, status_err;	/* of a status */
	char file[32];
};

struct fixture {
	char dir[64];
	char path[96];
	uv_loop_t loop;
	struct daemon daemon;
	struct sp_control_server *server;
};

static void make_row(__u64 i, struct sp_connection_row *row)
{
	static const char *const state_names[] = { "open", "closing", "closed" };

	*row = (struct sp_connection_row){
		.front = { sp_addr_v4(htonl(0xc6120000 + i / 50000)), sp_addr_v4(htonl(0xc0000201)),
			   htons(10000 + i % 50000), htons(80) },
		.back = { sp_addr_v4(htonl(0x0a000901)), sp_addr_v4(htonl(0x0a000200 + i % 3)),
			  htons(20000 + i % 40000), htons(8080) },
		.service = "www", .pool = i % 2 ? "web" : "api", .backend = i % 5 ? "b\"1" : NULL,
		.state = state_names[i % 3],
		.age_ns = i * 1000000, .idle_ns = 2999999, .bytes_up = 1000 + i,
		.bytes_down = 1ULL << 40,
		.pkts_up = 7, .pkts_down = 9, .exchanges = 3,
	};
}

static int give_connections(void *ctx, __u64 *cursor, struct sp_connection_row *rows, int max,
			    int *is_end)
{
	struct daemon *daemon = ctx;
	int count = 0;

	if (daemon->fail_after && ++daemon->calls > daemon->fail_after)
		return -EIO;
	while (count < max && *cursor < daemon->row_count)
		make_row((*cursor)++, &rows[count++]);
	daemon->made_count += count;
	*is_end = *cursor == daemon->row_count;
	return count;
}

/* In three parts. */
static int give_status(void *ctx, int is_overview, struct sp_control_place *place,
		       struct sp_control_output *out)
{
	struct daemon *daemon = ctx;

	if (!place->held) {
		daemon->holds++;
		place->held = daemon;
		return sp_control_output_open(out, json_pack("{s:s, s:b}", "version", "0", "ready",
							     1)) ?: 1;
	}
	if (daemon->status_err)
		return daemon->status_err;
	return sp_control_output_text(out, place->item ? "}\n" : is_overview ? ",\"all\":1" : "") ?:
		!place->item++;
}

static void release_status(void *ctx, struct sp_control_place *place)
{
	struct daemon *daemon = ctx;

	daemon->holds--;
}

static json_t *give_drops(void *ctx)
{
	return json_pack("{s:[{s:s, s:i}]}", "reasons", "name", "miss", "pkts", 3);
}

static json_t *give_cluster(void *ctx)
{
	return json_pack("{s:[{s:s}]}", "members", "name", "proxy1");
}

static json_t *give_ready(void *ctx)
{
	const struct daemon *daemon = ctx;

	return json_pack("{s:b, s:s}", "ready", !daemon->is_draining, "reason",
			 daemon->is_draining ? "draining" : "");
}

static json_t *set_draining(void *ctx, int is_undo)
{
	struct daemon *daemon = ctx;

	daemon->is_draining = !is_undo;
	return json_pack("{s:b}", "draining", daemon->is_draining);
}

static json_t *reload_answer(void *ctx)
{
	struct daemon *daemon = ctx;

	if (daemon->is_draining)
		return json_pack("{s:s}", "error", "f.yaml:1:2: bad");
	daemon->reloads++;
	return json_pack("{s:i}", "took_ms", daemon->reloads);
}

static void on_reloaded(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;

	uv_timer_stop(timer);
	sp_control_reloaded(*daemon->server, daemon->ticket, reload_answer(daemon));
}

static __u64 reload(void *ctx)
{
	struct daemon *daemon = ctx;

	uv_timer_start(&daemon->loading, on_reloaded, 1, 0);
	return ++daemon->ticket;
}

static void on_configured(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;
	struct sp_control_output answer = { 0 };

	uv_timer_stop(timer);
	sp_control_output_add(&answer, json_pack("{s:s, s:s?}", "config", "x: 1\n", "file",
						 *daemon->file ? daemon->file : NULL));
	sp_control_configured(*daemon->server, daemon->ticket, &answer);
	assert_null(answer.data);
}

static __u64 give_config(void *ctx, const char *file)
{
	struct daemon *daemon = ctx;

	if (file && !strcmp(file, "/busy"))
		return 0;
	snprintf(daemon->file, sizeof(daemon->file), "%s", file ?: "");
	uv_timer_start(&daemon->loading, on_configured, 1, 0);
	return ++daemon->ticket;
}

static json_t *give_order(void *ctx, const char *name, const char *order, int is_here)
{
	struct daemon *daemon = ctx;

	daemon->orders++;
	return json_pack("{s:s, s:s, s:b}", "name", name, "order", order, "here", is_here);
}

static const struct sp_control_ops ops = {
	.status = give_status, .status_ends = release_status, .drops = give_drops,
	.cluster = give_cluster, .ready = give_ready,
	.drain = set_draining, .reload = reload, .config = give_config, .backend = give_order,
	.connections = give_connections,
};

/* ---- the server and its clients ---- */

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/sp-control-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/sock", f->dir);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	f->daemon.row_count = 10;
	uv_timer_init(&f->loop, &f->daemon.loading);
	f->daemon.loading.data = &f->daemon;
	f->daemon.server = &f->server;
	assert_int_equal(sp_control_open(&f->loop, f->path, &ops, &f->daemon, &f->server), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sp_control_close(f->server);
	uv_close((uv_handle_t *)&f->daemon.loading, NULL);
	/* bounded: a test that failed may have left a server behind */
	for (int i = 0; i < 100 && uv_loop_alive(&f->loop); i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	unlink(f->path);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static int open_client(struct fixture *f)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, f->path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void turn(struct fixture *f, int turns)
{
	while (turns--)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

/*
 * All bytes until the server closes, to be freed by the caller. The server's memory is bounded
 * meanwhile.
 */
static char *read_all(struct fixture *f, int fd)
{
	struct sp_control_output text = { 0 };
	char buf[65536];
	ssize_t len = -1;

	for (int i = 0; i < TURNS_MAX; i++) {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		while ((len = recv(fd, buf, sizeof(buf), 0)) > 0)
			append_bytes(buf, len, &text);
		for (unsigned int c = 0; c < SP_CONTROL_SLOTS; c++)
			assert_true(f->server->sessions.slots[c].out.size < 256 * 1024);
		if (!len || errno != EAGAIN)
			break;
	}
	assert_true(!len || errno == ECONNRESET);
	append_bytes("", 1, &text);
	close(fd);
	return text.data;
}

static char *ask(struct fixture *f, const char *request)
{
	int fd = open_client(f);

	send_text(fd, request);
	return read_all(f, fd);
}

static void expect(struct fixture *f, const char *request, const char *answer)
{
	char *text = ask(f, request);

	assert_string_equal(text, answer);
	free(text);
}

static void expect_error(struct fixture *f, const char *request, const char *part)
{
	char *text = ask(f, request);
	json_t *object = json_loads(text, 0, NULL);
	const char *error = json_string_value(json_object_get(object, "error"));

	if (!error || !strstr(error, part))
		fail_msg("request %s\nanswer %s\nexpected %s", request, text, part);
	json_decref(object);
	free(text);
}

struct refused {
	const char	*request;
	const char	*part;	/* of the error */
};

static void expect_errors(struct fixture *f, const struct refused *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		expect_error(f, cases[i].request, cases[i].part);
}

/* Return: number of lines, all of which must be objects; the last is at @ret_last. */
static size_t count_lines(char *text, json_t **ret_last)
{
	size_t count = 0;
	char *save = NULL;

	*ret_last = NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_decref(*ret_last);
		*ret_last = json_loads(line, 0, NULL);
		assert_true(json_is_object(*ret_last));
		count++;
	}
	return count;
}

static void expect_list(struct fixture *f, const char *request, json_int_t shown, json_int_t seen,
			int has_more)
{
	char *text = ask(f, request);
	json_t *end;
	size_t lines = count_lines(text, &end);

	assert_true(json_is_true(json_object_get(end, "end")));
	assert_int_equal(json_integer_value(json_object_get(end, "shown")), shown);
	assert_int_equal(json_integer_value(json_object_get(end, "total_seen")), seen);
	assert_int_equal(json_is_true(json_object_get(end, "more")), has_more);
	assert_int_equal(lines, shown + 1);
	json_decref(end);
	free(text);
}

#define CONNECTIONS "{\"version\":1,\"command\":\"connections\""
#define STATUS	    "{\"version\":1,\"command\":\"status\"}\n"
#define READY	    "{\"version\":1,\"command\":\"ready\"}\n"
#define BACKEND	    "{\"version\":1,\"command\":\"backend\""
#define TRACE "{\"version\":1,\"command\":\"trace\""
#define EVENTS "{\"version\":1,\"command\":\"events\""
#define DRAIN	    "{\"version\":1,\"command\":\"drain-self\""

/* ---- answers ---- */

static void status_and_drops_are_one_line(void **state)
{
	expect(*state, STATUS, "{\"version\":\"0\",\"ready\":true}\n");
	expect(*state, "{\"version\":1,\"command\":\"overview\"}\n",
	       "{\"version\":\"0\",\"ready\":true,\"all\":1}\n");
	expect(*state, "{\"version\":1,\"command\":\"drops\"}\nwhat follows is not read",
	       "{\"reasons\":[{\"name\":\"miss\",\"pkts\":3}]}\n");
}

static void cluster_is_one_line(void **state)
{
	expect(*state, "{\"version\":1,\"command\":\"cluster\"}\n",
	       "{\"members\":[{\"name\":\"proxy1\"}]}\n");
}

static void drain_self_ends_with_its_undo(void **state)
{
	expect(*state, READY, "{\"ready\":true,\"reason\":\"\"}\n");
	expect(*state, DRAIN "}\n", "{\"draining\":true}\n");
	expect(*state, READY, "{\"ready\":false,\"reason\":\"draining\"}\n");
	expect(*state, DRAIN ",\"undo\":false}\n", "{\"draining\":true}\n");
	expect(*state, DRAIN ",\"undo\":true}\n", "{\"draining\":false}\n");
	expect(*state, READY, "{\"ready\":true,\"reason\":\"\"}\n");
}

#define RELOAD	    "{\"version\":1,\"command\":\"reload\"}\n"
#define CONFIG	    "{\"version\":1,\"command\":\"config\""

static void reload_waits_and_says_what_is_wrong(void **state)
{
	expect(*state, RELOAD, "{\"took_ms\":1}\n");
	expect(*state, DRAIN "}\n", "{\"draining\":true}\n");
	expect(*state, RELOAD, "{\"error\":\"f.yaml:1:2: bad\"}\n");
	expect(*state, CONFIG "}\n", "{\"config\":\"x: 1\\n\",\"file\":null}\n");
	expect(*state, CONFIG ",\"file\":\"/a b\"}\n",
	       "{\"config\":\"x: 1\\n\",\"file\":\"/a b\"}\n");
}

static void a_status_that_breaks_off_holds_nothing(void **state)
{
	struct fixture *f = *state;

	f->daemon.status_err = -ENOMEM;
	expect(f, STATUS, "");
	assert_int_equal(f->daemon.holds, 0);
}

static void a_status_is_cut_off_by_the_end(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f);

	send_text(fd, STATUS);
	for (int k = 0; k < 100 && !f->daemon.holds; k++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->daemon.holds, 1);
	sp_control_close(f->server);
	f->server = NULL;
	turn(f, 3);
	assert_int_equal(f->daemon.holds, 0);
	close(fd);
}

static void too_many_configurations_are_refused(void **state)
{
	expect(*state, CONFIG ",\"file\":\"/busy\"}\n",
	       "{\"error\":\"as many configurations as may be are asked for; try again later\"}\n");
}

/* The answer to a ticket is for all earlier tickets, and a later reload waits on. */
static void reloads_are_answered_by_their_tickets(void **state)
{
	struct fixture *f = *state;
	int fds[3];
	char *text;

	for (int i = 0; i < 3; i++) {
		fds[i] = open_client(f);
		send_text(fds[i], RELOAD);
		for (int k = 0; k < 100 && f->daemon.ticket <= (__u64)i; k++)
			uv_run(&f->loop, UV_RUN_NOWAIT);
		uv_timer_stop(&f->daemon.loading);
	}
	assert_int_equal(f->daemon.ticket, 3);
	close(fds[0]);	/* a client that does not wait */
	sp_control_reloaded(f->server, 2, json_pack("{s:i}", "took_ms", 7));
	text = read_all(f, fds[1]);
	assert_string_equal(text, "{\"took_ms\":7}\n");
	free(text);
	turn(f, 3);
	assert_int_equal(f->server->sessions.served_count, 1);
	sp_control_reloaded(f->server, 3, json_pack("{s:s}", "error", "bad"));
	text = read_all(f, fds[2]);
	assert_string_equal(text, "{\"error\":\"bad\"}\n");
	free(text);
}

static void a_waiting_reload_is_cut_off_by_the_end(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f);
	char letter;

	send_text(fd, RELOAD);
	for (int k = 0; k < 100 && !f->daemon.ticket; k++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	uv_timer_stop(&f->daemon.loading);
	sp_control_close(f->server);
	f->server = NULL;
	turn(f, 3);
	assert_int_equal(read(fd, &letter, 1), 0);
	close(fd);
}

#define SOMEBODY 65534

static char *ask_as_somebody(struct fixture *f, const char *request)
{
	int fd;

	assert_int_equal(seteuid(SOMEBODY), 0);
	fd = open_client(f); /* the client's uid is settled here */
	assert_int_equal(seteuid(0), 0);
	send_text(fd, request);
	return read_all(f, fd);
}

/*
 * Any client that may open the socket may send requests. Only root and the file's owner may drain.
 */
static void only_root_and_the_owner_may_drain(void **state)
{
	struct fixture *f = *state;
	char *text;

	if (geteuid())
		skip(); /* only root can change the uid */
	assert_int_equal(chmod(f->dir, 0755) | chmod(f->path, 0666), 0);
	text = ask_as_somebody(f, DRAIN "}\n");
	assert_non_null(strstr(text,
			       "{\"error\":\"only root and the owner of /tmp/sp-control-"));
	assert_false(f->daemon.is_draining);
	free(text);
	text = ask_as_somebody(f, RELOAD);
	assert_non_null(strstr(text, "{\"error\":\"only root"));
	assert_int_equal(f->daemon.reloads, 0);
	free(text);
	text = ask_as_somebody(f, CONFIG ",\"file\":\"/etc/shadow\"}\n");
	assert_non_null(strstr(text, "{\"error\":\"only root"));
	free(text);
	text = ask_as_somebody(f, CONFIG "}\n");
	assert_non_null(strstr(text, "{\"config\":"));
	free(text);
	text = ask_as_somebody(f, READY);
	assert_string_equal(text, "{\"ready\":true,\"reason\":\"\"}\n");
	free(text);
	assert_int_equal(chown(f->path, SOMEBODY, -1), 0);
	text = ask_as_somebody(f, DRAIN "}\n");
	assert_string_equal(text, "{\"draining\":true}\n");
	free(text);
	expect(f, DRAIN ",\"undo\":true}\n", "{\"draining\":false}\n");
}

static void only_root_and_the_owner_give_orders(void **state)
{
	struct fixture *f = *state;
	char *text;

	if (geteuid())
		skip();
	assert_int_equal(chmod(f->dir, 0755) | chmod(f->path, 0666), 0);
	text = ask_as_somebody(f, BACKEND ",\"name\":\"web/a\",\"order\":\"down\"}\n");
	assert_non_null(strstr(text, "only root"));
	assert_int_equal(f->daemon.orders, 0);
	free(text);
	expect(f, BACKEND ",\"name\":\"web/a\",\"order\":\"down\"}\n",
	       "{\"name\":\"web/a\",\"order\":\"down\",\"here\":false}\n");
	expect(f, BACKEND ",\"here\":true}\n",
	       "{\"name\":\"\",\"order\":\"\",\"here\":true}\n");
	assert_int_equal(f->daemon.orders, 2);
}

/* Another file at that path gives its owner no right. */
static void owner_of_another_file_may_not_drain(void **state)
{
	struct fixture *f = *state;
	char aside[128];
	char *text;
	int fd;

	if (geteuid())
		skip();
	snprintf(aside, sizeof(aside), "%s.aside", f->path);
	assert_int_equal(chmod(f->dir, 0755) | chmod(f->path, 0666), 0);
	assert_int_equal(seteuid(SOMEBODY), 0);
	fd = open_client(f);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(rename(f->path, aside), 0);
	assert_int_equal(mknod(f->path, S_IFREG | 0666, 0) | chown(f->path, SOMEBODY, -1), 0);
	send_text(fd, DRAIN "}\n");
	text = read_all(f, fd);
	assert_non_null(strstr(text, "only root"));
	free(text);
	assert_int_equal(rename(aside, f->path), 0);
}

static void request_may_come_in_pieces(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f);
	char *text;

	for (const char *p = STATUS; *p; p++) {
		assert_int_equal(send(fd, p, 1, MSG_NOSIGNAL), 1);
		turn(f, 2);
	}
	text = read_all(f, fd);
	assert_string_equal(text, "{\"version\":\"0\",\"ready\":true}\n");
	free(text);
}

static void row_has_every_field(void **state)
{
	struct fixture *f = *state;

	f->daemon.row_count = 1;
	expect(f, CONNECTIONS "}\n",
	       "{\"front\":{\"from\":\"198.18.0.0:10000\",\"to\":\"192.0.2.1:80\"},"
	       "\"back\":{\"from\":\"10.0.9.1:20000\",\"to\":\"10.0.2.0:8080\"},"
	       "\"service\":\"www\",\"pool\":\"api\",\"backend\":null,\"state\":\"open\","
	       "\"age_ms\":0,\"idle_ms\":2,\"bytes_up\":1000,\"bytes_down\":1099511627776,"
	       "\"pkts_up\":7,\"pkts_down\":9,\"exchanges\":3}\n"
	       "{\"end\":true,\"shown\":1,\"total_seen\":1,\"more\":false}\n");
}

static void limit_bounds_the_list(void **state)
{
	struct fixture *f = *state;

	f->daemon.row_count = 1000;
	expect_list(f, CONNECTIONS "}\n", 100, 101, 1);
	expect_list(f, CONNECTIONS ",\"limit\":7}\n", 7, 8, 1);
	expect_list(f, CONNECTIONS ",\"limit\":1000}\n", 1000, 1000, 0);
	expect_list(f, CONNECTIONS ",\"limit\":0}\n", 1000, 1000, 0);
	f->daemon.row_count = 0;
	expect_list(f, CONNECTIONS "}\n", 0, 0, 0);
}

static void filters_pick_rows(void **state)
{
	static const struct {
		const char *filter;
		int shown;
	} cases[] = {
		{ "", 30 },
		{ "  ", 30 },
		{ "198.18.0.0", 30 }, /* client */
		{ "198.18.0.1", 0 },
		{ "192.0.2.1", 30 }, /* VIP */
		{ "192.0.2.1:80", 30 },
		{ "192.0.2.1:8080", 0 }, /* the port belongs to the address */
		{ "198.18.0.0:10004", 1 },
		{ "10.0.9.1:20004", 1 }, /* proxy */
		{ "10.0.2.1", 10 },	 /* backend */
		{ "10.0.2.1:8080", 10 },
		{ "::ffff:10.0.2.1", 10 },
		{ "10.0.2.0/24", 30 },
		{ "10.0.2.0/32", 10 },
		{ "10.0.3.0/24", 0 },
		{ "::/0", 0 },
		{ "2001:db8::1", 0 },
		{ "[2001:db8::1]:80", 0 },
		{ "pool=web", 15 },
		{ "pool=we", 0 },
		{ "service=www", 30 },
		{ "backend=b\\\"1", 24 },
		{ "state=closing", 10 },
		{ "pool=web state=closing", 5 },
		{ "pool=web pool=api", 0 },
		{ "10.0.2.1 state=closing pool=web service=www", 5 },
	};
	struct fixture *f = *state;
	char request[256];

	f->daemon.row_count = 30;
	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(request, sizeof(request), CONNECTIONS ",\"filter\":\"%s\"}\n",
			 cases[i].filter);
		print_message("# filter '%s'\n", cases[i].filter);
		expect_list(f, request, cases[i].shown, 30, 0);
	}
}

/* A limit just reached tells whether more rows match, not whether more rows exist. */
static void more_means_more_that_match(void **state)
{
	struct fixture *f = *state;

	f->daemon.row_count = 2000;
	expect_list(f, CONNECTIONS ",\"limit\":1,\"filter\":\"198.18.0.0:10004\"}\n", 1, 2000, 0);
	expect_list(f, CONNECTIONS ",\"limit\":1,\"filter\":\"state=closing\"}\n", 1, 5, 1);
}

/* ---- refusals ---- */

static void bad_requests_are_refused_with_what_is_allowed(void **state)
{
	static const struct refused cases[] = {
		{ "\n", "not a line of JSON" },
		{ "status\n", "not a line of JSON" },
		{ "[1]\n", "must be a JSON object" },
		{ "{\"version\":1,\"command\":\"status\"\n", "not a line of JSON" },
		{ "{\"version\":1,\"version\":1,\"command\":\"status\"}\n", "not a line of JSON" },
		{ "{\"version\":1,\"command\":\"a\\u0000b\"}\n", "not a line of JSON" },
		{ "{\"version\":1,\"command\":\"\xff\"}\n", "not a line of JSON" },
		{ "{\"version\":1,\"command\":\"st\xc3\xa4tus\"}\n",
		  "'st??tus' is not known; allowed: status" },
		{ "{}\n", "'version' is missing" },
		{ "{\"version\":\"1\",\"command\":\"status\"}\n",
		  "'version' is missing or no whole" },
		{ "{\"version\":2,\"command\":\"status\"}\n",
		  "version 2 of the protocol is not known; allowed: 1" },
		{ "{\"version\":1}\n", "'command' is missing" },
		{ "{\"version\":1,\"command\":7}\n", "'command' is missing or no string" },
		{ "{\"version\":1,\"command\":\"stop\"}\n",
		  "status, connections, drops, cluster, ready, drain-self, reload, config, backend, events, overview, explain or trace" },
		{ "{\"version\":1,\"command\":\"status\",\"limit\":1}\n",
		  "key 'limit' is not known; allowed with status" },
		{ "{\"version\":1,\"command\":\"drops\",\"filter\":\"x\"}\n",
		  "key 'filter' is not known" },
		{ "{\"version\":1,\"command\":\"ready\",\"undo\":true}\n",
		  "key 'undo' is not known; allowed with ready" },
		{ CONFIG ",\"file\":\"a\"}\n", "'file' must be an absolute path" },
		{ CONFIG ",\"file\":1}\n", "'file' must be an absolute path" },
		{ "{\"version\":1,\"command\":\"status\"" ",\"file\":\"/a\"}\n", "key 'file' is not known; allowed with status" },
		{ DRAIN ",\"undo\":1}\n", "'undo' must be true or false" },
		{ BACKEND ",\"name\":\"web/a\"}\n", "'name' and 'order' belong together" },
		{ BACKEND ",\"order\":\"up\"}\n", "'name' and 'order' belong together" },
		{ BACKEND ",\"name\":7,\"order\":\"up\"}\n", "'name' must be a string" },
		{ BACKEND ",\"name\":\"web/a\",\"order\":\"upwards, for ever\"}\n",
		  "'order' must be a string of 1 to 15 characters" },
		{ BACKEND ",\"undo\":true}\n", "allowed with backend: version, command, name, order, here" },
		{ EVENTS ",\"since\":-1}\n", "'since' must be a whole number" },
		{ EVENTS ",\"filter\":\"\"}\n",
		  "allowed with events: version, command, limit, since" },
		{ DRAIN ",\"limit\":1}\n", "allowed with drain-self: version, command, undo" },
		{ CONNECTIONS ",\"limits\":1}\n",
		  "allowed with connections: version, command, limit, filter" },
		{ CONNECTIONS ",\"limit\":-1}\n", "'limit' must be a whole number" },
		{ CONNECTIONS ",\"limit\":1.5}\n", "'limit' must be a whole number" },
		{ CONNECTIONS ",\"limit\":99999999999999999999}\n", "not a line of JSON" },
		{ CONNECTIONS ",\"filter\":[]}\n", "'filter' must be a string" },
		{ CONNECTIONS ",\"filter\":\"192.0.2\"}\n", "pool=NAME" },
		{ CONNECTIONS ",\"filter\":\"2001:db8::1:80000\"}\n", "pool=NAME" },
		{ CONNECTIONS ",\"filter\":\"color=red\"}\n",
		  "'color=red' is not known; allowed: ADDRESS" },
		{ CONNECTIONS ",\"filter\":\"pool=\"}\n", "'pool=' has no value" },
		{ CONNECTIONS ",\"filter\":\"state=dead\"}\n", "allowed: open, closing or closed" },
		{ CONNECTIONS ",\"filter\":\"::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1\"}\n",
		  "more than 8 terms" },
	};

	expect_errors(*state, cases, COUNT(cases));
}

static void bad_traces_are_refused(void **state)
{
	static const struct refused cases[] = {
		{ CONNECTIONS ",\"filter\":\"192.0.2.0/33\"}\n", "PREFIX/BITS" },
		{ CONNECTIONS ",\"filter\":\"192.0.2.1/24\"}\n", "PREFIX/BITS" },
		{ TRACE "}\n", "'filter' is missing" },
		{ TRACE ",\"filter\":\" \"}\n", "'filter' is missing" },
		{ TRACE ",\"filter\":\"192.0.2.1 state=open\"}\n", "'state=' is not for trace" },
		{ TRACE ",\"filter\":\"192.0.2.1\",\"seconds\":0}\n", "of 1 to 600" },
		{ TRACE ",\"since\":1}\n",
		  "allowed with trace: version, command, limit, filter, seconds" },
	};

	expect_errors(*state, cases, COUNT(cases));
}

static void long_requests_are_refused(void **state)
{
	char request[3 * SP_CONTROL_REQUEST_MAX];

	memset(request, ' ', sizeof(request));
	memcpy(request, STATUS, strlen(STATUS) - 1);
	/* exactly the limit, with its newline */
	strcpy(request + SP_CONTROL_REQUEST_MAX - 1, "\n");
	expect(*state, request, "{\"version\":\"0\",\"ready\":true}\n");
	strcpy(request + SP_CONTROL_REQUEST_MAX - 1, " \n");
	expect_error(*state, request, "longer than 4096 bytes");
	/* more than the server ever reads */
	memset(request, 'x', sizeof(request));
	request[sizeof(request) - 1] = 0;
	expect_error(*state, request, "longer than 4096 bytes");
	/* deep nesting must not reach the stack's end */
	memset(request, '[', SP_CONTROL_REQUEST_MAX - 1);
	strcpy(request + SP_CONTROL_REQUEST_MAX - 1, "\n");
	expect_error(*state, request, "not a line of JSON");
}

/*
 * The request is larger than a socket's buffer: the client can send it only if the server reads
 * on.
 */
static void endless_request_hears_the_error_and_an_end(void **state)
{
	struct fixture *f = *state;
	char piece[16384 + 1], *text;
	int fd = open_client(f);

	memset(piece, 'x', sizeof(piece) - 1);
	piece[sizeof(piece) - 1] = 0;
	for (int i = 0; i < 64; i++) {
		send_text(fd, piece);
		turn(f, 8);
	}
	text = read_all(f, fd);
	assert_non_null(strstr(text, "longer than 4096 bytes"));
	free(text);
}

static void half_a_request_is_refused(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f);
	char *text;

	send_text(fd, "{\"version\":1");
	shutdown(fd, SHUT_WR);
	text = read_all(f, fd);
	assert_non_null(strstr(text, "ends without a newline"));
	free(text);
}

/* socat and nc close their half as soon as they have sent. */
static void half_closed_client_gets_its_list(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f);
	json_t *end;
	char *text;

	f->daemon.row_count = 5000;
	send_text(fd, CONNECTIONS ",\"limit\":0}\n");
	shutdown(fd, SHUT_WR);
	text = read_all(f, fd);
	assert_int_equal(count_lines(text, &end), 5001);
	json_decref(end);
	free(text);
}

static void list_that_fails_says_so_at_its_end(void **state)
{
	struct fixture *f = *state;
	json_t *last;
	char *text;

	f->daemon.row_count = 10000;
	f->daemon.fail_after = 3;
	text = ask(f, CONNECTIONS ",\"limit\":0}\n");
	assert_int_equal(count_lines(text, &last), 3 * SP_CONTROL_BATCH_ROWS + 1);
	assert_non_null(strstr(json_string_value(json_object_get(last, "error")),
			       "Input/output error"));
	json_decref(last);
	free(text);
}

/* ---- limits ---- */

static void two_million_rows_are_scanned(void **state)
{
	struct fixture *f = *state;

	f->daemon.row_count = 2000000;
	expect_list(f, CONNECTIONS ",\"limit\":0,\"filter\":\"198.18.0.39:10001\"}\n", 1, 2000000,
		    0);
}

static void long_list_is_complete_and_bounded(void **state)
{
	struct fixture *f = *state;

	f->daemon.row_count = 100000;
	/* read_all() bounds the memory */
	expect_list(f, CONNECTIONS ",\"limit\":0}\n", 100000, 100000, 0);
}

static void client_that_does_not_read_stops_its_list_only(void **state)
{
	struct fixture *f = *state;
	int deaf = open_client(f);
	__u64 made_count;
	char *text;

	f->daemon.row_count = 2000000;
	send_text(deaf, CONNECTIONS ",\"limit\":0}\n");
	turn(f, 500);
	made_count = f->daemon.made_count;
	assert_in_range(made_count, 1, 20000); /* what the socket holds */
	assert_int_equal(f->server->sessions.listing_count, 0); /* so the loop can sleep */
	assert_false(uv_is_active((uv_handle_t *)&f->server->sessions.idle));
	turn(f, 500);
	assert_int_equal(f->daemon.made_count, made_count);
	expect(f, STATUS, "{\"version\":\"0\",\"ready\":true}\n");

	/* the client may go on at the row where the list stopped */
	f->daemon.row_count = 30000;
	text = read_all(f, deaf);
	assert_non_null(strstr(text, "\"shown\":30000,"));
	free(text);
}

/* Time-outs are due at once, not after half a minute. */
static void expire(struct fixture *f)
{
	for (unsigned int i = 0; i < SP_CONTROL_SLOTS; i++)
		if (f->server->sessions.slots[i].deadline_ms != SP_CONTROL_NEVER_MS)
			f->server->sessions.slots[i].deadline_ms = 0;
	on_tick(&f->server->sessions.timer);
	turn(f, 2);
}

static void slow_reader_is_cut_off(void **state)
{
	struct fixture *f = *state;
	int deaf = open_client(f);
	char *text;

	f->daemon.row_count = 2000000;
	send_text(deaf, CONNECTIONS ",\"limit\":0}\n");
	turn(f, 500);
	assert_int_equal(f->server->sessions.served_count, 1);
	on_tick(&f->server->sessions.timer);
	assert_int_equal(f->server->sessions.served_count, 1); /* not before its time */
	expire(f);
	assert_int_equal(f->server->sessions.served_count, 0);
	text = read_all(f, deaf);
	assert_null(strstr(text, "\"end\""));
	free(text);
}

static void silent_client_is_told_and_cut_off(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f);
	char *text;

	turn(f, 2);
	assert_in_range(f->server->sessions.slots[0].deadline_ms - uv_now(&f->loop), 4000, 5000);
	expire(f);
	text = read_all(f, fd);
	assert_string_equal(text, "{\"error\":\"no request within 5 s\"}\n");
	assert_int_equal(f->server->sessions.served_count, 0);
	free(text);
}

static void timer_of_real_time_cuts_off(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f);
	char buf[64];

	turn(f, 2);
	f->server->sessions.slots[0].deadline_ms = uv_now(&f->loop) + 100;
	for (int i = 0; i < 20 && f->server->sessions.served_count; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->server->sessions.served_count, 0);
	assert_true(recv(fd, buf, sizeof(buf), 0) > 0);
	close(fd);
}

static void seventeenth_client_is_told_so(void **state)
{
	struct fixture *f = *state;
	int fds[SP_CONTROL_CLIENTS_MAX];
	char *text;

	for (size_t i = 0; i < COUNT(fds); i++)
		fds[i] = open_client(f);
	turn(f, 3);
	for (int i = 0; i < 3; i++)
		expect_error(f, "", "16 clients are being served already");
	close(fds[5]);
	turn(f, 3);
	expect(f, STATUS, "{\"version\":\"0\",\"ready\":true}\n");
	send_text(fds[0], STATUS);
	text = read_all(f, fds[0]);
	assert_string_equal(text, "{\"version\":\"0\",\"ready\":true}\n");
	free(text);
	for (size_t i = 1; i < COUNT(fds); i++)
		if (i != 5)
			close(fds[i]);
}

/*
 * More clients than slots: clients without a slot are served as slots come back, and no client is
 * forgotten.
 */
static void crowd_is_answered(void **state)
{
	struct fixture *f = *state;
	int fds[SP_CONTROL_CLIENTS_MAX + 8];
	char *text;

	/* a backlog of 16 holds 17 connections: turn the loop now and then */
	for (size_t i = 0; i < COUNT(fds); i++) {
		fds[i] = open_client(f);
		if (i % 12 == 11)
			turn(f, 1);
	}
	for (size_t i = 0; i < COUNT(fds); i++)
		send(fds[i], STATUS, strlen(STATUS), MSG_NOSIGNAL);
	for (size_t i = 0; i < COUNT(fds); i++) {
		text = read_all(f, fds[i]);
		assert_non_null(strstr(text, "}\n"));
		free(text);
	}
	assert_int_equal(f->server->sessions.served_count, 0);
	assert_false(uv_is_active((uv_handle_t *)&f->server->sessions.timer));
	assert_false(uv_is_active((uv_handle_t *)&f->server->sessions.idle));
}

static void lists_take_turns(void **state)
{
	struct fixture *f = *state;
	int first = open_client(f), second = open_client(f);
	char *text;

	f->daemon.row_count = 20000;
	send_text(first, CONNECTIONS ",\"limit\":0,\"filter\":\"pool=none\"}\n");
	send_text(second, CONNECTIONS ",\"limit\":0,\"filter\":\"pool=none\"}\n");
	turn(f, 3);
	for (int i = 0; i < 20; i++) {
		__u64 before = f->daemon.made_count;

		turn(f, 1);
		/* one batch a turn, for both lists together */
		assert_int_equal(f->daemon.made_count - before, SP_CONTROL_BATCH_ROWS);
	}
	assert_in_range(f->server->sessions.slots[0].seen,
			f->server->sessions.slots[1].seen - SP_CONTROL_BATCH_ROWS,
			f->server->sessions.slots[1].seen + SP_CONTROL_BATCH_ROWS);
	text = read_all(f, first);
	assert_non_null(strstr(text, "\"total_seen\":20000"));
	free(text);
	text = read_all(f, second);
	assert_non_null(strstr(text, "\"total_seen\":20000"));
	free(text);
}

static void client_may_leave_at_any_time(void **state)
{
	struct fixture *f = *state;

	f->daemon.row_count = 100000;
	for (int turns = 0; turns < 40; turns++) {
		int fd = open_client(f);

		send_text(fd, CONNECTIONS ",\"limit\":0}\n");
		turn(f, turns);
		close(fd);
	}
	for (int i = 0; i < TURNS_MAX && f->server->sessions.served_count; i++)
		turn(f, 1);
	assert_int_equal(f->server->sessions.served_count, 0);
}

/* The sanitizer finds leaks and use after free. Teardown runs the loop to its end. */
static void server_may_close_while_it_serves(void **state)
{
	struct fixture *f = *state;
	int list = open_client(f), silent = open_client(f);

	f->daemon.row_count = 100000;
	send_text(list, CONNECTIONS ",\"limit\":0}\n");
	turn(f, 8);
	assert_int_equal(f->server->sessions.served_count, 2);
	sp_control_close(f->server);
	f->server = NULL;
	turn(f, 3);
	assert_int_equal(access(f->path, F_OK), -1);
	close(list);
	close(silent);
}

/* ---- the socket ---- */

static void socket_has_mode_0660_whatever_the_umask(void **state)
{
	static const mode_t umasks[] = { 0, 022, 077, 0777 };
	struct fixture *f = *state;
	struct sp_control_server *server;
	struct stat st;
	char path[128];

	snprintf(path, sizeof(path), "%s/other", f->dir);
	for (size_t i = 0; i < COUNT(umasks); i++) {
		mode_t old = umask(umasks[i]);

		assert_int_equal(sp_control_open(&f->loop, path, &ops, NULL, &server), 0);
		umask(old);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode, S_IFSOCK | 0660);
		sp_control_close(server);
		turn(f, 3);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void live_socket_is_not_replaced(void **state)
{
	struct fixture *f = *state;
	struct sp_control_server *server = NULL;

	assert_int_equal(sp_control_open(&f->loop, f->path, &ops, NULL, &server), -EADDRINUSE);
	assert_null(server);
	expect(f, STATUS, "{\"version\":\"0\",\"ready\":true}\n");
}

static void stale_socket_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct sp_control_server *server;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/stale", f->dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(access(addr.sun_path, F_OK), 0);
	assert_int_equal(sp_control_open(&f->loop, addr.sun_path, &ops, NULL, &server), 0);
	sp_control_close(server);
	turn(f, 3);
}

static void other_files_are_left_alone(void **state)
{
	struct fixture *f = *state;
	struct sp_control_server *server;
	char path[160], link[128];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/file", f->dir);
	snprintf(link, sizeof(link), "%s/link", f->dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(sp_control_open(&f->loop, path, &ops, NULL, &server), -EEXIST);
	assert_int_equal(sp_control_open(&f->loop, link, &ops, NULL, &server), -EEXIST);
	assert_int_equal(lstat(path, &st), 0);
	unlink(path);
	unlink(link);
	memset(path, 'x', 120);
	path[120] = 0;
	assert_int_equal(sp_control_open(&f->loop, path, &ops, NULL, &server), -ENAMETOOLONG);
	assert_int_equal(sp_control_open(&f->loop, "", &ops, NULL, &server), -EINVAL);
	snprintf(path, sizeof(path), "%s/none/sock", f->dir);
	assert_int_equal(sp_control_open(&f->loop, path, &ops, NULL, &server), -ENOENT);
}

/* The socket of a daemon that took our place is not ours to remove. */
static void foreign_socket_survives_our_end(void **state)
{
	struct fixture *f = *state;
	struct sp_control_server *second;

	unlink(f->path);
	assert_int_equal(sp_control_open(&f->loop, f->path, &ops, &f->daemon, &second), 0);
	sp_control_close(f->server);
	f->server = second;
	turn(f, 3);
	assert_int_equal(access(f->path, F_OK), 0);
	expect(f, STATUS, "{\"version\":\"0\",\"ready\":true}\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(status_and_drops_are_one_line),
		TEST(cluster_is_one_line),
		TEST(reload_waits_and_says_what_is_wrong),
		TEST(a_status_that_breaks_off_holds_nothing),
		TEST(a_status_is_cut_off_by_the_end),
		TEST(too_many_configurations_are_refused),
		TEST(reloads_are_answered_by_their_tickets),
		TEST(a_waiting_reload_is_cut_off_by_the_end),
		TEST(drain_self_ends_with_its_undo),
		TEST(only_root_and_the_owner_may_drain),
		TEST(only_root_and_the_owner_give_orders),
		TEST(owner_of_another_file_may_not_drain),
		TEST(request_may_come_in_pieces),
		TEST(row_has_every_field),
		TEST(limit_bounds_the_list),
		TEST(filters_pick_rows),
		TEST(more_means_more_that_match),
		TEST(bad_requests_are_refused_with_what_is_allowed),
		TEST(bad_traces_are_refused),
		TEST(long_requests_are_refused),
		TEST(endless_request_hears_the_error_and_an_end),
		TEST(half_a_request_is_refused),
		TEST(half_closed_client_gets_its_list),
		TEST(list_that_fails_says_so_at_its_end),
		TEST(two_million_rows_are_scanned),
		TEST(long_list_is_complete_and_bounded),
		TEST(client_that_does_not_read_stops_its_list_only),
		TEST(slow_reader_is_cut_off),
		TEST(silent_client_is_told_and_cut_off),
		TEST(timer_of_real_time_cuts_off),
		TEST(seventeenth_client_is_told_so),
		TEST(crowd_is_answered),
		TEST(lists_take_turns),
		TEST(client_may_leave_at_any_time),
		TEST(server_may_close_while_it_serves),
		TEST(socket_has_mode_0660_whatever_the_umask),
		TEST(live_socket_is_not_replaced),
		TEST(stale_socket_is_replaced),
		TEST(other_files_are_left_alone),
		TEST(foreign_socket_survives_our_end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

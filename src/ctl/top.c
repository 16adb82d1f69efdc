/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* top.c - the command top: a screen each second, of plain text and a few escape sequences */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "ctl/answer.h"
#include "ctl/command.h"
#include "ctl/rates.h"
#include "ctl/show.h"

#define ROUND_US	1000000
#define COLUMNS		80
#define ROWS		24
#define COLUMNS_MAX	240
#define EVENTS_MIN	4	/* rows that are left to events */

static volatile sig_atomic_t is_ending;

static void on_signal(int number)
{
	is_ending = 1;
}

/* ---- parts of the screen ---- */

static json_int_t count_up(const json_t *rows)
{
	json_int_t up = 0;
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		up += !strcmp(sp_text_in(row, "state"), "up");
	return up;
}

static void print_head(FILE *out, const json_t *status)
{
	char up[SP_HUMAN_MAX], clock[16] = "";
	const json_t *servers = json_object_get(json_object_get(status, "store"), "servers");
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(clock, sizeof(clock), "%TZ", &tm);
	fprintf(out, "spliced %s  %s  up %s  %s\n", sp_text_in(status, "proxy"),
		json_is_true(json_object_get(status, "ready")) ? "ready" : "NOT READY",
		sp_human_ms(sp_int_in(status, "uptime_s") * 1000, up), clock);
	fprintf(out, "connections %lld live, %lld would survive this machine; %lld of %lld entries",
		sp_int_in(status, "connections_live"), sp_int_in(status, "connections_survivable"),
		sp_int_in(status, "splices"), sp_int_in(status, "splices_max"));
	if (json_array_size(servers))
		fprintf(out, "; store %lld of %zu up", count_up(servers), json_array_size(servers));
	fputc('\n', out);
}

static void print_rates(FILE *out, const struct sp_rates *rates)
{
	char bytes[SP_HUMAN_MAX];

	fprintf(out, "requests %.0f/s  payload %s/s  connect", rates->requests,
		sp_human_bytes(rates->bytes, bytes));
	if (rates->p50_us >= 0)
		fprintf(out, " p50 %.0f us, p99 %.0f us", rates->p50_us, rates->p99_us);
	else
		fputs(" -", out);
	fprintf(out, "  dropped or refused %.1f/s\n", rates->lost);
}

static char *format_us(double us, char text[SP_HUMAN_MAX])
{
	if (us < 0)
		return strcpy(text, "-");
	snprintf(text, SP_HUMAN_MAX, us < 10000 ? "%.0f us" : "%.0f ms", us < 10000 ? us : us / 1000);
	return text;
}

/* Of services with an access log, which has the records. */
static void print_services(FILE *out, const json_t *services, const struct sp_rates *rates)
{
	char bytes[SP_HUMAN_MAX], p50[SP_HUMAN_MAX], p99[SP_HUMAN_MAX];
	struct sp_service_rates of;
	const json_t *s;
	int has_head = 0;
	size_t i;

	json_array_foreach(services, i, s) {
		const char *name = sp_text_in(s, "name");

		if (sp_rates_of_service(rates, name, &of))
			continue;
		if (!has_head++)
			fprintf(out, "\n%-32s %9s %11s %9s %9s  %s\n", "SERVICE", "SERVED/S",
				"PAYLOAD/S", "P50", "P99", "OF THE FIRST BYTE");
		fprintf(out, "%-32.32s %9.1f %11s %9s %9s\n", name, of.served,
			sp_human_bytes(of.bytes, bytes), format_us(of.p50_us, p50),
			format_us(of.p99_us, p99));
	}
}

/* Backends that are not up come first: a screen may be too small. */
static void print_backends(FILE *out, const json_t *pools, const struct sp_rates *rates,
			   int is_up)
{
	const json_t *pool, *b;
	char name[160];
	size_t i, k;

	json_array_foreach(pools, i, pool)
		json_array_foreach(json_object_get(pool, "backends"), k, b) {
			if (is_up == !!strcmp(sp_text_in(b, "state"), "up"))
				continue;
			snprintf(name, sizeof(name), "%s/%s", sp_text_in(pool, "name"),
				 sp_text_in(b, "name"));
			fprintf(out, "%-32.32s %-9s %7lld %8.1f  %s\n", name,
				sp_text_in(b, "state"), sp_int_in(b, "open"),
				sp_rates_of_backend(rates, name),
				sp_text_in(json_object_get(b, "check"), "reason"));
		}
}

static void print_members(FILE *out, const json_t *members)
{
	const json_t *m;
	size_t i;

	if (json_array_size(members))
		fprintf(out, "\n%-32s %-9s %7s %8s\n", "MEMBER", "STATE", "LIVE", "SURVIVE");
	json_array_foreach(members, i, m)
		fprintf(out, "%-32.32s %-9s %7lld %8lld\n", sp_text_in(m, "name"),
			sp_text_in(m, "state"), sp_int_in(m, "live"), sp_int_in(m, "survivable"));
}

/* The newest first. */
static void print_events(FILE *out, const json_t *events)
{
	char clock[16] = "-";
	struct tm tm;

	fputs("\nLAST EVENTS\n", out);
	for (size_t i = json_array_size(events); i > 0; i--) {
		const json_t *event = json_array_get(events, i - 1);
		time_t at = sp_int_in(event, "at_ms") / 1000;

		if (gmtime_r(&at, &tm))
			strftime(clock, sizeof(clock), "%TZ", &tm);
		fprintf(out, "%s %-7s %s\n", clock, sp_text_in(event, "level"),
			sp_text_in(event, "text"));
	}
}

/* ---- the screen ---- */

static void read_size(int *ret_rows, int *ret_columns)
{
	struct winsize size;

	*ret_rows = ROWS;
	*ret_columns = COLUMNS;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		return;
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
}

/* Cut to the columns; bytes of a peer do not steer the terminal. */
static void print_line(const char *line, size_t len, int columns)
{
	for (size_t i = 0; i < len && i < (size_t)columns; i++)
		putchar(line[i] >= ' ' && line[i] <= '~' ? line[i] : '?');
}

/* @rows: at most so many lines of @text */
static void print_lines(const char *text, int rows, int columns, const char *end)
{
	for (int row = 0; row < rows && *text; row++) {
		size_t len = strcspn(text, "\n");

		print_line(text, len, columns);
		fputs(end, stdout);
		text += len + !!text[len];
	}
}

static int count_lines(const char *text)
{
	int lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* The events get what is left, and at least some rows. A batch is printed whole. */
static void show_screen(const char *state, const char *events, int is_batch)
{
	int rows, columns, of_state;

	read_size(&rows, &columns);
	if (is_batch) {
		print_lines(state, count_lines(state), COLUMNS_MAX, "\n");
		print_lines(events, EVENTS_MIN + 2, COLUMNS_MAX, "\n");
		putchar('\n');
		return;
	}
	of_state = count_lines(state) < rows - EVENTS_MIN - 2 ? count_lines(state) :
		rows - EVENTS_MIN - 2;
	fputs("\033[H", stdout);
	print_lines(state, of_state, columns, "\033[K\n");
	print_lines(events, rows - 1 - of_state, columns, "\033[K\n");
	fputs("\033[J", stdout);
}

static int draw_screen(const json_t *overview, const struct sp_rates *rates, int is_batch)
{
	const json_t *status = json_object_get(overview, "status"),
		*pools = json_object_get(status, "pools");
	char *state = NULL, *events = NULL;
	size_t state_len, events_len;
	FILE *of_state = open_memstream(&state, &state_len),
	     *of_events = open_memstream(&events, &events_len);

	if (of_state) {
		print_head(of_state, status);
		print_rates(of_state, rates);
		print_services(of_state, json_object_get(status, "services"), rates);
		fprintf(of_state, "\n%-32s %-9s %7s %8s  %s\n", "BACKEND", "STATE", "OPEN",
			"NEW/S", "LAST CHECK");
		print_backends(of_state, pools, rates, 0);
		print_backends(of_state, pools, rates, 1);
		print_members(of_state, json_object_get(json_object_get(overview, "cluster"),
							"members"));
		fclose(of_state);
	}
	if (of_events) {
		print_events(of_events, json_object_get(json_object_get(overview, "events"),
							"events"));
		fclose(of_events);
	}
	if (state && events)
		show_screen(state, events, is_batch);
	free(state);
	free(events);
	return fflush(stdout) ? -errno : 0;
}

/* Return: an exit code. */
static int show_rounds(const struct sp_options *options, json_t *before, int is_batch)
{
	int is_endless = !(options->given & SP_OPTION_LIMIT), code = SP_EXIT_OK;
	struct sp_rates rates;
	json_t *now;

	for (json_int_t i = 0; (is_endless || i < options->limit) && !is_ending; i++) {
		usleep(ROUND_US);
		if (is_ending)
			break;
		code = sp_answer_ask(options, json_pack("{s:s}", "command", "overview"), &now);
		if (code)
			break;
		sp_rates_take(&rates, before, now, ROUND_US);
		code = draw_screen(now, &rates, is_batch) ? SP_EXIT_ANSWER : SP_EXIT_OK;
		json_decref(before);
		before = now;
		if (code)
			break;
	}
	json_decref(before);
	return code;
}

int sp_command_top(struct sp_client *client, const struct sp_options *options)
{
	struct sigaction action = { .sa_handler = on_signal };
	int is_batch = options->is_batch || !isatty(STDOUT_FILENO), code;
	json_t *first;

	code = sp_answer_next(client, &first);
	if (code)
		return code;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (!is_batch)
		fputs("\033[?1049h\033[?25l\033[2J", stdout);
	code = show_rounds(options, first, is_batch);
	if (!is_batch)
		fputs("\033[?25h\033[?1049l", stdout);
	return code;
}

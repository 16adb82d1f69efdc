/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_connection.c - src/proxy/connection.c: transitions of states, as in the table of conn.h */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "proxy/connection.c"

/* ---- fakes: not called here ---- */

void sp_tracing_state(const struct sp_conn *c, const char *from, const char *to, const char *why)
{
}

struct sp_conn *sp_conn_add(struct sp_conns *conns, const struct sp_tuple *front)
{
	return NULL;
}

void sp_conn_del(struct sp_conns *conns, struct sp_conn *c)
{
}

char *sp_conn_buf(struct sp_conns *conns, const struct sp_conn *c)
{
	return NULL;
}

int sp_datapath_put(struct sp_datapath *dp, const struct sp_tuple *key, const struct sp_half *half,
		    const struct sp_half_state *start, const struct sp_meta *meta)
{
	return 0;
}

int sp_datapath_del(struct sp_datapath *dp, const struct sp_tuple *key)
{
	return 0;
}

int sp_datapath_get(struct sp_datapath *dp, const struct sp_tuple *key, struct sp_entry *ret_entry)
{
	return -ENOENT;
}

void sp_datapath_leave(struct sp_datapath *dp, const struct sp_tuple *front)
{
}

int sp_cluster_is_home(const struct sp_cluster *cluster, const struct sp_tuple *front)
{
	return 1;
}

__u32 sp_reasm_add(struct sp_reasm *reasm, char *buf, __u32 room, __s64 at, const char *data,
		   __u32 n)
{
	return 0;
}

void sp_conn_unlink_back(struct sp_conns *conns, struct sp_conn *c)
{
}

void sp_port_release(struct sp_ports *ports, const struct sp_endpoint *to,
		     const struct sp_endpoint *from)
{
}

int sp_wire_send(struct sp_wire *wire, const struct sp_segment *seg)
{
	return 0;
}

static enum sp_conn_state state_named(const char *name)
{
	for (size_t i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++)
		if (!strcmp(state_names[i], name))
			return i;
	fail_msg("conn.h: there is no state %s", name);
	return 0;
}

/*
 * Table lines begin with a state, or with a tab and a further state from which the row's state is
 * entered.
 */
static void read_table(__u16 ret_from[])
{
	FILE *header = fopen(SP_SOURCE "/src/proxy/conn.h", "r");
	char line[256], state[32], from[32], rest[8];
	int is_table = 0;
	__u16 *row = NULL;

	assert_non_null(header);
	while (fgets(line, sizeof(line), header)) {
		if (!strncmp(line, " * State\t", 9))
			is_table = 1;
		else if (is_table && !strcmp(line, " */\n"))
			break;
		else if (is_table &&
			 sscanf(line, " * %31[A-Z]%*[\t ]%31[A-Z]%7[\t\n]", state, from,
				rest) == 3 && line[3] != '\t')
			*(row = &ret_from[state_named(state)]) |= 1 << state_named(from);
		else if (row && line[2] == '\t' &&
			 sscanf(line, " *%*[\t ]%31[A-Z]%7[\t\n]", from, rest) == 2)
			*row |= 1 << state_named(from);
	}
	fclose(header);
}

static void transitions_are_those_of_the_header(void **state)
{
	__u16 from[sizeof(state_names) / sizeof(state_names[0])] = { 0 };

	read_table(from);
	for (size_t i = SP_CONN_HEAD; i < sizeof(from) / sizeof(from[0]); i++) {
		__u16 again = i == SP_CONN_LATE ? FROM(LATE) : 0;	/* suspended twice */

		if ((from[i] | again) != entered_from[i])
			fail_msg("%s is entered from %#x, and conn.h says %#x", state_names[i],
				 entered_from[i], from[i]);
	}
}

/* Return: whether the process lived on. */
static int can_enter(enum sp_conn_state from, enum sp_conn_state to)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		struct sp_conn c = { .state = from };

		fclose(stderr);
		signal(SIGABRT, SIG_DFL);
		sp_conn_enter(&c, to, "a test");
		_exit(c.state != to);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void other_transitions_abort(void **state)
{
	assert_true(can_enter(SP_CONN_HEAD, SP_CONN_CONNECTING));
	assert_true(can_enter(SP_CONN_COMMITTING, SP_CONN_DELIVERING));
	assert_false(can_enter(SP_CONN_REPLIED, SP_CONN_CONNECTING));
	assert_false(can_enter(SP_CONN_LATE, SP_CONN_DELIVERING));
	assert_false(can_enter(SP_CONN_DELIVERING, SP_CONN_WAITING));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transitions_are_those_of_the_header),
		cmocka_unit_test(other_transitions_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The stack of each program: the sum over its deepest chain of calls, as Linux 6.1 counts. Frames
 * are rounded up to 32 bytes; later kernels with a JIT round to 16. The bound is below the
 * kernel's 512 bytes: a change near the limit fails here, on any kernel, before it fails for
 * users.
 */
#include <ctype.h>

#include "check.h"

#define STACK_BOUND	448
#define FRAME_UNIT	32
#define FRAMES_MAX	8	/* MAX_CALL_FRAMES of the kernel */
#define FUNCS_MAX	64

/* @starts: first instruction of each function; @frames: bytes of stack, by the verifier. */
struct program {
	const struct bpf_insn	*insns;
	int			insn_count, func_count;
	int			starts[FUNCS_MAX + 1], frames[FUNCS_MAX];
};

/* First instruction of the function called, or taken as a callback, by @insn; else -1. */
static int called_at(const struct bpf_insn *insn, int at)
{
	int is_call = insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_CALL;
	int is_address = insn->code == (BPF_LD | BPF_IMM | BPF_DW) &&
		insn->src_reg == BPF_PSEUDO_FUNC;

	return is_call || is_address ? at + 1 + insn->imm : -1;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Functions are sorted, as in the verifier's numbering. */
static void find_functions(struct program *p)
{
	int n = 1;

	p->starts[0] = 0;
	for (int i = 0; i < p->insn_count; i++) {
		int at = called_at(&p->insns[i], i), is_new = at >= 0;

		for (int j = 0; is_new && j < n; j++)
			is_new = p->starts[j] != at;
		assert_true(n < FUNCS_MAX);
		if (is_new)
			p->starts[n++] = at;
	}
	qsort(p->starts, n, sizeof(p->starts[0]), compare);
	p->starts[n] = p->insn_count;
	p->func_count = n;
}

/* "64+0+176" */
static int read_sum(struct program *p, const char *at)
{
	int n = 0;

	for (char *end; n < FUNCS_MAX && isdigit(*at); at = end + (*end == '+'))
		p->frames[n++] = strtol(at, &end, 10);
	return n;
}

/* "subprog 1 (track_end) static insns_self 569 insns_total 569 stack 40", a line each */
static int read_list(struct program *p, const char *at)
{
	int n = 0;

	while (n < FUNCS_MAX && (at = strstr(at, "\nsubprog ")) && (at = strstr(at, " stack ")))
		p->frames[n++] = atoi(at + strlen(" stack "));
	return n;
}

/* The verifier's statistics have a sum, or a list since Linux 7.3. */
static void read_frames(struct program *p, const char *log)
{
	const char *list = strstr(log, "stack depth max "), *sum = strstr(log, "stack depth ");

	assert_non_null(sum);
	if ((list ? read_list(p, list) :
	     read_sum(p, sum + strlen("stack depth "))) != p->func_count)
		fail_msg("the frames of %d functions are looked for in: %.400s", p->func_count,
			 log);
}

static int index_of(const struct program *p, int start)
{
	int i = 0;

	while (p->starts[i] != start)
		i++;
	return i;
}

static int deepest(const struct program *p, int func, int level)
{
	int frame = p->frames[func] ? p->frames[func] : 1, below = 0;

	assert_true(level < FRAMES_MAX);
	for (int i = p->starts[func]; i < p->starts[func + 1]; i++) {
		int at = called_at(&p->insns[i], i);
		int bytes = at < 0 ? 0 : deepest(p, index_of(p, at), level + 1);

		if (bytes > below)
			below = bytes;
	}
	return (frame + FRAME_UNIT - 1) / FRAME_UNIT * FRAME_UNIT + below;
}

static void check_stack(struct bpf_program *prog, const char *log)
{
	struct program p = { .insns = bpf_program__insns(prog),
			     .insn_count = bpf_program__insn_cnt(prog) };
	int bytes;

	find_functions(&p);
	read_frames(&p, log);
	bytes = deepest(&p, 0, 0);
	print_message("%-15s %d of %d bytes; frames of its functions:", bpf_program__name(prog),
		      bytes, STACK_BOUND);
	for (int i = 0; i < p.func_count; i++)
		print_message(" %d", p.frames[i]);
	print_message("\n");
	if (bytes > STACK_BOUND)
		fail_msg("%s: its chain of calls takes %d bytes of stack, %d at most",
			 bpf_program__name(prog), bytes,
			 STACK_BOUND);
}

#define PROGS_MAX	16

static char logs[PROGS_MAX][1 << 20];

/* Programs are loaded in turn: the refused program is the last in the log. */
static void print_refusal(void)
{
	int i = PROGS_MAX - 1;

	while (i > 0 && !logs[i][0])
		i--;
	print_error("%s\n", logs[i] + (strlen(logs[i]) > 3000 ? strlen(logs[i]) - 3000 : 0));
}

static void stack_of_each_program(void **state)
{
	struct proxy_bpf *skel = proxy_bpf__open();
	struct bpf_program *prog;
	int n = 0;

	assert_non_null(skel);
	assert_int_equal(leave_out_adopt(skel), 0);
	bpf_map__set_max_entries(skel->maps.sp_halves, 1024);
	bpf_object__for_each_program(prog, skel->obj) {
		assert_true(n < PROGS_MAX);
		assert_int_equal(bpf_program__set_log_level(prog, 4), 0);	/* BPF_LOG_STATS */
		assert_int_equal(bpf_program__set_log_buf(prog, logs[n], sizeof(logs[n])), 0);
		n++;
	}
	if (proxy_bpf__load(skel)) {
		print_refusal();
		fail_msg("the kernel refuses a program");
	}
	n = 0;
	bpf_object__for_each_program(prog, skel->obj) {
		if (bpf_program__autoload(prog))
			check_stack(prog, logs[n]);
		n++;
	}
	proxy_bpf__destroy(skel);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(stack_of_each_program) };

	return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}

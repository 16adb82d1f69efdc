// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_confine.c - system calls of a confined process. Each case forks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/confine.c"

/* Return: errno of the confined @fn, 0 if @fn succeeded; 200: could not be confined. */
static int confined(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (sp_confine())
			_exit(200);
		_exit(fn() < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int try_exec(void)
{
	return execl("/bin/true", "true", NULL);
}

static int try_fork(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static int try_kill(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static int try_write_file(void)
{
	return open("/dev/null", O_WRONLY);
}

static int try_make_file(void)
{
	return open("/dev/null", O_RDONLY | O_CREAT, 0600);
}

static int try_raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
}

static int try_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_DGRAM, 0);
}

static int try_executable_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static int try_mount(void)
{
	return mount("none", "/mnt", "tmpfs", 0, NULL);
}

static int try_trace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static const struct {
	const char	*name;
	int		(*fn)(void);
} refused[] = {
	{ "exec", try_exec }, { "fork", try_fork }, { "kill another", try_kill },
	{ "write to a file", try_write_file }, { "make a file", try_make_file },
	{ "raw socket", try_raw_socket }, { "packet socket", try_packet_socket },
	{ "executable memory", try_executable_memory },
	{ "mount", try_mount }, { "trace", try_trace },
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int err = confined(refused[i].fn);

		if (err != ENOSYS)
			fail_msg("%s: %s instead of ENOSYS", refused[i].name, strerror(err));
	}
}

static int load_program(void)
{
	struct bpf_insn code[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K },
				   { .code = BPF_JMP | BPF_EXIT } };
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SCHED_CLS, .insns = (__u64)(uintptr_t)code,
		.insn_cnt = 2,
		.license = (__u64)(uintptr_t)"GPL",
	};

	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static void test_loads_no_program(void **state)
{
	if (geteuid())
		skip();
	assert_true(load_program() >= 0);	/* loading works before */
	assert_int_equal(confined(load_program), EPERM);
}

static int read_file(void)
{
	char buf[64];
	FILE *file = fopen("/proc/self/status", "re");

	return file && fgets(buf, sizeof(buf), file) ? fclose(file) : -1;
}

/* bpf(2) is allowed: the kernel gets as far as the bad descriptor. */
static int use_map(void)
{
	union bpf_attr attr = { .map_fd = 99 };

	return syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) < 0 && errno == EBADF ?
	       0 : -1;
}

static int ask_interface(void)
{
	return if_nametoindex("lo") ? 0 : -1;
}

static int use_memory(void)
{
	char *p = malloc(8 << 20);

	if (!p)
		return -1;
	memset(p, 1, 8 << 20);
	p = realloc(p, 64 << 20);
	free(p);
	return p ? 0 : -1;
}

static void test_allowed(void **state)
{
	assert_int_equal(confined(read_file), 0);
	assert_int_equal(confined(use_map), 0);
	assert_int_equal(confined(ask_interface), 0);
	assert_int_equal(confined(use_memory), 0);
}

/* A failed assertion ends with SIGABRT, not in a loop. */
static int try_abort(void)
{
	abort();
}

static void test_abort_ends_it(void **state)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		freopen("/dev/null", "w", stderr);
		if (!sp_confine())
			try_abort();
		_exit(200);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_loads_no_program),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_abort_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

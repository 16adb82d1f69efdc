// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * confine.c - the stages in which the daemon gives up privileges
 *
 * 1. Before: root. Should load and pin programs, open raw sockets and the control socket.
 * 2. No capabilities. Should use open maps, programs and sockets, read files of root, pin and unpin
 *    in state_dir. Must not mount, load programs, open raw sockets, or change processes and files
 *    of other users.
 * 3. Only the system calls in the table. Must not start programs, write to files, map executable
 *    memory, or use sockets of other families.
 *
 * Other calls fail with ENOSYS: libraries have fallbacks for kernels that lack a call.
 */
#include "node/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define TYPE_MASK	0xf	/* of a socket: without SOCK_CLOEXEC and SOCK_NONBLOCK */
#define WRITES		(O_ACCMODE | O_CREAT | O_TRUNC)

struct rule {
	int			call;
	unsigned int		count;
	struct scmp_arg_cmp	args[2];
};

#define CALL(name)		{ .call = SCMP_SYS(name) }
#define IOCTL(request)		{ SCMP_SYS(ioctl), 1, { { 1, SCMP_CMP_EQ, request, 0 } } }
#define WITHOUT(name, arg, bits) { SCMP_SYS(name), 1, { { arg, SCMP_CMP_MASKED_EQ, bits, 0 } } }
#define SOCKET(family, type) \
	{ SCMP_SYS(socket), 2, { { 0, SCMP_CMP_EQ, family, 0 }, { 1, SCMP_CMP_MASKED_EQ, TYPE_MASK, type } } }

static const struct rule allowed[] = {
	/* packets, connections, maps; attaching to an interface that a reload adds */
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(epoll_ctl),
	CALL(sendmmsg),
	CALL(read),
	CALL(write),
	CALL(close),
	CALL(bpf), /* any command: without capabilities the kernel loads no program */
	/*
	 * the control socket, the service manager, servers of the store, queries about interfaces
	 */
	CALL(accept4),
	CALL(connect),
	CALL(bind),
	CALL(getsockname),
	CALL(getpeername),
	CALL(getsockopt),
	CALL(setsockopt),
	CALL(shutdown),
	CALL(sendmsg),
	CALL(recvmsg),
	CALL(recvmmsg),
	CALL(sendto),
	CALL(recvfrom),
	CALL(writev),
	CALL(readv),
	CALL(fcntl),
	CALL(poll),
	CALL(ppoll),
	SOCKET(AF_UNIX, SOCK_DGRAM),
	SOCKET(AF_UNIX, SOCK_STREAM),
	SOCKET(AF_INET, SOCK_DGRAM),
	SOCKET(AF_INET6, SOCK_DGRAM),
	SOCKET(AF_INET, SOCK_STREAM),
	SOCKET(AF_INET6, SOCK_STREAM),
	IOCTL(FIONBIO),
	IOCTL(FIOCLEX),
	IOCTL(FIONREAD),
	IOCTL(SIOCGIFMTU),
	IOCTL(SIOCGIFINDEX),
	IOCTL(SIOCGIFHWADDR),
	/* directories of files that hold backends */
	CALL(inotify_add_watch),
	/* files to read; the control socket and pins to remove */
	WITHOUT(openat, 2, WRITES),
	CALL(newfstatat),
	CALL(fstat),
	CALL(statx),
	CALL(lseek),
	CALL(getdents64),
	CALL(access),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(unlink),
	CALL(unlinkat),
	/* memory */
	WITHOUT(mmap, 2, PROT_EXEC),
	WITHOUT(mprotect, 2, PROT_EXEC),
	CALL(munmap),
	CALL(mremap),
	CALL(madvise),
	CALL(brk),
	/* the process itself */
	CALL(clock_gettime),
	CALL(gettimeofday),
	CALL(time),
	CALL(clock_nanosleep),
	CALL(nanosleep),
	CALL(getrandom),
	CALL(futex),
	CALL(restart_syscall),
	CALL(sched_yield),
	CALL(getpid),
	CALL(gettid),
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
	CALL(rt_sigreturn),
	CALL(rt_sigprocmask),
	CALL(rt_sigaction),
	CALL(sigaltstack),
	CALL(exit),
	CALL(exit_group),
};

static int drop_capabilities(void)
{
	cap_t none = cap_init();
	int err;

	if (!none)
		return -ENOMEM;
	err = cap_set_proc(none) ? -errno : 0;
	cap_free(none);
	return err;
}

static int restrict_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int err = filter ? 0 : -ENOMEM;

	/* a tree instead of a list: some calls are made for each connection */
	err = err ?: seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (unsigned int i = 0; !err && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, allowed[i].call,
					     allowed[i].count, allowed[i].args);
	/* abort() */
	err = err
		      ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
					  SCMP_A0(SCMP_CMP_EQ, getpid()));
	err = err ?: seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int sp_confine(void)
{
	return drop_capabilities() ?: restrict_calls();
}

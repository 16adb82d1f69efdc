// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * confine.c - the limits of spliced-check, a reader of backends' bytes. The daemon has started the
 * program as an unprivileged user (src/node/starter.c).
 *
 * 1. No new privileges by a program, no core, no file written, no further process.
 * 2. The system calls in the table fail with EPERM. A list of allowed calls would depend on the
 *    versions of libcurl and OpenSSL.
 */
#include "check/confine.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const int denied[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork),
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(kill), SCMP_SYS(tkill), SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(mount), SCMP_SYS(umount2),
	SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(pivot_root),
	SCMP_SYS(chroot), SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(keyctl), SCMP_SYS(add_key),
	SCMP_SYS(request_key), SCMP_SYS(init_module), SCMP_SYS(finit_module),
	SCMP_SYS(kexec_load), SCMP_SYS(listen), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(rename), SCMP_SYS(renameat2), SCMP_SYS(chmod), SCMP_SYS(fchmodat),
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(symlinkat), SCMP_SYS(linkat),
};

static int deny_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int err = filter ? 0 : -ENOMEM;

	for (unsigned int i = 0; !err && i < sizeof(denied) / sizeof(denied[0]); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
	err = err ?: seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

/* The service manager may have forbidden this call; the other stages hold without it. */
static void limit_resources(void)
{
	static const int limits[] = { RLIMIT_NPROC, RLIMIT_FSIZE, RLIMIT_CORE };
	struct rlimit none = { 0, 0 };

	for (unsigned int i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		setrlimit(limits[i], &none);
}

int sp_check_confine(void)
{
	limit_resources();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	return deny_calls();
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "datapath/kernel.h"

#include <errno.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"

#define KERNEL_TYPES	"/sys/kernel/btf/vmlinux"

/*
 * Load a program to find out: net.core.bpf_jit_enable can't be read in a network namespace. Return:
 * 1 also if the program can't be loaded.
 */
static int has_jit(void)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "sp_nothing", "GPL", nothing, 2, NULL);
	int err = fd < 0 ? fd : bpf_obj_get_info_by_fd(fd, &info, &len);

	if (fd >= 0)
		close(fd);
	return err || info.jited_prog_len;
}

int sp_kernel_check(const char *program)
{
	struct utsname host = {};

	uname(&host);
	if (!libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_loop, NULL)) {
		log_err("%s needs Linux 6.1 or later; this is %s, without bpf_loop()", program,
			host.release);
		return -EOPNOTSUPP;
	}
	if (!has_jit()) {
		log_err("%s needs the kernel's JIT compiler for BPF; this kernel has none, or net.core.bpf_jit_enable=0: "
			"set it to 1", program);
		return -EOPNOTSUPP;
	}
	return 0;
}

const char *sp_kernel_remedy(int err)
{
	if (err == -EPERM)
		return "start it as root, or with CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW";
	if (access(KERNEL_TYPES, R_OK))
		return "it has no " KERNEL_TYPES ": build it with CONFIG_DEBUG_INFO_BTF";
	return "--verbose shows its log";
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tcx.c - our program in an interface's chain
 *
 * Theory of operation
 *
 * A program that does not return "next" ends the chain, so ours must be the first. Packets left
 * alone by our program go to the next program. Querying a chain needs CAP_NET_ADMIN, which the
 * daemon gives up after the start (confine.c). After that, an attempt to attach the program once
 * more shows whether the chain is unchanged. With the known revision, the kernel refuses by EEXIST;
 * if a program was added or removed since, by ESTALE.
 */
#include "datapath/tcx.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/log.h"
#include "base/warnings.h"

/* Debian 12's headers lack these. */
#define TCX_INGRESS	46
#define TCX_EGRESS	47
#define FIRST		(1U << 3)	/* BPF_F_BEFORE without a named program: before all */

#define CHAIN_MAX	64		/* of the kernel: BPF_MPROG_MAX */
#define REVISIONS_TRIED	256

/* Layout of union bpf_attr. */
struct attach_attr {
	__u32	ifindex, prog_fd, type, flags, replace_fd, relative_fd;
	__u64	revision;
};

struct query_attr {
	__u32	ifindex, type, query_flags, attach_flags;
	__u64	prog_ids;
	__u32	count, pad;
	__u64	prog_flags, link_ids, link_flags, revision;
};

struct chain {
	__u32	progs[CHAIN_MAX], links[CHAIN_MAX];
	__u32	count;
	__u64	revision;
};

static __u32 attach_type(const struct sp_tcx *t)
{
	return t->is_out ? TCX_EGRESS : TCX_INGRESS;
}

static int query_chain(const struct sp_tcx *t, struct chain *chain)
{
	struct query_attr attr = {
		.ifindex = t->ifindex, .type = attach_type(t), .count = CHAIN_MAX,
		.prog_ids = (__u64)(uintptr_t)chain->progs,
		.link_ids = (__u64)(uintptr_t)chain->links,
	};

	if (syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof(attr)))
		return -errno;
	chain->count = attr.count < CHAIN_MAX ? attr.count : CHAIN_MAX;
	chain->revision = attr.revision;
	return 0;
}

/* Return: -EEXIST: the chain has this revision and our program; -ESTALE: another revision. */
static int probe_chain(const struct sp_tcx *t, __u64 revision)
{
	struct attach_attr attr = {
		.ifindex = t->ifindex, .prog_fd = t->prog_fd, .type = attach_type(t),
		.revision = revision,
	};

	return syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) ? -errno : 0;
}

/* Each change of the chain adds one. */
static __u64 find_revision(const struct sp_tcx *t)
{
	__u64 from = t->revision ?: 1;

	for (__u64 r = from; r < from + REVISIONS_TRIED; r++)
		if (probe_chain(t, r) == -EEXIST)
			return r;
	return 0;
}

static int link_info(int fd, struct bpf_link_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &len);
}

static int program_info(__u32 id, struct bpf_prog_info *info)
{
	__u32 len = sizeof(*info);
	int fd = bpf_prog_get_fd_by_id(id), err;

	memset(info, 0, sizeof(*info));
	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, info, &len);
	close(fd);
	return err;
}

static int is_ours_by_name(const char *name)
{
	return !strcmp(name, "sp_ingress") || !strcmp(name, "sp_egress") ||
	       !strncmp(name, "sp_agent_", 9);
}

static void warn_of_program(const struct sp_tcx *t, __u32 id, int is_before, __u64 now_ns)
{
	struct bpf_prog_info info;
	char object[SP_WARNING_OBJECT_MAX];

	if (program_info(id, &info))
		return;
	snprintf(object, sizeof(object), "%s %u", t->interface, id);
	if (is_ours_by_name(info.name))
		sp_warn(SP_WARNING_OLDER_PROGRAM, now_ns, object,
			"interface %s: a program of another spliced is "
			"attached, too (%s, id %u): of another state_dir, or of one that has ended; connections that "
			"it has spliced don't go on", t->interface, info.name, id);
	else if (is_before)
		sp_warn(SP_WARNING_FOREIGN_PROGRAM, now_ns, object,
			"interface %s: another program stands before ours "
			"(%s, id %u): packets that it takes never reach spliced", t->interface,
				info.name, id);
	else
		log_info("interface %s: program %s (id %u) stands behind ours and gets the packets that ours leaves alone",
			 t->interface, info.name, id);
}

static __u32 program_id(int prog_fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(prog_fd, &info, &len) ? 0 : info.id;
}

static void inspect_chain(struct sp_tcx *t, __u64 now_ns)
{
	__u32 own = program_id(t->prog_fd);
	int is_before = 1;
	struct chain chain;

	if (query_chain(t, &chain))
		return;
	t->revision = chain.revision;
	for (__u32 i = 0; i < chain.count; i++) {
		if (chain.progs[i] == own)
			is_before = 0;
		else
			warn_of_program(t, chain.progs[i], is_before, now_ns);
	}
}

/* Without the right to query, assume the first place. */
static int is_first(const struct sp_tcx *t, int link_fd)
{
	struct bpf_link_info info;
	struct chain chain;

	if (link_info(link_fd, &info) || query_chain(t, &chain))
		return 1;
	return !chain.count || chain.links[0] == info.id;
}

static int create_link(const struct sp_tcx *t)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = FIRST);
	int fd = bpf_link_create(t->prog_fd, t->ifindex, attach_type(t), &opts), err;

	if (fd < 0)
		return fd;
	unlink(t->path);	/* unlinking detaches an older link */
	err = bpf_obj_pin(fd, t->path);
	close(fd);
	return err;
}

int sp_tcx_attach(struct sp_tcx *t, __u64 now_ns)
{
	int fd = bpf_obj_get(t->path), err = -ENOENT;

	if (fd >= 0 && is_first(t, fd))
		err = bpf_link_update(fd, t->prog_fd, NULL);
	/* else the interface is a new one of the same name, or another program is before ours */
	if (err)
		err = create_link(t);
	if (fd >= 0)
		close(fd);
	if (!err)
		inspect_chain(t, now_ns);
	return err;
}

int sp_tcx_check(struct sp_tcx *t)
{
	int fd = bpf_obj_get(t->path), err = fd < 0 ? fd : 0, is_there;
	struct bpf_link_info info;

	err = err ?: link_info(fd, &info);
	/* the first word of the union for links of an interface */
	is_there = !err && info.xdp.ifindex == t->ifindex;
	if (fd >= 0)
		close(fd);
	if (!is_there)
		return -ENOLINK;
	if (!t->revision)
		t->revision = find_revision(t);
	return t->revision && probe_chain(t, t->revision) == -ESTALE ? -ESTALE : 0;
}

int sp_tcx_to_front(struct sp_tcx *t)
{
	int fd = bpf_obj_get(t->path), err;

	if (fd < 0)
		return fd;
	err = bpf_link_detach(fd);
	close(fd);
	err = err ?: create_link(t);
	if (!err)
		t->revision = find_revision(t);
	return err;
}

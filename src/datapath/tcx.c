// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation
 *
 * The first program that answers anything but "next" ends the chain, so we must be the first; what we leave alone goes
 * to the others as before. Who is in a chain may be asked with CAP_NET_ADMIN alone, which is given up after the start
 * (confine.c). From then on one thing is known all the same: to attach the very program that is there already, to a
 * chain of the revision that we know, is refused with EEXIST; if anybody has come or gone since, with ESTALE.
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

/* All younger than Debian 12's headers. */
#define TCX_INGRESS	46
#define TCX_EGRESS	47
#define FIRST		(1U << 3)	/* BPF_F_BEFORE, and nobody named */

#define CHAIN_MAX	64		/* of the kernel: BPF_MPROG_MAX */
#define REVISIONS_TRIED	256

/* As in union bpf_attr. */
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

static __u32 type_of(const struct sp_tcx *t)
{
	return t->is_out ? TCX_EGRESS : TCX_INGRESS;
}

static int query(const struct sp_tcx *t, struct chain *chain)
{
	struct query_attr attr = {
		.ifindex = t->ifindex, .type = type_of(t), .count = CHAIN_MAX,
		.prog_ids = (__u64)(uintptr_t)chain->progs, .link_ids = (__u64)(uintptr_t)chain->links,
	};

	if (syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof(attr)))
		return -errno;
	chain->count = attr.count < CHAIN_MAX ? attr.count : CHAIN_MAX;
	chain->revision = attr.revision;
	return 0;
}

/* Return: -EEXIST: that is its revision, and we are in it; -ESTALE: it has another one. */
static int probe(const struct sp_tcx *t, __u64 revision)
{
	struct attach_attr attr = {
		.ifindex = t->ifindex, .prog_fd = t->prog_fd, .type = type_of(t), .revision = revision,
	};

	return syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) ? -errno : 0;
}

/* Each change adds one. */
static __u64 find_revision(const struct sp_tcx *t)
{
	__u64 from = t->revision ?: 1;

	for (__u64 r = from; r < from + REVISIONS_TRIED; r++)
		if (probe(t, r) == -EEXIST)
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
	return !strcmp(name, "sp_ingress") || !strcmp(name, "sp_egress") || !strncmp(name, "sp_agent_", 9);
}

static void warn_of(const struct sp_tcx *t, __u32 id, int is_before, __u64 now_ns)
{
	struct bpf_prog_info info;
	char object[SP_WARNING_OBJECT_MAX];

	if (program_info(id, &info))
		return;
	snprintf(object, sizeof(object), "%s %u", t->interface, id);
	if (is_ours_by_name(info.name))
		sp_warn(SP_WARNING_OLDER_PROGRAM, now_ns, object, "interface %s: a program of another spliced is attached, too "
			"(%s, id %u): of another state_dir, or of one that has ended; connections that it has spliced don't "
			"go on", t->interface, info.name, id);
	else if (is_before)
		sp_warn(SP_WARNING_FOREIGN_PROGRAM, now_ns, object, "interface %s: another program stands in front of ours (%s, "
			"id %u): what it takes never comes to spliced", t->interface, info.name, id);
	else
		log_info("interface %s: program %s (id %u) stands behind ours, and gets what we leave alone", t->interface,
			 info.name, id);
}

static __u32 program_id(int prog_fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(prog_fd, &info, &len) ? 0 : info.id;
}

static void look(struct sp_tcx *t, __u64 now_ns)
{
	__u32 own = program_id(t->prog_fd);
	int is_before = 1;
	struct chain chain;

	if (query(t, &chain))
		return;
	t->revision = chain.revision;
	for (__u32 i = 0; i < chain.count; i++) {
		if (chain.progs[i] == own)
			is_before = 0;
		else
			warn_of(t, chain.progs[i], is_before, now_ns);
	}
}

/* Whoever may not ask takes it for the first. */
static int is_first(const struct sp_tcx *t, int link_fd)
{
	struct bpf_link_info info;
	struct chain chain;

	if (link_info(link_fd, &info) || query(t, &chain))
		return 1;
	return !chain.count || chain.links[0] == info.id;
}

static int create(const struct sp_tcx *t)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = FIRST);
	int fd = bpf_link_create(t->prog_fd, t->ifindex, type_of(t), &opts), err;

	if (fd < 0)
		return fd;
	unlink(t->path);	/* an older one has come to its end with that */
	err = bpf_obj_pin(fd, t->path);
	close(fd);
	return err;
}

int sp_tcx_attach(struct sp_tcx *t, __u64 now_ns)
{
	int fd = bpf_obj_get(t->path), err = -ENOENT;

	if (fd >= 0 && is_first(t, fd))
		err = bpf_link_update(fd, t->prog_fd, NULL);
	/* else the interface is another one of the same name, or somebody stands before us */
	if (err)
		err = create(t);
	if (fd >= 0)
		close(fd);
	if (!err)
		look(t, now_ns);
	return err;
}

int sp_tcx_check(struct sp_tcx *t)
{
	int fd = bpf_obj_get(t->path), err = fd < 0 ? fd : 0, is_there;
	struct bpf_link_info info;

	err = err ?: link_info(fd, &info);
	/* the union of links by their interface: its first word, whatever the headers call it */
	is_there = !err && info.xdp.ifindex == t->ifindex;
	if (fd >= 0)
		close(fd);
	if (!is_there)
		return -ENOLINK;
	if (!t->revision)
		t->revision = find_revision(t);
	return t->revision && probe(t, t->revision) == -ESTALE ? -ESTALE : 0;
}

int sp_tcx_to_front(struct sp_tcx *t)
{
	int fd = bpf_obj_get(t->path), err;

	if (fd < 0)
		return fd;
	err = bpf_link_detach(fd);
	close(fd);
	err = err ?: create(t);
	if (!err)
		t->revision = find_revision(t);
	return err;
}

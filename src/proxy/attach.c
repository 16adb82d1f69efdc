// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation
 *
 * A tcx link (Linux 6.6) is pinned as "link_INTERFACE" and detaches when that
 * pin goes. A clsact filter belongs to its interface, and no pin holds it:
 * the program is pinned as "tc_INTERFACE" to tell where there is one, at
 * PRIORITY and HANDLE. The clsact qdisc stays: it may be shared, and costs
 * nothing while it is empty.
 *
 * Egress, where an agent has its other program, is "linkout_" and "tcout_".
 *
 * A way is given up only when the other one has taken its place. Meanwhile
 * both run, which harms nothing: a packet of ours never gets to the second.
 */
#include "attach.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"

/* BPF_TCX_INGRESS and BPF_TCX_EGRESS, younger than Debian 12's headers */
#define TCX_INGRESS	46
#define TCX_EGRESS	47
#define PRIORITY	1	/* as tcx: before whatever else filters */
#define HANDLE		0x5350
#define PIN_MAX		(IFNAMSIZ + 8)
#define PATH_LEN	600

enum way { TCX, CLSACT, TCX_OUT, CLSACT_OUT, WAY_COUNT };

static const char *const prefixes[] = {
	[TCX] = "link_", [CLSACT] = "tc_", [TCX_OUT] = "linkout_", [CLSACT_OUT] = "tcout_",
};

/* A bpffs has no dots in names, and interfaces no colons. */
static void swap(char *name, char from, char to)
{
	for (; *name; name++)
		if (*name == from)
			*name = to;
}

static void pin_name(char name[PIN_MAX], enum way way, const char *interface)
{
	snprintf(name, PIN_MAX, "%s%s", prefixes[way], interface);
	swap(name, '.', ':');
}

/* Return: whether it is a pin of this way, and then of which interface. */
static int pin_parse(const char *name, enum way way, char interface[IFNAMSIZ])
{
	size_t len = strlen(prefixes[way]);

	if (strncmp(name, prefixes[way], len))
		return 0;
	snprintf(interface, IFNAMSIZ, "%s", name + len);
	swap(interface, ':', '.');
	return 1;
}

static int attach_tcx(const char *path, unsigned int ifindex, int prog_fd, int is_out)
{
	int fd = bpf_obj_get(path), err;

	if (fd >= 0) {
		err = bpf_link_update(fd, prog_fd, NULL);
		close(fd);
		if (!err)
			return 0;
		unlink(path);	/* the interface is another one of the same name */
	}
	fd = bpf_link_create(prog_fd, ifindex, is_out ? TCX_EGRESS : TCX_INGRESS, NULL);
	if (fd < 0)
		return fd;
	err = bpf_obj_pin(fd, path);
	close(fd);
	return err;
}

static int attach_clsact(const char *path, unsigned int ifindex, int prog_fd, int is_out)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = is_out ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY, .prog_fd = prog_fd,
		    .flags = BPF_TC_F_REPLACE);
	libbpf_print_fn_t print = libbpf_set_print(NULL);	/* that the qdisc is there already is no news */
	int err = bpf_tc_hook_create(&hook);

	libbpf_set_print(print);
	if (err && err != -EEXIST)
		return err;
	/* first the pin: what nothing tells of would never be detached */
	unlink(path);
	return bpf_obj_pin(prog_fd, path) ?: bpf_tc_attach(&hook, &opts);
}

static int detach_clsact(const char *interface, int is_out)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = if_nametoindex(interface),
		    .attach_point = is_out ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY);
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	int is_there = hook.ifindex && !bpf_tc_query(&hook, &opts);

	libbpf_set_print(print);
	if (!is_there)
		return 0;	/* gone, with its interface or its qdisc */
	opts.prog_fd = opts.prog_id = opts.flags = 0;
	return bpf_tc_detach(&hook, &opts);
}

int sp_unpin(int dir_fd, const char *name)
{
	char interface[IFNAMSIZ];
	int err = 0;

	if (pin_parse(name, CLSACT, interface))
		err = detach_clsact(interface, 0);
	else if (pin_parse(name, CLSACT_OUT, interface))
		err = detach_clsact(interface, 1);

	if (!err && unlinkat(dir_fd, name, 0))
		err = -errno;
	return err;
}

/* @way: TCX or CLSACT; becomes what it is called at egress */
static enum way named_way(enum way way, int is_out)
{
	return is_out ? way + TCX_OUT : way;
}

static int attach_by(enum way way, const char *dir, const char *interface, unsigned int ifindex, int prog_fd,
		     int is_out)
{
	char name[PIN_MAX], path[PATH_LEN];

	pin_name(name, named_way(way, is_out), interface);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return way == TCX ? attach_tcx(path, ifindex, prog_fd, is_out) : attach_clsact(path, ifindex, prog_fd, is_out);
}

static int is_clsact_wanted(void)
{
	const char *way = getenv("SPLICED_ATTACH");

	return way && !strcmp(way, "clsact");
}

/* Once one way is taken, the other one is given up. */
static int take(enum way way, const char *dir, const char *interface, unsigned int ifindex, int prog_fd, int dir_fd,
		int is_out)
{
	int err = attach_by(way, dir, interface, ifindex, prog_fd, is_out);
	char name[PIN_MAX];

	pin_name(name, named_way(way == TCX ? CLSACT : TCX, is_out), interface);
	if (!err && !faccessat(dir_fd, name, F_OK, 0))
		err = sp_unpin(dir_fd, name);
	return err;
}

static int attach(const char *dir, const char *interface, int prog_fd, int dir_fd, int is_out)
{
	unsigned int ifindex = if_nametoindex(interface);
	int err = -EOPNOTSUPP;

	if (!ifindex)
		return -errno;
	if (!is_clsact_wanted())
		err = take(TCX, dir, interface, ifindex, prog_fd, dir_fd, is_out);
	/* -EINVAL: a kernel that has never heard of tcx */
	if (err != -EINVAL && err != -EOPNOTSUPP)
		return err;
	log_info("interface %s: not by tcx, so by clsact", interface);
	return take(CLSACT, dir, interface, ifindex, prog_fd, dir_fd, is_out);
}

static int is_configured(const struct sp_config *config, const char *interface)
{
	for (size_t i = 0; i < config->interface_count; i++)
		if (!strcmp(config->interfaces[i], interface))
			return 1;
	return 0;
}

static int is_left_over(const char *name, const struct sp_config *config)
{
	char interface[IFNAMSIZ];

	for (enum way way = 0; way < WAY_COUNT; way++)
		if (pin_parse(name, way, interface))
			return !is_configured(config, interface);
	return 0;
}

static void sweep(DIR *dir, const struct sp_config *config)
{
	struct dirent *entry;

	while ((entry = readdir(dir)))
		if (is_left_over(entry->d_name, config))
			sp_unpin(dirfd(dir), entry->d_name);
}

int sp_attach(const char *path, const struct sp_config *config, int in_fd, int out_fd)
{
	DIR *dir = opendir(path);
	int err = 0;

	if (!dir)
		return -errno;
	for (size_t i = 0; !err && i < config->interface_count; i++) {
		err = attach(path, config->interfaces[i], in_fd, dirfd(dir), 0);
		if (!err && out_fd >= 0)
			err = attach(path, config->interfaces[i], out_fd, dirfd(dir), 1);
		if (err)
			log_err_errno(err, "interface %s: can't attach the datapath", config->interfaces[i]);
	}
	if (!err)
		sweep(dir, config);
	closedir(dir);
	return err;
}

int sp_attach_is_by_clsact(const char *path)
{
	DIR *dir = opendir(path);
	char interface[IFNAMSIZ];
	struct dirent *entry;
	int is = 0;

	while (dir && !is && (entry = readdir(dir)))
		is = pin_parse(entry->d_name, CLSACT, interface) || pin_parse(entry->d_name, CLSACT_OUT, interface);
	if (dir)
		closedir(dir);
	return is;
}

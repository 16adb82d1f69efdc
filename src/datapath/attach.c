// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * attach.c - the programs at interfaces
 *
 * Theory of operation
 *
 * A tcx link (Linux 6.6, tcx.c) is pinned as "link_INTERFACE" and is detached when the pin is
 * removed. A clsact filter belongs to its interface, and no pin holds the filter. The pin
 * "tc_INTERFACE" of its program only shows that a filter exists, at PRIORITY and HANDLE. The clsact
 * qdisc stays: other filters may use it, and an empty qdisc costs nothing.
 *
 * An agent's second program, at egress, is pinned as "linkout_" and "tcout_".
 *
 * A change between tcx and clsact attaches the new way first. For a moment both programs run. This
 * is harmless, because our packets never reach the second program.
 */
#include "datapath/attach.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/log.h"
#include "datapath/filters.h"
#include "datapath/tcx.h"
#include "base/warnings.h"

#define PRIORITY	1	/* before other filters, like tcx */
#define HANDLE		0x5350
#define LOOK_NS		10000000000ULL
/* two programs that want to be first take turns no faster */
#define FRONT_AGAIN_NS	10000000000ULL
#define PIN_MAX		(IFNAMSIZ + 8)
#define PATH_LEN	600

enum way { TCX, CLSACT, TCX_OUT, CLSACT_OUT, WAY_COUNT };

static const char *const prefixes[] = {
	[TCX] = "link_", [CLSACT] = "tc_", [TCX_OUT] = "linkout_", [CLSACT_OUT] = "tcout_",
};

/* Names in a bpffs have no dots, names of interfaces no colons. */
static void swap_chars(char *name, char from, char to)
{
	for (; *name; name++)
		if (*name == from)
			*name = to;
}

static void pin_name(char name[PIN_MAX], enum way way, const char *interface)
{
	snprintf(name, PIN_MAX, "%s%s", prefixes[way], interface);
	swap_chars(name, '.', ':');
}

/* Return: whether @name is a pin of @way; then @interface is set. */
static int pin_parse(const char *name, enum way way, char interface[IFNAMSIZ])
{
	size_t len = strlen(prefixes[way]);

	if (strncmp(name, prefixes[way], len))
		return 0;
	snprintf(interface, IFNAMSIZ, "%s", name + len);
	swap_chars(interface, ':', '.');
	return 1;
}

static int attach_clsact(const char *path, unsigned int ifindex, int prog_fd, int is_out)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = is_out ? BPF_TC_EGRESS :
		    BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY, .prog_fd = prog_fd,
		    .flags = BPF_TC_F_REPLACE);
	libbpf_print_fn_t print = libbpf_set_print(NULL);	/* an existing qdisc is no error */
	int err = bpf_tc_hook_create(&hook);

	libbpf_set_print(print);
	if (err && err != -EEXIST)
		return err;
	/* the pin first: a filter without a pin would never be detached */
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
		return 0;	/* the interface or the qdisc was deleted */
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

/* @way: TCX or CLSACT. Return: the way of this direction's pins. */
static enum way pin_way(enum way way, int is_out)
{
	return is_out ? way + TCX_OUT : way;
}

static int attach_by(enum way way, const char *dir, const char *interface, unsigned int ifindex,
		     int prog_fd,
		     int is_out)
{
	char name[PIN_MAX], path[PATH_LEN];

	pin_name(name, pin_way(way, is_out), interface);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (way == CLSACT)
		return attach_clsact(path, ifindex, prog_fd, is_out);
	return sp_tcx_attach(&(struct sp_tcx){ .interface = interface, .path = path,
					       .ifindex = ifindex,
					       .prog_fd = prog_fd, .is_out = is_out }, sp_now_ns());
}

static int is_clsact_wanted(void)
{
	const char *way = getenv("SPLICED_ATTACH");

	return way && !strcmp(way, "clsact");
}

/* Attach by @way, then detach the old way. */
static int switch_to(enum way way, const char *dir, const char *interface, unsigned int ifindex,
		     int prog_fd, int dir_fd,
		int is_out)
{
	int err = attach_by(way, dir, interface, ifindex, prog_fd, is_out);
	char name[PIN_MAX];

	pin_name(name, pin_way(way == TCX ? CLSACT : TCX, is_out), interface);
	if (!err && !faccessat(dir_fd, name, F_OK, 0))
		err = sp_unpin(dir_fd, name);
	return err;
}

/* Only packets with an Ethernet header are handled. */
static int check_link_type(const char *interface)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	err = ioctl(fd, SIOCGIFHWADDR, &request) ? -errno : 0;
	close(fd);
	if (err || request.ifr_hwaddr.sa_family == ARPHRD_ETHER ||
	    request.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK)
		return err;
	log_err("interface %s: its packets have no Ethernet header (link type %u: tun, WireGuard, ipip, gre and "
		"the like); spliced can't work there", interface, request.ifr_hwaddr.sa_family);
	return -EPROTONOSUPPORT;
}

/* Each direction has its own warning. */
static void warn_of_filter(const char *interface, unsigned int ifindex, int is_out, __u64 now_ns)
{
	__u32 handle = sp_filters_in_front(ifindex, is_out, PRIORITY, HANDLE);
	char object[SP_WARNING_OBJECT_MAX];

	snprintf(object, sizeof(object), "%s%s", interface, is_out ? " egress" : "");
	if (handle)
		sp_warn(SP_WARNING_FOREIGN_PROGRAM, now_ns, object,
			"interface %s: another filter stands in front of ours (priority %d, "
			"handle 0x%x): what it takes never comes to spliced", object, PRIORITY,
				handle);
	else
		sp_warn_over(SP_WARNING_FOREIGN_PROGRAM, object);
}

static int attach_program(const char *dir, const char *interface, int prog_fd, int dir_fd,
			  int is_out)
{
	unsigned int ifindex = if_nametoindex(interface);
	int err;

	if (!ifindex)
		return -errno;
	err = check_link_type(interface);
	if (err)
		return err;
	err = -EOPNOTSUPP;
	if (!is_clsact_wanted())
		err = switch_to(TCX, dir, interface, ifindex, prog_fd, dir_fd, is_out);
	/* -EINVAL: a kernel before tcx */
	if (err != -EINVAL && err != -EOPNOTSUPP)
		return err;
	log_info("interface %s: the kernel has no tcx, attaching by clsact", interface);
	err = switch_to(CLSACT, dir, interface, ifindex, prog_fd, dir_fd, is_out);
	if (!err)
		warn_of_filter(interface, ifindex, is_out, sp_now_ns());
	return err;
}

static int is_configured(const struct sp_config *config, const char *interface)
{
	for (size_t i = 0; i < config->interface_count; i++)
		if (!strcmp(config->interfaces[i], interface))
			return 1;
	return 0;
}

static int is_by_tcx(enum way way)
{
	return way == TCX || way == TCX_OUT;
}

/* Return: whether to unpin now. A clsact filter can't be removed later, without capabilities. */
static int is_left_over(const char *name, const struct sp_config *config,
			struct sp_leavings *leavings)
{
	char interface[IFNAMSIZ];

	for (enum way way = 0; way < WAY_COUNT; way++)
		if (pin_parse(name, way, interface))
			return !is_configured(config, interface) &&
			       (!leavings || !is_by_tcx(way) ||
				sp_leaving_add(leavings, config, interface, sp_now_ns()));
	return 0;
}

static void unpin_left_over(DIR *dir, const struct sp_config *config, struct sp_leavings *leavings)
{
	struct dirent *entry;

	while ((entry = readdir(dir)))
		if (is_left_over(entry->d_name, config, leavings))
			sp_unpin(dirfd(dir), entry->d_name);
}

void sp_attach_let_go(const char *path, struct sp_leavings *leavings, __s64 oldest_s, __s64 walk_s)
{
	const struct sp_leaving *one;
	char name[PIN_MAX], file[PATH_LEN];

	while ((one = sp_leaving_next(leavings, oldest_s, walk_s))) {
		for (enum way way = TCX; way <= TCX_OUT; way += TCX_OUT - TCX) {
			pin_name(name, way, one->interface);
			snprintf(file, sizeof(file), "%s/%s", path, name);
			unlink(file);
		}
		log_info("interface %s: detached, its last connection has ended", one->interface);
		sp_leaving_remove(leavings, one->interface);
	}
}

static int is_pinned(int dir_fd, const char *interface)
{
	char name[PIN_MAX];

	for (enum way way = 0; way < WAY_COUNT; way++) {
		pin_name(name, way, interface);
		if (!faccessat(dir_fd, name, F_OK, 0))
			return 1;
	}
	return 0;
}

/* Detach the interfaces that were attached just now. */
static void detach_new(int dir_fd, const struct sp_config *config, __u64 are_new)
{
	char name[PIN_MAX];

	for (size_t i = 0; i < config->interface_count; i++)
		for (enum way way = 0; are_new >> i & 1 && way < WAY_COUNT; way++) {
			pin_name(name, way, config->interfaces[i]);
			if (!faccessat(dir_fd, name, F_OK, 0))
				sp_unpin(dir_fd, name);
		}
}

int sp_attach(const char *path, const struct sp_config *config, int in_fd, int out_fd,
	      struct sp_leavings *leavings)
{
	DIR *dir = opendir(path);
	__u64 are_new = 0;
	int err = 0;

	_Static_assert(SP_CONFIG_INTERFACES_MAX <= 64, "a bit for each");
	if (!dir)
		return -errno;
	for (size_t i = 0; !err && i < config->interface_count; i++) {
		are_new |= (__u64)!is_pinned(dirfd(dir), config->interfaces[i]) << i;
		err = attach_program(path, config->interfaces[i], in_fd, dirfd(dir), 0);
		if (!err && out_fd >= 0)
			err = attach_program(path, config->interfaces[i], out_fd, dirfd(dir), 1);
		if (err)
			log_err_errno(err, "interface %s: can't attach the datapath",
				      config->interfaces[i]);
		else if (leavings)
			sp_leaving_remove(leavings, config->interfaces[i]);
	}
	if (err)
		detach_new(dirfd(dir), config, are_new);
	else
		unpin_left_over(dir, config, leavings);
	closedir(dir);
	return err;
}

/* ---- while the daemon runs ---- */

static void warn_of_change(const struct sp_tcx *t, int err, __u64 now_ns)
{
	if (err)
		sp_warn(SP_WARNING_DETACHED, now_ns, t->interface,
			"interface %s: the datapath is not attached "
			"there, and can't be attached again: %s", t->interface, strerror(-err));
	else
		sp_warn(SP_WARNING_CHAIN_CHANGED, now_ns, t->interface,
			"interface %s: another program was attached or "
			"taken away (%s); ours has put itself in front again", t->interface,
			t->is_out ? "egress" : "ingress");
}

static int check_tcx(struct sp_tcx *t, struct sp_hook *hook, __u64 now_ns)
{
	int err;

	t->revision = hook->revision;
	err = sp_tcx_check(t);
	if (err == -ESTALE) {
		if (now_ns < hook->next_ns)
			return 0;
		hook->next_ns = now_ns + FRONT_AGAIN_NS;
		err = sp_tcx_to_front(t);
		warn_of_change(t, err, now_ns);
	} else if (err) {
		err = sp_tcx_attach(t, now_ns);
		if (err)
			warn_of_change(t, err, now_ns);
		else
			log_warn("interface %s: the datapath was not attached any more; it is again", t->interface);
	}
	hook->revision = t->revision;
	return err;
}

/*
 * A clsact filter goes with its interface. Attaching again needs capabilities that the daemon gave
 * up.
 */
static int check_clsact(const char *interface, unsigned int ifindex, int is_out,
			struct sp_hook *hook, __u64 now_ns)
{
	if (!hook->ifindex || hook->ifindex == ifindex) {
		warn_of_filter(interface, ifindex, is_out, now_ns);
		return 0;
	}
	sp_warn(SP_WARNING_DETACHED, now_ns, interface,
		"interface %s: created anew since spliced was started; with clsact, the "
		"datapath is attached again only by a restart", interface);
	return -ENOLINK;
}

static int check_hook(const char *dir, const char *interface, int prog_fd, int is_out,
		      struct sp_hook *hook,
		      __u64 now_ns)
{
	unsigned int ifindex = if_nametoindex(interface);
	struct sp_tcx t = { .interface = interface, .ifindex = ifindex, .prog_fd = prog_fd,
			    .is_out = is_out };
	char name[PIN_MAX], path[PATH_LEN];
	int err;

	if (!ifindex) {
		sp_warn(SP_WARNING_DETACHED, now_ns, interface, "interface %s: it is gone",
			interface);
		return -ENODEV;
	}
	if (ifindex == hook->ifindex && !hook->err && now_ns < hook->look_ns)
		return 0;
	hook->look_ns = now_ns + LOOK_NS;
	pin_name(name, pin_way(CLSACT, is_out), interface);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!access(path, F_OK)) {
		err = check_clsact(interface, ifindex, is_out, hook, now_ns);
	} else {
		pin_name(name, pin_way(TCX, is_out), interface);
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		t.path = path;
		err = check_tcx(&t, hook, now_ns);
	}
	if (!hook->ifindex || !err)
		hook->ifindex = ifindex;
	hook->err = err;
	return err;
}

const char *sp_attach_check(const char *path, const struct sp_config *config, int in_fd, int out_fd,
			    struct sp_hooks *hooks, __u64 now_ns)
{
	const char *missing = NULL;

	for (size_t i = 0; i < config->interface_count; i++) {
		const char *interface = config->interfaces[i];
		int err = check_hook(path, interface, in_fd, 0, &hooks->in[i], now_ns);

		if (!err && out_fd >= 0)
			err = check_hook(path, interface, out_fd, 1, &hooks->out[i], now_ns);
		if (err)
			missing = interface;
		else
			sp_warn_over(SP_WARNING_DETACHED, interface);
	}
	return missing;
}

int sp_attach_is_by_clsact(const char *path)
{
	DIR *dir = opendir(path);
	char interface[IFNAMSIZ];
	struct dirent *entry;
	int is = 0;

	while (dir && !is && (entry = readdir(dir)))
		is = pin_parse(entry->d_name, CLSACT, interface) ||
			pin_parse(entry->d_name, CLSACT_OUT, interface);
	if (dir)
		closedir(dir);
	return is;
}

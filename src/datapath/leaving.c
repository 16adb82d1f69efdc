// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "datapath/leaving.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>

#include "base/log.h"
#include "base/warnings.h"

#define SECOND_NS	1000000000LL

void sp_leaving_init(struct sp_leavings *l, int map_fd)
{
	__u32 ifindex;

	l->map_fd = map_fd;
	while (!bpf_map_get_next_key(map_fd, NULL, &ifindex) &&
	       !bpf_map_delete_elem(map_fd, &ifindex))
		;
}

static struct sp_leaving *find_leaving(struct sp_leavings *l, const char *interface)
{
	for (unsigned int i = 0; i < l->count; i++)
		if (!strcmp(l->of[i].interface, interface))
			return &l->of[i];
	return NULL;
}

/* A connection that has begun may take this long until its splice is made. */
static __s64 last_splice_s(const struct sp_config *config)
{
	return time(NULL) + (config->limits.head_ns + config->limits.connect_ns) / SECOND_NS + 1;
}

int sp_leaving_add(struct sp_leavings *l, const struct sp_config *config, const char *interface,
		   __u64 now_ns)
{
	__u32 ifindex = if_nametoindex(interface), yes = 1;
	struct sp_leaving *one;

	if (!ifindex)
		return -ENODEV;
	if (find_leaving(l, interface))
		return 0;
	if (l->count == SP_CONFIG_INTERFACES_MAX ||
	    bpf_map_update_elem(l->map_fd, &ifindex, &yes, BPF_ANY))
		return -ENOSPC;
	one = &l->of[l->count++];
	*one = (struct sp_leaving){ .ifindex = ifindex, .until_s = last_splice_s(config) };
	snprintf(one->interface, sizeof(one->interface), "%s", interface);
	sp_warn(SP_WARNING_LEAVING, now_ns, interface,
		"interface %s: removed from the configuration: it takes no new "
		"connections, and stays until those spliced before have ended", interface);
	return 0;
}

void sp_leaving_remove(struct sp_leavings *l, const char *interface)
{
	struct sp_leaving *one = find_leaving(l, interface);

	if (!one)
		return;
	bpf_map_delete_elem(l->map_fd, &one->ifindex);
	sp_warn_over(SP_WARNING_LEAVING, interface);
	*one = l->of[--l->count];
}

const struct sp_leaving *sp_leaving_next(const struct sp_leavings *l, __s64 oldest_s, __s64 walk_s)
{
	for (unsigned int i = 0; i < l->count; i++)
		if ((walk_s > l->of[i].until_s && oldest_s > l->of[i].until_s) ||
		    if_nametoindex(l->of[i].interface) != l->of[i].ifindex)
			return &l->of[i];
	return NULL;
}

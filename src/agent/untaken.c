// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* untaken.c - see untaken.h */
#include "agent/untaken.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/warnings.h"

#define FIRST_NS	60000000000ULL
#define LONGEST_NS	3600000000000ULL
#define LONGER		4	/* factor between two waits */
#define LINE_BYTES	8192

static int find_entry(const struct sp_untaken *u, const struct sp_endpoint *at)
{
	for (int i = 0; i < SP_MEMBER_OWNED_MAX; i++)
		if (u->of[i].until_ns && !sp_endpoint_compare(&u->of[i].at, at))
			return i;
	return -1;
}

/* The entry of @at; else a free entry, or the entry that ends soonest. */
static int choose_entry(const struct sp_untaken *u, const struct sp_endpoint *at)
{
	int best = find_entry(u, at);

	if (best >= 0)
		return best;
	best = 0;
	for (int i = 1; i < SP_MEMBER_OWNED_MAX; i++)
		if (u->of[i].until_ns < u->of[best].until_ns)
			best = i;
	return best;
}

static void warn_of_listener(const struct sp_endpoint *at, __u64 wait_ns, __u64 now_ns)
{
	char name[SP_ENDPOINT_STRLEN], wait[SP_QUANTITY_STRLEN];

	sp_endpoint_format(&at->addr, at->port_be, name);
	sp_warn(SP_WARNING_ADOPT_FILTERED, now_ns, name,
		"%s: this host drops segments that its kernel has adopted (a "
		"firewall or connection tracking wants a SYN): connections go split, and adoption is tried again after %s",
		name, sp_time_format(wait_ns, wait));
}

int sp_untaken_note(struct sp_untaken *u, const struct sp_endpoint *at, __u64 overflows,
		    __u64 now_ns)
{
	int is_full = overflows != u->overflows, is_known = find_entry(u, at) >= 0,
	    i = choose_entry(u, at);
	__u64 wait_ns = FIRST_NS;

	u->overflows = overflows;
	if (is_full)
		return 0;
	if (is_known && now_ns < u->of[i].until_ns)
		return 1;	/* its segment was already under way */
	if (is_known)
		wait_ns = u->of[i].wait_ns * LONGER < LONGEST_NS ? u->of[i].wait_ns * LONGER
								 : LONGEST_NS;
	u->of[i].at = *at;
	u->of[i].wait_ns = wait_ns;
	u->of[i].until_ns = now_ns + wait_ns;
	warn_of_listener(at, wait_ns, now_ns);
	return 1;
}

__u64 sp_untaken_at(const struct sp_untaken *u, const struct sp_endpoint *owned, unsigned int count,
		    __u64 now_ns)
{
	__u64 bits = 0;

	for (unsigned int i = 0; i < count; i++) {
		int at = find_entry(u, &owned[i]);

		bits |= (__u64)(at >= 0 && now_ns < u->of[at].until_ns) << i;
	}
	return bits;
}

/* The file has a line of names, then a line of numbers. */
static __u64 number_of(char *names, char *numbers, const char *wanted)
{
	char *at_name, *at_number;
	const char *name = strtok_r(names, " \n", &at_name),
		*number = strtok_r(numbers, " \n", &at_number);

	while (name && number && strcmp(name, wanted)) {
		name = strtok_r(NULL, " \n", &at_name);
		number = strtok_r(NULL, " \n", &at_number);
	}
	return name && number ? strtoull(number, NULL, 10) : 0;
}

__u64 sp_untaken_overflows(void)
{
	static char names[LINE_BYTES], numbers[LINE_BYTES];
	FILE *file = fopen("/proc/self/net/netstat", "re");
	__u64 n = 0;

	if (!file)
		return 0;
	if (fgets(names, sizeof(names), file) && fgets(numbers, sizeof(numbers), file))
		n = number_of(names, numbers, "ListenOverflows");
	fclose(file);
	return n;
}

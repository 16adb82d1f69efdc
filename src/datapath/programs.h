/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* programs.h - the programs of this build: loaded, or those that a former daemon has pinned */
#ifndef SP_DATAPATH_PROGRAMS_H
#define SP_DATAPATH_PROGRAMS_H

#include "abi/ktypes.h"

struct proxy_bpf;

#define SP_PROGRAMS(X) \
	X(INGRESS, sp_ingress) X(PATCH, sp_patch) X(LEAVE, sp_leave) X(EGRESS, sp_egress) \
	X(AGENT_IN, sp_agent_in) X(AGENT_ADOPT, sp_agent_adopt) X(LISTENERS, sp_listeners)

enum sp_program {
#define X(up, low) SP_PROGRAM_##up,
	SP_PROGRAMS(X)
#undef X
	SP_PROGRAM_COUNT
};

/**
 * struct sp_programs
 * @fd:		by enum sp_program; -1: not chosen
 * @are_found:	pinned by a former daemon: @fd is ours to close
 * @digest:	part of the names of the pins, see programs.c
 */
struct sp_programs {
	int	fd[SP_PROGRAM_COUNT];
	int	are_found;
	__u64	digest;
};

/**
 * sp_programs_load() - load @skel with the programs that are chosen there (autoload)
 * @dir:	of the pins; the maps of @skel have their paths
 * Return: 0 or -errno.
 */
int sp_programs_load(struct proxy_bpf *skel, const char *dir, struct sp_programs *ret_programs);
/* Remove the pins of other builds. Only then is a program without an interface gone. */
void sp_programs_sweep(const struct sp_programs *programs, const char *dir);
void sp_programs_close(struct sp_programs *programs);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* state.h - the directory on a bpffs under which the datapath is pinned: one daemon at a time has it. */
#ifndef SP_DATAPATH_STATE_H
#define SP_DATAPATH_STATE_H

#define SP_STATE_PATH_MAX 512

struct sp_state {
	int	lock_fd;			/* of the directory itself: the kernel unlocks it however we end */
	char	dir[SP_STATE_PATH_MAX];		/* where this layout's objects are pinned */
};

/**
 * sp_state_open() - make the directory and lock it
 * Waits a moment for a daemon that is being ended.
 * Return: 0 or -errno, logged; -EBUSY when another daemon has it.
 */
int sp_state_open(const char *state_dir, struct sp_state *ret_state);
/* What is pinned stays. */
void sp_state_close(struct sp_state *state);

/* Unpins all that is in there, of any layout; programs whose link goes are detached. Return: as sp_state_open(). */
/* What a version with another layout has left there is removed, and detached: it would take our packets for its own. */
void sp_state_sweep(const char *state_dir);
int sp_state_remove(const char *state_dir);

#endif

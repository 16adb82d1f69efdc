/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * state.h - state_dir: the directory on a bpffs with the pins of the datapath, locked by one daemon
 * at a time. Errors are logged here.
 */
#ifndef SP_DATAPATH_STATE_H
#define SP_DATAPATH_STATE_H

#define SP_STATE_PATH_MAX 512

struct sp_state {
	/* lock of state_dir: the kernel unlocks when the daemon ends */
	int	lock_fd;
	char	dir[SP_STATE_PATH_MAX];		/* pins of the current layout */
};

/**
 * sp_state_open() - make the directory and lock it
 * Waits a moment for another daemon to end.
 * Return: 0 or -errno; -EBUSY: another daemon has the lock.
 */
int sp_state_open(const char *state_dir, struct sp_state *ret_state);
/* The pins stay. */
void sp_state_close(struct sp_state *state);

/* Remove and detach datapaths of versions with another layout: they would take our packets. */
void sp_state_sweep(const char *state_dir);
/* Unpin and detach the datapath, of each layout. Return: 0 or -errno; -EBUSY: a daemon runs. */
int sp_state_remove(const char *state_dir);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * starter.h - a small process that starts spliced-check, since the confined daemon must not start
 * programs. The starter ends with the daemon.
 */
#ifndef SP_NODE_STARTER_H
#define SP_NODE_STARTER_H

#define SP_STARTER_TEXT_MAX	128

/**
 * struct sp_starter - the daemon's ends
 * @orders:	to and from the starter, -1: none
 * @records:	to and from spliced-check (check/record.h); outlives the program
 */
struct sp_starter {
	int	orders, records;
};

enum sp_starter_event { SP_STARTER_STARTED, SP_STARTER_ENDED, SP_STARTER_GONE };

/*
 * Before the daemon opens files: the starter is a copy of this process. From here on, ended
 * processes leave no zombies. Return: 0; -ENOENT: no spliced-check is beside this program; or the
 * -errno of a system call.
 */
int sp_starter_open(struct sp_starter *ret_starter);

/* Start spliced-check; kill a program that hangs. Return: 0 or -errno. */
int sp_starter_start(const struct sp_starter *starter);
int sp_starter_kill(const struct sp_starter *starter);

/**
 * sp_starter_read() - the next event
 * @ret_pid:	of STARTED
 * @text:	of ENDED: how
 * Return: enum sp_starter_event; -EAGAIN: none.
 */
int sp_starter_read(const struct sp_starter *starter, int *ret_pid, char text[SP_STARTER_TEXT_MAX]);

#endif

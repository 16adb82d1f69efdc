/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * checker.h - the daemon's side of spliced-check: list of checks, results, life of the process. The
 * death of the process changes no backend, and is followed by a new start.
 *
 * Context: event loop. What fails is a warning of `splicectl status`.
 */
#ifndef SP_NODE_CHECKER_H
#define SP_NODE_CHECKER_H

#include <uv.h>

#include "node/role.h"
#include "node/starter.h"

/*
 * Theory of operation
 *
 *	OFF -> STARTING		the configuration has a check
 *	STARTING -> RUNNING	hello: the daemon sends the list
 *	-> WAITING		the process has ended; the next start is after a pause, doubled
 *				each time from 0.5 s to 30 s, and short again after 30 s of life
 *	WAITING -> STARTING	the pause is over
 *	-> GONE			there is no starter: no program beside the daemon, or it was killed
 *
 * A process that is silent for SILENT_S is killed. Results bear the generation of their list;
 * results of an older list are dropped.
 */
enum sp_checker_state {
	SP_CHECKER_OFF,
	SP_CHECKER_STARTING,
	SP_CHECKER_RUNNING,
	SP_CHECKER_WAITING,
	SP_CHECKER_GONE,
};

/**
 * struct sp_checker_status - for reports
 * @checks:	in the configuration
 * @results, @refused: records that counted, and records that broke the protocol
 * @starts:	of the program
 * @why:	the reason of WAITING and GONE
 */
struct sp_checker_status {
	enum sp_checker_state	state;
	int			pid;
	unsigned int		checks, starts;
	__u64			results, refused;
	char			why[SP_STARTER_TEXT_MAX];
};

struct sp_checker;

/*
 * @starter: taken over; @err: of sp_starter_open(). @node is borrowed until the checker is closed.
 * Return: 0 or -ENOMEM.
 */
int sp_checker_open(uv_loop_t *loop, struct sp_node *node, const struct sp_starter *starter,
		    int err, struct sp_checker **ret_checker);
/* The loop turns once more. NULL is ignored. */
void sp_checker_close(struct sp_checker *checker);

/* Use the configuration of the node. */
void sp_checker_configure(struct sp_checker *checker);

/* NULL: an agent's, all zero. Return: borrowed. */
const struct sp_checker_status *sp_checker_status(const struct sp_checker *checker);
const char *sp_checker_state_name(enum sp_checker_state state);

#endif

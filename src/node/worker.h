/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * worker.h - a confined thread for work that takes longer than packets should wait, one piece of
 * work after the other. The thread touches only memory of the work itself.
 */
#ifndef SP_NODE_WORKER_H
#define SP_NODE_WORKER_H

typedef struct uv_loop_s uv_loop_t;
struct sp_worker;

/**
 * struct sp_work - embedded into the memory of a piece of work
 * @run:	in the thread
 * @done:	then, in the event loop; the work may be added again
 * @drop:	in the place of @done, also without @run: the worker is closed. NULL: nothing to do
 */
struct sp_work {
	void		(*run)(struct sp_work *work);
	void		(*done)(struct sp_work *work);
	void		(*drop)(struct sp_work *work);
	struct sp_work	*next;
};

/* Before sp_confine(): the thread confines itself. Return: 0 or -errno. */
int sp_worker_open(uv_loop_t *loop, struct sp_worker **ret_worker);
/* @work: borrowed until @done or @drop */
void sp_worker_add(struct sp_worker *worker, struct sp_work *work);
/* Waits for the end of a run. The loop turns once more. NULL is ignored. */
void sp_worker_close(struct sp_worker *worker);

#endif

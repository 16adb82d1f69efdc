/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fake.h - a fake store server that talks nonsense, on the test's own loop. */
#ifndef SP_TEST_FAKE_H
#define SP_TEST_FAKE_H

#include <stddef.h>
#include <uv.h>

#include "store/redis/script.h"

/*
 * Commands with a wrong answer; the rest are answered as by an empty server. Scripts by their
 * number.
 */
enum fake_at { AT_ANY = -4, AT_INFO, AT_LOAD, AT_CONNECT };

/*
 * The wrong answer: in the place of the right answer, before or behind it, an answer later, and the
 * sequel.
 */
enum fake_how { INSTEAD, BEHIND, BEFORE, LATER, THEN_CLOSE, THEN_SILENT, IN_PIECES };

/**
 * struct nonsense - how a server is wrong
 * @say:	@len bytes (0: as long as it is), then @times times @again
 */
struct nonsense {
	const char	*name;
	int		at;
	enum fake_how	how;
	const char	*say;
	size_t		len;
	const char	*again;
	unsigned int	times;
};

/* Listen on a Unix socket at @path until fake_close(). */
void fake_open(uv_loop_t *loop, const char *path, const struct nonsense *how);
/* Close; the loop must run once more afterwards. */
void fake_close(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* reload.h - from one configuration to the next: as a whole, or not at all */
#ifndef SP_PROXY_RELOAD_H
#define SP_PROXY_RELOAD_H

#include "config.h"
#include "front.h"

/**
 * sp_reload() - read a file again and follow it
 * @now:	what is followed (borrowed), and still is when this fails
 * @ret_config:	what is followed from now on, taken over by the caller
 * Return: 0 or -errno, logged.
 */
int sp_reload(const char *path, struct sp_datapath *dp, struct sp_front *front, const struct sp_config *now,
	      struct sp_config **ret_config);

#endif

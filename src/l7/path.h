/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* path.h - the normal form of a path, for comparison by routes. Forwarded bytes never change. */
#ifndef SP_L7_PATH_H
#define SP_L7_PATH_H

#include "l7/head.h"

#define SP_PATH_MAX	65536	/* no head is longer: spliced.yaml(5), head_size */

/**
 * sp_path_normalize() - write a path as all servers read it (RFC 3986, 6.2.2 and 6.2.3)
 * @path:	begins with '/', or is empty, which means "/"
 * @buf:	room for @path.len bytes, at least one; may be @path.p itself
 * @ret_why:	a short English reason why servers disagree about this path (static); NULL: no
 *		disagreement
 *
 * The work is linear in @path.len. Normalizing a normal form changes nothing.
 * Return: the normal form, in @buf; never longer than @path, unless @path is empty.
 */
struct sp_str sp_path_normalize(struct sp_str path, char *buf, const char **ret_why);

#endif

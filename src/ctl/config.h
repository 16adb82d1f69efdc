/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* config.h - two configurations, as text, compared. */
#ifndef SP_CTL_CONFIG_H
#define SP_CTL_CONFIG_H

#include <jansson.h>

/*
 * Print the difference between "config" and "next" of an answer by diff(1).
 * Return: 0: none; 1: some; -errno: diff can't be run.
 */
int sp_config_diff(const json_t *answer);

#endif

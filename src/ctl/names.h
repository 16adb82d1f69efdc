/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* names.h - names and files of backends as text for people. Only for splicectl. */
#ifndef SP_CTL_NAMES_H
#define SP_CTL_NAMES_H

#include <jansson.h>
#include <stdio.h>

/* @object: the answer to "status" */
void sp_show_names(const json_t *object, FILE *out);

#endif

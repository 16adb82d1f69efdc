/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* output.h - the lines of an answer, before they are written. No I/O. */
#ifndef SP_CONTROL_OUTPUT_H
#define SP_CONTROL_OUTPUT_H

#include <stddef.h>

#include "control/control.h"

/* @len bytes of @data, which is for the owner to free(). */
struct sp_control_output {
	char	*data;
	size_t	len;
	size_t	size;
};

/* Append text, without a newline. Return: 0; -ENOMEM. */
int sp_control_output_text(struct sp_control_output *out, const char *text);

/*
 * Append an object without its last brace: more keys follow. Takes @json over; NULL: out of memory.
 * Return: 0; -ENOMEM.
 */
int sp_control_output_open(struct sp_control_output *out, json_t *json);

/* Append one line. Takes @json over; NULL: out of memory. Return: 0; -ENOMEM. */
int sp_control_output_add(struct sp_control_output *out, json_t *json);

/* Append JSON within a line. Likewise. */
int sp_control_output_json(struct sp_control_output *out, json_t *json);

/* The line of one splice. NULL: out of memory. */
json_t *sp_control_row_json(const struct sp_connection_row *row);

#endif

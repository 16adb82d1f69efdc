/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* output.h - the lines of an answer, before they are written. No I/O. Only for src/control. */
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

/* Append one line. Takes @json over; NULL: out of memory. Return: 0; -ENOMEM. */
int sp_control_output_add(struct sp_control_output *out, json_t *json);

/* The line of one splice. NULL: out of memory. */
json_t *sp_control_row_json(const struct sp_connection_row *row);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* svg.h - lines in a picture. Knows nothing of models. */
#ifndef SP_PLAN_SVG_H
#define SP_PLAN_SVG_H

#include <stddef.h>
#include <stdio.h>

#define SP_SVG_POINTS_MAX 64
#define SP_SVG_LINES_MAX  4

struct sp_svg_line {
	const char	*name;
	double		y[SP_SVG_POINTS_MAX];
};

/**
 * struct sp_svg - a picture whose y axis is logarithmic
 * @title:	borrowed, as all texts are
 * @x_name:	of the x axis
 * @x:		rising
 * @points:	of each line
 * @lines:	of them
 * @line:	a point that is not above 0 is left out
 */
struct sp_svg {
	const char		*title;
	const char		*x_name;
	double			x[SP_SVG_POINTS_MAX];
	size_t			points;
	size_t			lines;
	struct sp_svg_line	line[SP_SVG_LINES_MAX];
};

void sp_svg_print(const struct sp_svg *svg, FILE *out);

#endif

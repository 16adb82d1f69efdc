// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "svg.h"

#include <math.h>

#define WIDTH	640
#define HEIGHT	400
#define LEFT	70
#define RIGHT	20
#define TOP	40
#define BOTTOM	50
#define X_MARKS 8

static const char *const colours[SP_SVG_LINES_MAX] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7" };

/* Whole decades that hold all points. */
struct range {
	int low;
	int high;
};

static struct range range_of(const struct sp_svg *svg)
{
	double low = INFINITY, high = 0;

	for (size_t l = 0; l < svg->lines; l++)
		for (size_t i = 0; i < svg->points; i++)
			if (svg->line[l].y[i] > 0) {
				low = fmin(low, svg->line[l].y[i]);
				high = fmax(high, svg->line[l].y[i]);
			}
	if (!(high > 0))
		return (struct range){ -1, 0 };
	return (struct range){ floor(log10(low)), floor(log10(high)) + 1 };
}

static double x_at(const struct sp_svg *svg, double x)
{
	double first = svg->x[0], last = svg->x[svg->points - 1];

	return LEFT + (last > first ? (x - first) / (last - first) : 0) * (WIDTH - LEFT - RIGHT);
}

static double y_at(struct range range, double log_y)
{
	return TOP + (range.high - log_y) / (range.high - range.low) * (HEIGHT - TOP - BOTTOM);
}

static void print_text(FILE *out, double x, double y, const char *anchor, const char *what)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
	for (; *what; what++)
		if (*what == '<' || *what == '&')
			fprintf(out, "&#%d;", *what);
		else
			fputc(*what, out);
	fputs("</text>\n", out);
}

static void print_axes(const struct sp_svg *svg, struct range range, FILE *out)
{
	size_t step = (svg->points + X_MARKS - 1) / X_MARKS;
	char label[32];

	for (int decade = range.low; decade <= range.high; decade++) {
		snprintf(label, sizeof(label), "1e%d", decade);
		fprintf(out, "<path d=\"M%d %.1fH%d\" stroke=\"#ccc\"/>\n", LEFT,
			y_at(range, decade), WIDTH - RIGHT);
		print_text(out, LEFT - 6, y_at(range, decade) + 4, "end", label);
	}
	for (size_t i = 0; i < svg->points; i += step) {
		snprintf(label, sizeof(label), "%g", svg->x[i]);
		print_text(out, x_at(svg, svg->x[i]), HEIGHT - BOTTOM + 18, "middle", label);
	}
	print_text(out, (WIDTH + LEFT - RIGHT) / 2.0, HEIGHT - 8, "middle", svg->x_name);
	print_text(out, WIDTH / 2.0, 16, "middle", svg->title);
}

static void print_line(const struct sp_svg *svg, size_t number, struct range range, FILE *out)
{
	const struct sp_svg_line *l = &svg->line[number];
	int is_begun = 0;

	fputs("<path d=\"", out);
	for (size_t i = 0; i < svg->points; i++)
		if (l->y[i] > 0)
			fprintf(out, "%c%.1f %.1f", is_begun++ ? 'L' : 'M', x_at(svg, svg->x[i]),
				y_at(range, log10(l->y[i])));
	fprintf(out, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n<g fill=\"%s\">",
		colours[number],
		colours[number]);
	print_text(out, LEFT + 150.0 * (double)number, TOP - 8, "start", l->name);
	fputs("</g>\n", out);
}

void sp_svg_print(const struct sp_svg *svg, FILE *out)
{
	struct range range = range_of(svg);

	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
		     "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
			     WIDTH, HEIGHT);
	print_axes(svg, range, out);
	for (size_t i = 0; i < svg->lines; i++)
		print_line(svg, i, range, out);
	fputs("</svg>\n", out);
}

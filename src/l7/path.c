// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * path.c - the normal form of a path
 *
 * Theory of operation. One pass copies the path segment by segment. The output always ends behind
 * a slash when a segment begins. So a segment without meaning ("", ".") is dropped by not moving
 * on, and ".." by going back to the slash before. RFC 3986 asks for this:
 *
 *  - 6.2.2.1: the digits of an escape are upper case
 *  - 6.2.2.2: an escape of an unreserved character is that character
 *  - 6.2.2.3, 5.2.4: "." and ".." are resolved
 *  - 6.2.3: an empty path is "/"
 *
 * Servers normalize more, and so does this file: slashes in a row are one, and every printable
 * character that may stand in a path stands for itself ("%40" is "@"), but for '/', '\\', '%',
 * '?', '#'.
 *
 * Some paths mean different things to different servers. The normal form is then one of the
 * readings, and @why names the difference: an encoded slash, backslash or NUL; a backslash; a
 * broken escape; ".." above the root; ".." behind an empty segment, merged before or after by
 * different servers; "..;" and ".;", resolved by servers that strip the parameters of a segment.
 */
#include "l7/path.h"

#include <stdbool.h>
#include <string.h>

struct normal {
	const char *p; /* cursor */
	const char *end;
	char *start;   /* of the output */
	char *segment; /* its latest segment */
	char *to;
	const char *why;
	const char *empty; /* where in the output the latest empty segment was merged */
	bool is_malformed; /* this segment has a broken escape: the rest is copied */
};

static void mark_ambiguous(struct normal *n, const char *why)
{
	if (!n->why)
		n->why = why;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* Return: the byte, or -1. */
static int escaped_byte(const struct normal *n)
{
	int high, low;

	if (n->end - n->p < 3)
		return -1;
	high = hex_value(n->p[1]);
	low = hex_value(n->p[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static bool stands_for_itself(int byte)
{
	return byte > ' ' && byte < 0x7f && !strchr("/\\%?#", byte);
}

static void put_escape(struct normal *n, int byte)
{
	static const char digits[] = "0123456789ABCDEF";

	if (byte == '\0')
		mark_ambiguous(n, "encoded NUL in the path");
	if (byte == '/')
		mark_ambiguous(n, "encoded slash in the path");
	if (byte == '\\')
		mark_ambiguous(n, "encoded backslash in the path");
	n->p += 3;
	if (stands_for_itself(byte)) {
		*n->to++ = byte;
		return;
	}
	*n->to++ = '%';
	*n->to++ = digits[byte >> 4];
	*n->to++ = digits[byte & 15];
}

static void put_char(struct normal *n)
{
	int byte = *n->p == '%' && !n->is_malformed ? escaped_byte(n) : -1;

	if (byte >= 0) {
		put_escape(n, byte);
		return;
	}
	if (*n->p == '%') {
		mark_ambiguous(n, "malformed escape in the path");
		n->is_malformed = true;
	}
	if (*n->p == '\\')
		mark_ambiguous(n, "backslash in the path");
	*n->to++ = *n->p++;
}

static bool segment_is(const struct normal *n, const char *text)
{
	size_t len = n->to - n->segment;

	return len == strlen(text) && memcmp(n->segment, text, len) == 0;
}

static bool segment_begins(const struct normal *n, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(n->to - n->segment) >= len && memcmp(n->segment, text, len) == 0;
}

static void go_up(struct normal *n)
{
	n->to = n->segment;
	if (n->to == n->empty)
		mark_ambiguous(n, "\"..\" behind an empty segment of the path");
	if (n->to == n->start + 1) {
		mark_ambiguous(n, "\"..\" above the root of the path");
		return;
	}
	do
		n->to--;
	while (n->to[-1] != '/');
}

/* @is_last: no slash follows */
static void end_segment(struct normal *n, bool is_last)
{
	if (segment_is(n, "..")) {
		go_up(n);
	} else if (segment_is(n, ".")) {
		n->to = n->segment;
	} else if (segment_is(n, "")) {
		n->empty = n->to;
	} else {
		if (segment_begins(n, ".;") || segment_begins(n, "..;"))
			mark_ambiguous(n, "dot segment with parameters in the path");
		if (!is_last)
			*n->to++ = '/';
	}
	n->segment = n->to;
	n->is_malformed = false;
}

struct sp_str sp_path_normalize(struct sp_str path, char *buf, const char **ret_why)
{
	struct normal n = {.p = path.p, .end = path.p + path.len, .start = buf};

	if (path.len)
		n.p++;
	buf[0] = '/';
	n.segment = n.to = buf + 1;
	while (n.p < n.end) {
		if (*n.p != '/') {
			put_char(&n);
			continue;
		}
		n.p++;
		end_segment(&n, false);
	}
	end_segment(&n, true);
	*ret_why = n.why;
	return (struct sp_str){buf, n.to - buf};
}

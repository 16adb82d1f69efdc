/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* http1_connection.h - options of the header Connection. Read by l7/http1*.[ch] only. */
#ifndef SP_L7_HTTP1_CONNECTION_H
#define SP_L7_HTTP1_CONNECTION_H

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "l7/head.h"

struct connection_options {
	bool has_close;
	bool has_keep_alive;
	bool has_upgrade;
	bool has_framing; /* the name of a header that frames the message */
};

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline struct sp_str trim_blanks(struct sp_str str)
{
	for (; str.len && is_blank(*str.p); str.len--)
		str.p++;
	while (str.len && is_blank(str.p[str.len - 1]))
		str.len--;
	return str;
}

/* The first element of @list, which is not empty, is cut off. Elements may be empty. */
static inline struct sp_str next_element(struct sp_str *list)
{
	const char *comma = memchr(list->p, ',', list->len);
	struct sp_str element = {list->p, comma ? (size_t)(comma - list->p) : list->len};
	size_t used = element.len + (comma != NULL);

	list->p += used;
	list->len -= used;
	return trim_blanks(element);
}

static inline bool str_is_nocase(const struct sp_str *str, const char *other)
{
	return str->len == strlen(other) && strncasecmp(str->p, other, str->len) == 0;
}

/* Connection may be given more than once: the options add up. */
static inline void add_options(struct connection_options *options, struct sp_str value)
{
	while (value.len) {
		struct sp_str option = next_element(&value);

		options->has_close |= str_is_nocase(&option, "close");
		options->has_keep_alive |= str_is_nocase(&option, "keep-alive");
		options->has_upgrade |= str_is_nocase(&option, "upgrade");
		options->has_framing |= str_is_nocase(&option, "content-length") ||
					str_is_nocase(&option, "transfer-encoding") ||
					str_is_nocase(&option, "host");
	}
}

/* RFC 9112, 9.3 */
static inline bool is_persistent(const struct connection_options *options, int minor)
{
	return !options->has_close && (minor == 1 || options->has_keep_alive);
}

#endif

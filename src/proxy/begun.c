// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/begun.h"

#include <string.h>

#include "l7/http1_response.h"

static int add_text(struct sp_begun *b, struct sp_str text)
{
	if (b->same_len + text.len + 1 > SP_BEGUN_SAME_MAX)
		return -1;
	if (text.len)
		memcpy(b->same + b->same_len, text.p, text.len);
	b->same_len += text.len;
	b->same[b->same_len++] = '\n';
	return 0;
}

/*
 * A range in several parts has a boundary of the server's in the body: no Content-Range, and not
 * the same. Last-Modified says too little: a second may have two changes (RFC 9110, 8.8.2.2).
 */
static void note_same(const struct sp_http1_response *head, struct sp_begun *b)
{
	int is_usual = head->status == 200 || (head->status == 206 && head->range.len);

	if (!is_usual || !head->etag.len || !head->framing.is_persistent ||
	    head->framing.body != SP_HTTP1_BODY_LENGTH)
		return;
	if (add_text(b, head->etag) || add_text(b, head->coding) || add_text(b, head->range))
		b->same_len = 0;
}

enum sp_parse_verdict sp_begun_read(const char *bytes, size_t len, struct sp_begun *ret)
{
	static const struct sp_http1_request_kind get;
	static struct sp_http1_response head;
	enum sp_parse_verdict v;

	*ret = (struct sp_begun){ 0 };
	for (;;) {
		v = sp_http1_response_parse(bytes + ret->head_len, len - ret->head_len, &get,
					    &head);
		if (v != SP_PARSE_OK)
			return v;
		ret->head_len += head.head_len;
		if (head.status >= 200 || head.status == 101)
			break;
	}
	ret->status = head.status;
	ret->length = head.framing.length;
	note_same(&head, ret);
	return SP_PARSE_OK;
}

int sp_begun_is_same(const struct sp_begun *a, const struct sp_begun *b)
{
	return a->same_len && a->same_len == b->same_len && a->status == b->status &&
	       a->length == b->length && !memcmp(a->same, b->same, a->same_len);
}

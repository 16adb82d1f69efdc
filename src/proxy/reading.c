// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/reading.h"

#include <stdio.h>
#include <string.h>

#include "l7/http1_chunk.h"
#include "l7/http1_response.h"

static enum sp_parse_verdict read_head(struct sp_reading *r, const char *bytes, size_t len)
{
	const struct sp_http1_request_kind of = {
		.is_head = !!(r->boundary.reading & SP_READING_NO_BODY),
		.is_connect = !!(r->boundary.reading & SP_READING_CONNECT),
	};
	static struct sp_http1_response head;
	enum sp_parse_verdict v = sp_http1_response_parse(bytes, len, &of, &head);
	const struct sp_http1_framing *f = &head.framing;
	__u32 end = r->boundary.until + head.head_len;
	__u8 reading = r->boundary.reading;

	if (v != SP_PARSE_OK)
		return v;
	r->status = head.status;
	if (head.status < 200 && head.status != 101) {
		r->boundary.until = end;
		return v;
	}
	r->is_tunnel = (head.status == 101 && reading & SP_READING_UPGRADE) ||
		       (head.status < 300 && head.status != 101 && reading & SP_READING_CONNECT);
	if (r->is_tunnel || head.status == 101 || f->body == SP_HTTP1_BODY_CLOSE ||
	    !f->is_persistent || reading & SP_READING_CLOSES)
		r->boundary = sp_boundary_make(end, 0, SP_BOUND_NONE, reading);
	else if (f->body == SP_HTTP1_BODY_CHUNKED)
		r->boundary = sp_boundary_make(end, 0, SP_BOUND_CHUNK, reading);
	else
		r->boundary = sp_boundary_make(end, f->length, SP_BOUND_STOP, reading);
	return v;
}

#define BEGUN_MAX	8

/* The part of a line that the datapath has carried, but for zeros. Return: its length. */
static size_t put_begun(const struct sp_boundary *b, char *to)
{
	switch (b->bound) {
	case SP_BOUND_DATA_LF: return sprintf(to, "\r");
	case SP_BOUND_SIZE: return sprintf(to, "%x", b->laps);
	case SP_BOUND_SIZE_LF: return sprintf(to, "%x\r", b->laps);
	case SP_BOUND_LAST: return sprintf(to, "0\r\n");
	case SP_BOUND_LAST_LF: return sprintf(to, "0\r\n\r");
	}
	return 0;
}

static enum sp_parse_verdict read_chunk(struct sp_reading *r, const char *bytes, size_t len)
{
	static char line[BEGUN_MAX + SP_HTTP1_CHUNK_HEAD_MAX];
	size_t begun = put_begun(&r->boundary, line);
	int is_after_data = r->boundary.bound == SP_BOUND_CHUNK_END ||
			    r->boundary.bound == SP_BOUND_DATA_LF;
	struct sp_http1_chunk chunk;
	enum sp_parse_verdict v;

	if (len > SP_HTTP1_CHUNK_HEAD_MAX)
		len = SP_HTTP1_CHUNK_HEAD_MAX;
	memcpy(line + begun, bytes, len);
	v = sp_http1_chunk_parse(line, begun + len, is_after_data, &chunk);
	if (v == SP_PARSE_OK)
		r->boundary = sp_boundary_make(r->boundary.until + chunk.head_len - begun,
					       chunk.data_len,
					       chunk.is_last ? SP_BOUND_STOP : SP_BOUND_CHUNK_END,
					       r->boundary.reading);
	return v;
}

int sp_reading_is_open(const struct sp_boundary *b)
{
	return b->bound == SP_BOUND_HEAD || sp_boundary_is_line(*b);
}

int sp_reading_is_stop(const struct sp_boundary *b)
{
	return (b->bound == SP_BOUND_STOP || b->bound == SP_BOUND_GONE) && !b->laps;
}

enum sp_parse_verdict sp_reading_go(struct sp_reading *r, const char *bytes, __u32 at, size_t len)
{
	enum sp_parse_verdict v = SP_PARSE_OK;

	while (v == SP_PARSE_OK && sp_reading_is_open(&r->boundary) &&
	       !sp_boundary_laps(r->boundary)) {
		__u32 skip = r->boundary.until - at;

		if (skip >= len)
			break;
		v = r->boundary.bound == SP_BOUND_HEAD ?
			read_head(r, bytes + skip, len - skip) :
			read_chunk(r, bytes + skip, len - skip);
	}
	return v;
}

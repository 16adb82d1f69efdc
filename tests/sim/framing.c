// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "framing.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static enum sim_framing_state body_of(struct sim_framing *f)
{
	if (f->is_head || f->status == 204 || f->status == 304)
		return SIM_FRAMING_COMPLETE;
	if (f->is_chunked)
		return SIM_FRAMING_CHUNK_SIZE;
	if (!f->has_length)
		return SIM_FRAMING_UNTIL_END;
	return f->left ? SIM_FRAMING_LENGTH : SIM_FRAMING_COMPLETE;
}

static enum sim_framing_state end_head(struct sim_framing *f)
{
	if (f->status >= 200)
		return body_of(f);
	f->interims++;
	return f->status == 101 && f->is_upgrade ? SIM_FRAMING_UNTIL_END : SIM_FRAMING_STATUS;
}

static enum sim_framing_state read_status(struct sim_framing *f)
{
	f->status = strncmp(f->line, "HTTP/1.1 ", 9) ? 0 : strtoul(f->line + 9, NULL, 10);
	return f->status >= 100 && f->status < 600 ? SIM_FRAMING_FIELDS : SIM_FRAMING_BROKEN;
}

static enum sim_framing_state read_field(struct sim_framing *f)
{
	if (!f->line[0])
		return end_head(f);
	if (!strncasecmp(f->line, "Content-Length: ", 16)) {
		f->has_length = 1;
		f->left = strtoull(f->line + 16, NULL, 10);
	}
	if (!strncasecmp(f->line, "X-Connection: ", 14))
		f->connection = strtoul(f->line + 14, NULL, 10);
	f->is_chunked |= !strcasecmp(f->line, "Transfer-Encoding: chunked");
	f->has_close |= !strcasecmp(f->line, "Connection: close");
	return SIM_FRAMING_FIELDS;
}

static enum sim_framing_state read_size(struct sim_framing *f)
{
	char *end;

	f->left = strtoull(f->line, &end, 16);
	if (end == f->line || (*end && *end != ';'))
		return SIM_FRAMING_BROKEN;
	return f->left ? SIM_FRAMING_CHUNK : SIM_FRAMING_TRAILERS;
}

static enum sim_framing_state read_line(struct sim_framing *f)
{
	switch (f->state) {
	case SIM_FRAMING_STATUS:
		return read_status(f);
	case SIM_FRAMING_FIELDS:
		return read_field(f);
	case SIM_FRAMING_CHUNK_SIZE:
		return read_size(f);
	case SIM_FRAMING_CHUNK_END:
		return f->line[0] ? SIM_FRAMING_BROKEN : SIM_FRAMING_CHUNK_SIZE;
	case SIM_FRAMING_TRAILERS:
		return f->line[0] ? SIM_FRAMING_TRAILERS : SIM_FRAMING_COMPLETE;
	default:
		return SIM_FRAMING_BROKEN;
	}
}

/* The end of a long line is not kept. */
static void add_to_line(struct sim_framing *f, char byte)
{
	if (byte == '\n') {
		if (f->line_len && f->line[f->line_len - 1] == '\r')
			f->line_len--;
		f->line[f->line_len] = 0;
		f->line_len = 0;
		f->state = read_line(f);
	} else if (f->line_len < sizeof(f->line) - 1) {
		f->line[f->line_len++] = byte;
	}
}

static __u32 skip_data(struct sim_framing *f, __u32 len)
{
	if (len > f->left)
		len = f->left;
	f->left -= len;
	if (!f->left)
		f->state = f->state == SIM_FRAMING_CHUNK ? SIM_FRAMING_CHUNK_END :
			SIM_FRAMING_COMPLETE;
	return len;
}

__u32 sim_framing_read(struct sim_framing *f, const char *bytes, __u32 len)
{
	__u32 at = 0;

	while (at < len) {
		if (f->state == SIM_FRAMING_COMPLETE || f->state == SIM_FRAMING_BROKEN)
			return at;
		if (f->state == SIM_FRAMING_UNTIL_END)
			return len;
		if (f->state == SIM_FRAMING_LENGTH || f->state == SIM_FRAMING_CHUNK)
			at += skip_data(f, len - at);
		else
			add_to_line(f, bytes[at++]);
	}
	return at;
}

int sim_framing_end(struct sim_framing *f)
{
	if (f->state == SIM_FRAMING_UNTIL_END)
		f->state = SIM_FRAMING_COMPLETE;
	return f->state == SIM_FRAMING_COMPLETE;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "peers.h"

/* @chance: of a message, no part of the run's: both ends compute the same bytes */
struct writer {
	char	*to;
	__u32	len, max;
	__u64	chance;
};

static __u64 next_number(struct writer *w)
{
	w->chance = w->chance * 6364136223846793005ULL + 1442695040888963407ULL;
	return w->chance >> 33;
}

__attribute__((format(printf, 2, 3)))
static void put_text(struct writer *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	w->len += vsnprintf(w->to + w->len, w->max - w->len, fmt, ap);
	va_end(ap);
}

static void put_letters(struct writer *w, __u32 bytes)
{
	if (w->len + bytes > w->max)
		bytes = w->max - w->len;
	sim_fill(w->to + w->len, bytes, w->chance);
	next_number(w);
	w->len += bytes;
}

/* The rest of a head that has at least @bytes. */
static void end_head(struct writer *w, __u32 from, __u32 bytes)
{
	__u32 known = w->len - from + sizeof("X-Pad: \r\n\r\n") - 1;

	if (known < bytes) {
		put_text(w, "X-Pad: ");
		put_letters(w, bytes - known);
		put_text(w, "\r\n");
	}
	put_text(w, "\r\n");
}

static void put_chunks(struct writer *w, __u32 bytes)
{
	static const __u32 sizes[] = { 1, 16, 300, 1448, 5000, 20000 };
	int has_extension = next_number(w) % 4 == 0, has_trailer = next_number(w) % 4 == 0;

	while (bytes) {
		__u32 n = 1 + next_number(w) % sizes[next_number(w) % 6];

		n = n < bytes / 64 ? bytes / 64 : n;
		n = n < bytes ? n : bytes;
		put_text(w, "%x%s\r\n", n, has_extension ? ";name=\"a b\"" : "");
		put_letters(w, n);
		put_text(w, "\r\n");
		bytes -= n;
	}
	put_text(w, "0\r\n%s\r\n", has_trailer ? "X-Trailer: yes\r\n" : "");
}

static void put_body(struct writer *w, enum sim_body body, __u32 bytes)
{
	if (body == SIM_BODY_CHUNKED)
		put_chunks(w, bytes);
	else if (body != SIM_BODY_NONE)
		put_letters(w, bytes);
}

/* ---- requests ---- */

static const char *connection_of(const struct sim_exchange *x)
{
	if (x->upgrade)
		return "Connection: Upgrade\r\nUpgrade: letters\r\n";
	if (x->is_old)
		return sim_exchange_closes(x) ? "" : "Connection: keep-alive\r\n";
	return x->is_close_asked ? "Connection: close\r\n" : "";
}

__u32 sim_exchange_request(const struct sim_exchange *x, char *to, __u32 *ret_head_bytes)
{
	static const char *const methods[] = { "GET", "POST", "HEAD" };
	struct writer w = { to, .max = SIM_REQUEST_MAX, .chance = x->nonce };

	put_text(&w, "%s /%c/%u/ HTTP/1.%d\r\nHost: a.example\r\n", methods[x->method],
		 'a' + (char)x->pool, x->nonce, !x->is_old);
	put_text(&w, "%s", connection_of(x));
	if (x->request_body == SIM_BODY_LENGTH && x->upgrade != SIM_UPGRADE_ACCEPTED)
		put_text(&w, "Content-Length: %u\r\n", x->body_bytes);
	else if (x->request_body == SIM_BODY_CHUNKED)
		put_text(&w, "Transfer-Encoding: chunked\r\n");
	if (x->is_expecting)
		put_text(&w, "Expect: 100-continue\r\n");
	end_head(&w, 0, x->head_bytes);
	*ret_head_bytes = w.len;
	put_body(&w, x->request_body, x->body_bytes);
	return w.len;
}

/* ---- responses ---- */

static void put_interims(struct writer *w, const struct sim_exchange *x, unsigned int backend)
{
	for (unsigned int i = 0; i < x->interims; i++)
		put_text(w, "HTTP/1.1 %s\r\nX-Backend: %u\r\n\r\n",
			 x->is_expecting && !i ? "100 Continue" : "103 Early Hints", backend);
}

static const char *reason_of(unsigned int status)
{
	return status == 204 ? "No Content" : status == 304 ? "Not Modified" : "OK";
}

static int has_body(const struct sim_exchange *x)
{
	return x->status == 200 && x->method != SIM_METHOD_HEAD;
}

static void put_response_head(struct writer *w, const struct sim_exchange *x, unsigned int backend)
{
	__u32 from = w->len;

	put_text(w, "HTTP/1.1 %u %s\r\nX-Backend: %u\r\nX-Nonce: %u\r\n", x->status,
		 reason_of(x->status), backend, x->nonce);
	if (x->response_body == SIM_BODY_LENGTH && x->status != 204)
		put_text(w, "Content-Length: %u\r\n", x->response_bytes);
	else if (x->response_body == SIM_BODY_CHUNKED && x->status == 200)
		put_text(w, "Transfer-Encoding: chunked\r\n");
	if (x->is_close && !x->is_old)
		put_text(w, "Connection: close\r\n");
	else if (x->is_old && !sim_exchange_closes(x))
		put_text(w, "Connection: keep-alive\r\n");
	end_head(w, from, x->response_head_bytes);
}

__u32 sim_exchange_response(const struct sim_exchange *x, unsigned int backend, char *to,
			    __u32 *ret_interim_bytes)
{
	struct writer w = { to, .max = SIM_RESPONSE_MAX, .chance = x->nonce * 64 + backend + 7 };

	put_interims(&w, x, backend);
	if (x->upgrade == SIM_UPGRADE_ACCEPTED)
		put_text(&w, "HTTP/1.1 101 Switching Protocols\r\nX-Backend: %u\r\n"
			 "Connection: Upgrade\r\nUpgrade: letters\r\n\r\n", backend);
	*ret_interim_bytes = w.len;
	if (x->upgrade != SIM_UPGRADE_ACCEPTED)
		put_response_head(&w, x, backend);
	if (has_body(x))
		put_body(&w, x->response_body, x->response_bytes);
	return w.len;
}

int sim_exchange_closes(const struct sim_exchange *x)
{
	return x->is_close || (has_body(x) && x->response_body == SIM_BODY_UNTIL_END);
}

int sim_exchange_is_of(const struct sim_exchange *x, unsigned int backend)
{
	return backend / SIM_POOL_BACKENDS == x->pool;
}

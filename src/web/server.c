// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * server.c - see server.h. One thread serves all connections, so the daemon gets one request at a
 * time, and struct sp_source needs no lock. A hanging daemon delays all clients by a second.
 */
#include "web/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <unistd.h>

#include "web/metrics.h"
#include "web/page.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define TYPE_JSON	"application/json"
#define TYPE_TEXT	"text/plain; charset=utf-8"
#define TYPE_HTML	"text/html; charset=utf-8"

/* The page loads no parts, and is not to be framed. */
static const char *const headers[][2] = {
	{ "Content-Security-Policy", "default-src 'none'; connect-src 'self'; img-src data:; "
	  "script-src '" SP_PAGE_SCRIPT_HASH "'; style-src '" SP_PAGE_STYLE_HASH "'; "
	  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Frame-Options", "DENY" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Cache-Control", "no-store" },
};

/* @type: of the body, which is borrowed until the return */
static enum MHD_Result send_body(struct MHD_Connection *connection, unsigned int status,
				 const char *type, const char *body, size_t len)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, (void *)body, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	for (size_t i = 0; i < COUNT(headers); i++)
		MHD_add_response_header(response, headers[i][0], headers[i][1]);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned int status,
				 const char *text)
{
	return send_body(connection, status, TYPE_TEXT, text, strlen(text));
}

static enum MHD_Result send_page(struct MHD_Connection *connection, struct sp_source *source)
{
	return send_body(connection, MHD_HTTP_OK, TYPE_HTML, sp_page, sp_page_len);
}

static enum MHD_Result send_status(struct MHD_Connection *connection, struct sp_source *source)
{
	if (sp_source_refresh(source))
		return send_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	return send_body(connection, source->is_up ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
			 TYPE_JSON, source->json, source->json_len);
}

static enum MHD_Result send_metrics(struct MHD_Connection *connection, struct sp_source *source)
{
	if (sp_source_refresh(source))
		return send_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	return send_body(connection, MHD_HTTP_OK, SP_METRICS_TYPE, source->metrics,
			 source->metrics_len);
}

static const struct {
	const char *path;
	enum MHD_Result (*send)(struct MHD_Connection *connection, struct sp_source *source);
} resources[] = {
	{ "/", send_page },
	{ "/api/status", send_status },
	{ "/metrics", send_metrics },
};

/*
 * Called when the head is whole, then for each part of a body, then for the answer. A GET with a
 * body is cut off; methods not served are answered at once, and their connection is closed.
 */
static enum MHD_Result answer_request(void *ctx, struct MHD_Connection *connection,
				      const char *path, const char *method, const char *version,
				      const char *body, size_t *body_len, void **state)
{
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				 "only GET and HEAD are served here\n");
	if (*body_len)
		return MHD_NO;
	if (!*state) {
		*state = (void *)resources;	/* seen */
		return MHD_YES;
	}
	for (size_t i = 0; i < COUNT(resources); i++)
		if (!strcmp(path, resources[i].path))
			return resources[i].send(connection, ctx);
	return send_text(connection, MHD_HTTP_NOT_FOUND,
			 "not found; there are /, /api/status and /metrics\n");
}

int sp_server_start(int fd, struct sp_source *source, struct MHD_Daemon **ret_server)
{
	struct MHD_Daemon *server;

	server = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO, 0, NULL, NULL,
				  answer_request, source, MHD_OPTION_LISTEN_SOCKET, fd,
				  MHD_OPTION_CONNECTION_LIMIT, SP_SERVER_CONNECTIONS_MAX,
				  MHD_OPTION_CONNECTION_TIMEOUT, SP_SERVER_TIMEOUT_S,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SP_SERVER_HEAD_MAX,
				  MHD_OPTION_END);
	if (!server) {
		close(fd);
		return -EIO;
	}
	*ret_server = server;
	return 0;
}

void sp_server_stop(struct MHD_Daemon *server)
{
	MHD_stop_daemon(server);
}
